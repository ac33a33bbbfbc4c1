"""Do raters agree with each other, and with HALReward?"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from ...rewards import HALReward
from ...rewards.guards import default_guards
from ..statistics import Estimate, bootstrap_mean
from ..votes import VERDICTS
from .votes import Chat


@dataclass(frozen=True)
class RaterAgreement:
    """How far raters who read the same two replies agree; `nan` without an item that two have judged.

    Args:
        items (`int`): Items that at least two raters have judged.
        same (`float`): Share of pairs of raters on one item, 0-1, who name the same system, or both say tie.
        alpha (`float`): Krippendorff's alpha of the five choices, in their order: 1 is full agreement, 0 chance.
    """

    items: int
    same: float
    alpha: float


@dataclass(frozen=True)
class RewardAgreement:
    """How far raters and HALReward prefer the same side.

    Args:
        votes (`int`): Votes compared: no tie, two replies that could be read, different rewards.
        same (`Estimate`, *optional*): Share of items, 0-1, at which HALReward's side is the rater's; several raters'
            votes on an item are averaged first. `None` without a vote to compare.
    """

    votes: int
    same: Estimate | None


def scores_of_a(votes: pd.DataFrame) -> np.ndarray:
    """What A gets, as in HAL: 1 certainly A, 0.75 likely A, 0.5 tie, 0.25 likely B, 0 certainly B; shape `(n,)`."""
    return votes["choice"].map(VERDICTS).to_numpy(dtype=float)


def rater_agreement(votes: pd.DataFrame) -> RaterAgreement:
    """Agreement on items with several raters, the latest vote of a rater on an item counting."""
    import krippendorff

    # Sides are drawn for each rater: seen from the system that comes first in the alphabet.
    scores = scores_of_a(votes)
    turned = np.where(votes["system_a"] <= votes["system_b"], scores, 1 - scores)
    latest = votes.assign(score=turned).drop_duplicates(["item", "rater"], keep="last")
    table = latest.pivot(index="rater", columns="item", values="score")
    table = table.loc[:, table.notna().sum() >= 2]
    if table.empty:
        return RaterAgreement(0, float("nan"), float("nan"))
    named = [np.sign(table[item].dropna().to_numpy() - 0.5) for item in table]
    same = [first == second for item in named for first, second in combinations(item, 2)]
    varied = len(np.unique(table.to_numpy()[table.notna().to_numpy()])) > 1  # alpha is not defined without variety
    alpha = krippendorff.alpha(table.to_numpy(), level_of_measurement="ordinal") if varied else float("nan")
    return RaterAgreement(table.shape[1], float(np.mean(same)), float(alpha))


def reward_agreement(
    votes: pd.DataFrame, reward: HALReward | None = None, known: MutableMapping[str, float] | None = None
) -> RewardAgreement:
    """Compare raters' choices with the mean reward of each side's replies.

    Args:
        votes (`pandas.DataFrame`): As [`VoteStore.votes`] gives them.
        reward ([`HALReward`], *optional*, defaults to [`judging_reward`]): What to compare with.
        known (`MutableMapping[str, float]`, *optional*): Reward of A minus reward of B by vote id: used where present,
            filled where not.
    """
    known = {} if known is None else known
    new = votes[~votes["id"].isin(list(known))]
    if len(new):
        reward = judging_reward() if reward is None else reward
        sides = mean_rewards([*new["chat_a"], *new["chat_b"]], reward).reshape(2, -1)
        known.update(zip(new["id"], (sides[0] - sides[1]).tolist(), strict=True))
    chosen, margin = np.sign(scores_of_a(votes) - 0.5), np.array([known[id] for id in votes["id"]], dtype=float)
    compared = (chosen != 0) & (np.nan_to_num(margin) != 0)
    if not compared.any():
        return RewardAgreement(0, None)
    same = pd.Series(chosen[compared] == np.sign(margin[compared]), dtype=float)
    by_item = same.groupby(votes["item"].to_numpy()[compared]).mean()
    return RewardAgreement(int(compared.sum()), bootstrap_mean(by_item))


def judging_reward() -> HALReward:
    """`HALReward()` without the guards that look at a whole batch: a rater sees one conversation at a time."""
    return HALReward(guards=[guard for guard in default_guards() if not getattr(guard, "across_batch", False)])


def mean_rewards(chats: list[Chat], reward: HALReward) -> np.ndarray:
    """Mean reward of the assistant's replies in each chat, each in the light of what was said before; shape `(n,)`."""
    turns = [
        (i, chat[:j], message["content"])
        for i, chat in enumerate(chats)
        for j, message in enumerate(chat)
        if message["role"] == "assistant"
    ]
    rewards = reward([before for _, before, _ in turns], [text for _, _, text in turns])
    earned = pd.Series(pd.array(rewards, dtype="Float64").to_numpy(float, na_value=np.nan))
    return earned.groupby([i for i, _, _ in turns]).mean().reindex(range(len(chats))).to_numpy()
