"""Figures of merit of a trait scorer: agreement with the teacher, and telling people from AI."""

from __future__ import annotations

import numpy as np

from ..traits import HL16Q, TraitRatings, TraitSet, select_ratings


def trait_spearman(ratings: TraitRatings, teacher: TraitRatings) -> dict[str, float]:
    """Spearman correlation with the teacher per trait id, over rows that both rated; in -1 to 1."""
    from scipy.stats import spearmanr

    ours, theirs = np.asarray(ratings), np.asarray(select_ratings(teacher, ratings.traits))
    both = ~(np.isnan(ours).any(axis=1) | np.isnan(theirs).any(axis=1))
    return {
        trait: float(spearmanr(ours[both, i], theirs[both, i]).statistic) for i, trait in enumerate(ratings.traits.ids)
    }


def mean_over(values: dict[str, float], traits: TraitSet) -> float:
    """Mean of per-trait figures over the traits of a set."""
    return float(np.mean([values[i] for i in traits.ids]))


def pairwise_by_group(score: np.ndarray, is_human: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Share of human-AI pairs in which the human scores higher, ties counting half, per group that has both kinds."""
    shares = []
    for name in np.unique(group):
        people, machines = score[(group == name) & is_human], score[(group == name) & ~is_human]
        if len(people) and len(machines):
            difference = people[:, None] - machines[None, :]
            shares.append((difference > 0).mean() + 0.5 * (difference == 0).mean())
    return np.array(shares)


def bootstrap_mean(values: np.ndarray) -> dict[str, float]:
    """Mean with a 95 % percentile bootstrap interval over its entries (2,000 resamples, seeded)."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"value": float(values.mean()), "low": float(low), "high": float(high)}


def evaluate_ratings(ratings: TraitRatings, teacher: TraitRatings) -> dict[str, object]:
    """Agreement with the teacher: mean Spearman over the 16 and over all traits, and per trait."""
    per_trait = trait_spearman(ratings, teacher)
    return {
        "spearman_hl16q": mean_over(per_trait, HL16Q),
        "spearman_hl32q": mean_over(per_trait, ratings.traits),
        "spearman_per_trait": per_trait,
    }


def evaluate_score(score: np.ndarray, is_human: np.ndarray, group: np.ndarray) -> dict[str, object]:
    """Telling people from AI: pairwise accuracy within groups with its interval, and the area under the ROC curve."""
    from sklearn.metrics import roc_auc_score

    return {
        "pairwise": bootstrap_mean(pairwise_by_group(score, is_human, group)),
        "auc": float(roc_auc_score(is_human, score)),
        "n": len(score),
    }
