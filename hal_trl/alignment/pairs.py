"""Preference pairs: of two replies to one prompt, the more human one is chosen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from ..dialogue import Dialogue
from ..rewards import HALReward
from ..scorers.base import rate


_BINS = 8


@dataclass(frozen=True)
class PairReport:
    """How the pairs came about.

    Args:
        candidates (`int`), duplicates (`int`), unreadable (`int`): Candidates, and those left out as repetitions of
            another to the same prompt or because they earn nothing at all.
        possible (`int`), wide (`int`), balanced (`int`): Pairs of one prompt, those whose gap is wide enough, and
            those left when as many chosen replies are longer than shorter.
        kept (`int`): Pairs in the end, with at most so many of a prompt.
        length_correlation_before (`float`), length_correlation_after (`float`): Correlation, -1 to 1, of the gap in
            score with the difference in words, over the wide and over the kept pairs, each seen from both its sides.
        chosen_longer_before (`float`), chosen_longer_after (`float`): Share of pairs whose chosen reply is longer.
        min_gap (`float`): Smallest gap in score, in the score's own unit.
    """

    candidates: int
    duplicates: int
    unreadable: int
    possible: int
    wide: int
    balanced: int
    kept: int
    length_correlation_before: float
    length_correlation_after: float
    chosen_longer_before: float
    chosen_longer_after: float
    min_gap: float

    def __str__(self) -> str:
        return (
            f"{self.candidates} candidates ({self.duplicates} repeated, {self.unreadable} without a score), "
            f"{self.possible} pairs, {self.wide} with a gap above {self.min_gap:.3f}, {self.balanced} balanced, "
            f"{self.kept} kept.\nCorrelation of score and length: {self.length_correlation_before:+.2f} before, "
            f"{self.length_correlation_after:+.2f} after; the chosen reply is the longer one in "
            f"{self.chosen_longer_before:.0%} before, {self.chosen_longer_after:.0%} after."
        )


def score_candidates(candidates: pd.DataFrame, reward: HALReward, target: str | None = None) -> np.ndarray:
    """How human each candidate is, shape `(n,)`, `nan` where nothing can be read.

    Args:
        candidates (`pandas.DataFrame`): With `prompt` (chat messages) and `completion`.
        reward ([`HALReward`]): Its reward is the score of a reply, guards included.
        target (`str`, *optional*): Completions are transcripts of `label: text` lines, and this label's turns are
            scored by their log-odds; the guards are for single replies.
    """
    if target is None:
        return reward.explain(candidates["prompt"].tolist(), candidates["completion"].tolist())["reward"].to_numpy()
    dialogues: list[Dialogue | None] = []
    for text in candidates["completion"]:
        try:
            dialogues.append(Dialogue.from_transcript(text, target=target))
        except ValueError:  # no turn of that speaker
            dialogues.append(None)
    return reward.likeness.log_odds(rate(reward.scorer, dialogues))


def without_length(candidates: pd.DataFrame, scores: np.ndarray) -> np.ndarray:
    """Scores less what length explains: the line over the logarithm of words, fitted within prompts; shape `(n,)`."""
    frame = pd.DataFrame(
        {
            "key": [json.dumps(prompt) for prompt in candidates["prompt"]],
            "words": np.log1p([len(text.split()) for text in candidates["completion"]]),
            "score": np.asarray(scores, dtype=float),
        }
    )
    known = frame.dropna()
    within = known[["words", "score"]] - known.groupby("key")[["words", "score"]].transform("mean")
    spread = float((within["words"] ** 2).sum())
    slope = float((within["words"] * within["score"]).sum()) / spread if spread else 0.0
    return (frame["score"] - slope * (frame["words"] - known["words"].mean())).to_numpy()


def make_pairs(
    candidates: pd.DataFrame,
    scores: np.ndarray,
    min_gap: float = 0.5,
    balance: bool = True,
    per_prompt: int = 4,
    test_share: float = 0.1,
    seed: int = 0,
) -> tuple[pd.DataFrame, PairReport]:
    """Pair candidates of the same prompt (HAL, section 4.2).

    A pair counts when the scores are more than `min_gap` standard deviations of all scores apart. Balanced, for each
    pair of the rarer kind (chosen reply longer, or shorter) one of the other kind is kept that is as far apart in
    words (one of eight ranges) and in score: a policy cannot do well on them by length alone. Splits by prompt.

    Args:
        candidates (`pandas.DataFrame`): With `prompt` (chat messages) and `completion` (text), a row per candidate.
        scores (`np.ndarray`): Shape `(n,)`; `nan` leaves a candidate out.
        min_gap (`float`, *optional*, defaults to 0.5): In standard deviations of the scores.
        balance (`bool`, *optional*, defaults to `True`): Whether length is balanced.
        per_prompt (`int`, *optional*, defaults to 4): Pairs of one prompt, at most: those with the widest gaps.
        test_share (`float`, *optional*, defaults to 0.1): Share of prompts held out as split `test`, 0-1.
        seed (`int`, *optional*, defaults to 0): Of the split and of ties.

    Returns:
        `(pandas.DataFrame, PairReport)`: a row per pair with `prompt`, `chosen`, `rejected` (chat messages),
        `score_chosen`, `score_rejected`, `split`.

    Raises:
        `ValueError`: if no pair is left, with what to change.
    """
    frame = pd.DataFrame(
        {
            "key": [json.dumps(prompt, ensure_ascii=False) for prompt in candidates["prompt"]],
            "prompt": list(candidates["prompt"]),
            "text": list(candidates["completion"]),
            "score": np.asarray(scores, dtype=float),
        }
    )
    unreadable = int(frame["score"].isna().sum())
    frame = frame[frame["score"].notna()]
    unique = frame.drop_duplicates(["key", "text"])
    min_difference = min_gap * float(unique["score"].std(ddof=0)) if len(unique) else 0.0
    every = _all_pairs(unique)
    wide = every[every["gap"] > min_difference] if len(every) else every
    balanced = _balanced(wide, seed) if balance else wide
    kept = balanced.sort_values("gap", ascending=False, kind="stable").groupby("key", sort=False).head(per_prompt)
    kept = kept.sort_index()
    report = PairReport(
        candidates=len(candidates),
        duplicates=len(frame) - len(unique),
        unreadable=unreadable,
        possible=len(every),
        wide=len(wide),
        balanced=len(balanced),
        kept=len(kept),
        length_correlation_before=length_correlation(wide),
        length_correlation_after=length_correlation(kept),
        chosen_longer_before=float((wide["longer_by"] > 0).mean()) if len(wide) else float("nan"),
        chosen_longer_after=float((kept["longer_by"] > 0).mean()) if len(kept) else float("nan"),
        min_gap=min_difference,
    )
    if not len(kept):
        raise ValueError(_nothing_left(report))
    keys = np.random.default_rng(seed).permutation(sorted(kept["key"].unique()))
    test = set(keys[: round(test_share * len(keys))])
    return (
        pd.DataFrame(
            {
                "prompt": kept["prompt"].tolist(),
                "chosen": [[{"role": "assistant", "content": text}] for text in kept["chosen"]],
                "rejected": [[{"role": "assistant", "content": text}] for text in kept["rejected"]],
                "score_chosen": kept["score_chosen"].to_numpy(),
                "score_rejected": kept["score_rejected"].to_numpy(),
                "split": ["test" if key in test else "train" for key in kept["key"]],
            }
        ),
        report,
    )


def length_correlation(pairs: pd.DataFrame) -> float:
    """Correlation of `gap` with `longer_by`, each pair counted from both sides (so that both means are 0)."""
    if not len(pairs):
        return float("nan")
    gap, longer = pairs["gap"].to_numpy(), pairs["longer_by"].to_numpy(dtype=float)
    spread = np.sqrt((gap**2).sum() * (longer**2).sum())
    return float((gap * longer).sum() / spread) if spread else 0.0


def _all_pairs(candidates: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for key, group in candidates.groupby("key", sort=False):
        for a, b in combinations(group.itertuples(), 2):
            chosen, rejected = (a, b) if a.score >= b.score else (b, a)
            longer_by = len(chosen.text.split()) - len(rejected.text.split())
            gap = chosen.score - rejected.score
            rows.append((key, a.prompt, chosen.text, rejected.text, chosen.score, rejected.score, gap, longer_by))
    names = ["key", "prompt", "chosen", "rejected", "score_chosen", "score_rejected", "gap", "longer_by"]
    return pd.DataFrame(rows, columns=names)


def _balanced(pairs: pd.DataFrame, seed: int) -> pd.DataFrame:
    """As many longer as shorter ones in each range of the difference; of equal length all."""
    differing = pairs[pairs["longer_by"] != 0]
    if not len(differing):
        return pairs
    size = differing["longer_by"].abs()
    edges = np.unique(np.quantile(size, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, size, side="left")
    shuffled = differing.assign(bin=bins).sample(frac=1.0, random_state=seed)
    parts = [pairs[pairs["longer_by"] == 0]]
    for _, group in shuffled.groupby("bin"):
        few, many = sorted((group[group["longer_by"] > 0], group[group["longer_by"] < 0]), key=len)
        parts += [few, many.loc[_nearest(few["gap"], many["gap"])]]
    return pd.concat(parts).drop(columns="bin").sort_index()


def _nearest(wanted: pd.Series, offered: pd.Series) -> list[int]:
    """For each wanted value, the widest first, the label of the nearest value on offer that is not yet taken."""
    left, taken = offered.copy(), []
    for value in wanted.sort_values(ascending=False):
        taken.append((left - value).abs().idxmin())
        left = left.drop(taken[-1])
    return taken


def _nothing_left(report: PairReport) -> str:
    if not report.possible:
        return f"{report.candidates} candidates make no pair: at least two different ones of a prompt are needed."
    if not report.wide:
        return f"No pair has a gap above {report.min_gap:.3f}: lower --min-gap, or sample more varied candidates."
    longer = "longer" if report.chosen_longer_before > 0.5 else "shorter"
    return (
        f"All {report.wide} chosen replies are the {longer} ones, so that none is left when length is balanced: "
        "sample more candidates a prompt, use --length-neutral, or pass --no-balance and let length decide."
    )
