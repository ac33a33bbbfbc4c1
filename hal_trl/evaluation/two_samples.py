"""Comparing two samples: paired differences, ranks, effect sizes, and p-values of many comparisons at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .statistics import Estimate, bootstrap_mean


def paired_difference(
    after: Sequence[float] | np.ndarray,
    before: Sequence[float] | np.ndarray,
    resamples: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """Mean of `after - before` with its 95 % paired bootstrap interval: pairs are drawn, not single values.

    Args:
        after (`Sequence[float]`), before (`Sequence[float]`): One value each per pair, shape `(n,)`. Pairs with a
            `nan` are left out; one pair alone has no interval (`nan`).
        resamples (`int`, *optional*, defaults to 10000): Bootstrap samples.
        seed (`int`, *optional*, defaults to 0): Of the bootstrap.

    Raises:
        `ValueError`: if the lengths differ, or no pair is complete.
    """
    after, before = np.asarray(after, dtype=float), np.asarray(before, dtype=float)
    if after.shape != before.shape:
        raise ValueError(f"Pairs need two values each; got {len(after)} after and {len(before)} before.")
    return bootstrap_mean(after - before, resamples, seed)


def mann_whitney(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> float:
    """Two-sided p-value of the Mann-Whitney U test that `a` and `b` come from one distribution; in 0-1.

    Exact for few values without ties, else the normal approximation (`scipy.stats.mannwhitneyu`). `nan` entries are
    left out; the p-value is `nan` where nothing is left on a side, and 1 where all values are equal. On paired
    samples, which tend to rise and fall together, it errs on the side of "no difference".
    """
    from scipy.stats import mannwhitneyu

    a, b = _known(a), _known(b)
    return float(mannwhitneyu(a, b).pvalue) if len(a) and len(b) else float("nan")


def cliffs_delta(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> float:
    """Cliff's delta: P(a value of `a` is higher) - P(it is lower), over all pairs of a value of `a` and one of `b`.

    In -1 to 1, 0 where neither side is higher; `nan` entries are left out, and it is `nan` where nothing is left on a
    side. Cliff 1993 (*Dominance statistics*); |delta| below 0.147 is commonly called negligible, above 0.474 large
    (Romano et al. 2006).
    """
    a, b = _known(a), np.sort(_known(b))
    if not len(a) or not len(b):
        return float("nan")
    higher, not_lower = np.searchsorted(b, a, side="left").sum(), np.searchsorted(b, a, side="right").sum()
    # `not_lower` also counts ties: of all pairs, those that are not in it are lower.
    return float((higher - (len(a) * len(b) - not_lower)) / (len(a) * len(b)))


def benjamini_hochberg(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjusted p-values, shape `(n,)`: calling those up to q significant keeps the share of false calls at q.

    Benjamini and Hochberg 1995 (`scipy.stats.false_discovery_control`). `nan` stays `nan` and counts as no test.

    Raises:
        `ValueError`: if a p-value is outside 0-1.
    """
    from scipy.stats import false_discovery_control

    adjusted = np.array(p_values, dtype=float)
    known = ~np.isnan(adjusted)
    if known.any():
        adjusted[known] = false_discovery_control(adjusted[known], method="bh")
    return adjusted


def _known(values: Sequence[float] | np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return values[~np.isnan(values)]
