"""Go on with a training that was interrupted, from its last whole checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from .grpo import last_whole_checkpoint


if TYPE_CHECKING:
    from transformers import Trainer


def checkpoint_of(args: Any) -> str | None:
    """Where to go on: what `resume_from_checkpoint` names, else the last whole checkpoint in `output_dir`."""
    named = args.resume_from_checkpoint
    if named and str(named).lower() not in ("true", "false"):
        return str(named)
    return None if str(named).lower() == "false" else last_whole_checkpoint(Path(args.output_dir))


def train_from(trainer: Trainer, checkpoint: str | None) -> None:
    """Train to the end; where the checkpoint is of the last step, only load it, so that the end can be written.

    Asked to go on from its last step, the trainer would take another one.

    Args:
        trainer (`transformers.Trainer`): As it was set up when the training began.
        checkpoint (`str`, *optional*): Where to go on; `None` to begin anew.
    """
    trainer.add_callback(_NoStepTooMany)
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except _AllStepsTaken:  # what the trainer does after its last step:
        if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint is not None:
            trainer._load_best_model()
        trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)


class _AllStepsTaken(Exception):  # noqa: N818, no error
    """The weights and the state of the last step are loaded, and nothing is left to train."""


class _NoStepTooMany(TrainerCallback):
    def on_train_begin(self, args, state, control, **kwargs):
        if state.global_step >= state.max_steps:
            raise _AllStepsTaken
