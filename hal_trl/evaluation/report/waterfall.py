"""How one reply came by its score: what each trait added, and which words it hangs on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...dialogue import Dialogue


if TYPE_CHECKING:
    from ...rewards import HALReward

_TRAIT = "trait/"
_SHOWN = 8  # bars that still have a name
_STRONGEST = 6  # words that are highlighted
_LEAST = 0.05  # nats; below, a word is not worth a colour
_SAME = 0.02  # nats between a stored score and the same one computed again


@dataclass(frozen=True)
class Waterfall:
    """Log-odds (nats) of a reply, taken apart.

    Args:
        start (`float`): What a reply with people's average ratings gets.
        steps (`list[tuple[str, float]]`): What each trait adds to that, the strongest first, then the rest together.
        total (`float`): What this reply gets.
    """

    start: float
    steps: list[tuple[str, float]]
    total: float


@dataclass(frozen=True)
class Piece:
    """A piece of a reply: a word or the space between two; `effect` (nats) is set on the words that matter most."""

    text: str
    effect: float | None = None


def typical_reply(rows: pd.DataFrame) -> int:
    """Position of the reply with the median reward, among those that were rated; there must be one."""
    rewards = rows["reward"].where(rows["log_odds"].notna()).to_numpy(dtype=float)
    return int(np.nanargmin(np.abs(rewards - np.nanmedian(rewards))))


def waterfall_of(row: pd.Series) -> Waterfall:
    """Take apart the score of one row of [`HALReward.explain`]."""
    added = {name.removeprefix(_TRAIT): float(row[name]) for name in row.index if str(name).startswith(_TRAIT)}
    start = float(row["log_odds"]) + _length_of(row) - sum(added.values())
    strongest = sorted(added, key=lambda trait: -abs(added[trait]))
    steps = [(trait, added[trait]) for trait in strongest[:_SHOWN]]
    if strongest[_SHOWN:]:
        steps.append((f"{len(strongest) - _SHOWN} other traits", sum(added[trait] for trait in strongest[_SHOWN:])))
    if _length_of(row):
        steps.append(("taken off for length", -_length_of(row)))
    return Waterfall(start, steps, float(row["log_odds"]))


def words_of(reward: HALReward, row: pd.Series) -> list[Piece] | None:
    """The reply in pieces; the words whose absence changes the score most have their effect.

    Occlusion: each word is left out and the rest is rated again. An effect above 0 means that the word made the reply
    more human-like. Effects do not add up: words work together.

    Args:
        reward ([`HALReward`]): The one that the evaluation used; its scorer and score are asked, guards are not.
        row (`pandas.Series`): `prompt` or `chat`, `completion` and `log_odds`, as in `replies.parquet`.

    Returns:
        `list[Piece]`, which joined are the reply; `None` where `reward` gives the reply another score than the
        evaluation did, so that its words would explain something else.
    """
    reply = str(row["completion"])
    prompt = json.loads(row["chat"]) if "chat" in row.index else str(row["prompt"])
    spans = [match.span() for match in re.finditer(r"\S+", reply)]
    without = [(reply[:start] + reply[end:].lstrip()).strip() for start, end in spans]
    texts = [reply, *without] if len(spans) > 1 else [reply]  # nothing at all cannot be rated
    scores = reward.likeness.log_odds(reward.scorer.score([Dialogue.from_completion(prompt, text) for text in texts]))
    if not abs(scores[0] - (row["log_odds"] + _length_of(row))) <= _SAME:
        return None
    effects = np.nan_to_num(scores[0] - scores[1:])
    strongest = {int(i) for i in np.argsort(-np.abs(effects), kind="stable")[:_STRONGEST] if abs(effects[i]) >= _LEAST}
    pieces, end = [], 0
    for i, span in enumerate(spans):
        pieces.append(Piece(reply[end : span[0]]))
        pieces.append(Piece(reply[slice(*span)], float(effects[i]) if i in strongest else None))
        end = span[1]
    return [piece for piece in (*pieces, Piece(reply[end:])) if piece.text]


def _length_of(row: pd.Series) -> float:
    """Log-odds that a length-neutral reward took off."""
    return float(row["length"]) if "length" in row.index else 0.0
