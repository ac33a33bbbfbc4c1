"""Rewards for TRL, and the guards that keep them honest.

`human_likeness_reward` is a ready `HALReward()`, made on first use, for TRL's command line:
`trl grpo --reward_funcs hal_trl.rewards.human_likeness_reward ...`
`unguarded_reward` is the same without guards, to see what they hold off: never train on it in earnest.
"""

from typing import Any

from .async_reward import AsyncHALReward
from .guards import (
    BoilerplateGuard,
    CandourGuard,
    CannedGuard,
    EchoGuard,
    EmptyGuard,
    Guard,
    HonestyGuard,
    LanguageGuard,
    LengthGuard,
    MarkupGuard,
    NaturalGuard,
    ParrotGuard,
    RaterGuard,
    ReciprocityGuard,
    RelevanceGuard,
    RepetitionGuard,
    WornGuard,
    default_guards,
)
from .hal_reward import HALReward, HALRewardFunction
from .reward_model import HALRewardModel


__all__ = [
    "AsyncHALReward",
    "BoilerplateGuard",
    "CandourGuard",
    "CannedGuard",
    "EchoGuard",
    "EmptyGuard",
    "Guard",
    "HALReward",
    "HALRewardFunction",
    "HALRewardModel",
    "HonestyGuard",
    "LanguageGuard",
    "LengthGuard",
    "MarkupGuard",
    "NaturalGuard",
    "ParrotGuard",
    "RaterGuard",
    "ReciprocityGuard",
    "RelevanceGuard",
    "RepetitionGuard",
    "WornGuard",
    "default_guards",
    "human_likeness_reward",
    "unguarded_reward",
]


def __getattr__(name: str) -> Any:
    if name in ("human_likeness_reward", "unguarded_reward"):
        globals()[name] = HALReward(guards=[] if name == "unguarded_reward" else None, name=name)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
