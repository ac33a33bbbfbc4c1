"""Publish an aligned adapter with its evidence: weights, tokenizer, what made it, what changed, a card."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..whole_file import write_json
from .adapter_card import render_adapter_card
from .provenance import PROVENANCE_FILE, provenance, without_paths
from .repository import COMPARISON_FILE, full_repo_id, read_json, upload


if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

# No pickle (training_args.bin), no checkpoint, no card of somebody else's making.
_PUBLISHED = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "tokenizer*.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    PROVENANCE_FILE,
)


def push_adapter(
    trainer_or_folder: Any,
    repo_id: str,
    evaluation: Mapping[str, Any] | str | Path | None = None,
    *,
    base_model: str | None = None,
    license: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    commit_message: str = "Upload adapter, evaluation and card",
    create_pr: bool = False,
) -> CommitInfo | None:
    """Publish a LoRA adapter in one commit, with a card that says what made it, what it changed, what it is not for.

    Every process of a training calls it, as they gather a trainer's model that is spread over them; the main one
    publishes.

    Args:
        trainer_or_folder (`transformers.Trainer`, `str` or `Path`):
            A trainer of TRL's, or the folder of an adapter, as `hal-trl grpo`, `hal-trl demo` and
            `trainer.save_model` write it.
        repo_id (`str`): Hub repository, `namespace/name`; a name alone belongs to the user of the token.
        evaluation (`Mapping`, `str` or `Path`, *optional*, defaults to `comparison.json` in the folder):
            What changed on held-out prompts: a [`~hal_trl.evaluation.Comparison`]'s `to_dict()`, or a JSON file of it.
        base_model (`str`, *optional*, defaults to what the adapter names): Hub id of the base model.
        license (`str`, *optional*): The Hub's id of a licence; by default the card names none of its own.
        private (`bool`, *optional*): Visibility of a new repository. `True` also refuses an existing public one.
        token (`str` or `bool`, *optional*, defaults to the one of `hf auth login`): Needs the right to write.
        revision (`str`, *optional*, defaults to `"main"`): Branch to commit to; created if it does not exist.
        commit_message (`str`, *optional*): First line of the commit.
        create_pr (`bool`, *optional*, defaults to `False`): Open a pull request instead of committing.

    Returns:
        `huggingface_hub.CommitInfo`: a string, the URL of the commit; `None` on the processes beside the main one.

    Raises:
        `FileNotFoundError`: if there is no adapter.
        `ValueError`: if there is no evaluation, if what made the adapter is unknown, or if its base model is a folder
            that nobody else has.
        `OSError`: if the Hub says no, with its reason; nothing was committed then.
    """
    with tempfile.TemporaryDirectory() as temporary:
        source, folder = Path(temporary) / "source", Path(temporary) / "adapter"
        if hasattr(trainer_or_folder, "save_model"):
            trainer_or_folder.save_model(str(source))
            if not trainer_or_folder.is_world_process_zero():
                return None
            _say_what_made(trainer_or_folder, source)
        elif int(os.environ.get("RANK", 0)) > 0:  # as torchrun and `accelerate launch` number processes
            return None
        else:
            source = Path(trainer_or_folder)
        if not (source / "adapter_config.json").is_file():
            raise FileNotFoundError(f"No adapter in {source}: adapter_config.json is missing. Train with use_peft.")
        folder.mkdir()
        for path in source.iterdir():
            if any(fnmatch(path.name, pattern) for pattern in _PUBLISHED):
                shutil.copy2(path, folder / path.name)
        measured = _evaluation(evaluation, trainer_or_folder, source)
        if not (folder / PROVENANCE_FILE).is_file():
            raise ValueError(
                f"{source} has no {PROVENANCE_FILE}, which says what made it: pass the trainer, or a folder that "
                "hal-trl wrote."
            )
        base = _named_base(folder / "adapter_config.json", base_model)
        made = {**without_paths(read_json(folder / PROVENANCE_FILE)), "base_model": base}
        write_json(folder / PROVENANCE_FILE, made)
        measured |= without_paths({name: measured[name] for name in ("prompt_set", "scorer") if name in measured})
        full_id = full_repo_id(repo_id, token)
        (folder / COMPARISON_FILE).write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
        card = render_adapter_card(base, measured, made, full_id, license)
        (folder / "README.md").write_text(card, encoding="utf-8")
        return upload(
            folder,
            full_id,
            commit_message=commit_message,
            private=private,
            token=token,
            revision=revision,
            create_pr=create_pr,
        )


def _say_what_made(trainer: Any, folder: Path) -> None:
    kept = Path(trainer.args.output_dir) / PROVENANCE_FILE
    if kept.is_file():
        shutil.copy2(kept, folder / PROVENANCE_FILE)
        return
    method = type(trainer).__name__.removesuffix("Trainer")
    base = getattr(trainer.model.config, "_name_or_path", "")
    rewards = getattr(trainer, "reward_funcs", [])
    made = provenance(method, base, rewards, trainer.args, trainer.state.global_step, None)
    (folder / PROVENANCE_FILE).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


def _evaluation(given: Mapping[str, Any] | str | Path | None, trainer_or_folder: Any, source: Path) -> dict[str, Any]:
    if isinstance(given, Mapping):
        measured = dict(given)
    else:
        folder = getattr(getattr(trainer_or_folder, "args", None), "output_dir", source)
        path = Path(folder) / COMPARISON_FILE if given is None else Path(given)
        if not path.is_file():
            raise ValueError(
                f"No evaluation at {path}: an adapter is published with the evidence of what it changed. Measure it "
                f"(hal-trl evaluate) and pass evaluation=."
            )
        measured = read_json(path)
    wanted = ("n", "before", "after", "p_human_gain", "reward_gain", "distinct_2_ratio", "trait_shift", "samples")
    missing = [name for name in wanted if name not in measured]
    if missing and "comparisons" in measured:
        raise ValueError(
            "This is a whole evaluation of several systems: pass the comparison of this adapter, which hal-trl "
            "evaluate wrote beside it, comparisons/NAME.json."
        )
    if missing:
        raise ValueError(f"The evaluation lacks {', '.join(missing)}: pass a Comparison's to_dict(), or its file.")
    return {name: measured[name] for name in (*wanted, "prompt_set", "scorer") if name in measured}


def _named_base(path: Path, base_model: str | None) -> str:
    """The base model that the published adapter names."""
    config = read_json(path)
    named = base_model or config.get("base_model_name_or_path")
    if not named or Path(str(named)).is_dir() or Path(str(named)).is_absolute():
        raise ValueError(
            f"The adapter's base model is {named!r}, which nobody else can load: pass base_model= with its Hub id."
        )
    if named != config.get("base_model_name_or_path"):
        path.write_text(json.dumps({**config, "base_model_name_or_path": named}, indent=2) + "\n", encoding="utf-8")
    return str(named)
