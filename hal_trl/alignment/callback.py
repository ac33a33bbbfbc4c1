"""`HumanLikenessCallback`: how a model that is being trained talks on prompts that were held out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from accelerate.utils import broadcast_object_list
from transformers import Trainer, TrainerCallback

from ..json_form import json_form
from ..rewards import HALReward
from ..rewards.degenerate import is_degenerate
from ..rewards.processes import gather
from ..rewards.question_marks import has_question_mark
from ..whole_file import is_draft, read_json, write_json
from .generate import generate_replies
from .grpo import chat
from .openers import load_openers


if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

FOLDER = "human_likeness"


class HumanLikenessCallback(TrainerCallback):
    """Every few steps, samples replies to held-out prompts, scores them, and keeps the best checkpoint.

    Works with any trainer of TRL or transformers that trains a chat model. The prompts are shared among the processes
    of a run. Each time it

    - logs `hal/held_out/reward`, `p_human`, `degenerate` (share of replies that a guard of form takes half or more
      from), `words` and `questions` (share of replies with a question mark) to the trainer's loggers;
    - writes figures and all replies to `output_dir/human_likeness/step-<n>.json`;
    - has a checkpoint saved, unless the trainer saves none, when the mean reward is the best so far and no more than
      `max_degenerate` of the replies are degenerate. The trainer's own `state.best_model_checkpoint` names it, so that
      `save_total_limit` never deletes it; leave `metric_for_best_model` unset, which would name another;
    - stops the training when more than `collapsed` of the replies are degenerate twice in a row.

    Args:
        trainer (`transformers.Trainer`): The trainer that it is added to.
        prompts (`Sequence` of `str` or chat messages, *optional*, defaults to 32 everyday openers):
            What training does not see. A string is the first message of a chat.
        reward ([`HALReward`], *optional*, defaults to `HALReward()`): What judges.
        every (`int`, *optional*): Steps between two measurements; once an epoch by default.
        max_new_tokens (`int`, *optional*, defaults to 64): Where a reply is cut.
        max_degenerate (`float`, *optional*, defaults to 0.05): Share of degenerate replies the best may have, 0-1.
        collapsed (`float`, *optional*, defaults to 0.5): Share of degenerate replies that ends the training, 0-1.
        seed (`int`, *optional*, defaults to 0): Of the sampling, the same each time; training does not notice it.

    Raises:
        `ValueError`: if the tokenizer has no chat template, or there are no prompts.

    Example:
        ```python
        trainer = DPOTrainer(model=..., args=..., train_dataset=...)
        trainer.add_callback(HumanLikenessCallback(trainer, every=50))
        ```
    """

    def __init__(
        self,
        trainer: Trainer,
        prompts: Sequence[Any] | None = None,
        reward: HALReward | None = None,
        every: int | None = None,
        max_new_tokens: int = 64,
        max_degenerate: float = 0.05,
        collapsed: float = 0.5,
        seed: int = 0,
    ):
        prompts = [chat(opener) for opener in load_openers("held_out")[:32]] if prompts is None else prompts
        self.prompts = [[{"role": "user", "content": p}] if isinstance(p, str) else list(p) for p in prompts]
        if not self.prompts:
            raise ValueError("HumanLikenessCallback needs prompts to hold out; pass some, or None for its own.")
        if getattr(trainer.processing_class, "chat_template", None) is None:
            raise ValueError(
                "HumanLikenessCallback samples chat replies, and the tokenizer has no chat template. Train a model "
                "with one (often named -Instruct), or set tokenizer.chat_template."
            )
        self.trainer, self.reward, self.every = trainer, reward or HALReward(), every
        self.max_new_tokens, self.seed = max_new_tokens, seed
        self.max_degenerate, self.collapsed = max_degenerate, collapsed

    @property
    def folder(self) -> Path:
        """Where the figures and replies are."""
        return Path(self.trainer.args.output_dir) / FOLDER

    def on_step_end(self, args, state, control, **kwargs):
        if self.every and state.global_step % self.every == 0:
            self._measure(args, state, control)

    def on_epoch_end(self, args, state, control, **kwargs):
        if not self.every:
            self._measure(args, state, control)

    def _measure(self, args, state, control) -> None:
        frame = self.reward.explain(self.prompts, self._replies())
        verdict = self._decided(frame, state.global_step)
        figures = verdict.figures
        if args.should_save:
            samples = [
                {"prompt": prompt[-1]["content"], **row}
                for prompt, row in zip(
                    self.prompts, frame[["completion", "reward", "why"]].to_dict("records"), strict=True
                )
            ]
            content = {"step": state.global_step, **figures, "within_limits": verdict.within_limits}
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / f"step-{state.global_step:06d}.json", json_form({**content, "samples": samples}))
        # The trainer's own `log` would close its averages early; this one only tells the loggers, and takes the step's
        # own logging for done.
        due = control.should_log
        Trainer.log(self.trainer, {f"hal/held_out/{name}": value for name, value in figures.items()})
        control.should_log = due
        if verdict.best and args.save_strategy != "no":
            control.should_save = True
            state.best_metric = figures["reward"]
            state.best_model_checkpoint = str(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        if verdict.collapsed:
            logger.warning(
                "Training stops: %.0f %% of the replies to held-out prompts are degenerate, twice in a row; see %s. "
                "Lower the learning rate, raise beta, or look at which guard they trip.",
                100 * figures["degenerate"],
                self.folder,
            )
            control.should_training_stop = True

    def _decided(self, frame: pd.DataFrame, step: int) -> _Verdict:
        """What the first process decides, which has the earlier figures; one that saves or stops alone would hang."""
        decided: list[_Verdict | None] = [None]
        if self.trainer.accelerator.process_index == 0:
            figures, earlier = figures_of(frame), self._earlier(step)
            within = figures["degenerate"] <= self.max_degenerate
            best = within and all(figures["reward"] > past["reward"] for past in earlier if past["within_limits"])
            before = earlier[-1]["degenerate"] if earlier else 0.0
            decided[0] = _Verdict(figures, within, best, min(before, figures["degenerate"]) > self.collapsed)
        return broadcast_object_list(decided)[0]

    def _replies(self) -> list[str]:
        """One reply a prompt, each process having sampled its share; the same list everywhere."""
        from trl.models.utils import unwrap_model_for_generation

        accelerator = self.trainer.accelerator
        share = -(-len(self.prompts) // accelerator.num_processes)
        # As many on every process: a model spread over them answers nobody unless all ask. The last may ask again.
        first = min(accelerator.process_index * share, len(self.prompts) - 1)
        own = self.prompts[first : first + share]
        own += self.prompts[:1] * (share - len(own))
        with unwrap_model_for_generation(self.trainer.model_wrapped, accelerator) as model:
            replies = generate_replies(
                model,
                self.trainer.processing_class,
                own,
                self.max_new_tokens,
                seed=self.seed + accelerator.process_index,
                description="held-out replies",
            )
        return gather(replies)[0][: len(self.prompts)]

    def _earlier(self, step: int) -> list[dict[str, Any]]:
        """What was measured at earlier steps; later ones belong to a training that was cut off and is repeated."""
        found = (read_json(path) for path in sorted(self.folder.glob("step-*.json")) if not is_draft(path))
        return [content for content in found if content["step"] < step]


@dataclass(frozen=True)
class _Verdict:
    """What one measurement found and what follows from it, the same on every process."""

    figures: dict[str, float]
    within_limits: bool
    best: bool
    collapsed: bool


def figures_of(frame: pd.DataFrame) -> dict[str, float]:
    """Means over the rows of [`HALReward.explain`]; where nothing could be read the reward counts 0."""
    texts = frame["completion"]
    return {
        "reward": float(frame["reward"].fillna(0.0).mean()),
        "p_human": float(frame["p_human"].fillna(0.0).mean()),
        "degenerate": float(np.mean(is_degenerate(frame))),
        "words": float(np.mean([len(text.split()) for text in texts])),
        "questions": float(has_question_mark(texts).mean()),
    }
