"""L1-penalised logistic regression whose penalty is chosen on groups that were not seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Lines(NamedTuple):
    """A fit of raw ratings.

    Args:
        weights (`np.ndarray` of shape `(k,)`), bias (`float`): Log-odds per point, and of all zeros.
        best (`float`): `C` of scikit-learn, on standardised ratings, with the best held-out log-likelihood.
        cautious (`float`): The smallest `C`, the strongest penalty, within one standard error of it.
    """

    weights: np.ndarray
    bias: float
    best: float
    cautious: float


_CS = np.logspace(-2.5, 1, 8)
_FOLDS = 5


def fit_with_chosen_penalty(
    values: np.ndarray, is_human: np.ndarray, groups: np.ndarray, counts: np.ndarray | None = None
) -> Lines:
    """Five folds that keep a group together choose `C`; then all rows are fitted.

    Args:
        values (`np.ndarray` of shape `(n, k)`): Ratings; penalised as weights of standardised ones.
        is_human (`np.ndarray` of shape `(n,)`), groups (`np.ndarray` of shape `(n,)`): Truth and group of each row.
        counts (`np.ndarray` of shape `(n,)`, *optional*): How much each row counts.
    """
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import GroupKFold

    scaled, spread, mean = standardised(values)
    model = LogisticRegressionCV(
        Cs=_CS,
        cv=list(GroupKFold(_FOLDS, shuffle=True, random_state=0).split(values, groups=groups)),
        l1_ratios=(1.0,),
        solver="liblinear",
        scoring="neg_log_loss",
        max_iter=1000,
        random_state=0,
        use_legacy_attributes=False,
    ).fit(scaled, is_human, sample_weight=counts)
    found = model.scores_.reshape(_FOLDS, len(_CS))
    average = found.mean(axis=0)
    error = found[:, average.argmax()].std(ddof=1) / _FOLDS**0.5
    weights = model.coef_.ravel() / spread
    bias = float(model.intercept_[0] - weights @ mean)
    return Lines(weights, bias, float(model.C_), float(_CS[np.flatnonzero(average >= average.max() - error)[0]]))


def weights_at(values: np.ndarray, is_human: np.ndarray, c: float) -> np.ndarray:
    """Weights of raw ratings, shape `(k,)`, at a given `C` on standardised ones."""
    from sklearn.linear_model import LogisticRegression

    scaled, spread, _ = standardised(values)
    model = LogisticRegression(C=c, l1_ratio=1.0, solver="liblinear", max_iter=1000, random_state=0)
    return model.fit(scaled, is_human).coef_[0] / spread


def standardised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratings with mean 0 and spread 1 in each column, and that spread and mean."""
    mean, spread = values.mean(axis=0), values.std(axis=0) + 1e-6
    return (values - mean) / spread, spread, mean
