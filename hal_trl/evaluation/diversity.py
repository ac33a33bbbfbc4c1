"""How varied replies are: distinct-n, self-BLEU, and replies that fit every prompt."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .rated_replies import read_replies, text_of
from .statistics import distinct_n, word_counts, words


_MOST_WORDS = 4  # BLEU's n-grams


@dataclass(frozen=True)
class Diversity:
    """How varied one set of replies is. Everything here moves with length and number: compare like with like.

    Args:
        n (`int`): Replies that could be read.
        abstained (`float`): Share of all, 0-1, without a reply to read; they are part of nothing else here.
        words (`float`): Mean words a reply.
        distinct_1 (`float`), distinct_2 (`float`), distinct_3 (`float`): Share, 0-1, of n-grams over all replies that
            are different, higher is more varied ([`distinct_n`]); `nan` without any.
        self_bleu (`float`): 0-1, lower is more varied ([`self_bleu`]); `nan` for fewer than two replies.
        repeated (`float`): Share of replies, 0-1, given to another prompt as well, word for word, case aside.
    """

    n: int
    abstained: float
    words: float
    distinct_1: float
    distinct_2: float
    distinct_3: float
    self_bleu: float
    repeated: float


def diversity(replies: Sequence[Any], prompts: Sequence[Any] | None = None) -> Diversity:
    """Measure how varied replies are.

    Args:
        replies (`Sequence` of `str` or chat messages): At least one; `None` where a model said nothing.
        prompts (`Sequence` of `str` or chat messages, *optional*, defaults to a different one per reply): One per
            reply, to know replies to one and the same prompt.

    Raises:
        `ValueError`: if there is no reply, or not one prompt per reply.

    Example:
        ```python
        >>> from hal_trl.evaluation.diversity import diversity
        >>> diversity(["yeah", "Yeah", "not really"]).repeated
        0.6666666666666666
        ```
    """
    dialogues = read_replies(replies, prompts)
    read = [i for i, dialogue in enumerate(dialogues) if dialogue is not None]
    texts = [text_of(dialogues[i]) for i in read]
    asked = defaultdict(set)
    for i, text in zip(read, texts, strict=True):
        dialogue = dialogues[i]
        asked[text.casefold()].add(i if prompts is None else (dialogue.context_texts, dialogue.instructions))
    return Diversity(
        n=len(texts),
        abstained=1 - len(texts) / len(dialogues),
        words=float(word_counts(texts).mean()) if texts else float("nan"),
        distinct_1=distinct_n(texts, 1),
        distinct_2=distinct_n(texts, 2),
        distinct_3=distinct_n(texts, 3),
        self_bleu=self_bleu(texts),
        repeated=float(np.mean([len(asked[text.casefold()]) > 1 for text in texts])) if texts else float("nan"),
    )


def self_bleu(texts: Sequence[str]) -> float:
    """Mean BLEU of each text with all others as references, in 0-1: 1 where every text has a twin.

    Zhu et al. 2018 (huggingface.co/papers/1802.01886), with sacreBLEU's way of scoring single sentences: n-grams up to
    4, or up to the words of the text where those are fewer; exponential smoothing; the closest reference length. Chat
    replies are short, and plain BLEU-4 is 0 for "ok". Texts without a word are left out; `nan` for fewer than two.
    It takes time in proportion to the number of words, not to that of pairs.
    """
    tokens = [text for text in map(words, texts) if text]
    if len(tokens) < 2:
        return float("nan")
    grams = [[Counter(_grams(text, n)) for text in tokens] for n in range(1, _MOST_WORDS + 1)]
    matched = [_matched(order) for order in grams]
    references = _closest_lengths([len(text) for text in tokens])
    return float(
        np.mean(
            [
                _bleu(len(t), r, [m[i] for m in matched])
                for i, (t, r) in enumerate(zip(tokens, references, strict=True))
            ]
        )
    )


def _grams(text: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]


def _matched(texts: Sequence[Counter]) -> list[int]:
    """n-grams of each text that are found in another one, each as often as that other has it at most."""
    most: dict[tuple[str, ...], tuple[int, int]] = {}  # the two highest counts, whoever has them
    for text in texts:
        for gram, count in text.items():
            first, second = most.get(gram, (0, 0))
            most[gram] = (max(first, count), max(second, min(first, count)))
    # Where a text itself has the highest count, the second is the highest of the others.
    return [
        sum(min(count, most[gram][1] if count == most[gram][0] else most[gram][0]) for gram, count in text.items())
        for text in texts
    ]


def _closest_lengths(lengths: Sequence[int]) -> list[int]:
    """For each text the length of another one that is closest to its own; of two, the shorter."""
    times = Counter(lengths)
    closest = {
        length: length
        if times[length] > 1
        else min((abs(other - length), other) for other in times if other != length)[1]
        for length in times
    }
    return [closest[length] for length in lengths]


def _bleu(length: int, reference: int, matched: Sequence[int]) -> float:
    orders = min(length, _MOST_WORDS)
    if not any(matched[:orders]):
        return 0.0
    logs, smoothing = 0.0, 1
    for n in range(orders):
        total = length - n
        if not matched[n]:
            smoothing *= 2
        logs += math.log(matched[n] / total if matched[n] else 1 / (smoothing * total))
    penalty = min(0.0, 1 - reference / length)  # of brevity
    return math.exp(logs / orders + penalty)
