"""Statistics on replies: intervals and diversity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap_mean(values: Sequence[float] | np.ndarray, resamples: int = 10_000, seed: int = 0) -> Estimate:
    """Mean and 95 % percentile bootstrap interval of it, over the entries of `values` that are not `nan`.

    For the difference of two paired samples pass the differences.

    Raises:
        `ValueError`: if no entry is left.
    """
    from scipy.stats import bootstrap

    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if not len(values):
        raise ValueError("No value to average: every entry is nan.")
    if len(values) == 1 or np.ptp(values) == 0:
        mean = float(values.mean())
        return Estimate(mean, mean if len(values) > 1 else float("nan"), mean if len(values) > 1 else float("nan"))
    interval = bootstrap(
        (values,), np.mean, n_resamples=resamples, method="percentile", rng=np.random.default_rng(seed), batch=1000
    ).confidence_interval
    return Estimate(float(values.mean()), float(interval.low), float(interval.high))


def distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Share of word n-grams, over all texts together, that are different; 0-1, higher is more varied.

    Li et al. 2016 (huggingface.co/papers/1510.03055). It falls as texts grow longer, so compare like with like;
    `nan` without any n-gram.
    """
    grams = [tuple(text[i : i + n]) for text in map(words, texts) for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else float("nan")


def distinct_ratio(before: Sequence[str], after: Sequence[str]) -> float:
    """distinct-2 after against before at equal length: of each pair of replies the longer is cut to the shorter."""
    lengths = np.minimum(word_counts(before), word_counts(after)).astype(int)
    cut = [[" ".join(text.split()[:n]) for text, n in zip(side, lengths, strict=True)] for side in (before, after)]
    return distinct_n(cut[1]) / distinct_n(cut[0])


def word_counts(texts: Sequence[str]) -> np.ndarray:
    """Words (separated by white space) of each text."""
    return np.array([len(text.split()) for text in texts], dtype=float)


def words(text: str) -> list[str]:
    """Words and punctuation marks of a text, in lower case."""
    return [word.casefold() for word in _WORD.findall(text)]
