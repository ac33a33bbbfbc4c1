"""The model card of an aligned adapter, written from what was measured and what made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type="hal_trl/openers",
            dataset_name="hal_trl held-out openers",
            metric_type=metric,
            metric_name=f"mean {name}, {when}",
            metric_value=round(evaluation[when][metric]["value"], 4),
        )
        for metric, name in (("p_human", "P(human)"), ("reward", "reward"))
        for when in ("before", "after")
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
        training=training,
        rewards=rewards,
        weights=weights,
    )


def figure_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """`(figure, before, after, change)` rows; brackets hold 95 % bootstrap intervals over prompts."""
    before, after = evaluation["before"], evaluation["after"]
    return [
        ("P(human)", _interval(before["p_human"]), _interval(after["p_human"]), _signed(evaluation["p_human_gain"])),
        ("reward", _interval(before["reward"]), _interval(after["reward"]), _signed(evaluation["reward_gain"])),
        (
            "words a reply",
            f"{before['words']:.1f}",
            f"{after['words']:.1f}",
            f"{after['words'] - before['words']:+.1f}",
        ),
        (
            "distinct-2",
            f"{before['distinct_2']:.3f}",
            f"{after['distinct_2']:.3f}",
            f"x{evaluation['distinct_2_ratio']:.2f} at equal length",
        ),
        ("degenerate replies", f"{before['degenerate']:.1%}", f"{after['degenerate']:.1%}", ""),
    ]


def trait_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """`(trait, change)` of the traits whose mean rating (1-5) moved most."""
    moved = sorted(evaluation["trait_shift"].items(), key=lambda item: -abs(item[1]["value"]))
    return [(trait, _signed(shift)) for trait, shift in moved[:N_TRAITS]]


def _interval(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _signed(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:+.3f} [{estimate['low']:+.3f}, {estimate['high']:+.3f}]"
