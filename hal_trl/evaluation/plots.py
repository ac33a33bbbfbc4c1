"""Plots of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def plot_reward(history: Sequence[dict[str, float]], path: str | Path) -> None:
    """Reward, P(human) and words a reply over training steps, as PNG (or what the path's suffix says).

    Args:
        history (`Sequence[dict]`): One entry a step with `step`, `reward`, `hal/p_human`, `hal/words`.
        path (`str` or `Path`): File to write.

    Raises:
        `ImportError`: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # without pyplot: no window, no global state
    except ImportError as error:
        raise ImportError("Plots need matplotlib: pip install 'hal-trl[demo]'.") from error

    steps = [entry["step"] for entry in history]
    figure = Figure(figsize=(7.0, 3.6), dpi=150, layout="constrained")
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
