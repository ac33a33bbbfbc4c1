"""Before and after: what alignment changed in the replies to the same prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from ..dialogue import Dialogue
from ..rewards import HALReward
from .statistics import Estimate, bootstrap_mean, distinct_n, distinct_ratio, word_counts


N_SAMPLES = 5


@dataclass(frozen=True)
class Side:
    """Figures of one set of replies.

    Args:
        reward ([`Estimate`]): Mean reward, guards included, 0-1.
        p_human ([`Estimate`]): Mean P(human), guards aside, over the replies that were not empty.
        words (`float`): Mean words a reply.
        distinct_2 (`float`): Share of different word pairs over all replies.
        degenerate (`float`): Share of replies that some guard, relevance aside, takes at least half of the reward
            from.
    """

    reward: Estimate
    p_human: Estimate
    words: float
    distinct_2: float
    degenerate: float


@dataclass(frozen=True)
class Comparison:
    """Two sets of replies to the same prompts.

    Args:
        before ([`Side`]), after ([`Side`]): Each on its own.
        reward_gain ([`Estimate`]), p_human_gain ([`Estimate`]): After minus before, paired by prompt.
        distinct_2_ratio (`float`): Diversity after against before, the longer replies cut to the words of the shorter,
            reply by reply: short texts repeat themselves less, and brevity alone should not pass for variety.
        trait_shift (`dict[str, Estimate]`): Change of each trait's mean rating (Likert points), paired by prompt.
        samples (`list[dict]`): The first prompts with both replies and both P(human), unselected.
    """

    n: int
    before: Side
    after: Side
    reward_gain: Estimate
    p_human_gain: Estimate
    distinct_2_ratio: float
    trait_shift: dict[str, Estimate]
    samples: list[dict[str, object]]

    def to_dict(self) -> dict[str, object]:
        """JSON form."""
        return asdict(self)


def compare(prompts: Sequence[str], before: Sequence[str], after: Sequence[str], reward: HALReward) -> Comparison:
    """Compare two sets of replies to the same prompts.

    Raises:
        `ValueError`: if the three do not have the same length, or there is none.
    """
    if not (len(prompts) == len(before) == len(after) > 0):
        raise ValueError(
            f"{len(prompts)} prompts, {len(before)} replies before and {len(after)} after: give one of each per "
            f"prompt."
        )
    sides = [_score(prompts, replies, reward) for replies in (before, after)]
    (frame_before, ratings_before), (frame_after, ratings_after) = sides
    shift = ratings_after - ratings_before
    return Comparison(
        n=len(prompts),
        before=_side(before, frame_before),
        after=_side(after, frame_after),
        reward_gain=bootstrap_mean(frame_after["reward"] - frame_before["reward"]),
        p_human_gain=bootstrap_mean(frame_after["p_human"] - frame_before["p_human"]),
        distinct_2_ratio=distinct_ratio(before, after),
        trait_shift={trait: bootstrap_mean(shift[:, i]) for i, trait in enumerate(reward.scorer.traits.ids)},
        samples=[
            {
                "prompt": prompts[i],
                "before": before[i],
                "after": after[i],
                "p_human_before": _number(frame_before["p_human"].iloc[i]),
                "p_human_after": _number(frame_after["p_human"].iloc[i]),
            }
            for i in range(min(N_SAMPLES, len(prompts)))
        ],
    )


def _score(prompts: Sequence[str], replies: Sequence[str], reward: HALReward):
    dialogues = [Dialogue.from_completion(p, r) for p, r in zip(prompts, replies, strict=True)]
    return reward.explain(prompts, replies), np.asarray(reward.scorer.score(dialogues))


def _number(value: float) -> float | None:
    """JSON knows no `nan`: an empty reply has no P(human)."""
    return None if np.isnan(value) else float(value)


def _side(replies: Sequence[str], frame: pd.DataFrame) -> Side:
    penalties = frame.filter(regex="^guard/(?!relevance$)").to_numpy()
    return Side(
        reward=bootstrap_mean(frame["reward"]),
        p_human=bootstrap_mean(frame["p_human"]),
        words=float(word_counts(replies).mean()),
        distinct_2=distinct_n(replies),
        degenerate=float((penalties >= 0.5).any(axis=1).mean()),
    )
