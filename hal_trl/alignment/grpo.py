"""GRPO with LoRA on chat prompts: TRL's trainer with settings that suit small models and casual chat."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


MAX_REPLY_TOKENS = 40
CHAT_INSTRUCTION = "You are chatting with a friend by text message. Reply in one short sentence."
"""System message of training and evaluation: what an assistant says to it at length is no baseline for chat."""


def chat(opener: str) -> list[dict[str, str]]:
    """The chat that an opener begins, as messages."""
    return [{"role": "system", "content": CHAT_INSTRUCTION}, {"role": "user", "content": opener}]


def train_grpo(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    reward: Callable,
    output: str | Path,
    steps: int,
    seed: int = 0,
    base_name: str | None = None,
    beta: float = 0.008,
    learning_rate: float = 5e-4,
) -> PreTrainedModel:
    """Train a LoRA adapter with GRPO, going on from the last whole checkpoint in `output` if there is one.

    Rewards are not scaled: by group, TRL's default, a shade of style would teach as much as a lie, and what a guard
    takes from all replies of a group nothing.

    Args:
        model (`PreTrainedModel`): The chat model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        prompts (`Sequence[str]`): First messages of chats.
        reward (`Callable`): Any TRL reward function.
        output (`str` or `Path`): Folder for checkpoints; the adapter is written to `output / "adapter"`.
        steps (`int`): Optimiser steps; each samples 4 replies to each of 4 prompts.
        seed (`int`, *optional*, defaults to 0): Of sampling, data order and adapter.
        base_name (`str`, *optional*): What the saved adapter names as its base model; the loaded path by default.
        beta (`float`, *optional*, defaults to 0.008): Weight of the KL divergence from the base model; 0 for none.
            About what 0.04 weighs against rewards that are scaled by group.
        learning_rate (`float`, *optional*, defaults to 5e-4): Of AdamW, constant after two steps.

    Returns:
        `PreTrainedModel`: the model with its trained adapter.
    """
    import torch
    from datasets import Dataset
    from peft import LoraConfig, PeftModel
    from transformers import ProgressCallback
    from trl import GRPOConfig, GRPOTrainer

    class RewardProgress(ProgressCallback):
        """One bar with what matters, instead of seventy metrics a step; those are in the trainer's history."""

        def on_log(self, args, state, control, logs=None, **kwargs):
            if self.training_bar is not None and "reward" in (logs or {}):
                shown = {"reward": "reward", "P(human)": "hal/p_human", "words": "hal/words"}
                known = {k: logs[v] for k, v in shown.items() if logs.get(v) is not None}  # None: all abstained
                self.training_bar.set_postfix({k: f"{float(value):.2f}" for k, value in known.items()})

    output = Path(output)
    checkpoint = last_whole_checkpoint(output / "checkpoints")
    if checkpoint is not None and Path(checkpoint).name == f"checkpoint-{steps}":
        # Asked to go on from its last step, the trainer takes another one.
        trained = PeftModel.from_pretrained(model, checkpoint)
        return _with_adapter_saved(trained, tokenizer, output, base_name)
    gpu = torch.cuda.is_available()
    args = GRPOConfig(
        output_dir=str(output / "checkpoints"),
        max_steps=steps,
        seed=seed,
        learning_rate=learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=2,
        per_device_train_batch_size=16,
        num_generations=4,
        max_completion_length=MAX_REPLY_TOKENS,
        temperature=0.8,
        top_p=0.95,
        beta=beta,
        scale_rewards="none",
        # A reply cut at the limit is nobody's reply: it must not teach the model to ramble.
        mask_truncated_completions=True,
        logging_steps=1,
        save_steps=5,
        save_total_limit=2,
        report_to="none",
        use_cpu=not gpu,
        bf16=torch.cuda.is_bf16_supported() if gpu else cpu_has_bf16(),
        activation_checkpointing=False,
    )
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=args,
        train_dataset=Dataset.from_dict({"prompt": [chat(prompt) for prompt in prompts]}),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(RewardProgress)
    trainer.train(resume_from_checkpoint=checkpoint)
    return _with_adapter_saved(trainer.model, tokenizer, output, base_name)


def _with_adapter_saved(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, output: Path, base_name: str | None
) -> PreTrainedModel:
    if base_name is not None:
        model.peft_config["default"].base_model_name_or_path = base_name
    model.save_pretrained(output / "adapter")
    tokenizer.save_pretrained(output / "adapter")
    return model


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 by itself: then a training step takes half the time."""
    import torch

    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # not in older releases of torch
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def last_whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; the trainer's state is the last file it writes."""
    for path in sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]), reverse=True):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return str(path)
    return None


def reward_history(folder: Path) -> list[dict[str, float]]:
    """What the trainer logged at each step, read from the last whole checkpoint."""
    checkpoint = last_whole_checkpoint(folder)
    if checkpoint is None:
        return []
    state = json.loads((Path(checkpoint) / "trainer_state.json").read_text(encoding="utf-8"))
    return [entry for entry in state["log_history"] if "reward" in entry]
