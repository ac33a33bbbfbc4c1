"""Kinds of characters that surface statistics and words tell apart."""

from __future__ import annotations

from enum import IntEnum
from functools import cache

import numpy as np


DOCUMENT, TURN = 0, 1
"""Code points that stand for the end of a text and for the beginning or end of a turn."""


class Kind(IntEnum):
    """Every code point is of one kind; the two marks come first."""

    DOCUMENT = 0
    TURN = 1
    SPACE = 2  # and control characters, which are read as spaces
    WIDE_SPACE = 3
    UPPER = 4
    LOWER = 5
    LOWER_I = 6
    LETTER = 7  # of other alphabets than ASCII
    DIGIT = 8
    APOSTROPHE = 9
    CURLY_APOSTROPHE = 10
    COMMA = 11
    PERIOD = 12
    QUESTION = 13
    EXCLAMATION = 14
    MARKUP = 15
    TYPOGRAPHIC = 16
    EMOJI = 17
    OTHER_ASCII = 18
    OTHER = 19

    @classmethod
    def ascii_letters(cls) -> tuple[Kind, ...]:
        return cls.UPPER, cls.LOWER, cls.LOWER_I

    @classmethod
    def apostrophes(cls) -> tuple[Kind, ...]:
        return cls.APOSTROPHE, cls.CURLY_APOSTROPHE

    @classmethod
    def of_words(cls) -> tuple[Kind, ...]:
        return *cls.ascii_letters(), cls.LETTER, cls.DIGIT, *cls.apostrophes()

    @classmethod
    def beyond_ascii(cls) -> tuple[Kind, ...]:
        return cls.WIDE_SPACE, cls.LETTER, cls.CURLY_APOSTROPHE, cls.TYPOGRAPHIC, cls.EMOJI, cls.OTHER


_BEYOND = 0x20000  # nothing from there on is told apart


def _table() -> np.ndarray:
    table = np.full(_BEYOND + 1, Kind.OTHER, dtype=np.uint8)
    table[:128] = Kind.OTHER_ASCII
    table[0xC0:0x2000] = Kind.LETTER
    table[:33] = table[127:160] = Kind.SPACE
    table[0xA0] = table[0x2000:0x2010] = Kind.WIDE_SPACE
    table[0x2600:0x27C0] = table[0x1F000:0x20000] = Kind.EMOJI
    for characters, kind in {
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ": Kind.UPPER,
        "abcdefghjklmnopqrstuvwxyz": Kind.LOWER,
        "i": Kind.LOWER_I,
        "0123456789": Kind.DIGIT,
        "'": Kind.APOSTROPHE,
        "’": Kind.CURLY_APOSTROPHE,
        ",": Kind.COMMA,
        ".": Kind.PERIOD,
        "?": Kind.QUESTION,
        "!": Kind.EXCLAMATION,
        "*#`_": Kind.MARKUP,
        "—–“”…": Kind.TYPOGRAPHIC,
    }.items():
        table[[ord(character) for character in characters]] = kind
    return table


_KIND_OF = _table()


def kinds_of(codes: np.ndarray) -> np.ndarray:
    """The [`Kind`] of each code point, shape `(c,)`."""
    return _KIND_OF.take(codes, mode="clip")


def is_any(kinds: np.ndarray, *wanted: Kind) -> np.ndarray:
    """Whether each is one of some kinds, shape `(c,)`."""
    return _among(wanted)[kinds]


@cache
def _among(wanted: tuple[Kind, ...]) -> np.ndarray:
    among = np.zeros(len(Kind), dtype=bool)
    among[list(wanted)] = True
    return among
