"""Trait discovery from end to end: stage by stage in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..likeness import HumanLikenessScore
from ..scorers.base import TraitScorer
from ..scorers.evaluate import interval
from ..scorers.games import load_traits
from ..traits import TraitRatings, TraitSet
from ..whole_file import draft_of, write_json
from . import selection
from .clusters import ENCODER, cluster_statements
from .finder import find_statements, one_line
from .pairs import Pairs, load_pairs
from .plots import plot_clusters, plot_scores, plot_weights
from .questionnaire import merge_clusters, traits_from_representatives
from .rating import RESERVED, rate_pairs
from .report import examples, render_questionnaire
from .stage_file import read_stage


if TYPE_CHECKING:
    from ..scorers.judges.endpoint import ChatEndpoint


STATEMENTS, CLUSTERS, TRAITS, RATINGS = "statements.parquet", "clusters.parquet", "traits.json", "ratings.parquet"


@dataclass(frozen=True)
class Discovery:
    """What came of it.

    Args:
        traits ([`TraitSet`]): Every trait that was rated.
        score ([`HumanLikenessScore`]): On those that were selected.
        figures (`dict`): The content of `discovery.json`.
    """

    traits: TraitSet
    score: HumanLikenessScore
    figures: dict[str, Any]

    def __str__(self) -> str:
        width = max(map(len, self.score.traits.ids))
        rows = sorted((row for row in self.figures["traits"] if row["selected"]), key=lambda row: -abs(row["weight"]))
        some, every = (self.figures["told_apart"][name]["pairwise"] for name in ("selected traits", "all traits"))
        return "\n".join(
            (
                *(
                    f"{row['id'].ljust(width)}  {row['weight']:+6.2f} [{row['low']:+.2f}, {row['high']:+.2f}]  "
                    f"people {row['people']:.1f}, AI {row['ai']:.1f}"
                    for row in rows
                ),
                f"{len(rows)} of {len(self.traits)} traits selected. Of pairs not learned from, the person scores "
                f"above the AI in {some['value']:.1%} [{some['low']:.1%}, {some['high']:.1%}]; with all traits in "
                f"{every['value']:.1%}.",
            )
        )


def discover(
    data: str | Path,
    output: str | Path,
    endpoint: ChatEndpoint | None = None,
    judge: Callable[[TraitSet], TraitScorer] | None = None,
    encoder: str | Path = ENCODER,
    use_llm: bool = True,
    target: str | None = None,
    seed: int = 0,
) -> Discovery:
    """Name the traits that tell people from AI in your dialogues, rate them, and learn a score (HAL, section 3).

    Every stage writes a file into `output`, and a file that is there is used and not made again: an interrupted run
    goes on where it stopped, and a stage whose file was put there by hand is not done. `statements.parquet`
    (`pair_id`, `statement`) comes from the finder, `clusters.parquet` from the statements, `traits.json` from the
    clusters, `ratings.parquet` (`pair_id`, `is_human`, a column per trait id; transcripts and targets are added) from
    the judge. Each serves to make the next one only; to have a stage done anew, delete its file and those after it.

    What is learned from the ratings is made each time: `likeness.json`, so that
    [`HumanLikenessScore.from_pretrained`] loads the folder, `discovery.json`, `questionnaire.md` and its plots.

    Args:
        data (`str` or `Path`): Pairs, see [`~hal_trl.discovery.load_pairs`].
        output (`str` or `Path`): Folder of the run.
        endpoint ([`~hal_trl.scorers.judges.endpoint.ChatEndpoint`], *optional*):
            The model that finds statements and merges clusters.
        judge (`Callable[[TraitSet], TraitScorer]`, *optional*): Makes the scorer that rates a questionnaire.
        encoder (`str` or `Path`, *optional*, defaults to `"sentence-transformers/all-MiniLM-L6-v2"`):
            Hub id or folder of a sentence-transformers model.
        use_llm (`bool`, *optional*, defaults to `True`):
            Whether the endpoint makes the questionnaire; otherwise each cluster's most central statement is a trait.
        target (`str`, *optional*, defaults to the column `target`, else `"W"`): Label of the speaker to look at.
        seed (`int`, *optional*, defaults to 0): Of everything that is drawn.

    Raises:
        `FileNotFoundError`: if there are no pairs.
        `ValueError`: if a stage cannot be done or a file cannot be used, with what to do.

    Example:
        ```python
        >>> from hal_trl import LLMJudge
        >>> from hal_trl.discovery import discover
        >>> from hal_trl.scorers.judges.endpoint import ChatEndpoint
        >>> server = {"model": "my-model", "base_url": "http://127.0.0.1:8000/v1"}
        >>> found = discover(
        ...     "pairs.parquet",
        ...     "runs/discovery",
        ...     ChatEndpoint(**server),
        ...     lambda traits: LLMJudge(**server, traits=traits),
        ... )  # doctest: +SKIP
        ```
    """
    pairs, folder = load_pairs(data, target), Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    stages = _Stages(pairs, folder, endpoint, encoder, use_llm, seed)
    traits = stages.traits
    ratings = rate_pairs(pairs, traits, judge, folder / RATINGS)
    rated = selection.rated_pairs(ratings, pairs.pair_id)
    found, log_odds = _learn(ratings[rated], pairs.is_human[rated], pairs.pair_id[rated], seed)
    found.figures.update(stages.figures())
    found.score.save_pretrained(folder)
    write_json(folder / "discovery.json", found.figures)
    plot_weights(found.figures["traits"], folder / "weights.png")
    plot_scores(log_odds, pairs.is_human[rated], folder / "scores.png")
    has_map = stages.plot(folder / "clusters.png")
    shown = examples(ratings, pairs, found.score.traits)
    page = render_questionnaire(found.figures, found.score.bias, shown, has_map)
    (folder / "questionnaire.md").write_text(page, encoding="utf-8")
    return found


def _learn(
    ratings: TraitRatings, is_human: np.ndarray, pair_id: np.ndarray, seed: int
) -> tuple[Discovery, np.ndarray]:
    """The score with its figures, and the held-out log-odds of each row."""
    traits, shares = ratings.traits, selection.stability(ratings, is_human, pair_id, seed)
    score = selection.fit_stable(ratings, is_human, pair_id, shares)
    if score is None:
        best = max(shares, key=shares.get)
        raise ValueError(
            f"No trait tells people from AI whichever pairs are looked at: the most stable, {best}, has a weight of "
            f"one sign in {shares[best]:.0%} of the half samples, and {selection.STABLE:.0%} are asked for. Give more "
            "pairs, a better judge, or other traits."
        )
    ends = selection.weight_intervals(ratings.for_traits(score.traits), is_human, pair_id, seed)
    selected = partial(selection.fit_selected, seed=seed)
    held_out = {
        name: selection.held_out_log_odds(fit, ratings, is_human, pair_id, seed)
        for name, fit in (("selected traits", selected), ("all traits", selection.fit_all))
    }
    means = {kind: np.asarray(ratings)[is_human == (kind == "people")].mean(axis=0) for kind in ("people", "ai")}
    rows = []
    for i, trait in enumerate(traits):
        row = {"id": trait.id, "statement": trait.statement, "group": trait.group, "selected": trait.id in ends}
        row.update(stability=shares[trait.id], people=float(means["people"][i]), ai=float(means["ai"][i]))
        if row["selected"]:
            row.update(weight=score.weights[trait.id], low=ends[trait.id][0], high=ends[trait.id][1])
        rows.append(row)
    told_apart = {name: selection.told_apart(values, is_human, pair_id) for name, values in held_out.items()}
    figures = {"seed": seed, "n_pairs": len(is_human) // 2, "told_apart": told_apart, "traits": rows}
    return Discovery(traits, score, figures), held_out["selected traits"]


@dataclass(frozen=True)
class _Stages:
    """The way to the questionnaire. A stage asks for the one before it only if its own file is not there; each file is
    read once."""

    pairs: Pairs
    folder: Path
    endpoint: ChatEndpoint | None
    encoder: str | Path
    use_llm: bool
    seed: int

    @cached_property
    def traits(self) -> TraitSet:
        path = self.folder / TRAITS
        if not path.is_file():
            clusters = self.clusters
            if self.use_llm:
                made = merge_clusters(clusters, self.model(path))
            else:
                made = traits_from_representatives(clusters)
            write_json(path, made.to_list())
        traits = load_traits(path)
        reserved = sorted(set(traits.ids) & set(RESERVED))
        if reserved:
            raise ValueError(f"{path}: rename the traits {reserved}, {RATINGS} has columns of these names.")
        return traits

    @cached_property
    def clusters(self) -> pd.DataFrame:
        path = self.folder / CLUSTERS
        if not path.is_file():
            statements = self.statements["statement"].tolist()
            with draft_of(path) as draft:
                cluster_statements(statements, self.encoder, self.seed).to_parquet(draft)
        clusters = read_stage(path, ("statement", "cluster", "rank"))
        statements = self.statements["statement"].tolist() if (self.folder / STATEMENTS).is_file() else None
        if statements is not None and statements != clusters["statement"].tolist():
            raise ValueError(f"{path} holds other statements than {STATEMENTS}; delete the one that is not wanted.")
        return clusters

    @cached_property
    def statements(self) -> pd.DataFrame:
        path = self.folder / STATEMENTS
        if not path.is_file():
            with draft_of(path) as draft:
                find_statements(self.pairs, self.model(path), self.seed).to_parquet(draft)
        statements = read_stage(path, ("statement",))
        if not statements["statement"].map(lambda text: isinstance(text, str) and bool(text.strip())).all():
            raise ValueError(f"{path} has rows without a statement.")
        return statements.assign(statement=statements["statement"].map(one_line))

    def model(self, path: Path) -> ChatEndpoint:
        if self.endpoint is None:
            raise ValueError(f"There is no model to make {path}: name one (--model), or put the file there.")
        return self.endpoint

    def figures(self) -> dict[str, Any]:
        """What is known of the first stages; they may have been left out."""
        figures: dict[str, Any] = {}
        if (self.folder / STATEMENTS).is_file():
            statements = self.statements
            figures["n_statements"] = len(statements)
            if {"pair_id", "correct"} <= set(statements):
                correct = statements.groupby("pair_id")["correct"].first().astype(float).to_numpy()
                figures["finder_accuracy"] = interval(
                    lambda rows: float(correct[rows].mean()), np.arange(len(correct))
                )
        if (self.folder / CLUSTERS).is_file():
            figures["n_clusters"] = int(self.clusters["cluster"].max()) + 1
        return figures

    def plot(self, path: Path) -> bool:
        """Whether there are clusters with a place in a plane to show."""
        if not (self.folder / CLUSTERS).is_file() or not {"x", "y"} <= set(clusters := self.clusters):
            return False
        plot_clusters(clusters, path)
        return True
