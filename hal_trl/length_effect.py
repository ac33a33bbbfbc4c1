"""What the length of a reply alone says about who wrote it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


_BINS = 12


class LengthEffect:
    """Mean log-odds of replies by their number of words, compared with people's replies as they come.

    People write shorter than most AIs, so a share of every human-likeness score is brevity. Taking this effect off the
    log-odds leaves a score that on the replies it was fitted on does not change with length.

    Args:
        points (`Sequence` of `(words, log_odds)`): Rising numbers of words; straight lines over `log(1 + words)`
            between them, constant outside.

    Raises:
        `ValueError`: if the points are not finite or not rising.
    """

    def __init__(self, points: Sequence[Sequence[float]]):
        self.points = [(float(words), float(effect)) for words, effect in points]
        if not self.points or not np.isfinite(self.points).all() or any(np.diff([w for w, _ in self.points]) <= 0):
            raise ValueError("A length effect needs finite points for rising numbers of words.")

    @classmethod
    def fit(cls, log_odds: np.ndarray, is_human: np.ndarray, n_words: np.ndarray) -> LengthEffect:
        """Learn from log-odds of single replies of both kinds, all of shape `(n,)`; both kinds count alike."""
        weight = np.where(is_human, 0.5 / max(is_human.sum(), 1), 0.5 / max((~is_human).sum(), 1))
        edges = np.unique(np.quantile(n_words, np.linspace(0, 1, _BINS + 1)[1:-1]))
        bins = np.searchsorted(edges, n_words, side="left")
        points = [
            (
                np.average(n_words[bins == b], weights=weight[bins == b]),
                np.average(log_odds[bins == b], weights=weight[bins == b]),
            )
            for b in np.unique(bins)
        ]
        effect = cls(points)
        usual = effect(n_words[is_human]).mean()
        return cls([(words, value - usual) for words, value in effect.points])

    def __call__(self, n_words: np.ndarray) -> np.ndarray:
        """Log-odds that the length alone adds, shape `(n,)`; 0 on average over people's replies."""
        words, effect = np.array(self.points).T
        return np.interp(np.log1p(n_words), np.log1p(words), effect)
