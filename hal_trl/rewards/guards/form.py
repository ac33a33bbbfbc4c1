"""Guards against what is no language: nothing at all, loops, keyboard mash, strings of symbols."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...dialogue import Dialogue
from ..language import CharacterModel
from .text import ramp, reply_of, shows, visible, words_of


LANGUAGE_FILE = Path(__file__).parents[1] / "language.safetensors"

_RUN = re.compile(r"(\S{1,3}?)\1+")
_INNER_CAPITAL = re.compile(r"(?<=[a-z])[A-Z]")


class EmptyGuard:
    """1 for a reply without a single visible character, else 0.

    Saying nothing is the shortest reply of all, and a scorer that likes brevity likes it best. White space, control
    and zero-width characters do not count as visible.
    """

    name = "empty"

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.array([float(not shows(text)) for text in map(reply_of, dialogues)])


class RepetitionGuard:
    """Rises from 0 to 1 as a reply repeats its own words, phrases or characters more than people do.

    For n = 1, 2, 3 the repeated share of word n-grams is `(total - distinct) / (total + 3)`; for n = 1 over windows of
    24 words, as any long text repeats "the". The `+ 3` spares "no no no". Characters: how often one to three of them
    follow each other in the longest run, "hahaha". Each rises linearly from what 99.9 % of people's replies stay under
    to what only loops reach; the penalty is the largest.
    """

    name = "repetition"
    _word_ramps: ClassVar = {1: (0.30, 0.50), 2: (0.20, 0.40), 3: (0.10, 0.30)}
    _run_ramp = (10.0, 20.0)
    _window = 24

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.array([self._penalty(text) for text in map(reply_of, dialogues)])

    def _penalty(self, text: str) -> float:
        words = words_of(text)
        windows = [words[i : i + self._window] for i in range(0, max(len(words), 1), self._window)]
        penalties = [ramp(max(_repeated_share(window, 1) for window in windows), *self._word_ramps[1])]
        penalties += [ramp(_repeated_share(words, n), *self._word_ramps[n]) for n in (2, 3)]
        longest = max((len(match[0]) / len(match[1]) for match in _RUN.finditer(text)), default=0)
        return max(*penalties, ramp(longest, *self._run_ramp))


class LanguageGuard:
    """Rises from 0 to 1 as a reply stops looking like written language: keyboard mash, strings of symbols.

    Mash: how far the [`CharacterModel`]'s typicality falls below that of 99.5 % of people's replies, from 0.3 to 0.8
    nats per character. Symbols: `(symbols - 3) / visible characters`, from 0.25 to 0.5, so that ":)" passes. Case:
    `(small letters followed by a capital - 2) / visible characters`, from 0.05 to 0.2, so that "iPhone" passes. The
    penalty is the largest one. Learned from English; other languages in Latin script mostly pass, they are just not
    rewarded.

    Args:
        model ([`CharacterModel`], *optional*, defaults to the bundled one): What written language looks like.
    """

    name = "language"
    _mash_ramp = (0.3, 0.8)
    _symbol_ramp = (0.25, 0.5)
    _case_ramp = (0.05, 0.2)

    def __init__(self, model: CharacterModel | None = None):
        self.model = model or _bundled_language()

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        texts = [reply_of(dialogue) for dialogue in dialogues]
        below = self.model.ordinary - self.model.typicality(texts)
        mash = [ramp(value, *self._mash_ramp) for value in below]
        symbols = [ramp(_symbol_share(text), *self._symbol_ramp) for text in texts]
        case = [ramp(_case_share(text), *self._case_ramp) for text in texts]
        return np.max([mash, symbols, case], axis=0)


@cache
def _bundled_language() -> CharacterModel:
    return CharacterModel.load(LANGUAGE_FILE)


def _repeated_share(words: list[str], n: int) -> float:
    total = len(words) - n + 1
    if total < 2:
        return 0.0
    distinct = len({tuple(words[i : i + n]) for i in range(total)})
    return (total - distinct) / (total + 3)


def _case_share(text: str) -> float:
    return (len(_INNER_CAPITAL.findall(text)) - 2) / max(len(visible(text)), 1)


def _symbol_share(text: str) -> float:
    shown = visible(text)
    symbols = sum(not c.isalnum() for c in shown)
    return (symbols - 3) / max(len(shown), 1)
