"""Guards that ask whether a reply makes sense: is it language somebody would write, does it answer its prompt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...dialogue import Dialogue
from ..sense import SenseModel, bundled_sense
from .text import last_said, reply_of


class NaturalGuard:
    """Rises from 0 to 0.9 as a reply reads like a spoilt text: shuffled, misspelt throughout, cut, stuffed, stitched.

    A trait scorer takes such texts for careless typing. The bundled [`~hal_trl.rewards.sense.SenseModel`] says how a
    text compares with spoilt ones; nothing is taken off above the 25th percentile of people's replies in the Turing
    games, and the penalty rises along a straight line over log-odds to its most at their 0.5th.

    Args:
        model ([`~hal_trl.rewards.sense.SenseModel`], *optional*, defaults to the bundled one): What reads the reply.
    """

    name = "natural"
    _most = 0.9
    _from, _to = 25.0, 0.5

    def __init__(self, model: SenseModel | None = None):
        self.model = model or bundled_sense()

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        usual, rare = (self.model.people["natural"].at(percent) for percent in (self._from, self._to))
        odds = self.model.natural([reply_of(dialogue) for dialogue in dialogues])
        return self._most * np.clip((usual - odds) / (usual - rare), 0.0, 1.0)


class RelevanceGuard:
    """Rises from 0 to 0.8 as a reply looks like one to another prompt.

    The bundled [`~hal_trl.rewards.sense.SenseModel`], taught with true against swapped replies, gives the log-odds
    that a reply answers what was last said. Nothing is taken off above the 40th percentile of people's replies in the
    Turing games; the penalty rises along a straight line over log-odds to its most at their 1st. Without a prompt
    there is nothing to answer.

    Args:
        model ([`~hal_trl.rewards.sense.SenseModel`], *optional*, defaults to the bundled one): What compares the two.
    """

    name = "relevance"
    _most = 0.8
    _from, _to = 40.0, 1.0

    def __init__(self, model: SenseModel | None = None):
        self.model = model or bundled_sense()

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        usual, rare = (self.model.people["answers"].at(percent) for percent in (self._from, self._to))
        said = [last_said(dialogue) for dialogue in dialogues]
        odds = self.model.answers(said, [reply_of(dialogue) for dialogue in dialogues])
        asked = np.array([bool(text.strip()) for text in said])
        return self._most * np.where(asked, np.clip((usual - odds) / (usual - rare), 0.0, 1.0), 0.0)
