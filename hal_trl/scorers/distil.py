"""Teach local scorers the ratings of LLM judges, and measure what they learned on games they have not seen."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from .evaluate import Prediction, Split, figures, run_protocol, speed, verdicts_of
from .fitting import first_reading, fit
from .games import load_contrast, load_games, load_visits
from .references import reference_rows
from .ridge import EncodedRows, Features
from .rows import N_FOLDS, Rows
from .trait_model import HALTraitModel


MINI, MINILM = "hal-traits-mini", "hal-traits-minilm"
_RECIPE = 1  # raise it when a change of the training makes kept splits worthless


def distil(
    data: str | Path,
    output: str | Path,
    encoder: str | None = None,
    encoder_id: str | None = None,
    contrast: str | Path | None = None,
    visits: str | Path | None = None,
    seed: int = 0,
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

    Returns:
        `dict`: the figures by scorer, as written to each `evaluation.json`.
    """
    games, output = load_games(data), Path(output)
    rows = Rows(games, load_contrast(contrast) if contrast else (), load_visits(visits) if visits else None)
    sources = [_sha256(path) for path in (data, contrast, visits) if path]
    key = hashlib.sha256(json.dumps([_RECIPE, sources, str(encoder), seed]).encode()).hexdigest()[:12]
    unfinished = output / f"unfinished-{key}"
    references = _kept(unfinished / "references.json", lambda: reference_rows(games, rows, seed, unfinished))
    encoded = EncodedRows.of(rows, encoder, encoder_id) if encoder else None
    names = (MINI,) if encoded is None else (MINI, MINILM)

    def candidate(split: Split) -> dict[str, Prediction]:
        test = np.flatnonzero(split.test)
        models = _fit_all(rows, encoded, split.train, seed)
        return {name: _predict(model, rows, encoded, test) for name, model in models.items()}

    predictions = run_protocol(rows, candidate, names, seed, unfinished, "cross-validation")
    evaluations = {}
    for name, model in _fit_all(rows, encoded, np.ones(len(rows), dtype=bool), seed).items():
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


def _fit_all(rows: Rows, encoded: EncodedRows | None, use: np.ndarray, seed: int) -> dict[str, HALTraitModel]:
    """Every scorer, from the rows `use` alone."""
    steps = (N_FOLDS + 1) * (1 if encoded is None else 2) + N_FOLDS
    with tqdm(total=steps, desc="fit", unit="fit", leave=False) as bar:
        # The best reader at hand also says what the others should have read where nobody rated.
        best = Features(rows, use, encoded, inside=encoded is not None)
        readings = first_reading(rows, best, use, seed + 1, bar)
        if encoded is None:
            return {MINI: fit(rows, best, readings, use, seed + 2, bar)}
        fitted = {MINILM: fit(rows, best, readings, use, seed + 2, bar)}
        small = Features(rows, use, encoded, inside=False, sibling=best)
        return {MINI: fit(rows, small, readings, use, seed + 2, bar), **fitted}


def _predict(model: HALTraitModel, rows: Rows, encoded: EncodedRows | None, test: np.ndarray) -> Prediction:
    """What a fitted scorer says of the rows `test`, computed as a user's would."""
    inside = None if model.encoder is None else encoded.states[test]
    ratings = model.score([rows.dialogues[i] for i in test], states=inside)
    log_odds = model.likeness.log_odds(ratings)
    return Prediction(np.asarray(ratings), log_odds, verdicts_of(model.likeness.verdict, rows, test, log_odds))


def _sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _kept(path: Path, make) -> list[dict[str, object]]:
    """The content of a JSON file, made and written if it is not there."""
    if not path.is_file():
        content = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))
