"""Any TRL reward function: found by its name, called with plain texts, read as numbers."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np


RewardFunction = Callable[..., Any]
Format = Literal["chat", "text"]


def import_reward(name: str) -> RewardFunction:
    """A reward function by its dotted name.

    Raises:
        `ValueError`: if there is none, or it is a class rather than something to call.
    """
    module, _, attribute = name.rpartition(".")
    try:
        reward = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"No reward function {name}: {error}. Give module.attribute, such as my.module.reward."
        ) from error
    if isinstance(reward, type) or not callable(reward):
        raise ValueError(f"{name} is not a reward function; give an instance or a function that returns rewards.")
    return reward


def name_of(reward: RewardFunction) -> str:
    """What TRL's logs call it."""
    return getattr(reward, "__name__", type(reward).__name__)


def rewards_of(
    reward: RewardFunction, prompts: Sequence[str], completions: Sequence[str], format: Format = "chat"
) -> np.ndarray:
    """Rewards as numbers, shape `(n,)`, from one call; an abstention is worth less than anything.

    Raises:
        `ValueError`: if the reward does not return one number or `None` per completion.
    """
    if format == "chat":
        prompts = [[{"role": "user", "content": prompt}] for prompt in prompts]
        completions = [[{"role": "assistant", "content": completion}] for completion in completions]
    values = finished(reward(prompts=prompts, completions=completions))
    if len(values) != len(completions):
        raise ValueError(f"The reward returned {len(values)} values for {len(completions)} completions.")
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    read = numbers[np.isfinite(numbers)]
    return np.where(np.isnan(numbers), (read.min() if len(read) else 0.0) - 1e-9, numbers)


def finished(values: Any) -> Any:
    """What a reward returned, waited for if it is a coroutine."""
    return asyncio.run(_await(values)) if inspect.isawaitable(values) else values


async def _await(values: Any) -> Any:
    return await values
