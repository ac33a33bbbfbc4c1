"""What made a model: written beside it, read when it is published."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from ..rewards import HALReward


PROVENANCE_FILE = "hal.json"


def provenance(
    method: str, base_model: str, reward: HALReward, args: Any, steps: int, dataset: str | None
) -> dict[str, Any]:
    """JSON: how a model was trained, by which reward, with which versions.

    Args:
        method (`str`): Name of the trainer's command.
        base_model (`str`): What was trained.
        reward ([`HALReward`]): What judged.
        args (`transformers.TrainingArguments`): Of the trainer.
        steps (`int`): Optimiser steps taken.
        dataset (`str`, *optional*): Its name; `None` for the bundled openers.
    """
    options = (
        "learning_rate",
        "beta",
        "per_device_train_batch_size",
        "gradient_accumulation_steps",
        "num_generations",
    )
    training = {
        "method": f"{method.upper()} (TRL)",
        "dataset": dataset or "hal_trl openers",
        "steps": steps,
        "seed": args.seed,
        **{name: getattr(args, name) for name in options if getattr(args, name, None) is not None},
        **{name: version(name) for name in ("hal-trl", "trl", "transformers", "peft", "torch")},
    }
    weights = {trait: round(float(weight), 4) for trait, weight in reward.likeness.weights.items()}
    return {"base_model": base_model, "training": training, "reward": reward.settings(), "weights": weights}
