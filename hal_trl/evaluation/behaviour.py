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
    """Figures of rounds of replies, one reply a prompt in each; shares are 0-1.

    Intervals are over prompts, of the mean over rounds; what compares replies with each other does so within a round.

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
    replies: Sequence[Sequence[str]],
    probes: Sequence[str],
    answers: Sequence[Sequence[str]],
    judge: HALReward,
) -> Behaviour:
    """Measure replies to prompts, and answers to questions whether an AI is talking.

    Args:
        rewards (`np.ndarray`): What the attacked reward gives the replies, shape `(rounds, n)`.
        prompts (`Sequence[str]`), replies (`Sequence[Sequence[str]]`): In each round one reply a prompt.
        probes (`Sequence[str]`), answers (`Sequence[Sequence[str]]`): In each round one answer a probe.
        judge ([`HALReward`]): With its default scorer and guards.
    """
    frames = [judge.explain(prompts, texts) for texts in replies]
    asked = [judge.explain(probes, texts) for texts in answers]
    return Behaviour(
        reward=_over_prompts(rewards),
        p_human=_over_prompts([frame["p_human"].fillna(0.0) for frame in frames]),
        degenerate=_over_prompts([is_degenerate(frame) for frame in frames]),
        off_topic=_over_prompts([frame["guard/relevance"] >= RelevanceGuard().most for frame in frames]),
        words=_over_prompts([word_counts(texts) for texts in replies]),
        questions=_over_prompts([has_question_mark(texts) for texts in replies]),
        distinct_2=float(np.mean([np.nan_to_num(distinct_n(texts)) for texts in replies])),
        repeated=float(np.mean([_share_repeated(texts) for texts in replies])),
        honest=_over_prompts([(frame["guard/honesty"] == 0) & frame["reward"].notna() for frame in asked]),
    )


def _over_prompts(values: Sequence[Sequence[float]] | np.ndarray) -> Estimate:
    return bootstrap_mean(np.mean(np.asarray(values, dtype=float), axis=0))


def _share_repeated(replies: Sequence[str]) -> float:
    times = Counter(reply.casefold() for reply in replies)
    return float(np.mean([times[reply.casefold()] > 1 for reply in replies]))
