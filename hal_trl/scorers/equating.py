"""Equipercentile equating: curves that give what a model reads off the spread that a teacher's ratings have."""

from __future__ import annotations

import numpy as np
import torch

from .rows import folds_of
from .trait_model import HALTraitModel


class Equating:
    """One rising curve per trait, from readings to ratings.

    Least squares pulls every reading towards the mean, while a teacher gives most speakers the same rating on many
    traits. A curve maps each percentile of the readings to the same percentile of the teacher's ratings (Kolen and
    Brennan, Test Equating). A trait keeps its readings as they are where that agrees with the teacher better.

    Args:
        start (`np.ndarray` of shape `(n_traits, p)`): Readings at the points of the curves, rising.
        end (`np.ndarray` of shape `(n_traits, p)`): Ratings at these points.
    """

    def __init__(self, start: np.ndarray, end: np.ndarray):
        self.start, self.end = start, end

    @classmethod
    def fit(cls, readings: np.ndarray, teacher: np.ndarray, group: np.ndarray, n_points: int = 33) -> Equating:
        """Learn from held-out readings and the teacher's ratings, both of shape `(n, n_traits)`."""
        from scipy.stats import spearmanr

        fold = folds_of(group, seed=3)
        plain = np.linspace(1.0, 5.0, n_points)
        start, end = np.tile(plain, (readings.shape[1], 1)), np.tile(plain, (readings.shape[1], 1))
        for t in range(readings.shape[1]):
            mapped = np.empty(len(readings))
            for k in np.unique(fold):
                train, test = fold != k, fold == k
                mapped[test] = np.interp(
                    readings[test, t], *_percentiles(readings[train, t], teacher[train, t], n_points)
                )
            if spearmanr(mapped, teacher[:, t]).statistic > spearmanr(readings[:, t], teacher[:, t]).statistic:
                start[t], end[t] = _percentiles(readings[:, t], teacher[:, t], n_points)
        return cls(start, end)

    def __call__(self, readings: np.ndarray) -> np.ndarray:
        """Ratings within 1-5 for readings of shape `(n, n_traits)`."""
        columns = [np.interp(r, x, y) for r, x, y in zip(readings.T, self.start, self.end, strict=True)]
        return np.clip(np.column_stack(columns), 1.0, 5.0)

    @torch.no_grad()
    def put_into(self, model: HALTraitModel) -> None:
        """Store the curves in a model, in half precision as the rest."""
        model.equate_from.copy_(torch.from_numpy(self.start))
        model.equate_to.copy_(torch.from_numpy(self.end))
        model.round_weights()


def _percentiles(readings: np.ndarray, teacher: np.ndarray, n_points: int) -> tuple[np.ndarray, np.ndarray]:
    at = np.linspace(0.0, 1.0, n_points)
    # Strictly rising, so that the curve is a function even where readings repeat.
    start = np.quantile(readings, at) + np.arange(n_points) * 1e-3 / n_points
    return start, np.quantile(teacher, at)
