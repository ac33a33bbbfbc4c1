"""Best of n: the cheapest policy of all picks, from a model's own replies, the one that the reward likes best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..rewards import HALReward
from ..rewards.audit import Case, RewardFunction, rewards_of
from ..rewards.degenerate import is_degenerate
from .statistics import Estimate, bootstrap_mean


_WORST = 5


@dataclass(frozen=True)
class BestOfN:
    """What picking by reward reaches, beside people's replies to the same prompts; intervals are over prompts.

    Args:
        n (`int`): Replies to choose from at each prompt.
        n_prompts (`int`): Prompts.
        random ([`Estimate`]), best ([`Estimate`]), human ([`Estimate`]): Mean rewards of the first of the n, of the
            one with the highest reward, and of people's replies, from one call.
        degenerate ([`Estimate`]): Share of the best that are degenerate ([`~hal_trl.evaluation.Behaviour`]).
        human_above (`float`): Share of prompts, 0-1, at which the person's reply earns more than the best; a tie
            counts half.
        human_95 (`float`): 95th percentile of people's rewards.
        gap_mean (`float`), gap_max (`float`): Reward of the best minus `human_95`.
        worst (`list[dict]`): The best replies with the highest rewards: `prompt`, `human`, `best`, `reward_human`,
            `reward_best`.
    """

    n: int
    n_prompts: int
    random: Estimate
    best: Estimate
    human: Estimate
    degenerate: Estimate
    human_above: float
    human_95: float
    gap_mean: float
    gap_max: float
    worst: list[dict[str, object]]


def best_of_n(
    reward: RewardFunction, cases: Sequence[Case], replies: Sequence[Sequence[str]], judge: HALReward
) -> BestOfN:
    """Choose the best reply to each case's prompt by the reward, and compare it with the person's reply.

    Args:
        reward (`Callable`): The attacked reward.
        cases (`Sequence[Case]`): Prompts with people's replies.
        replies (`Sequence[Sequence[str]]`): n replies of a model to each prompt. One call of the reward sees them all.
        judge ([`HALReward`]): With its default guards: says which replies are degenerate.
    """
    n, prompts, people = len(replies[0]), [case.prompt for case in cases], [case.human for case in cases]
    every = rewards_of(reward, [p for p in prompts for _ in range(n)], [reply for group in replies for reply in group])
    best = [group[i] for group, i in zip(replies, every.reshape(-1, n).argmax(axis=1), strict=True)]
    first = [group[0] for group in replies]
    rewards = rewards_of(reward, prompts * 3, [*first, *best, *people]).reshape(3, -1)
    _, of_best, of_people = rewards
    human_95 = float(np.percentile(of_people, 95))
    return BestOfN(
        n=n,
        n_prompts=len(prompts),
        random=bootstrap_mean(rewards[0]),
        best=bootstrap_mean(of_best),
        human=bootstrap_mean(of_people),
        degenerate=bootstrap_mean(is_degenerate(judge.explain(prompts, best))),
        human_above=float((of_people > of_best).mean() + 0.5 * (of_people == of_best).mean()),
        human_95=human_95,
        gap_mean=float(of_best.mean() - human_95),
        gap_max=float(of_best.max() - human_95),
        worst=[
            {
                "prompt": prompts[i],
                "human": people[i],
                "best": best[i],
                "reward_human": float(of_people[i]),
                "reward_best": float(of_best[i]),
            }
            for i in np.argsort(-of_best, kind="stable")[:_WORST]
        ],
    )
