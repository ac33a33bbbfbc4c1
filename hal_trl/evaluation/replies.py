"""Sample replies from a chat model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    """One sampled reply per chat, the same for the same seed and batch size.

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
    import torch
    from transformers import set_seed

    model.eval()
    set_seed(seed)
    replies: list[str] = []
    bar = tqdm(total=len(chats), desc=description, unit="reply")
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
