"""How well replies answer what was said before them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...dialogue import Dialogue
from .model import SenseModel


MESSAGES = 3  # people come back to what was said before


def relevance(model: SenseModel, dialogues: Sequence[Dialogue]) -> np.ndarray:
    """What [`SenseModel.answers`] gives each reply for that of the last three messages it answers best, shape `(n,)`.

    Infinite without a prompt: there is nothing to answer.
    """
    said = [
        (row, turn.text)
        for row, dialogue in enumerate(dialogues)
        for turn in dialogue.turns[max(0, dialogue.start - MESSAGES) : dialogue.start]
        if turn.text.strip()
    ]
    replies = ["\n".join(dialogue.target_texts) for dialogue in dialogues]
    best = np.full(len(dialogues), -np.inf)
    rows = [row for row, _ in said]
    np.maximum.at(best, rows, model.answers([text for _, text in said], [replies[row] for row in rows]))
    best[np.isneginf(best)] = np.inf
    return best
