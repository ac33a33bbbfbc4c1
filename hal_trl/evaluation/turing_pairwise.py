"""Whose reply reads more like a person's: the model's, or that of a person, to the same prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..rewards import HALReward
from .rated_replies import UNKNOWN, bundled_reward, read_replies, warn_without_interval
from .statistics import Estimate


_Z = 1.959964  # 95 %


@dataclass(frozen=True)
class TuringPairwise:
    """How often a model's reply outranks a person's.

    Args:
        n (`int`): Pairs that were compared.
        win_rate ([`Estimate`]): Share of pairs, 0-1, in which the model's reply earns more reward, guards included; a
            tie counts half. 0.5 is indistinguishable, below it people are ahead. The reward has a ceiling that many
            of people's replies reach: two replies above it are equally human.
        win_rate_unguarded ([`Estimate`]): The same by log-odds alone. Where it is far above `win_rate`, the model wins
            by what no person would say.
        ties (`float`): Share of pairs, 0-1, with equal rewards.
        abstained (`float`): Share of all pairs, 0-1, left out because one side has no reply to read. An empty reply is
            one, and loses.
    """

    n: int
    win_rate: Estimate
    win_rate_unguarded: Estimate
    ties: float
    abstained: float


def turing_pairwise(
    replies: Sequence[Any],
    references: Sequence[Any],
    prompts: Sequence[Any] | None = None,
    reward: HALReward | None = None,
) -> TuringPairwise:
    """Compare a model's replies with people's replies to the same prompts, pair by pair.

    As the paper compares the two witnesses of a game (HAL, huggingface.co/papers/2601.02813). Intervals are Wilson's,
    95 %, which stay honest near 0 and 1, and are too wide rather than too narrow where there are ties.

    Guards such as `canned` and `worn` look at all replies of a side together, so that one good reply for every prompt
    wins nothing. By `win_rate_unguarded` each pair stands for itself.

    Args:
        replies (`Sequence` of `str` or chat messages), references (`Sequence` of `str` or chat messages): The model's
            and people's, one of each per prompt.
        prompts (`Sequence` of `str` or chat messages, *optional*): One per pair. Without them no guard can tell
            whether a reply answers anything.
        reward ([`HALReward`], *optional*, defaults to `HALReward()`): What judges.

    Raises:
        `ValueError`: if there is no pair, or the lengths differ.

    Example:
        ```python
        >>> from hal_trl.evaluation.turing_pairwise import turing_pairwise
        >>> same = turing_pairwise(["nah, you?"], ["nah, you?"], ["any plans?"])
        >>> same.win_rate.value, same.ties
        (0.5, 1.0)
        ```
    """
    reward = bundled_reward() if reward is None else reward
    if len(replies) != len(references):
        raise ValueError(f"{len(replies)} replies but {len(references)} references; give one of each per prompt.")
    for side in (replies, references):
        read_replies(side, prompts)  # refuses what cannot be compared before anything is scored
    prompts = [""] * len(replies) if prompts is None else prompts
    return outranked(reward.explain(prompts, replies), reward.explain(prompts, references))


def outranked(model: pd.DataFrame, people: pd.DataFrame) -> TuringPairwise:
    """[`turing_pairwise`] of replies that [`~hal_trl.HALReward.explain`] has explained already, row by row."""
    both = (model["reward"].notna() & people["reward"].notna()).to_numpy()
    warn_without_interval(int(both.sum()), "pair")
    rewards = _outcomes(model["reward"].to_numpy()[both], people["reward"].to_numpy()[both])
    return TuringPairwise(
        n=int(both.sum()),
        win_rate=_win_rate(rewards),
        win_rate_unguarded=_win_rate(_outcomes(_log_odds(model)[both], _log_odds(people)[both])),
        ties=float((rewards == 0.5).mean()) if both.any() else float("nan"),
        abstained=float(1 - both.mean()),
    )


def _log_odds(frame: pd.DataFrame) -> np.ndarray:
    """An empty reply, which has no log-odds, stands below all others."""
    return np.nan_to_num(frame["log_odds"].to_numpy(), nan=-np.inf, neginf=-np.inf)


def _outcomes(model: np.ndarray, people: np.ndarray) -> np.ndarray:
    """1 where the model is ahead, 0 where the person is, 0.5 for a tie.

    The last bits of a score depend on what else is in its batch, and are no lead.
    """
    return np.where(np.isclose(model, people, rtol=0, atol=1e-6), 0.5, np.where(model > people, 1.0, 0.0))


def _win_rate(outcomes: np.ndarray) -> Estimate:
    """Mean outcome with Wilson's score interval (Wilson 1927); `nan` for the interval of one pair."""
    n = len(outcomes)
    if not n:
        return UNKNOWN
    mean = float(outcomes.mean())
    if n == 1:
        return Estimate(mean, float("nan"), float("nan"))
    # scipy's binomtest wants whole numbers of wins, and half-wins are none.
    middle = (mean + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(mean * (1 - mean) / n + _Z**2 / (4 * n**2))
    return Estimate(mean, float(middle - half), float(middle + half))
