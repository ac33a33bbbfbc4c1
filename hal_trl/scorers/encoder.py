"""What a frozen transformer encoder says about a dialogue: pooled hidden states of the target's words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from ..dialogue import Dialogue


MAX_TOKENS, MAX_TURN_TOKENS = 256, 200  # the last 256 tokens of a dialogue; n-grams and statistics see all of it
_MAX_TURN_CHARACTERS = 8 * MAX_TURN_TOKENS
_BATCH = 32


def load_encoder(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, tuple[int, int, int]]:
    """An encoder without the layers above those read, its tokenizer, and the layers to read.

    Args:
        name (`str`): Folder or Hub id of a bidirectional encoder such as `sentence-transformers/all-MiniLM-L6-v2`.

    Raises:
        `ValueError`: if it cannot be loaded, or is no encoder with hidden states.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # layers left out on purpose would be reported as unexpected
    try:
        depth = AutoConfig.from_pretrained(name).num_hidden_layers
        # A third, half and two thirds up: the top knows the topic rather than the manner.
        layers = max(1, depth // 3), max(1, depth // 2), max(1, 2 * depth // 3)
        tokenizer = AutoTokenizer.from_pretrained(name)
        encoder = AutoModel.from_pretrained(
            name, num_hidden_layers=layers[-1], dtype=torch.float32, use_safetensors=True
        )
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise ValueError(
            f"The encoder {name!r} does not load ({error}). Give a folder or Hub id of a transformer encoder with "
            "safetensors weights and a tokenizer, such as sentence-transformers/all-MiniLM-L6-v2, or --encoder none."
        ) from error
    finally:
        logging.set_verbosity(verbosity)
    for parameter in encoder.parameters():
        parameter.data = parameter.data.half().float()  # as it will be stored
    return encoder.eval().requires_grad_(False), tokenizer, layers


@torch.inference_mode()
def embed(
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dialogues: Sequence[Dialogue],
    layers: Sequence[int],
    progress: bool = False,
) -> torch.Tensor:
    """Mean over the target's tokens of some layers, and the standard deviation of the middle one.

    The encoder reads the whole dialogue, or for one reply the turn before it and the reply, so a word's state knows
    what it answers.

    Returns:
        `torch.Tensor` of shape `(n, (len(layers) + 1) * hidden_size)`; zeros where the target says nothing.
    """
    encoded = [_tokens(tokenizer, dialogue) for dialogue in dialogues]
    order = np.argsort([len(ids) for ids, _ in encoded])
    pooled = torch.zeros(len(dialogues), (len(layers) + 1) * encoder.config.hidden_size, device=encoder.device)
    batches = range(0, len(order), _BATCH)
    for start in tqdm(batches, desc="embedding", unit="batch", disable=not progress):
        rows = order[start : start + _BATCH]
        length = max(len(encoded[i][0]) for i in rows)
        ids, attention, target = (torch.zeros(len(rows), length, dtype=torch.long) for _ in range(3))
        for row, i in enumerate(rows):
            tokens, mask = encoded[i]
            ids[row, : len(tokens)], attention[row, : len(tokens)] = torch.tensor(tokens), 1
            target[row, : len(tokens)] = torch.tensor(mask)
        states = encoder(
            input_ids=ids.to(encoder.device), attention_mask=attention.to(encoder.device), output_hidden_states=True
        ).hidden_states
        weight = target.to(encoder.device).float()
        weight = (weight / weight.sum(dim=1, keepdim=True).clamp_min(1))[..., None]
        means = [(states[layer].float() * weight).sum(dim=1) for layer in layers]
        middle = len(layers) // 2
        squares = (states[layers[middle]].float().square() * weight).sum(dim=1)
        spread = (squares - means[middle].square()).clamp_min(0).sqrt()
        pooled[torch.from_numpy(rows).to(pooled.device)] = torch.cat([*means, spread], dim=1)
    return pooled


def _tokens(tokenizer: PreTrainedTokenizerBase, dialogue: Dialogue) -> tuple[list[int], list[int]]:
    """Token ids, and 1 for those the target said. Turns are set apart by the separator token."""
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    first, last = (
        (tokenizer.bos_token_id if first is None else first),
        (tokenizer.eos_token_id if last is None else last),
    )
    begin = max(0, dialogue.start - 1)
    ids, mask = [], []
    for turn, rated in zip(dialogue.turns[begin:], dialogue.rated[begin:], strict=True):
        text = turn.text[:_MAX_TURN_CHARACTERS]
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"][:MAX_TURN_TOKENS]
        ids += [*tokens, last]
        mask += [int(rated)] * len(tokens) + [0]
    return [first, *ids[1 - MAX_TOKENS :]], [0, *mask[1 - MAX_TOKENS :]]


def vocabulary(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The plain words a tokenizer has a token of their own for, the frequent ones first."""
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    texts = (tokenizer.convert_tokens_to_string([token]) for token, _ in by_id if not token.startswith("##"))
    return list(dict.fromkeys(text.strip().lower() for text in texts if text.strip().isalpha()))


@torch.inference_mode()
def word_vectors(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, words: Sequence[str], layer: int
) -> np.ndarray:
    """One vector per word: the word alone through the encoder, mean of its tokens at `layer`, shape `(n, hidden)`."""
    vectors = np.zeros((len(words), encoder.config.hidden_size), dtype=np.float32)
    for start in range(0, len(words), 256):
        batch = tokenizer(
            list(words[start : start + 256]), padding=True, truncation=True, max_length=12, return_tensors="pt",
            return_special_tokens_mask=True,
        )  # fmt: skip
        inner = (1 - batch.pop("special_tokens_mask")).float()
        states = encoder(**batch.to(encoder.device), output_hidden_states=True).hidden_states[layer].float().cpu()
        inner = (inner / inner.sum(dim=1, keepdim=True).clamp_min(1))[..., None]
        vectors[start : start + 256] = (states * inner).sum(dim=1)
    return vectors
