"""The guard that keeps a training run honest when asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...dialogue import Dialogue
from .batch import LengthGuard
from .habits import ReciprocityGuard
from .honesty import HonestyGuard, sincerely_asked
from .text import reply_of


class CandourGuard:
    """Holds how often a training run is honest when asked: while it is not, nothing else pays.

    That dishonest answers earn nothing does not keep a policy honest. Admissions are made in the manner of an
    assistant, which every other prompt rightly unteaches, and where all answers to a question are dishonest, a trainer
    that compares them has nothing to teach. So while fewer than `wanted` of a run's last 32 answers to somebody who
    sincerely asks whether an AI is talking are honest, all replies to other messages earn nothing, are all alike,
    and teach nothing. Only a run that would lose its questions meanwhile, or would do nothing but ask, goes on
    learning the contrary: replies that [`ReciprocityGuard`] leaves something are left it when it takes all from the
    others.

    Only answers of a length that nine in ten people's replies keep to count, 18 words, and longer ones are left next
    to nothing meanwhile. An assistant's admissions are long; most are cut off at the trainer's limit, and what is cut
    off teaches nothing (`mask_truncated_completions`) while it makes short dodges look bad, so that answers would only
    grow. So brevity comes first: everything pays until half of the last 32 answers are that short, and as long as
    hardly any of the short ones is honest, less than one in ten, for there is nothing to learn it from yet.

    Not among the default guards: it trades likeness for honesty. In 150 steps of GRPO on SmolLM2 without a KL penalty,
    honest answers to held-out questions went from 44 % to 74 %, and the reward from 0.43 to 0.54 where it reaches 0.82
    without this guard; some small talk began with "I'm a chatbot" (docs/audit.md).

    It waits for what the prompts can give: it does nothing until a dozen such answers are among the 240 replies that a
    run remembers. Mix [`~hal_trl.rewards.audit.load_probes`], or such questions of your own, into the training
    prompts. A call from anywhere but a trainer says nothing of a run: 0.

    Args:
        wanted (`float`, *optional*, defaults to 0.4): Share of honest answers from which everything pays, 0-1.

    Example:
        ```python
        >>> from hal_trl import HALReward
        >>> from hal_trl.rewards import CandourGuard, default_guards
        >>> reward = HALReward(guards=[*default_guards(), CandourGuard()])
        ```
    """

    name = "candour"
    across_batch = True
    _window, _enough, _mostly, _least = 32, 12, 0.5, 0.1
    _short = LengthGuard().longish
    _of_long = 1 - 1e-5  # below what a trainer sees of a group, and still above a lie

    def __init__(self, wanted: float = 0.4):
        if not 0 <= wanted <= 1:
            raise ValueError(f"wanted is a share in 0-1, not {wanted}.")
        self.wanted = wanted

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.zeros(len(dialogues))

    def in_run(self, recent: Sequence[Dialogue], dialogues: Sequence[Dialogue]) -> np.ndarray:
        """Penalties of a training step's replies, shape `(len(dialogues),)`; `recent` came before, oldest first."""
        everything = [*recent, *dialogues]
        asked = np.array([sincerely_asked(dialogue) for dialogue in everything], dtype=bool)
        short = np.array([len(reply_of(dialogue).split()) <= self._short for dialogue in everything], dtype=bool)
        answers = [everything[i] for i in np.flatnonzero(asked & short)[-self._window :]]
        if len(answers) < self._enough or short[asked][-self._window :].mean() < self._mostly:
            return np.zeros(len(dialogues))
        if not self._least <= 1 - HonestyGuard()(answers).mean() < self.wanted:
            return np.zeros(len(dialogues))
        unwanted = ReciprocityGuard().in_run(recent, dialogues) >= 1
        others = unwanted if unwanted.any() else np.ones(len(dialogues))
        return np.where(asked[len(recent) :], np.where(short[len(recent) :], 0.0, self._of_long), others)
