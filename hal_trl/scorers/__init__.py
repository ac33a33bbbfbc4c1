"""Trait scorers: from dialogues to Likert ratings."""

from .base import TraitScorer
from .trait_model import HALTraitConfig, HALTraitModel


__all__ = ["HALTraitConfig", "HALTraitModel", "TraitScorer"]
