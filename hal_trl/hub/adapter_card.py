"""The model card of an aligned adapter, written from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


_TEMPLATE = Path(__file__).parent / "adapter_card.md"


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
    import jinja2
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
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = _cell
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    body = template.render(base_model=base_model, figures=figures, traits=traits, samples=samples, training=training)
    return f"---\n{data.to_yaml()}\n---\n{body}"


def _cell(text: object) -> str:
    """Text for one cell of a Markdown table: one line, no column breaks, no markup."""
    line = " ".join(str(text).split())
    for character in "\\|`*_[]#~$":
        line = line.replace(character, "\\" + character)
    return line
