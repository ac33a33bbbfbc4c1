"""`LocalJudge`: a causal language model on this machine as a trait scorer."""

from __future__ import annotations

import copy
import logging
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
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

_QUESTION = """\
You judge how one speaker of a dialogue talks, the one whose turns have "rated": true; the others are context.

{quoting}

{dialogue}

How well does the statement below describe that speaker over the whole dialogue? 1 strongly disagree, 2 disagree, \
3 neither, 4 agree, 5 strongly agree.

Statement:"""
_ANSWER = "Rating: "  # begun for the model, so that nothing but the number can follow
_LIKERT = range(int(LIKERT_MIN), int(LIKERT_MAX) + 1)
_CONTENT = "{content}"
_NONCE_DIGITS = 16
_TOKENIZER_OPTIONS = ("revision", "token", "cache_dir", "local_files_only", "subfolder", "gguf_file")
_LEAST_MASS = 0.5
_SECONDS_WITHOUT_BAR = 10


class LocalJudge:
    r"""Rates traits by what a causal language model expects to answer, without a server and without generating.

    Each trait is a question that ends just before its rating. With \\(p_r\\) the probability of the next token
    being the number \\(r\\), the rating is \\(\sum_{r=1}^5 r \, p_r / \sum_{r=1}^5 p_r\\), a real number. The
    dialogue goes through the model once; the traits, one short continuation each, share its key-value cache.
    Ratings do not depend on what else is rated, and the same text gets the same ratings.

    Dialogues are quoted data, as with [`LLMJudge`]. The delimiter is made from a hash of the text rather than drawn by
    lot: ratings can be repeated, and still no text can contain its own delimiter. Special tokens in a dialogue, such
    as `<|im_end|>`, are read as plain characters.

    Args:
        model (`str`, `Path` or `PreTrainedModel`):
            Hub id, folder or loaded causal model of any architecture. One without a chat template is asked in plain
            text. It is put in eval mode and stays on its device; one that is loaded here goes to the GPU if there is
            one.
        traits ([`TraitSet`], *optional*, defaults to `HL32Q`): What to rate.
        tokenizer (`PreTrainedTokenizerBase`, *optional*, defaults to the one beside the model):
            Required with a loaded model.
        batch_size (`int`, *optional*, defaults to 8):
            Traits rated at a time, each on its copy of the dialogue's cache; memory grows with it.
        max_length (`int`, *optional*, defaults to the model's window):
            Tokens of a question. Of a longer dialogue the oldest turns that are only context are left out; one whose
            rated turns alone are longer is not rated.
        kwargs: Passed to `from_pretrained`, such as `dtype`, `revision`, `quantization_config`, `gguf_file`.

    Raises:
        `ValueError`: if the tokenizer does not write the numbers 1 to 5 as one token each, the window is too short
            for a question, or tokenizer and options do not go with the model.

    Example:
        ```python
        >>> from hal_trl import Dialogue, LocalJudge
        >>> judge = LocalJudge("HuggingFaceTB/SmolLM2-1.7B-Instruct", dtype="bfloat16")  # doctest: +SKIP
        >>> judge.score([Dialogue.from_transcript("I: hey\\nW: hi lol")]).to_frame()  # doctest: +SKIP
        ```
    """

    def __init__(
        self,
        model: str | Path | PreTrainedModel,
        traits: TraitSet = HL32Q,
        tokenizer: PreTrainedTokenizerBase | None = None,
        batch_size: int = 8,
        max_length: int | None = None,
        **kwargs,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size is how many traits to rate at a time, at least 1, not {batch_size}.")
        if isinstance(model, str | Path):
            tokenizer = _load_tokenizer(model, kwargs) if tokenizer is None else tokenizer
            model = _load_model(model, kwargs)
        elif tokenizer is None:
            raise ValueError("A loaded model needs its tokenizer: LocalJudge(model, tokenizer=tokenizer).")
        elif kwargs:
            raise ValueError(f"{sorted(kwargs)} are for loading a model, and this one is loaded already.")
        self.traits, self.model, self.tokenizer = traits, model.eval(), tokenizer
        # Not every recurrent model goes on from its state with several tokens: those read the dialogue anew each time.
        self.shares_prefix = not getattr(model, "_is_stateful", False)

        self._opening, closing = self._template()
        closing, self._numbers = self._before_number(closing + _ANSWER)
        statements = [self._tokens(f" {trait.statement}") + closing for trait in traits]
        # By length, so that little is padded. No mask is needed: padding comes after all that is read.
        order = sorted(range(len(traits)), key=lambda i: len(statements[i]))
        chunks = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        self._chunks = [(chunk, [statements[i] for i in chunk]) for chunk in chunks]

        window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        longest, least = len(statements[order[-1]]), len(self._prefix(Dialogue((), "")))
        known = [length for length in (max_length, window) if length]
        self.max_length = min(known) if known else None
        self._room = np.inf if self.max_length is None else self.max_length - longest
        if self._room <= least:
            raise ValueError(
                f"A question takes {least + longest} tokens even without any dialogue, and max_length or the model's "
                f"window is {self.max_length}. Raise max_length, or use a model with a longer window."
            )

    @property
    def name_or_path(self) -> str:
        """What model cards call it."""
        return self.model.config.name_or_path

    def score(self, dialogues: Sequence[Dialogue]) -> TraitRatings:
        """Ratings of shape `(len(dialogues), len(traits))`, 1-5; a row is `nan` where the dialogue does not fit the
        window or its target has no turn, a rating where the model's output is not finite."""
        ratings, mass = np.full((2, len(dialogues), len(self.traits)), np.nan)
        bar = tqdm(dialogues, desc="judging", unit="dialogue", delay=_SECONDS_WITHOUT_BAR)
        for row, dialogue in enumerate(bar):
            prefix = self._fitting_prefix(dialogue) if dialogue.target_texts else None
            if prefix is not None:
                ratings[row], mass[row] = self._rate(prefix)
        unrated = np.flatnonzero(np.isnan(ratings).any(axis=1))
        if len(unrated):
            logger.warning("%d of %d dialogues were not rated: %s", len(unrated), len(dialogues), unrated[:20])
        if np.isfinite(mass).any() and np.nanmean(mass) < _LEAST_MASS:
            logger.warning(
                "The model answers with a number from 1 to 5 only with probability %.2g: its ratings mean little.",
                np.nanmean(mass),
            )
        return TraitRatings(ratings, self.traits)

    @torch.inference_mode()
    def _rate(self, prefix: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Ratings, and the probability of the answer being one."""
        read = torch.tensor([prefix], device=self.model.device)
        if self.shares_prefix:
            cache = self.model(input_ids=read, use_cache=True, logits_to_keep=1).past_key_values
        probabilities = np.zeros((len(self.traits), len(self._numbers)))
        for chunk, statements in self._chunks:
            ends = [len(statement) for statement in statements]
            padded = [statement + [0] * (ends[-1] - len(statement)) for statement in statements]
            asked = torch.tensor(padded, device=read.device)
            if self.shares_prefix:
                copies = copy.deepcopy(cache)
                copies.reorder_cache(torch.zeros(len(chunk), dtype=torch.long, device=read.device))
                options = {"past_key_values": copies, "use_cache": True}
            else:
                asked, options = torch.cat([read.expand(len(chunk), -1), asked], dim=1), {"use_cache": False}
            logits = self.model(input_ids=asked, logits_to_keep=ends[-1] - ends[0] + 1, **options).logits
            last = logits[range(len(chunk)), [end - ends[0] for end in ends]]
            probabilities[chunk] = last.double().softmax(dim=-1)[:, self._numbers].cpu().numpy()
        mass = probabilities.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.clip(probabilities @ np.array(_LIKERT) / mass, LIKERT_MIN, LIKERT_MAX), mass

    def _fitting_prefix(self, dialogue: Dialogue) -> list[int] | None:
        """Tokens up to the statement, with as many of the context turns as there is room for; `None` if with none."""
        prefix = self._prefix(dialogue)
        if len(prefix) <= self._room:
            return prefix
        most = len(dialogue.context_texts)
        left_out = bisect_left(
            range(most + 1), True, key=lambda n: len(self._prefix(_without_oldest_context(dialogue, n))) <= self._room
        )
        return self._prefix(_without_oldest_context(dialogue, left_out)) if left_out <= most else None

    def _prefix(self, dialogue: Dialogue) -> list[int]:
        nonce = sha256(delimited(dialogue, "").encode(errors="surrogatepass")).hexdigest()[:_NONCE_DIGITS]
        return self._opening + self._tokens(
            _QUESTION.format(quoting=quoting(nonce), dialogue=delimited(dialogue, nonce))
        )

    def _tokens(self, text: str, template: bool = False) -> list[int]:
        """Only the template's own text may hold special tokens."""
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=not template)["input_ids"]

    def _template(self) -> tuple[list[int], str]:
        """Tokens before the question and text after it."""
        if self.tokenizer.chat_template is None:
            return self.tokenizer("")["input_ids"], "\n"
        # All in a user message, as some templates know no system role; a model that reasons is asked not to.
        opening, found, closing = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": _CONTENT}], tokenize=False, add_generation_prompt=True, enable_thinking=False
        ).partition(_CONTENT)
        if not found:
            raise ValueError("The tokenizer's chat template leaves out what the user says; use a model for chat.")
        return self._tokens(opening, template=True), closing

    def _before_number(self, text: str) -> tuple[list[int], list[int]]:
        """Tokens of `text` as far as they do not depend on the number after it, and the tokens of the numbers.

        The space before a number belongs to it in some tokenizers and not in others.
        """
        answers = [self._tokens(f"{text}{number}", template=True) for number in _LIKERT]
        shared = answers[0][:-1]
        if any(answer[:-1] != shared for answer in answers) or len({answer[-1] for answer in answers}) < len(answers):
            raise ValueError(
                "The tokenizer must write each of the numbers 1 to 5 as one token of its own, and their texts end in "
                f"{[self.tokenizer.convert_ids_to_tokens(answer[-2:]) for answer in answers]}. Use another model, or "
                "LLMJudge, which reads text."
            )
        return shared, [answer[-1] for answer in answers]


def _without_oldest_context(dialogue: Dialogue, n: int) -> Dialogue:
    left_out = set([i for i, rated in enumerate(dialogue.rated) if not rated][:n])
    turns = tuple(turn for i, turn in enumerate(dialogue.turns) if i not in left_out)
    return replace(dialogue, turns=turns, start=dialogue.start - sum(i < dialogue.start for i in left_out))


def _load_model(name: str | Path, kwargs: dict) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    if torch.cuda.is_available():
        kwargs = {"device_map": "cuda", **kwargs}
    return AutoModelForCausalLM.from_pretrained(name, trust_remote_code=False, **kwargs)


def _load_tokenizer(name: str | Path, kwargs: dict) -> PreTrainedTokenizerBase:
    from transformers import AutoTokenizer

    options = {key: value for key, value in kwargs.items() if key in _TOKENIZER_OPTIONS}
    return AutoTokenizer.from_pretrained(name, trust_remote_code=False, **options)
