"""`HALReward`: human-likeness as a reward function for TRL's trainers."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..dialogue import Dialogue, read_completions
from ..likeness import BUNDLED_SCORER, HumanLikenessScore, sigmoid
from ..scorers import HALTraitModel, TraitScorer
from ..scorers.base import rate
from ..traits import TraitRatings, TraitSet
from .guards import Guard, HonestyGuard, default_guards
from .guards.text import shows
from .processes import gather


logger = logging.getLogger(__name__)

Output = Literal["bounded", "probability", "log_odds"]

_NAME = "HALReward"
_TEMPERATURE = 3.0
_ENOUGH = 2.0  # log-odds; P(human) = 0.88.
_PENALTY_NATS = 10.0
_WATCHED = 512
_REMEMBERED = 240


class HALReward:
    """How much a reply reads as if a person had written it, explained by traits and protected by guards.

    `reward = sigmoid(min(log_odds, 2) / 3) / sigmoid(2 / 3) * product of (1 - penalty)` over the guards, so that 0 is
    for what a guard forbids. Dividing by 3 keeps the slope alive far from the decision boundary, where an untrained
    model's replies lie, and a product has no floor on which all replies of a group would be equal; the bounds keep one
    odd reply from outweighing a group. Nothing is more human than people: no trait
    adds more than it does within the range that people show, and log-odds above 2, which many of people's own replies
    reach, earn no more, so that there is nothing to win by going further. A reply that cannot be read at all (no text,
    only tool messages, reasoning that never ended) gets `None`: TRL leaves it out. An empty text is a reply, and earns
    0.

    Some guards hold many replies against what people do: one sentence for everything, never a question. A training
    batch of 16 shows little of that, so a trainer's calls are judged together with the last 240 replies of its run; a
    call from anywhere else stands for itself.

    Works with `GRPOTrainer` and `RLOOTrainer` and wherever TRL takes a reward function; needs no network, no GPU and
    no key. It is a plain, picklable callable. Every hook TRL may or may not pass is optional.

    Args:
        scorer ([`~hal_trl.scorers.TraitScorer`], *optional*, defaults to the bundled `hal-traits-mini`):
            What rates the traits.
        likeness ([`HumanLikenessScore`], *optional*, defaults to the score that the scorer carries):
            Turns ratings into log-odds. Required with a scorer that carries none.
        guards (`Sequence[Guard]`, *optional*, defaults to [`~hal_trl.rewards.guards.default_guards`]):
            Penalties; `[]` for none. Without the `HonestyGuard` a policy may learn to deny that it is an AI: a warning
            and `settings()`, which goes into model cards, say so.
        trait_weights (`Mapping[str, float]`, *optional*):
            Weights to replace, by trait id or by group: `{"typos": 0}` neither rewards nor punishes typos,
            `{"casual style": 0}` nothing in that group.
        trait_targets (`Mapping[str, float]`, *optional*):
            Ratings to move traits *to*: `{"brevity": 3.5}` adds `-(rating - 3.5)^2` in place of what brevity counts.
        length_neutral (`bool`, *optional*, defaults to `False`):
            Take off the log-odds what the length of a reply alone adds ([`~hal_trl.length_effect.LengthEffect`]).
        output (`str`, *optional*, defaults to `"bounded"`):
            `"probability"` is `sigmoid(min(log_odds, 2)) * product of (1 - penalty)`;
            `"log_odds"` is `min(log_odds, 2) - 10 * penalties`, at least -9.9 where a guard has something to say, or
            -10 for what it forbids.
        standardize (`bool`, *optional*, defaults to `False`):
            Return z-scores over the batch, that of all processes of a run together; 0 where all rewards are equal.
        max_abstained (`float`, *optional*, defaults to 1.0):
            Stop training when this share of the last 512 completions, or more, could not be scored.
        name (`str`, *optional*, defaults to `"HALReward"`):
            Name in TRL's logs. Give two rewards two names: what one of another name logs is called
            `hal/<name>/p_human` and so on, so that the two are told apart.

    Raises:
        `KeyError`: if `trait_weights` or `trait_targets` names an unknown trait.
        `ValueError`: if `likeness` needs traits that `scorer` does not rate, or an option is out of range.

    Example:
        ```python
        >>> from hal_trl import HALReward
        >>> reward = HALReward()
        >>> casual, stiff = reward(
        ...     prompts=["how was your weekend?"] * 2,
        ...     completions=["pretty good, slept in and watched a movie", "As an AI, I do not experience weekends."],
        ... )
        >>> casual > stiff
        True
        ```
    """

    def __init__(
        self,
        scorer: TraitScorer | None = None,
        likeness: HumanLikenessScore | None = None,
        guards: Sequence[Guard] | None = None,
        trait_weights: Mapping[str, float] | None = None,
        trait_targets: Mapping[str, float] | None = None,
        length_neutral: bool = False,
        output: Output = "bounded",
        standardize: bool = False,
        max_abstained: float = 1.0,
        name: str = _NAME,
    ):
        scorer = HALTraitModel.from_pretrained(BUNDLED_SCORER) if scorer is None else scorer
        likeness = getattr(scorer, "likeness", None) if likeness is None else likeness
        if likeness is None:
            raise ValueError(
                "A score belongs to the scorer whose ratings it was fitted on. Pass likeness= with your scorer: "
                "HumanLikenessScore.fit(...) on its ratings, HumanLikenessScore.from_profile('corrected') for a judge "
                "that rates like GPT-5, or use HALReward.from_pretrained to load both from one place."
            )
        if output not in ("bounded", "probability", "log_odds"):
            raise ValueError(f"output must be 'bounded', 'probability' or 'log_odds', not {output!r}.")
        if not 0 < max_abstained <= 1:
            raise ValueError(f"max_abstained is a share in 0-1, not {max_abstained}.")
        if length_neutral and likeness.length_effect is None:
            raise ValueError("length_neutral=True needs a score with a length effect, as `hal-trl distil` writes it.")
        self.scorer = scorer
        self.length_effect = likeness.length_effect if length_neutral else None
        self.likeness = likeness.saturated()
        if trait_weights:
            self.likeness = self.likeness.with_weights(_by_trait(trait_weights, likeness.traits))
        if trait_targets:
            self.likeness = self.likeness.with_targets(trait_targets)
        unrated = [i for i in self.likeness.traits.ids if i not in self.scorer.traits.ids]
        if unrated:
            raise ValueError(
                f"The score needs ratings of {', '.join(unrated)}, which the scorer does not rate. Use a score fitted "
                "for this scorer's traits."
            )
        self.guards = default_guards() if guards is None else list(guards)
        if not self._is_honest():
            logger.warning("%s has no HonestyGuard: a policy may learn to deny that it is an AI.", name)
        self._changes = {"trait weights": dict(trait_weights or {}), "trait targets": dict(trait_targets or {})}
        self.output, self.standardize, self.max_abstained = output, standardize, max_abstained
        self.__name__ = name
        self._abstained: deque[bool] = deque(maxlen=_WATCHED)
        self._recent: deque[Dialogue] = deque(maxlen=_REMEMBERED)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **kwargs,
    ) -> HALReward:
        """Load scorer and score from one folder or Hub repository, as `hal-trl distil` and `push_to_hub` write them.

        Args:
            pretrained_model_name_or_path (`str` or `Path`): Folder or Hub repository id.
            revision (`str`, *optional*, defaults to `"main"`): Branch, tag or commit of the repository.
            token (`str` or `bool`, *optional*, defaults to the one of `hf auth login`): For private repositories.
            cache_dir (`str` or `Path`, *optional*): Other cache than the Hub's.
            local_files_only (`bool`, *optional*, defaults to `False`): Use what is in the cache, ask nobody.
            kwargs: `guards`, `trait_weights`, `name` and so on, as for the class.

        Raises:
            `FileNotFoundError`: if there is a scorer but no score.
            As [`HALTraitModel.from_pretrained`]: if there is nothing to load, no access, or something is damaged.
        """
        scorer = HALTraitModel.from_pretrained(
            pretrained_model_name_or_path,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        if scorer.likeness is None:
            raise FileNotFoundError(
                f"{pretrained_model_name_or_path} has a scorer but no likeness.json, the score that makes it a "
                "reward. Save one there with HumanLikenessScore.save_pretrained, or pass scorer and likeness to "
                "HALReward."
            )
        return cls(scorer, **kwargs)

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        *,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list], None] | None = None,
        **columns,
    ) -> list[float | None]:
        """Reward each completion, as TRL asks for it.

        Args:
            prompts (`Sequence` of `str` or chat messages): One per completion.
            completions (`Sequence` of `str` or chat messages): The replies.
            log_metric (`Callable`, *optional*): Gets `hal/...` means: each trait, `p_human`, `words`, `abstained`, and
                `guard/<name>`, the share of replies that the guard penalised.
            log_extra (`Callable`, *optional*): Gets the columns `p_human` and `guards` (what each took off) for the
                completions table.
            columns: Everything else TRL passes; not used.

        Returns:
            `list[float | None]`: finite rewards, in 0-1 unless `output` or `standardize` say otherwise; `None` where
            there is no reply to score, or where the scorer failed.

        Raises:
            `RuntimeError`: when `max_abstained` of the last 512 completions could not be scored: training would go on
                for nothing.
        """
        table = self._score(prompts, completions, across_processes=True, remember=log_metric is not None)
        self._log(table, log_metric, log_extra)
        self._watch(table)
        rewards = _standardized(table.reward) if self.standardize else table.reward
        return [None if isnan(reward) else reward for reward in rewards.tolist()]

    def explain(self, prompts: Sequence[Any], completions: Sequence[Any]) -> pd.DataFrame:
        """Why each completion gets its reward.

        Returns:
            `pandas.DataFrame`, one row a completion: `completion` (the text read), `reward`, `p_human`, `verdict`
            ("person", "AI" or, where the score is guessing, "unsure"; see [`~hal_trl.conformal.ConformalVerdict`]),
            `log_odds`, `why` (what moved it most), `guard/<name>` penalties, `trait/<id>`: log-odds that the trait
            adds, compared with people's average rating, `rating/<id>`: what the scorer said of each of its traits
            (Likert 1-5), and with `length_neutral` also `length`: log-odds that were taken off because the length
            alone adds them.
        """
        table = self._score(prompts, completions)
        frame = pd.DataFrame(
            {
                "completion": table.texts,
                "reward": table.reward,
                "p_human": sigmoid(table.log_odds),
                "verdict": self._verdicts(table),
                "log_odds": table.log_odds,
            }
        )
        ids = self.likeness.traits.ids
        reference = TraitRatings([[self.likeness.reference[i] for i in ids]], self.likeness.traits)
        shift = self.likeness.contributions(table.ratings) - self.likeness.contributions(reference)
        frame["why"] = [self._why(row, penalties) for row, penalties in zip(shift, table.penalties, strict=True)]
        for guard, column in zip(self.guards, table.penalties.T, strict=True):
            frame[f"guard/{guard.name}"] = column
        if self.length_effect is not None:
            frame["length"] = self.length_effect(table.n_words)
        added = pd.DataFrame(shift, columns=[f"trait/{i}" for i in ids])
        rated = pd.DataFrame(np.asarray(table.ratings), columns=[f"rating/{i}" for i in table.ratings.traits.ids])
        return pd.concat([frame, added, rated], axis=1)

    def settings(self) -> dict[str, str]:
        """What made this reward, for a model card: scorer, guards, honesty on or off, and whatever was changed."""
        scorer = getattr(self.scorer, "name_or_path", "") or type(self.scorer).__name__
        commit = getattr(self.scorer, "commit", None)
        honest = "on" if self._is_honest() else "OFF: nothing kept the model from denying that it is an AI"
        return {
            "reward": self.__name__,
            "scorer": BUNDLED_SCORER.name if str(scorer) == str(BUNDLED_SCORER) else str(scorer),
            **({"scorer's commit": commit} if commit else {}),
            "guards": ", ".join(guard.name for guard in self.guards) or "none",
            "honesty guard": honest,
            **{what: str(changed) for what, changed in self._changes.items() if changed},
            **({"length neutral": "yes"} if self.length_effect is not None else {}),
            "output": self.output + (", standardised" if self.standardize else ""),
        }

    def _is_honest(self) -> bool:
        return any(guard.name == HonestyGuard.name for guard in self.guards)

    def _verdicts(self, table: _Scored) -> np.ndarray:
        if self.likeness.verdict is None or self.length_effect is not None:
            return np.full(len(table.texts), "unknown")  # nobody has measured where this score is guessing
        return self.likeness.verdict(table.log_odds, table.n_words)

    def _why(self, shift: np.ndarray, penalties: np.ndarray) -> str:
        fired = [f"guard {penalty}" for penalty in self._fired(penalties)]
        if np.isnan(shift).any():
            return ", ".join(fired or ["no reply"])
        strongest = np.argsort(-np.abs(shift))[:3]
        return ", ".join(fired + [f"{self.likeness.traits.ids[i]} {shift[i]:+.2f}" for i in strongest])

    def _fired(self, penalties: np.ndarray) -> list[str]:
        return [f"{g.name} -{p:.2f}" for g, p in zip(self.guards, penalties, strict=True) if p >= 0.005]

    def _score(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        across_processes: bool = False,
        remember: bool = False,
    ) -> _Scored:
        if len(prompts) != len(completions):
            raise ValueError(
                f"{len(prompts)} prompts but {len(completions)} completions; give one prompt per completion."
            )
        dialogues = read_completions(prompts, completions)
        read = [i for i, dialogue in enumerate(dialogues) if dialogue is not None]
        replies = [dialogues[i] for i in read]

        error = None
        try:
            ratings = rate(self.scorer, dialogues)
        except Exception as failure:  # a judge out of reach must not end a run that goes on tomorrow
            logger.warning("The scorer failed on %d replies, which abstain: %r", len(replies), failure)
            ratings, error = rate(self.scorer, [None] * len(dialogues)), failure
        penalties = np.zeros((len(dialogues), len(self.guards)))
        everybody, own = gather(replies) if across_processes else (replies, slice(None))
        recent = list(self._recent) if remember else []
        for column, guard in enumerate(self.guards):
            if recent and hasattr(guard, "in_run"):
                penalties[read, column] = guard.in_run(recent, everybody)[own]
            elif getattr(guard, "across_batch", False):
                penalties[read, column] = guard([*recent, *everybody])[len(recent) :][own]
            elif replies:
                penalties[read, column] = guard(replies)
        if remember:
            self._recent.extend(everybody)
        texts = ["" if dialogue is None else "\n".join(dialogue.target_texts) for dialogue in dialogues]
        n_words = np.array([len(text.split()) for text in texts])
        log_odds = self.likeness.log_odds(ratings)
        if self.length_effect is not None:
            log_odds = log_odds - self.length_effect(n_words)
        silent = np.array([not shows(text) for text in texts], dtype=bool)
        silent[[dialogue is None for dialogue in dialogues]] = False
        reward = self._reward(log_odds, penalties, silent)
        if error is not None:
            reward[:] = np.nan
        return _Scored(texts, n_words, ratings, log_odds, penalties, reward, error)

    def _reward(self, log_odds: np.ndarray, penalties: np.ndarray, silent: np.ndarray) -> np.ndarray:
        """Shape `(n,)`. What a guard forbids earns the least, and so does saying nothing, which cannot be rated.

        Several guards together never amount to what one forbids: an honest reply in clumsy words must stay above a
        lie.
        """
        forbidden = (penalties >= 1.0).any(axis=1) | silent
        capped = np.minimum(log_odds, _ENOUGH)
        if self.output == "log_odds":
            penalty = penalties.sum(axis=1)
            least = -_PENALTY_NATS + 0.1
            reward = np.where(penalty > 0, np.maximum(capped - _PENALTY_NATS * penalty, least), capped)
            return np.where(forbidden, -_PENALTY_NATS, reward)
        bounded = self.output == "bounded"
        score = sigmoid(capped / _TEMPERATURE) / sigmoid(_ENOUGH / _TEMPERATURE) if bounded else sigmoid(capped)
        return np.where(forbidden, 0.0, score * np.prod(1 - penalties, axis=1))

    def _log(self, table: _Scored, log_metric: Callable | None, log_extra: Callable | None) -> None:
        p_human = sigmoid(table.log_odds)
        own = "" if self.__name__ == _NAME else f"{self.__name__}/"
        if log_extra is not None:
            log_extra(f"{own}p_human", [None if isnan(p) else p for p in p_human.tolist()])
            log_extra(f"{own}guards", [", ".join(self._fired(penalties)) for penalties in table.penalties])
        if log_metric is None or not len(table.texts):
            return
        log_metric(f"hal/{own}abstained", float(np.isnan(table.reward).mean()))
        read = ~np.isnan(table.reward)
        if read.any():
            log_metric(f"hal/{own}words", float(table.n_words[read].mean()))
            for guard, column in zip(self.guards, table.penalties.T, strict=True):
                log_metric(f"hal/{own}guard/{guard.name}", float((column[read] > 0).mean()))
        rated = ~np.isnan(table.log_odds)
        if rated.any():
            log_metric(f"hal/{own}p_human", float(p_human[rated].mean()))
            for trait, mean in zip(
                table.ratings.traits.ids, np.asarray(table.ratings)[rated].mean(axis=0), strict=True
            ):
                log_metric(f"hal/{own}{trait}", float(mean))

    def _watch(self, table: _Scored) -> None:
        self._abstained.extend(np.isnan(table.reward).tolist())
        share = sum(self._abstained) / _WATCHED
        if share >= self.max_abstained:
            reason = (
                f"the scorer failed, last with {table.error!r}. Mend the scorer"
                if table.error is not None
                else "no text, only tool messages, or <think> blocks cut off by max_completion_length. Raise "
                "max_completion_length, check the format"
            )
            raise RuntimeError(
                f"{self.__name__} could not score {share:.0%} of the last {_WATCHED} completions: {reason}."
            ) from table.error


def _standardized(rewards: np.ndarray) -> np.ndarray:
    """z-scores over the batch of all processes."""
    everything = np.array(gather(rewards.tolist())[0])
    known = everything[~np.isnan(everything)]
    if not len(known) or known.std() < 1e-9:
        return rewards * 0.0
    return (rewards - known.mean()) / known.std()


def _by_trait(weights: Mapping[str, float], traits: TraitSet) -> dict[str, float]:
    """Weights by trait id, with groups written out; a trait's own weight outweighs its group's."""
    groups = {group: [trait.id for trait in traits if trait.group == group] for group in {t.group for t in traits}}
    written_out = {i: weight for group, weight in weights.items() if group in groups for i in groups[group]}
    return {**written_out, **{i: weight for i, weight in weights.items() if i not in groups}}


class _Scored:
    """Everything known about a batch of completions; `nan` in `reward` where there was no reply."""

    def __init__(
        self,
        texts: list[str],
        n_words: np.ndarray,
        ratings: TraitRatings,
        log_odds: np.ndarray,
        penalties: np.ndarray,
        reward: np.ndarray,
        error: Exception | None,
    ):
        self.texts, self.n_words = texts, n_words
        self.ratings = ratings
        self.log_odds = log_odds
        self.penalties = penalties
        self.reward = reward
        self.error = error


HALRewardFunction = HALReward
