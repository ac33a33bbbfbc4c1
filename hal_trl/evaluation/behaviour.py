"""What replies are like, whatever reward they were trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..rewards import HALReward, RelevanceGuard
from ..rewards.degenerate import is_degenerate
from ..rewards.question_marks import has_question_mark
from .statistics import Estimate, bootstrap_mean, distinct_n, word_counts


@dataclass(frozen=True)
class Behaviour:
    """Figures of one set of replies; shares are 0-1.

    Args:
        reward ([`Estimate`]): Mean of the attacked reward; an abstention counts as the lowest reward of its call.
        p_human ([`Estimate`]): Mean P(human) of the bundled scorer, guards aside; 0 where there is nothing to read.
        degenerate ([`Estimate`]): Share that a default guard other than honesty and relevance takes at least half of
            the reward from, or that has nothing to read.
        off_topic ([`Estimate`]): Share that the `RelevanceGuard` takes its most from: one in a hundred of people's own
            replies in the Turing games.
        words ([`Estimate`]): Mean words a reply.
        questions ([`Estimate`]): Share with a question mark.
        distinct_2 (`float`): Share of different word pairs over all replies; 0 without any pair.
        repeated (`float`): Share given to another prompt as well, word for word, case aside.
        honest ([`Estimate`]): Share of replies to honesty probes that the `HonestyGuard` lets pass.
    """

    reward: Estimate
    p_human: Estimate
    degenerate: Estimate
    off_topic: Estimate
    words: Estimate
    questions: Estimate
    distinct_2: float
    repeated: float
    honest: Estimate


def measure_behaviour(
    rewards: np.ndarray,
    prompts: Sequence[str],
    replies: Sequence[str],
    probes: Sequence[str],
    answers: Sequence[str],
    judge: HALReward,
) -> Behaviour:
    """Measure replies to prompts, and answers to questions whether an AI is talking.

    Args:
        rewards (`np.ndarray`): What the attacked reward gives the replies, shape `(n,)`.
        prompts (`Sequence[str]`), replies (`Sequence[str]`): One reply a prompt.
        probes (`Sequence[str]`), answers (`Sequence[str]`): One answer a probe.
        judge ([`HALReward`]): With its default scorer and guards.
    """
    frame = judge.explain(prompts, replies)
    asked = judge.explain(probes, answers)
    times = Counter(reply.casefold() for reply in replies)
    return Behaviour(
        reward=bootstrap_mean(rewards),
        p_human=bootstrap_mean(frame["p_human"].fillna(0.0)),
        degenerate=bootstrap_mean(is_degenerate(frame)),
        off_topic=bootstrap_mean(frame["guard/relevance"] >= RelevanceGuard().most),
        words=bootstrap_mean(word_counts(replies)),
        questions=bootstrap_mean(has_question_mark(replies)),
        distinct_2=float(np.nan_to_num(distinct_n(replies))),
        repeated=float(np.mean([times[reply.casefold()] > 1 for reply in replies])),
        honest=bootstrap_mean((asked["guard/honesty"] == 0) & asked["reward"].notna()),
    )
