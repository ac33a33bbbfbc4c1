"""The model card of an aligned adapter, written from what was measured and what made it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .figures import value, written
from .markdown import render_card


N_TRAITS = 10


def render_adapter_card(
    base_model: str,
    evaluation: Mapping[str, Any],
    provenance: Mapping[str, Any],
    repo_id: str = "path/or/repo/of/this/adapter",
    license: str | None = None,
) -> str:
    """Markdown with the Hub's metadata block on top.

    Args:
        base_model (`str`): Hub id (or name) of the model the adapter belongs to.
        evaluation (`Mapping`): JSON form of a [`~hal_trl.evaluation.Comparison`].
        provenance (`Mapping`): As [`~hal_trl.hub.provenance.provenance`] writes it.
        repo_id (`str`, *optional*): Where the adapter will be.
        license (`str`, *optional*): The Hub's id of the licence; that of the base model governs otherwise.

    Returns:
        `str`: the card. Text of prompts and replies is escaped.
    """
    from huggingface_hub import EvalResult, ModelCardData

    training = provenance["training"]
    # Comparisons written by earlier versions name neither.
    prompt_set, scorer = evaluation.get("prompt_set", "held-out prompts"), evaluation.get("scorer")
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=re.sub(r"[^\w.-]+", "-", prompt_set).strip("-"),
            dataset_name=prompt_set,
            metric_type=metric,
            metric_name=f"mean {name}, {when}",
            metric_value=round(known, 4),
        )
        for metric, name in (("p_human", "P(human)"), ("reward", "reward"))
        for when in ("before", "after")
        if (known := value(evaluation[when][metric])) is not None
    ]
    data = ModelCardData(
        base_model=base_model,
        library_name="peft",
        pipeline_tag="text-generation",
        language="en",
        license=license,
        tags=["hal_trl", "trl", str(training["method"]).split()[0].lower(), "lora", "human-likeness"],
        model_name="hal_trl adapter",
        eval_results=results,
    )
    rewards = [dict(reward) for reward in provenance["rewards"]]
    weights = {reward["reward"]: reward.pop("weights") for reward in rewards if reward.get("weights")}
    return render_card(
        data,
        "adapter_card.md",
        base_model=base_model,
        repo_id=repo_id,
        method=training["method"],
        figures=figure_rows(evaluation),
        traits=trait_rows(evaluation),
        samples=evaluation["samples"],
        n=evaluation["n"],
        prompt_set=prompt_set,
        scorer=scorer,
        training=training,
        rewards=rewards,
        weights=weights,
    )


def figure_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """`(figure, before, after, change)` rows; brackets hold 95 % bootstrap intervals over prompts.

    A dash stands for what could not be measured, such as the variety of one-word replies.
    """
    before, after = evaluation["before"], evaluation["after"]
    ratio = value(evaluation["distinct_2_ratio"])
    variety = "–" if ratio is None else f"x{ratio:.2f} at equal length"
    return [
        ("P(human)", written(before["p_human"]), written(after["p_human"]), _signed(evaluation["p_human_gain"])),
        ("reward", written(before["reward"]), written(after["reward"]), _signed(evaluation["reward_gain"])),
        (
            "words a reply",
            written(before["words"], 1),
            written(after["words"], 1),
            f"{after['words'] - before['words']:+.1f}",
        ),
        ("distinct-2", written(before["distinct_2"]), written(after["distinct_2"]), variety),
        ("degenerate replies", f"{before['degenerate']:.1%}", f"{after['degenerate']:.1%}", ""),
    ]


def trait_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """`(trait, change)` of the traits whose mean rating (1-5) moved most."""
    known = [(trait, shift) for trait, shift in evaluation["trait_shift"].items() if value(shift) is not None]
    moved = sorted(known, key=lambda item: -abs(item[1]["value"]))
    return [(trait, _signed(shift)) for trait, shift in moved[:N_TRAITS]]


def _signed(estimate: Mapping[str, float | None]) -> str:
    change, low, high = (value(estimate[part]) for part in ("value", "low", "high"))
    if change is None:
        return "–"
    return f"{change:+.3f}" + ("" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]")
