"""Put any trait scorer through the evaluation protocol, and show the figures beside the reference rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from ..hub import comparison, headline
from ..likeness import HumanLikenessScore
from ..traits import HL32Q, TraitRatings, select_ratings
from .base import TraitScorer
from .evaluate import Prediction, Split, figures, run_protocol, speed, splits_of
from .games import load_games, load_visits
from .references import reference_rows
from .rows import Rows


_BATCH = 64


def evaluate_scorer(
    scorer: TraitScorer, data: str | Path, visits: str | Path | None = None, seed: int = 0
) -> dict[str, object]:
    """Figures of a scorer on rated games, as in `evaluation.json`.

    Its ratings are taken as they are; the score is learned anew for every split (HAL, section 3), so that AIs and
    styles left out are unseen by the score. A scorer that carries a score gets a reference row for that, too.

    Args:
        scorer ([`TraitScorer`]): Rates at least the 32 traits of `HL32Q`.
        data (`str` or `Path`): Rated games, see [`~hal_trl.scorers.games.load_games`].
        visits (`str` or `Path`, *optional*): Rated doctor's visits.
        seed (`int`, *optional*, defaults to 0): Of the folds.

    Raises:
        `ValueError`: if the scorer was trained on these very games: its figures on them say nothing. Cross-validated
            ones are in its `evaluation`.
    """
    known = (getattr(scorer, "evaluation", None) or {}).get("data_sha256")
    if known == hashlib.sha256(Path(data).read_bytes()).hexdigest():
        raise ValueError(
            f"This scorer was trained on {data}: figures on its training games mean nothing. Its cross-validated "
            "figures are in its evaluation.json; give games it has not seen."
        )
    games = load_games(data)
    rows = Rows(games, (), load_visits(visits) if visits else None)
    ratings = np.vstack(
        [
            np.asarray(select_ratings(scorer.score(rows.dialogues[start : start + _BATCH]), HL32Q))
            for start in tqdm(range(0, len(rows), _BATCH), desc="rating", unit="batch")
        ]
    )

    def refit(split: Split) -> dict[str, Prediction]:
        learn = split.train & (rows.is_dialogue | rows.is_reply)
        score = HumanLikenessScore.fit(ratings[learn], rows.is_human[learn], rows.group[learn], HL32Q)
        test = ratings[split.test]
        return {"scorer": Prediction(test, score.log_odds(TraitRatings(test, HL32Q)), np.full(len(test), ""))}

    content = figures(rows, run_protocol(rows, refit, ("scorer",), seed, title="scorer")["scorer"], seed)
    content["reference"] = reference_rows(games, rows, seed)
    likeness = getattr(scorer, "likeness", None)
    if likeness is not None:
        log_odds = likeness.log_odds(TraitRatings(ratings, HL32Q))
        shipped = {
            (split.kind, split.name): Prediction(
                ratings[split.test], log_odds[split.test], np.full(int(split.test.sum()), "")
            )
            for split in splits_of(rows, seed)
        }
        content["as_shipped"] = figures(rows, shipped, seed)
        content["reference"].insert(0, {"name": "with the score it ships", **headline(content["as_shipped"])})
    content["speed"] = speed(scorer, rows)
    return content


def summary(evaluation: Mapping[str, object]) -> str:
    """The protocol's table: the scorer's headline figures, and the reference rows below."""
    names, rows = comparison(evaluation)
    lines = [["", *names], *([row[0], *("–" if v is None else f"{v:.3f}" for v in row[1:])] for row in rows)]
    width = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    table = [
        "  ".join(
            cell.ljust(w) if not i else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, width, strict=True))
        )
        for line in lines
    ]
    brier, speed_ = (evaluation.get("calibration") or {}).get("brier"), evaluation.get("speed")
    if brier:
        table.append(
            f"Brier score of P(human), all games: {brier['value']:.3f} [{brier['low']:.3f}, {brier['high']:.3f}]"
        )
    if speed_:
        table.append(f"{speed_['ms_per_reply']:.2f} ms a reply, {speed_['ms_per_dialogue']:.2f} ms a dialogue")
    return "\n".join(table)


def plot_reliability(evaluation: Mapping[str, object], path: str | Path) -> None:
    """Reliability diagram: what P(human) says against how many texts were people's.

    Raises:
        `ImportError`: without matplotlib, naming the extra.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("The reliability plot needs matplotlib: pip install 'hal-trl[report]'.") from error
    bins = evaluation["calibration"]["reliability"]
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot([b["predicted"] for b in bins], [b["observed"] for b in bins], marker="o")
    for b in bins:
        axes.annotate(
            str(b["n"]), (b["predicted"], b["observed"]), textcoords="offset points", xytext=(4, -10), size=7
        )
    axes.set(xlabel="P(human)", ylabel="share of people", title="Reliability, held-out dialogues")
    figure.savefig(path, dpi=120)
