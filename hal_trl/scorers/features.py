"""Case-aware text features, computed for a whole batch at once: hashed n-grams and surface statistics.

A batch is one long array of code points. `TURN` marks where a turn begins or ends, `DOCUMENT` where a text ends;
n-grams may touch a turn mark ("starts with a capital", "ends without a full stop") but never cross into the next text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import local

import numpy as np

from .characters import DOCUMENT, TURN, Kind, is_any, kinds_of


_U64 = np.uint64
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the usual multiplicative-hash constant
_MAX_WORD = 32  # characters of a word that are hashed; nothing longer is a word
# The last is for the characters after that: times 0, they leave the hash alone.
_POWERS = np.array([*(pow(_MULTIPLIER, i, 2**64) for i in range(_MAX_WORD)), 0], dtype=_U64)
_TEXT = _U64(40)  # bits for a word; two of a thousand words in a text fall together once in two million texts


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
        return cells.reshape(self.size, len(Kind)).astype(np.float64)

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
        return np.bincount(self.document[at], minlength=self.size).astype(np.float64)


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
        `(document, bucket, count)`, one entry for each n-gram, text after text; `count` is how often that bucket
        comes in that text.
    """
    salt = sum(byte << (8 * i) for i, byte in enumerate(field.encode()[:7]))
    tokens = batch.words
    # One row for each place where an n-gram may begin, one column for each kind of n-gram.
    document, at = (batch.document, tokens.start) if max_chars else (tokens.document, np.arange(len(tokens.start)))
    hashes = np.zeros((len(document), max_chars + max_words), dtype=_U64)
    begins = np.zeros(hashes.shape, dtype=bool)
    if max_chars:
        codes, left = batch.codes.astype(_U64), batch.document_at[document] - np.arange(len(document))
        rolling = codes
        for n in range(1, max_chars + 1):
            if n > 1:
                rolling = rolling[:-1] * _U64(_MULTIPLIER) + codes[n - 1 :]
            hashes[: len(rolling), n - 1] = rolling
            begins[:, n - 1] = left >= n
    hashes[at, max_chars], begins[at, max_chars] = tokens.hashes, True
    if max_words > 1:
        same = np.flatnonzero(tokens.document[1:] == tokens.document[:-1])
        hashes[at[same], -1] = tokens.hashes[same] * _U64(_MULTIPLIER) + tokens.hashes[same + 1]
        begins[at[same], -1] = True
    kinds = [*range(1, max_chars + 1), *range(101, 101 + max_words)]
    hashes += np.array([(salt + kind) * _MULTIPLIER % 2**64 for kind in kinds], dtype=_U64)
    found = np.flatnonzero(begins)
    document = document[found // begins.shape[1]]
    bucket = (_mixed(hashes.ravel()[found]) % _U64(n_buckets)).astype(np.int64)
    return document, bucket, _times(document, bucket, batch.size, n_buckets)


_AT_ONCE = 16
_tables = local()


def _times(document: np.ndarray, bucket: np.ndarray, n_documents: int, n_buckets: int) -> np.ndarray:
    """How often the bucket of each entry comes in its text, in a table of counts: sorting would take twice the time.

    The table stays, as clean as it was, for making one takes longer than using it; every thread has its own.
    """
    size = _AT_ONCE * n_buckets
    counts = np.empty(len(bucket), dtype=np.int32)
    for start in range(0, n_documents, _AT_ONCE):
        part = slice(*np.searchsorted(document, (start, start + _AT_ONCE)))
        cells = (document[part] - start) * n_buckets + bucket[part]
        table = _tables.__dict__.pop("counts", None)  # lost, not left half used, if this is interrupted
        if table is None or len(table) < size:
            table = np.zeros(size, dtype=np.int32)
        np.add.at(table, cells, np.int32(1))  # a plain 1 takes a path 80 times as slow
        counts[part] = table[cells]
        table[cells] = 0
        _tables.counts = table
    return counts


def _mixed(hashes: np.ndarray) -> np.ndarray:
    """Spread the bits (the finaliser of splitmix64)."""
    hashes = (hashes ^ (hashes >> _U64(30))) * _U64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> _U64(27))) * _U64(0x94D049BB133111EB)
    return hashes ^ (hashes >> _U64(31))


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


def style_statistics(batch: TextBatch, contexts: TextBatch) -> np.ndarray:
    """Surface statistics of the target turns, shape `(n, len(STYLE_NAMES))`; finite for any text.

    Args:
        batch ([`TextBatch`]): The target turns of each dialogue.
        contexts ([`TextBatch`]): Everything else that was said in each; its last turn is looked at.
    """
    codes, kinds, tokens = batch.codes, batch.kinds, batch.words

    def count(*of: Kind) -> np.ndarray:
        return batch.counts[:, of].sum(axis=1)

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

    n_words = np.bincount(tokens.document[tokens.is_word], minlength=batch.size).astype(np.float64)
    distinct = _distinct(tokens.keys[tokens.is_word])
    n_distinct = _per_text(distinct, batch.size)
    own = (tokens.hashes[:, None] == _FIRST_PERSON).any(axis=1)
    last_said = _start_of_last_turn(contexts)
    heard = contexts.words.start >= last_said[contexts.words.document]
    either = np.sort(np.concatenate([distinct, _distinct(contexts.words.keys[heard])]))
    n_shared = _per_text(either[1:][either[1:] == either[:-1]], batch.size)
    n_heard = np.bincount(contexts.words.document[heard & contexts.words.is_word], minlength=batch.size)
    asked = np.flatnonzero(contexts.kinds == Kind.QUESTION)
    asked = contexts.per_document(asked[asked >= last_said[contexts.document[asked]]])

    turns = np.maximum(batch.per_document(opens), 1.0)
    per_word = np.maximum(n_words, 1.0)
    letters = count(*Kind.ascii_letters(), Kind.LETTER)
    chars = np.maximum(batch.counts[:, Kind.TURN + 1 :].sum(axis=1), 1.0)
    return np.column_stack(
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
            np.log1p(n_heard),
            np.minimum(asked, 1.0),
        ]
    )


def _distinct(keys: np.ndarray) -> np.ndarray:
    """`np.unique`, which takes ten times as long for so few."""
    ordered = np.sort(keys)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _per_text(keys: np.ndarray, size: int) -> np.ndarray:
    """How many of these [`Words`] keys belong to each text, shape `(size,)`."""
    return np.bincount((keys >> _TEXT).astype(np.int64), minlength=size)


def _start_of_last_turn(batch: TextBatch) -> np.ndarray:
    """Where the last turn of each text begins, shape `(size,)`; anywhere before a text that has none."""
    closing = np.searchsorted(batch.turn_at, batch.document_at) - 1
    return batch.turn_at[np.maximum(closing - 1, 0)]


_FIRST_PERSON = TextBatch.from_turns(
    [["i", "im", "i'm", "ive", "i've", "id", "i'd", "my", "me", "mine", "we", "our"]]
).words.hashes
