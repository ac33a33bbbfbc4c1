"""`EvaluationFolder`: what `hal-trl evaluate` wrote, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ...hub.figures import value


EVALUATION_FILE, REPLIES_FILE = "evaluation.json", "replies.parquet"
_COLUMNS = ("system", "prompt", "completion", "reward", "p_human", "log_odds", "why")


@dataclass(frozen=True)
class EvaluationFolder:
    """An evaluation: figures of each system, and every reply with its explanation.

    Args:
        figures (`dict`): The content of `evaluation.json`.
        replies (`pandas.DataFrame`): One row per system and prompt: `system`, `prompt` (the last message), `chat` (all
            messages as JSON; not in folders of earlier versions) and the columns of [`HALReward.explain`].
    """

    figures: dict[str, Any]
    replies: pd.DataFrame

    @classmethod
    def read(cls, folder: Path) -> EvaluationFolder:
        """Read a folder of `hal-trl evaluate`.

        Raises:
            `FileNotFoundError`: if one of the two files is not there.
            `ValueError`: if they are not what `hal-trl evaluate` writes.
        """
        for name in (EVALUATION_FILE, REPLIES_FILE):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"No {name} in {folder}. A report is made from an evaluation: run `hal-trl evaluate` first, and "
                    "give its output folder."
                )
        try:
            figures = json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8"))
            systems = figures["systems"]
            wrong = [name for name, system in systems.items() if system["kind"] not in ("model", "people")]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{folder / EVALUATION_FILE} is not an evaluation ({error!r}): write it again with `hal-trl evaluate`."
            ) from error
        if not systems or wrong:
            raise ValueError(f"{folder / EVALUATION_FILE} needs systems, each a model or people; look at {wrong}.")
        replies = pd.read_parquet(folder / REPLIES_FILE)
        missing = [name for name in _COLUMNS if name not in replies]
        silent = [] if missing else sorted(set(systems) - set(replies["system"]))
        if missing or silent:
            raise ValueError(
                f"{folder / REPLIES_FILE} lacks {', '.join([*missing, *(f'replies of {s}' for s in silent)])}: write "
                "it again with `hal-trl evaluate`."
            )
        return cls(figures, replies)

    @property
    def people(self) -> list[str]:
        """Names of the systems that are people."""
        return [name for name, system in self.figures["systems"].items() if system["kind"] == "people"]

    @property
    def base(self) -> str | None:
        """Name of the model that others are compared with; `None` if there is none."""
        base = self.figures.get("base")
        return base if base in self.figures["systems"] else None

    @property
    def models(self) -> list[str]:
        """Names of the models but the base."""
        return [name for name in self.figures["systems"] if name not in (*self.people, self.base)]

    @property
    def order(self) -> list[str]:
        """All systems: people, base, models."""
        return [*self.people, *([] if self.base is None else [self.base]), *self.models]

    def system(self, name: str) -> dict[str, Any]:
        return self.figures["systems"][name]

    def section(self, name: str) -> Any:
        """A part that may be absent, or empty."""
        return self.figures.get(name) or {}

    def rows(self, system: str) -> pd.DataFrame:
        """The replies of one system, in the order of the prompts."""
        return self.replies[self.replies["system"] == system].reset_index(drop=True)

    def pairs(self, model: str) -> tuple[pd.DataFrame, pd.DataFrame] | None:
        """Replies of the base and of a model, row by row to the same prompts; `None` if they cannot be paired."""
        if self.base is None:
            return None
        before, after = self.rows(self.base), self.rows(model)
        return (before, after) if self.same_prompts(self.base, model) else None

    def same_prompts(self, system: str, other: str) -> bool:
        """Whether two systems were asked the same, so that their rows belong together by position.

        By their last messages alone they do not: two chats may both end in "yeah".
        """
        return self.rows(system)["prompt"].tolist() == self.rows(other)["prompt"].tolist()


def estimate(row: Mapping[str, Any], name: str) -> dict[str, float | None]:
    """A figure with its interval: `row[name]` may be `{"value", "low", "high"}`, or a number beside `name_low` and
    `name_high` (as metrics return it) or, in a row that has one interval, beside `low` and `high`."""
    figure = row.get(name)
    if not isinstance(figure, Mapping):
        figure = {
            "value": figure,
            "low": row.get(f"{name}_low", row.get("low")),
            "high": row.get(f"{name}_high", row.get("high")),
        }
    return {part: value(figure.get(part)) for part in ("value", "low", "high")}
