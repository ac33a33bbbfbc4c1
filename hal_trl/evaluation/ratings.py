"""One number per model from votes on pairs: Bradley-Terry with intervals, and the paper's Elo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..likeness import sigmoid
from .statistics import Estimate
from .votes import Votes


ELO_POINTS = 400 / np.log(10)  # rating points per nat: 400 points are odds of 10 to 1
ELO_START, ELO_K, ELO_SHUFFLES = 1500.0, 32.0, 500
_Z = 1.959964  # 95 %


def elo(
    votes: Votes, k: float = ELO_K, start: float = ELO_START, shuffles: int = ELO_SHUFFLES, seed: int = 0
) -> pd.DataFrame:
    """The paper's Elo: all start alike, each vote moves both sides, averaged over random orders of the votes.

    After a vote the left side gains `k * (score - expected)` and the right side loses it, with
    `expected = 1 / (1 + 10 ** ((right - left) / 400))` (HAL: K = 32, start 1500, 500 shuffles). It depends
    on the order and on `k`, and its spread over orders says nothing about how many votes there were: for that see
    [`bradley_terry`].

    Args:
        votes ([`Votes`]): At least one.
        k (`float`, *optional*, defaults to 32): Most points that one vote can move.
        start (`float`, *optional*, defaults to 1500): Points at the start; also the mean at the end.
        shuffles (`int`, *optional*, defaults to 500): Orders of the votes.
        seed (`int`, *optional*, defaults to 0): Of the shuffling.

    Returns:
        `pandas.DataFrame`: per model `elo` (mean over orders) and `spread` (standard deviation over orders), best
        first.
    """
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(len(votes.score)), (shuffles, 1)), axis=1)
    ratings, rows = np.full((shuffles, len(votes.models)), float(start)), np.arange(shuffles)
    for vote in order.T:  # the same place in every order at once
        left, right = votes.left[vote], votes.right[vote]
        expected = 1 / (1 + 10 ** ((ratings[rows, right] - ratings[rows, left]) / 400))
        moved = k * (votes.score[vote] - expected)
        ratings[rows, left] += moved
        ratings[rows, right] -= moved
    table = pd.DataFrame(
        {"elo": ratings.mean(axis=0), "spread": ratings.std(axis=0)}, index=pd.Index(votes.models, name="model")
    )
    return table.sort_values("elo", ascending=False)


@dataclass(frozen=True)
class BradleyTerry:
    """Strengths of models; only their differences mean something.

    Args:
        models (`tuple[str, ...]`): Names.
        strength (`np.ndarray`): In nats, mean 0, shape `(k,)`.
        covariance (`np.ndarray`): Of the strengths' estimation errors, shape `(k, k)`.
    """

    models: tuple[str, ...]
    strength: np.ndarray
    covariance: np.ndarray

    def table(self) -> pd.DataFrame:
        """Per model `rating` (Elo points, mean 1500) with `low` and `high` (95 %), best first.

        The intervals are about the distance from the mean of all. Whether two models differ is what
        [`~BradleyTerry.difference`] says; intervals that overlap do not.
        """
        rating, error = ELO_START + ELO_POINTS * self.strength, ELO_POINTS * np.sqrt(np.diag(self.covariance))
        table = pd.DataFrame(
            {"rating": rating, "low": rating - _Z * error, "high": rating + _Z * error},
            index=pd.Index(self.models, name="model"),
        )
        return table.sort_values("rating", ascending=False)

    def difference(self, model: str, other: str) -> Estimate:
        """Rating of `model` minus that of `other`, in Elo points, with its 95 % interval.

        Raises:
            `ValueError`: if a model is unknown.
        """
        value, error = self._difference(model, other)
        return Estimate(*(float(ELO_POINTS * (value + z * error)) for z in (0, -_Z, _Z)))

    def win_probability(self, model: str, other: str) -> Estimate:
        """Expected score of `model` against `other`, in 0-1, with its 95 % interval; 0.5 is even.

        Raises:
            `ValueError`: if a model is unknown.
        """
        value, error = self._difference(model, other)
        return Estimate(*(float(sigmoid(value + z * error)) for z in (0, -_Z, _Z)))

    def _difference(self, model: str, other: str) -> tuple[float, float]:
        for name in (model, other):
            if name not in self.models:
                raise ValueError(f"No rating of {name!r}; the models are {', '.join(self.models)}.")
        contrast = np.array([float(name == model) - float(name == other) for name in self.models])
        return float(contrast @ self.strength), float(np.sqrt(contrast @ self.covariance @ contrast))


def bradley_terry(votes: Votes) -> BradleyTerry:
    """Fit `P(left wins) = sigmoid(strength_left - strength_right)` by maximum likelihood.

    Bradley and Terry 1952. A tie counts as half a win on each side, and a "likely" as three quarters, as in the
    paper's Elo; Davidson's model (1970) has a parameter for ties, but no place for a "likely". Such scores are no coin
    tosses, so the covariance is the sandwich estimator, which takes the spread of the votes from the votes (White
    1982). Votes are taken as independent: where a rater votes often, the intervals are too narrow. The order of votes,
    and who stood left, do not matter.

    Raises:
        `ValueError`: if the strengths have no finite estimate: some models never took a point from the others, or the
            models fall into sets that never met (Ford 1957).
    """
    from scipy.optimize import minimize

    k = len(votes.models)
    taken = np.zeros((k, k))  # taken[i, j]: points that i took from j
    np.add.at(taken, (votes.left, votes.right), votes.score)
    np.add.at(taken, (votes.right, votes.left), 1 - votes.score)
    _check_finite(votes.models, taken)
    met = taken + taken.T

    def expected(strength: np.ndarray) -> np.ndarray:
        return sigmoid(strength[:, None] - strength[None, :])

    # The first model stands at 0 while fitting: the likelihood only knows differences.
    def loss(free: np.ndarray) -> float:
        strength = np.append(0.0, free)
        return float((taken * np.logaddexp(0, strength[None, :] - strength[:, None])).sum())

    def slope(free: np.ndarray) -> np.ndarray:
        return -(taken - met * expected(np.append(0.0, free))).sum(axis=1)[1:]

    def curvature(free: np.ndarray) -> np.ndarray:
        return _information(met, expected(np.append(0.0, free)))[1:, 1:]

    free = minimize(loss, np.zeros(k - 1), jac=slope, hess=curvature, method="trust-exact", tol=1e-9).x
    strength = np.append(0.0, free)
    strength -= strength.mean()

    sides = np.zeros((len(votes.score), k))
    rows = np.arange(len(votes.score))
    sides[rows, votes.left], sides[rows, votes.right] = 1.0, -1.0
    scores = sides * (votes.score - sigmoid(sides @ strength))[:, None]
    bread = np.linalg.pinv(_information(met, expected(strength)), hermitian=True)  # singular along "all at once"
    return BradleyTerry(votes.models, strength, bread @ (scores.T @ scores) @ bread)


def _information(met: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Hessian of the negative log-likelihood, shape `(k, k)`."""
    weight = met * expected * (1 - expected)
    return np.diag(weight.sum(axis=1)) - weight


def _check_finite(models: tuple[str, ...], taken: np.ndarray) -> None:
    from scipy.sparse.csgraph import connected_components

    n_sets, belongs = connected_components(taken > 0, directed=True, connection="strong")
    if n_sets > 1:
        sets = [[m for m, b in zip(models, belongs, strict=True) if b == s] for s in range(n_sets)]
        raise ValueError(
            "Bradley-Terry needs every model to take a point, directly or through others, from every other one; these "
            f"sets do not: {'; '.join(', '.join(names) for names in sets)}. Collect more votes between them, or leave "
            "models out."
        )
