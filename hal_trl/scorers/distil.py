"""Teach a local scorer the ratings of LLM judges, and measure what it learned on games it has not seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from tqdm.auto import tqdm

from ..dialogue import Dialogue
from ..likeness import HumanLikenessScore
from ..traits import HL32Q, LIKERT_MAX, LIKERT_MIN, TraitRatings
from .evaluate import evaluate_ratings, evaluate_score
from .games import TEACHER, Games, load_contrast, load_games
from .trait_model import HALTraitConfig, HALTraitModel


EVALUATION_FILE = "evaluation.json"

# Chosen on the same cross-validation that is reported, among a handful of values; the figures hardly move around them.
_RIDGE_DIALOGUE, _RIDGE_REPLY = 0.25, 1.0
_TEACHER_SHARE = 0.5  # the rest is the mean of the other judges: one judge's noise is not worth learning
_REPLY_WEIGHT_IN_SCORE = 0.3  # four replies a dialogue: both kinds then count about alike
_KNOTS = 5  # points of a trait's curve in the score
_FOLDS = 5


class Rows:
    """Training rows: the dialogues of some games, every single reply in them, then contrast replies.

    A single reply is labelled as its dialogue is. A contrast reply is an AI's, not rated, and belongs to the game
    whose question it answers.
    """

    def __init__(self, games: Games, contrast: Sequence[tuple[int, Dialogue]] = ()):
        replies = [(i, reply) for i, dialogue in enumerate(games.dialogues) for reply in dialogue.target_replies()]
        source = np.array([*range(len(games.dialogues)), *(i for i, _ in replies)])
        n, n_contrast = len(source), len(contrast)
        self.dialogues: list[Dialogue] = [
            *games.dialogues,
            *(reply for _, reply in replies),
            *(reply for _, reply in contrast),
        ]
        self.is_dialogue = np.arange(n + n_contrast) < len(games.dialogues)
        self.is_contrast = np.arange(n + n_contrast) >= n
        self.game_id = np.append(games.game_id[source], [game for game, _ in contrast]).astype(games.game_id.dtype)
        self.is_human = np.append(games.is_human[source], np.full(n_contrast, False))
        self.rated = np.append(games.rated[source], np.full(n_contrast, False))
        self.targets = np.vstack([consensus(games)[source], np.full((n_contrast, len(HL32Q)), np.nan)])


def consensus(games: Games) -> np.ndarray:
    """Ratings to learn, shape `(n, 32)`: the teacher's, averaged with the other judges' on the teacher's scale."""
    teacher = np.asarray(games.ratings[TEACHER])
    mean, spread = np.nanmean(teacher, axis=0), np.nanstd(teacher, axis=0)
    others = []
    for judge, ratings in games.ratings.items():
        if judge != TEACHER:
            values = np.asarray(ratings)
            z = (values - np.nanmean(values, axis=0)) / (np.nanstd(values, axis=0) + 1e-6)
            others.append(np.clip(mean + z * spread, LIKERT_MIN, LIKERT_MAX))
    if not others:
        return teacher
    rest = np.mean(others, axis=0)
    return np.where(np.isnan(rest), teacher, _TEACHER_SHARE * teacher + (1 - _TEACHER_SHARE) * rest)


def fit_trait_model(rows: Rows, use: np.ndarray) -> HALTraitModel:
    """Ridge regression of both readouts on the rated rows among `use` (a mask)."""
    from sklearn.linear_model import Ridge

    model = HALTraitModel(HALTraitConfig())
    chosen = np.flatnonzero(use & rows.rated)
    dialogues = [rows.dialogues[i] for i in chosen]
    _set_statistics(model, dialogues)
    features, targets, whole = _design_matrix(model, dialogues), rows.targets[chosen], rows.is_dialogue[chosen]
    n_traits, n_buckets = len(model.traits), model.config.n_buckets
    with torch.no_grad():
        for readout, part, alpha in ((0, whole, _RIDGE_DIALOGUE), (1, np.full(len(chosen), True), _RIDGE_REPLY)):
            ridge = Ridge(alpha=alpha, solver="sparse_cg", tol=1e-3).fit(features[part], targets[part])
            columns = slice(readout * n_traits, (readout + 1) * n_traits)
            model.table[:, columns] = torch.from_numpy(ridge.coef_[:, :n_buckets].T)
            model.style_weight[:, columns] = torch.from_numpy(ridge.coef_[:, n_buckets:].T)
            model.bias[columns] = torch.from_numpy(ridge.intercept_)
    return model.round_weights()


def _set_statistics(model: HALTraitModel, dialogues: list[Dialogue]) -> None:
    """Inverse document frequencies and the spread of the surface statistics, from the training texts."""
    inputs = model.featurize(dialogues)
    for idf, text in ((model.reply_idf, inputs.reply), (model.context_idf, inputs.context)):
        frequency = torch.bincount(text.bucket, minlength=model.config.n_buckets)
        idf.copy_(torch.log((1 + len(dialogues)) / (1 + frequency)) + 1)
    model.style_mean.copy_(inputs.style.mean(dim=0))
    model.style_scale.copy_(inputs.style.std(dim=0).clamp_min(1e-3))


def _design_matrix(model: HALTraitModel, dialogues: list[Dialogue]) -> sparse.csr_matrix:
    """What `HALTraitModel.forward` multiplies with `table` and `style_weight`, as one sparse matrix."""
    inputs = model.featurize(dialogues)
    shape = (len(dialogues), model.config.n_buckets)
    ngrams = sparse.csr_matrix(shape)
    for text, scale in ((inputs.reply, 1.0), (inputs.context, model.config.context_scale)):
        ends = np.append(text.offset.numpy(), len(text.bucket))
        ngrams = ngrams + scale * sparse.csr_matrix((text.weight.numpy(), text.bucket.numpy(), ends), shape=shape)
    return sparse.hstack([ngrams, sparse.csr_matrix(model.standardize(inputs.style).numpy())]).tocsr()


def folds_of(game_id: np.ndarray, seed: int) -> np.ndarray:
    """Fold number per row; rows of one game share theirs."""
    games, index = np.unique(game_id, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(games))[index] % _FOLDS


def held_out_ratings(rows: Rows, use: np.ndarray, seed: int, bar: tqdm) -> np.ndarray:
    """Ratings of the rows `use`, each by a model that has not seen its game; `nan` elsewhere."""
    ratings, fold = np.full(rows.targets.shape, np.nan), folds_of(rows.game_id, seed)
    for k in range(_FOLDS):
        model = fit_trait_model(rows, use & (fold != k))
        test = np.flatnonzero(use & (fold == k))
        ratings[test] = model.score([rows.dialogues[i] for i in test])
        bar.update()
    return ratings


def fit_score(rows: Rows, ratings: np.ndarray) -> HumanLikenessScore:
    """The `hal_trl` profile: human against AI on held-out ratings of dialogues and single replies."""
    return HumanLikenessScore.fit(
        ratings,
        rows.is_human,
        rows.game_id,
        HALTraitModel(HALTraitConfig()).traits,
        sample_weight=np.where(rows.is_dialogue | rows.is_contrast, 1.0, _REPLY_WEIGHT_IN_SCORE),
        n_knots=_KNOTS,
    )


def cross_validate(games: Games, contrast: Sequence[tuple[int, Dialogue]] = (), seed: int = 0) -> dict[str, object]:
    """Nested cross-validation grouped by game: trait model *and* score are fitted without the games they are tested
    on.

    Inside each training part the score is fitted on ratings that are themselves held out, as in `distil`.
    """
    rows = Rows(games, contrast)
    traits = HALTraitModel(HALTraitConfig()).traits
    ratings, log_odds = np.full(rows.targets.shape, np.nan), np.full(len(rows.dialogues), np.nan)
    fold = folds_of(rows.game_id, seed)
    with tqdm(total=_FOLDS * (_FOLDS + 1), desc="cross-validation", unit="fit") as bar:
        for k in range(_FOLDS):
            train, test = fold != k, np.flatnonzero(fold == k)
            score = fit_score(rows, held_out_ratings(rows, train, seed + 1 + k, bar))
            model = fit_trait_model(rows, train)
            ratings[test] = model.score([rows.dialogues[i] for i in test])
            log_odds[test] = score.log_odds(TraitRatings(ratings[test], traits))
            bar.update()

    whole, reply = rows.is_dialogue, ~rows.is_dialogue & ~rows.is_contrast
    parts = {
        "rated_games": whole & rows.rated,
        "unrated_games": whole & ~rows.rated,
        "all_games": whole,
        "single_replies": reply,
    }
    if len(contrast):
        parts["contrast_replies"] = rows.is_contrast | (reply & rows.is_human)
    agreement = evaluate_ratings(TraitRatings(ratings[whole], traits), games.ratings[TEACHER])
    return {
        "protocol": f"{_FOLDS}-fold by game_id; inside each fold the score is fitted on held-out ratings",
        "n_games": len(np.unique(games.game_id)),
        "seed": seed,
        **agreement,
        **{
            name: evaluate_score(log_odds[part], rows.is_human[part], rows.game_id[part])
            for name, part in parts.items()
            if part.any()
        },
    }


def distil(
    data: str | Path, output: str | Path, contrast: str | Path | None = None, seed: int = 0
) -> dict[str, object]:
    """Train the bundled kind of scorer and its score, measure both, and write everything to a folder.

    Args:
        data (`str` or `Path`): Rated games, see [`~hal_trl.scorers.games.load_games`].
        output (`str` or `Path`): Folder for `config.json`, `model.safetensors`, `likeness.json`, `evaluation.json`.
        contrast (`str` or `Path`, *optional*):
            Replies of another AI to questions of these games, as `hal-trl contrast` writes them. The score learns that
            they are not people's, and so something about AIs that are unlike those in the games.
        seed (`int`, *optional*, defaults to 0): Of the folds; the fit itself has no randomness.

    Returns:
        `dict`: the figures of [`cross_validate`], as written to `evaluation.json`.
    """
    games = load_games(data)
    others = [] if contrast is None else load_contrast(contrast)
    figures = cross_validate(games, others, seed)
    rows = Rows(games, others)
    everything = np.ones(len(rows.dialogues), dtype=bool)
    with tqdm(total=_FOLDS + 1, desc="final fit", unit="fit") as bar:
        score = fit_score(rows, held_out_ratings(rows, everything, seed, bar))
        model = fit_trait_model(rows, everything)
        bar.update()
    model.save_pretrained(output)
    score.save_pretrained(output)
    figures["data_sha256"] = hashlib.sha256(Path(data).read_bytes()).hexdigest()
    figures["n_contrast"] = len(others)
    (Path(output) / EVALUATION_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return figures


def summary(figures: dict[str, object]) -> str:
    """The figures of `cross_validate` in a few lines."""
    lines = [
        f"mean Spearman with {TEACHER}, HL16Q traits: {figures['spearman_hl16q']:.3f}",
        f"mean Spearman with {TEACHER}, HL32Q traits: {figures['spearman_hl32q']:.3f}",
    ]
    for part in ("rated_games", "unrated_games", "all_games", "single_replies", "contrast_replies"):
        if part in figures:
            pairwise, auc = figures[part]["pairwise"], figures[part]["auc"]
            interval = f"[{pairwise['low']:.3f}, {pairwise['high']:.3f}]"
            lines.append(f"{part}: human above AI of the same game {pairwise['value']:.3f} {interval}, AUC {auc:.3f}")
    return "\n".join(lines)
