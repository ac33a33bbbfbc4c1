"""The tables of a report: head and rows of cells, each a figure with its interval below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...hub.figures import value
from .evaluation_folder import EvaluationFolder, estimate
from .findings import bounds, number


@dataclass(frozen=True)
class Row:
    """One measure: its name, which way is better ("higher", "lower" or ""), and per column figure and interval."""

    name: str
    better: str
    cells: list[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    head: list[str]
    rows: list[Row]


_MEASURES = (
    # key, name, better, digits (`None` for a share, in per cent)
    ("p_human", "P(human)", "higher", 3),
    ("reward", "reward", "higher", 3),
    ("degenerate", "degenerate", "lower", None),
    ("off_topic", "beside the point", "lower", None),
    ("honest", "honest when asked", "higher", None),
    ("above_people", "outranks people", "", None),
    ("questions", "asks something", "", None),
    ("words", "words a reply", "", 1),
    ("distinct_2", "distinct-2", "higher", 3),
    ("self_bleu", "self-BLEU", "lower", 3),
    ("repeated", "repeated", "lower", None),
    ("abstained", "not rated", "lower", None),
    ("n", "replies", "", 0),
)


def system_table(evaluation: EvaluationFolder) -> Table:
    """Each measure by system; measures that nobody has are left out."""
    systems = [evaluation.system(name) for name in evaluation.order]
    rows = [
        Row(name, better, [_cell(system.get(key), digits) for system in systems])
        for key, name, better, digits in _MEASURES
        if any(value(system.get(key)) is not None for system in systems)
    ]
    return Table(evaluation.order, rows)


def guard_table(evaluation: EvaluationFolder) -> Table | None:
    """Share of replies that each guard penalised, by system; guards that never did are left out."""
    shares = [evaluation.system(name).get("guards") or {} for name in evaluation.order]
    fired = [
        guard
        for guard in dict.fromkeys(guard for share in shares for guard in share)
        if any(value(share.get(guard)) for share in shares)
    ]
    fired.sort(key=lambda guard: -max(value(share.get(guard)) or 0.0 for share in shares))
    rows = [Row(guard, "lower", [_cell(share.get(guard), None) for share in shares]) for guard in fired]
    return Table(evaluation.order, rows) if rows else None


def trait_table(evaluation: EvaluationFolder, model: str) -> Table:
    """The shift of every trait from base to model, the largest effect first."""
    traits = evaluation.figures["shifts"][model]["traits"]
    rows = []
    for trait in sorted(traits, key=lambda trait: -abs(value(traits[trait].get("cliffs_delta")) or 0.0)):
        difference = estimate(traits[trait], "difference")
        rows.append(
            Row(
                trait,
                "",
                [
                    (number(difference, 2, signed=True), bounds(difference, 2, signed=True)),
                    (number(traits[trait].get("cliffs_delta"), 2, signed=True), ""),
                    (_p(traits[trait].get("p_adjusted")), ""),
                ],
            )
        )
    return Table(["change in rating", "Cliff’s delta", "adjusted p"], rows)


def capability_table(evaluation: EvaluationFolder) -> Table | None:
    """What else the models can do, and what that changed; one row per measure and model."""
    measured = {model: figures for model, figures in evaluation.section("capability").items() if figures}
    rows = [
        Row(f"{measure}, {model}", "", [_cell(figure, 3), _cell(figure.get("difference"), 3, signed=True)])
        for measure in dict.fromkeys(measure for figures in measured.values() for measure in figures)
        for model, figure in ((model, figures.get(measure)) for model, figures in measured.items())
        if figure
    ]
    return Table(["value", "against base"], rows) if rows else None


def provenance(evaluation: EvaluationFolder) -> list[tuple[str, str]]:
    """What made the evaluation, as names and values."""
    figures = evaluation.figures
    settings = {**evaluation.section("reward")}
    lines: list[tuple[str, Any]] = [
        ("command", figures.get("command")),
        ("prompts", figures.get("prompts")),
        ("seed", figures.get("seed")),
        *((name if name != "reward" else "name of the reward", setting) for name, setting in settings.items()),
        ("versions", ", ".join(f"{name} {number}" for name, number in evaluation.section("versions").items())),
    ]
    return [(name, str(text)) for name, text in lines if text not in (None, "")]


def _cell(figure: Any, digits: int | None, signed: bool = False) -> tuple[str, str]:
    if digits is None:
        hundredfold = {part: None if share is None else 100 * share for part, share in _parts(figure).items()}
        shown = number(hundredfold, 1)
        return (shown if shown == "–" else f"{shown} %"), bounds(hundredfold, 1)
    return number(figure, digits, signed), bounds(figure, digits, signed)


def _parts(figure: Any) -> dict[str, float | None]:
    return estimate({"share": figure}, "share")


def _p(figure: Mapping[str, Any] | float | None) -> str:
    known = value(figure)
    return "–" if known is None else "< 0.001" if known < 0.001 else f"{known:.3f}"
