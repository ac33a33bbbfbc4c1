"""The evaluation protocol of trait scorers: agreement with the teacher, and telling people from AI where it hurts.

Every figure comes with a 95 % bootstrap interval over games, and beside reference rows: without them it misleads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from ..conformal import AI, PERSON, UNSURE, ConformalVerdict
from ..likeness import sigmoid
from ..traits import HL16Q, HL32Q, TraitSet
from ..whole_file import draft_of
from .base import TraitScorer
from .rows import N_FOLDS, Rows, folds_of


_RESAMPLES = 500


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to be tested on.

    Args:
        kind (`str`): `"fold"`, `"ai"` or `"style"`: what was left out.
        name (`str`): Which one.
        train (`np.ndarray` of shape `(n,)`), test (`np.ndarray` of shape `(n,)`): Masks.
    """

    kind: str
    name: str
    train: np.ndarray
    test: np.ndarray


def splits_of(rows: Rows, seed: int = 0) -> Iterator[Split]:
    """Five folds by game, then every AI left out, then every prompt style (the last part of the AI's name)."""
    fold = folds_of(rows.group, seed)
    for k in range(N_FOLDS):
        yield Split("fold", str(k), fold != k, fold == k)
    models = np.array(["" if not isinstance(name, str) else name for name in rows.ai_model])
    styles = np.array([name.rsplit("_", 1)[-1] for name in models])
    for kind, names in (("ai", models), ("style", styles)):
        known = sorted(set(names[rows.is_dialogue]) - {""})
        if len(known) > 1:  # with one AI there would be nothing left to learn from
            for name in known:
                yield Split(kind, name, names != name, names == name)


@dataclass(frozen=True)
class Prediction:
    """What a candidate says of some rows.

    Args:
        ratings (`np.ndarray` of shape `(n, n_traits)`): `nan` from a candidate that does not rate.
        log_odds (`np.ndarray` of shape `(n,)`): That a person wrote it.
        verdicts (`np.ndarray` of shape `(n,)`): `"person"`, `"AI"`, `"unsure"`; empty strings without verdicts.
    """

    ratings: np.ndarray
    log_odds: np.ndarray
    verdicts: np.ndarray

    @classmethod
    def unrated(cls, log_odds: np.ndarray, traits: TraitSet) -> Prediction:
        return cls(np.full((len(log_odds), len(traits)), np.nan), log_odds, np.full(len(log_odds), ""))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            np.savez(draft, ratings=self.ratings, log_odds=self.log_odds, verdicts=self.verdicts.astype("<U8"))

    @classmethod
    def load(cls, path: Path) -> Prediction:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["ratings"], arrays["log_odds"], arrays["verdicts"])


Candidate = Callable[[Split], dict[str, Prediction]]
"""Learns from `split.train` and predicts the rows `split.test`, in their order: one prediction per name."""


def run_protocol(
    rows: Rows,
    candidate: Candidate,
    names: tuple[str, ...],
    seed: int = 0,
    folder: Path | None = None,
    title: str = "",
) -> dict[str, dict[tuple[str, str], Prediction]]:
    """Predictions of a candidate for every split, by name and then by `(kind, name)` of the split.

    Args:
        folder (`Path`, *optional*): Where finished splits are kept, so that an interrupted run goes on from there.
    """
    splits, found = list(splits_of(rows, seed)), {name: {} for name in names}
    for split in tqdm(splits, desc=title or "protocol", unit="split"):
        same = next((s for s in splits if (s.kind, s.name) in found[names[0]] and (s.test == split.test).all()), None)
        paths = {name: folder and folder / f"{name}-{split.kind}-{split.name}.npz" for name in names}
        if same is not None:  # an AI may be the only one of its style
            predictions = {name: found[name][same.kind, same.name] for name in names}
        elif folder is not None and all(path.is_file() for path in paths.values()):
            predictions = {name: Prediction.load(path) for name, path in paths.items()}
        else:
            predictions = candidate(split)
            for name, path in paths.items():
                if path is not None:
                    predictions[name].save(path)
        for name in names:
            found[name][split.kind, split.name] = predictions[name]
    return found


def figures(rows: Rows, predictions: dict[tuple[str, str], Prediction], seed: int = 0) -> dict[str, object]:
    """All figures of one candidate as plain numbers, see `evaluation.json`."""
    n = len(rows)
    ratings, log_odds = np.full((n, len(rows.traits)), np.nan), np.full(n, np.nan)
    verdicts = np.full(n, "", dtype="<U8")
    left_out: dict[str, dict[str, object]] = {"ai": {}, "style": {}}
    for split in splits_of(rows, seed):
        prediction = predictions[split.kind, split.name]
        if split.kind == "fold":
            ratings[split.test], log_odds[split.test] = prediction.ratings, prediction.log_odds
            verdicts[split.test] = prediction.verdicts
        else:
            of_dialogues = rows.is_dialogue[split.test] & ~np.isnan(prediction.log_odds)
            test = np.flatnonzero(split.test)[of_dialogues]
            left_out[split.kind][split.name] = told_apart(rows, test, prediction.log_odds[of_dialogues])
    whole, reply = rows.is_dialogue, rows.is_reply
    parts = {
        "rated games": whole & rows.rated,
        "unrated games": whole & ~rows.rated,
        "all games": whole,
        "single replies": reply,
        "contrast replies": rows.is_contrast | (reply & rows.is_human) if rows.is_contrast.any() else rows.is_contrast,
    }
    judged = {name: np.flatnonzero(part & ~np.isnan(log_odds)) for name, part in parts.items()}
    content: dict[str, object] = {
        "protocol": f"{N_FOLDS}-fold by game; everything that is learned is learned without the games tested on",
        "seed": seed,
        "n_games": len(np.unique(rows.group[whole])),
        "agreement": agreement(rows, ratings, whole & rows.rated, rows.traits),
        "told_apart": {name: told_apart(rows, part, log_odds[part]) for name, part in judged.items() if len(part)},
        "leave_one_ai_out": {name: row for name, row in left_out["ai"].items() if row},
        "leave_one_style_out": {name: row for name, row in left_out["style"].items() if row},
        "calibration": calibration(rows, judged["all games"], log_odds),
        "verdicts": verdict_shares(rows, {"all games": whole, "single replies": reply}, verdicts),
    }
    if rows.is_visit.any():
        asked = rows.traits.select(
            i for i, known in zip(rows.traits.ids, ~np.isnan(rows.teacher[rows.is_visit][0]), strict=True) if known
        )
        visits = agreement(rows, ratings, rows.is_visit, asked)
        if visits:
            content["doctor_dialogues"] = {
                "spearman": visits["spearman"], "per_trait": visits["per_trait"], "n": int(rows.is_visit.sum())
            }  # fmt: skip
    return {name: section for name, section in content.items() if section or section == 0}


def agreement(rows: Rows, ratings: np.ndarray, part: np.ndarray, traits: TraitSet) -> dict[str, object]:
    """Spearman correlation with the teacher per trait and on average, exact and within-one agreement."""
    columns = rows.traits.positions(traits.ids)
    part = np.flatnonzero(part & ~np.isnan(ratings[:, columns]).any(axis=1))
    if len(part) < 3:
        return {}
    ours, theirs = ratings[np.ix_(part, columns)], rows.teacher[np.ix_(part, columns)]
    apart = np.abs(np.round(ours) - theirs)
    short = [i for i, trait in enumerate(traits.ids) if trait in HL16Q.ids]

    def over(columns: list[int]) -> Callable[[np.ndarray], float]:
        return lambda sample: float(
            np.nanmean(trait_spearman(ours[np.ix_(sample, columns)], theirs[np.ix_(sample, columns)]))
        )

    per_trait = trait_spearman(ours, theirs)
    group = rows.group[part]
    everything = list(range(len(columns)))
    shares = {"exact": (apart <= 0.5).mean(axis=1), "within_one": (apart <= 1.5).mean(axis=1)}
    spearman = (
        {"spearman_hl16q": interval(over(short), group), "spearman_hl32q": interval(over(everything), group)}
        if traits == HL32Q
        else {"spearman": interval(over(everything), group)}
    )
    return {
        **spearman,
        **{
            name: interval(lambda sample, share=share: float(share[sample].mean()), group)
            for name, share in shares.items()
        },
        "per_trait": {
            trait: {
                "spearman": None if np.isnan(per_trait[i]) else float(per_trait[i]),
                "exact": float((apart[:, i] <= 0.5).mean()),
                "within_one": float((apart[:, i] <= 1.5).mean()),
            }
            for i, trait in enumerate(traits.ids)
        },
    }


def trait_spearman(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Spearman correlation per column, shape `(k,)`; `nan` where a column does not vary."""
    from scipy.stats import rankdata

    a, b = (rankdata(values, axis=0) for values in (ours, theirs))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))


def told_apart(rows: Rows, part: np.ndarray, log_odds: np.ndarray) -> dict[str, object]:
    """How often a person scores above the AI of the same game, and the area under the ROC curve."""
    is_human, group = rows.is_human[part], rows.group[part]
    shares, names = pairwise_by_group(log_odds, is_human, group)
    if not len(shares):
        return {}
    return {
        "pairwise": interval(lambda sample: float(shares[sample].mean()), names),
        "auc": interval(lambda sample: auc(log_odds[sample], is_human[sample]), group),
        "n": len(part),
    }


def pairwise_by_group(score: np.ndarray, is_human: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of human-AI pairs in which the human scores higher, ties counting half, per group that has both kinds.

    Returns:
        The shares, and the group of each.
    """
    shares, names = [], []
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.flatnonzero(group[order][1:] != group[order][:-1]) + 1):
        people, machines = score[rows][is_human[rows]], score[rows][~is_human[rows]]
        if len(people) and len(machines):
            difference = people[:, None] - machines[None, :]
            shares.append((difference > 0).mean() + 0.5 * (difference == 0).mean())
            names.append(group[rows[0]])
    return np.array(shares), np.array(names)


def auc(score: np.ndarray, is_human: np.ndarray) -> float:
    """Area under the ROC curve; `nan` with one class only."""
    from scipy.stats import rankdata

    n_people, n_machines = is_human.sum(), (~is_human).sum()
    if not n_people or not n_machines:
        return float("nan")
    return float((rankdata(score)[is_human].sum() - n_people * (n_people + 1) / 2) / (n_people * n_machines))


def calibration(rows: Rows, part: np.ndarray, log_odds: np.ndarray) -> dict[str, object]:
    """Brier score, log loss (nats), and how often texts given some P(human) are by people, in ten bins."""
    if not len(part):
        return {}
    probability, truth = sigmoid(log_odds[part]), rows.is_human[part].astype(float)
    brier = (probability - truth) ** 2
    clipped = probability.clip(1e-6, 1 - 1e-6)
    loss = -(truth * np.log(clipped) + (1 - truth) * np.log(1 - clipped))
    bins = np.minimum((probability * 10).astype(int), 9)
    return {
        "brier": interval(lambda sample: float(brier[sample].mean()), rows.group[part]),
        "log_loss": interval(lambda sample: float(loss[sample].mean()), rows.group[part]),
        "reliability": [
            {
                "predicted": float(probability[bins == b].mean()),
                "observed": float(truth[bins == b].mean()),
                "n": int((bins == b).sum()),
            }
            for b in np.unique(bins)
        ],
    }


def verdict_shares(rows: Rows, parts: dict[str, np.ndarray], verdicts: np.ndarray) -> dict[str, object]:
    """How often a verdict is unsure, and wrong for people and for AIs."""
    shares = {}
    for name, part in parts.items():
        people, machines = verdicts[part & rows.is_human], verdicts[part & ~rows.is_human]
        if (verdicts[part] != "").any():
            shares[name] = {
                "unsure": float((verdicts[part] == UNSURE).mean()),
                "people_called_ai": float((people == AI).mean()),
                "ai_called_people": float((machines == PERSON).mean()),
            }
    return shares


def interval(statistic: Callable[[np.ndarray], float], group: np.ndarray) -> dict[str, float]:
    """A statistic of row numbers with its 95 % percentile bootstrap interval over groups (seeded)."""
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.flatnonzero(group[order][1:] != group[order][:-1]) + 1)
    rng = np.random.default_rng(0)
    resampled = [
        statistic(np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))]))
        for _ in range(_RESAMPLES)
    ]
    low, high = np.nanquantile(resampled, [0.025, 0.975]) if np.isfinite(resampled).any() else (np.nan, np.nan)
    return {"value": float(statistic(np.arange(len(group)))), "low": float(low), "high": float(high)}


def speed(scorer: TraitScorer, rows: Rows, batch_size: int = 64) -> dict[str, float]:
    """Milliseconds to rate one reply and one dialogue, on one CPU thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        measured = {}
        for name, part in (("ms_per_reply", rows.is_reply), ("ms_per_dialogue", rows.is_dialogue)):
            dialogues = [rows.dialogues[i] for i in np.flatnonzero(part)[: 16 * batch_size]]
            scorer.score(dialogues[:batch_size])
            began = time.perf_counter()
            for start in range(0, len(dialogues), batch_size):
                scorer.score(dialogues[start : start + batch_size])
            measured[name] = 1e3 * (time.perf_counter() - began) / len(dialogues)
    finally:
        torch.set_num_threads(threads)
    return {**measured, "threads": 1, "batch_size": batch_size}


def verdicts_of(verdict: ConformalVerdict | None, rows: Rows, part: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    """Verdicts on the rows `part` (row numbers)."""
    if verdict is None:
        return np.full(len(part), "")
    return verdict(log_odds, rows.n_words[part])
