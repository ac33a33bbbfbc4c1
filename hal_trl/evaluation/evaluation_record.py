"""What is written down of an evaluation, whoever made it: `hal-trl report` reads it, `hal-trl push` a part of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..alignment.candidates import slug
from ..json_form import json_form
from ..rewards import HALReward
from ..whole_file import draft_of, write_json
from .prompt_set import PromptSet
from .system_figures import Said, compare_with_base, measure_system, shift_from_base


def write_evaluation(
    output: Path,
    said: Sequence[Said],
    prompts: PromptSet,
    reward: HALReward,
    people: Said | None = None,
    *,
    command: str,
    versions: Mapping[str, str],
    seed: int,
    capability: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
) -> dict[str, Any]:
    """Compare systems with the first of them, and write `evaluation.json`, `replies.parquet` and `comparisons/`.

    Args:
        output (`Path`): Folder of the run.
        said (`Sequence[Said]`): What each system said to the prompts, the base model first.
        prompts ([`~hal_trl.evaluation.prompt_set.PromptSet`]): What was asked.
        reward ([`HALReward`]): What judged.
        people ([`Said`], *optional*): What people replied.
        command (`str`), versions (`Mapping`), seed (`int`): How it came about.
        capability (`Mapping`): By system, as [`~hal_trl.evaluation.capability.capability_figures`] returns it.
        history (`Sequence` of `dict`): What the trainer logged, by step.

    Returns:
        `dict`: what `evaluation.json` holds.

    Raises:
        `ValueError`: if there is no prompt to which both the base and another system gave a reply to rate.
    """
    base, aligned = said[0], said[1:]
    everybody = [*said, *([] if people is None else [people])]
    comparisons = {one.name: json_form(compare_with_base(base, one, prompts, reward).to_dict()) for one in aligned}
    content = {
        "command": command,
        "versions": dict(versions),
        "seed": seed,
        "reward": reward.settings(),
        "prompts": prompts.name,
        "base": base.name,
        "systems": {one.name: measure_system(one, prompts, None if one is people else people) for one in everybody},
        "comparisons": comparisons,
        "shifts": {one.name: shift_from_base(base, one, reward) for one in aligned},
        "capability": dict(capability),
        "history": list(history),
    }
    for name, comparison in comparisons.items():
        path = comparison_file(output, name)
        path.parent.mkdir(exist_ok=True)
        write_json(path, comparison)
    asked = {"prompt": prompts.texts, "chat": [json.dumps(messages) for messages in prompts.chats]}
    frame = pd.concat([one.frame.assign(system=one.name, **asked) for one in everybody], ignore_index=True)
    with draft_of(output / "replies.parquet") as draft:
        frame[["system", *asked, *base.frame.columns]].to_parquet(draft, index=False)
    write_json(output / "evaluation.json", content)
    return content


def comparison_file(output: str | Path, name: str) -> Path:
    """Where the comparison of a system with the base model is written."""
    return Path(output) / "comparisons" / f"{slug(name)}.json"
