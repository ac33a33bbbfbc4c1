"""A [`Comparison`] on the terminal, in the rows of the model card."""

from __future__ import annotations

from ..hub import figure_rows, trait_rows
from .comparison import Comparison


def print_comparison(comparison: Comparison) -> None:
    """Tables of figures, trait shifts and samples on the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, content = Console(), comparison.to_dict()
    figures = Table("held-out replies", "before", "after", "change", title=f"{comparison.n} held-out prompts")
    for row in figure_rows(content):
        figures.add_row(*row)
    traits = Table("trait", "change in mean rating (1-5)", title="what moved most")
    for row in trait_rows(content):
        traits.add_row(*row)
    samples = Table("prompt", "before", "after", title="samples (the first prompts, unselected)", show_lines=True)
    for sample in comparison.samples:
        # Text, not markup: what a model writes is never interpreted.
        samples.add_row(*(Text(str(sample[column])) for column in ("prompt", "before", "after")))
    for table in (figures, traits, samples):
        console.print(table)
