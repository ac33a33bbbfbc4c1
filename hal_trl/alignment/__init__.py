"""Aligning chat models with a human-likeness reward."""

from .chat_model import SMOLLM2, load_chat_model
from .grpo import reward_history, train_grpo
from .openers import load_openers


__all__ = ["SMOLLM2", "load_chat_model", "load_openers", "reward_history", "train_grpo"]
