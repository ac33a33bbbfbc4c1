"""Sample replies from a chat model."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def generate_replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    chats: Sequence[list[dict[str, str]]],
    max_new_tokens: int,
    temperature: float = 0.8,
    top_p: float = 0.95,
    batch_size: int = 40,
    seed: int = 0,
    description: str = "replies",
) -> list[str]:
    """One sampled reply per chat, the same for the same seed and batch size; a training around it does not notice.

    Args:
        model (`PreTrainedModel`): A chat model, with or without an adapter.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer, with a chat template.
        chats (`Sequence` of chat messages): What was said so far, one list of messages per chat.
        max_new_tokens (`int`): Where a reply is cut.
        temperature (`float`, *optional*, defaults to 0.8), top_p (`float`, *optional*, defaults to 0.95): Sampling.
        batch_size (`int`, *optional*, defaults to 40): Chats at a time.
        seed (`int`, *optional*, defaults to 0): Of the sampling.
        description (`str`, *optional*): Label of the progress bar.
    """
    with _set_aside(model, seed):
        return _generate(model, tokenizer, chats, batch_size, description, max_new_tokens, temperature, top_p)


@contextmanager
def _set_aside(model: PreTrainedModel, seed: int) -> Iterator[None]:
    """Evaluation mode and randomness of its own; both are as before afterwards."""
    import torch
    from transformers import set_seed

    training, python, arrays = model.training, random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            set_seed(seed)
            model.eval()
            yield
    finally:
        model.train(training)
        random.setstate(python)
        np.random.set_state(arrays)


def _generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    chats: Sequence[list[dict[str, str]]],
    batch_size: int,
    description: str,
    max_new_tokens: int,
    temperature: float,
    top_p: float,
) -> list[str]:
    import torch

    replies: list[str] = []
    bar = tqdm(total=len(chats), desc=description, unit="reply", leave=False)
    for start in range(0, len(chats), batch_size):
        texts = [
            tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            for messages in chats[start : start + batch_size]
        ]
        # Padded on the left, whatever the tokenizer's own side: a reply must follow its prompt.
        inputs = tokenizer(texts, padding=True, padding_side="left", add_special_tokens=False, return_tensors="pt").to(
            model.device
        )
        with torch.inference_mode():
            output = model.generate(
                **inputs,
                max_new_tokens=max_new_tokens,
                do_sample=True,
                temperature=temperature,
                top_p=top_p,
                top_k=0,
                pad_token_id=tokenizer.pad_token_id,
            )
        generated = output[:, inputs["input_ids"].shape[1] :]
        replies += [text.strip() for text in tokenizer.batch_decode(generated, skip_special_tokens=True)]
        bar.update(len(texts))
    bar.close()
    return replies
