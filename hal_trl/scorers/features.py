"""Case-aware text features, computed for a whole batch at once: hashed n-grams and surface statistics.

A batch is one long array of code points. `TURN` marks where a turn begins or ends, `DOCUMENT` where a text ends;
n-grams may touch a turn mark ("starts with a capital", "ends without a full stop") but never cross into the next text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .characters import DOCUMENT, TURN, Kind, is_any, kinds_of


_U64 = np.uint64
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the usual multiplicative-hash constant
_MAX_WORD = 32  # characters of a word that are hashed; nothing longer is a word
# The last is for the characters after that: times 0, they leave the hash alone.
_POWERS = np.array([*(pow(_MULTIPLIER, i, 2**64) for i in range(_MAX_WORD)), 0], dtype=_U64)
_TEXT = _U64(40)  # bits for a word; two of a thousand words in a text fall together once in two million texts
_WORD = _U64(2**40 - 1)


@dataclass(frozen=True)
class Words:
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

    @cached_property
    def keys(self) -> np.ndarray:
        """Text and word in one number, shape `(w,)`: equal for the same word of the same text, and sorted by text."""
        return (self.document.astype(_U64) << _TEXT) | (_mixed(self.hashes) >> (_U64(64) - _TEXT))


@dataclass(frozen=True)
class TextBatch:
    """Texts as one array of code points.

    Args:
        codes (`np.ndarray` of shape `(c,)`): Code points, marks included.
        kinds (`np.ndarray` of shape `(c,)`): The [`~hal_trl.scorers.characters.Kind`] of each.
        document (`np.ndarray` of shape `(c,)`): Which text each code point belongs to.
        turn_at (`np.ndarray` of shape `(t,)`): Where the turn marks are.
        document_at (`np.ndarray` of shape `(n,)`): Where the texts end.
    """

    codes: np.ndarray
    kinds: np.ndarray
    document: np.ndarray
    turn_at: np.ndarray
    document_at: np.ndarray

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
        codes[kinds == Kind.SPACE] = ord(" ")
        codes[turn_at], kinds[turn_at] = TURN, Kind.TURN
        codes[document_at], kinds[document_at] = DOCUMENT, Kind.DOCUMENT
        document = np.repeat(np.arange(len(texts)), np.diff(document_at, prepend=-1))
        return cls(codes, kinds, document, turn_at, document_at)

    @property
    def size(self) -> int:
        """Number of texts."""
        return len(self.document_at)

    @cached_property
    def counts(self) -> np.ndarray:
        """How many characters of each kind a text has, shape `(size, len(Kind))`."""
        cells = np.bincount(self.document * len(Kind) + self.kinds, minlength=self.size * len(Kind))
        return cells.reshape(self.size, len(Kind))

    @cached_property
    def words(self) -> Words:
        """Its word tokens."""
        inside = is_any(self.kinds, *Kind.of_words())
        visible = ~is_any(self.kinds, Kind.DOCUMENT, Kind.TURN, Kind.SPACE, Kind.WIDE_SPACE)
        begins = visible.copy()
        begins[1:] &= ~(inside[1:] & inside[:-1])
        start = np.flatnonzero(begins)
        if not len(start):
            return Words(np.zeros(0, int), np.zeros(0, _U64), np.zeros(0, bool), start)
        # From the first token on, what is not visible counts nothing in the token before it.
        folded = self.codes[start[0] :].astype(_U64)
        kinds = self.kinds[start[0] :]
        folded[kinds == Kind.UPPER] += _U64(32)
        folded[kinds == Kind.CURLY_APOSTROPHE] = ord("'")
        folded[~visible[start[0] :]] = 0
        offset = np.arange(len(folded)) - np.repeat(start - start[0], np.diff(start, append=len(self.codes)))
        terms = folded * _POWERS[np.minimum(offset, _MAX_WORD)]
        return Words(self.document[start], np.add.reduceat(terms, start - start[0]), inside[start], start)

    def per_document(self, at: np.ndarray) -> np.ndarray:
        """How many of these positions lie in each text, shape `(size,)`."""
        return np.bincount(self.document[at], minlength=self.size)


def hashed_ngrams(
    batch: TextBatch, n_buckets: int, max_chars: int, max_words: int, field: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Character and word n-grams, hashed into buckets and counted.

    Args:
        batch ([`TextBatch`]): The texts.
        n_buckets (`int`): Number of buckets.
        max_chars (`int`): Longest character n-gram; 0 for none. Characters keep their case.
        max_words (`int`): Longest word n-gram, 1 or 2. Words are case-folded.
        field (`str`): Name that keeps, say, the reply's features apart from the prompt's.

    Returns:
        `(document, bucket, count)`, one entry for each bucket of each text, text after text; `count` is how often the
        text has it.
    """
    tokens = batch.words
    # Text and bucket in one number, the smaller the faster sorted.
    small = np.min_scalar_type(batch.size * n_buckets)
    base = batch.document.astype(small) * small.type(n_buckets)
    salt = sum(byte << (8 * i) for i, byte in enumerate(field.encode()[:7]))
    hashes, at = [], []

    def add(kind: int, found: np.ndarray, where: np.ndarray) -> None:
        hashes.append(found + _U64((salt + kind) * _MULTIPLIER % 2**64))
        at.append(where)

    if max_chars:
        codes = rolling = batch.codes.astype(_U64)
        left = batch.document_at[batch.document] - np.arange(len(codes))
        for n in range(1, max_chars + 1):
            if n > 1:
                rolling = rolling[:-1] * _U64(_MULTIPLIER) + codes[n - 1 :]
            inside = np.flatnonzero(left[: len(rolling)] >= n)
            add(n, rolling[inside], inside)
    add(101, tokens.hashes, tokens.start)
    if max_words > 1:
        same = np.flatnonzero(tokens.document[1:] == tokens.document[:-1])
        add(102, tokens.hashes[same] * _U64(_MULTIPLIER) + tokens.hashes[same + 1], tokens.start[same])
    mixed = _mixed(np.concatenate(hashes))
    # A division takes as long as all the rest.
    bucket = mixed & _U64(n_buckets - 1) if n_buckets.bit_count() == 1 else mixed % _U64(n_buckets)
    keys = base[np.concatenate(at)] + bucket.astype(small)
    keys.sort()
    first = _starts(keys)
    found = keys[first].astype(np.int64)
    document = found // n_buckets
    return document, found - document * n_buckets, np.diff(first, append=len(keys))


def _mixed(hashes: np.ndarray) -> np.ndarray:
    """Spread the bits (the finaliser of splitmix64)."""
    hashes = hashes ^ (hashes >> _U64(30))
    hashes *= _U64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> _U64(27)
    hashes *= _U64(0x94D049BB133111EB)
    hashes ^= hashes >> _U64(31)
    return hashes


STYLE_NAMES = (
    "log_words_per_turn",
    "log_words",
    "log_turns",
    "log_longest_turn",
    "uppercase_share",
    "capital_starts",
    "terminal_punctuation",
    "terminal_periods",
    "questions_per_turn",
    "exclamations_per_turn",
    "commas_per_word",
    "periods_per_word",
    "apostrophes_per_word",
    "typographic_per_turn",
    "digits_per_word",
    "emoji_per_turn",
    "stretched_per_turn",
    "word_length",
    "distinct_words",
    "lowercase_i",
    "first_person",
    "markup_per_turn",
    "non_ascii_share",
    "words_shared_with_context",
    "context_log_words",
    "context_asks",
)
"""Surface statistics of a dialogue's target turns, in the order of `style_statistics`."""


def style_statistics(batch: TextBatch, contexts: TextBatch, heard: np.ndarray) -> np.ndarray:
    """Surface statistics of the target turns, shape `(n, len(STYLE_NAMES))`; finite for any text.

    Args:
        batch ([`TextBatch`]): The target turns of each dialogue.
        contexts ([`TextBatch`]): What else was said; of each text, the last turn is looked at.
        heard (`np.ndarray` of shape `(n,)`): Which of the contexts is that of each dialogue.
    """
    codes, kinds, tokens = batch.codes, batch.kinds, batch.words
    counts = batch.counts.T

    def count(*of: Kind) -> np.ndarray:
        return sum(counts[kind] for kind in of)

    # The mark after a turn opens the next one, or stands before the end of the text.
    follows, precedes = batch.turn_at + 1, batch.turn_at - 1
    opens = follows[kinds[follows] > Kind.TURN]
    closes = precedes[(precedes >= 0) & (kinds[precedes] > Kind.TURN)]
    alike = codes[1:] == codes[:-1]
    stretched = np.flatnonzero(alike[1:] & alike[:-1]) + 1
    stretched = stretched[is_any(kinds[stretched], *Kind.ascii_letters())]
    small_i = np.flatnonzero(kinds == Kind.LOWER_I)
    beside = is_any(kinds, *Kind.ascii_letters(), Kind.DIGIT, *Kind.apostrophes())
    lone = small_i[~beside[small_i - 1] & ~beside[small_i + 1]]
    longest = np.zeros(batch.size)
    length = np.diff(batch.turn_at, append=0)
    np.maximum.at(longest, batch.document[batch.turn_at], np.where(batch.kinds[follows] == Kind.DOCUMENT, 0, length))

    n_words = np.bincount(tokens.document[tokens.is_word], minlength=batch.size)
    distinct = _distinct(tokens.keys[tokens.is_word])
    of_text = (distinct >> _TEXT).astype(np.int64)
    n_distinct = np.bincount(of_text, minlength=batch.size)
    own = (tokens.hashes[:, None] == _FIRST_PERSON).any(axis=1)
    others = contexts.words
    last_said = _start_of_last_turn(contexts)
    is_last = others.start >= last_said[others.document]
    keys = (heard[of_text].astype(_U64) << _TEXT) | (distinct & _WORD)
    n_shared = np.bincount(of_text[_among(keys, _distinct(others.keys[is_last]))], minlength=batch.size)
    n_heard = np.bincount(others.document[is_last & others.is_word], minlength=contexts.size)
    asked = np.flatnonzero(contexts.kinds == Kind.QUESTION)
    asked = contexts.per_document(asked[asked >= last_said[contexts.document[asked]]])

    turns = np.maximum(batch.per_document(opens), 1.0)
    per_word = np.maximum(n_words, 1.0)
    letters = count(*Kind.ascii_letters(), Kind.LETTER)
    chars = np.maximum(counts[Kind.TURN + 1 :].sum(axis=0), 1.0)
    return np.array(
        [
            np.log1p(n_words / turns),
            np.log1p(n_words),
            np.log1p(turns),
            np.log1p(longest),
            count(Kind.UPPER) / np.maximum(letters, 1.0),
            batch.per_document(opens[kinds[opens] == Kind.UPPER]) / turns,
            batch.per_document(closes[is_any(kinds[closes], Kind.PERIOD, Kind.EXCLAMATION, Kind.QUESTION)]) / turns,
            batch.per_document(closes[kinds[closes] == Kind.PERIOD]) / turns,
            count(Kind.QUESTION) / turns,
            count(Kind.EXCLAMATION) / turns,
            count(Kind.COMMA) / per_word,
            count(Kind.PERIOD) / per_word,
            count(*Kind.apostrophes()) / per_word,
            count(Kind.CURLY_APOSTROPHE, Kind.TYPOGRAPHIC) / turns,
            count(Kind.DIGIT) / per_word,
            count(Kind.EMOJI) / turns,
            batch.per_document(stretched) / turns,
            letters / per_word,
            n_distinct / per_word,
            batch.per_document(lone) / per_word,
            np.bincount(tokens.document[own], minlength=batch.size) / per_word,
            count(Kind.MARKUP) / turns,
            count(*Kind.beyond_ascii()) / chars,
            n_shared / np.maximum(n_distinct, 1.0),
            np.log1p(n_heard)[heard],
            np.minimum(asked, 1.0)[heard],
        ]
    ).T


def _distinct(keys: np.ndarray) -> np.ndarray:
    """`np.unique`, which takes ten times as long for so few."""
    ordered = np.sort(keys)
    return ordered[_starts(ordered)]


def _starts(ordered: np.ndarray) -> np.ndarray:
    """Where each value of a sorted array comes first."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])


def _among(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`np.isin` for `known` that are sorted already."""
    return np.append(known, 0)[np.searchsorted(known, keys)] == keys if len(known) else np.zeros(len(keys), bool)


def _start_of_last_turn(batch: TextBatch) -> np.ndarray:
    """Where the last turn of each text begins, shape `(size,)`; anywhere before a text that has none."""
    closing = np.searchsorted(batch.turn_at, batch.document_at) - 1
    return batch.turn_at[np.maximum(closing - 1, 0)]


_FIRST_PERSON = TextBatch.from_turns(
    [["i", "im", "i'm", "ive", "i've", "id", "i'd", "my", "me", "mine", "we", "our"]]
).words.hashes
