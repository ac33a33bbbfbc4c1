"""`RowScorer`: from the rows of an Arrow table to the same rows with what the reward says of them."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa

from ..dialogue import Dialogue, NoReplyError
from ..likeness import sigmoid
from ..scorers.base import rate
from ..traits import TraitRatings
from .hal_reward import HALReward


logger = logging.getLogger(__name__)

PREFIX = "hal/"
LAYOUTS = (("prompt", "completion"), ("messages",), ("transcript",))
"""What a row may hold; the first that is there is read. A transcript may have its speaker in a column `target`."""

_TARGET = "W"


class RowScorer:
    """Scores each row for itself, whatever stands beside it.

    It pickles, and so travels to worker processes and to the actors of a Ray cluster.

    Args:
        reward ([`HALReward`]): Without its guards that hold a batch's replies against each other (`across_batch`).
        columns (`Mapping[str, str]`, *optional*):
            Where the table calls `prompt`, `completion`, `messages`, `transcript` or `target` something else.
        traits (`bool`, *optional*, defaults to `False`): Also write the rating of every trait.
        guards (`bool`, *optional*, defaults to `True`): `False` for the bare score.

    Raises:
        `ValueError`: if `columns` renames something else.
    """

    def __init__(
        self, reward: HALReward, columns: Mapping[str, str] | None = None, traits: bool = False, guards: bool = True
    ):
        self.columns = {name: name for layout in LAYOUTS for name in layout} | {"target": "target"}
        unknown = sorted(set(columns or {}) - set(self.columns))
        if unknown:
            raise ValueError(f"columns can say where {', '.join(self.columns)} are, not {', '.join(unknown)}.")
        self.columns |= columns or {}
        self.renamed = dict(columns or {})
        self.traits = traits
        self.reward = copy.copy(reward)
        self.reward.guards = [g for g in reward.guards if guards and not getattr(g, "across_batch", False)]

    @property
    def added(self) -> list[str]:
        """Names of the columns added."""
        ids = self.reward.scorer.traits.ids if self.traits else ()
        return [PREFIX + name for name in ("reward", "p_human", "log_odds", *ids)]

    def layout(self, found: Iterable[str]) -> tuple[str, ...]:
        """Which of `LAYOUTS` a table with the columns `found` has.

        Raises:
            `ValueError`: if it has none of them, or has been scored before, naming the columns.
        """
        found = list(found)
        scored = [name for name in self.added if name in found]
        if scored:
            raise ValueError(f"The input has the column {scored[0]} already: it has been scored. Leave it out first.")
        for layout in LAYOUTS:
            if all(self.columns[name] in found for name in layout):
                if layout == ("transcript",) and self.reward.length_effect is not None:
                    raise ValueError("length_neutral=True is for single replies, not for transcripts.")
                return layout
        wanted = " or ".join(" and ".join(self.columns[name] for name in layout) for layout in LAYOUTS)
        raise ValueError(
            f"Found the columns {', '.join(found) or '(none)'}; wanted {wanted} (with the speaker in "
            f"{self.columns['target']}, else {_TARGET}). Say where they are, such as --column completion=answer "
            "(columns={'completion': 'answer'})."
        )

    def __call__(self, table: pa.Table) -> pa.Table:
        """The table with the columns `added`, double precision, null where a row abstains.

        A row that cannot be read (no reply, a damaged message, a speaker who says nothing) abstains. An error of the
        scorer, such as a judge out of reach, is raised: it says nothing of these rows.
        """
        layout = self.layout(table.column_names)
        names = [*layout, *(["target"] if layout == ("transcript",) else [])]
        texts = _decoded(table.select([self.columns[n] for n in names if self.columns[n] in table.column_names]))
        columns = {name: texts[self.columns[name]] for name in names if self.columns[name] in texts}
        if layout == ("transcript",):
            ratings, log_odds, reward = self._score_dialogues(_each(_dialogue, columns))
        else:
            pairs = _each(_last_turn if layout == ("messages",) else _pair, columns)
            prompts, completions = zip(*(pair or (None, None) for pair in pairs), strict=True)
            ratings, log_odds, reward = self._score_replies(prompts, completions)
        values = [reward, sigmoid(log_odds), log_odds, *(np.asarray(ratings).T if self.traits else ())]
        schema = table.schema
        for name, column in zip(self.added, values, strict=True):
            table = table.append_column(name, pa.array(column, pa.float64(), mask=np.isnan(reward) | np.isnan(column)))
        return table.replace_schema_metadata(_metadata(schema, self.added))

    def _score_replies(self, prompts: Sequence, completions: Sequence) -> tuple[TraitRatings, np.ndarray, np.ndarray]:
        table = self.reward._score(prompts, completions)
        if table.error is not None:
            raise table.error
        return table.ratings, table.log_odds, table.reward

    def _score_dialogues(self, dialogues: list[Dialogue | None]) -> tuple[TraitRatings, np.ndarray, np.ndarray]:
        """All that a speaker says, rated as one. No guards: they are about single replies."""
        ratings = rate(self.reward.scorer, dialogues)
        log_odds = self.reward.likeness.log_odds(ratings)
        nothing = np.zeros(len(dialogues), dtype=bool)
        return ratings, log_odds, self.reward._reward(log_odds, np.zeros((len(dialogues), 0)), nothing)


def _decoded(table: pa.Table) -> dict[str, list]:
    """Columns as Python lists. Messages of mixed types lie as JSON in `datasets`' tables, which it reads back."""
    from datasets import Features
    from datasets.formatting import get_formatter

    return get_formatter("python", features=Features.from_arrow_schema(table.schema)).format_batch(table)


def _each(read: Callable[..., Any], columns: Mapping[str, list]) -> list[Any | None]:
    """`read(**row)` of every row, `None` for those that cannot be read."""
    results, errors = [], []
    for row in zip(*columns.values(), strict=True):
        try:
            results.append(read(**dict(zip(columns, row, strict=True))))
        except (TypeError, ValueError) as error:
            results.append(None)
            errors.append(error)
    if errors:
        logger.warning("%d rows cannot be read and abstain, the first of them: %s", len(errors), errors[0])
    return results


def _pair(prompt: Any, completion: Any) -> tuple[Any, Any]:
    if not (isinstance(prompt, str) and isinstance(completion, str)):  # two texts can always be read
        with suppress(NoReplyError):  # which the reward sees for itself
            Dialogue.from_completion(prompt, completion)
    return prompt, completion


def _last_turn(messages: list[Mapping[str, Any]] | None) -> tuple[Any, Any]:
    """What stands before the last message of the assistant, and that message."""
    said = [i for i, message in enumerate(messages or ()) if message["role"] == "assistant"]
    return _pair(messages[: said[-1]], [messages[said[-1]]]) if said else (None, None)


def _dialogue(transcript: str | None, target: str | None = None) -> Dialogue:
    return Dialogue.from_transcript(transcript or "", target or _TARGET)


def _metadata(schema: pa.Schema, added: list[str]) -> dict[bytes, bytes]:
    """The table's own, in which `datasets` lists every column with its type."""
    from datasets import Features, Value

    metadata = schema.metadata or {}
    if b"huggingface" not in metadata:
        return metadata
    features = Features({**Features.from_arrow_schema(schema), **{name: Value("float64") for name in added}})
    return {**metadata, **features.arrow_schema.metadata}
