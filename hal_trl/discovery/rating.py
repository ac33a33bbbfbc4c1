"""Ratings of the pairs on a questionnaire, kept in a file that can be stopped, added to and given by hand."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ..scorers.base import TraitScorer
from ..scorers.truth import read_truth
from ..traits import TraitRatings, TraitSet
from ..whole_file import draft_of
from .pairs import Pairs
from .stage_file import read_stage


logger = logging.getLogger(__name__)

_AT_A_TIME = 512
_IDS, _ASKED = ["pair_id", "is_human"], ("transcript", "target")
RESERVED = (*_IDS, *_ASKED, "ai_model")
"""Names of columns that stand beside the ratings, so no trait can have them."""


def rate_pairs(
    pairs: Pairs, traits: TraitSet, judge: Callable[[TraitSet], TraitScorer] | None, path: Path
) -> TraitRatings:
    """Ratings of every dialogue, from `path` where they are there, else from the judge, then kept in `path`.

    The file has `pair_id`, `is_human`, `transcript`, `target`, `ai_model` where the pairs have it, and a column per
    trait id, `nan` where not rated: what `hal-trl distil --traits` learns from. One that was put there by hand needs
    `pair_id`, `is_human` and ratings; the others are added to it. Ratings of a statement that has been reworded since
    do not count, and neither do those of a dialogue that has another text or target now.

    Args:
        pairs ([`~hal_trl.discovery.pairs.Pairs`]): The dialogues.
        traits ([`TraitSet`]): The questionnaire.
        judge (`Callable[[TraitSet], TraitScorer]`, *optional*):
            Makes the scorer for the dialogues that lack a rating; without one they stay so.
        path (`Path`): Parquet file.

    Returns:
        [`TraitRatings`] of shape `(len(pairs), len(traits))`.

    Raises:
        `ValueError`: if the file cannot be used, or nothing is rated and there is no judge.
    """
    ratings = np.full((len(pairs), len(traits)), np.nan)
    if path.is_file():
        ratings = _kept(pairs, traits, path)
    unrated = np.flatnonzero(np.isnan(ratings).any(axis=1))
    if len(unrated) == len(pairs) and judge is None:
        raise ValueError(
            f"The dialogues are not rated: give a model to rate them, or put a column per trait id into {path}."
        )
    if len(unrated) and judge is not None:
        scorer = judge(traits)
        for start in range(0, len(unrated), _AT_A_TIME):
            part = unrated[start : start + _AT_A_TIME]
            scored = np.asarray(scorer.score([pairs.dialogues[i] for i in part]))
            ratings[part] = np.where(np.isnan(ratings[part]), scored, ratings[part])  # what was given stays
            _keep(pairs, traits, ratings, path)
    elif path.is_file():
        _complete(pairs, path)
    n_unrated = int(np.isnan(ratings).any(axis=1).sum())
    if n_unrated:
        logger.warning(
            "%d of %d dialogues are not rated, and their pairs are left out. Run again to ask for them once more.",
            n_unrated,
            len(pairs),
        )
    return TraitRatings(ratings, traits)


def _kept(pairs: Pairs, traits: TraitSet, path: Path) -> np.ndarray:
    frame = read_stage(path, _IDS)
    frame = frame.assign(is_human=read_truth(frame["is_human"], path))
    if frame.duplicated(_IDS).any():
        raise ValueError(f"{path} rates a dialogue twice; pair_id and is_human together name one.")
    asked = {item["id"]: item["statement"] for item in frame.attrs.get("traits", ())}
    current = [t.id for t in traits if t.id in frame and asked.get(t.id, t.statement) == t.statement]
    if len(current) < len(traits):
        lacking = [i for i in traits.ids if i not in current]
        logger.warning("%s lacks the traits %s, as they are worded now.", path, ", ".join(lacking))
    unknown = [str(c) for c in frame if c not in traits.ids and c not in RESERVED]
    if unknown:
        logger.warning(
            "%s has columns that are no trait of the questionnaire: %s. They are not used, and gone when ratings are "
            "added to the file.",
            path,
            ", ".join(unknown),
        )
    wanted = pd.MultiIndex.from_arrays([pairs.pair_id, pairs.is_human])
    given = frame.set_index(_IDS)[current]
    if len(given) and not given.index.isin(wanted).any():
        # Going on would rate everything anew and write over what was given.
        raise ValueError(
            f"No row of {path} belongs to a dialogue of the pairs: pair_id must be of the same type there (numbers or "
            "text), is_human true or false. Mend the file, or take it away to rate anew."
        )
    others = _of_other_text(frame, pairs)
    if others.any():
        logger.warning(
            "%d rows of %s rate another text or speaker than the pairs have now; they do not count.",
            others.sum(),
            path,
        )
    found = given[~others].reindex(index=wanted, columns=list(traits.ids))
    try:
        return np.array(TraitRatings(found.to_numpy(dtype=np.float64), traits))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _complete(pairs: Pairs, path: Path) -> None:
    """Add texts and targets to ratings that were put there without; what else the file holds stays."""
    frame = read_stage(path, _IDS)
    if not frame.reindex(columns=list(_ASKED)).isna().any(axis=None):
        return
    frame = frame.assign(is_human=read_truth(frame["is_human"], path))
    rows, known = frame[~_of_other_text(frame, pairs)].set_index(_IDS), _beside(pairs).set_index(_IDS)
    rows = rows[rows.index.isin(known.index)]
    known = known.loc[rows.index]
    whole = rows.assign(**{c: rows[c].fillna(known[c]) if c in rows else known[c] for c in known})
    with draft_of(path) as draft:
        whole.reset_index().to_parquet(draft)


def _of_other_text(frame: pd.DataFrame, pairs: Pairs) -> np.ndarray:
    """Rows that were rated for another transcript or target, where the file says for which."""
    then = frame.set_index(_IDS)
    now = _beside(pairs).set_index(_IDS).reindex(then.index)
    others = np.zeros(len(frame), dtype=bool)
    for column in set(_ASKED) & set(frame):
        others |= (then[column].notna() & now[column].notna() & (then[column] != now[column])).to_numpy()
    return others


def _beside(pairs: Pairs) -> pd.DataFrame:
    """What stands beside the ratings."""
    frame = pd.DataFrame(
        {
            "pair_id": pairs.pair_id,
            "is_human": pairs.is_human,
            "transcript": pairs.transcripts,
            "target": [dialogue.target for dialogue in pairs.dialogues],
        }
    )
    return frame if pairs.ai_model is None else frame.assign(ai_model=pairs.ai_model)


def _keep(pairs: Pairs, traits: TraitSet, ratings: np.ndarray, path: Path) -> None:
    frame = pd.concat([_beside(pairs), pd.DataFrame(ratings, columns=list(traits.ids))], axis=1)
    frame.attrs["traits"] = traits.to_list()  # what was asked, to know when a statement has been reworded
    with draft_of(path) as draft:
        frame.to_parquet(draft)
