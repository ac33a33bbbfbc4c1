"""Case-aware text features, computed for a whole batch at once: hashed n-grams.

A batch is one long array of code points. `TURN` marks where a turn begins or ends, `DOCUMENT` where a text ends;
n-grams may touch a turn mark ("starts with a capital", "ends without a full stop") but never cross into the next text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from .characters import DOCUMENT, TURN, Kind, is_any, kinds_of


_U64 = np.uint64
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the usual multiplicative-hash constant
_TIMES = _U64(_MULTIPLIER)
_ONE_WORD, _TWO_WORDS = 101, 102  # kinds of n-grams; those of characters are called by their length
_MAX_WORD = 32  # characters of a word that are hashed; nothing longer is a word
# The last is for the characters after that: times 0, they leave the hash alone.
_POWERS = np.array([*(pow(_MULTIPLIER, i, 2**64) for i in range(_MAX_WORD)), 0], dtype=_U64)
# What makes a letter a small one and an apostrophe a straight one; added to code points, it wraps around.
_FOLDED = np.zeros(len(Kind), dtype=_U64)
_FOLDED[Kind.UPPER] = ord("a") - ord("A")
_FOLDED[Kind.CURLY_APOSTROPHE] = (ord("'") - ord("’")) % 2**64


class Words(NamedTuple):
    """The word tokens of a batch: runs of letters, digits and apostrophes, and every other visible character alone.

    Args:
        document (`np.ndarray` of shape `(w,)`): Text of each token.
        hashes (`np.ndarray` of shape `(w,)`): Case-folded (ASCII) hash of each token.
        is_word (`np.ndarray` of shape `(w,)`): False for punctuation and symbols.
        start (`np.ndarray` of shape `(w,)`): Where each begins among the code points of the batch.
    """

    document: np.ndarray
    hashes: np.ndarray
    is_word: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, kinds: np.ndarray, document: np.ndarray) -> Words:
        """The words of some code points."""
        inside = is_any(kinds, *Kind.of_words())
        visible = ~is_any(kinds, Kind.DOCUMENT, Kind.TURN, Kind.SPACE, Kind.WIDE_SPACE)
        begins = visible.copy()
        begins[1:] &= ~(inside[1:] & inside[:-1])
        start = np.flatnonzero(begins)
        if not len(start):
            return cls(np.zeros(0, int), np.zeros(0, _U64), np.zeros(0, bool), start)
        # What is not visible counts nothing in the token before it.
        folded = (codes + _FOLDED[kinds]) * visible
        offset = np.arange(len(codes)) - np.maximum.accumulate(np.where(begins, np.arange(len(codes)), 0))
        terms = folded * _POWERS[np.minimum(offset, _MAX_WORD)]
        return cls(document[start], np.add.reduceat(terms, start), inside[start], start)


class TextBatch(NamedTuple):
    """Texts as one array of code points.

    Args:
        codes (`np.ndarray` of shape `(c,)`): Code points, marks included.
        kinds (`np.ndarray` of shape `(c,)`): The [`~hal_trl.scorers.characters.Kind`] of each.
        document (`np.ndarray` of shape `(c,)`): Which text each code point belongs to.
        turn_at (`np.ndarray` of shape `(t,)`): Where the turn marks are.
        document_at (`np.ndarray` of shape `(n,)`): Where the texts end.
        words ([`Words`]): Its word tokens.
    """

    codes: np.ndarray
    kinds: np.ndarray
    document: np.ndarray
    turn_at: np.ndarray
    document_at: np.ndarray
    words: Words

    @classmethod
    def from_turns(cls, texts: Sequence[Sequence[str]]) -> TextBatch:
        """One text per entry, each a sequence of turns; control characters become spaces."""
        parts = [part for turns in texts for part in (*turns, "\0")]
        joined = "\1".join(["", *parts]).encode("utf-32-le", "replace")
        codes = np.frombuffer(joined, dtype="<u4").copy()
        # By position, for texts may contain the marks' characters, too.
        lengths = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts)) + 1
        turn_at = np.cumsum(lengths) - lengths
        document_at = turn_at[np.cumsum(np.fromiter(map(len, texts), dtype=np.int64) + 1) - 1] + 1
        kinds = kinds_of(codes)
        np.putmask(codes, kinds == Kind.SPACE, ord(" "))
        codes[turn_at], kinds[turn_at] = TURN, Kind.TURN
        codes[document_at], kinds[document_at] = DOCUMENT, Kind.DOCUMENT
        ends = kinds == Kind.DOCUMENT
        document = np.cumsum(ends) - ends
        return cls(codes, kinds, document, turn_at, document_at, Words.of(codes, kinds, document))

    @property
    def size(self) -> int:
        """Number of texts."""
        return len(self.document_at)

    def split(self, n: int) -> tuple[TextBatch, TextBatch]:
        """The first `n` texts, at least one, and the others; to read all at once takes little longer than to read
        some."""
        c = self.document_at[n - 1] + 1
        t, w = np.searchsorted(self.turn_at, c), np.searchsorted(self.words.start, c)
        document, hashes, is_word, start = self.words
        words = Words(document[:w], hashes[:w], is_word[:w], start[:w])
        others = Words(document[w:] - n, hashes[w:], is_word[w:], start[w:] - c)
        codes, kinds, document, turn_at, document_at, _ = self
        return (
            TextBatch(codes[:c], kinds[:c], document[:c], turn_at[:t], document_at[:n], words),
            TextBatch(codes[c:], kinds[c:], document[c:] - n, turn_at[t:] - c, document_at[n:] - c, others),
        )


class Field(NamedTuple):
    """Which n-grams of a text are features.

    Args:
        name (`str`): Keeps, say, the reply's features apart from the prompt's.
        n_buckets (`int`): Number of buckets that they are hashed into.
        max_chars (`int`): Longest character n-gram; 0 for none. Characters keep their case.
        max_words (`int`): Longest word n-gram, 1 or 2. Words are case-folded.
    """

    name: str
    n_buckets: int
    max_chars: int
    max_words: int


@cache
def _salts(field: str, *kinds: int) -> np.ndarray:
    """What is added to the hashes of each kind of n-gram, shape `(len(kinds), 1)`."""
    salt = sum(byte << (8 * i) for i, byte in enumerate(field.encode()[:7]))
    return np.array([[(salt + kind) * _MULTIPLIER % 2**64] for kind in kinds], dtype=_U64)


def hashed_ngrams(*fields: tuple[TextBatch, Field]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Character and word n-grams, hashed into buckets and counted.

    Returns:
        `(document, bucket, count)`, one entry for each bucket of each text, text after text and field after field,
        `document` counting on from one field to the next; `count` is how often the text has it.
    """
    width, n_texts = max(field.n_buckets for _, field in fields), sum(batch.size for batch, _ in fields)
    # Text and bucket in one number, the smaller the faster sorted; what crosses the end of a text comes last.
    small = np.min_scalar_type(width * (n_texts + 1))
    nowhere = small.type(width * n_texts)
    hashes, keys, ends, first = [], [], [0], 0
    for batch, field in fields:
        base = (batch.document + first).astype(small) * small.type(width)
        for found, at in _of_field(batch, field, base, nowhere):
            hashes.append(found)
            keys.append(at)
        first += batch.size
        ends.append(sum(map(len, hashes)))
    spread = mixed(np.concatenate(hashes))
    for (_, field), start, end in zip(fields, ends[:-1], ends[1:], strict=True):
        _into_buckets(spread[start:end], field.n_buckets)
    ordered = np.concatenate(keys)
    ordered += spread.astype(small)
    ordered.sort()
    ordered = ordered[: np.searchsorted(ordered, nowhere)]
    starts = starts_of_values(ordered)
    key = ordered[starts].astype(np.int64)
    document = key // width
    return document, key - document * width, np.diff(starts, append=len(ordered))


def _of_field(
    batch: TextBatch, field: Field, base: np.ndarray, nowhere: np.generic
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Hashes of n-grams, each with the number in `base` of the code point where it begins."""
    tokens, salts = batch.words, _salts(field.name, _ONE_WORD, _TWO_WORDS)
    yield tokens.hashes + salts[0], base[tokens.start]
    if field.max_words > 1:
        same = np.flatnonzero(tokens.document[1:] == tokens.document[:-1])
        pairs = tokens.hashes[same] * _TIMES + tokens.hashes[same + 1]
        yield pairs + salts[1], base[tokens.start[same]]
    if field.max_chars:
        lengths = range(1, field.max_chars + 1)
        left = batch.document_at[batch.document] - np.arange(len(base))
        at = np.where(left >= np.array(lengths)[:, None], base, nowhere)
        yield (_rolling(batch.codes, field.max_chars) + _salts(field.name, *lengths)).ravel(), at.ravel()


def _rolling(codes: np.ndarray, longest: int) -> np.ndarray:
    """Hashes of the 1, 2... characters from each one on, shape `(longest, c)`; anything beyond the last."""
    rolling = np.zeros((longest, len(codes)), dtype=_U64)
    rolling[0] = codes
    for n in range(1, longest):
        rolling[n, :-n] = rolling[n - 1, :-n] * _TIMES + rolling[0, n:]
    return rolling


def _into_buckets(hashes: np.ndarray, n: int) -> None:
    """Make hashes the numbers of `n` buckets, in place; a division takes as long as all the rest."""
    if n.bit_count() == 1:
        hashes &= _U64(n - 1)
    else:
        hashes %= _U64(n)


def mixed(hashes: np.ndarray) -> np.ndarray:
    """Spread the bits (the finaliser of splitmix64)."""
    hashes = hashes ^ (hashes >> _U64(30))
    hashes *= _U64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> _U64(27)
    hashes *= _U64(0x94D049BB133111EB)
    hashes ^= hashes >> _U64(31)
    return hashes


def starts_of_values(ordered: np.ndarray) -> np.ndarray:
    """Where each value of a sorted array comes first."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
