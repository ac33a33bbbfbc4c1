"""Guards: penalties for replies that no person would send, whatever the trait scorer thinks of them.

A guard takes dialogues whose target turns are the reply and returns one penalty in 0-1 each: 0 where nothing is
wrong, 1 where the reply must earn nothing. A guard bites only where something is wrong, so that it never ranks good
replies.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from ..dialogue import Dialogue
from .language import CharacterModel


LANGUAGE_FILE = Path(__file__).parent / "language.safetensors"

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_RUN = re.compile(r"(\S)\1*")


class Guard(Protocol):
    """A named penalty: `name` labels it in logs (`hal/guard/<name>`), calling it gives penalties of shape `(n,)`."""

    name: str

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray: ...


class EmptyGuard:
    """1 for a reply without a single visible character, else 0.

    Saying nothing is the shortest reply of all, and a scorer that likes brevity likes it best. White space, control
    and zero-width characters do not count as visible.
    """

    name = "empty"

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.array([float(not _visible(text)) for text in map(_reply, dialogues)])


class RepetitionGuard:
    """Rises from 0 to 1 as a reply repeats its own words, phrases or characters more than people do.

    For n = 1, 2, 3 the repeated share of word n-grams is `(total - distinct) / (total + 3)`; for n = 1 over windows of
    24 words, as any long text repeats "the". The `+ 3` spares "no no no". Characters: the longest run of one
    character. Each rises linearly from what 99.9 % of people's replies stay under to what only loops reach; the
    penalty is the largest.
    """

    name = "repetition"
    _word_ramps: ClassVar = {1: (0.30, 0.50), 2: (0.20, 0.40), 3: (0.10, 0.30)}
    _run_ramp = (10.0, 20.0)
    _window = 24

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.array([self._penalty(text) for text in map(_reply, dialogues)])

    def _penalty(self, text: str) -> float:
        words = [word.casefold() for word in _WORD.findall(text)]
        windows = [words[i : i + self._window] for i in range(0, max(len(words), 1), self._window)]
        penalties = [_ramp(max(_repeated_share(window, 1) for window in windows), *self._word_ramps[1])]
        penalties += [_ramp(_repeated_share(words, n), *self._word_ramps[n]) for n in (2, 3)]
        longest = max((len(match[0]) for match in _RUN.finditer(text)), default=0)
        return max(*penalties, _ramp(longest, *self._run_ramp))


class LanguageGuard:
    """Rises from 0 to 1 as a reply stops looking like written language: keyboard mash, strings of symbols.

    Mash: how far the [`CharacterModel`]'s typicality falls below that of 99.5 % of people's replies, from 0.3 to 0.8
    nats per character. Symbols: `(symbols - 3) / visible characters`, from 0.25 to 0.5, so that ":)" passes. The
    penalty is the larger one. Learned from English; other languages in Latin script mostly pass, they are just not
    rewarded.

    Args:
        model ([`CharacterModel`], *optional*, defaults to the bundled one): What written language looks like.
    """

    name = "language"
    _mash_ramp = (0.3, 0.8)
    _symbol_ramp = (0.25, 0.5)

    def __init__(self, model: CharacterModel | None = None):
        self.model = model or _bundled_language()

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        texts = [_reply(dialogue) for dialogue in dialogues]
        below = self.model.ordinary - self.model.typicality(texts)
        mash = [_ramp(value, *self._mash_ramp) for value in below]
        symbols = [_ramp(_symbol_share(text), *self._symbol_ramp) for text in texts]
        return np.maximum(mash, symbols)


class LengthGuard:
    """Rises as replies leave the band of lengths in which people answer.

    Long: from 0 at `long` words linearly to 1 at `3 * long`. Short: one word is a fine reply now and then, and a
    policy that is paid for brevity gives it to everything. So short replies cost only as far as a batch has more of
    them than people write: `shortness * max(0, mean shortness - people's) / (1 - people's)`. Shortness falls from 1
    for one word to 0 at `short` words, and 8 imagined replies of people count along in the mean, so that a small batch
    proves little.

    Args:
        short (`int`, *optional*, defaults to 8), long (`int`, *optional*, defaults to 36):
            The 60th and the 99th percentile of words in people's replies in the Turing games.
        people (`float`, *optional*, defaults to 0.38):
            Mean shortness of those replies. `hal-trl fit-guards` prints all three.
    """

    name = "length"
    _imagined = 8

    def __init__(self, short: int = 8, long: int = 36, people: float = 0.38):
        if not (1 < short < long and 0 <= people < 1):
            raise ValueError(f"Must hold: 1 < short < long and 0 <= people < 1; got {short}, {long}, {people}.")
        self.short, self.long, self.people = short, long, people

    def shortness(self, words: np.ndarray) -> np.ndarray:
        """1 for one word, 0 from `short` words on."""
        return np.clip((self.short - words) / (self.short - 1), 0.0, 1.0)

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        words = np.array([max(len(_reply(dialogue).split()), 1) for dialogue in dialogues], dtype=float)
        too_long = np.clip((words - self.long) / (2 * self.long), 0.0, 1.0)
        shortness = self.shortness(words)
        mean = (shortness.sum() + self._imagined * self.people) / (len(words) + self._imagined)
        return too_long + shortness * max(0.0, mean - self.people) / (1 - self.people)


class CannedGuard:
    """Rises as a reply is given to other prompts as well: the one reply that fits everything and answers nothing.

    Two replies are alike when they share at least half of their word pairs (Jaccard index, the ends of a reply counted
    along). The penalty rises from 0 to 1 as between 10 % and 50 % of the replies to *other* prompts in the batch are
    like this one. A batch with one prompt shows nothing; a group that straddles processes is judged by the part at
    hand; more than 512 replies are compared in blocks of 512.
    """

    name = "canned"
    _alike = 0.5
    _share_ramp = (0.1, 0.5)
    _block = 512

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        blocks = [dialogues[i : i + self._block] for i in range(0, len(dialogues), self._block)]
        return np.concatenate([np.zeros(0), *map(self._penalties, blocks)])

    def _penalties(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        from scipy.sparse import csr_matrix

        pairs = [self._pairs(_reply(dialogue)) for dialogue in dialogues]
        vocabulary = {pair: i for i, pair in enumerate(sorted(set().union(*pairs)))}
        columns = [vocabulary[pair] for row in pairs for pair in row]
        sizes = np.array([len(row) for row in pairs])
        shape = (len(pairs), max(len(vocabulary), 1))
        counts = csr_matrix((np.ones(len(columns)), columns, np.append(0, np.cumsum(sizes))), shape=shape)
        shared = (counts @ counts.T).toarray()
        jaccard = shared / np.maximum(sizes[:, None] + sizes[None, :] - shared, 1)

        prompts = {dialogue.context_texts: i for i, dialogue in enumerate(dialogues)}
        prompt = np.array([prompts[dialogue.context_texts] for dialogue in dialogues])
        other = prompt[:, None] != prompt[None, :]
        share = ((jaccard >= self._alike) & other).sum(axis=1) / np.maximum(other.sum(axis=1), 1)
        return np.array([_ramp(value, *self._share_ramp) for value in share])

    @staticmethod
    def _pairs(text: str) -> set[tuple[str, str]]:
        words = ["", *(word.casefold() for word in _WORD.findall(text)), ""]
        return set(pairwise(words)) if len(words) > 2 else set()


def default_guards() -> list[Guard]:
    """The guards of `HALReward()`."""
    return [EmptyGuard(), RepetitionGuard(), LanguageGuard(), LengthGuard(), CannedGuard()]


@cache
def _bundled_language() -> CharacterModel:
    return CharacterModel.load(LANGUAGE_FILE)


def _reply(dialogue: Dialogue) -> str:
    return "\n".join(dialogue.target_texts)


def _visible(text: str) -> list[str]:
    """Characters that print something: no space, control, format (zero-width) or lone combining character."""
    return [c for c in text if unicodedata.category(c)[0] not in "ZCM" and c not in "\u115f\u1160\u2800\u3164\uffa0"]


def _repeated_share(words: list[str], n: int) -> float:
    total = len(words) - n + 1
    if total < 2:
        return 0.0
    distinct = len({tuple(words[i : i + n]) for i in range(total)})
    return (total - distinct) / (total + 3)


def _symbol_share(text: str) -> float:
    visible = _visible(text)
    symbols = sum(not c.isalnum() for c in visible)
    return (symbols - 3) / max(len(visible), 1)


def _ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, linear between."""
    return float(min(max((value - low) / (high - low), 0.0), 1.0))
