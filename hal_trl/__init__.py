"""hal_trl: an interpretable human-likeness reward for TRL (huggingface.co/papers/2601.02813)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from .dialogue import Dialogue, Turn
    from .evaluation.metrics import load_metric
    from .likeness import HumanLikenessScore
    from .rewards import HALReward, HALRewardFunction, HALRewardModel
    from .scorers import HALTraitConfig, HALTraitModel, LLMJudge, LocalJudge
    from .traits import HL16Q, HL32Q, Trait, TraitRatings, TraitSet

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

# Imported when asked for: torch and transformers take seconds, and `hal-trl --help` needs neither.
_HOME = {
    "dialogue": ("Dialogue", "Turn"),
    "evaluation.metrics": ("load_metric",),
    "likeness": ("HumanLikenessScore",),
    "rewards": ("HALReward", "HALRewardFunction", "HALRewardModel"),
    "scorers": ("HALTraitConfig", "HALTraitModel", "LLMJudge", "LocalJudge"),
    "traits": ("HL16Q", "HL32Q", "Trait", "TraitRatings", "TraitSet"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
