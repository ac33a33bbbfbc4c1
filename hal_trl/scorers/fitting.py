"""Fit readouts and a score to training rows: ratings first, then the label where ratings are silent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tqdm.auto import tqdm

from ..conformal import ConformalVerdict
from ..length_effect import LengthEffect
from ..likeness import HumanLikenessScore
from ..traits import TraitRatings
from .equating import Equating
from .ridge import Features, Readout
from .rows import N_FOLDS, Rows, folds_of


# Chosen on the same cross-validation that is reported, among a handful of values; the figures hardly move around them.
_ALPHA_DIALOGUE, _ALPHA_REPLY = 0.25, 1.0
_ALPHA_VISIT = 8.0  # another kind of talk counts little
_GUIDANCE, _GUIDANCE_ENCODER = 5.0, 3.0  # a better reader needs less
_EXTRA_WEIGHT = 0.5  # contrast replies and retyped dialogues
_REPLY_WEIGHT = 0.3  # four replies a dialogue: both kinds then count about alike in the score


def first_reading(rows: Rows, features: Features, use: np.ndarray, seed: int, bar: tqdm) -> np.ndarray:
    """What ratings alone teach: readings of the rows `use`, each by a ridge that has not seen its group."""
    readings, fold = np.full(rows.targets.shape, np.nan), folds_of(rows.group, seed)
    for k in range(N_FOLDS):
        train, test = use & (fold != k), use & (fold == k)
        for kinds, rest, alpha in (
            (rows.is_dialogue, rows.is_dialogue | rows.is_retyped | rows.is_visit, _ALPHA_DIALOGUE),
            (rows.is_dialogue | rows.is_reply, rows.is_reply | rows.is_contrast, _ALPHA_REPLY),
        ):
            learn, ask = np.flatnonzero(train & rows.rated & kinds), np.flatnonzero(test & rest)
            readings[ask] = features.read(features.ridge(learn, rows.targets[learn], alpha), ask)
        bar.update()
    return readings


def guided_targets(rows: Rows, readings: np.ndarray, use: np.ndarray, strength: float) -> np.ndarray:
    """Targets for all rows `use`: ratings, or first readings where there are none, moved towards the label.

    Ratings say more about a text than who wrote it, but they are few. Where the first readings leave open who wrote
    a text, its target moves by `strength * (label - P(human))` in the direction that costs least in terms of what
    the readings get wrong anyway (their residual covariance): the ratings' own uncertainty decides what may move.
    """
    from sklearn.linear_model import LogisticRegression

    targets = np.where(np.isnan(rows.targets), readings, rows.targets)
    for kinds in (rows.is_dialogue | rows.is_retyped, rows.is_reply | rows.is_contrast):
        part = np.flatnonzero(use & kinds)
        if len(np.unique(rows.is_human[part])) < 2:
            continue
        scale = readings[part].std(axis=0) + 1e-6
        model = LogisticRegression(C=0.3, max_iter=2000).fit(readings[part] / scale, rows.is_human[part])
        weights = model.coef_[0] / scale
        known = np.flatnonzero(use & kinds & rows.rated)
        direction = np.cov((rows.targets[known] - readings[known]).T) @ weights
        direction /= np.sqrt(weights @ direction) + 1e-9
        surprise = rows.is_human[part] - model.predict_proba(readings[part] / scale)[:, 1]
        targets[part] += strength * surprise[:, None] * direction
    return targets


@dataclass(frozen=True)
class Learned:
    """Two readouts, of dialogues and of single replies, and what they read.

    Args:
        of_dialogue ([`Readout`]), of_reply ([`Readout`]): Fitted on all rows given.
        held_out (`np.ndarray` of shape `(n, n_traits)`):
            Readings of each of these rows by readouts that have not seen its group; `nan` for other rows.
    """

    of_dialogue: Readout
    of_reply: Readout
    held_out: np.ndarray


def learn(rows: Rows, features: Features, readings: np.ndarray, use: np.ndarray, seed: int, bar: tqdm) -> Learned:
    """Fit the readouts to the rows `use`; `readings` as from [`first_reading`]."""
    strength = _GUIDANCE if features.model.encoder is None else _GUIDANCE_ENCODER
    targets, fold = guided_targets(rows, readings, use, strength), folds_of(rows.group, seed)
    held_out = np.full(targets.shape, np.nan)
    for k in range(N_FOLDS):
        test = np.flatnonzero(use & (fold == k))
        held_out[test] = read(rows, features, *_readouts(rows, features, targets, use & (fold != k)), test)
        bar.update()
    learned = Learned(*_readouts(rows, features, targets, use), held_out)
    bar.update()
    return learned


def read(rows: Rows, features: Features, of_dialogue: Readout, of_reply: Readout, part: np.ndarray) -> np.ndarray:
    """Readings of the rows `part` (row numbers), shape `(len(part), n_traits)`, blended as the model blends them."""
    single = (1.0 / rows.n_turns[part])[:, None]
    return single * features.read(of_reply, part) + (1 - single) * features.read(of_dialogue, part)


def calibrate(rows: Rows, held_out: np.ndarray, use: np.ndarray) -> tuple[Equating, HumanLikenessScore]:
    """The equating of held-out readings of the rows `use`, and the score on the ratings that come of it."""
    rated, single = use & rows.is_dialogue & rows.rated, rows.n_turns == 1
    equating = Equating.fit(
        held_out[rated], rows.teacher[rated], rows.group[rated], held_out[use & single & ~rows.is_visit]
    )
    ratings = held_out.copy()
    ratings[use] = equating(held_out[use], single[use])
    return equating, fit_score(rows, ratings)


def _readouts(rows: Rows, features: Features, targets: np.ndarray, use: np.ndarray) -> tuple:
    whole = np.flatnonzero(use & (rows.is_dialogue | rows.is_retyped | rows.is_visit))
    alpha = np.where(rows.is_visit[whole], _ALPHA_VISIT, _ALPHA_DIALOGUE)
    single = np.flatnonzero(use & (rows.is_dialogue | rows.is_reply | rows.is_contrast))
    return features.ridge(whole, targets[whole], alpha), features.ridge(single, targets[single], _ALPHA_REPLY)


def fit_score(rows: Rows, ratings: np.ndarray) -> HumanLikenessScore:
    """The `hal_trl` profile: human against AI on held-out ratings of dialogues, replies and contrast replies."""
    part = ~rows.is_visit
    named = TraitRatings(ratings[part], rows.traits)
    score = HumanLikenessScore.fit(
        named,
        rows.is_human[part],
        rows.group[part],
        rows.traits,
        sample_weight=np.where(rows.is_reply, _REPLY_WEIGHT, np.where(rows.is_dialogue, 1.0, _EXTRA_WEIGHT))[part],
        curved=True,
    )
    log_odds, is_human, n_words = score.log_odds(named), rows.is_human[part], rows.n_words[part]
    known = ~np.isnan(log_odds)
    score.verdict = ConformalVerdict.fit(log_odds[known], is_human[known], n_words[known])
    reply = known & rows.is_reply[part]
    if reply.any():
        score.length_effect = LengthEffect.fit(log_odds[reply], is_human[reply], n_words[reply])
    return score
