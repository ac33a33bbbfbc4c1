"""Guards that ask whether a reply makes sense: is it language somebody would write, does it answer its prompt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...dialogue import Dialogue
from ..sense import Quantiles, SenseModel, bundled_sense
from .text import reply_of


class NaturalGuard:
    """Rises from 0 to `most` as a reply reads like a spoilt text: shuffled, misspelt throughout, cut, stuffed.

    A trait scorer takes such texts for careless typing. The bundled [`~hal_trl.rewards.sense.SenseModel`] says how a
    text compares with spoilt ones. Nothing is taken off above the 25th percentile of people's replies in the Turing
    games, and the penalty rises along a straight line over log-odds to its most at their 0.5th. Its most is little,
    for people do write carelessly: it is enough because people's own replies mostly reach the reward's ceiling.

    Args:
        model ([`~hal_trl.rewards.sense.SenseModel`], *optional*, defaults to the bundled one): What reads the reply.
        most (`float`, *optional*, defaults to 0.2): Largest penalty, 0-1.
    """

    name = "natural"
    _from, _to = 25.0, 0.5

    def __init__(self, model: SenseModel | None = None, most: float = 0.2):
        self.model, self.most = model or bundled_sense(), most

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        odds = self.model.natural([reply_of(dialogue) for dialogue in dialogues])
        return self.most * _below(odds, self.model.people["natural"], self._from, self._to)


class RelevanceGuard:
    """Rises from 0 to `most` as a reply looks like one to another prompt.

    The bundled [`~hal_trl.rewards.sense.SenseModel`], taught with true against swapped replies, gives the log-odds
    that a reply answers one of the last three messages: people come back to what was said before. Nothing is taken off
    above the 25th percentile of people's replies in the Turing games; the penalty rises along a straight line over
    log-odds to its most at their 5th. Without a prompt there is nothing to answer.

    Args:
        model ([`~hal_trl.rewards.sense.SenseModel`], *optional*, defaults to the bundled one): What compares the two.
        most (`float`, *optional*, defaults to 0.1):
            Largest penalty, 0-1. People stray, too: 0.5 puts people's replies above off-topic ones in 80 % of the
            audit's pairs, and costs 0.03 of the AUC between people's and AIs' replies in the games.
    """

    name = "relevance"
    _from, _to = 25.0, 5.0
    _messages = 3

    def __init__(self, model: SenseModel | None = None, most: float = 0.1):
        self.model, self.most = model or bundled_sense(), most

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        replies = [reply_of(dialogue) for dialogue in dialogues]
        said = [
            (row, turn.text)
            for row, dialogue in enumerate(dialogues)
            for turn in dialogue.turns[max(0, dialogue.start - self._messages) : dialogue.start]
            if turn.text.strip()
        ]
        odds = np.full(len(dialogues), -np.inf)
        rows = [row for row, _ in said]
        np.maximum.at(odds, rows, self.model.answers([text for _, text in said], [replies[row] for row in rows]))
        odds[np.isneginf(odds)] = np.inf
        return self.most * _below(odds, self.model.people["answers"], self._from, self._to)


def _below(odds: np.ndarray, people: Quantiles, usual: float, rare: float) -> np.ndarray:
    """0 from one percentile of people's replies up, 1 from a lower one down, linear between; shape `(n,)`."""
    high, low = people.at(usual), people.at(rare)
    return np.clip((high - odds) / (high - low), 0.0, 1.0)
