"""Case-aware text features, computed for a whole batch at once: hashed n-grams and surface statistics.

A batch is one long array of code points. `TURN` marks where a turn begins or ends, `DOCUMENT` where a text ends;
n-grams may touch a turn mark ("starts with a capital", "ends without a full stop") but never cross into the next text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..dialogue import Dialogue


DOCUMENT, TURN = 0, 1

_U64 = np.uint64
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the usual multiplicative-hash constant
_MAX_WORD = 32  # characters of a word that are hashed; nothing longer is a word
_POWERS = np.array([pow(_MULTIPLIER, i, 2**64) for i in range(_MAX_WORD)], dtype=_U64)


@dataclass(frozen=True)
class TextBatch:
    """Texts as one array of code points.

    Args:
        codes (`np.ndarray` of shape `(c,)`): Code points, marks included.
        document (`np.ndarray` of shape `(c,)`): Which text each code point belongs to.
        size (`int`): Number of texts.
    """

    codes: np.ndarray
    document: np.ndarray
    size: int

    @classmethod
    def from_turns(cls, texts: Sequence[Sequence[str]]) -> TextBatch:
        """One text per entry, each a sequence of turns; control characters become spaces."""
        joined = (
            "\0".join("\1".join(["", *(turn.translate(_CONTROL) for turn in turns), ""]) for turns in texts) + "\0"
        )
        codes = np.frombuffer(joined.encode("utf-32-le", "replace"), dtype="<u4").astype(_U64)
        ends = codes == DOCUMENT
        return cls(codes, np.cumsum(ends) - ends, len(texts))

    def per_document(self, mask: np.ndarray) -> np.ndarray:
        """How many code points of each text `mask` selects, shape `(size,)`."""
        return np.bincount(self.document[mask], minlength=self.size).astype(np.float64)


_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), " ")


@dataclass(frozen=True)
class Words:
    """The word tokens of a batch: runs of letters, digits and apostrophes, and every other visible character alone.

    Args:
        document (`np.ndarray` of shape `(w,)`): Text of each token.
        hashes (`np.ndarray` of shape `(w,)`): Case-folded (ASCII) hash of each token.
        is_word (`np.ndarray` of shape `(w,)`): False for punctuation and symbols.
    """

    document: np.ndarray
    hashes: np.ndarray
    is_word: np.ndarray


def words(batch: TextBatch) -> Words:
    codes = batch.codes
    upper = (codes >= 65) & (codes <= 90)
    inside = upper | ((codes >= 97) & (codes <= 122)) | ((codes >= 48) & (codes <= 57))
    inside |= (codes == 39) | (codes == 0x2019) | ((codes >= 0xC0) & (codes < 0x2000))
    visible = (codes > 32) & (codes != 0xA0) & ~((codes >= 0x2000) & (codes <= 0x200F))
    continues = np.zeros_like(inside)
    continues[1:] = inside[1:] & inside[:-1]
    starts = np.flatnonzero(visible & ~continues)
    if not len(starts):
        return Words(np.zeros(0, int), np.zeros(0, _U64), np.zeros(0, bool))
    token = np.cumsum(visible & ~continues) - 1
    at = np.flatnonzero(visible)
    offset = at - starts[token[at]]
    at, offset = at[offset < _MAX_WORD], offset[offset < _MAX_WORD]
    folded = np.where(upper, codes + _U64(32), codes)
    folded = np.where(codes == 0x2019, _U64(39), folded)
    terms = folded[at] * _POWERS[offset]
    first = np.flatnonzero(offset == 0)
    return Words(batch.document[starts], np.add.reduceat(terms, first), inside[starts])


def hashed_ngrams(
    batch: TextBatch, n_buckets: int, max_chars: int, max_words: int, field: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Character and word n-grams, hashed into buckets and counted.

    Args:
        batch ([`TextBatch`]): The texts.
        n_buckets (`int`): Number of buckets, a power of two.
        max_chars (`int`): Longest character n-gram; 0 for none. Characters keep their case.
        max_words (`int`): Longest word n-gram, 1 or 2. Words are case-folded.
        field (`str`): Name that keeps, say, the reply's features apart from the prompt's.

    Returns:
        `(document, bucket, weight)`, sorted by document then bucket; weight is `1 + log(count)`.
    """
    salt = _U64(sum(byte << (8 * i) for i, byte in enumerate(field.encode()[:7])))
    documents, hashes = [], []
    rolling, valid = batch.codes.copy(), batch.codes != DOCUMENT
    for n in range(1, max_chars + 1):
        if n > 1:
            rolling = rolling[:-1] * _U64(_MULTIPLIER) + batch.codes[n - 1 :]
            valid = valid[:-1] & (batch.codes[n - 1 :] != DOCUMENT)
        documents.append(batch.document[: len(rolling)][valid])
        hashes.append(_mix(rolling[valid], salt, n))
    tokens = words(batch)
    documents.append(tokens.document)
    hashes.append(_mix(tokens.hashes, salt, 101))
    if max_words > 1:
        same = tokens.document[1:] == tokens.document[:-1]
        pair = tokens.hashes[:-1][same] * _U64(_MULTIPLIER) + tokens.hashes[1:][same]
        documents.append(tokens.document[1:][same])
        hashes.append(_mix(pair, salt, 102))
    bucket = (np.concatenate(hashes) % _U64(n_buckets)).astype(np.int64)
    keys, counts = np.unique(np.concatenate(documents) * n_buckets + bucket, return_counts=True)
    return keys // n_buckets, keys % n_buckets, 1.0 + np.log(counts)


def _mix(hashes: np.ndarray, salt: np.uint64, kind: int) -> np.ndarray:
    """Spread the bits (the finaliser of splitmix64) after telling fields and kinds of n-gram apart."""
    hashes = hashes + (np.array([salt + _U64(kind)], dtype=_U64) * _U64(_MULTIPLIER))
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


def style_statistics(dialogues: Sequence[Dialogue], batch: TextBatch) -> np.ndarray:
    """Surface statistics of the target turns, shape `(n, len(STYLE_NAMES))`; finite for any text.

    Args:
        dialogues (`Sequence[Dialogue]`): The dialogues.
        batch ([`TextBatch`]): Their target turns.
    """
    codes, document = batch.codes, batch.document
    count = batch.per_document
    tokens, context = words(batch), [d.context_texts[-1] if d.context_texts else "" for d in dialogues]
    context_batch = TextBatch.from_turns([[text] for text in context])
    context_words = words(context_batch)

    upper, lower = (codes >= 65) & (codes <= 90), (codes >= 97) & (codes <= 122)
    letters = upper | lower | ((codes >= 0xC0) & (codes < 0x2000))
    digits, mark = (codes >= 48) & (codes <= 57), codes == TURN
    before, after = np.roll(codes, 1), np.roll(codes, -1)
    opens, closes = (before == TURN) & ~mark & (codes != DOCUMENT), (after == TURN) & ~mark & (codes != DOCUMENT)
    emoji = ((codes >= 0x1F000) & (codes < 0x20000)) | ((codes >= 0x2600) & (codes < 0x27C0)) | (codes == 0x2764)
    stretched = (lower | upper) & (codes == before) & (codes == after)
    markup = (codes == ord("*")) | (codes == ord("#")) | (codes == ord("`")) | (codes == ord("_"))

    n_words = np.bincount(tokens.document[tokens.is_word], minlength=batch.size).astype(np.float64)
    per_word, chars = np.maximum(n_words, 1.0), np.maximum(count(codes > TURN), 1.0)
    turns = np.maximum(count(opens), 1.0)
    distinct = np.unique(np.stack([tokens.document.astype(_U64), tokens.hashes])[:, tokens.is_word], axis=1)
    distinct_document = distinct[0].astype(np.int64)
    shared = np.isin(
        distinct[1] ^ (distinct[0] * _U64(_MULTIPLIER)),
        context_words.hashes ^ (context_words.document.astype(_U64) * _U64(_MULTIPLIER)),
    )
    n_distinct = np.maximum(np.bincount(distinct_document, minlength=batch.size), 1.0)

    def of(*characters: str) -> np.ndarray:
        return count(np.isin(codes, [ord(c) for c in characters]))

    def lexicon(*entries: str) -> np.ndarray:
        hit = np.isin(tokens.hashes, words(TextBatch.from_turns([list(entries)])).hashes)
        return np.bincount(tokens.document[hit], minlength=batch.size).astype(np.float64)

    lone = ~np.isin(before, _LETTER_LIKE) & ~np.isin(after, _LETTER_LIKE)
    longest = np.zeros(batch.size)
    mark_at = np.flatnonzero(mark)
    if len(mark_at) > 1:
        np.maximum.at(
            longest, document[mark_at[1:]], np.diff(mark_at) * (document[mark_at[1:]] == document[mark_at[:-1]])
        )
    return np.column_stack(
        [
            np.log1p(n_words / turns),
            np.log1p(n_words),
            np.log1p(turns),
            np.log1p(longest),
            count(upper) / np.maximum(count(letters), 1.0),
            count(opens & upper) / turns,
            count(closes & np.isin(codes, [ord(c) for c in ".!?"])) / turns,
            count(closes & (codes == ord("."))) / turns,
            of("?") / turns,
            of("!") / turns,
            of(",") / per_word,
            of(".") / per_word,
            of("'", "’") / per_word,
            of("’", "—", "–", "“", "”", "…") / turns,
            count(digits) / per_word,
            count(emoji) / turns,
            count(stretched) / turns,
            count(letters) / per_word,
            np.bincount(distinct_document, minlength=batch.size) / per_word,
            count((codes == ord("i")) & lone) / per_word,
            lexicon("i", "im", "i'm", "ive", "i've", "id", "i'd", "my", "me", "mine", "we", "our") / per_word,
            count(markup) / turns,
            count(codes > 127) / chars,
            np.bincount(distinct_document[shared], minlength=batch.size) / n_distinct,
            np.log1p(np.bincount(context_words.document[context_words.is_word], minlength=batch.size)),
            np.minimum(context_batch.per_document(context_batch.codes == ord("?")), 1.0),
        ]
    )


_LETTER_LIKE = np.array([*range(48, 58), *range(65, 91), *range(97, 123), 39, 0x2019], dtype=_U64)
