"""Surface statistics of what a speaker says: how long, how tidy, how loud."""

from __future__ import annotations

import numpy as np

from .characters import Kind, is_any
from .features import TextBatch, Words, mixed, starts_of_values


_U64 = np.uint64
_TEXT = _U64(40)  # bits for a word; two of a thousand words in a text fall together once in two million texts
_WORD = _U64(2**40 - 1)

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
"""Surface statistics of a dialogue's target turns, in the order of `style_statistics` and of the weights."""

_LETTERS = (*Kind.ascii_letters(), Kind.LETTER)
_COUNTED = {  # characters of some kinds, per what
    "uppercase_share": ([Kind.UPPER], "letter"),
    "questions_per_turn": ([Kind.QUESTION], "turn"),
    "exclamations_per_turn": ([Kind.EXCLAMATION], "turn"),
    "commas_per_word": ([Kind.COMMA], "word"),
    "periods_per_word": ([Kind.PERIOD], "word"),
    "apostrophes_per_word": (Kind.apostrophes(), "word"),
    "typographic_per_turn": ([Kind.CURLY_APOSTROPHE, Kind.TYPOGRAPHIC], "turn"),
    "digits_per_word": ([Kind.DIGIT], "word"),
    "emoji_per_turn": ([Kind.EMOJI], "turn"),
    "word_length": (_LETTERS, "word"),
    "markup_per_turn": ([Kind.MARKUP], "turn"),
    "non_ascii_share": (Kind.beyond_ascii(), "character"),
}
_FOUND = {  # what is found in a text, per what
    "capital_starts": "turn",
    "terminal_punctuation": "turn",
    "terminal_periods": "turn",
    "stretched_per_turn": "turn",
    "lowercase_i": "word",
    "first_person": "word",
    "distinct_words": "word",
    "words_shared_with_context": "distinct word",
}
_OTHERS = ("log_words_per_turn", "log_words", "log_turns", "log_longest_turn", "context_log_words", "context_asks")
_PER = [what for _, what in _COUNTED.values()] + list(_FOUND.values())
_ORDER = [[*_COUNTED, *_FOUND, *_OTHERS].index(name) for name in STYLE_NAMES]
_KINDS = np.array(  # which kinds each counts, and at last all letters, and all characters
    [
        [kind in kinds for kinds in (*(kinds for kinds, _ in _COUNTED.values()), _LETTERS, list(Kind)[Kind.SPACE :])]
        for kind in Kind
    ],
    dtype=float,
)


def style_statistics(batch: TextBatch, contexts: TextBatch, heard: np.ndarray) -> np.ndarray:
    """Surface statistics of the target turns, shape `(n, len(STYLE_NAMES))`; finite for any text.

    Args:
        batch ([`TextBatch`]): The target turns of each dialogue.
        contexts ([`TextBatch`]): What else was said; of each text, the last turn is looked at.
        heard (`np.ndarray` of shape `(n,)`): Which of the contexts is that of each dialogue.
    """
    codes, kinds, tokens, n = batch.codes, batch.kinds, batch.words, batch.size
    # The mark after a turn opens the next one, or stands before the end of the text.
    follows, precedes = batch.turn_at + 1, batch.turn_at - 1
    opens = follows[kinds[follows] > Kind.TURN]
    closes = precedes[(precedes >= 0) & (kinds[precedes] > Kind.TURN)]
    closed_by = kinds[closes]
    alike = codes[1:] == codes[:-1]
    stretched = np.flatnonzero(alike[1:] & alike[:-1]) + 1
    small_i = np.flatnonzero(kinds == Kind.LOWER_I)
    beside = is_any(kinds, *Kind.ascii_letters(), Kind.DIGIT, *Kind.apostrophes())
    length = np.diff(batch.turn_at, append=0)
    length[kinds[follows] == Kind.DOCUMENT] = 0
    longest = np.zeros(n)
    np.maximum.at(longest, batch.document[batch.turn_at], length)

    others, last_said = contexts.words, _start_of_last_turn(contexts)
    is_last = others.start >= last_said[others.document]
    n_heard = np.bincount(others.document[is_last & others.is_word], minlength=contexts.size)
    asked = np.flatnonzero(contexts.kinds == Kind.QUESTION)
    asked = contexts.document[asked[asked >= last_said[contexts.document[asked]]]]
    distinct = _distinct(_keys(tokens, tokens.is_word))
    of_text = (distinct >> _TEXT).astype(np.int64)
    keys = (heard[of_text].astype(_U64) << _TEXT) | (distinct & _WORD)

    n_opens, n_words, n_distinct, n_shared, *found = _tally(
        n,
        batch.document[opens],
        tokens.document[tokens.is_word],
        of_text,
        of_text[_among(keys, _distinct(_keys(others, is_last)))],
        batch.document[opens[kinds[opens] == Kind.UPPER]],
        batch.document[closes[is_any(closed_by, Kind.PERIOD, Kind.EXCLAMATION, Kind.QUESTION)]],
        batch.document[closes[closed_by == Kind.PERIOD]],
        batch.document[stretched[is_any(kinds[stretched], *Kind.ascii_letters())]],
        batch.document[small_i[~beside[small_i - 1] & ~beside[small_i + 1]]],
        tokens.document[_among(tokens.hashes, _FIRST_PERSON)],
    )
    counts = np.bincount(batch.document * len(Kind) + kinds, minlength=n * len(Kind)).reshape(n, len(Kind))
    sums = (counts @ _KINDS).T
    turns, words, letters, characters, different = np.maximum([n_opens, n_words, *sums[-2:], n_distinct], 1.0)
    per = {"turn": turns, "word": words, "letter": letters, "character": characters, "distinct word": different}
    shares = np.array([*sums[:-2], *found, n_distinct, n_shared]) / np.array([per[what] for what in _PER])
    logs = np.log1p([n_words / turns, n_words, turns, longest, n_heard[heard]])
    asks = np.bincount(asked, minlength=contexts.size)[heard] > 0
    return np.array([*shares, *logs, asks])[_ORDER].T


def _tally(n: int, *documents: np.ndarray) -> np.ndarray:
    """How often each array has each of `n` texts, shape `(len(documents), n)`."""
    cells = np.concatenate([document + n * row for row, document in enumerate(documents)])
    return np.bincount(cells, minlength=n * len(documents)).reshape(-1, n)


def _keys(words: Words, which: np.ndarray) -> np.ndarray:
    """Text and word in one number, for some tokens: equal for the same word of the same text, and sorted by text."""
    return (words.document[which].astype(_U64) << _TEXT) | (mixed(words.hashes[which]) >> (_U64(64) - _TEXT))


def _distinct(keys: np.ndarray) -> np.ndarray:
    """`np.unique`, which takes ten times as long for so few."""
    ordered = np.sort(keys)
    return ordered[starts_of_values(ordered)]


def _among(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`np.isin` for `known` that are sorted already."""
    if not len(known):
        return np.zeros(len(keys), bool)
    return known.take(np.searchsorted(known, keys), mode="clip") == keys


def _start_of_last_turn(batch: TextBatch) -> np.ndarray:
    """Where the last turn of each text begins, shape `(size,)`; anywhere before a text that has none."""
    closing = np.searchsorted(batch.turn_at, batch.document_at) - 1
    return batch.turn_at[np.maximum(closing - 1, 0)]


_FIRST_PERSON = np.sort(
    TextBatch.from_turns(
        [["i", "im", "i'm", "ive", "i've", "id", "i'd", "my", "me", "mine", "we", "our"]]
    ).words.hashes
)
