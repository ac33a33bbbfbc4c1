"""Reference rows of the evaluation: what people, LLM judges and simple classifiers reach on the same games."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from ..hub import headline
from ..likeness import HumanLikenessScore
from ..traits import TraitRatings
from .evaluate import Prediction, Split, figures, run_protocol, told_apart
from .features import TextBatch
from .games import Games
from .rows import Rows
from .style import style_statistics


def reference_rows(games: Games, rows: Rows, seed: int = 0, folder: Path | None = None) -> list[dict[str, object]]:
    """One row of headline figures per reference, through the same protocol."""
    found = [_interrogators(games, rows)] if games.called_human is not None else []
    for judge, ratings in tqdm(games.ratings.items(), desc="judges", unit="judge"):
        candidate = _judge(rows, ratings, judge == games.teacher)
        found.append(_row(f"{judge} as judge, refit weights", rows, candidate, seed, folder, judge))
    classifiers = {"surface statistics": surface_classifier, "character n-grams": character_classifier}
    for name, fit in classifiers.items():
        found.append(
            _row(f"{name} + logistic regression", rows, _classifier(rows, fit), seed, folder, name.replace(" ", "-"))
        )
    return found


def _row(title: str, rows: Rows, candidate, seed: int, folder: Path | None, key: str) -> dict[str, object]:
    predictions = run_protocol(rows, candidate(key), (key,), seed, folder, title)[key]
    return {"name": title, **headline(figures(rows, predictions, seed))}


def _interrogators(games: Games, rows: Rows) -> dict[str, object]:
    """The people who played: which witness they called human."""
    called = np.flatnonzero(~np.isnan(games.called_human))
    everything = told_apart(rows, called, games.called_human[called])
    rated = called[games.rated[called]]
    parts = {"all games": everything, "rated games": told_apart(rows, rated, games.called_human[rated])}
    return {"name": "interrogators of the games", **headline({"told_apart": parts})}


def _judge(rows: Rows, ratings: TraitRatings, is_teacher: bool):
    """A judge's own ratings with weights learned from them; it rated dialogues, not replies."""
    traits = ratings.traits
    values = np.full((len(rows), len(traits)), np.nan)
    values[: len(ratings)] = np.asarray(ratings)

    def candidate(key: str):
        def predict(split: Split) -> dict[str, Prediction]:
            log_odds = np.full(int(split.test.sum()), np.nan)
            learn = split.train & rows.is_dialogue & ~np.isnan(values).any(axis=1)
            test = values[split.test]
            if len(np.unique(rows.group[learn])) >= 5:
                score = HumanLikenessScore.fit(values[learn], rows.is_human[learn], rows.group[learn], traits)
                log_odds = score.log_odds(TraitRatings(test, traits))
            # A rater that is the teacher agrees with itself: no figure.
            rated = np.full_like(test, np.nan) if is_teacher else test
            return {key: Prediction(rated, log_odds, np.full(len(test), ""))}

        return predict

    return candidate


def _classifier(rows: Rows, fit):
    """A classifier without traits, one for dialogues and one for replies."""

    def candidate(key: str):
        prepared = fit(rows)

        def predict(split: Split) -> dict[str, Prediction]:
            log_odds = np.full(len(rows), np.nan)
            for kind, learn in (
                (rows.is_dialogue, rows.is_dialogue),
                (rows.is_reply | rows.is_contrast, rows.is_reply),
            ):
                train, test = np.flatnonzero(split.train & learn), np.flatnonzero(split.test & kind)
                if len(test) and len(np.unique(rows.is_human[train])) == 2:
                    log_odds[test] = prepared(train, test)
            return {key: Prediction.unrated(log_odds[split.test], rows.traits)}

        return predict

    return candidate


def surface_classifier(rows: Rows):
    """Logistic regression on the surface statistics of the bundled scorer."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    spoken = [[t for t in d.target_texts if t.strip()] or [""] for d in rows.dialogues]
    context = [d.context_texts for d in rows.dialogues]
    values = style_statistics(TextBatch.from_turns(spoken), TextBatch.from_turns(context), np.arange(len(spoken)))

    def predict(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        return model.fit(values[train], rows.is_human[train]).decision_function(values[test])

    return predict


def character_classifier(rows: Rows):
    """Logistic regression on TF-IDF of character 1- to 5-grams, case kept."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = np.array(["\n".join(d.target_texts) for d in rows.dialogues], dtype=object)

    def predict(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        vectorizer = TfidfVectorizer(
            analyzer="char", ngram_range=(1, 5), lowercase=False, min_df=2, sublinear_tf=True, max_features=100_000
        )
        model = make_pipeline(vectorizer, LogisticRegression(C=10.0, solver="liblinear"))
        return model.fit(texts[train], rows.is_human[train]).decision_function(texts[test])

    return predict
