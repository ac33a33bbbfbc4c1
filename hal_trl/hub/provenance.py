"""What made a model: written beside it, read when it is published."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any


PROVENANCE_FILE = "hal.json"

_OPTIONS = (
    "learning_rate",
    "beta",
    "scale_rewards",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_length",
)


def provenance(
    method: str, base_model: str, rewards: Iterable[Any], args: Any, steps: int, dataset: str | None
) -> dict[str, Any]:
    """JSON: how a model was trained, by which reward, with which versions.

    Args:
        method (`str`): Name of the trainer, such as `"GRPO"`.
        base_model (`str`): What was trained.
        rewards (`Iterable`): What judged; a [`~hal_trl.HALReward`] tells its settings and weights by trait id,
            anything else its name.
        args (`transformers.TrainingArguments`): Of the trainer.
        steps (`int`): Optimiser steps taken.
        dataset (`str`, *optional*): Its name.
    """
    known = {name: getattr(args, name, None) for name in _OPTIONS}
    training = {
        "method": f"{method} (TRL)",
        "dataset": dataset,
        "steps": steps,
        "seed": args.seed,
        **known,
        **{name: version(name) for name in ("hal-trl", "trl", "transformers", "peft", "torch")},
    }
    return {
        "base_model": base_model,
        "training": {name: value for name, value in training.items() if value is not None},
        "rewards": [describe_reward(reward) for reward in rewards],
    }


def describe_reward(reward: Any) -> dict[str, Any]:
    """Settings of a [`~hal_trl.HALReward`] with its weights by trait id; of anything else the name."""
    if not hasattr(reward, "settings"):
        return {"reward": getattr(reward, "__name__", type(reward).__name__)}
    weights = {trait: round(float(weight), 4) for trait, weight in reward.likeness.weights.items()}
    return {**reward.settings(), "weights": weights}


def without_paths(made: Any) -> Any:
    """JSON with the name of a file or folder in place of its path, which tells others only who trained where.

    A text may name several, with commas between them. What is not on this machine, such as a Hub id, stays.
    """
    if isinstance(made, dict):
        return {name: without_paths(value) for name, value in made.items()}
    if isinstance(made, list):
        return [without_paths(value) for value in made]
    return ", ".join(map(_file_name, made.split(", "))) if isinstance(made, str) else made


def _file_name(text: str) -> str:
    path = os.path.expanduser(text)
    local = os.path.isabs(path) or path.startswith(("./", "../")) or os.path.exists(path)
    return Path(path).name if local else text
