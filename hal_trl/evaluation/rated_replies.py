"""Replies as metrics take them, text or chat messages, with or without prompts, and what a reward's scorer says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from ..dialogue import Dialogue, read_completions
from ..rewards import HALReward
from ..scorers.base import rate
from ..traits import TraitRatings
from .statistics import Estimate, bootstrap_mean, word_counts


logger = logging.getLogger(__name__)

UNKNOWN = Estimate(float("nan"), float("nan"), float("nan"))


@cache
def bundled_reward() -> HALReward:
    """`HALReward()`, made once."""
    return HALReward()


def read_replies(replies: Sequence[Any], prompts: Sequence[Any] | None = None) -> list[Dialogue | None]:
    """Each reply with its prompt; `None` where there is none to read: no text, or reasoning that never ended.

    Args:
        replies (`Sequence` of `str` or chat messages): At least one. `None` stands for a model that said nothing.
        prompts (`Sequence` of `str` or chat messages, *optional*): One per reply.

    Raises:
        `ValueError`: if there is no reply, or not one prompt per reply.
    """
    if isinstance(replies, str) or isinstance(prompts, str):
        raise ValueError("Give a list of replies, and a list of prompts, not one text.")
    if not len(replies):
        raise ValueError("No replies: give at least one.")
    prompts = [""] * len(replies) if prompts is None else prompts
    if len(prompts) != len(replies):
        raise ValueError(f"{len(prompts)} prompts but {len(replies)} replies; give one prompt per reply.")
    return read_completions(prompts, replies)


def text_of(dialogue: Dialogue | None) -> str:
    """What was replied; empty where nothing could be read."""
    return "" if dialogue is None else "\n".join(dialogue.target_texts)


@dataclass(frozen=True)
class RatedReplies:
    """Replies as a reward's scorer and score see them, guards aside; `nan` where there is nothing to rate.

    Args:
        ratings (`np.ndarray`): Likert 1-5, shape `(n, len(scorer.traits))`.
        log_odds (`np.ndarray`): Nats, shape `(n,)`.
        n_words (`np.ndarray`): Shape `(n,)`.
    """

    ratings: np.ndarray
    log_odds: np.ndarray
    n_words: np.ndarray

    @classmethod
    def of(cls, dialogues: Sequence[Dialogue | None], reward: HALReward) -> RatedReplies:
        """Rate all replies in one call of the scorer."""
        return cls._of(rate(reward.scorer, dialogues), [text_of(dialogue) for dialogue in dialogues], reward)

    @classmethod
    def explained(cls, frame: pd.DataFrame, reward: HALReward) -> RatedReplies:
        """From what the reward's [`~hal_trl.HALReward.explain`] said of them: nothing is rated again."""
        traits = reward.scorer.traits
        return cls._of(TraitRatings(frame[[f"rating/{i}" for i in traits.ids]], traits), frame["completion"], reward)

    @classmethod
    def _of(cls, ratings: TraitRatings, texts: Sequence[str], reward: HALReward) -> RatedReplies:
        return cls(np.asarray(ratings), reward.likeness.log_odds(ratings), word_counts(texts))


def known_mean(values: Sequence[float] | np.ndarray, resamples: int = 10_000) -> Estimate:
    """[`bootstrap_mean`] of what is known; `nan` instead of an error where nothing is."""
    return bootstrap_mean(values, resamples) if np.isfinite(np.asarray(values, dtype=float)).any() else UNKNOWN


def warn_without_interval(n: int, what: str) -> None:
    """Say why an interval is `nan`."""
    if n < 2:
        logger.warning("%d %s: there is no interval for that, low and high are nan.", n, what)
