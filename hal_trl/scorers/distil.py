"""Teach local scorers the ratings of LLM judges, and measure what they learned on games they have not seen."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from ..traits import TraitRatings
from ..whole_file import draft_of
from .evaluate import Prediction, Split, figures, run_protocol, speed, verdicts_of
from .fitting import Learned, calibrate, first_reading, learn, read
from .games import load_contrast, load_games, load_traits, load_visits
from .references import reference_rows
from .ridge import EncodedRows, Features
from .rows import N_FOLDS, Rows
from .trait_model import HALTraitModel


MINI, MINILM = "hal-traits-mini", "hal-traits-minilm"
_RECIPE = 2  # raise it when a change of the training makes kept splits worthless


def distil(
    data: str | Path,
    output: str | Path,
    encoder: str | None = None,
    encoder_id: str | None = None,
    contrast: str | Path | None = None,
    visits: str | Path | None = None,
    seed: int = 0,
    traits: str | Path | None = None,
) -> dict[str, dict[str, object]]:
    """Train the scorers and their scores, measure them, and write each to a folder that `HALReward` loads.

    Both learn the judges' ratings, the label where nobody rated, and single replies as well as dialogues. With an
    encoder there are two: one that reads with the encoder, and one that only keeps what the encoder knows about single
    words. A run that is interrupted goes on where it stopped when it is started again.

    Args:
        data (`str` or `Path`): Rated games, see [`~hal_trl.scorers.games.load_games`].
        output (`str` or `Path`): Folder for the folders `hal-traits-mini` and `hal-traits-minilm`.
        encoder (`str`, *optional*): Folder or Hub id of a transformer encoder.
        encoder_id (`str`, *optional*): Hub id that the model card names, where `encoder` is a folder.
        contrast (`str` or `Path`, *optional*):
            Replies of another AI to questions of these games, as `hal-trl contrast` writes them. The scorers learn
            that they are not people's, and so something about AIs that are unlike those in the games.
        visits (`str` or `Path`, *optional*): Rated doctor's visits, see [`~hal_trl.scorers.games.load_visits`].
        seed (`int`, *optional*, defaults to 0): Of the folds; the fit itself has no randomness.
        traits (`str` or `Path`, *optional*, defaults to the 32 traits of `HL32Q`):
            Questionnaire of the ratings, see [`~hal_trl.scorers.games.load_traits`].

    Returns:
        `dict`: the figures by scorer, as written to each `evaluation.json`.
    """
    if traits and visits:
        raise ValueError("The visits are rated on other traits than the questionnaire's: leave one of the two out.")
    games, output = load_games(data, load_traits(traits) if traits else None), Path(output)
    rows = Rows(games, load_contrast(contrast) if contrast else (), load_visits(visits) if visits else None)
    sources = [_sha256(path) for path in (data, contrast, visits, traits) if path]
    key = hashlib.sha256(json.dumps([_RECIPE, sources, str(encoder), seed]).encode()).hexdigest()[:12]
    unfinished = output / f"unfinished-{key}"
    references = _kept(unfinished / "references.json", lambda: reference_rows(games, rows, seed, unfinished))
    encoded = EncodedRows.of(rows, encoder, encoder_id) if encoder else None
    names = (MINI,) if encoded is None else (MINI, MINILM)

    def candidate(split: Split) -> dict[str, Prediction]:
        # Readings take minutes and are kept; what is made of them takes seconds.
        path = unfinished / f"readings-{split.kind}-{split.name}.npz"
        readings = _kept_arrays(path, lambda: _readings(rows, encoded, split, seed))
        return {name: _predict(rows, split, *arrays) for name, arrays in readings.items()}

    predictions = run_protocol(rows, candidate, names, seed, title="cross-validation")
    evaluations = {}
    everything = np.ones(len(rows), dtype=bool)
    for name, model in fit_models(rows, encoded, everything, seed).items():
        model.evaluation = {
            **figures(rows, predictions[name], seed),
            "data_sha256": sources[0],
            "speed": speed(model, rows),
            "n_parameters": sum(tensor.numel() for tensor in model.state_dict().values()),
        }
        model.evaluation["size_mb"] = round(2e-6 * model.evaluation["n_parameters"], 2)
        model.evaluation["reference"] = references
        model.save_pretrained(output / name)
        evaluations[name] = model.evaluation
    shutil.rmtree(unfinished)
    return evaluations


def fit_models(rows: Rows, encoded: EncodedRows | None, use: np.ndarray, seed: int = 0) -> dict[str, HALTraitModel]:
    """Every scorer with its score, by name, from the rows `use` (mask of shape `(n,)`) alone; not evaluated."""
    models = {}
    for name, (features, learned) in _learn_all(rows, encoded, use, seed).items():
        model = features.model_with(learned.of_dialogue, learned.of_reply)
        equating, model.likeness = calibrate(rows, learned.held_out, use)
        equating.put_into(model)
        models[name] = model
    return models


def _learn_all(
    rows: Rows, encoded: EncodedRows | None, use: np.ndarray, seed: int
) -> dict[str, tuple[Features, Learned]]:
    """Every scorer, from the rows `use` alone."""
    steps = (N_FOLDS + 1) * (1 if encoded is None else 2) + N_FOLDS
    with tqdm(total=steps, desc="fit", unit="fit", leave=False) as bar:
        # The best reader at hand also says what the others should have read where nobody rated.
        best = Features(rows, use, encoded, inside=encoded is not None)
        readings = first_reading(rows, best, use, seed + 1, bar)
        if encoded is None:
            return {MINI: (best, learn(rows, best, readings, use, seed + 2, bar))}
        small = Features(rows, use, encoded, inside=False, sibling=best)
        return {
            name: (features, learn(rows, features, readings, use, seed + 2, bar))
            for name, features in ((MINI, small), (MINILM, best))
        }


def _readings(
    rows: Rows, encoded: EncodedRows | None, split: Split, seed: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What every scorer reads: held-out readings of the training rows, and those of the test rows."""
    test = np.flatnonzero(split.test)
    return {
        name: (learned.held_out, read(rows, features, learned.of_dialogue, learned.of_reply, test))
        for name, (features, learned) in _learn_all(rows, encoded, split.train, seed).items()
    }


def _predict(rows: Rows, split: Split, held_out: np.ndarray, readings: np.ndarray) -> Prediction:
    """What a scorer with these readings says of the test rows; equating and score know the training rows alone."""
    test = np.flatnonzero(split.test)
    equating, score = calibrate(rows, held_out, split.train)
    ratings = equating(readings, rows.n_turns[test] == 1)
    log_odds = score.log_odds(TraitRatings(ratings, rows.traits))
    return Prediction(ratings, log_odds, verdicts_of(score.verdict, rows, test, log_odds))


def _sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _kept(path: Path, make) -> list[dict[str, object]]:
    """The content of a JSON file, made and written if it is not there."""
    if not path.is_file():
        content = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            draft.write_text(json.dumps(content), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def _kept_arrays(path: Path, make) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pairs of arrays by name, kept in a file, made and written if it is not there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            np.savez(draft, **{f"{name}/{i}": pair[i] for name, pair in make().items() for i in (0, 1)})
    with np.load(path, allow_pickle=False) as arrays:
        names = dict.fromkeys(key.rpartition("/")[0] for key in arrays)
        return {name: (arrays[f"{name}/0"], arrays[f"{name}/1"]) for name in names}
