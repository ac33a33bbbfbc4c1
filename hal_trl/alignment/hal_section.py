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
        trait_weights (`dict`), trait_targets (`dict`), length_neutral (`bool`): As for [`~hal_trl.HALReward`]; also
            for the judge's, as far as its score counts those traits. `length_neutral` and a judge exclude each other.
        judge (`dict`): Arguments of [`~hal_trl.LLMJudge`] (`model`, `base_url`, `max_requests`...): a second reward,
            named "judge", that a language model gives beside the local one. GRPO and RLOO only.
        rewards (`list[str]`): Dotted names of further TRL reward functions. GRPO and RLOO only.
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

    def check(self, method: str) -> None:
        """Make sure that a method makes use of all that the section says.

        Raises:
            `ValueError`: for rewards that DPO and PPO cannot take, and for settings of a reward that DPO never asks.
        """
        given = {entry.name for entry in fields(self) if getattr(self, entry.name) not in (None, {}, [], False, 0)}
        given |= set() if self.guards is None else {"guards"}
        several = sorted(given & {"judge", "rewards"})
        if several and method in ("dpo", "ppo"):
            why = "learns from pairs, not from rewards" if method == "dpo" else "takes one reward"
            raise ValueError(f"{method.upper()} {why}: leave {', '.join(several)} out of the hal section.")
        if method == "dpo" and given and not self.held_out_every:
            raise ValueError(
                f"DPO learns from pairs: {', '.join(sorted(given))} of the hal section would do nothing. Leave them "
                "out, or set held_out_every to have that reward watch; what chooses is said to hal-trl pairs."
            )

    def reward(self) -> HALReward:
        """The local reward.

        Raises:
            `ValueError`: for an unknown guard or profile. As [`~hal_trl.HALReward`] otherwise.
        """
        options = self._options()
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
            rewards.append(AsyncHALReward(judge, score, name="judge", **self._options_for(score)))
        return rewards + [import_reward(name) for name in self.rewards]

    def _options(self) -> dict[str, Any]:
        return {
            "guards": self._guards(),
            "trait_weights": self.trait_weights,
            "trait_targets": self.trait_targets,
            "length_neutral": self.length_neutral,
        }

    def _options_for(self, score: HumanLikenessScore) -> dict[str, Any]:
        """For the score of a judge, which may count fewer traits than the local one."""
        if self.length_neutral and score.length_effect is None:
            raise ValueError(
                "The judge's score does not know what length alone adds: leave length_neutral or the judge out of the "
                "hal section."
            )
        counted = {*score.traits.ids, *(trait.group for trait in score.traits)}
        changes = {
            name: {trait: change for trait, change in getattr(self, name).items() if trait in counted}
            for name in ("trait_weights", "trait_targets")
        }
        return {**self._options(), **changes}

    def _guards(self) -> list | None:
        if self.guards is None:
            return None
        by_name = {guard.name: guard for guard in default_guards()}
        unknown = sorted(set(self.guards) - set(by_name))
        if unknown:
            raise ValueError(f"Unknown guards {', '.join(unknown)}; choose from {', '.join(by_name)}.")
        return [by_name[name] for name in self.guards]
