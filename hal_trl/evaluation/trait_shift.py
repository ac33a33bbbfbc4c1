"""Which traits differ between two sets of replies to the same prompts, and how much of the gain is mere length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..rewards import HALReward
from .human_likeness import TRAIT_RESAMPLES
from .rated_replies import UNKNOWN, RatedReplies, bundled_reward, known_mean, read_replies, warn_without_interval
from .statistics import Estimate
from .two_samples import benjamini_hochberg, cliffs_delta, mann_whitney, paired_difference


@dataclass(frozen=True)
class TraitShift:
    """What changed from one set of replies to another; intervals are 95 % paired bootstrap intervals over prompts.

    Args:
        n (`int`): Pairs in which both replies could be rated.
        abstained (`float`): Share of all pairs, 0-1, left out because one side is empty or has nothing to read.
        gain ([`Estimate`]): Mean log-odds (nats) after minus before, guards aside.
        gain_by_length ([`Estimate`]): The part that the number of words alone accounts for
            ([`~hal_trl.length_effect.LengthEffect`]); `nan` for a score that has learned none.
        gain_beyond_length ([`Estimate`]): The rest, as `HALReward(length_neutral=True)` sees it.
        length_share (`float`): `gain_by_length / gain`; below 0 where length works against the gain, above 1 where the
            rest does. `nan` where the interval of `gain` holds 0: a share of nothing means nothing.
        words ([`Estimate`]): Mean words a reply, after minus before.
        traits (`pandas.DataFrame`): Per trait id, the largest |Cliff's delta| first: `difference` of the mean ratings
            (Likert points, -4 to 4) with `low` and `high`, `cliffs_delta` (-1 to 1), `p` (Mann-Whitney) and
            `p_adjusted` (Benjamini-Hochberg over the traits).
    """

    n: int
    abstained: float
    gain: Estimate
    gain_by_length: Estimate
    gain_beyond_length: Estimate
    length_share: float
    words: Estimate
    traits: pd.DataFrame


def trait_shift(
    after: Sequence[Any],
    before: Sequence[Any],
    prompts: Sequence[Any] | None = None,
    reward: HALReward | None = None,
) -> TraitShift:
    """Compare two sets of replies to the same prompts, trait by trait.

    People write shorter than most AIs, so that some of every gain in human-likeness is brevity (in HAL,
    huggingface.co/papers/2601.02813, about half): the gain is told apart into what length alone brings and the rest.

    Args:
        after (`Sequence` of `str` or chat messages), before (`Sequence` of `str` or chat messages): Replies, one of
            each per prompt.
        prompts (`Sequence` of `str` or chat messages, *optional*): One per pair.
        reward ([`HALReward`], *optional*, defaults to `HALReward()`): Its scorer and score measure; guards do not.

    Raises:
        `ValueError`: if there is no pair, or the lengths differ.

    Example:
        ```python
        >>> from hal_trl.evaluation.trait_shift import trait_shift
        >>> shift = trait_shift(["nah, you?"] * 2, ["I have no plans at present."] * 2, ["any plans?"] * 2)
        >>> bool(shift.traits.loc["lowercase", "difference"] > 0)
        True
        ```
    """
    reward = bundled_reward() if reward is None else reward
    if len(after) != len(before):
        raise ValueError(f"{len(after)} replies after but {len(before)} before; give one of each per prompt.")
    return shift_between(*(RatedReplies.of(read_replies(side, prompts), reward) for side in (after, before)), reward)


def shift_between(new: RatedReplies, old: RatedReplies, reward: HALReward) -> TraitShift:
    """[`trait_shift`] of replies that the reward's scorer has rated already, pair by pair."""
    both = ~np.isnan(new.log_odds) & ~np.isnan(old.log_odds)
    warn_without_interval(int(both.sum()), "pair")
    gained = (new.log_odds - old.log_odds)[both]
    gain, by_length, beyond = known_mean(gained), UNKNOWN, UNKNOWN
    effect = reward.likeness.length_effect
    if effect is not None:
        of_length = (effect(new.n_words) - effect(old.n_words))[both]
        by_length, beyond = known_mean(of_length), known_mean(gained - of_length)
    clear = gain.low > 0 or gain.high < 0  # not so for nan
    return TraitShift(
        n=int(both.sum()),
        abstained=float(1 - both.mean()),
        gain=gain,
        gain_by_length=by_length,
        gain_beyond_length=beyond,
        length_share=by_length.value / gain.value if clear else float("nan"),
        words=known_mean((new.n_words - old.n_words)[both]),
        traits=_per_trait(new.ratings[both], old.ratings[both], reward.scorer.traits.ids),
    )


def _per_trait(after: np.ndarray, before: np.ndarray, ids: Sequence[str]) -> pd.DataFrame:
    rows = []
    for new, old in zip(after.T, before.T, strict=True):
        rated = ~np.isnan(new - old)
        difference = paired_difference(new, old, TRAIT_RESAMPLES) if rated.any() else UNKNOWN
        rows.append(
            {
                "difference": difference.value,
                "low": difference.low,
                "high": difference.high,
                "cliffs_delta": cliffs_delta(new[rated], old[rated]),
                "p": mann_whitney(new[rated], old[rated]),
            }
        )
    table = pd.DataFrame(rows, index=pd.Index(ids, name="trait"))
    table["p_adjusted"] = benjamini_hochberg(table["p"])
    return table.sort_values("cliffs_delta", key=lambda delta: -delta.abs(), kind="stable")
