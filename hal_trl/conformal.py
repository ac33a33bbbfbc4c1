"""When a score is guessing: label-conditional conformal prediction on the log-odds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


PERSON, AI, UNSURE = "person", "AI", "unsure"
_WORD_EDGES = (0.0, 4.0, 9.0, 21.0)  # a text of three words says less than one of thirty


class ConformalVerdict:
    """Says "person" or "AI" only where the other can be ruled out at a given error rate, else "unsure".

    For texts of similar length, "AI" is ruled out where no more than a share `error` of AIs score as high, "person"
    where no more than that share of people score as low; "unsure" is where neither or both can be. On texts like those
    it was fitted on, at most a share `error` of people are called "AI" and of AIs "person" (Vovk, Gammerman and
    Shafer, *Algorithmic Learning in a Random World*, section 4.6).

    Args:
        error (`float`): Share of people, and of AIs, that may be called the other.
        thresholds (`Sequence` of `(words, people_low, ai_high)`):
            For texts from `words` words up to the next entry: log-odds below `people_low` rule out a person, above
            `ai_high` an AI.

    Raises:
        `ValueError`: for an error outside 0-0.5, or thresholds that are not finite or not in order.
    """

    def __init__(self, error: float, thresholds: Sequence[Sequence[float]]):
        self.error = float(error)
        self.thresholds = [(float(w), float(p), float(a)) for w, p, a in thresholds]
        words = [w for w, _, _ in self.thresholds]
        if not 0 < self.error < 0.5 or not words or not np.isfinite(self.thresholds).all() or any(np.diff(words) <= 0):
            raise ValueError("A verdict needs an error in 0-0.5 and finite thresholds for rising numbers of words.")

    @classmethod
    def fit(
        cls, log_odds: np.ndarray, is_human: np.ndarray, n_words: np.ndarray, error: float = 0.1
    ) -> ConformalVerdict:
        """Learn the thresholds from held-out log-odds, all of shape `(n,)`. Lengths without texts use the others'."""
        thresholds = []
        for low, high in zip(_WORD_EDGES, (*_WORD_EDGES[1:], np.inf), strict=True):
            near = (n_words >= low) & (n_words < high)
            people, machines = (
                log_odds[near & kind] if (near & kind).sum() >= 20 else log_odds[kind]
                for kind in (is_human, ~is_human)
            )
            thresholds.append((low, _quantile(people, error), -_quantile(-machines, error)))
        return cls(error, thresholds)

    def __call__(self, log_odds: np.ndarray, n_words: np.ndarray) -> np.ndarray:
        """`"person"`, `"AI"` or `"unsure"` per text, shape `(n,)`; unsure where the log-odds are `nan`."""
        words, people_low, ai_high = np.array(self.thresholds).T
        row = np.maximum(np.searchsorted(words, n_words, side="right") - 1, 0)
        person, machine = log_odds >= people_low[row], log_odds <= ai_high[row]
        return np.where(person & ~machine, PERSON, np.where(machine & ~person, AI, UNSURE))

    def to_dict(self) -> dict[str, object]:
        """JSON form, read back by `from_dict`."""
        return {"error": self.error, "thresholds": [list(row) for row in self.thresholds]}

    @classmethod
    def from_dict(cls, content: Mapping[str, object]) -> ConformalVerdict:
        return cls(content["error"], content["thresholds"])


def _quantile(values: np.ndarray, error: float) -> float:
    """The conformal lower quantile: at most a share `error` of new values falls below it."""
    rank = int(np.floor(error * (len(values) + 1)))
    return float(np.sort(values)[max(rank - 1, 0)])
