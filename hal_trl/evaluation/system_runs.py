"""Let a system reply and sit its benchmarks; what is done is kept, and not done again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..alignment import generate_replies
from ..alignment.candidates import Chat, slug
from ..whole_file import read_json, write_json
from .capability import Items, neutral_items, neutral_texts
from .emobench import ANSWER_TOKENS, FILES, Question, generated_items, likelihood_items
from .evaluation_plan import EvaluationPlan
from .harness import harness_items
from .systems import LocalModels, System, ask


if TYPE_CHECKING:
    from ..scorers.judges.endpoint import ChatEndpoint

_ALMOST_GREEDY = {"temperature": 0.01, "top_p": 1.0}  # `generate_replies` always samples


@dataclass(frozen=True)
class SystemRun:
    """What came of one system.

    Args:
        replies (`list[str | None]`): One per chat; `None` where a server gave no answer.
        items (`dict`): Per measure of capability one value an item.
    """

    replies: list[str | None]
    items: Items


@dataclass(frozen=True)
class _Part:
    """A part of the work: the file that keeps it, what it depends on beside the run's settings, and the work."""

    path: Path
    settings: dict[str, Any]
    do: Callable[..., Any]

    def kept(self) -> Any:
        content = read_json(self.path) if self.path.is_file() else {}
        return content["made"] if content.get("settings") == self.settings else None

    def done(self, *running: Any) -> Any:
        made = self.do(*running)
        if made is not None and None not in made:  # what a server left unanswered is asked again the next time
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, {"settings": self.settings, "made": made})
        return made


def run_system(
    system: System,
    plan: EvaluationPlan,
    output: Path,
    models: LocalModels,
    chats: Sequence[Chat],
    questions: Sequence[Question],
) -> SystemRun:
    """Replies and benchmarks of a system; a model is loaded only for what is not kept in `output` yet.

    Args:
        system ([`System`]): Who.
        plan ([`EvaluationPlan`]): How.
        output (`Path`): Folder of the run.
        models ([`LocalModels`]): Where local systems come from.
        chats (`Sequence` of chat messages): What to reply to.
        questions (`Sequence[Question]`): EmoBench, or none.
    """
    parts = list((_served if system.kind == "endpoint" else _local)(system, plan, output, chats, questions))
    made = [part.kept() for part in parts]
    if None in made and system.kind == "endpoint":
        made = [part.done() if old is None else old for part, old in zip(parts, made, strict=True)]
    elif None in made:
        with models.running(system) as running:
            made = [part.done(*running) if old is None else old for part, old in zip(parts, made, strict=True)]
    replies, *benchmarks = made
    return SystemRun(replies, {measure: values for items in benchmarks for measure, values in (items or {}).items()})


def _local(
    system: System, plan: EvaluationPlan, output: Path, chats: Sequence[Chat], questions: Sequence[Question]
) -> Iterator[_Part]:
    drawn = {"batch_size": plan.batch_size, "seed": plan.seed}

    def reply(model, tokenizer) -> list[str]:
        said = {"temperature": plan.temperature, "description": f"replies of {system.name}"}
        return generate_replies(model, tokenizer, chats, plan.max_new_tokens, **said, **drawn)

    def emobench(model, tokenizer) -> Items:
        def answer(asked: list[Chat]) -> list[str]:
            said = {**_ALMOST_GREEDY, "description": "EmoBench, answers"}
            return generate_replies(model, tokenizer, asked, ANSWER_TOKENS, **said, **drawn)

        return likelihood_items(model, tokenizer, questions) | generated_items(answer, questions, plan.seed)

    yield _Part(_replies_file(output, system), {}, reply)
    if plan.neutral:
        neutral = _benchmark_file(output, system, "neutral")
        yield _Part(neutral, {}, lambda model, tokenizer: neutral_items(model, tokenizer, neutral_texts()))
    if questions:
        yield _Part(_benchmark_file(output, system, "emobench"), _emobench_settings(plan), emobench)
    for task in plan.tasks:
        options = {"limit": plan.limit, **drawn}
        yield _Part(
            _benchmark_file(output, system, f"task-{slug(task)}"),
            {"task": task, **options},
            lambda model, tokenizer, task=task, options=options: harness_items(model, tokenizer, task, **options),
        )


def _served(
    system: System, plan: EvaluationPlan, output: Path, chats: Sequence[Chat], questions: Sequence[Question]
) -> Iterator[_Part]:
    """A server tells no likelihoods: it replies, and answers EmoBench's questions."""

    def endpoint(temperature: float, max_tokens: int) -> ChatEndpoint:
        from ..scorers.judges.endpoint import ChatEndpoint

        limits = {"max_tokens": max_tokens, "seed": plan.seed}
        return ChatEndpoint(
            system.source, plan.base_url, cache_dir=output / "answers", temperature=temperature, extra_body=limits
        )

    def reply() -> list[str | None]:
        return ask(endpoint(plan.temperature, plan.max_new_tokens), chats, f"replies of {system.name}")

    def emobench() -> Items | None:
        said: list[str | None] = []

        def answer(asked: list[Chat]) -> list[str | None]:
            said.extend(ask(endpoint(0.0, ANSWER_TOKENS), asked, "EmoBench, answers"))
            return said

        items = generated_items(answer, questions, plan.seed)
        return None if None in said else items  # not answered is not wrong

    yield _Part(_replies_file(output, system), {}, reply)
    if questions:
        yield _Part(_benchmark_file(output, system, "emobench"), _emobench_settings(plan), emobench)


def _replies_file(output: Path, system: System) -> Path:
    return output / "replies" / f"{slug(system.name)}.json"


def _benchmark_file(output: Path, system: System, name: str) -> Path:
    return output / "capability" / slug(system.name) / f"{name}.json"


def _emobench_settings(plan: EvaluationPlan) -> dict[str, Any]:
    files = [hashlib.sha256((Path(plan.emobench) / name).read_bytes()).hexdigest()[:16] for name in FILES]
    return {"files": files, "limit": plan.limit, "batch_size": plan.batch_size, "seed": plan.seed}
