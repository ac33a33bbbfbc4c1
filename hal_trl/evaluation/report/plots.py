"""The figures of a report. Each function draws one; what it shows is told by the caption in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...hub.figures import value
from ..two_samples import paired_difference
from .evaluation_folder import EvaluationFolder, estimate
from .figure import BASE, INK, MODELS, MUTED, PAPER, PEOPLE, RULE, new_figure
from .findings import number


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .waterfall import Waterfall

_RESAMPLES = 2_000
_POINTS = 500  # of one system in a scatter plot
_DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
_LINES = tuple(zip((MODELS[0], PEOPLE, MODELS[1], MODELS[2], INK), _DASHES, strict=True))


def plot_distributions(evaluation: EvaluationFolder) -> Figure:
    """Histograms of log-odds and of reward, one row per system, with the mean."""
    names = evaluation.order
    figure = new_figure(0.5 + 0.8 * len(names))
    grid = figure.subplots(len(names), 2, sharex="col", sharey="col", squeeze=False)
    shown = {"log_odds": "log-odds of a person,\nguards aside", "reward": "reward,\nguards included"}
    for column, (key, label) in enumerate(shown.items()):
        bins = np.histogram_bin_edges(evaluation.replies[key].dropna().to_numpy(dtype=float), bins=24)
        for row, name in enumerate(names):
            axes, color, scores = grid[row, column], _color(evaluation, name), evaluation.rows(name)[key].dropna()
            axes.hist(scores, bins=bins, weights=np.full(len(scores), 1 / max(len(scores), 1)), color=color)
            axes.margins(y=0.3)  # the mean stands above the bars
            if len(scores):
                mean = float(scores.mean())
                axes.axvline(mean, color=INK, lw=1.2)
                axes.annotate(
                    number(mean),
                    (mean, 1),
                    xycoords=("data", "axes fraction"),
                    xytext=(3, -1),
                    textcoords="offset points",
                    va="top",
                    size=8.5,
                )
            axes.set_title(_plain(name) if column == 0 else "", color=color)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
        grid[-1, column].set_xlabel(label)
    return figure


def plot_shift(evaluation: EvaluationFolder, model: str) -> Figure:
    """Change of each trait's rating with its interval, and what that changes in the score, base to model."""
    traits = evaluation.figures["shifts"][model]["traits"]
    order = sorted(traits, key=lambda trait: value(estimate(traits[trait], "difference")["value"]) or 0.0)
    added = _added(evaluation, model)
    figure = new_figure(0.7 + 0.17 * len(order))
    ratings, scores = figure.subplots(1, 2, sharey=True) if added else (figure.add_subplot(), None)
    _intervals(
        ratings,
        [estimate(traits[trait], "difference") for trait in order],
        [(value(traits[trait].get("p_adjusted")) or 0.0) < 0.05 for trait in order],
    )
    ratings.set_yticks(range(len(order)), order)
    ratings.set_xlabel("change in rating\n(points of 1–5)")
    if scores is not None:
        _intervals(scores, [added.get(trait, {}) for trait in order], [True] * len(order))
        scores.tick_params(left=False)
        scores.set_xlabel("what that adds to the score\n(log-odds)")
    ratings.set_ylim(-0.7, len(order) - 0.3)
    return figure


def plot_waterfall(waterfall: Waterfall) -> Figure:
    """From the score of an average person's reply to that of one reply, trait by trait."""
    labels = ["average person", *(name for name, _ in waterfall.steps), "this reply"]
    figure = new_figure(0.55 + 0.24 * len(labels))
    axes = figure.add_subplot()
    ends = waterfall.start + np.cumsum([0.0, *(step for _, step in waterfall.steps)])
    for i, (_, step) in enumerate(waterfall.steps, 1):
        axes.barh(i, step, left=ends[i - 1], height=0.62, color=PEOPLE if step > 0 else BASE)
        axes.vlines(ends[i - 1], i - 1, i, color=MUTED, lw=0.6)
        axes.annotate(
            number(step, signed=True),
            (max(ends[i], ends[i - 1]), i),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            size=8.5,
        )
    axes.vlines(ends[-1], len(labels) - 2, len(labels) - 1, color=MUTED, lw=0.6)
    for i, total in ((0, waterfall.start), (len(labels) - 1, waterfall.total)):
        axes.plot(total, i, "D", color=INK, ms=5)
        axes.annotate(
            number(total, signed=True),
            (total, i),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            size=8.5,
            weight="bold",
        )
    low, high = min(*ends, waterfall.total), max(*ends, waterfall.total)
    space = 0.05 * (high - low) + 0.02
    axes.set_xlim(low - space, high + 4 * space)  # figures stand to the right of the bars
    if low < 0 < high:
        axes.axvline(0, color=MUTED, lw=0.8, ls=(0, (2, 2)), zorder=0)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("log-odds that a person wrote it (0: as likely as not)")
    axes.locator_params(axis="x", nbins=6)
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)
    return figure


def plot_training(history: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Reward and P(human), words, and how often each guard bites, over steps; `None` if nothing of it was logged."""
    table = pd.DataFrame([entry for entry in history if "step" in entry])
    guards = [name for name in table if name.startswith("hal/guard/") and table[name].max() >= 0.01]
    busiest = sorted(guards, key=lambda name: -table[name].mean())[: len(_LINES)]
    panels = {
        "reward and P(human)": {"reward": "reward", "hal/p_human": "P(human)", "hal/held_out/reward": "held out"},
        "words a reply": {"hal/words": ""},
        "share of replies a guard takes something from": {name: name.removeprefix("hal/guard/") for name in busiest},
    }
    panels = {title: {n: label for n, label in names.items() if n in table} for title, names in panels.items()}
    panels = {title: names for title, names in panels.items() if names}
    if not panels:
        return None
    figure = new_figure(0.4 + 1.5 * len(panels))
    stack = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, names) in zip(stack, panels.items(), strict=True):
        for (color, dashes), (name, label) in zip(_LINES, names.items(), strict=False):
            points = table[["step", name]].dropna().astype(float)
            window = max(1, len(points) // 15)
            if window > 1 and len(names) <= 3:  # more would be a tangle
                axes.plot(points["step"], points[name], color=color, lw=0.7, alpha=0.3)
            smooth = points[name].rolling(window, center=True, min_periods=1).mean()
            marker = "o" if len(points) < 8 else ""
            axes.plot(points["step"], smooth, marker=marker, color=color, ls=dashes, lw=1.5, ms=4, label=label)
        axes.set_title(title)
        in_unit = table[list(names)].min().min() >= 0 and table[list(names)].max().max() <= 1
        axes.set_ylim(*((0, 1) if in_unit else (min(0.0, axes.get_ylim()[0]), None)))
        axes.grid(axis="y")
        if len(names) > 1:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1.04), handlelength=2, borderaxespad=0.2)
    stack[-1].set_xlabel("training step")
    return figure


def plot_length(evaluation: EvaluationFolder) -> Figure:
    """Words against log-odds, one panel per system, with their rank correlation."""
    names = evaluation.order
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(0.45 + 1.75 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, name in zip(grid.flat, names, strict=False):
        replies = evaluation.rows(name).dropna(subset=["log_odds"])
        words, score = replies["completion"].str.split().str.len(), replies["log_odds"]
        shown = replies.index[np.random.default_rng(0).permutation(len(replies))[:_POINTS]]
        axes.scatter(words[shown], score[shown], s=14, color=_color(evaluation, name), alpha=0.55, lw=0)
        rank = words.corr(score, method="spearman") if words.nunique() > 1 else float("nan")
        axes.set_title(_plain(name, {1: 56, 2: 26, 3: 16}[columns]), color=_color(evaluation, name), pad=16, size=8.5)
        axes.annotate(
            f"ρ = {number(float(rank))}",
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 5),
            textcoords="offset points",
            size=8.5,
        )
        axes.axhline(0, color=RULE, lw=0.8, zorder=0)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    longest = max(evaluation.replies["completion"].str.split().str.len().max(), 2)
    ticks = [1, 3, 10, 30, 100, 300, 1000]
    grid[0, 0].set_xscale("log")
    grid[0, 0].set_xticks(ticks, [str(tick) for tick in ticks])
    grid[0, 0].minorticks_off()
    grid[0, 0].set_xlim(0.8, 1.3 * longest)
    figure.supxlabel("words a reply", size=9)
    figure.supylabel("log-odds of a person", size=9)
    return figure


def _intervals(axes: Axes, figures: Sequence[Mapping[str, float | None]], clear: Sequence[bool]) -> None:
    axes.axvline(0, color=MUTED, lw=0.8, zorder=0)
    for row, (figure, sure) in enumerate(zip(figures, clear, strict=True)):
        if figure.get("value") is None:
            continue
        if figure["low"] is not None and figure["high"] is not None:
            axes.hlines(row, figure["low"], figure["high"], color=MODELS[0], lw=1.4)
        axes.plot(figure["value"], row, "o", color=MODELS[0], mfc=MODELS[0] if sure else PAPER, ms=4.5)
    axes.grid(axis="y", alpha=0.6)
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)


def _added(evaluation: EvaluationFolder, model: str) -> dict[str, dict[str, float]]:
    """Mean change of what each trait adds to the log-odds, base to model, by trait id; empty without pairs."""
    pairs = evaluation.pairs(model)
    if pairs is None:
        return {}
    before, after = pairs
    columns = [name for name in after if name.startswith("trait/")]
    changes = (after[columns] - before[columns]).dropna()
    if changes.empty:
        return {}
    means = {name: paired_difference(after[name], before[name], _RESAMPLES) for name in columns}
    return {
        name.removeprefix("trait/"): {part: value(getattr(mean, part)) for part in ("value", "low", "high")}
        for name, mean in means.items()
    }


def _color(evaluation: EvaluationFolder, name: str) -> str:
    if name in evaluation.people:
        return PEOPLE
    return BASE if name == evaluation.base else MODELS[evaluation.models.index(name) % len(MODELS)]


def _plain(name: str, longest: int = 48) -> str:
    """A name that fits, of a long one its end, and holds nothing that an SVG cannot."""
    shown = "".join(character for character in name if character.isprintable())
    return shown if len(shown) <= longest else "…" + shown[1 - longest :]
