"""The best and the worst replies of a model, beside what others said to the same prompts."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from .evaluation_folder import EvaluationFolder
from .findings import number


_LONGEST = 1200  # characters


@dataclass(frozen=True)
class Reply:
    """What one system said: text and figures as text, and in parts what moved it."""

    system: str
    text: str
    reward: str
    p_human: str
    why: list[str]


@dataclass(frozen=True)
class Example:
    """A prompt and what the systems said to it, the model in question last."""

    prompt: str
    replies: list[Reply]


def best_and_worst(evaluation: EvaluationFolder, model: str, n: int = 3) -> tuple[list[Example], list[Example]]:
    """The `n` replies of a model that earn most and the `n` that earn least; none is in both.

    An abstention counts as the least. Beside each stand the base's and people's replies to the same prompt, if there.
    """
    rows = evaluation.rows(model)
    ranked = rows.sort_values("reward", ascending=False, na_position="last", kind="stable")
    best = ranked.head(min(n, (len(ranked) + 1) // 2))
    worst = ranked.iloc[len(best) :].tail(n).iloc[::-1]
    beside = [name for name in (*evaluation.people, evaluation.base) if name not in (None, model)]
    others = {name: evaluation.rows(name) for name in beside if evaluation.same_prompts(name, model)}

    def example(position: int, row: pd.Series) -> Example:
        said = [_reply(name, table.loc[position]) for name, table in others.items()]
        return Example(shortened(row["prompt"]), [*said, _reply(model, row)])

    return [example(*entry) for entry in best.iterrows()], [example(*entry) for entry in worst.iterrows()]


def shortened(text: object) -> str:
    """A text that may be endless, cut where nobody would read on."""
    text = str(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST].rstrip() + " … (shortened)"


def _reply(system: str, row: pd.Series) -> Reply:
    why = str(row["why"]).replace(" -", " −").split(", ")
    return Reply(system, shortened(row["completion"]), number(row["reward"]), number(row["p_human"]), why)
