"""Equipercentile equating: curves that give what a model reads off the spread that a teacher's ratings have."""

from __future__ import annotations

import numpy as np
import torch

from .rows import folds_of
from .trait_model import EQUATING_POINTS, HALTraitModel


_WORTHWHILE = 0.05


class Equating:
    """One rising curve per trait, from readings of dialogues to ratings, and a straight line for single replies.

    Least squares pulls every reading towards the mean, while a teacher gives most speakers the same rating on some
    traits. A curve maps each percentile of the readings to the same percentile of the teacher's ratings (Kolen and
    Brennan, Test Equating). It has flat parts, in which differences are lost. So a trait keeps its readings as they
    are unless the Spearman correlation with the teacher rises by 0.05. Single replies, which no teacher rated, get
    the straight line that is closest to the curve: a reward must tell one short reply from the next.

    Args:
        start (`np.ndarray` of shape `(n_traits, p)`): Readings at the points of the curves, rising.
        end (`np.ndarray` of shape `(n_traits, p)`): Ratings at these points.
        line (`np.ndarray` of shape `(2, n_traits)`): Slope and intercept for single replies.
    """

    def __init__(self, start: np.ndarray, end: np.ndarray, line: np.ndarray):
        self.start, self.end, self.line = (_as_stored(values) for values in (start, end, line))

    @classmethod
    def fit(cls, readings: np.ndarray, teacher: np.ndarray, group: np.ndarray, single: np.ndarray) -> Equating:
        """Learn the curves from held-out readings and the teacher's ratings.

        Args:
            readings (`np.ndarray` of shape `(n, n_traits)`), teacher (`np.ndarray` of shape `(n, n_traits)`):
                Of dialogues.
            group (`np.ndarray` of shape `(n,)`): What must not be split.
            single (`np.ndarray` of shape `(m, n_traits)`): Readings of single replies.
        """
        from scipy.stats import spearmanr

        fold, n_traits = folds_of(group, seed=3), readings.shape[1]
        plain = np.linspace(1.0, 5.0, EQUATING_POINTS)
        start, end = np.tile(plain, (n_traits, 1)), np.tile(plain, (n_traits, 1))
        line = np.array([np.ones(n_traits), np.zeros(n_traits)])
        for t in range(n_traits):
            mapped = np.empty(len(readings))
            for k in np.unique(fold):
                train, test = fold != k, fold == k
                mapped[test] = np.interp(readings[test, t], *_percentiles(readings[train, t], teacher[train, t]))
            gain = spearmanr(mapped, teacher[:, t]).statistic - spearmanr(readings[:, t], teacher[:, t]).statistic
            if gain >= _WORTHWHILE:
                start[t], end[t] = _percentiles(readings[:, t], teacher[:, t])
                if len(single):
                    line[:, t] = np.polyfit(single[:, t], np.interp(single[:, t], start[t], end[t]), 1)
        return cls(start, end, line)

    def __call__(self, readings: np.ndarray, is_single: np.ndarray) -> np.ndarray:
        """Ratings within 1-5 for readings of shape `(n, n_traits)`; `is_single` of shape `(n,)` marks replies."""
        columns = [np.interp(r, x, y) for r, x, y in zip(readings.T, self.start, self.end, strict=True)]
        straight = self.line[0] * readings + self.line[1]
        return np.clip(np.where(is_single[:, None], straight, np.column_stack(columns)), 1.0, 5.0)

    @torch.no_grad()
    def put_into(self, model: HALTraitModel) -> None:
        """Store the curves in a model."""
        model.equate_from.copy_(torch.from_numpy(self.start))
        model.equate_to.copy_(torch.from_numpy(self.end))
        model.equate_line.copy_(torch.from_numpy(self.line))


def _as_stored(values: np.ndarray) -> np.ndarray:
    return np.asarray(values).astype(np.float16).astype(np.float64)


def _percentiles(readings: np.ndarray, teacher: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = np.linspace(0.0, 1.0, EQUATING_POINTS)
    # Rising even where readings repeat, so that the curve is a function.
    start = np.quantile(readings, at) + np.arange(EQUATING_POINTS) * 1e-3 / EQUATING_POINTS
    return start, np.quantile(teacher, at)
