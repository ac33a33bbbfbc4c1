"""What the votes say: win rates, Bradley-Terry, Elo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..ratings import bradley_terry, elo
from ..statistics import bootstrap_mean
from ..votes import Votes
from .agreement import RaterAgreement, rater_agreement, scores_of_a


@dataclass(frozen=True)
class ArenaResults:
    """Figures of an arena.

    Args:
        votes (`int`), raters (`int`): How many.
        side_a (`float`): Mean score of side A, 0-1: near 0.5 where raters do not favour a side.
        systems (`pandas.DataFrame`):
            One row a system, best first: `votes`, `wins`, `ties`, `losses`; `win_rate`, the mean score (a tie is half
            a win, a "likely" three quarters), with `low` and `high` (95 % bootstrap interval over items);
            `bradley_terry` with `bt_low` and `bt_high`, in Elo points; `elo`.
        pairs (`pandas.DataFrame`): One row a pair: `system`, `other`, `votes`, `win_rate`, `low`, `high` of `system`.
        agreement ([`RaterAgreement`]): Between raters.
        note (`str`): Why Bradley-Terry is missing, if it is.
    """

    votes: int
    raters: int
    side_a: float
    systems: pd.DataFrame
    pairs: pd.DataFrame
    agreement: RaterAgreement
    note: str = ""


def arena_results(votes: pd.DataFrame) -> ArenaResults:
    """Count the votes.

    Args:
        votes (`pandas.DataFrame`): As [`VoteStore.votes`] gives them.

    Raises:
        `ValueError`: if there is no vote.
    """
    if votes.empty:
        raise ValueError("There are no votes yet.")
    scores = scores_of_a(votes)
    seen = pd.concat(
        [
            pd.DataFrame({"system": votes[one], "other": votes[two], "item": votes["item"], "score": score})
            for one, two, score in (("system_a", "system_b", scores), ("system_b", "system_a", 1 - scores))
        ]
    )
    systems = pd.DataFrame({name: _rates(of_one) for name, of_one in seen.groupby("system")}).T
    ratings, note = _ratings(votes, scores)
    pairs = [
        {"system": system, "other": other, **_rates(of_pair)}
        for (system, other), of_pair in seen[seen["system"] < seen["other"]].groupby(["system", "other"])
    ]
    return ArenaResults(
        votes=len(votes),
        raters=votes["rater"].nunique(),
        side_a=float(scores.mean()),
        systems=systems.join(ratings).sort_values("win_rate", ascending=False, kind="stable"),
        pairs=pd.DataFrame(pairs)[["system", "other", "votes", "win_rate", "low", "high"]],
        agreement=rater_agreement(votes),
        note=note,
    )


def _rates(votes: pd.DataFrame) -> dict[str, float]:
    # Several raters' votes on one item are not as many witnesses: the interval is over items.
    interval = bootstrap_mean(votes.groupby("item")["score"].mean(), resamples=2000)
    score = votes["score"]
    return {
        "votes": len(votes),
        "wins": int((score > 0.5).sum()),
        "ties": int((score == 0.5).sum()),
        "losses": int((score < 0.5).sum()),
        "win_rate": float(score.mean()),
        "low": interval.low,
        "high": interval.high,
    }


def _ratings(votes: pd.DataFrame, scores: np.ndarray) -> tuple[pd.DataFrame, str]:
    """Bradley-Terry and Elo by system, and what kept the former from being fitted."""
    pairs = Votes.from_pairs(votes["system_a"], votes["system_b"], scores)
    table = elo(pairs)[["elo"]]
    try:
        fitted = bradley_terry(pairs).table()
    except ValueError as error:  # a system that never took a point has no finite strength
        return table.assign(bradley_terry=np.nan, bt_low=np.nan, bt_high=np.nan), str(error)
    return table.join(fitted.set_axis(["bradley_terry", "bt_low", "bt_high"], axis=1)), ""
