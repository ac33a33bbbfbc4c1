"""`HALRewardModel`: a reward function in the place of a reward model, for TRL's PPOTrainer."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput

from .prompt_boundary import ChatTemplate, KnownPrompts, Prompt, closing_ids, split


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class HALRewardModel(nn.Module):
    """A reward function as the `reward_model` of TRL's `PPOTrainer`, whatever the policy's tokenizer.

    `PPOTrainer` gives its reward model the policy's token ids and never says where the prompt ends. This model decodes
    them, tells prompt from reply, has the reward function score the reply in the light of the prompt, and returns
    that score at every position, so also at the last real token, where the trainer reads it. Padding may be on either
    side, and the attention mask alone says what padding is: token 0 may be a word.

    Without `prompts` the prompt is read back out of the tokenizer's chat template, which must have written it whole.
    The reply begins where a generation prompt ends in the same column of every row, the last such column: in a batch
    of one a policy that writes a generation prompt itself would choose what is scored. With `prompts` nothing a
    policy writes matters, and any tokenizer will do. A reply ends at its first special token (end of sequence, end
    of turn), with or without TRL's `stop_token`; what a reply without one costs (`missing_eos_penalty`) is TRL's.

    The pad token must not be the end-of-sequence token: `PPOTrainer` hides pad tokens from the policy, so that it
    would never learn to stop, nor see where a turn of the prompt ends. This model reads such rows all the same.

    It has no parameters and one label. Called like a sequence classifier it returns `logits` of shape
    `(batch_size, 1)`; each row is then read on its own, and where TRL's `GRPOTrainer` takes a reward model it works
    with `reward_processing_classes=tokenizer` (the function itself is the better choice there).

    Args:
        reward (`Callable`):
            [`HALReward`] or any reward function of TRL's kind: `reward(prompts=..., completions=...)` returns a number
            or `None` each. Prompts and completions are chat messages, or text where `prompts` has text. For `None`,
            and for what is not finite, the mean of the other rewards of the call stands in, which neither rewards nor
            punishes; where there are none, the last such mean (at first 0).
        tokenizer (`PreTrainedTokenizerBase`):
            The policy's, with the pad token that training will use.
        prompts (`Iterable` of chat messages or `str`, *optional*):
            Every prompt of the training and evaluation data, which must have been tokenized as
            [`~hal_trl.rewards.prompt_boundary.prompt_ids`] does. Required without a chat template.

    Raises:
        `ValueError`: if the reward is a coroutine, or the chat template is missing or unreadable and there are no
            `prompts`. When called: if a row has no prompt where a reply begins.

    Example:
        ```python
        >>> from hal_trl import HALReward, HALRewardModel
        >>> reward_model = HALRewardModel(HALReward(), tokenizer)
        >>> trainer = PPOTrainer(reward_model=reward_model, value_model=value_model, processing_class=tokenizer, ...)
        ```
    """

    base_model_prefix = "model"

    def __init__(
        self,
        reward: Callable[..., list[float | None]],
        tokenizer: PreTrainedTokenizerBase,
        prompts: Iterable[Prompt] | None = None,
    ):
        super().__init__()
        if inspect.iscoroutinefunction(reward) or inspect.iscoroutinefunction(type(reward).__call__):
            raise ValueError("A reward model cannot wait for a coroutine: pass HALReward instead of AsyncHALReward.")
        name = getattr(reward, "__name__", type(reward).__name__)
        self.config = PreTrainedConfig(num_labels=1, name_or_path=name, pad_token_id=tokenizer.pad_token_id)
        self.model = _Ids()
        self.reward, self.tokenizer = reward, tokenizer
        self._boundary = ChatTemplate(tokenizer) if prompts is None else KnownPrompts(tokenizer, prompts)
        self._closing = closing_ids(tokenizer)
        self._takes_hooks = _takes(reward, "log_metric")
        self._neutral = 0.0
        self._metrics: dict[str, tuple[float, int]] = {}
        self.eval()

    def score(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Rewards of a rollout, shape `(batch_size, sequence_length, 1)`, from what the backbone returned."""
        return self._rewards(hidden_states, one_column=True)[:, None, None].expand(-1, hidden_states.shape[1], 1)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any
    ) -> SequenceClassifierOutput:
        """Rewards as a sequence classifier gives them: `logits` of shape `(batch_size, 1)`."""
        hidden_states = self.model(input_ids, attention_mask).hidden_states[-1]
        return SequenceClassifierOutput(logits=self._rewards(hidden_states, one_column=False)[:, None])

    def pop_metrics(self) -> dict[str, float]:
        """Means of what the reward logged (`hal/...`) since the last time."""
        metrics = {name: total / count for name, (total, count) in self._metrics.items()}
        self._metrics.clear()
        return metrics

    @torch.no_grad()
    def _rewards(self, hidden_states: torch.Tensor, one_column: bool) -> torch.Tensor:
        ids, mask = hidden_states.unbind(-1)
        real = mask.bool()
        if self.tokenizer.pad_token_id is not None:
            real &= ids != self.tokenizer.pad_token_id
        rows = split(ids.tolist(), real.tolist(), self._boundary, self._closing, one_column)
        prompts = [self._boundary.prompt(prompt) for prompt, _ in rows]
        texts = self.tokenizer.batch_decode([reply for _, reply in rows], skip_special_tokens=True)
        completions = [
            text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]
            for prompt, text in zip(prompts, texts, strict=True)
        ]
        hooks = {"log_metric": self._log_metric} if self._takes_hooks else {}
        rewards = self.reward(prompts=prompts, completions=completions, **hooks)
        if len(rewards) != len(rows):
            raise ValueError(f"{self.config._name_or_path} returned {len(rewards)} rewards for {len(rows)} replies.")
        return torch.tensor(self._without_gaps(rewards), dtype=torch.float32, device=hidden_states.device)

    def _without_gaps(self, rewards: list[float | None]) -> list[float]:
        known = [float(reward) for reward in rewards if reward is not None and math.isfinite(reward)]
        if known:
            self._neutral = sum(known) / len(known)
        return [float(reward) if reward is not None and math.isfinite(reward) else self._neutral for reward in rewards]

    def _log_metric(self, name: str, value: float) -> None:
        total, count = self._metrics.get(name, (0.0, 0))
        self._metrics[name] = (total + float(value), count + 1)


class _Ids(nn.Module):
    """A backbone that carries the ids and their mask through, `(batch_size, sequence_length, 2)`."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any
    ) -> BaseModelOutput:
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask.to(input_ids.dtype)
        return BaseModelOutput(hidden_states=(torch.stack([input_ids, mask], dim=-1),))


def _takes(reward: Callable, argument: str) -> bool:
    """A reward of TRL's kind takes whatever TRL passes; one that takes prompts and completions alone will do, too."""
    parameters = inspect.signature(reward).parameters.values()
    return any(p.name == argument or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
