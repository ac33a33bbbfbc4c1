"""hal_trl: an interpretable human-likeness reward for TRL (huggingface.co/papers/2601.02813)."""

from .dialogue import Dialogue, Turn
from .likeness import HumanLikenessScore
from .rewards import HALReward, HALRewardFunction
from .scorers import HALTraitConfig, HALTraitModel, LLMJudge, LocalJudge
from .traits import HL16Q, HL32Q, Trait, TraitRatings, TraitSet


__version__ = "0.1.0"

__all__ = [
    "HL16Q",
    "HL32Q",
    "Dialogue",
    "HALReward",
    "HALRewardFunction",
    "HALTraitConfig",
    "HALTraitModel",
    "HumanLikenessScore",
    "LLMJudge",
    "LocalJudge",
    "Trait",
    "TraitRatings",
    "TraitSet",
    "Turn",
]
