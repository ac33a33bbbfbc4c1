"""What alignment costs: how well a model still predicts neutral text, and how far it went from its base there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from ..alignment.candidates import Chat
from ..json_form import json_form
from .statistics import bootstrap_mean
from .two_samples import paired_difference


if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


Items = dict[str, list[float]]
"""Per measure one value an item: a text, a question, a document. All systems have the same items."""

NEUTRAL_LOSS, NEUTRAL_KL = "neutral text: loss, nats a token", "neutral text: KL to the base, nats a token"


def neutral_texts() -> list[str]:
    """Thirty short paragraphs of plain exposition, written for this project: no chat, no opinion, no news."""
    return json.loads(resources.files(__package__).joinpath("neutral.json").read_text(encoding="utf-8"))


def neutral_items(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Items:
    """How well a model predicts texts, and how far an adapter moved it.

    The loss of a text is the mean negative log-likelihood of its tokens after the first. The divergence is
    `KL(model || base)`, as TRL's penalty counts it but exact, averaged over the same positions; the base is the model
    with its adapter off.

    Args:
        model (`PreTrainedModel` or `PeftModel`): A plain model has no divergence.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        texts (`Sequence[str]`): At least two tokens each.

    Returns:
        `dict`: per measure one value a text, in nats a token; both are at least 0, and 0 is best.
    """
    import torch
    from peft import PeftModel

    adapted = isinstance(model, PeftModel)
    items: Items = {NEUTRAL_LOSS: []} | ({NEUTRAL_KL: []} if adapted else {})
    with torch.inference_mode():
        # One at a time: no padding to mask, and a large vocabulary times a batch of texts is gigabytes.
        for text in tqdm(texts, desc="neutral text", unit="text", leave=False):
            ids = torch.tensor([tokenizer(text)["input_ids"]], device=model.device)
            log_p = _next_token(model, ids)
            items[NEUTRAL_LOSS].append(-float(log_p.gather(1, ids[0, 1:, None]).mean()))
            if adapted:
                with model.disable_adapter():
                    log_q = _next_token(model, ids)
                divergence = (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean()
                items[NEUTRAL_KL].append(max(0.0, float(divergence)))  # rounding may put 0 below itself
    return items


def mean_log_likelihoods(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, chat: Chat, replies: Sequence[str]
) -> np.ndarray:
    """Mean log-probability a token of each reply to a chat, shape `(len(replies),)`; long replies are not punished.

    Args:
        model (`PreTrainedModel`): A chat model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer, with a chat template.
        chat (chat messages): What was said so far.
        replies (`Sequence[str]`): None of them empty.
    """
    import torch

    shown = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    prompt = torch.tensor([tokenizer(shown, add_special_tokens=False)["input_ids"]], device=model.device)
    answers = [tokenizer(reply, add_special_tokens=False)["input_ids"] for reply in replies]
    longest = max(map(len, answers))
    # Padded behind the end, where causal attention does not look, so no position shifts.
    ids = torch.tensor([answer + [0] * (longest - len(answer)) for answer in answers], device=model.device)
    with torch.inference_mode():
        # The prompt is most of the work, and the same before each reply: it is read once.
        read = model(input_ids=prompt, use_cache=True, logits_to_keep=1)
        logits = [read.logits.expand(len(replies), -1, -1)]
        if longest > 1:
            read.past_key_values.batch_repeat_interleave(len(replies))
            logits.append(model(input_ids=ids[:, :-1], past_key_values=read.past_key_values).logits)
    log_p = torch.cat(logits, dim=1).float().log_softmax(dim=-1).gather(2, ids[..., None])[..., 0]
    return np.array([float(row[: len(answer)].mean()) for row, answer in zip(log_p, answers, strict=True)])


def capability_figures(items: Mapping[str, Sequence[float]], base: Mapping[str, Sequence[float]] | None) -> Any:
    """JSON: per measure `value`, `low`, `high` (95 % bootstrap interval over items) and `difference` to the base.

    Args:
        items (`Mapping`): Values of a system.
        base (`Mapping`, *optional*): Values of the base model on the same items; the difference is paired by item, and
            `None` for what the base does not have.

    Raises:
        `ValueError`: if the two do not have the same items.
    """
    figures = {}
    for measure, values in items.items():
        before = None if base is None else base.get(measure)
        difference = None if before is None else paired_difference(values, before)
        figures[measure] = {**json_form(bootstrap_mean(values)), "difference": json_form(difference)}
    return figures


def _next_token(model: PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of each next token of one text, shape `(tokens - 1, vocabulary)`."""
    return model(input_ids=ids).logits[0, :-1].float().log_softmax(dim=-1)
