"""hal_trl: an interpretable human-likeness reward for TRL (huggingface.co/papers/2601.02813)."""

from typing import TYPE_CHECKING, Any

from .dialogue import Dialogue, Turn
from .likeness import HumanLikenessScore
from .rewards import HALReward, HALRewardFunction, HALRewardModel
from .scorers import HALTraitConfig, HALTraitModel, LLMJudge, LocalJudge
from .traits import HL16Q, HL32Q, Trait, TraitRatings, TraitSet


if TYPE_CHECKING:
    from .evaluation.metrics import load_metric

__version__ = "0.1.0"

__all__ = [
    "HL16Q",
    "HL32Q",
    "Dialogue",
    "HALReward",
    "HALRewardFunction",
    "HALRewardModel",
    "HALTraitConfig",
    "HALTraitModel",
    "HumanLikenessScore",
    "LLMJudge",
    "LocalJudge",
    "Trait",
    "TraitRatings",
    "TraitSet",
    "Turn",
    "load_metric",
]


def __getattr__(name: str) -> Any:
    if name == "load_metric":  # most users only train: what measures is imported when asked for
        from .evaluation.metrics import load_metric

        return load_metric
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
