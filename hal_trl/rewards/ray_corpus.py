"""Ray Data as the workers of [`~hal_trl.rewards.corpus.score_corpus`]."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pyarrow as pa

from .corpus_rows import RowScorer
from .corpus_source import CorpusSource


def score_on_ray(
    scorer: RowScorer, rows: CorpusSource, first_row: int, batch_size: int, num_actors: int
) -> Iterator[pa.Table]:
    """Scored rows in their order, in tables of `batch_size`.

    It runs on the cluster that `ray.init` or `RAY_ADDRESS` names, else on a local one. Each machine needs this
    package. One task reads the rows, wherever it runs, and sends them to the actors; this process gets them scored.

    Args:
        scorer ([`RowScorer`]): A copy goes to each actor.
        rows ([`CorpusSource`]): What to score; the machine that reads must see its files.
        first_row (`int`): Where to begin.
        batch_size (`int`): Rows scored at a time.
        num_actors (`int`): Actors, each on one core.

    Raises:
        `ImportError`: without the extra `ray`.
    """
    ray = import_ray()

    # Not ray.data.from_huggingface: it may read a dataset of the same name on the Hub instead of the rows given.
    class Rows(ray.data.Datasource):
        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism, per_task_row_limit=None, data_context=None) -> list:
            unknown = ray.data.block.BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [ray.data.ReadTask(lambda: rows.tables(first_row, batch_size), unknown)]

    data = ray.data.read_datasource(Rows(), override_num_blocks=1)
    data.context.execution_options.preserve_order = True
    scored = data.repartition(target_num_rows_per_block=batch_size).map_batches(
        _Actor,
        fn_constructor_args=(scorer,),
        batch_format="pyarrow",
        batch_size=batch_size,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=num_actors),
    )
    yield from scored.iter_batches(batch_size=batch_size, batch_format="pyarrow")


class _Actor:
    def __init__(self, scorer: RowScorer):
        import torch

        torch.set_num_threads(1)
        self.scorer = scorer

    def __call__(self, table: pa.Table) -> pa.Table:
        return self.scorer(table)


def import_ray() -> ModuleType:
    try:
        import ray.data
    except ImportError as error:
        raise ImportError('Scoring on a cluster needs Ray: pip install "hal-trl[ray]"') from error
    return ray
