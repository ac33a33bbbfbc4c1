"""`questionnaire.md`: the traits with their weights, dialogues that show them, and how well they tell."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..dialogue import Dialogue, Turn
from ..hub.figures import written
from ..hub.markdown import cell
from ..traits import TraitRatings, TraitSet
from .pairs import Pairs


_TURNS, _LONGEST = 4, 200


def examples(ratings: TraitRatings, pairs: Pairs, traits: TraitSet) -> dict[str, list[dict[str, Any]]]:
    """For each trait the dialogue that shows it most and the one that shows it least.

    Among dialogues with the same rating, the one that is lower (higher) on the traits as a whole, so that it is about
    this trait.

    Returns:
        `dict`: by trait id, two times `rating`, `pair_id`, `is_human` and `turns` ([`Turn`]s, shortened).
    """
    values = np.asarray(ratings.for_traits(traits))
    rated = np.flatnonzero(~np.isnan(values).any(axis=1))
    apart = values[rated] - 0.1 * values[rated].mean(axis=1, keepdims=True)
    chosen = {}
    for column, trait in enumerate(traits):
        ends = rated[[apart[:, column].argmax(), apart[:, column].argmin()]]
        chosen[trait.id] = [
            {
                "rating": float(values[i, column]),
                "pair_id": pairs.pair_id[i],
                "is_human": bool(pairs.is_human[i]),
                "turns": excerpt(pairs.dialogues[i]),
            }
            for i in ends
        ]
    return chosen


def excerpt(dialogue: Dialogue) -> list[Turn]:
    """Four turns in a row, those in which the target says most, each shortened to 200 characters."""
    turns = dialogue.turns[dialogue.start :]
    said = [len(turn.text[:_LONGEST]) if turn.speaker == dialogue.target else 0 for turn in turns]
    start = max(range(max(1, len(turns) - _TURNS + 1)), key=lambda i: sum(said[i : i + _TURNS]))
    return [
        Turn(turn.speaker, textwrap.shorten(turn.text, _LONGEST, placeholder=" …"))
        for turn in turns[start : start + _TURNS]
    ]


def render_questionnaire(
    figures: Mapping[str, Any], bias: float, shown: Mapping[str, list[dict[str, Any]]], has_map: bool
) -> str:
    """The page. What models and dialogues said is escaped: it is neither markup nor HTML there.

    Args:
        figures (`Mapping`): The content of `discovery.json`.
        bias (`float`): Of the score.
        shown (`Mapping`): As from `examples`.
        has_map (`bool`): Whether `clusters.png` is there to show.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(cell=cell, figure=written)
    selected = [trait for trait in figures["traits"] if trait["selected"]]
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for trait in sorted(selected, key=lambda trait: -abs(trait["weight"])):
        groups.setdefault(trait["group"], []).append(trait)
    rest = [trait for trait in figures["traits"] if not trait["selected"]]
    template = environment.get_template("questionnaire.md")
    return template.render(**figures, groups=groups, rest=rest, bias=bias, shown=shown, has_map=has_map) + "\n"
