"""Votes as files for others: Parquet and a `datasets` folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from ...whole_file import draft_of


def export_votes(votes: pd.DataFrame, folder: str | Path) -> int:
    """Write `votes.parquet` and `dataset/`, which `datasets.load_from_disk` reads; an earlier export is replaced.

    Columns: `id`, `started`, `rater`, `item`, `system_a`, `system_b`, `chat_a`, `chat_b` (lists of `role` and
    `content`), `choice`, `voted`. Raters are numbered in the order in which they came: their names stay at home.

    Args:
        votes (`pandas.DataFrame`): As [`VoteStore.votes`] gives them.
        folder (`str` or `Path`): Made if it does not exist.

    Returns:
        `int`: How many votes were written.

    Raises:
        `ValueError`: if there is no vote.
    """
    from datasets import Dataset, Features, Value

    if votes.empty:
        raise ValueError("There are no votes to export yet.")
    folder = Path(folder).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    chat = [{"role": Value("string"), "content": Value("string")}]
    features = Features({column: chat if column.startswith("chat_") else Value("string") for column in votes.columns})
    numbered = votes.assign(rater=[f"rater {number + 1}" for number in pd.factorize(votes["rater"])[0]])
    dataset = Dataset.from_list(numbered.to_dict("records"), features=features)
    with draft_of(folder / "votes.parquet") as draft:
        dataset.to_parquet(draft)
    unfinished, final = folder / "dataset.unfinished", folder / "dataset"
    shutil.rmtree(unfinished, ignore_errors=True)
    dataset.save_to_disk(str(unfinished))
    shutil.rmtree(final, ignore_errors=True)
    unfinished.replace(final)
    return len(dataset)
