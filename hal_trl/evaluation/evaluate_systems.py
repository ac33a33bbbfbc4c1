"""Base model against aligned ones: replies to the same prompts, honesty, and what alignment cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..alignment import SMOLLM2, reward_history
from ..alignment.adapter import adapter_folder, named_base
from ..alignment.grpo import chat
from ..rewards import HALReward
from ..rewards.audit import load_probes
from .capability import capability_figures
from .emobench import load_emobench
from .evaluation_plan import EvaluationPlan
from .evaluation_record import write_evaluation
from .harness import require_harness
from .prompt_set import load_prompt_set
from .run_folder import claim
from .system_figures import Said
from .system_runs import run_system
from .systems import PEOPLE, LocalModels, find_systems


@dataclass(frozen=True)
class _Sampling:
    """What the kept replies depend on."""

    systems: dict[str, str]
    prompts: str
    fingerprint: str
    n_probes: int
    max_new_tokens: int
    temperature: float
    batch_size: int
    seed: int


def evaluate_systems(plan: EvaluationPlan, output: str | Path) -> dict[str, Any]:
    """Have all systems reply to the same prompts, and compare each with the base model.

    Every other honesty probe is asked as well (the others are trained on). What a system said, and each benchmark, is
    kept in `output` as soon as it is done; started again, the evaluation goes on from there.

    Writes `replies/`, `capability/`, `evaluation.json`, `replies.parquet` and `comparisons/<system>.json`, which
    `hal-trl push --evaluation` takes.

    Args:
        plan ([`EvaluationPlan`]): What to evaluate, and how.
        output (`str` or `Path`): Folder of the run.

    Returns:
        `dict`: what `evaluation.json` holds: `systems`, `comparisons`, `shifts`, `capability`, `history` and how they
        came about. Estimates are `value`, `low`, `high` with 95 % bootstrap intervals over prompts.

    Raises:
        `FileExistsError`: if `output` holds something else.
        `ImportError`: if a task is asked for without the extra `harness`, an endpoint without `judge`.
        `ValueError`: if `output` holds a run with other settings, an adapter belongs to another base model, or a
            system says nothing at all.
    """
    output = Path(output)
    prompts = load_prompt_set(plan.prompts, plan.prompt_column).first(plan.n_prompts)
    if len(prompts.chats) < 2:
        raise ValueError(f"{prompts.name} has {len(prompts.chats)} prompts: give at least 2, intervals are over them.")
    if plan.tasks:
        require_harness()
    if plan.model is None and plan.adapters:
        # What the first adapter was trained on. SmolLM2 stays unnamed: it is unpacked without a network.
        named = named_base(adapter_folder(plan.adapters[0]))
        plan = replace(plan, model=None if named == SMOLLM2 else named)
    systems = find_systems(plan.model, plan.adapters, plan.endpoint, plan.base_url)
    questions = load_emobench(plan.emobench, plan.limit) if plan.emobench else []
    probes = [probe.question for probe in load_probes()[1::2]][: plan.n_prompts]
    sampling = _Sampling(
        systems={system.name: system.fingerprint for system in systems},
        prompts=prompts.name,
        fingerprint=prompts.fingerprint,
        n_probes=len(probes),
        max_new_tokens=plan.max_new_tokens,
        temperature=plan.temperature,
        batch_size=plan.batch_size,
        seed=plan.seed,
    )
    claim(output, sampling, resume=True)
    models, chats = (
        LocalModels(systems[0].source, plan.model, output / "base-model"),
        [*prompts.chats, *map(chat, probes)],
    )
    runs = [run_system(system, plan, output, models, chats, questions) for system in systems]

    reward, n = HALReward() if plan.scorer is None else HALReward.from_pretrained(plan.scorer), len(prompts.chats)
    said = [
        Said.of(system.name, prompts, run.replies[:n], probes, run.replies[n:], reward)
        for system, run in zip(systems, runs, strict=True)
    ]
    people = None if prompts.references is None else Said.of(PEOPLE, prompts, prompts.references, [], [], reward)
    return write_evaluation(
        output,
        said,
        prompts,
        reward,
        people,
        command=plan.command(output),
        versions=_versions(plan),
        seed=plan.seed,
        capability={
            system.name: capability_figures(run.items, None if system.kind == "base" else runs[0].items)
            for system, run in zip(systems, runs, strict=True)
            if run.items
        },
        history=_history(plan),
    )


def _versions(plan: EvaluationPlan) -> dict[str, str]:
    names = ["hal-trl", "transformers", "peft", "torch", *(["lm-eval"] if plan.tasks else [])]
    return {name: version(name) for name in names}


def _history(plan: EvaluationPlan) -> list[dict[str, float]]:
    """What the trainer logged, where there is one adapter and its checkpoints lie where our commands put them."""
    if len(plan.adapters) != 1:
        return []
    folder = Path(plan.adapters[0]).expanduser()
    return reward_history(folder) or reward_history(folder.parent / "checkpoints")
