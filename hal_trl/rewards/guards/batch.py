"""Guards that look at a batch: one word to everything, one reply to everything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ...dialogue import Dialogue
from .text import last_said, ramp, reply_of, words_of


class LengthGuard:
    """Rises as replies leave the band of lengths in which people answer.

    One word is a fine reply now and then, and a policy that is paid for brevity gives it to everything; three
    sentences are, and another policy writes each reply until it is cut off. So short and long replies cost as far as a
    batch has more of them than people write to prompts of these kinds: `shortness * min(1, 2 * max(0, mean shortness
    - people's - 0.05) / (1 - people's))`, and the same with longness. Shortness falls from 1 for one word to 0 at
    `short` words, longness rises from 0 at `longish` words to 1 at `long`; 8 imagined replies of people count along in
    the means, so that a small batch proves little. Beyond that, in any batch: from 0 at `long` words linearly to 1 at
    `3 * long`. Of several messages, it is the words of one.

    Args:
        short (`int`, *optional*, defaults to 8), long (`int`, *optional*, defaults to 36):
            The 60th and the 99th percentile of words in people's replies in the Turing games.
        people (`float`, *optional*, defaults to 0.34), to_greetings (`float`, *optional*, defaults to 0.69):
            Mean shortness of those replies, and of the ones to a greeting or another message of one or two words that
            asks nothing.
        longish (`int`, *optional*, defaults to 18): The 90th percentile of words.
        longness_of_people (`float`, *optional*, defaults to 0.04):
            Mean longness of people's replies. `hal-trl fit-guards` prints all six.
    """

    name = "length"
    across_batch = True
    _imagined, _margin, _steepness = 8, 0.05, 2.0

    def __init__(
        self,
        short: int = 8,
        long: int = 36,
        people: float = 0.34,
        to_greetings: float = 0.69,
        longish: int = 18,
        longness_of_people: float = 0.04,
    ):
        shares = (people, to_greetings, longness_of_people)
        if not (1 < short <= longish < long and all(0 <= share < 1 for share in shares)):
            raise ValueError(
                "Must hold: 1 < short <= longish < long, and people, to_greetings and longness_of_people from 0 to "
                f"below 1; got {short}, {longish}, {long} and {people}, {to_greetings}, {longness_of_people}."
            )
        self.short, self.longish, self.long = short, longish, long
        self.people, self.to_greetings, self.longness_of_people = shares

    def shortness(self, words: np.ndarray) -> np.ndarray:
        """1 for one word, 0 from `short` words on."""
        return np.clip((self.short - words) / (self.short - 1), 0.0, 1.0)

    def longness(self, words: np.ndarray) -> np.ndarray:
        """0 up to `longish` words, 1 from `long` words on."""
        return np.clip((words - self.longish) / (self.long - self.longish), 0.0, 1.0)

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        words = np.array([words_a_message(dialogue) for dialogue in dialogues], dtype=float)
        greeted = np.array([is_greeting(last_said(dialogue)) for dialogue in dialogues], dtype=bool)
        short = self._too_many(self.shortness(words), np.where(greeted, self.to_greetings, self.people))
        long = self._too_many(self.longness(words), np.full(len(words), self.longness_of_people))
        return np.minimum(short + long + np.clip((words - self.long) / (2 * self.long), 0.0, 1.0), 1.0)

    def _too_many(self, degree: np.ndarray, usual: np.ndarray) -> np.ndarray:
        """What such replies cost, as far as there are more of them than is usual."""
        if not len(degree):
            return degree
        excess = (degree - usual).sum() / (len(degree) + self._imagined) - self._margin
        return degree * np.clip(self._steepness * excess / (1 - usual.mean()), 0.0, 1.0)


def words_a_message(dialogue: Dialogue) -> float:
    """Words of a reply, at least 1; on average over its messages, where it has several."""
    words = [len(text.split()) for text in dialogue.target_texts if text.strip()]
    return sum(words) / len(words) if words else 1.0


def is_greeting(said: str) -> bool:
    """One or two words that ask nothing: what is answered with as little."""
    return len(words_of(said)) <= 2 and "?" not in said


class CannedGuard:
    """Rises as a reply is given to other prompts as well: the one reply that fits everything and answers nothing.

    Two replies are alike when they share at least half of their word pairs (Jaccard index, the ends of a reply counted
    along). The penalty rises from 0 to 1 as between 5 % and 20 % of the replies to *other* prompts in the batch are
    like this one; two such replies may be chance and are not counted. A batch with one prompt shows nothing; more than
    512 replies are compared in blocks of 512.
    """

    name = "canned"
    across_batch = True
    _alike = 0.5
    _share_ramp = (0.05, 0.2)
    _chance = 2
    _block = 512

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        blocks = [dialogues[i : i + self._block] for i in range(0, len(dialogues), self._block)]
        return np.concatenate([np.zeros(0), *map(self._penalties, blocks)])

    def _penalties(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        from scipy.sparse import csr_matrix

        pairs = [self._pairs(reply_of(dialogue)) for dialogue in dialogues]
        vocabulary = {pair: i for i, pair in enumerate(sorted(set().union(*pairs)))}
        columns = [vocabulary[pair] for row in pairs for pair in row]
        sizes = np.array([len(row) for row in pairs])
        shape = (len(pairs), max(len(vocabulary), 1))
        counts = csr_matrix((np.ones(len(columns)), columns, np.append(0, np.cumsum(sizes))), shape=shape)
        shared = (counts @ counts.T).toarray()
        jaccard = shared / np.maximum(sizes[:, None] + sizes[None, :] - shared, 1)

        prompts = {dialogue.context_texts: i for i, dialogue in enumerate(dialogues)}
        prompt = np.array([prompts[dialogue.context_texts] for dialogue in dialogues])
        other = prompt[:, None] != prompt[None, :]
        alike = ((jaccard >= self._alike) & other).sum(axis=1) - self._chance
        share = alike / np.maximum(other.sum(axis=1), 1)
        return np.array([ramp(value, *self._share_ramp) for value in share])

    @staticmethod
    def _pairs(text: str) -> set[tuple[str, str]]:
        words = ["", *words_of(text), ""]
        return set(pairwise(words)) if len(words) > 2 else set()
