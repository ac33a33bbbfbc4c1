"""PPO with HALReward: TRL's own trainer and config, fitted with what they need to work on chats."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..rewards.prompt_boundary import Prompt, prompt_ids
from ..rewards.reward_model import HALRewardModel


if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl.experimental.ppo import PPOConfig, PPOTrainer


def require_ppo() -> None:
    """Raise what to type, if the installed TRL has no PPO.

    Raises:
        `ImportError`: if TRL is newer than 1.12, the last release with `PPOTrainer`.
    """
    try:
        import trl.experimental.ppo  # noqa: F401
    except ImportError as error:
        from importlib.metadata import version

        raise ImportError(
            f"PPO needs TRL 1.12.0: newer releases have no PPOTrainer, and {version('trl')} is installed. "
            'Type: pip install "hal-trl[ppo]"'
        ) from error


def make_ppo_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    reward: Callable[..., list[float | None]],
    args: PPOConfig,
    peft_config: PeftConfig | None = None,
    value_model: PreTrainedModel | None = None,
) -> PPOTrainer:
    """Make TRL's `PPOTrainer` for chat prompts and a reward function.

    Prompts are padded on the left, with a token that ends nothing: `PPOTrainer` hides every pad token from the
    policy. Where `args` name no stop token a reply stops at the end-of-sequence token, as a chat model's does. What
    the reward logs (`hal/...`) stands beside TRL's own metrics.

    Args:
        model (`PreTrainedModel`): The policy; it is trained in place.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer; the trainer gets a copy (`trainer.processing_class`).
        prompts (`Sequence` of chat messages or `str`): One an episode, repeated as often as `args` say.
        reward (`Callable`): [`~hal_trl.HALReward`] or any TRL reward function.
        args (`PPOConfig`): TRL's, with all its options.
        peft_config (`PeftConfig`, *optional*): Trains an adapter of the policy, such as a `LoraConfig`, and takes the
            policy without it as reference; without, everything is trained, and a copy is the reference.
        value_model (`PreTrainedModel`, *optional*, defaults to the policy's layers with a new head):
            A sequence classifier with one label and the policy's tokenizer; it is trained whole, so in float32.
            Required for a policy that is quantized or has an adapter already.

    Raises:
        `ImportError`: if the installed TRL has no PPO.
        `ValueError`: if there are fewer prompts than a batch takes, no token to pad with, or no `value_model` where
            one is required.
    """
    require_ppo()
    from datasets import Dataset
    from trl.experimental.ppo import PPOTrainer

    class HALPPOTrainer(PPOTrainer):
        # Newer releases of transformers set it where TRL 1.12 does not call them; saving on several processes reads it
        is_distributed_loading_by_transformers = False

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            # TRL asks `self.model` for its policy, which is hidden in the wrapper that several processes put around
            # it. Not as a submodule: the wrapper has these weights already.
            if not hasattr(self.model, "policy"):
                object.__setattr__(self.model, "policy", self.accelerator.unwrap_model(self.model).policy)

        def log(self, logs: dict[str, float], *arguments, **options) -> None:
            super().log({**logs, **self.reward_model.pop_metrics()}, *arguments, **options)

    if len(prompts) < args.per_device_train_batch_size * args.gradient_accumulation_steps:
        raise ValueError(
            f"{len(prompts)} prompts do not fill a batch of per_device_train_batch_size "
            f"{args.per_device_train_batch_size} x gradient_accumulation_steps {args.gradient_accumulation_steps}; "
            "TRL would wait for ever. Give more prompts or a smaller batch."
        )
    rows = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.padding_side = "left"
    tokenizer.pad_token_id = _pad_token_id(tokenizer, rows)
    args = copy.copy(args)
    if args.stop_token is None and args.stop_token_id is None:
        args.stop_token = "eos"
    return HALPPOTrainer(
        args=args,
        processing_class=tokenizer,
        model=model,
        ref_model=None,
        reward_model=HALRewardModel(reward, tokenizer, prompts=prompts),
        value_model=_value_model(model) if value_model is None else value_model,
        train_dataset=Dataset.from_dict({"input_ids": rows}),
        peft_config=peft_config,
    )


def _pad_token_id(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> int:
    """The tokenizer's own, or another special token where the prompts contain that or it ends replies."""
    taken = {tokenizer.eos_token_id, *(i for row in rows for i in row)}
    special = [i for i, token in tokenizer.added_tokens_decoder.items() if token.special]
    free = [i for i in (tokenizer.pad_token_id, *special) if i is not None and i not in taken]
    if not free:
        raise ValueError(
            "PPO needs a pad token that is not the end-of-sequence token and not in the prompts. Type "
            "tokenizer.add_special_tokens({'pad_token': '<pad>'}) and model.resize_token_embeddings(len(tokenizer))."
        )
    return free[0]


def _value_model(model: PreTrainedModel) -> PreTrainedModel:
    """A sequence classifier on a copy of the policy's layers, in float32: small steps vanish in bfloat16."""
    import torch
    from transformers import AutoModelForSequenceClassification

    if getattr(model.config, "quantization_config", None) is not None or hasattr(model, "peft_config"):
        raise ValueError(
            "No value model can be made of a policy that is quantized or has an adapter. Pass value_model="
            "AutoModelForSequenceClassification.from_pretrained(..., num_labels=1), which may be a smaller model with "
            "the same tokenizer."
        )
    config = copy.deepcopy(model.config)
    config.num_labels = 1
    value_model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    value_model.base_model.load_state_dict(model.base_model.state_dict())
    return value_model.to(model.device)
