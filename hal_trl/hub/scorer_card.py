"""The model card of a trait scorer, written from its measured evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .figures import comparison, value
from .markdown import render_card
from .repository import EVALUATION_FILE, read_json
from .weak_spots import weak_spots


if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_SHOWN_TRAITS = 10


def card_of_folder(folder: str | Path, name: str | None = None) -> str:
    """The card of a scorer as `HALTraitModel.save_pretrained` writes it.

    Args:
        folder (`str` or `Path`): Has `config.json`, `evaluation.json` and `likeness.json`.
        name (`str`, *optional*, defaults to the folder's name): Hub id or name to load it by.

    Raises:
        `FileNotFoundError`: if one of the files is missing.
        `ValueError`: if one of them is damaged.
    """
    folder = Path(folder)
    paths = [folder / file for file in (EVALUATION_FILE, "config.json", "likeness.json")]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"No {', '.join(missing)} in {folder}: a card is written from a scorer, its score and its evaluation. "
            "`hal-trl distil` writes all of them."
        )
    return render_scorer_card(folder.resolve().name if name is None else name, *map(read_json, paths))


def render_scorer_card(
    name: str,
    evaluation: Mapping[str, object],
    config: Mapping[str, object],
    likeness: Mapping[str, object],
) -> str:
    """Markdown with the Hub's metadata block on top.

    Args:
        name (`str`): Hub id or name to load the scorer by.
        evaluation (`Mapping`): Content of `evaluation.json`; sections that are absent are left out, and the card says
            that they were not measured.
        config (`Mapping`): Content of `config.json`. Its `encoder`, itself a config, is stated, and is the base model
            if it is named by a Hub id.
        likeness (`Mapping`): Content of `likeness.json`.

    Returns:
        `str`: the card. Names and texts are escaped.

    Raises:
        `ValueError`: if a section is not built as hal_trl writes it.
    """
    from huggingface_hub import ModelCardData

    try:
        title = " ".join(str(name).split())
        encoder = config.get("encoder") or {}
        base_model = _hub_id(encoder.get("_name_or_path"))
        columns, rows = comparison(evaluation)
        results = list(_results(evaluation))
        data = ModelCardData(
            base_model=base_model,
            library_name="hal_trl",
            pipeline_tag="text-classification",
            language="en",
            license="apache-2.0",
            tags=["hal_trl", "trl", "reward-model", "human-likeness", "interpretability"],
            model_name=title.rsplit("/", 1)[-1] if results else None,
            eval_results=results or None,
        )
        return render_card(
            data,
            "scorer_card.md",
            name=title,
            evaluation=evaluation,
            encoder=base_model or encoder.get("model_type"),
            traits=config["traits"],
            agreement=evaluation.get("agreement") or {},
            counted=_counted(likeness),
            n_curves=len(likeness.get("curves") or {}),
            columns=columns,
            rows=rows,
            weak_spots=weak_spots(evaluation),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"The card of {name} cannot be written: its evaluation, config or score is not built as hal_trl writes it "
            f"({type(error).__name__}: {error})."
        ) from error


def _hub_id(name: str | None) -> str | None:
    """The name, if it is a Hub id: where an encoder lay on somebody's disk is nobody's business."""
    return name if name and re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name, re.ASCII) else None


def _results(evaluation: Mapping[str, object]) -> Iterator[EvalResult]:
    """The figures for the `model-index`, each with the part of the data it was measured on."""
    from huggingface_hub import EvalResult

    def results(part: str, **metrics: tuple[str, object]) -> Iterator[EvalResult]:
        for metric, (name, figure) in metrics.items():
            if value(figure) is not None:
                yield EvalResult(
                    task_type="text-classification",
                    dataset_type="hal/doctor_dialogues" if part == "doctor dialogues" else "hal/turing_games",
                    dataset_name=f"{part}, released with HAL"
                    if part == "doctor dialogues"
                    else f"Turing games, {part}",
                    dataset_config=part,
                    metric_type=metric,
                    metric_name=name,
                    metric_value=round(value(figure), 4),
                )

    agreement = evaluation.get("agreement") or {}
    yield from results(
        "agreement with GPT-5",
        spearmanr=("mean Spearman, 32 traits", agreement.get("spearman_hl32q")),
        spearmanr_hl16q=("mean Spearman, 16 traits", agreement.get("spearman_hl16q")),
        exact_match=("same rating", agreement.get("exact")),
        within_one=("within one point", agreement.get("within_one")),
    )
    parts = {
        **(evaluation.get("told_apart") or {}),
        **{f"unseen AI {ai}": row for ai, row in (evaluation.get("leave_one_ai_out") or {}).items()},
        **{f"unseen style {style}": row for style, row in (evaluation.get("leave_one_style_out") or {}).items()},
    }
    for part, row in parts.items():
        yield from results(
            part,
            pairwise_accuracy=("human above AI of the same game", row.get("pairwise")),
            roc_auc=("AUC, human against AI", row.get("auc")),
        )
    calibration = evaluation.get("calibration") or {}
    yield from results(
        "calibration",
        brier_score=("Brier score of P(human)", calibration.get("brier")),
        log_loss=("log loss of P(human)", calibration.get("log_loss")),
    )
    doctor = evaluation.get("doctor_dialogues") or {}
    yield from results("doctor dialogues", spearmanr=("mean Spearman with GPT-5", doctor.get("spearman")))


def _counted(likeness: Mapping[str, object]) -> list[tuple[str, list[str]]]:
    """The traits that can move the log-odds most: what they add at ratings 1, 3 and 5, compared with people's mean."""
    import numpy as np

    curves, rows = likeness.get("curves") or {}, []
    for trait, weight in likeness["weights"].items():
        at = np.array([1.0, 2.0, 3.0, 4.0, 5.0, likeness["reference"][trait]])
        adds = np.interp(at, *zip(*curves[trait], strict=True)) if trait in curves else weight * at
        rows.append((trait, adds[:5] - adds[5]))
    rows.sort(key=lambda row: -np.ptp(row[1]))
    return [(trait, [f"{adds[i]:+.2f}" for i in (0, 2, 4)]) for trait, adds in rows[:_SHOWN_TRAITS]]
