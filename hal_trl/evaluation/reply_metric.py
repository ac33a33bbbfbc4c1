"""`ReplyMetric`: a plain function on replies as an `evaluate` module. Needs the extra `evaluate`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, ClassVar

import evaluate
import pandas as pd
from datasets import Features, Value

from .statistics import Estimate


_CITATION = """\
@article{hasan2026hal,
  title={HAL: Inducing Human-likeness in LLMs with Alignment},
  author={Hasan and Zhao and Hoque},
  year={2026},
  url={https://huggingface.co/papers/2601.02813}
}"""


class ReplyMetric(evaluate.Metric):
    """What the metrics share: replies may be text, chat messages or `None`, and prompts may be left out.

    `evaluate` stores what it measures as an Arrow table of one type; here every cell is stored as JSON, so that rows
    of either kind mix and messages keep all their parts. A subclass says what it measures; its docstring is the
    description of its inputs.
    """

    measure: ClassVar[Callable]  # takes the columns in their order, then the options of `compute`
    columns: ClassVar[tuple[str, ...]]

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=type(self).measure.__doc__,
            citation=_CITATION,
            inputs_description=type(self).__doc__,
            features=Features({name: Value("string") for name in self.columns}),
            reference_urls=["https://huggingface.co/papers/2601.02813"],
        )

    def compute(self, *, predictions=None, references=None, **kwargs) -> dict[str, Any] | None:
        """Measure the replies given here, or those that were added before."""
        kwargs.setdefault("prompts", None)
        return super().compute(predictions=predictions, references=references, **kwargs)

    def add_batch(self, *, predictions=None, references=None, **kwargs) -> None:
        """Add replies, as `compute` takes them."""
        unknown = sorted(set(kwargs) - {"prompts"})
        if unknown:
            raise ValueError(f"{self.name} takes {', '.join(self.columns)}, not {', '.join(unknown)}.")
        given = {"predictions": predictions, "references": references, "prompts": kwargs.get("prompts")}
        super().add_batch(**self._as_json({name: given[name] for name in self.columns}))

    def add(self, *, prediction=None, reference=None, **kwargs) -> None:
        """Add one reply."""
        # evaluate.combine hands the single reply on under the plural.
        one = {"predictions": prediction, "references": reference, **kwargs}
        self.add_batch(**{name: [value] for name, value in one.items()})

    def _as_json(self, given: dict[str, Any]) -> dict[str, list[str]]:
        for name, column in given.items():
            if isinstance(column, str):
                raise ValueError(f"{name} is one text; give a list.")
            if column is None and name != "prompts":
                raise ValueError(f"{self.name} needs {name}: one text, list of chat messages, or None, per reply.")
        n = len(given["predictions"])
        if not n:
            raise ValueError("predictions is empty: give at least one reply.")
        columns = {name: [None] * n if column is None else list(column) for name, column in given.items()}
        unequal = {name: len(column) for name, column in columns.items() if len(column) != n}
        if unequal:
            wrong = ", ".join(f"{length} {name}" for name, length in unequal.items())
            raise ValueError(f"{n} predictions but {wrong}; give one of each per reply.")
        return {name: [_cell(name, value) for value in column] for name, column in columns.items()}

    def _compute(self, **inputs) -> dict[str, Any]:
        columns = {name: [json.loads(cell) for cell in inputs.pop(name)] for name in self.columns}
        if not any(prompt is not None for prompt in columns["prompts"]):
            columns["prompts"] = None
        return as_figures(type(self).measure(*columns.values(), **inputs))


def as_figures(result: Any) -> dict[str, Any]:
    """A result as plain numbers: an [`Estimate`] as `name`, `name_low`, `name_high`; a table as a dict of rows."""
    figures: dict[str, Any] = {}
    for field in fields(result):
        value = getattr(result, field.name)
        if isinstance(value, Estimate):
            figures |= {field.name: value.value, f"{field.name}_low": value.low, f"{field.name}_high": value.high}
        else:
            figures[field.name] = value.to_dict("index") if isinstance(value, pd.DataFrame) else value
    return figures


def _cell(name: str, value: str | Sequence[Any] | None) -> str:
    if value is not None and not isinstance(value, (str, list, tuple)):
        raise ValueError(f"An entry of {name} is text, a list of chat messages, or None; got {value!r:.80}.")
    try:
        return json.dumps(value)
    except TypeError as error:
        raise ValueError(f"The chat messages in {name} must hold nothing but JSON values ({error}).") from error
