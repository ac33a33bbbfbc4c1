"""Which traits tell people from AI, how surely, and how well: selection, weights and cross-validation by pair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ..likeness import HumanLikenessScore
from ..penalty import fit_with_chosen_penalty, weights_at
from ..scorers.evaluate import auc, interval, pairwise_by_group
from ..traits import TraitRatings


_FOLDS = 5
_HALVINGS, _RESAMPLES = 50, 200
STABLE = 0.75
"""Share of the half samples in which a selected trait has a weight of one and the same sign."""


def stability(ratings: TraitRatings, is_human: np.ndarray, pair_id: np.ndarray, seed: int = 0) -> dict[str, float]:
    """How often a trait keeps a weight of the same sign when other pairs are looked at (stability selection).

    The pairs are halved 50 times; each half gets an L1 logistic regression, with the strongest penalty whose held-out
    log-likelihood is within one standard error of the best. Meinshausen and Buhlmann 2010, with the complementary
    halves of Shah and Samworth 2013.

    Args:
        ratings ([`TraitRatings`] of shape `(n, k)`): Without `nan`.
        is_human (`np.ndarray` of shape `(n,)`), pair_id (`np.ndarray` of shape `(n,)`): Truth and pair of each row.
        seed (`int`, *optional*, defaults to 0): Of the halves.

    Returns:
        `dict[str, float]`: share of the 100 halves with the more frequent sign, 0-1, by trait id.
    """
    values, pairs = np.asarray(ratings), np.unique(pair_id)
    cautious = fit_with_chosen_penalty(values, is_human, pair_id).cautious
    rng, signs = np.random.default_rng(seed), []
    for _ in range(_HALVINGS):
        first = np.isin(pair_id, rng.permutation(pairs)[: len(pairs) // 2])
        # Half the rows, twice the C: the penalty is as strong a row.
        signs += [np.sign(weights_at(values[half], is_human[half], 2 * cautious)) for half in (first, ~first)]
    share = np.maximum(np.mean(np.array(signs) > 0, axis=0), np.mean(np.array(signs) < 0, axis=0))
    return dict(zip(ratings.traits.ids, share.tolist(), strict=True))


def fit_stable(
    ratings: TraitRatings, is_human: np.ndarray, pair_id: np.ndarray, shares: dict[str, float]
) -> HumanLikenessScore | None:
    """The score on the traits that are stable in at least 75 % of the halves; `None` if there are none."""
    stable = [i for i in ratings.traits.ids if shares[i] >= STABLE]
    return HumanLikenessScore.fit(ratings, is_human, pair_id, ratings.traits.select(stable)) if stable else None


def weight_intervals(
    ratings: TraitRatings, is_human: np.ndarray, pair_id: np.ndarray, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % percentile bootstrap intervals of the weights that `HumanLikenessScore.fit` learns, by trait id.

    200 resamples of the pairs; the penalty stays, and so do the traits. Where these were selected on the same pairs,
    the intervals are too narrow and too far from 0: they do not know that other pairs would have selected others.
    """
    values, pairs = np.asarray(ratings), np.unique(pair_id)
    best = fit_with_chosen_penalty(values, is_human, pair_id).best  # as HumanLikenessScore.fit does
    rows_of = {pair: np.flatnonzero(pair_id == pair) for pair in pairs}
    rng, found = np.random.default_rng(seed), []
    for _ in range(_RESAMPLES):
        rows = np.concatenate([rows_of[pair] for pair in rng.choice(pairs, len(pairs))])
        found.append(weights_at(values[rows], is_human[rows], best))
    low, high = np.quantile(found, [0.025, 0.975], axis=0).tolist()
    return dict(zip(ratings.traits.ids, zip(low, high, strict=True), strict=True))


Fit = Callable[[TraitRatings, np.ndarray, np.ndarray], HumanLikenessScore | None]
"""Learns from ratings, truth and pair of each row."""


def fit_selected(
    ratings: TraitRatings, is_human: np.ndarray, pair_id: np.ndarray, seed: int = 0
) -> HumanLikenessScore | None:
    """Selection and weights in one."""
    return fit_stable(ratings, is_human, pair_id, stability(ratings, is_human, pair_id, seed))


def fit_all(ratings: TraitRatings, is_human: np.ndarray, pair_id: np.ndarray) -> HumanLikenessScore:
    """Weights without selection."""
    return HumanLikenessScore.fit(ratings, is_human, pair_id, ratings.traits)


def held_out_log_odds(
    fit: Fit, ratings: TraitRatings, is_human: np.ndarray, pair_id: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Log-odds of each row by a score that was learned without its pair, shape `(n,)`: five folds by pair.

    Everything that `fit` does is done in the folds. Where it selects nothing, the log-odds are 0.
    """
    from sklearn.model_selection import GroupKFold

    log_odds = np.zeros(len(ratings))
    folds = GroupKFold(_FOLDS, shuffle=True, random_state=seed).split(log_odds, groups=pair_id)
    for train, test in tqdm(folds, total=_FOLDS, desc="cross-validation", unit="fold"):
        score = fit(ratings[train], is_human[train], pair_id[train])
        if score is not None:
            log_odds[test] = score.log_odds(ratings[test])
    return log_odds


def told_apart(log_odds: np.ndarray, is_human: np.ndarray, pair_id: np.ndarray) -> dict[str, dict[str, float]]:
    """How well log-odds tell people from AI, each with its 95 % bootstrap interval over pairs.

    Returns:
        `dict`: `accuracy` (is the sign right; 0 counts half), `pairwise` (does the person of a pair score higher) and
        `auc`, each `{"value", "low", "high"}`.
    """
    right = np.where(log_odds == 0, 0.5, (log_odds > 0) == is_human)
    shares, pairs = pairwise_by_group(log_odds, is_human, pair_id)
    return {
        "accuracy": interval(lambda rows: float(right[rows].mean()), pair_id),
        "pairwise": interval(lambda rows: float(shares[rows].mean()), pairs),
        "auc": interval(lambda rows: auc(log_odds[rows], is_human[rows]), pair_id),
    }


def rated_pairs(ratings: TraitRatings, pair_id: np.ndarray) -> np.ndarray:
    """Rows whose pair has a rating of every trait on both sides, mask of shape `(n,)`.

    Raises:
        `ValueError`: if there are fewer than 10 such pairs.
    """
    rated = ~np.isnan(np.asarray(ratings)).any(axis=1)
    both = pd.Series(rated).groupby(np.asarray(pair_id)).transform("all").to_numpy()
    n = len(np.unique(pair_id[both]))
    if n < 2 * _FOLDS:
        raise ValueError(
            f"{n} pairs are rated on both sides, too few to learn from: at least {2 * _FOLDS}, better hundreds."
        )
    return both
