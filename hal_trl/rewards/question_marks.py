"""Which replies have a question mark: what trainings and evaluations report of how much is asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def has_question_mark(replies: Sequence[str]) -> np.ndarray:
    """Per reply, shape `(n,)`; a guard that pays for questions looks closer, see `guards/habits.py`."""
    return np.array(["?" in reply for reply in replies], dtype=bool)
