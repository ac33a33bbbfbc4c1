"""Guards that ask whether a reply makes sense: is it language somebody would write, does it answer its prompt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...dialogue import Dialogue
from ..sense import Quantiles, SenseModel, bundled_sense, relevance
from .text import reply_of


class NaturalGuard:
    """Rises from 0 to `most` as a reply reads like a spoilt text: shuffled, misspelt throughout, cut, stuffed.

    A trait scorer takes such texts for careless typing. The bundled [`~hal_trl.rewards.sense.SenseModel`] says how a
    text compares with spoilt ones. Nothing is taken off above the 25th percentile of people's replies in the Turing
    games, and the penalty rises along a straight line over log-odds to its most at their 0.5th. Its most is little,
    for people do write carelessly: it is enough because people's own replies mostly reach the reward's ceiling.

    Args:
        model ([`~hal_trl.rewards.sense.SenseModel`], *optional*, defaults to the bundled one): What reads the reply.
        most (`float`, *optional*, defaults to 0.3): Largest penalty, 0-1.
    """

    name = "natural"
    _from, _to = 25.0, 0.5

    def __init__(self, model: SenseModel | None = None, most: float = 0.3):
        self.model, self.most = model or bundled_sense(), most

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        odds = self.model.natural([reply_of(dialogue) for dialogue in dialogues])
        return self.most * _below(odds, self.model.people["natural"], self._from, self._to)


class RelevanceGuard:
    """Rises from 0 to `most` as a reply looks like one to another prompt.

    The bundled [`~hal_trl.rewards.sense.SenseModel`], taught with true against swapped replies, says how much better a
    reply answers one of the last three messages than prompts in general. Nothing is taken off above the 6th
    percentile of people's replies in the Turing games, for people stray, too; the penalty rises along a straight line
    to its most at their 0.3rd. Without a prompt there is nothing to answer.

    Args:
        model ([`~hal_trl.rewards.sense.SenseModel`], *optional*, defaults to the bundled one): What compares the two.
        most (`float`, *optional*, defaults to 0.45): Largest penalty, 0-1.
    """

    name = "relevance"
    _from, _to = 6.0, 0.3

    def __init__(self, model: SenseModel | None = None, most: float = 0.45):
        self.model, self.most = model or bundled_sense(), most

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return self.most * _below(relevance(self.model, dialogues), self.model.people["answers"], self._from, self._to)


def _below(odds: np.ndarray, people: Quantiles, usual: float, rare: float) -> np.ndarray:
    """0 from one percentile of people's replies up, 1 from a lower one down, linear between; shape `(n,)`."""
    high, low = people.at(usual), people.at(rare)
    return np.clip((high - odds) / (high - low), 0.0, 1.0)
