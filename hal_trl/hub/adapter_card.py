"""The model card of an aligned adapter, written from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .markdown import render_card


def render_adapter_card(
    base_model: str,
    figures: Sequence[tuple[str, str, str, str]],
    traits: Sequence[tuple[str, str]],
    samples: Sequence[Mapping[str, object]],
    p_human: Mapping[str, float],
    training: Mapping[str, object],
) -> str:
    """Markdown with the Hub's metadata block on top.

    Args:
        base_model (`str`): Hub id (or name) of the model the adapter belongs to.
        figures (`Sequence`): `(figure, before, after, change)` rows.
        traits (`Sequence`): `(trait, change)` rows.
        samples (`Sequence`): Dicts with `prompt`, `before`, `after`.
        p_human (`Mapping`): `before` and `after`, for the `model-index`.
        training (`Mapping`): Name and value of each training setting worth stating.

    Returns:
        `str`: the card. Text of prompts and replies is escaped.
    """
    from huggingface_hub import EvalResult, ModelCardData

    data = ModelCardData(
        base_model=base_model,
        library_name="peft",
        pipeline_tag="text-generation",
        language="en",
        license="apache-2.0",
        tags=["hal_trl", "trl", "grpo", "lora", "human-likeness"],
        model_name="hal_trl adapter",
        eval_results=[
            EvalResult(
                task_type="text-generation",
                dataset_type="hal_trl/openers",
                dataset_name="hal_trl held-out openers",
                metric_type="p_human",
                metric_name=f"mean P(human), {when}",
                metric_value=round(p_human[when], 4),
            )
            for when in ("before", "after")
        ],
    )
    return render_card(
        data,
        "adapter_card.md",
        base_model=base_model,
        figures=figures,
        traits=traits,
        samples=samples,
        training=training,
    )
