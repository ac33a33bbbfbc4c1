"""Aligning chat models with a human-likeness reward."""

from typing import Any

from .chat_model import SMOLLM2, load_chat_model
from .generate import generate_replies
from .grpo import reward_history, train_grpo
from .openers import load_openers


__all__ = [
    "SMOLLM2",
    "HumanLikenessCallback",
    "generate_replies",
    "load_chat_model",
    "load_openers",
    "reward_history",
    "train_grpo",
]


def __getattr__(name: str) -> Any:
    if name == "HumanLikenessCallback":  # importing transformers' trainer takes seconds
        from .callback import HumanLikenessCallback

        return HumanLikenessCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
