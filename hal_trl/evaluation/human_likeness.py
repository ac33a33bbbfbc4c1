"""How much replies read as if people had written them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..rewards import HALReward
from .behaviour import is_degenerate
from .rated_replies import RatedReplies, bundled_reward, known_mean, read_replies, warn_without_interval
from .statistics import Estimate


TRAIT_RESAMPLES = 2_000  # 32 intervals beside the headline


@dataclass(frozen=True)
class HumanLikeness:
    """Human-likeness of one set of replies; intervals are 95 % bootstrap intervals over replies.

    Args:
        n (`int`): Replies.
        p_human ([`Estimate`]): Mean P(human), 0-1, guards aside: how likely a person wrote it, if half of all texts
            are by people.
        log_odds ([`Estimate`]): Mean score in nats, guards aside; unbounded, 0 is P(human) = 0.5.
        reward ([`Estimate`]): Mean reward, guards included, 0-1. An empty reply earns 0.
        degenerate (`float`): Share, 0-1, that a guard other than honesty and relevance takes at least half of the
            reward from, or that has nothing to read. Where it is high, `p_human` means nothing.
        abstained (`float`): Share, 0-1, that could not be rated: no reply to read, or an empty one. They are part of
            no mean, but empty ones of that of `reward`.
        traits (`pandas.DataFrame`): Per trait id the `mean` rating (Likert 1-5), `low` and `high`.
    """

    n: int
    p_human: Estimate
    log_odds: Estimate
    reward: Estimate
    degenerate: float
    abstained: float
    traits: pd.DataFrame


def human_likeness(
    replies: Sequence[Any], prompts: Sequence[Any] | None = None, reward: HALReward | None = None
) -> HumanLikeness:
    """Measure replies with a reward's scorer, score and guards (HAL, huggingface.co/papers/2601.02813, section 3).

    Guards such as `worn` and `canned` look at all replies together: compare sets of about the same size.

    Args:
        replies (`Sequence` of `str` or chat messages): At least one; `None` where a model said nothing.
        prompts (`Sequence` of `str` or chat messages, *optional*): One per reply. Without them no guard can tell
            whether a reply answers anything.
        reward ([`HALReward`], *optional*, defaults to `HALReward()`): What measures.

    Raises:
        `ValueError`: if there is no reply, or not one prompt per reply.

    Example:
        ```python
        >>> from hal_trl.evaluation.human_likeness import human_likeness
        >>> result = human_likeness(["nah just gonna chill"], ["any plans?"])
        >>> result.n, result.abstained
        (1, 0.0)
        ```
    """
    reward = bundled_reward() if reward is None else reward
    dialogues = read_replies(replies, prompts)
    warn_without_interval(len(dialogues), "reply")
    frame = reward.explain([""] * len(replies) if prompts is None else prompts, replies)
    ratings = RatedReplies.explained(frame, reward).ratings
    means = [known_mean(column, TRAIT_RESAMPLES) for column in ratings.T]
    return HumanLikeness(
        n=len(dialogues),
        p_human=known_mean(frame["p_human"]),
        log_odds=known_mean(frame["log_odds"]),
        reward=known_mean(frame["reward"]),
        degenerate=float(is_degenerate(frame).mean()),
        abstained=float(np.isnan(frame["log_odds"]).mean()),
        traits=pd.DataFrame(
            [{"mean": mean.value, "low": mean.low, "high": mean.high} for mean in means],
            index=pd.Index(reward.scorer.traits.ids, name="trait"),
        ),
    )
