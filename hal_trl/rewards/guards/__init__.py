"""Guards: penalties for replies that no person would send, whatever the trait scorer thinks of them.

A guard takes dialogues whose target turns are the reply and returns one penalty in 0-1 each: 0 where nothing is
wrong, 1 where the reply must earn nothing. A guard bites only where something is wrong, so that it never ranks good
replies.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ...dialogue import Dialogue
from .batch import CannedGuard, LengthGuard
from .candour import CandourGuard
from .content import BoilerplateGuard, EchoGuard, MarkupGuard, RaterGuard
from .form import EmptyGuard, LanguageGuard, RepetitionGuard
from .habits import ParrotGuard, ReciprocityGuard, WornGuard
from .honesty import HonestyGuard
from .sense import NaturalGuard, RelevanceGuard


class Guard(Protocol):
    """A named penalty: `name` labels it in logs (`hal/guard/<name>`), calling it gives penalties of shape `(n,)`.

    A guard that compares the replies of a batch has `across_batch = True`, and gets those of all processes. In a
    trainer's calls it gets the last replies of the run as well, or, if it has a method `in_run(recent, dialogues)` for
    steering a run, both apart.
    """

    name: str

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray: ...


def default_guards() -> list[Guard]:
    """The guards of `HALReward()`."""
    return [
        EmptyGuard(),
        RepetitionGuard(),
        LanguageGuard(),
        NaturalGuard(),
        RelevanceGuard(),
        LengthGuard(),
        CannedGuard(),
        WornGuard(),
        ReciprocityGuard(),
        ParrotGuard(),
        EchoGuard(),
        BoilerplateGuard(),
        MarkupGuard(),
        RaterGuard(),
        HonestyGuard(),
        CandourGuard(),
    ]


__all__ = [
    "BoilerplateGuard",
    "CandourGuard",
    "CannedGuard",
    "EchoGuard",
    "EmptyGuard",
    "Guard",
    "HonestyGuard",
    "LanguageGuard",
    "LengthGuard",
    "MarkupGuard",
    "NaturalGuard",
    "ParrotGuard",
    "RaterGuard",
    "ReciprocityGuard",
    "RelevanceGuard",
    "RepetitionGuard",
    "WornGuard",
    "default_guards",
]
