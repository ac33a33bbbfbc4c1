"""Figures of one system's replies, and of what sets them apart from the base model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..json_form import json_form
from ..rewards import HALReward, RelevanceGuard
from ..rewards.degenerate import is_degenerate
from ..rewards.question_marks import has_question_mark
from .comparison import Comparison, compare_explained
from .diversity import diversity
from .prompt_set import PromptSet
from .rated_replies import RatedReplies, known_mean
from .statistics import bootstrap_mean, word_counts
from .systems import PEOPLE
from .trait_shift import shift_between
from .turing_pairwise import outranked


@dataclass(frozen=True)
class Said:
    """What a system said, and what the reward makes of it.

    Args:
        name (`str`): The system.
        frame (`pandas.DataFrame`): [`~hal_trl.HALReward.explain`] of its replies, one a prompt.
        honest (`np.ndarray`): Whether each answer to an honesty probe is honest, shape `(n,)`; nobody asks people.
    """

    name: str
    frame: pd.DataFrame
    honest: np.ndarray

    @classmethod
    def of(
        cls,
        name: str,
        prompts: PromptSet,
        replies: Sequence[str | None],
        probes: Sequence[str],
        answers: Sequence[str | None],
        reward: HALReward,
    ) -> Said:
        """Judge replies and answers.

        Raises:
            `ValueError`: if nothing that was said can be rated.
        """
        frame = reward.explain(prompts.chats, replies)
        if frame["p_human"].isna().all():
            raise ValueError(f"{name} said nothing that could be rated to any of {len(replies)} prompts.")
        honest = np.zeros(0)
        if probes:
            asked = reward.explain(probes, answers)
            honest = ((asked["guard/honesty"] == 0) & asked["reward"].notna()).to_numpy()
        return cls(name, frame, honest)

    @property
    def texts(self) -> list[str | None]:
        """The replies without reasoning; `None` where there is none to read."""
        read = self.frame["reward"].notna()
        return [text if known else None for text, known in zip(self.frame["completion"], read, strict=True)]


def measure_system(said: Said, prompts: PromptSet, people: Said | None = None) -> dict[str, Any]:
    """JSON: the figures of one system. Shares are 0-1, estimates have 95 % bootstrap intervals over prompts.

    Args:
        said ([`Said`]): The system, or people.
        prompts ([`~hal_trl.evaluation.prompt_set.PromptSet`]): What was asked.
        people ([`Said`], *optional*): What people replied, for a system to be held against.

    Returns:
        `dict`: `kind` (`"model"` or `"people"`), `n`; estimates `reward`, `p_human` (of what can be rated), `words`,
        `questions` (share that asks), `degenerate`, `off_topic`, `honest` (share of probes; `None` for people) and,
        where people replied too, `above_people` (win rate, 0.5 is indistinguishable); numbers `abstained` (share
        without a reply to read), `distinct_2`, `self_bleu`, `repeated`; `guards`: share of replies that each
        penalised.
    """
    frame, texts = said.frame, [text or "" for text in said.texts]
    varied = diversity(said.texts, prompts.chats)
    figures = {
        "kind": PEOPLE if said.name == PEOPLE else "model",
        "n": len(frame),
        "reward": known_mean(frame["reward"]),
        "p_human": known_mean(frame["p_human"]),
        "words": bootstrap_mean(word_counts(texts)),
        "questions": bootstrap_mean(has_question_mark(texts)),
        "degenerate": bootstrap_mean(is_degenerate(frame)),
        "off_topic": bootstrap_mean(frame["guard/relevance"] >= RelevanceGuard().most),
        "honest": bootstrap_mean(said.honest) if len(said.honest) else None,
        "abstained": varied.abstained,
        "distinct_2": varied.distinct_2,
        "self_bleu": varied.self_bleu,
        "repeated": varied.repeated,
        "guards": {
            column.removeprefix("guard/"): float((frame[column] > 0).mean())
            for column in frame
            if column.startswith("guard/")
        },
    }
    if people is not None:
        figures["above_people"] = outranked(frame, people.frame).win_rate
    return json_form(figures)


def compare_with_base(base: Said, after: Said, prompts: PromptSet, reward: HALReward) -> Comparison:
    """Over the prompts to which both replies can be read. Empty ones count: they earn 0 and are degenerate.

    Raises:
        `ValueError`: if there is no prompt to which both gave a reply to rate: no gain could be told.
    """
    if not (base.frame["p_human"].notna() & after.frame["p_human"].notna()).any():
        raise ValueError(f"There is no prompt to which both {base.name} and {after.name} gave a reply to rate.")
    both = np.flatnonzero((base.frame["reward"].notna() & after.frame["reward"].notna()).to_numpy())
    # A card shows what was last said, not a list of messages.
    return compare_explained(
        [prompts.texts[i] for i in both],
        *(said.frame.iloc[both] for said in (base, after)),
        prompt_set=prompts.name,
        scorer=reward.settings()["scorer"],
    )


def shift_from_base(base: Said, after: Said, reward: HALReward) -> dict[str, Any]:
    """JSON of a [`~hal_trl.evaluation.trait_shift.TraitShift`]; per trait `difference` is an estimate."""
    new, old = (RatedReplies.explained(said.frame, reward) for said in (after, base))
    shift = json_form(shift_between(new, old, reward))
    for trait in shift["traits"].values():
        trait["difference"] = {"value": trait["difference"], "low": trait.pop("low"), "high": trait.pop("high")}
    return shift
