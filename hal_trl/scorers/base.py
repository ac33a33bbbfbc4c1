"""What every trait scorer offers, whatever is inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from ..dialogue import Dialogue
from ..traits import TraitRatings, TraitSet


@runtime_checkable
class TraitScorer(Protocol):
    """Anything that rates dialogues on a set of traits."""

    @property
    def traits(self) -> TraitSet:
        """The traits rated, in the order of the columns of `score`."""
        ...

    def score(self, dialogues: Sequence[Dialogue]) -> TraitRatings:
        """Ratings of shape `(len(dialogues), len(traits))`, from 1 to 5, `nan` where unrated."""
        ...


def rate(scorer: TraitScorer, dialogues: Sequence[Dialogue | None]) -> TraitRatings:
    """Ratings in one call of the scorer, `nan` where there is no dialogue."""
    ratings = np.full((len(dialogues), len(scorer.traits)), np.nan)
    read = [i for i, dialogue in enumerate(dialogues) if dialogue is not None]
    if read:
        ratings[read] = scorer.score([dialogues[i] for i in read])
    return TraitRatings(ratings, scorer.traits)
