"""Figures that fit a page in light and in dark: drawn once, written as PNG and SVG, set into HTML as SVG."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree


if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

# Orange and blue are told apart by every kind of colour vision. In the page each becomes a variable that the style
# sheet sets for light and dark.
INK, MUTED, RULE, PAPER = "#1c2024", "#5b636d", "#d5d9de", "#ffffff"
PEOPLE, BASE = "#b0560a", "#69727d"
MODELS = ("#1f5fa8", "#7a3b93", "#0a7d74")
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "paper",
    PEOPLE: "people",
    BASE: "base",
    **{color: f"model-{i}" for i, color in enumerate(MODELS, 1)},
}
_WIDTH = 5.0  # inches: 360 points, about a phone, so that text keeps its size there

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


def new_figure(height: float) -> Figure:
    """An empty figure as wide as the page's column.

    Raises:
        `ImportError`: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # without pyplot: no window, no global state
    except ImportError as error:
        raise ImportError('A report needs matplotlib: pip install "hal-trl[report]".') from error
    return Figure(figsize=(_WIDTH, height), layout="constrained")


def styled() -> dict[str, Any]:
    """Settings of matplotlib in which figures are drawn; text is text, and a run twice gives the same file."""
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "hal_trl",
        "text.parse_math": False,  # a dollar sign in a name is no formula
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": 9,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "legend.fontsize": 8.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "grid.color": RULE,
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "legend.frameon": False,
    }


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write `name.png` and `name.svg`, on white."""
    figure.savefig(folder / f"{name}.png", dpi=200, facecolor=PAPER)
    figure.savefig(folder / f"{name}.svg", facecolor=PAPER, metadata={"Date": None})


def inline_svg(figure: Figure, name: str, description: str) -> Markup:
    """The figure as an `<svg>` element: without a background, with ids of its own and the page's colours.

    Args:
        figure (`Figure`): Drawn with [`styled`] on.
        name (`str`): What its ids begin with; no two figures of a page share it.
        description (`str`): What somebody who cannot see it is told.
    """
    import markupsafe

    file = io.BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):  # a style in an SVG would be the whole page's
                parent.remove(child)
    for element in root.iter():
        for key, text in list(element.attrib.items()):
            if key == "id":
                text = f"{name}-{text}"
            elif key == f"{{{_XLINK}}}href":
                del element.attrib[key]
                key, text = "href", text.replace("#", f"#{name}-")
            else:
                text = re.sub(r"url\(#", f"url(#{name}-", text)
                text = re.sub(r"#[0-9a-f]{6}\b", _variable, text)
            element.set(key, text)
    for size in ("width", "height"):
        del root.attrib[size]
    root.set("role", "img")
    root.set("aria-label", description)
    ElementTree.register_namespace("", _SVG)
    return markupsafe.Markup(ElementTree.tostring(root, encoding="unicode"))


def _variable(match: re.Match) -> str:
    variable = _VARIABLES.get(match[0])
    return f"var(--{variable})" if variable else match[0]
