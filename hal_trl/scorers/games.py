"""Rated conversations to learn from: the data released with the paper, or your own in the same columns."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..dialogue import Dialogue
from ..traits import HL16Q_ASKED, HL32Q, TraitRatings, TraitSet, select_ratings
from .truth import read_truth


logger = logging.getLogger(__name__)

TEACHER = "gpt_5"


@dataclass(frozen=True)
class Games:
    """Witnesses of Turing games.

    Args:
        dialogues (`list[Dialogue]`): One per witness.
        game_id (`np.ndarray` of shape `(n,)`): The two witnesses of a game share it.
        is_human (`np.ndarray` of shape `(n,)`): Whether the witness is a person.
        ai_model (`np.ndarray` of shape `(n,)`): The AI of the game.
        ratings (`dict[str, TraitRatings]`): Ratings of shape `(n, n_traits)` per judge, `nan` where not rated.
        called_human (`np.ndarray` of shape `(n,)`, *optional*):
            1 for the witness that the interrogator called human, 0 for the other, `nan` without a verdict.
        teacher (`str`, *optional*, defaults to `"gpt_5"`): The judge to learn from.
    """

    dialogues: list[Dialogue]
    game_id: np.ndarray
    is_human: np.ndarray
    ai_model: np.ndarray
    ratings: dict[str, TraitRatings]
    called_human: np.ndarray | None = None
    teacher: str = TEACHER

    @property
    def traits(self) -> TraitSet:
        """What the teacher rates."""
        return self.ratings[self.teacher].traits

    @property
    def rated(self) -> np.ndarray:
        """Rows the teacher has rated."""
        return ~np.isnan(np.asarray(self.ratings[self.teacher])).any(axis=1)


def load_games(path: str | Path, traits: TraitSet | None = None) -> Games:
    """Read `turing_games.parquet`, or with `traits` the `ratings.parquet` of a discovery.

    Args:
        path (`str` or `Path`):
            A Parquet file with `game_id`, `is_human`, `ai_model` (null where not known), `transcript` (`I:`/`W:`
            lines) and `ratings_<judge>` columns: 32 ratings in the order of `HL32Q`, null where not rated.
        traits ([`TraitSet`], *optional*):
            Another questionnaire. The file then has `pair_id`, `is_human`, `transcript`, `target` (label of the
            speaker that was rated), a column of ratings per trait id and, where it is known, `ai_model`.

    Raises:
        `FileNotFoundError`: if there is no such file.
        `ValueError`: if a column is absent or a row's ratings are not 32 numbers from 1 to 5.
    """
    if traits is not None:
        return _rated_pairs(path, traits)
    frame = _read(path, ("game_id", "is_human", "ai_model", "transcript", f"ratings_{TEACHER}"))
    judges = [c.removeprefix("ratings_") for c in frame if c.startswith("ratings_")]
    return Games(
        dialogues=[Dialogue.from_transcript(text, target="W") for text in frame["transcript"]],
        game_id=frame["game_id"].to_numpy(),
        is_human=read_truth(frame["is_human"], path),
        ai_model=frame["ai_model"].to_numpy(dtype=object),
        ratings={judge: _ratings(frame[f"ratings_{judge}"], f"ratings_{judge}", HL32Q) for judge in judges},
        called_human=_called_human(frame),
    )


def _rated_pairs(path: str | Path, traits: TraitSet) -> Games:
    frame = _read(path, ("pair_id", "is_human", "transcript", "target", *traits.ids))
    try:
        ratings = select_ratings(frame, traits)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    return Games(
        dialogues=[
            Dialogue.from_transcript(text, target)
            for text, target in zip(frame["transcript"], frame["target"], strict=True)
        ],
        game_id=frame["pair_id"].to_numpy(),
        is_human=read_truth(frame["is_human"], path),
        ai_model=frame["ai_model"].to_numpy(dtype=object) if "ai_model" in frame else np.full(len(frame), None),
        ratings={"teacher": ratings},
        teacher="teacher",
    )


def load_traits(path: str | Path) -> TraitSet:
    """Read a questionnaire: a JSON list of `{"id", "statement", "group"}`, such as the `traits.json` of a discovery.

    Raises:
        `FileNotFoundError`: if there is no such file.
        `ValueError`: if it holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No questionnaire at {path}; hal-trl discover writes one, traits.json.")
    try:
        return TraitSet.from_list(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f'{path} is no list of {{"id", "statement", "group"}} ({error}).') from error


def _called_human(frame: pd.DataFrame) -> np.ndarray | None:
    if not {"side", "verdict"} <= set(frame):
        return None
    called = (frame["side"] == frame["verdict"]).to_numpy(dtype=float)
    return np.where(frame["verdict"].isin(frame["side"].unique()), called, np.nan)


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


@dataclass(frozen=True)
class Visits:
    """Generated doctor's visits, rated on the statements of the released short questionnaire.

    Args:
        dialogues (`list[Dialogue]`): One per distinct text, the patient as target.
        prompt_id (`np.ndarray` of shape `(n,)`): The prompt it answers; never split one over training and test.
        ratings ([`TraitRatings`] of shape `(n, 16)`): Of `HL16Q_ASKED`; the mean where a text was rated repeatedly.
    """

    dialogues: list[Dialogue]
    prompt_id: np.ndarray
    ratings: TraitRatings


def load_visits(path: str | Path) -> Visits:
    """Read `doctor_dialogues.parquet`. The release has one text under up to five models; it is one row here.

    Raises:
        `FileNotFoundError`: if there is no such file.
        `ValueError`: if a column is absent or a row's ratings are not 16 numbers from 1 to 5.
    """
    column = f"ratings_{TEACHER}_hl16q"
    frame = _read(path, ("prompt_id", "transcript", column))
    ratings = np.asarray(_ratings(frame[column], column, HL16Q_ASKED))
    texts, first, index = np.unique(frame["transcript"].to_numpy(dtype=str), return_index=True, return_inverse=True)
    total = np.zeros((len(texts), len(HL16Q_ASKED)))
    np.add.at(total, index, ratings)
    dialogues = [_patient(text) for text in texts]
    read = [i for i, dialogue in enumerate(dialogues) if dialogue is not None]
    if len(read) < len(texts):
        logger.warning("%d of %d visits have no patient's turn and are left out.", len(texts) - len(read), len(texts))
    return Visits(
        dialogues=[dialogues[i] for i in read],
        prompt_id=frame["prompt_id"].to_numpy()[first][read],
        ratings=TraitRatings((total / np.bincount(index)[:, None])[read], HL16Q_ASKED),
    )


def _patient(text: str) -> Dialogue | None:
    try:
        return Dialogue.from_transcript(text, target="P")
    except ValueError:
        return None


def _read(path: str | Path, columns: tuple[str, ...]) -> pd.DataFrame:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No training data at {path}; pass the path of a Parquet file of the paper's data.")
    frame = pd.read_parquet(path)
    missing = [c for c in columns if c not in frame]
    if missing:
        raise ValueError(f"{path} lacks the columns {missing}; it has {list(frame.columns)}.")
    return frame


def _ratings(column: pd.Series, name: str, traits: TraitSet) -> TraitRatings:
    values = np.full((len(column), len(traits)), np.nan)
    for i, row in enumerate(column):
        if row is None or (np.ndim(row) == 0 and pd.isna(row)):
            continue
        if len(row) != len(traits):
            raise ValueError(f"{name}, row {i}: {len(row)} ratings instead of {len(traits)}.")
        values[i] = [np.nan if rating is None else rating for rating in row]
    try:
        return TraitRatings(values, traits)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
