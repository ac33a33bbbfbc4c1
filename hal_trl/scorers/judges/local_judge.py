"""`LocalJudge`: a causal language model on this machine as a trait scorer, without a server and without generating."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm.auto import tqdm

from ...dialogue import Dialogue
from ...traits import HL32Q, LIKERT_MAX, LIKERT_MIN, TraitRatings, TraitSet
from .prompt import delimited, quoting


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


logger = logging.getLogger(__name__)

_TASK = """\
Look at how one speaker of a dialogue talks: the turns with "rated": true, the others are context.

{quoting}

{dialogue}

"""
_QUESTION = """\
How well does this statement describe that speaker? 1 strongly disagree, 2 disagree, 3 neither, 4 agree, 5 strongly \
agree. Answer with the number only.
Statement: {statement}"""
_HERE = "<statement here>"
_OF_LOADING = ("revision", "token", "cache_dir", "local_files_only", "subfolder", "gguf_file")
_LONG = 20


class LocalJudge:
    """Rates traits with a causal language model: the expected rating under its probabilities of "1" to "5".

    `rating = sum_d d * p(d) / sum_d p(d)`, with `p` the probabilities of the next token after the statement. The
    dialogue is read once, and its keys and values are shared by all traits: one forward pass a dialogue and one short
    continuation a trait, where generating JSON takes a pass for every token of the answer. The same text gets the same
    ratings.

    Args:
        model (`str`, `Path` or `PreTrainedModel`): Hub id, folder, or a loaded causal language model.
        traits ([`TraitSet`], *optional*, defaults to `HL32Q`): What to rate.
        tokenizer (`PreTrainedTokenizerBase`, *optional*, defaults to the model's own): Needed with a loaded model.
        batch_size (`int`, *optional*, defaults to 32): Traits asked about at a time; fewer need less memory.
        kwargs: For `from_pretrained`, such as `quantization_config=`, `dtype=`, `gguf_file=`, `revision=`.

    Raises:
        `ValueError`: with a loaded model without its tokenizer, or if the tokenizer has no single tokens for 1 to 5.

    Example:
        ```python
        >>> from hal_trl import Dialogue, LocalJudge
        >>> judge = LocalJudge("HuggingFaceTB/SmolLM2-1.7B-Instruct", dtype="bfloat16")  # doctest: +SKIP
        >>> judge.score([Dialogue.from_completion("how are you?", "good lol u")]).shape  # doctest: +SKIP
        (1, 32)
        ```
    """

    def __init__(
        self,
        model: str | Path | PreTrainedModel,
        traits: TraitSet = HL32Q,
        tokenizer: PreTrainedTokenizerBase | None = None,
        batch_size: int = 32,
        **kwargs,
    ):
        if isinstance(model, (str, Path)):
            from transformers import AutoModelForCausalLM, AutoTokenizer

            loading = {name: value for name, value in kwargs.items() if name in _OF_LOADING}
            tokenizer = tokenizer or AutoTokenizer.from_pretrained(model, **loading)
            placed = torch.cuda.is_available() and "device_map" not in kwargs
            kwargs = {**({"device_map": "cuda"} if placed else {}), **kwargs}
            model = AutoModelForCausalLM.from_pretrained(model, trust_remote_code=False, **kwargs)
        elif tokenizer is None or kwargs:
            raise ValueError("With a loaded model pass its tokenizer=, and no options of from_pretrained.")
        if batch_size < 1:
            raise ValueError(f"batch_size is at least 1, not {batch_size}.")
        self.model, self.tokenizer, self.traits, self.batch_size = model.eval(), tokenizer, traits, batch_size
        self._before, after = self._template()
        questions = [_QUESTION.format(statement=trait.statement) + after for trait in traits]
        self._questions = [self._ids(question) for question in questions]
        self._digits = self._digit_tokens(questions[0])
        self._values = torch.arange(LIKERT_MIN, LIKERT_MAX + 1, dtype=torch.float32)

    @property
    def name_or_path(self) -> str:
        """What model cards call it."""
        return self.model.name_or_path

    def score(self, dialogues: Sequence[Dialogue]) -> TraitRatings:
        """Ratings of shape `(len(dialogues), len(traits))`, real numbers in 1-5.

        A dialogue that is longer than the model's window loses its oldest context, then its oldest rated turns; one
        whose last turn alone does not fit is `nan`.
        """
        rows = [
            self._rate(dialogue)
            for dialogue in tqdm(dialogues, desc="judging", unit="dialogue", disable=len(dialogues) < _LONG)
        ]
        unrated = [i for i, row in enumerate(rows) if np.isnan(row).any()]
        if unrated:
            logger.warning("%d of %d dialogues do not fit the model's window: %s", len(unrated), len(rows), unrated)
        return TraitRatings(np.array(rows).reshape(len(rows), len(self.traits)), self.traits)

    @torch.inference_mode()
    def _rate(self, dialogue: Dialogue) -> np.ndarray:
        read = self._fitting(dialogue)
        if read is None:
            return np.full(len(self.traits), np.nan)
        prefix = torch.tensor([read], device=self.model.device)
        cache = self.model(input_ids=prefix, use_cache=True, logits_to_keep=1).past_key_values
        parts = [self._questions[i : i + self.batch_size] for i in range(0, len(self._questions), self.batch_size)]
        # The last part may have the cache for itself.
        odds = [self._continue(copy.deepcopy(cache), len(read), part) for part in parts[:-1]]
        odds.append(self._continue(cache, len(read), parts[-1]))
        return (torch.cat(odds).softmax(dim=-1) @ self._values).double().clamp(LIKERT_MIN, LIKERT_MAX).numpy()

    def _continue(self, cache, n_read: int, questions: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logits of the five digits after each question, shape `(len(questions), 5)`."""
        cache.batch_repeat_interleave(len(questions))
        lengths = torch.tensor([len(question) for question in questions])
        ids = torch.zeros(len(questions), int(lengths.max()), dtype=torch.long)
        mask = torch.ones(len(questions), n_read + ids.shape[1], dtype=torch.long)
        for row, question in enumerate(questions):
            ids[row, : len(question)] = torch.tensor(question)
            mask[row, n_read + len(question) :] = 0
        ends, place = (lengths - 1).unique(return_inverse=True)
        device = self.model.device
        logits = self.model(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            position_ids=torch.arange(n_read, n_read + ids.shape[1], device=device)[None].expand_as(ids),
            past_key_values=cache,
            logits_to_keep=ends.to(device),
        ).logits
        return logits[torch.arange(len(questions)), place][:, self._digits].float().cpu()

    def _template(self) -> tuple[str, str]:
        """What the chat template puts before the user's message and after it; a plain form without a template."""
        if not self.tokenizer.chat_template:
            return "", "\nNumber: ("
        chat = [{"role": "user", "content": _HERE}]
        shown = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        before, _, after = shown.partition(_HERE)
        return before, after

    def _fitting(self, dialogue: Dialogue) -> list[int] | None:
        """Token ids of everything before the statement, shortened to the model's window."""
        longest = max(map(len, self._questions))
        window = getattr(self.model.config.get_text_config(), "max_position_embeddings", None) or 2**30
        while True:
            # Nobody can write a text that quotes its own hash, and the same text is read the same way every time.
            nonce = hashlib.sha256(repr(dialogue).encode("utf-8", "replace")).hexdigest()[:24]
            task = _TASK.format(quoting=quoting(nonce), dialogue=delimited(dialogue, nonce))
            # Role tokens that somebody wrote in a dialogue are plain characters there.
            ids = self._ids(self._before, first=True) + self._ids(task, split_special_tokens=True)
            if len(ids) + longest <= window:
                return ids
            if len(dialogue.turns) == 1:
                return None
            dialogue = _shortened(dialogue)

    def _ids(self, text: str, first: bool = False, **options) -> list[int]:
        special = first and not self.tokenizer.chat_template  # a chat template writes its own
        return self.tokenizer(text, add_special_tokens=special, **options)["input_ids"]

    def _digit_tokens(self, question: str) -> list[int]:
        alone = self._ids(question)
        tokens = [self._ids(f"{question}{digit}") for digit in range(int(LIKERT_MIN), int(LIKERT_MAX) + 1)]
        single = all(len(ids) == len(alone) + 1 and ids[:-1] == alone for ids in tokens)
        if not single or len({ids[-1] for ids in tokens}) < len(tokens):
            raise ValueError(
                f"The tokenizer of {self.model.name_or_path} does not write each of 1 to 5 as one token of its own "
                "after its chat template. Use another model, or LLMJudge with a server."
            )
        return [ids[-1] for ids in tokens]


def _shortened(dialogue: Dialogue) -> Dialogue:
    """Without its oldest turn that is context, or else its oldest turn."""
    i = dialogue.rated.index(False) if False in dialogue.rated else 0
    turns = dialogue.turns[:i] + dialogue.turns[i + 1 :]
    return Dialogue(turns, dialogue.target, max(0, dialogue.start - (i < dialogue.start)), dialogue.instructions)
