"""Plots of a discovery: the map of statements, the weights, and the scores of people and AI."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd


if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PEOPLE, _AI, _PALE = "#0b6e4f", "#8d99ae", "#d9dde3"
_NAMED = 25


def plot_clusters(clusters: pd.DataFrame, path: str | Path) -> None:
    """The statements in the plane they were clustered in; the 25 largest clusters by their most central statement.

    Raises:
        `ImportError`: without matplotlib.
    """
    figure = _figure(9.0, 8.0)
    axes = figure.add_subplot()
    inside = clusters[clusters["cluster"] >= 0]
    outside = clusters[clusters["cluster"] < 0]
    axes.scatter(outside["x"], outside["y"], s=4, color=_PALE, lw=0)
    axes.scatter(inside["x"], inside["y"], s=8, c=inside["cluster"] % 20, cmap="tab20", lw=0)
    for _, row in inside[(inside["rank"] == 0) & (inside["cluster"] < _NAMED)].iterrows():
        axes.annotate(
            _plain(textwrap.shorten(row["statement"], 48, placeholder="…")), (row["x"], row["y"]), size=6, ha="center"
        )
    axes.set(xticks=[], yticks=[], title=f"{len(clusters)} statements, {inside['cluster'].nunique()} clusters")
    figure.savefig(path)


def plot_weights(traits: Sequence[Mapping[str, object]], path: str | Path) -> None:
    """Weights of the selected traits with their intervals.

    Raises:
        `ImportError`: without matplotlib.
    """
    rows = sorted((row for row in traits if row["selected"]), key=lambda row: row["weight"])
    weights, low, high = (np.array([row[name] for row in rows]) for name in ("weight", "low", "high"))
    figure = _figure(7.0, 1.2 + 0.25 * len(rows))
    axes = figure.add_subplot()
    axes.barh(range(len(rows)), weights, color=[_PEOPLE if w > 0 else _AI for w in weights])
    axes.hlines(range(len(rows)), low, high, color="black", lw=1)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(rows)), [_plain(str(row["id"])) for row in rows], size=8)
    axes.set(xlabel="weight: log-odds of a person per Likert point, 95 % interval over pairs")
    figure.savefig(path)


def plot_scores(log_odds: np.ndarray, is_human: np.ndarray, path: str | Path) -> None:
    """Held-out log-odds of people and of AI, both of shape `(n,)`.

    Raises:
        `ImportError`: without matplotlib.
    """
    figure = _figure(7.0, 3.6)
    axes = figure.add_subplot()
    bins = np.histogram_bin_edges(log_odds, bins=30)
    for kind, color, label in ((is_human, _PEOPLE, "people"), (~is_human, _AI, "AI")):
        axes.hist(log_odds[kind], bins=bins, color=color, alpha=0.6, label=label)
    axes.set(xlabel="log-odds that it is a person, by a score that has not seen the pair", ylabel="dialogues")
    axes.legend(frameon=False)
    figure.savefig(path)


def _plain(text: str) -> str:
    """Matplotlib reads what stands between dollar signs as a formula."""
    return text.replace("$", r"\$")


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure  # without pyplot: no window, no global state
    except ImportError as error:
        raise ImportError('Plots need matplotlib: pip install "hal-trl[discovery]"') from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained")
