"""Trait scorers: from dialogues to Likert ratings."""

from .base import TraitScorer
from .judges import LLMJudge, LocalJudge
from .trait_config import HALTraitConfig
from .trait_model import HALTraitModel


__all__ = ["HALTraitConfig", "HALTraitModel", "LLMJudge", "LocalJudge", "TraitScorer"]
