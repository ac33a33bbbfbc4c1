"""`CorpusSource`: the rows of a corpus, table by table, from wherever `datasets` finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq


if TYPE_CHECKING:
    from datasets import IterableDataset


_READERS = {".parquet": "parquet", ".jsonl": "json", ".ndjson": "json", ".json": "json"}


@dataclass(frozen=True)
class CorpusSource:
    """Rows to be read in order, from any row on, in constant memory.

    Args:
        rows (`datasets.IterableDataset`): The rows, streamed, in Arrow format.
        parquet (`list[Path]`): The files, where all are Parquet files on this machine, else empty.
        version (`str`): Changes with the files: their names and the time of the last change, or the commit on the Hub.
    """

    rows: IterableDataset
    parquet: list[Path]
    version: str

    @classmethod
    def open(cls, source: str | Path, split: str = "train") -> CorpusSource:
        """A Parquet or JSON Lines file, or a folder or Hub dataset as `datasets.load_dataset` takes it.

        Raises:
            `FileNotFoundError`: if there is no such file or dataset.
            `ValueError`: if it has no such split.
        """
        from datasets import load_dataset_builder
        from datasets.fingerprint import Hasher

        readers = [_READERS[suffix] for suffix in Path(source).suffixes if suffix in _READERS]
        if Path(source).is_file() and readers:  # .jsonl.gz and the like included
            builder = load_dataset_builder(readers[-1], data_files=str(source))
        elif readers and not Path(source).is_dir():
            raise FileNotFoundError(f"No file {source}.")
        else:
            builder = load_dataset_builder(str(source))
        rows = builder.as_streaming_dataset(split=split).with_format("arrow")
        files = (builder.config.data_files or {}).get(split, [])
        local = [Path(file) for file in files if file.endswith(".parquet") and Path(file).is_file()]
        version = Hasher.hash((builder.hash, list(files), getattr(files, "origin_metadata", None)))
        return cls(rows, local if len(local) == len(files) else [], version)

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return self.rows.column_names or next(iter(self.rows.take(1)), pa.table({})).column_names

    @property
    def n_rows(self) -> int | None:
        """How many there are, where that is known without reading them."""
        return sum(pq.read_metadata(file).num_rows for file in self.parquet) or None

    def tables(self, first_row: int, batch_size: int) -> Iterator[pa.Table]:
        """The rows from `first_row` on, at most `batch_size` at a time."""
        if not self.parquet:
            yield from self.rows.skip(first_row).iter(batch_size)
            return
        # datasets would hold a whole row group at a time, which is the whole file where pandas wrote it.
        from datasets.table import table_cast

        for file in self.parquet:
            with pq.ParquetFile(file) as parquet:
                skipped = min(first_row, parquet.metadata.num_rows)
                first_row -= skipped
                for batch in parquet.iter_batches(batch_size):
                    passed = min(skipped, len(batch))
                    skipped -= passed
                    if passed < len(batch):
                        yield table_cast(pa.Table.from_batches([batch.slice(passed)]), self.rows.features.arrow_schema)
