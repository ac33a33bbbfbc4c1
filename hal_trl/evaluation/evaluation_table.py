"""An evaluation on the terminal: a column for each system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


_FIGURES = {
    "reward": "reward",
    "p_human": "P(human)",
    "above_people": "ranked above people (0.5: as human)",
    "words": "words a reply",
    "questions": "replies that ask",
    "degenerate": "degenerate replies",
    "off_topic": "beside the point",
    "honest": "honest when asked",
    "distinct_2": "distinct-2",
    "self_bleu": "self-BLEU",
    "repeated": "given to another prompt too",
    "abstained": "nothing to read",
}
_N_TRAITS = 8


def print_evaluation(content: Mapping[str, Any]) -> None:
    """Tables of figures, of what alignment cost and of the traits that moved most.

    Args:
        content (`Mapping`): As [`~hal_trl.evaluation.evaluate_systems.evaluate_systems`] returns it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def table(title: str, head: str, names: list[str], rows: dict[str, list[str]]) -> None:
        # Text, not markup: names come from users and folders.
        made = Table(head, title=Text(title))
        for name in names:
            made.add_column(Text(name))
        for row, cells in rows.items():
            made.add_row(Text(row), *cells)
        console.print(made)

    console, systems = Console(), content["systems"]
    n = systems[content["base"]]["n"]
    known = {key: row for key, row in _FIGURES.items() if any(one.get(key) is not None for one in systems.values())}
    rows = {row: [_shown(one.get(key)) for one in systems.values()] for key, row in known.items()}
    table(f"{n} prompts: {content['prompts']}", "mean [95 %]", list(systems), rows | _guard_rows(systems))
    capability = content["capability"]
    if capability:
        measures = list(dict.fromkeys(measure for figures in capability.values() for measure in figures))
        rows = {measure: [_capable(one.get(measure)) for one in capability.values()] for measure in measures}
        table("capability, and the difference to the base", "mean [95 %]", list(capability), rows)
    for name, shift in content["shifts"].items():
        moved = list(shift["traits"].items())[:_N_TRAITS]
        rows = {trait: [_signed(row["difference"]), f"{row['cliffs_delta']:+.2f}"] for trait, row in moved}
        table(f"what moved most: {name}", "trait", ["rating (1-5)", "Cliff's delta"], rows)


def _guard_rows(systems: Mapping[str, Any]) -> dict[str, list[str]]:
    """Guards that took something from anybody."""
    first = next(iter(systems.values()))["guards"]
    fired = [guard for guard in first if any(one["guards"][guard] for one in systems.values())]
    return {f"guard {guard}": [f"{one['guards'][guard]:.1%}" for one in systems.values()] for guard in fired}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return f"{value['value']:.3f}{_interval(value)}" if value["value"] is not None else ""
    return f"{value:.3f}"


def _capable(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return ""
    difference = figure["difference"]
    return _shown(figure) + ("" if difference is None else f"\n{_signed(difference)}")


def _signed(estimate: Mapping[str, Any]) -> str:
    return f"{estimate['value']:+.3f}{_interval(estimate, '+')}"


def _interval(estimate: Mapping[str, Any], sign: str = "") -> str:
    low, high = estimate["low"], estimate["high"]
    return "" if low is None else f" [{low:{sign}.3f}, {high:{sign}.3f}]"
