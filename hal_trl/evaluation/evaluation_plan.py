"""What `hal-trl evaluate` is told."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from pathlib import Path

from ..alignment.grpo import MAX_REPLY_TOKENS


@dataclass(frozen=True)
class EvaluationPlan:
    """What to evaluate, and how.

    Args:
        model (`str`, *optional*, defaults to what the first adapter names, SmolLM2-135M-Instruct without adapters):
            Hub id or folder of the base model.
        adapters (`tuple[str, ...]`, *optional*): Folders or Hub ids of adapters on it.
        endpoint (`str`, *optional*), base_url (`str`, *optional*): A served model and its OpenAI-compatible server.
        prompts (`str`, *optional*, defaults to `"openers"`): As [`~hal_trl.evaluation.prompt_set.load_prompt_set`]
            takes them.
        prompt_column (`str`, *optional*, defaults to `"prompt"`): Column of a file's prompts.
        n_prompts (`int`, *optional*): Prompts, and honesty probes, at most.
        max_new_tokens (`int`, *optional*, defaults to 40): Where a reply is cut.
        temperature (`float`, *optional*, defaults to 0.8): Of sampling, in a nucleus of 0.95.
        batch_size (`int`, *optional*, defaults to 40): Chats at a time.
        seed (`int`, *optional*, defaults to 0): Of everything that is drawn.
        scorer (`str`, *optional*): Folder or Hub id of another trait scorer with its score.
        neutral (`bool`, *optional*, defaults to `True`): Whether to measure loss and divergence on neutral text.
        emobench (`str`, *optional*): Folder with EmoBench's files.
        tasks (`tuple[str, ...]`, *optional*): Tasks of lm-evaluation-harness.
        limit (`int`, *optional*): Items of EmoBench (by part and language) and of each task, at most.

    Raises:
        `ValueError`: if a number is out of range.
    """

    model: str | None = None
    adapters: tuple[str, ...] = ()
    endpoint: str | None = None
    base_url: str | None = None
    prompts: str = "openers"
    prompt_column: str = "prompt"
    n_prompts: int | None = None
    max_new_tokens: int = MAX_REPLY_TOKENS
    temperature: float = 0.8
    batch_size: int = 40
    seed: int = 0
    scorer: str | None = None
    neutral: bool = True
    emobench: str | None = None
    tasks: tuple[str, ...] = ()
    limit: int | None = None

    def __post_init__(self):
        if self.n_prompts is not None and self.n_prompts < 2:
            raise ValueError(f"Give at least 2 prompts, not {self.n_prompts}: intervals are over prompts.")
        if self.max_new_tokens < 1 or self.batch_size < 1 or self.temperature <= 0:
            raise ValueError(
                f"max_new_tokens and batch_size are at least 1 and temperature is above 0, not {self.max_new_tokens}, "
                f"{self.batch_size} and {self.temperature}."
            )

    def command(self, output: str | Path) -> str:
        """What to type to have this evaluation again."""
        words = ["hal-trl", "evaluate"]
        for field in fields(self):
            value, option = getattr(self, field.name), "--" + field.name.replace("_", "-")
            if field.name == "adapters":
                words += [part for adapter in value for part in ("--adapter", adapter)]
            elif value != field.default:
                shown = ",".join(value) if field.name == "tasks" else str(value)
                words += ["--no-neutral"] if field.name == "neutral" else [option, shown]
        return shlex.join([*words, "--output", str(output)])
