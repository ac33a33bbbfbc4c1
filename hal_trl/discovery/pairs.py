"""Contrastive pairs: what a person said and what an AI said under the same conditions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..dialogue import Dialogue
from ..scorers.truth import read_truth


logger = logging.getLogger(__name__)

TARGET = "W"
_FEWEST, _LISTED = 10, 10


@dataclass(frozen=True)
class Pairs:
    """Dialogues of people and of AI, side by side.

    Args:
        dialogues (`list[Dialogue]`): Two a pair, those of a pair one after the other.
        pair_id (`np.ndarray` of shape `(n,)`): Both dialogues of a pair share it.
        is_human (`np.ndarray` of shape `(n,)`): Whether the target is a person.
        transcripts (`list[str]`): The dialogues as they were read.
        ai_model (`np.ndarray` of shape `(n,)`, *optional*): The AI of the pair, where the data say which.
    """

    dialogues: list[Dialogue]
    pair_id: np.ndarray
    is_human: np.ndarray
    transcripts: list[str]
    ai_model: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.dialogues)

    def sides(self) -> list[tuple[object, Dialogue, Dialogue]]:
        """Id, dialogue of the person and dialogue of the AI, per pair."""
        people, machines = np.flatnonzero(self.is_human), np.flatnonzero(~self.is_human)
        return [(self.pair_id[i], self.dialogues[i], self.dialogues[j]) for i, j in zip(people, machines, strict=True)]


def load_pairs(path: str | Path, target: str | None = None) -> Pairs:
    """Read pairs, or the games released with the paper.

    Args:
        path (`str` or `Path`):
            A Parquet file with the columns `pair_id` (or `game_id`), `is_human`, `transcript` (`label: text` lines,
            see [`Dialogue.from_transcript`]) and, where it differs from row to row, `target`; `ai_model` is handed on
            to the ratings.
        target (`str`, *optional*, defaults to the column `target`, else `"W"`): Label of the speaker to look at.

    Raises:
        `FileNotFoundError`: if there is no such file.
        `ValueError`: if a column is absent, a transcript cannot be read, a pair has a side twice, or fewer than 10
            pairs have both sides. A pair without one of them is left out with a warning.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No pairs at {path}; give a Parquet file with pair_id, is_human and transcript.")
    try:
        frame = with_pair_id(pd.read_parquet(path))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no Parquet file ({error}).") from error
    missing = [c for c in ("pair_id", "is_human", "transcript") if c not in frame]
    if missing:
        raise ValueError(f"{path} lacks the columns {missing}; it has {list(frame.columns)}.")
    empty = frame[["pair_id", "is_human", "transcript"]].isna().any(axis=1)
    if empty.any():
        raise ValueError(f"{path} has no pair_id, is_human or transcript in row {some_of(np.flatnonzero(empty))}.")
    frame = frame.assign(is_human=read_truth(frame["is_human"], path))
    twice = frame["pair_id"][frame.duplicated(["pair_id", "is_human"])].unique()
    if len(twice):
        raise ValueError(
            f"A pair has one dialogue of a person and one of an AI; these have a side twice: {some_of(twice)}. Give "
            "each pair of dialogues a pair_id of its own."
        )
    frame = frame.sort_values(["pair_id", "is_human"], kind="stable")
    whole = frame.duplicated("pair_id", keep=False)
    halves = frame["pair_id"][~whole].to_numpy()
    frame = frame[whole]
    if len(frame) < 2 * _FEWEST:
        raise ValueError(
            f"Discovery needs {_FEWEST} pairs with both a person and an AI, and far more to be of use; {path} has "
            f"{len(frame) // 2}"
            + (f", and {len(halves)} without a second side: {some_of(halves)}." if len(halves) else ".")
        )
    if len(halves):
        logger.warning("%d pairs lack a side and are left out: %s", len(halves), some_of(halves))
    if target is not None:
        targets = [target] * len(frame)
    else:
        targets = frame["target"].fillna(TARGET).tolist() if "target" in frame else [TARGET] * len(frame)
    transcripts, ids = frame["transcript"].tolist(), frame["pair_id"].to_numpy()
    return Pairs(
        [_dialogue(*row) for row in zip(transcripts, targets, ids, strict=True)],
        ids,
        frame["is_human"].to_numpy(),
        transcripts,
        frame["ai_model"].to_numpy(dtype=object) if "ai_model" in frame else None,
    )


def with_pair_id(frame: pd.DataFrame) -> pd.DataFrame:
    """The released data call it `game_id`."""
    return frame if "pair_id" in frame else frame.rename(columns={"game_id": "pair_id"})


def _dialogue(transcript: str, target: str, pair_id: object) -> Dialogue:
    try:
        return Dialogue.from_transcript(transcript, target)
    except ValueError as error:
        raise ValueError(f"Pair {pair_id}: {error}") from error


def some_of(values: Sequence) -> str:
    """The first ten, for a message."""
    return ", ".join(map(str, values[:_LISTED])) + (", ..." if len(values) > _LISTED else "")
