"""Figures of an `evaluation.json`: read, write out, and summarise in one row."""

from __future__ import annotations

import math
from collections.abc import Mapping


def value(figure: Mapping[str, float] | float | None) -> float | None:
    """The number of a figure, which is a number or `{"value", "low", "high"}`; `None` if it was not measured."""
    number = figure.get("value") if isinstance(figure, Mapping) else figure
    return None if number is None or not math.isfinite(number) else float(number)


def written(figure: Mapping[str, float] | float | None, digits: int = 3) -> str:
    """A figure as text, with its interval if it has one; a dash if it was not measured."""
    number = value(figure)
    if number is None:
        return "–"
    if not isinstance(figure, Mapping) or value(figure.get("low")) is None or value(figure.get("high")) is None:
        return f"{number:.{digits}f}"
    return f"{number:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def pairwise(rows: Mapping[str, Mapping[str, object]] | None) -> dict[str, float]:
    """Share of pairs told apart per row of a section, where it was measured."""
    figures = {name: value(row.get("pairwise")) for name, row in (rows or {}).items()}
    return {name: number for name, number in figures.items() if number is not None}


def headline(evaluation: Mapping[str, object]) -> dict[str, object]:
    """One row for a whole evaluation, with the keys of the rows in `evaluation["reference"]` but the name."""
    agreement, told_apart = evaluation.get("agreement") or {}, evaluation.get("told_apart") or {}
    unseen = pairwise(evaluation.get("leave_one_ai_out"))
    games = pairwise(told_apart)
    return {
        "spearman_hl16q": value(agreement.get("spearman_hl16q")),
        "spearman_hl32q": value(agreement.get("spearman_hl32q")),
        "rated games": games.get("rated games"),
        "all games": games.get("all games"),
        "single_replies_auc": value((told_apart.get("single replies") or {}).get("auc")),
        "leave_one_ai_out_mean": sum(unseen.values()) / len(unseen) if unseen else None,
        "leave_one_ai_out_worst": min(unseen.values(), default=None),
        "leave_one_style_out": pairwise(evaluation.get("leave_one_style_out")),
    }


HEADLINE_NAMES = {
    "spearman_hl16q": "Spearman, 16 traits",
    "spearman_hl32q": "Spearman, 32 traits",
    "rated games": "rated games",
    "all games": "all games",
    "single_replies_auc": "single replies (AUC)",
    "leave_one_ai_out_mean": "unseen AI, mean",
    "leave_one_ai_out_worst": "unseen AI, worst",
}


def comparison(evaluation: Mapping[str, object]) -> tuple[list[str], list[list[str | float | None]]]:
    """The model's headline with the reference rows below it: column names, and rows of a name and figures.

    Columns that nobody was measured on are left out.
    """
    rows = [{"name": "this model", **headline(evaluation)}, *(evaluation.get("reference") or [])]
    styles = dict.fromkeys(style for row in rows for style in row.get("leave_one_style_out") or {})
    names = [*HEADLINE_NAMES.values(), *(f"unseen style {style}" for style in styles)]
    table = [
        [
            *(value(row.get(key)) for key in HEADLINE_NAMES),
            *(value((row.get("leave_one_style_out") or {}).get(style)) for style in styles),
        ]
        for row in rows
    ]
    measured = [i for i in range(len(names)) if any(row[i] is not None for row in table)]
    return (
        [names[i] for i in measured],
        [[str(row["name"]), *(line[i] for i in measured)] for row, line in zip(rows, table, strict=True)],
    )
