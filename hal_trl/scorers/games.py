"""Rated conversations to learn from: the Turing games released with the paper, or your own in the same columns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..dialogue import Dialogue
from ..traits import HL32Q, TraitRatings


TEACHER = "gpt_5"
_COLUMNS = ("game_id", "is_human", "ai_model", "transcript")


@dataclass(frozen=True)
class Games:
    """Witnesses of Turing games.

    Args:
        dialogues (`list[Dialogue]`): One per witness.
        game_id (`np.ndarray` of shape `(n,)`): The two witnesses of a game share it.
        is_human (`np.ndarray` of shape `(n,)`): Whether the witness is a person.
        ai_model (`np.ndarray` of shape `(n,)`): The AI of the game.
        ratings (`dict[str, TraitRatings]`): Ratings of shape `(n, 32)` per judge, `nan` where not rated.
    """

    dialogues: list[Dialogue]
    game_id: np.ndarray
    is_human: np.ndarray
    ai_model: np.ndarray
    ratings: dict[str, TraitRatings]

    @property
    def rated(self) -> np.ndarray:
        """Rows the teacher has rated."""
        return ~np.isnan(np.asarray(self.ratings[TEACHER])).any(axis=1)


def load_games(path: str | Path) -> Games:
    """Read `turing_games.parquet`.

    Args:
        path (`str` or `Path`): A Parquet file with `game_id`, `is_human`, `ai_model`, `transcript` (`I:`/`W:` lines)
        and
            `ratings_<judge>` columns: 32 ratings in the order of `HL32Q`, null where not rated.

    Raises:
        `FileNotFoundError`: if there is no such file.
        `ValueError`: if a column is absent or a row's ratings are not 32 numbers from 1 to 5.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No training data at {path}; pass the path of turing_games.parquet.")
    frame = pd.read_parquet(path)
    missing = [c for c in (*_COLUMNS, f"ratings_{TEACHER}") if c not in frame]
    if missing:
        raise ValueError(f"{path} lacks the columns {missing}; it has {list(frame.columns)}.")
    judges = [c.removeprefix("ratings_") for c in frame if c.startswith("ratings_")]
    return Games(
        dialogues=[Dialogue.from_transcript(text, target="W") for text in frame["transcript"]],
        game_id=frame["game_id"].to_numpy(),
        is_human=frame["is_human"].to_numpy(dtype=bool),
        ai_model=frame["ai_model"].to_numpy(dtype=object),
        ratings={judge: _ratings(frame[f"ratings_{judge}"], f"ratings_{judge}") for judge in judges},
    )


def load_contrast(path: str | Path) -> list[tuple[int, Dialogue]]:
    """Read the replies of another AI to questions of the games, as `hal-trl contrast` writes them.

    Returns:
        `list` of `(game_id, dialogue)`, the dialogue with the question as context and the reply as target.

    Raises:
        `FileNotFoundError`: if there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No contrast replies at {path}; write them with hal-trl contrast.")
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [(row["game_id"], Dialogue.from_completion(row["question"], row["reply"])) for row in rows if row["reply"]]


def _ratings(column: pd.Series, name: str) -> TraitRatings:
    values = np.full((len(column), len(HL32Q)), np.nan)
    for i, row in enumerate(column):
        if row is None or (np.ndim(row) == 0 and pd.isna(row)):
            continue
        if len(row) != len(HL32Q):
            raise ValueError(f"{name}, row {i}: {len(row)} ratings instead of {len(HL32Q)}.")
        values[i] = [np.nan if rating is None else rating for rating in row]
    try:
        return TraitRatings(values, HL32Q)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
