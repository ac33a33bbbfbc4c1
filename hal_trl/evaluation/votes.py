"""Votes of human raters, who saw two replies side by side and said which one a person wrote."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .statistics import Estimate, bootstrap_mean


# What the left side gets; the right gets the rest.
VERDICTS = {"Certainly A": 1.0, "Likely A": 0.75, "Tie": 0.5, "Likely B": 0.25, "Certainly B": 0.0}


@dataclass(frozen=True)
class Votes:
    """Who met whom, and how it went.

    Args:
        models (`tuple[str, ...]`): Names, sorted.
        left (`np.ndarray`), right (`np.ndarray`): Positions in `models`, shape `(n,)`.
        score (`np.ndarray`): What the left side gets, in 0-1, shape `(n,)`; the right side gets `1 - score`.
    """

    models: tuple[str, ...]
    left: np.ndarray
    right: np.ndarray
    score: np.ndarray

    @classmethod
    def from_pairs(cls, left: np.ndarray, right: np.ndarray, score: np.ndarray) -> Votes:
        """Votes from names of models.

        Raises:
            `ValueError`: if there is no vote, a score is not in 0-1, or a model meets itself.
        """
        left, right, score = np.asarray(left), np.asarray(right), np.asarray(score, dtype=float)
        if not len(left) == len(right) == len(score) > 0:
            raise ValueError(
                f"A vote has two models and a score; got {len(left)} left, {len(right)} right, {len(score)} scores."
            )
        if not ((score >= 0) & (score <= 1)).all():
            raise ValueError("A vote's score is what the left side gets, in 0-1.")
        if (left == right).any():
            raise ValueError(f"{left[left == right][0]} is voted on against itself: leave such votes out.")
        models = np.unique(np.concatenate([left, right]))
        return cls(tuple(models.tolist()), np.searchsorted(models, left), np.searchsorted(models, right), score)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Votes:
        """Completed votes of a table as HAL released it.

        Votes that were not completed are left out, the one among them that has a verdict too: only so do the paper's
        win rates come out (`python benchmarks/human_votes.py`). No verdict is no vote, never a tie.

        Args:
            frame (`pandas.DataFrame`): `left_model`, `right_model`, `hl_score` (`"Certainly A"`, `"Likely A"`,
                `"Tie"`, `"Likely B"`, `"Certainly B"` or null; A is left), `is_completed`.

        Raises:
            `ValueError`: if no vote is left, or a verdict is none of the five.
        """
        done = frame[frame["is_completed"].astype(bool) & frame["hl_score"].notna()]
        unknown = sorted(set(done["hl_score"]) - set(VERDICTS))
        if unknown:
            raise ValueError(f"Unknown verdicts {unknown}; a verdict is one of {list(VERDICTS)}.")
        score = done["hl_score"].map(VERDICTS).to_numpy(dtype=float)
        return cls.from_pairs(done["left_model"].to_numpy(), done["right_model"].to_numpy(), score)

    def win_rates(self) -> pd.DataFrame:
        """Mean score of each model over its votes: columns `win_rate` (0-1), `low`, `high` (95 %), `n`; best first."""
        rows = []
        for model in range(len(self.models)):
            own = np.concatenate([self.score[self.left == model], 1 - self.score[self.right == model]])
            mean = bootstrap_mean(own)
            rows.append({"win_rate": mean.value, "low": mean.low, "high": mean.high, "n": len(own)})
        return pd.DataFrame(rows, index=pd.Index(self.models, name="model")).sort_values("win_rate", ascending=False)

    def head_to_head(self, model: str, other: str) -> Estimate:
        """Mean score of `model` in its votes against `other` alone, in 0-1; 0.5 is even.

        Raises:
            `ValueError`: if a model is unknown, or the two never met.
        """
        a, b = self.position(model), self.position(other)
        scores = np.concatenate(
            [
                self.score[(self.left == a) & (self.right == b)],
                1 - self.score[(self.left == b) & (self.right == a)],
            ]
        )
        if not len(scores):
            raise ValueError(f"No vote between {model} and {other}: compare them with Bradley-Terry instead.")
        return bootstrap_mean(scores)

    def position(self, model: str) -> int:
        """Position in `models`.

        Raises:
            `ValueError`: if there is no vote on it; the message lists the models.
        """
        if model not in self.models:
            raise ValueError(f"No vote on {model!r}; the models are {', '.join(self.models)}.")
        return self.models.index(model)
