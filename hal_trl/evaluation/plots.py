"""Plots of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_reward(history: Sequence[dict[str, float]], path: str | Path) -> None:
    """Reward, P(human) and words a reply over training steps, as PNG (or what the path's suffix says).

    Args:
        history (`Sequence[dict]`): One entry a step with `step`, `reward`, `hal/p_human`, `hal/words`.
        path (`str` or `Path`): File to write.

    Raises:
        `ImportError`: if matplotlib is not installed.
    """
    steps = [entry["step"] for entry in history]
    figure = _figure(3.6)
    left = figure.add_subplot()
    right = left.twinx()
    left.plot(steps, [float(entry["reward"]) for entry in history], color="#0b6e4f", lw=2, label="reward")
    left.plot(
        steps, [float(entry["hal/p_human"]) for entry in history], color="#08a045", lw=1.2, ls="--", label="P(human)"
    )
    right.plot(steps, [float(entry["hal/words"]) for entry in history], color="#8d99ae", lw=1.2, label="words a reply")
    left.set(xlabel="training step", ylabel="reward, P(human)", ylim=(0, 1))
    right.set(ylabel="words a reply", ylim=(0, None))
    lines = [*left.get_lines(), *right.get_lines()]
    left.legend(lines, [line.get_label() for line in lines], loc="lower right", frameon=False)
    left.spines["top"].set_visible(False)
    right.spines["top"].set_visible(False)
    figure.savefig(path)


def plot_policy(history: Sequence[dict[str, float]], path: str | Path) -> None:
    """Reward, words a reply and the share of replies that ask, over training steps; what was not logged is left out.

    Args:
        history (`Sequence[dict]`): One entry a step with `step`, `reward` and, where logged, `policy/words` (or
            `hal/words`) and `policy/questions`.
        path (`str` or `Path`): File to write.

    Raises:
        `ImportError`: if matplotlib is not installed.
    """
    figure = _figure(4.8)
    top, left = figure.subplots(2, 1, sharex=True)
    right = left.twinx()
    # A training that was begun by hand has no log but the reward's own.
    words = "policy/words" if any("policy/words" in entry for entry in history) else "hal/words"
    for axes, name, label, color in (
        (top, "reward", "reward", "#0b6e4f"),
        (left, words, "words a reply", "#8d99ae"),
        (right, "policy/questions", "share that ask", "#08a045"),
    ):
        points = {entry["step"]: float(entry[name]) for entry in history if name in entry}
        axes.plot(list(points.keys()), list(points.values()), color=color, lw=1.5)
        axes.set_ylabel(label, color=color)
        axes.spines["top"].set_visible(False)
    left.set(xlabel="training step", ylim=(0, None))
    right.set(ylim=(0, 1), visible=any("policy/questions" in entry for entry in history))
    figure.savefig(path)


def _figure(height: float) -> Figure:
    try:
        from matplotlib.figure import Figure  # without pyplot: no window, no global state
    except ImportError as error:
        raise ImportError("Plots need matplotlib: pip install 'hal-trl[demo]'.") from error
    return Figure(figsize=(7.0, height), dpi=150, layout="constrained")
