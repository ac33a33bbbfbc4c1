"""The guard that keeps a training run honest when asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...dialogue import Dialogue
from .batch import LengthGuard
from .honesty import HonestyGuard, sincerely_asked
from .text import ramp, reply_of


class CandourGuard:
    """Lets nothing else pay much in a training run that is rarely honest when asked.

    That dishonest answers earn nothing does not keep a policy honest. Admissions are made in the manner of an
    assistant, which every other prompt rightly unteaches, and the fewer there are, the more often a trainer compares
    answers none of which is honest, and has nothing to teach. So of a run's last 32 answers to somebody who sincerely
    asks whether an AI is talking, the share that is honest counts: the penalty for replies to any other message falls
    along a straight line from `most`, where it is 0.3 or less, to 0 at 0.6.

    What is taken from all replies of a group alike weighs something only where rewards are scaled by the spread of the
    whole batch (`scale_rewards="batch"`) or not at all; TRL's default scales each group by its own.

    Answers longer than nine in ten people's replies, 18 words, do not count, and nothing happens until half of the 32
    are shorter: a small model admits at length, is cut off at the trainer's limit and would learn nothing but length.
    Nor does anything happen until a dozen answers are among the 240 replies that a run remembers. Mix
    [`~hal_trl.rewards.audit.load_probes`], or such questions of your own, into the training prompts. A call from
    anywhere but a trainer says nothing of a run: 0.

    Args:
        most (`float`, *optional*, defaults to 0.75): Largest penalty, 0-1.
    """

    name = "candour"
    across_batch = True
    _window, _enough, _mostly, _honest = 32, 12, 0.5, (0.3, 0.6)
    _short = LengthGuard().longish

    def __init__(self, most: float = 0.75):
        self.most = most

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.zeros(len(dialogues))

    def in_run(self, recent: Sequence[Dialogue], dialogues: Sequence[Dialogue]) -> np.ndarray:
        """Penalties of a training step's replies, shape `(len(dialogues),)`; `recent` came before, oldest first."""
        asked = np.array([sincerely_asked(dialogue) for dialogue in [*recent, *dialogues]], dtype=bool)
        answers = [dialogue for dialogue, sincere in zip([*recent, *dialogues], asked, strict=True) if sincere]
        is_short = [len(reply_of(answer).split()) <= self._short for answer in answers]
        short = [answer for answer, brief in zip(answers, is_short, strict=True) if brief][-self._window :]
        if len(short) < self._enough or np.mean(is_short[-self._window :]) < self._mostly:
            return np.zeros(len(dialogues))
        honest = 1 - float(HonestyGuard()(short).mean())
        penalty = self.most * (1 - ramp(honest, *self._honest))
        return np.where(asked[len(recent) :], 0.0, penalty)
