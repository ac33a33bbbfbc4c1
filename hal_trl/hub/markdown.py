"""Model cards as text: the Hub's metadata block, then a Jinja template in which everything is escaped."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import TYPE_CHECKING

from .figures import written


if TYPE_CHECKING:
    from huggingface_hub import ModelCardData


def render_card(data: ModelCardData, template: str, **values: object) -> str:
    """Markdown with the Hub's metadata block on top.

    Args:
        data (`huggingface_hub.ModelCardData`): The metadata.
        template (`str`): File name of a Jinja template in this folder. Filters: `cell` for text from outside in a
            sentence, list or table; `code` for a Python string in a code block; `figure` for a measured number, which
            may be absent.
        values: What the template shows.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(cell=cell, code=_code, figure=_figure)
    return f"---\n{data.to_yaml()}\n---\n{environment.get_template(template).render(**values)}\n"


def cell(text: object) -> str:
    """Text for one cell of a Markdown table: one line, no column breaks, no markup, no HTML."""
    import markupsafe

    line = " ".join(str(text).split())
    for character in "\\|`*_[]#~$":
        line = line.replace(character, "\\" + character)
    return markupsafe.Markup(html.escape(line, quote=False))


def _figure(figure: object, digits: int = 3) -> str:
    import jinja2

    return written(None if isinstance(figure, jinja2.Undefined) else figure, digits)


def _code(text: object) -> str:
    """A Python string literal on one line: it cannot end the code block, and HTML is plain text in there."""
    import markupsafe

    return markupsafe.Markup(json.dumps(str(text)))
