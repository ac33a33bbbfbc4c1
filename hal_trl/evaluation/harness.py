"""Tasks of the Language Model Evaluation Harness, on a model that is already loaded. Needs the extra `harness`."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .capability import Items


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@cache
def _task_manager() -> Any:
    """Made once: it reads some ten thousand files."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


def require_harness() -> None:
    """Say early what is missing.

    Raises:
        `ImportError`: without the extra `harness`.
    """
    try:
        import lm_eval  # noqa: F401
    except ImportError as error:
        raise ImportError('--tasks needs lm-evaluation-harness: pip install "hal-trl[harness]".') from error


def harness_items(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: str,
    limit: int | None = None,
    batch_size: int = 8,
    seed: int = 0,
) -> Items:
    """Run one task (github.com/EleutherAI/lm-evaluation-harness), with its own prompts and metrics.

    Args:
        model (`PreTrainedModel` or `PeftModel`): Evaluated as it is, an active adapter included.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        task (`str`): Name of a task, a group or a tag, or a task's YAML file.
        limit (`int`, *optional*): Documents of each task, at most.
        batch_size (`int`, *optional*, defaults to 8): Requests at a time.
        seed (`int`, *optional*, defaults to 0): Of the few-shot examples.

    Returns:
        `dict`: per metric one value a document; a YAML file goes by its name without the folder. A metric that belongs
        to a whole task, such as a perplexity, is one value, and so has no interval.

    Raises:
        `ImportError`: without the extra `harness`.
        `ValueError`: if there is no such task.
    """
    require_harness()
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    # What PEFT put its layers into: the harness wants a `PreTrainedModel`.
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    try:
        results = simple_evaluate(
            HFLM(pretrained=plain, tokenizer=tokenizer, batch_size=batch_size),
            tasks=[task],
            task_manager=_task_manager(),
            limit=limit,
            bootstrap_iters=0,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            fewshot_random_seed=seed,
        )
    except KeyError as error:
        raise ValueError(f"The harness has no task {task!r} ({error}); `lm-eval ls tasks` lists them.") from error
    title = Path(task).stem if task.endswith((".yaml", ".yml")) else task
    items: Items = defaultdict(list)
    whole: Items = {}
    for name, samples in results["samples"].items():
        for sample in samples:
            suffix = "" if sample["filter"] == "none" else f", {sample['filter']}"
            for metric in sample["metrics"]:
                value = sample[metric]
                if isinstance(value, bool | int | float | np.number | np.bool_):
                    items[f"{title}: {metric}{suffix}"].append(float(value))
                else:
                    total = results["results"][name][f"{metric},{sample['filter']}"]
                    whole[f"{name}: {metric}{suffix}"] = [float(total)]
    return {**items, **whole}
