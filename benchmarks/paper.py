"""The figures of HAL (huggingface.co/papers/2601.02813) again, from the data released with it.

    python benchmarks/paper.py --data ../shared/data --encoder FOLDER_OR_HUB_ID --output docs/paper.md

What the finder wrote is shown on the terminal only: the written report holds figures, nothing of the data.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer

from hal_trl import HL16Q, HL32Q, HumanLikenessScore, TraitRatings, TraitSet
from hal_trl.evaluation.two_samples import cliffs_delta
from hal_trl.scorers.evaluate import interval, pairwise_by_group
from hal_trl.scorers.games import TEACHER, Games, load_games
from hal_trl.traits import HL16Q_ASKED


NOT_STATED = "not stated here"
SHUFFLES, FOLDS = 3, 10
# The other four models' visits hold the text of Llama-3.3-70B's.
OWN_TEXT = ("Llama-3.2-1B-Instruct", "Qwen2.5-14B-Instruct", "Llama-3.3-70B-Instruct")
ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
PENALTY, SELECTED = 1.0, 0.2  # the paper's L1 penalty, and the size of weight beyond which it keeps a trait


HEAD = """\
# The paper's figures again

Written by `python benchmarks/paper.py --data ../shared/data --output docs/paper.md`, never by hand. `paper` is what
HAL (huggingface.co/papers/2601.02813) reports, `release` what was measured before on the data released with it; the
data here lack a fifth of its games and of its visits' prompts. Brackets hold 95 % bootstrap intervals over the last
column."""


class Figure(NamedTuple):
    """One row of the report: `here` holds `value`, `low` and `high` (95 %, bootstrap over what `over` names)."""

    name: str
    stated: str
    here: dict[str, float]
    over: str

    @property
    def cells(self) -> tuple[str, ...]:
        value, low, high = (f"{self.here[key]:.3f}" for key in ("value", "low", "high"))
        return self.name, self.stated, f"{value} [{low}, {high}]", self.over


def verdicts(statements: pd.DataFrame, sides: pd.DataFrame, games: Games) -> list[Figure]:
    """Which witness is the person: the finder, which reads both dialogues, against the people who played."""
    human_side = sides[sides["is_human"]].set_index("game_id")["side"]
    found = []
    for finder, rows in statements.groupby("finder"):
        # One row is one statement; its verdict is the game's.
        games_of = rows.drop_duplicates(["game_id", "finder_verdict"])
        right = games_of["finder_verdict"].to_numpy() == human_side.loc[games_of["game_id"]].to_numpy()
        found.append(_share(f"finder {finder}", NOT_STATED, right, games_of["game_id"].to_numpy(), "games"))
    shares, names = pairwise_by_group(games.called_human, games.is_human, games.game_id)
    seen = np.isin(names, statements["game_id"])
    for name, part in (("the same games", seen), ("all games", np.full(len(names), True))):
        found.append(_share(f"interrogators, {name}", "release 0.55-0.57", shares[part], names[part], "games"))
    return found


def accuracies(games: Games) -> Iterator[Figure]:
    """Logistic regression on the judge's ratings: rows dealt out as in the paper, and folds that keep games whole."""
    from sklearn.model_selection import GroupKFold, KFold

    rated = games.rated
    ratings, is_human, game = games.ratings[TEACHER][rated], games.is_human[rated], games.game_id[rated]
    for title, traits in (
        ("32 traits", HL32Q),
        ("the paper's 16 traits, chosen on all rows", HL16Q),
        ("traits chosen inside each fold", None),
    ):
        for folds, splitter in (("KFold", KFold), ("grouped by game", GroupKFold)):
            right, ahead = [], []
            for shuffle in range(SHUFFLES):
                log_odds = np.empty(len(game))
                cut = splitter(FOLDS, shuffle=True, random_state=shuffle)
                for train, test in cut.split(ratings, groups=game if splitter is GroupKFold else None):
                    known = ratings[train], is_human[train], game[train]
                    kept = selected(*known) if traits is None else traits
                    log_odds[test] = HumanLikenessScore.fit(*known, kept, penalty=PENALTY).log_odds(ratings[test])
                right.append((log_odds > 0) == is_human)
                shares, names = pairwise_by_group(log_odds, is_human, game)
                ahead.append(shares)
            stated = "paper 0.775" if traits is HL32Q and splitter is KFold else NOT_STATED
            yield _share(f"{title}, {folds}: accuracy", stated, np.mean(right, axis=0), game, "games")
            yield _share(f"{title}, {folds}: pairwise", NOT_STATED, np.mean(ahead, axis=0), names, "games")


def selection(games: Games) -> list[Figure]:
    """How many of the traits that the paper selects are selected here, on nine tenths of the games at a time."""
    from sklearn.model_selection import GroupKFold

    known = games.ratings[TEACHER][games.rated], games.is_human[games.rated], games.game_id[games.rated]
    chosen = selected(*known).ids
    cut = GroupKFold(FOLDS, shuffle=True, random_state=0).split(known[0], groups=known[2])
    kept = [selected(*(part[train] for part in known)).ids for train, _ in cut]
    again = np.array([np.isin(HL16Q.ids, ids).mean() for ids in kept])
    name = (
        f"the paper's 16 traits, chosen again (all games: {np.isin(HL16Q.ids, chosen).sum()} of {len(chosen)} chosen)"
    )
    return [_share(name, "paper 1", again, np.arange(FOLDS), "folds")]


def selected(ratings: TraitRatings, is_human: np.ndarray, game: np.ndarray) -> TraitSet:
    """The traits that the paper's L1 selection keeps."""
    weights = HumanLikenessScore.fit(ratings, is_human, game, HL32Q, penalty=PENALTY).weights
    return HL32Q.select(i for i, weight in weights.items() if abs(weight) > SELECTED)


def bindings(games: Games, visits: pd.DataFrame) -> list[Figure]:
    """The sixteen weights on the statements they were fitted on, and on those the released questionnaire asks."""
    rated = games.rated
    profiles = {name: HumanLikenessScore.from_profile(name) for name in ("released", "corrected")}
    odds = {name: score.log_odds(games.ratings[TEACHER][rated]) for name, score in profiles.items()}
    found = []
    for name, stated in (("released", "release 0.62"), ("corrected", "release 0.86")):
        shares, names = pairwise_by_group(odds[name], games.is_human[rated], games.game_id[rated])
        found.append(_share(f"{name}, rated games: pairwise", stated, shares, names, "games"))
    game = games.game_id[rated]
    found.append(_correlation("both, rated games: r", "release 0.36", *odds.values(), game, "games"))
    # Seven of the traits with a corrected weight were never asked of a visit; they are held constant.
    ratings, prompt = _visit_ratings(visits), visits["prompt_id"].to_numpy()
    asked = HL16Q.select(i for i in HL16Q.ids if i in HL16Q_ASKED.ids)
    weights = {i: profiles["corrected"].weights[i] for i in asked.ids}
    pair = profiles["released"].log_odds(ratings), HumanLikenessScore(weights, 0.0, asked).log_odds(ratings)
    name = f"both, doctor's visits: r ({len(asked)} traits asked of both)"
    found.append(_correlation(name, "release 0.97", *pair, prompt, "prompts"))
    return found


def published_scores(visits: pd.DataFrame) -> list[Figure]:
    """The scores that the paper published for its visits against profile `released` on the same ratings."""
    ours = HumanLikenessScore.from_profile("released").log_odds(_visit_ratings(visits))
    theirs = visits["published_score"]
    prompt = visits["prompt_id"].to_numpy()
    agrees = np.isclose(ours, theirs, rtol=0, atol=1e-6)
    return [_share("published score = profile `released` (within 1e-6)", NOT_STATED, agrees, prompt, "prompts")]


def repeatability(visits: pd.DataFrame) -> list[Figure]:
    """The judge against itself: the release holds one text under up to five models, rated anew each time."""
    ratings, prompt = np.asarray(_visit_ratings(visits)), visits["prompt_id"].to_numpy()
    score = visits["published_score"].to_numpy()
    copies = visits.groupby("transcript").indices.values()
    first, second = np.array([pair for rows in copies for pair in combinations(rows, 2)]).T
    apart = np.abs(ratings[first] - ratings[second])
    prompt = prompt[first]
    return [
        _share("same rating", "release 0.81", (apart == 0).mean(axis=1), prompt, "prompts"),
        _share("within one point", "release 0.98", (apart <= 1).mean(axis=1), prompt, "prompts"),
        _correlation("score: r", "release 0.91", score[first], score[second], prompt, "prompts"),
    ]


def effect_sizes(games: Games, visits: pd.DataFrame) -> list[Figure]:
    """Cliff's delta of the judged score: people against AIs, and each model's visits after its last epoch and before.

    Of its visits, how brief they were judged to be as well. Every score is the published one, or that of the weights
    on the statements they were fitted on; the judge is the paper's.
    """
    rated = games.rated
    odds = HumanLikenessScore.from_profile("corrected").log_odds(games.ratings[TEACHER][rated])
    pair = odds, games.is_human[rated], games.game_id[rated]
    found = [_delta("people against AIs, rated games: score", *pair, "games")]
    for model in OWN_TEXT:
        rows = visits[visits["model"] == model]
        last = rows["epoch"].max()
        rows = rows[rows["epoch"].isin([0, last])]
        after, prompt = (rows["epoch"] == last).to_numpy(), rows["prompt_id"].to_numpy()
        brief = np.asarray(_visit_ratings(rows))[:, HL16Q_ASKED.ids.index("brevity")]
        for what, values in (("score", rows["published_score"].to_numpy()), ("brevity", brief)):
            found.append(_delta(f"{model}, epoch {last} against 0: {what}", values, after, prompt, "prompts"))
    return found


class Nearest(NamedTuple):
    """What comes nearest to each of the 32 traits, and how near chance alone comes (cosine)."""

    texts: list[str]
    similarity: np.ndarray
    chance: float
    n: int

    @property
    def said(self) -> np.ndarray:
        return self.similarity > self.chance


def nearest(statements: Sequence[str], representatives: Sequence[str], encoder: str) -> dict[str, Nearest]:
    """The nearest of all statements of the finder, and the nearest of the representatives of their clusters.

    The words of these statements thrown together at random come near some trait as well. Chance is what as many such
    sentences reach for all but 5 % of the traits.
    """
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(encoder)
    traits = model.encode([trait.statement for trait in HL32Q], normalize_embeddings=True)
    shuffled = traits @ model.encode(shuffled_words(statements), normalize_embeddings=True).T
    found = {}
    for name, texts in (("statements", statements), ("representatives", representatives)):
        similarity = traits @ model.encode(list(texts), normalize_embeddings=True).T
        blocks = np.array_split(shuffled, shuffled.shape[1] // len(texts), axis=1)
        chance = float(np.quantile([block.max(axis=1) for block in blocks], 0.95))
        found[name] = Nearest(
            [texts[i] for i in similarity.argmax(axis=1)], similarity.max(axis=1), chance, len(texts)
        )
    return found


def shuffled_words(statements: Sequence[str]) -> list[str]:
    """Sentences of the same lengths whose words come from all of them."""
    split = [statement.lower().strip(".").split() for statement in statements]
    words = iter(np.random.default_rng(0).permutation(np.concatenate(split)))
    return [" ".join(islice(words, len(part))).capitalize() + "." for part in split]


def discovery(found: dict[str, Nearest]) -> list[Figure]:
    """Share of the 32 traits that the finder's statements say, and that the clusters' representatives still say."""
    return [
        _share(
            f"traits that {near.n:,} {name} say: {near.said.sum()} of {len(HL32Q)} (cosine > {near.chance:.2f})",
            NOT_STATED,
            near.said,
            np.array(HL32Q.ids),
            "traits",
        )
        for name, near in found.items()
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def written(sections: Mapping[str, Sequence[Figure]], found: Mapping[str, Nearest]) -> str:
    """The report in Markdown; similarities of traits that count as said are bold."""
    parts = [HEAD]
    for title, figures in sections.items():
        rows = table(("figure", "stated", "here", "over"), (figure.cells for figure in figures))
        parts.append(f"## {title}\n\n{rows}")
    cells = [
        [
            f"**{value:.2f}**" if said else f"{value:.2f}"
            for value, said in zip(near.similarity, near.said, strict=True)
        ]
        for near in found.values()
    ]
    head = "trait", *(f"nearest of the {name}, cosine" for name in found)
    parts.append(table(head, zip(HL32Q.ids, *cells, strict=True)))
    return "\n\n".join(parts) + "\n"


def main(
    data: Annotated[Path, typer.Option(help="Folder of the data released with the paper.")],
    encoder: Annotated[str, typer.Option(help="Folder or Hub id of a sentence encoder.")] = ENCODER,
    output: Annotated[Path | None, typer.Option(help="Markdown file to write the report to.")] = None,
) -> None:
    from hal_trl.discovery import cluster_statements

    games = load_games(data / "turing_games.parquet")
    sides = pd.read_parquet(data / "turing_games.parquet", columns=["game_id", "side", "is_human"])
    statements = pd.read_parquet(data / "finder_statements.parquet")
    visits = pd.read_parquet(data / "doctor_dialogues.parquet")
    distinct = statements["statement"].drop_duplicates().tolist()
    clusters = cluster_statements(distinct, encoder)
    found = nearest(distinct, clusters.loc[clusters["rank"] == 0, "statement"].tolist(), encoder)
    sections = {
        "Which witness is the person": verdicts(statements, sides, games),
        "People told from AIs by the judge's ratings": [*accuracies(games), *selection(games)],
        "The sixteen weights and their statements": [*bindings(games, visits), *published_scores(visits)],
        "The judge against itself": repeatability(visits),
        "Effect sizes: Cliff's delta": effect_sizes(games, visits),
        "Statements of the finder and the 32 traits": discovery(found),
    }
    report = written(sections, found)
    print(report)
    print(pd.DataFrame({name: near.texts for name, near in found.items()}, index=HL32Q.ids).to_string())
    if output is not None:
        output.write_text(report, encoding="utf-8")


def _visit_ratings(visits: pd.DataFrame) -> TraitRatings:
    return TraitRatings(np.stack(visits[f"ratings_{TEACHER}_hl16q"]), HL16Q_ASKED)


def _share(name: str, stated: str, values: np.ndarray, group: np.ndarray, unit: str) -> Figure:
    here = interval(lambda rows: float(values[rows].mean()), group)
    return Figure(name, stated, here, f"{len(np.unique(group))} {unit}")


def _delta(name: str, values: np.ndarray, of: np.ndarray, group: np.ndarray, unit: str) -> Figure:
    """Of the rows that `of` marks against the others."""

    def delta(rows: np.ndarray) -> float:
        marked = of[rows]
        return cliffs_delta(values[rows][marked], values[rows][~marked])

    return Figure(name, NOT_STATED, interval(delta, group), f"{len(np.unique(group))} {unit}")


def _correlation(name: str, stated: str, one: np.ndarray, other: np.ndarray, group: np.ndarray, unit: str) -> Figure:
    here = interval(lambda rows: float(np.corrcoef(one[rows], other[rows])[0, 1]), group)
    return Figure(name, stated, here, f"{len(np.unique(group))} {unit}")


if __name__ == "__main__":
    typer.run(main)
