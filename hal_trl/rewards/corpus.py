"""`score_corpus`: a reward for every row of a corpus of any size, in constant memory, on as many cores as you like."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from tqdm.auto import tqdm

from ..whole_file import draft_of, write_json
from .corpus_rows import PREFIX, RowScorer
from .corpus_source import CorpusSource
from .guards import HonestyGuard
from .hal_reward import HALReward
from .ray_corpus import import_ray, score_on_ray


_ROWS, _BYTES = 16_384, 16 * 2**20  # of a row group, about: what merging holds in memory
_SETTINGS = "settings.json"


@dataclass(frozen=True)
class CorpusScores:
    """What a corpus scored: `rows`, how many `abstained`, the mean reward and P(human) of the others.

    `a_second` is how many rows this run scored a second, `nan` where it had none left to score.
    """

    rows: int
    abstained: int
    reward: float
    p_human: float
    a_second: float

    @classmethod
    def of(cls, path: str | Path, a_second: float) -> CorpusScores:
        """Of a file, or a folder of files, that holds scored rows."""
        rows, sums, known = 0, np.zeros(2), np.zeros(2)
        names = [f"{PREFIX}reward", f"{PREFIX}p_human"]
        for batch in pyarrow.dataset.dataset(path).to_batches(columns=names):
            rows += len(batch)
            for i, name in enumerate(names):
                values = batch[name].drop_null().to_numpy()
                sums[i], known[i] = sums[i] + values.sum(), known[i] + len(values)
        reward, p_human = (float(total / n) if n else float("nan") for total, n in zip(sums, known, strict=True))
        return cls(rows, rows - int(known[0]), reward, p_human, a_second)

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows: mean reward {self.reward:.3f}, mean P(human) {self.p_human:.3f}; {self.abstained:,} "
            f"abstained ({self.abstained / self.rows:.1%}); {self.a_second:,.0f} rows a second"
        )


def score_corpus(
    source: str | Path,
    output: str | Path,
    reward: HALReward | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    split: str = "train",
    traits: bool = False,
    guards: bool = True,
    batch_size: int = 1024,
    num_proc: int = 1,
    ray: bool = False,
) -> CorpusScores:
    """Score every row of a corpus and write its rows, with the scores, to a Parquet file.

    Added are the columns `hal/reward`, `hal/p_human` and `hal/log_odds` (double precision), and with `traits` the
    ratings `hal/<trait>`, 1-5. Rows that abstain (no reply that could be read) get nulls; an empty reply earns 0 and
    has no log-odds.

    A row's score does not depend on the rows beside it: of the reward's guards those that hold the replies of a batch
    against each other (`across_batch`: one sentence for everything, never a question) are left out, and `standardize`
    has no say. A transcript is rated as a whole, by the bare score: guards are about single replies.

    Rows are read and scored batch by batch. Each batch is kept in a folder beside the output until all are there: a
    run that was killed goes on where it stopped, unless the input or the settings have changed since.

    Args:
        source (`str` or `Path`):
            A Parquet or JSON Lines file, or a folder or Hub dataset as `datasets.load_dataset` takes it. Its rows have
            `prompt` and `completion` (texts or chat messages), or `messages` (the last assistant message is scored in
            the light of what stands before it), or `transcript` (`label: text` lines) with the speaker's label in
            `target`, by default `W`.
        output (`str` or `Path`): Parquet file to write; it must not exist.
        reward ([`HALReward`], *optional*, defaults to `HALReward()`): What scores.
        columns (`Mapping[str, str]`, *optional*): Other names of those columns, `{"completion": "answer"}`.
        split (`str`, *optional*, defaults to `"train"`): Split of the dataset; a file is `"train"`.
        traits (`bool`, *optional*, defaults to `False`): Also write each trait's rating.
        guards (`bool`, *optional*, defaults to `True`): `False` for the bare score, which is far faster.
        batch_size (`int`, *optional*, defaults to 1024): Rows scored at a time.
        num_proc (`int`, *optional*, defaults to 1):
            Worker processes, each on one core. With more than one, call this under `if __name__ == "__main__":`.
        ray (`bool`, *optional*, defaults to `False`):
            Let `num_proc` actors of a Ray cluster score ([`~hal_trl.rewards.ray_corpus.score_on_ray`]).

    Returns:
        [`CorpusScores`], which prints as one line.

    Raises:
        `FileExistsError`: if `output` exists.
        `FileNotFoundError`: if there is no such file or dataset.
        `ImportError`: if `ray` is asked for without the extra `ray`.
        `ValueError`: if the columns are not there, there are no rows, or the input or the settings have changed since
            the run that is to go on.

    Example:
        ```python
        >>> from hal_trl.rewards.corpus import score_corpus
        >>> scores = score_corpus("replies.parquet", "scored.parquet")  # doctest: +SKIP
        >>> print(scores)  # doctest: +SKIP
        ```
    """
    output = Path(output)
    if output.suffix != ".parquet":
        raise ValueError(f"Scores are written as Parquet: name the output {output.stem}.parquet, not {output.name}.")
    if output.exists():
        raise FileExistsError(f"{output} is there already. Delete it, or name another output.")
    if batch_size < 1 or num_proc < 1:
        raise ValueError(f"batch_size and num_proc are 1 or more, not {batch_size} and {num_proc}.")
    if ray:
        import_ray()
    rows = CorpusSource.open(source, split)
    if reward is None:
        # Without guards the honesty guard, which RowScorer takes out again, saves loading the others, and the warning
        # not to train like that.
        reward = HALReward(guards=None if guards else [HonestyGuard()])
    scorer = RowScorer(reward, columns, traits, guards)
    scorer.layout(rows.columns)

    parts = output.with_name(f"{output.name}.parts")
    _check_settings(parts, {"input": rows.version, **_settings(scorer)})
    done = sum(pq.read_metadata(part).num_rows for part in _finished(parts))
    if ray:
        tables = score_on_ray(scorer, rows, done, batch_size, num_proc)
    else:
        tables = _in_order(scorer, rows.tables(done, batch_size), num_proc)
    with tqdm(total=rows.n_rows, initial=done, desc="score", unit="row", unit_scale=True) as bar:
        first, start = done, time.perf_counter()
        for table in tables:
            with draft_of(_part(parts, done)) as draft:
                pq.write_table(table, draft)
            done += len(table)
            bar.update(len(table))
    a_second = (done - first) / (time.perf_counter() - start) if done > first else float("nan")
    finished = _finished(parts)
    if not finished:
        shutil.rmtree(parts)
        raise ValueError(f"{source} has no rows.")
    _merge(finished, output)
    for part in reversed(finished):  # killed in between, what is left is still the beginning of a run
        part.unlink()
    shutil.rmtree(parts)
    return CorpusScores.of(output, a_second)


def _settings(scorer: RowScorer) -> dict[str, Any]:
    """Everything a score depends on but the row."""
    from datasets.fingerprint import Hasher

    from .. import __version__

    reward = scorer.reward
    return {
        "columns": scorer.renamed,
        "traits": scorer.traits,
        "reward": reward.settings(),
        "weights": Hasher.hash((reward.scorer, reward.likeness)),
        "hal_trl": __version__,
    }


def _check_settings(parts: Path, settings: dict[str, Any]) -> None:
    path, settings = parts / _SETTINGS, json.loads(json.dumps(settings))
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [name for name in settings if before.get(name) != settings[name]]
        if changed:
            raise ValueError(
                f"{parts} holds part of a run that differed in: {', '.join(changed)}. Delete that folder to start "
                "from the beginning, name another output, or go on with the input and the settings of that run."
            )
    else:
        parts.mkdir(parents=True, exist_ok=True)
        write_json(path, settings)


def _part(parts: Path, first_row: int) -> Path:
    return parts / f"{first_row:012d}.parquet"


def _finished(parts: Path) -> list[Path]:
    """The parts that follow each other without a gap."""
    found, row = [], 0
    while (part := _part(parts, row)).is_file():
        found.append(part)
        row += pq.read_metadata(part).num_rows
    return found


def _merge(parts: list[Path], output: Path) -> None:
    """One file of all parts, whose row groups do not depend on where runs began and ended."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with draft_of(output) as draft, pq.ParquetWriter(draft, pq.read_schema(parts[0])) as writer:
        held: list[pa.Table] = []
        for part in parts:
            held.append(pq.read_table(part))
            if sum(map(len, held)) >= _ROWS or sum(table.nbytes for table in held) >= _BYTES or part == parts[-1]:
                writer.write_table(pa.concat_tables(held))
                held = []


def _in_order(scorer: RowScorer, tables: Iterable[pa.Table], num_proc: int) -> Iterator[pa.Table]:
    """Scored tables in the order of `tables`, of which no more are read than keep the workers busy."""
    if num_proc == 1:
        yield from map(scorer, tables)
        return
    pool = ProcessPoolExecutor(num_proc, get_context("spawn"), _start_worker, (scorer,))
    ahead: deque[Future[pa.Table]] = deque()
    try:
        for table in tables:
            ahead.append(pool.submit(_score_in_worker, _packed(table)))
            if len(ahead) > 2 * num_proc:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(scorer: RowScorer) -> None:
    import torch

    global _scorer
    _scorer = scorer
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _score_in_worker(packed: pa.Buffer) -> pa.Table:
    return _scorer(pa.ipc.open_stream(packed).read_all())


def _packed(table: pa.Table) -> pa.Buffer:
    """A table's own rows; pickled, a slice would take all rows along that it was cut from."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _end_with_parent() -> None:
    """A pool's workers wait forever for a parent that was killed."""
    connection.wait([parent_process().sentinel])
    os._exit(1)
