"""Guards that hold a batch against people's habits: which words they use, how often they ask, and say words back."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...dialogue import Dialogue
from .content import BoilerplateGuard
from .honesty import asked_who_is_talking
from .text import last_said, ramp, reply_of, words_of


HABITS_FILE = Path(__file__).parent / "habits.json"

_RARE, _COMMON = 0.004, 0.01
_QUESTION = re.compile(
    r"\b(?:who|whose|what|whats|wbu|hbu|wby|when|where|why|how|hows|which|you|u|ya|your|ur|yours|yourself|anything|or"
    r"|(?:do|does|did|is|are|was|were|have|has|had|can|could|will|would|should) \w+)\b[^.!?\n]*\?",
    re.IGNORECASE,
)


class Habits(NamedTuple):
    """What people do over many replies.

    Args:
        words (`Mapping[str, float]`): Share of replies that contain a word, for words in at least 0.4 % of them.
        questions (`float`): Share of replies that ask something.
        echoes (`float`): Mean [`echoed`] of replies.
    """

    words: Mapping[str, float]
    questions: float
    echoes: float

    @classmethod
    def of(cls, dialogues: Sequence[Dialogue]) -> Habits:
        """What people do in these replies."""
        replies = [reply_of(dialogue) for dialogue in dialogues]
        counts = Counter(word for reply in replies for word in set(words_of(reply)))
        shares = {word: round(count / len(replies), 4) for word, count in sorted(counts.items())}
        asking = float(np.mean([asks(reply) for reply in replies]))
        words = {word: share for word, share in shares.items() if share >= _RARE}
        echoes = float(
            np.mean([echoed(reply, last_said(d), words) for reply, d in zip(replies, dialogues, strict=True)])
        )
        return cls(words, round(asking, 4), round(echoes, 4))

    def save(self, path: str | Path) -> None:
        Path(path).write_text(json.dumps(self._asdict(), ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Habits:
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))


@cache
def _bundled() -> Habits:
    return Habits.load(HABITS_FILE)


def asks(reply: str) -> bool:
    """Whether a reply asks something as people do.

    A question mark behind any word is no question, and "could you provide more details?" is one of an assistant.
    """
    return bool(_QUESTION.search(reply)) and not BoilerplateGuard.phrases_in(reply)


def echoed(reply: str, prompt: str, usual: Mapping[str, float]) -> float:
    """How far a reply is made of the prompt: 0 for words of its own, towards 1 the more it only says back.

    `e / (e + own + 1)`, of the words that fewer than one in a hundred replies contain: `e` that the prompt has, too,
    `own` that it has not. The 1 makes a word or two prove little.
    """
    content = {word for word in words_of(reply) if usual.get(word, 0.0) < _COMMON}
    return len(content & set(words_of(prompt))) / (len(content) + 1)


class WornGuard:
    """Rises from 0 to `most` as a reply is made of words that the replies to other prompts are made of, too.

    A policy that has found one sentence that pays bends it to every prompt: "I don't have any other mugs and other
    people...", "I don't have any other shelves...". No two are alike enough to be `canned`; the words are. A word is
    worn by how far its share in the replies to the batch's other prompts exceeds its share in people's, two standard
    deviations and 0.05; two imagined prompts that people answered count along, so that two prompts prove little, and
    words of the prompt itself are free. The penalty rises along a straight line as the mean over the words of a reply
    goes from 0.03 to 0.13: 0 for 99.5 % of people's replies in any mixture of four or more.

    Args:
        habits ([`Habits`], *optional*, defaults to the bundled ones): What people do.
        most (`float`, *optional*, defaults to 0.6): Largest penalty, 0-1.
    """

    name = "worn"
    across_batch = True
    _imagined, _deviations, _margin = 2, 2.0, 0.05
    _ramp = (0.03, 0.13)

    def __init__(self, habits: Habits | None = None, most: float = 0.6):
        self.habits, self.most = habits or _bundled(), most

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        prompts = [dialogue.context_texts for dialogue in dialogues]
        said = [set(words_of(reply_of(dialogue))) for dialogue in dialogues]
        times = Counter(prompts)
        used: Counter = Counter()  # in how many prompts' replies, a prompt counting by the share of its replies
        here: Counter = Counter()
        for prompt, words in zip(prompts, said, strict=True):
            for word in words:
                used[word] += 1 / times[prompt]
                here[prompt, word] += 1 / times[prompt]
        n = len(times) - 1 + self._imagined

        def worn(prompt: tuple[str, ...], word: str) -> float:
            usual = self.habits.words.get(word, _RARE)
            share = (used[word] - here[prompt, word] + self._imagined * usual) / n
            return max(0.0, share - usual - self._deviations * (usual * (1 - usual) / n) ** 0.5 - self._margin)

        penalties, free = np.zeros(len(dialogues)), {prompt: set(words_of(" ".join(prompt))) for prompt in times}
        for row, (prompt, words) in enumerate(zip(prompts, said, strict=True)):
            mean = sum(worn(prompt, word) for word in words - free[prompt]) / max(len(words), 1)
            penalties[row] = self.most * ramp(mean, *self._ramp)
        return penalties


class ReciprocityGuard:
    """Holds how often a batch, or a training run, asks something against how often people do.

    One reply need not ask; of many, some do. A call that stands for itself gets the benefit of the doubt. With `share`
    the batch's share of replies that ask, some imagined replies of people counted along (2, or 8 against too many
    questions, where few replies prove less), and `chance` the standard deviation of such a share,
    `sqrt(people * (1 - people) / n)`, replies that ask nothing cost
    `most * min(1, 2 * max(0, people - chance - share) / people)`, and those that ask `most` times a ramp of
    `(share - chance) / people` from 1.5 to 3.

    In a training run `share` is that of the last 64 replies, or of the batch where that is larger, with 8 imagined
    ones. A penalty for replies that ask nothing falls along a straight line from `most_in_run`, where `share` is four
    fifths of people's, to 0 at six fifths, and one for those that ask rises from 0 to `most_in_run` as it goes from
    1.5 to 3 times people's. Both have to be total. A small model asks mostly in the register that the reward rightly
    unteaches ("I'm sorry... how can I help you?"), and a trainer that compares the replies of a group goes on
    unteaching it in every group that holds no question, for whatever is taken from all of them alike. Only where all
    of them earn nothing is nothing learned, until asking is back; then it spreads faster than it had gone. Where none
    of those replies asks, or all do, there is nothing to learn the other from, and a quarter of the reward is left, so
    that a model that never asks still learns the rest.

    Who asks whether an AI is talking wants an answer: replies to that neither count nor pay in a run.

    Args:
        habits ([`Habits`], *optional*, defaults to the bundled ones): How often people ask.
        most (`float`, *optional*, defaults to 0.3): Largest penalty in a call from anywhere but a trainer, 0-1.
        most_in_run (`float`, *optional*, defaults to 1.0): Largest penalty in a training run, 0-1.
    """

    name = "reciprocity"
    across_batch = True
    _imagined, _imagined_in_run, _window = 2, 8, 64
    _steepness, _too_few, _too_many, _where_all_alike = 2.0, (0.8, 1.2), (1.5, 3.0), 0.75

    def __init__(self, habits: Habits | None = None, most: float = 0.3, most_in_run: float = 1.0):
        self.habits, self.most, self.most_in_run = habits or _bundled(), most, most_in_run

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        people = self.habits.questions
        asking = self._asking(dialogues)
        chance = (people * (1 - people) / max(len(asking), 1)) ** 0.5
        missing = max(0.0, people - chance - self._share(asking, self._imagined)) / people
        too_many = ramp((self._share(asking, self._imagined_in_run) - chance) / people, *self._too_many)
        return self.most * np.where(asking, too_many, min(1.0, self._steepness * missing))

    def in_run(self, recent: Sequence[Dialogue], dialogues: Sequence[Dialogue]) -> np.ndarray:
        """Penalties of a training step's replies, shape `(len(dialogues),)`; `recent` came before, oldest first."""
        free = np.array([asked_who_is_talking(dialogue) is not None for dialogue in dialogues], dtype=bool)
        asking = self._asking(dialogues)
        before = max(self._window - int((~free).sum()), 0)
        small_talk = [dialogue for dialogue in recent if asked_who_is_talking(dialogue) is None]
        judged = np.concatenate([self._asking(small_talk[max(len(small_talk) - before, 0) :]), asking[~free]])
        share = self._share(judged, self._imagined_in_run) / self.habits.questions
        too_few, too_many = 1 - ramp(share, *self._too_few), ramp(share, *self._too_many)
        if judged.all() or not judged.any():
            too_few, too_many = min(too_few, self._where_all_alike), min(too_many, self._where_all_alike)
        return np.where(free, 0.0, self.most_in_run * np.where(asking, too_many, too_few))

    def _share(self, asking: np.ndarray, imagined: int) -> float:
        return (asking.sum() + imagined * self.habits.questions) / (len(asking) + imagined)

    @staticmethod
    def _asking(dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.array([asks(reply_of(dialogue)) for dialogue in dialogues], dtype=bool)


class ParrotGuard:
    """Rises from 0 to `most` for replies made of their prompt's words, as a batch has more of them than people write.

    "just found my diary from when i was twelve" - "I've found my diary" is to the point and says nothing. People do it
    now and then; a policy that is paid for brevity and relevance does it all the time. With `mean` the batch's mean
    [`echoed`], 8 imagined replies of people counted along, the penalty is `most` times a ramp of the reply's own
    `echoed` from 0.2 to 0.5 times a ramp of `mean - people` from 0.05 to 0.15.

    Args:
        habits ([`Habits`], *optional*, defaults to the bundled ones): How much people say back.
        most (`float`, *optional*, defaults to 0.6): Largest penalty, 0-1.
    """

    name = "parrot"
    across_batch = True
    _imagined = 8
    _of_reply, _of_batch = (0.2, 0.5), (0.05, 0.15)

    def __init__(self, habits: Habits | None = None, most: float = 0.6):
        self.habits, self.most = habits or _bundled(), most

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        said = np.array([echoed(reply_of(d), last_said(d), self.habits.words) for d in dialogues], dtype=float)
        people = self.habits.echoes
        mean = (said.sum() + self._imagined * people) / (len(said) + self._imagined)
        return self.most * ramp(mean - people, *self._of_batch) * np.array([ramp(e, *self._of_reply) for e in said])
