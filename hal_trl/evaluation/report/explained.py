"""One reply, taken apart, ready for the page."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ...rewards import HALReward
from .evaluation_folder import EvaluationFolder
from .waterfall import Piece, Waterfall, typical_reply, waterfall_of, words_of


@dataclass(frozen=True)
class Explained:
    """One reply of a model.

    Args:
        row (`pandas.Series`): Its row of `replies.parquet`.
        chosen (`str`): How it was chosen, in words.
        waterfall ([`Waterfall`]): What each trait added.
        pieces (`list[Piece]`): The reply, its strongest words with their effect.
        words_known (`bool`): Whether the words could be weighed.
        guards (`list[tuple[str, float]]`): What took from the reward, and how much.
    """

    row: pd.Series
    chosen: str
    waterfall: Waterfall
    pieces: list[Piece]
    words_known: bool
    guards: list[tuple[str, float]]

    @property
    def strongest(self) -> list[Piece]:
        """The highlighted words, those for a person first."""
        marked = [piece for piece in self.pieces if piece.effect is not None]
        return sorted(marked, key=lambda piece: -piece.effect)


def explain_reply(
    evaluation: EvaluationFolder, model: str, reward: HALReward | None, number: int | None
) -> Explained | None:
    """Take apart the reply to prompt `number` (from 1), or a typical one; `None` if the model has no rated reply.

    Raises:
        `ValueError`: if the reply asked for is not there, or was not rated.
    """
    rows = evaluation.rows(model)
    if number is None:
        if rows["log_odds"].isna().all():
            return None
        row, chosen = rows.iloc[typical_reply(rows)], "the reply with the median reward"
    else:
        if not 1 <= number <= len(rows):
            raise ValueError(f"{model} has replies 1 to {len(rows)}, not {number}.")
        row, chosen = rows.iloc[number - 1], f"reply {number}, picked by hand"
        if pd.isna(row["log_odds"]):
            raise ValueError(f"Reply {number} of {model} was not rated (it says nothing); choose another.")
    pieces = words_of(HALReward() if reward is None else reward, row)
    penalties = {str(name).removeprefix("guard/"): row[name] for name in row.index if str(name).startswith("guard/")}
    return Explained(
        row,
        chosen,
        waterfall_of(row),
        pieces or [Piece(str(row["completion"]))],
        pieces is not None,
        [(name, float(penalty)) for name, penalty in penalties.items() if penalty >= 0.005],
    )
