"""What every trait scorer offers, whatever is inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

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
