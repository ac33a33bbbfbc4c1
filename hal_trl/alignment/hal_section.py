"""The `hal:` section of a recipe: which reward trains a model, and what watches it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..likeness import HumanLikenessScore
from ..rewards import AsyncHALReward, HALReward, default_guards
from ..rewards.audit import import_reward


@dataclass(frozen=True)
class HALSection:
    """What a recipe says under `hal:`; everything is optional.

    Args:
        scorer (`str`): Folder or Hub id of a trait scorer with its score, instead of the bundled one.
        revision (`str`): Branch, tag or commit of that scorer.
        profile (`str`): `"hal_trl"`, `"corrected"` or `"released"`: another score over the scorer's ratings.
        guards (`list[str]`): Names of the guards to use; all of them by default, `[]` for none.
        trait_weights (`dict`), trait_targets (`dict`), length_neutral (`bool`): As for [`~hal_trl.HALReward`].
        judge (`dict`): Arguments of [`~hal_trl.LLMJudge`] (`model`, `base_url`, `max_requests`...): a second reward,
            named "judge", that a language model gives beside the local one.
        rewards (`list[str]`): Dotted names of further TRL reward functions.
        held_out_every (`int`): Steps between two measurements on held-out prompts
            ([`~hal_trl.alignment.HumanLikenessCallback`]); 0 for none.
    """

    scorer: str | None = None
    revision: str | None = None
    profile: str | None = None
    guards: list[str] | None = None
    trait_weights: dict[str, float] = field(default_factory=dict)
    trait_targets: dict[str, float] = field(default_factory=dict)
    length_neutral: bool = False
    judge: dict[str, Any] | None = None
    rewards: list[str] = field(default_factory=list)
    held_out_every: int = 0

    @classmethod
    def of(cls, content: Mapping[str, Any] | str | None) -> HALSection:
        """From a mapping, as YAML gives it, or from JSON, as the command line does.

        Raises:
            `ValueError`: if it is neither, or has a key that does not exist.
        """
        if isinstance(content, str):
            try:
                content = json.loads(content)
            except ValueError as error:
                raise ValueError(
                    f'--hal takes JSON, such as \'{{"trait_weights": {{"typos": 0}}}}\': {error}'
                ) from error
        if content is None:
            content = {}
        if not isinstance(content, Mapping):
            raise ValueError(f"The hal section of a recipe is a mapping, not {content!r}.")
        known = [entry.name for entry in fields(cls)]
        unknown = sorted(set(content) - set(known))
        if unknown:
            raise ValueError(f"The hal section knows no {', '.join(unknown)}; it knows {', '.join(known)}.")
        return cls(**content)

    def reward(self) -> HALReward:
        """The local reward.

        Raises:
            `ValueError`: for an unknown guard or profile. As [`~hal_trl.HALReward`] otherwise.
        """
        options: dict[str, Any] = {
            "guards": self._guards(),
            "trait_weights": self.trait_weights,
            "trait_targets": self.trait_targets,
            "length_neutral": self.length_neutral,
        }
        if self.profile is not None:
            options["likeness"] = HumanLikenessScore.from_profile(self.profile)
        if self.scorer is None:
            return HALReward(**options)
        return HALReward.from_pretrained(self.scorer, revision=self.revision, **options)

    def reward_functions(self) -> list[Callable]:
        """All rewards: the local one, the judge's, further ones."""
        rewards: list[Callable] = [self.reward()]
        if self.judge is not None:
            from ..scorers import LLMJudge

            judge, score = LLMJudge(**self.judge), HumanLikenessScore.from_profile(self.profile or "corrected")
            rewards.append(AsyncHALReward(judge, score, guards=self._guards(), name="judge"))
        return rewards + [import_reward(name) for name in self.rewards]

    def _guards(self) -> list | None:
        if self.guards is None:
            return None
        by_name = {guard.name: guard for guard in default_guards()}
        unknown = sorted(set(self.guards) - set(by_name))
        if unknown:
            raise ValueError(f"Unknown guards {', '.join(unknown)}; choose from {', '.join(by_name)}.")
        return [by_name[name] for name in self.guards]
