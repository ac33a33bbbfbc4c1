"""A [`Comparison`] as text for a terminal and as Markdown for a model card: one set of rows for both."""

from __future__ import annotations

from .comparison import Comparison


N_TRAITS = 10


def figure_rows(comparison: Comparison) -> list[tuple[str, str, str, str]]:
    """`(figure, before, after, change)` rows; brackets hold 95 % bootstrap intervals over prompts."""
    before, after = comparison.before, comparison.after
    return [
        ("P(human)", str(before.p_human), str(after.p_human), _signed(comparison.p_human_gain)),
        ("reward", str(before.reward), str(after.reward), _signed(comparison.reward_gain)),
        ("words a reply", f"{before.words:.1f}", f"{after.words:.1f}", f"{after.words - before.words:+.1f}"),
        (
            "distinct-2",
            f"{before.distinct_2:.3f}",
            f"{after.distinct_2:.3f}",
            f"x{comparison.distinct_2_ratio:.2f} at equal length",
        ),
        ("degenerate replies", f"{before.degenerate:.1%}", f"{after.degenerate:.1%}", ""),
    ]


def trait_rows(comparison: Comparison) -> list[tuple[str, str]]:
    """`(trait, change)` of the traits whose mean rating (1-5) moved most."""
    moved = sorted(comparison.trait_shift.items(), key=lambda item: -abs(item[1].value))
    return [(trait, _signed(shift)) for trait, shift in moved[:N_TRAITS]]


def print_comparison(comparison: Comparison) -> None:
    """Tables of figures, trait shifts and samples on the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    figures = Table("held-out replies", "before", "after", "change", title=f"{comparison.n} held-out prompts")
    for row in figure_rows(comparison):
        figures.add_row(*row)
    traits = Table("trait", "change in mean rating (1-5)", title="what moved most")
    for row in trait_rows(comparison):
        traits.add_row(*row)
    samples = Table("prompt", "before", "after", title="samples (the first prompts, unselected)", show_lines=True)
    for sample in comparison.samples:
        # Text, not markup: what a model writes is never interpreted.
        samples.add_row(*(Text(str(sample[column])) for column in ("prompt", "before", "after")))
    for table in (figures, traits, samples):
        console.print(table)


def _signed(estimate) -> str:
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"
