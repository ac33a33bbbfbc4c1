"""Before and after: what alignment changed in the replies to the same prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from ..rewards import HALReward
from ..rewards.degenerate import is_degenerate
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
        degenerate (`float`): Share of replies that a guard of form takes at least half of the reward from, or that
            cannot be read; as in every other figure of that name ([`~hal_trl.rewards.degenerate.is_degenerate`]).
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
        n (`int`): Prompts.
        prompt_set (`str`), scorer (`str`): What the prompts and the scorer that judged are called.
        before ([`Side`]), after ([`Side`]): Each on its own.
        reward_gain ([`Estimate`]), p_human_gain ([`Estimate`]): After minus before, paired by prompt.
        distinct_2_ratio (`float`): Diversity after against before, the longer replies cut to the words of the shorter,
            reply by reply: short texts repeat themselves less, and brevity alone should not pass for variety.
        trait_shift (`dict[str, Estimate]`): Change of each trait's mean rating (Likert points), paired by prompt.
        samples (`list[dict]`): The first prompts with both replies and both P(human), unselected.
    """

    n: int
    prompt_set: str
    scorer: str
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


def compare(
    prompts: Sequence[str],
    before: Sequence[str],
    after: Sequence[str],
    reward: HALReward,
    prompt_set: str = "prompts of one's own",
) -> Comparison:
    """Compare two sets of replies to the same prompts.

    Args:
        prompts (`Sequence[str]`), before (`Sequence[str]`), after (`Sequence[str]`): One of each per prompt.
        reward ([`HALReward`]): What judges.
        prompt_set (`str`, *optional*): What a model card calls the prompts.

    Raises:
        `ValueError`: if the three do not have the same length, or there is none.
    """
    if not (len(prompts) == len(before) == len(after) > 0):
        raise ValueError(
            f"{len(prompts)} prompts, {len(before)} replies before and {len(after)} after: give one of each per "
            f"prompt."
        )
    explained = [reward.explain(prompts, replies) for replies in (before, after)]
    return compare_explained(prompts, *explained, prompt_set=prompt_set, scorer=reward.settings()["scorer"])


def compare_explained(
    prompts: Sequence[str], before: pd.DataFrame, after: pd.DataFrame, *, prompt_set: str, scorer: str
) -> Comparison:
    """[`compare`] replies that [`~hal_trl.HALReward.explain`] has explained already, row by row.

    Args:
        prompts (`Sequence[str]`): As the samples show them, one a row.
        before (`pandas.DataFrame`), after (`pandas.DataFrame`): Explained by one reward.
        prompt_set (`str`), scorer (`str`): What the prompts and the reward's scorer are called.
    """
    shift = after.filter(regex="^rating/").to_numpy() - before.filter(regex="^rating/").to_numpy()
    traits = [name.removeprefix("rating/") for name in before if name.startswith("rating/")]
    said = [frame["completion"].tolist() for frame in (before, after)]
    return Comparison(
        n=len(prompts),
        prompt_set=prompt_set,
        scorer=scorer,
        before=_side(before),
        after=_side(after),
        reward_gain=bootstrap_mean(after["reward"].to_numpy() - before["reward"].to_numpy()),
        p_human_gain=bootstrap_mean(after["p_human"].to_numpy() - before["p_human"].to_numpy()),
        distinct_2_ratio=distinct_ratio(*said),
        trait_shift={trait: bootstrap_mean(column) for trait, column in zip(traits, shift.T, strict=True)},
        samples=[
            {
                "prompt": prompts[i],
                "before": said[0][i],
                "after": said[1][i],
                "p_human_before": _number(before["p_human"].iloc[i]),
                "p_human_after": _number(after["p_human"].iloc[i]),
            }
            for i in range(min(N_SAMPLES, len(prompts)))
        ],
    )


def _number(value: float) -> float | None:
    """JSON knows no `nan`: an empty reply has no P(human)."""
    return None if np.isnan(value) else float(value)


def _side(frame: pd.DataFrame) -> Side:
    replies = frame["completion"].tolist()
    return Side(
        reward=bootstrap_mean(frame["reward"]),
        p_human=bootstrap_mean(frame["p_human"]),
        words=float(word_counts(replies).mean()),
        distinct_2=distinct_n(replies),
        degenerate=float(is_degenerate(frame).mean()),
    )
