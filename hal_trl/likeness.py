"""`HumanLikenessScore`: from trait ratings to the log-odds that a person wrote the text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from .conformal import ConformalVerdict
from .length_effect import LengthEffect
from .penalty import fit_with_chosen_penalty
from .traits import HL16Q, HL32Q, LIKERT_MAX, LIKERT_MIN, TraitRatings, TraitSet, select_ratings


FILE_NAME = "likeness.json"
BUNDLED_SCORER = Path(__file__).parent / "scorers" / "hal-traits-mini"

_MIDPOINT = (LIKERT_MIN + LIKERT_MAX) / 2

# Weights as released with the paper, each with the trait it was fitted on (`corrected`) and the trait whose statement
# the released 16-item questionnaire asks in that place (`released`). Told apart on the rated games, humans outscore
# the AI of their game in 86 % of pairs with the first binding and in 62 % with the second.
_RELEASED_BIAS = -2.662356527104765
_RELEASED_WEIGHTS = (
    # weight, fitted on, asked by the release
    (1.3736384489893014, "brevity", "brevity"),
    (-0.24738157296361998, "slang", "emoji"),
    (-0.5005891551603044, "lowercase", "cultural_reference"),
    (0.4703058300432663, "typos", "lowercase"),
    (0.7078845677748485, "emoji", "typos"),
    (0.31244681344661834, "informality", "builds_on"),
    (-0.7265659134887993, "idiomatic", "idiomatic"),
    (-0.42661166749050544, "small_emotions", "reciprocity"),
    (-0.3120257940100131, "hedging", "humor"),
    (0.12171378121001732, "builds_on", "admits_ignorance"),
    (-0.35617663877855, "reciprocity", "recency"),
    (-0.21888734401878768, "empathy", "slang"),
    (0.3429129573313462, "direct_context", "personal_reasons"),
    (-0.18188883104647133, "recency", "steering"),
    (0.2563284785689093, "personal_experience", "quick_exit"),
    (-0.1905080475475561, "daily_routine", "direct_self"),
)


class HumanLikenessScore:
    """A sum of trait contributions, read as the log-odds that a person, not an AI, wrote the text.

    `log_odds = bias + sum_t weight_t * rating_t` (HAL, section 3). A weight belongs to a trait id; ratings are matched
    to weights by id and a score refuses ratings that lack one of its traits. `nan` ratings give a `nan` score.

    A straight line cannot say "in between": AIs told to play a young persona use more slang than people, plain
    assistants less. A trait may therefore have a curve instead, a contribution for each rating.

    Args:
        weights (`Mapping[str, float]`): One weight per trait id of `traits`, no more and no fewer.
        bias (`float`): Log-odds at ratings of zero.
        traits ([`TraitSet`], *optional*, defaults to the traits of `HL32Q` named in `weights`):
            The questionnaire the weights are for.
        reference (`Mapping[str, float]`, *optional*, defaults to 3 for every trait):
            Mean rating of people, per trait id. [`~HumanLikenessScore.with_weights`] keeps the score of a person with
            these ratings where it was.
        curves (`Mapping[str, Sequence[tuple[float, float]]]`, *optional*):
            For some trait ids, `(rating, contribution)` points with rising ratings: the contribution runs straight
            from point to point and is constant outside. It replaces `weight * rating`; the weight of such a trait is
            only its mean slope.
        human_range (`Mapping[str, tuple[float, float]]`, *optional*, defaults to 1-5 for every trait):
            Ratings that people show, per trait id; see [`~HumanLikenessScore.saturated`].
        verdict ([`~hal_trl.conformal.ConformalVerdict`], *optional*):
            Where this score can rule out a person or an AI, and where it is guessing.
        length_effect ([`~hal_trl.length_effect.LengthEffect`], *optional*):
            What the length of a single reply alone adds to this score.

    Raises:
        `KeyError`: if a weight is for a trait that `traits` does not have.
        `ValueError`: if a trait has no weight, or a number is not finite.

    Example:
        ```python
        >>> from hal_trl import HL16Q, HumanLikenessScore
        >>> from hal_trl.traits import TraitRatings
        >>> score = HumanLikenessScore.from_profile("corrected")
        >>> score.probability(TraitRatings([[3.0] * 16], HL16Q)).round(2)
        array([0.2])
        ```
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        bias: float,
        traits: TraitSet | None = None,
        reference: Mapping[str, float] | None = None,
        curves: Mapping[str, Sequence[tuple[float, float]]] | None = None,
        human_range: Mapping[str, Sequence[float]] | None = None,
        verdict: ConformalVerdict | None = None,
        length_effect: LengthEffect | None = None,
    ):
        if traits is None:
            HL32Q.positions(weights)  # names the unknown ids
            traits = HL32Q.select(i for i in HL32Q.ids if i in weights)
        self.traits = traits
        self.weights = _by_trait(weights, traits, "weight")
        self.reference = _by_trait(reference or dict.fromkeys(traits.ids, _MIDPOINT), traits, "reference")
        if not np.isfinite(bias):
            raise ValueError(f"The bias must be a finite number, got {bias}.")
        self.bias = float(bias)
        self.verdict, self.length_effect = verdict, length_effect
        traits.positions(curves or {})
        self.curves = {i: [(float(x), float(y)) for x, y in points] for i, points in (curves or {}).items()}
        for i, points in self.curves.items():
            ratings = [x for x, _ in points]
            if not np.isfinite(points).all() or len(points) < 2 or any(np.diff(ratings) <= 0):
                raise ValueError(f"The curve of {i} needs two or more finite points with rising ratings.")
        shown = human_range or dict.fromkeys(traits.ids, (LIKERT_MIN, LIKERT_MAX))
        low = _by_trait({i: pair[0] for i, pair in shown.items()}, traits, "lower end of people's range")
        high = _by_trait({i: pair[1] for i, pair in shown.items()}, traits, "upper end of people's range")
        self.human_range = {i: (low[i], high[i]) for i in traits.ids}

    def __repr__(self) -> str:
        return f"HumanLikenessScore({len(self.traits)} traits, bias={self.bias:.3f})"

    def contributions(self, ratings: TraitRatings | pd.DataFrame) -> np.ndarray:
        """What each trait adds to the log-odds, shape `(n, len(traits))` in the order of `traits`.

        The rows add up to `log_odds - bias`.

        Raises:
            `TypeError`: if the ratings do not name their traits.
            `ValueError`: if a trait of this score was not rated.
        """
        values = np.asarray(select_ratings(ratings, self.traits))
        contributions = values * np.array([self.weights[i] for i in self.traits.ids])
        if self.curves:
            columns, ends, at, ratings_at, heights = self._interpolated
            inside = np.clip(values[:, columns].T, *ends)  # what lies outside counts as the end does
            contributions[:, columns] = np.interp(inside + at, ratings_at, heights).T
        return contributions

    @cached_property
    def _interpolated(self) -> tuple[list[int], tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        """Positions and ends of the curves, and all of them as one, side by side: `np.interp` is slow to begin."""
        curves = [np.array(points).T for points in self.curves.values()]
        ends = tuple(np.array([[curve[0, i]] for curve in curves]) for i in (0, -1))
        widest = max(curve[0, -1] for curve in curves) - min(curve[0, 0] for curve in curves)
        at = np.arange(len(curves)) * (widest + 1.0)
        ratings_at = np.concatenate([curve[0] + start for curve, start in zip(curves, at, strict=True)])
        heights = np.concatenate([curve[1] for curve in curves])
        return list(self.traits.positions(self.curves)), ends, at[:, None], ratings_at, heights

    def log_odds(self, ratings: TraitRatings | pd.DataFrame) -> np.ndarray:
        """Log-odds (nats) that a person wrote it, shape `(n,)`; `nan` where a rating is missing."""
        return self.bias + self.contributions(ratings).sum(axis=1)

    def probability(self, ratings: TraitRatings | pd.DataFrame) -> np.ndarray:
        """`sigmoid(log_odds)`, in 0-1: how likely a person wrote it, if half of all texts are by people."""
        return sigmoid(self.log_odds(ratings))

    def with_weights(self, changes: Mapping[str, float]) -> HumanLikenessScore:
        """A copy with some weights replaced; the bias moves so that a person with average ratings scores the same.

        A trait that had a curve counts linearly from then on, with the weight given. Verdict and length effect go:
        they were learned with the old weights.

        Raises:
            `KeyError`: if a trait id is not part of this score.
        """
        self.traits.positions(changes)
        curves = {i: points for i, points in self.curves.items() if i not in changes}
        return self._changed({**self.weights, **changes}, curves)

    def with_targets(self, targets: Mapping[str, float]) -> HumanLikenessScore:
        """A copy in which some traits add `-(rating - target)^2` (nats): best at the target, worse on both sides.

        Verdict and length effect go: they were learned with the old curves.

        Raises:
            `KeyError`: if a trait id is not part of this score.
            `ValueError`: if a target is not a rating from 1 to 5.
        """
        self.traits.positions(targets)
        outside = {i: target for i, target in targets.items() if not LIKERT_MIN <= target <= LIKERT_MAX}
        if outside:
            raise ValueError(f"A target is a rating from 1 to 5; got {outside}.")
        peaks = {i: [(x, -((x - t) ** 2)) for x in sorted({*_GRID, float(t)})] for i, t in targets.items()}
        return self._changed(self.weights, {**self.curves, **peaks})

    def saturated(self) -> HumanLikenessScore:
        """A copy in which no trait adds more than it does anywhere in the range that people show.

        A person is not more of a person for ten emoji; what lies beyond people's range may only cost. What a score
        says of people hardly changes, so verdict and length effect stay.
        """
        curves = {}
        for i in self.traits.ids:
            points = self.curves.get(i) or [(x, self.weights[i] * x) for x in _GRID]
            low, high = self.human_range[i]
            shown = np.interp(np.linspace(low, high, 33), *zip(*points, strict=True))
            capped = [(x, min(y, float(shown.max()))) for x, y in points]
            if capped != points:
                curves[i] = capped
        changed = self._changed(self.weights, {**self.curves, **curves})
        changed.verdict, changed.length_effect = self.verdict, self.length_effect
        return changed

    def _changed(self, weights: Mapping[str, float], curves: Mapping[str, list]) -> HumanLikenessScore:
        """A copy that gives a person with average ratings the same log-odds."""
        changed = HumanLikenessScore(weights, self.bias, self.traits, self.reference, curves, self.human_range)
        person = TraitRatings([[self.reference[i] for i in self.traits.ids]], self.traits)
        changed.bias += float((self.log_odds(person) - changed.log_odds(person))[0])
        return changed

    @classmethod
    def fit(
        cls,
        ratings: TraitRatings | pd.DataFrame | np.ndarray,
        is_human: np.ndarray,
        groups: np.ndarray,
        traits: TraitSet,
        sample_weight: np.ndarray | None = None,
        penalty: float | None = None,
        curved: bool = False,
    ) -> HumanLikenessScore:
        """Learn to tell human from AI by logistic regression.

        The default is the paper's: one weight per trait under an L1 penalty (HAL, section 3).

        With `curved=True` a trait contributes a parabola, and the people of the data are told apart from its AIs *and*
        from imaginary ones: rating vectors drawn around the people's mean with twice their spread. AIs that the data
        do not know may be too much of anything; this teaches that people are in between (noise-contrastive
        estimation, Gutmann and Hyvarinen 2010). Slope and bias are then set on the real rows alone.

        Args:
            ratings (`np.ndarray` of shape `(n, len(traits))`, or named ratings): Rows with a `nan` are left out.
            is_human (`np.ndarray` of shape `(n,)`): Truth of each row.
            groups (`np.ndarray` of shape `(n,)`): What must not be split, such as `game_id`.
            traits ([`TraitSet`]): Traits to use; the columns of `ratings` when that is a plain array.
            sample_weight (`np.ndarray` of shape `(n,)`, *optional*): How much each row counts.
            penalty (`float`, *optional*):
                Strength of the L1 penalty on weights of raw ratings, as `1 / C` of scikit-learn; the paper's figures
                come with 1. By default it is the one with the best held-out log-likelihood over folds that keep a
                group together, on standardised ratings.
            curved (`bool`, *optional*, defaults to `False`): Parabolas instead of straight lines.

        Raises:
            `ValueError`: if only one class or fewer than 5 groups are left to learn from.
        """
        if not isinstance(ratings, (TraitRatings, pd.DataFrame)):
            ratings = TraitRatings(ratings, traits)
        values = np.asarray(select_ratings(ratings, traits))
        is_human, groups = np.asarray(is_human, dtype=bool), np.asarray(groups)
        keep = ~np.isnan(values).any(axis=1)
        if len(np.unique(is_human[keep])) < 2 or len(np.unique(groups[keep])) < 5:
            raise ValueError(
                f"Fitting needs rated rows of people and of AI from at least 5 groups; got {int(keep.sum())} rated "
                f"rows, {int(is_human[keep].sum())} of people, in {len(np.unique(groups[keep]))} groups."
            )
        values, is_human, groups = values[keep], is_human[keep], groups[keep]
        counts = np.ones(len(values)) if sample_weight is None else np.asarray(sample_weight, dtype=float)[keep]
        people = np.average(values[is_human], axis=0, weights=counts[is_human])
        reference = dict(zip(traits.ids, people.tolist(), strict=True))
        shown = np.quantile(values[is_human], _SHOWN, axis=0).T.tolist()
        human_range = dict(zip(traits.ids, shown, strict=True))
        if curved:
            heights, bias = _fit_parabolas(values, is_human, counts)
            curves = {
                i: list(zip(_GRID, row, strict=True)) for i, row in zip(traits.ids, heights.tolist(), strict=True)
            }
            slopes = {i: (points[-1][1] - points[0][1]) / (_GRID[-1] - _GRID[0]) for i, points in curves.items()}
            return cls(slopes, bias, traits, reference, curves, human_range)
        weights, bias = _fit_lines(values, is_human, groups, counts, penalty)
        return cls(dict(zip(traits.ids, weights.tolist(), strict=True)), bias, traits, reference, None, human_range)

    @classmethod
    def from_profile(cls, name: str = "hal_trl") -> HumanLikenessScore:
        """One of the shipped scores.

        Args:
            name (`str`, *optional*, defaults to `"hal_trl"`):
                - `"hal_trl"`: our own fit on the ratings of the bundled scorer (`hal-traits-mini`).
                - `"corrected"`: the paper's released weights on the statements they were fitted on (16 traits).
                - `"released"`: the same numbers on the statements the released questionnaire asks, for comparing
                  with the paper's published scores (16 traits).

        Raises:
            `ValueError`: for another name.
        """
        if name == "hal_trl":
            return cls.from_pretrained(BUNDLED_SCORER)
        if name == "corrected":
            return cls({fitted: w for w, fitted, _ in _RELEASED_WEIGHTS}, _RELEASED_BIAS, HL16Q)
        if name == "released":
            return cls({asked: w for w, _, asked in _RELEASED_WEIGHTS}, _RELEASED_BIAS)
        raise ValueError(f"Unknown profile {name!r}; choose 'hal_trl', 'corrected' or 'released'.")

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write `likeness.json` into a folder, beside a scorer's weights or on its own."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "bias": self.bias,
            "weights": self.weights,
            "reference": self.reference,
            "curves": self.curves,
            "human_range": self.human_range,
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
            "length_effect": None if self.length_effect is None else self.length_effect.points,
            "traits": self.traits.to_list(),
        }
        (folder / FILE_NAME).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **hub_kwargs) -> HumanLikenessScore:
        """Read `likeness.json` from a folder or a Hub repository.

        Args:
            pretrained_model_name_or_path (`str` or `Path`): Folder or Hub repository id.
            hub_kwargs: `revision`, `token`, `cache_dir`... as for `huggingface_hub.hf_hub_download`.

        Raises:
            `FileNotFoundError`: if a folder has no `likeness.json`.
            `ValueError`: if the file is not what `save_pretrained` writes.
        """
        folder = Path(pretrained_model_name_or_path)
        if folder.is_dir():
            path = folder / FILE_NAME
            if not path.is_file():
                raise FileNotFoundError(
                    f"No {FILE_NAME} in {folder}: save a score there with HumanLikenessScore.save_pretrained, "
                    "or choose a shipped one with HumanLikenessScore.from_profile."
                )
        else:
            from huggingface_hub import hf_hub_download

            path = Path(hf_hub_download(str(pretrained_model_name_or_path), FILE_NAME, **hub_kwargs))
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                content["weights"],
                content["bias"],
                TraitSet.from_list(content["traits"]),
                content.get("reference"),
                content.get("curves"),
                content.get("human_range"),
                ConformalVerdict.from_dict(content["verdict"]) if content.get("verdict") else None,
                LengthEffect(content["length_effect"]) if content.get("length_effect") else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a human-likeness score ({error}); save it again.") from error


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    """Probability of log-odds, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(log_odds, dtype=float)))


_GRID = tuple(np.linspace(LIKERT_MIN, LIKERT_MAX, 17).tolist())  # where a parabola is written down
_IMAGINARY_SPREAD, _IMAGINARY_WEIGHT = 2.0, 0.15
_SHOWN = (0.01, 0.99)  # shares of people between which a trait is what people show


def _fit_lines(
    values: np.ndarray, is_human: np.ndarray, groups: np.ndarray, counts: np.ndarray, penalty: float | None
) -> tuple[np.ndarray, float]:
    """Weights and bias by L1-penalised logistic regression."""
    from sklearn.linear_model import LogisticRegression

    if penalty is None:
        lines = fit_with_chosen_penalty(values, is_human, groups, counts)
        return lines.weights, lines.bias
    model = LogisticRegression(C=1 / penalty, l1_ratio=1.0, solver="liblinear", max_iter=5000, random_state=0)
    model.fit(values, is_human, sample_weight=counts)
    return model.coef_.ravel(), float(model.intercept_[0])


def _fit_parabolas(values: np.ndarray, is_human: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, float]:
    """Contributions at the points of `_GRID`, shape `(n_traits, len(_GRID))`, and the bias."""
    from sklearn.linear_model import LogisticRegression

    people, weight = values[is_human], counts[is_human]
    mean = np.average(people, axis=0, weights=weight)
    covariance = np.cov(people.T, aweights=weight) + 1e-6 * np.eye(values.shape[1])
    spread = np.sqrt(np.diag(covariance))
    n = 2 * len(people)
    imaginary = np.random.default_rng(0).multivariate_normal(mean, covariance * _IMAGINARY_SPREAD**2, n)

    def basis(ratings: np.ndarray) -> np.ndarray:
        z = (ratings - mean) / spread
        return np.hstack([z, z**2])

    model = LogisticRegression(C=1.0, max_iter=2000)
    model.fit(
        basis(np.vstack([values, imaginary])),
        np.append(is_human, np.zeros(n, dtype=bool)),
        sample_weight=np.append(counts, np.full(n, _IMAGINARY_WEIGHT * weight.sum() / n)),
    )
    real = model.decision_function(basis(values))
    scale = real.std() + 1e-9
    # "If half of all texts are by people": both kinds count alike here, however many rows there are of each.
    balanced = np.where(is_human, counts / counts[is_human].sum(), counts / counts[~is_human].sum())
    # In units of the spread a weak penalty only matters where the rows can be told apart without a mistake.
    calibration = LogisticRegression(C=10.0, max_iter=2000)
    calibration.fit(real[:, None] / scale, is_human, sample_weight=balanced * len(counts) / 2)
    slope = float(calibration.coef_[0, 0]) / scale
    linear, square = np.split(model.coef_.ravel() * slope, 2)
    z = (np.array(_GRID)[None, :] - mean[:, None]) / spread[:, None]
    bias = float(calibration.intercept_[0]) + slope * float(model.intercept_[0])
    return linear[:, None] * z + square[:, None] * z**2, bias


def _by_trait(values: Mapping[str, float], traits: TraitSet, what: str) -> dict[str, float]:
    traits.positions(values)  # names the unknown ids
    missing = [i for i in traits.ids if i not in values]
    if missing:
        raise ValueError(f"No {what} for the traits {', '.join(missing)}; give exactly one per trait.")
    ordered = {i: float(values[i]) for i in traits.ids}
    bad = [i for i, value in ordered.items() if not np.isfinite(value)]
    if bad:
        raise ValueError(f"The {what} of {', '.join(bad)} is not a finite number.")
    return ordered
