"""From ratings to the log-odds of a person: weights bound to trait ids, profiles, files and fitting."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal_trl import HL16Q, HL32Q, HumanLikenessScore, Trait, TraitRatings, TraitSet
from hal_trl.length_effect import LengthEffect
from hal_trl.likeness import FILE_NAME


CORRECTED = {
    "brevity": 1.3736,
    "slang": -0.2474,
    "lowercase": -0.5006,
    "typos": 0.4703,
    "emoji": 0.7079,
    "informality": 0.3124,
    "idiomatic": -0.7266,
    "small_emotions": -0.4266,
    "hedging": -0.3120,
    "builds_on": 0.1217,
    "reciprocity": -0.3562,
    "empathy": -0.2189,
    "direct_context": 0.3429,
    "recency": -0.1819,
    "personal_experience": 0.2563,
    "daily_routine": -0.1905,
}
ASKED_BY_THE_RELEASE = (
    "brevity", "emoji", "cultural_reference", "lowercase", "typos", "builds_on", "idiomatic", "reciprocity", "humor",
    "admits_ignorance", "recency", "slang", "personal_reasons", "steering", "quick_exit", "direct_self",
)  # fmt: skip
BIAS = -2.6624
PROFILES = ("corrected", "released", "hal_trl")

WEIGHTS = {"brevity": 1.5, "typos": -0.5, "emoji": 0.25}
LIKERT = st.floats(1, 5)


def small(**changes) -> HumanLikenessScore:
    return HumanLikenessScore({**WEIGHTS, **changes}, bias=-2.0)


def random_ratings(n: int, traits: TraitSet = HL32Q, seed: int = 0) -> TraitRatings:
    return TraitRatings(np.random.default_rng(seed).uniform(1, 5, (n, len(traits))), traits)


def same(one: HumanLikenessScore, other: HumanLikenessScore) -> bool:
    parts = [(s.weights, s.bias, s.traits, s.reference) for s in (one, other)]
    return parts[0] == parts[1]


# --- profiles


def test_corrected_binds_each_released_weight_to_the_trait_it_was_fitted_on():
    score = HumanLikenessScore.from_profile("corrected")
    assert {id: round(weight, 4) for id, weight in score.weights.items()} == CORRECTED
    assert score.traits == HL16Q


def test_released_binds_the_same_numbers_to_the_traits_the_release_asks():
    released, corrected = (HumanLikenessScore.from_profile(name) for name in ("released", "corrected"))
    expected = dict(zip(ASKED_BY_THE_RELEASE, (corrected.weights[id] for id in CORRECTED), strict=True))
    assert released.weights == expected


@pytest.mark.parametrize("name", ["corrected", "released"])
def test_profiles_of_the_paper_share_its_bias(name):
    assert round(HumanLikenessScore.from_profile(name).bias, 4) == BIAS


def test_the_shipped_fit_rates_traits_of_the_long_questionnaire_only():
    score = HumanLikenessScore.from_profile("hal_trl")
    assert set(score.weights) == set(score.traits.ids) <= set(HL32Q.ids)
    assert np.isfinite(score.log_odds(random_ratings(5))).all()


def test_the_shipped_fit_is_the_usual_profile():
    assert same(HumanLikenessScore.from_profile(), HumanLikenessScore.from_profile("hal_trl"))


@pytest.mark.parametrize("name", ["", "Corrected", "paper", "../hal_trl"])
def test_an_unknown_profile_is_answered_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"hal_trl.*corrected.*released"):
        HumanLikenessScore.from_profile(name)


# --- scoring


def test_log_odds_are_bias_plus_weighted_ratings():
    ratings = pd.DataFrame({"brevity": [1.0, 5.0], "typos": [2.0, 1.0], "emoji": [4.0, 3.0]})
    np.testing.assert_allclose(small().log_odds(ratings), [-2 + 1.5 - 1 + 1, -2 + 7.5 - 0.5 + 0.75])


@pytest.mark.parametrize("profile", PROFILES)
def test_contributions_and_bias_add_up_to_the_log_odds(profile):
    score, ratings = HumanLikenessScore.from_profile(profile), random_ratings(20)
    contributions = score.contributions(ratings)
    assert contributions.shape == (20, len(score.traits))
    np.testing.assert_allclose(score.bias + contributions.sum(axis=1), score.log_odds(ratings))


def test_contributions_stand_in_the_order_of_the_scores_traits():
    score = small()
    ratings = random_ratings(4)
    for column, id in enumerate(score.traits.ids):
        expected = score.weights[id] * ratings.to_frame()[id]
        np.testing.assert_allclose(score.contributions(ratings)[:, column], expected)


@pytest.mark.parametrize("profile", PROFILES)
def test_probability_is_the_sigmoid_of_the_log_odds(profile):
    score, ratings = HumanLikenessScore.from_profile(profile), random_ratings(50)
    np.testing.assert_allclose(score.probability(ratings), 1 / (1 + np.exp(-score.log_odds(ratings))), atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(weight=st.floats(-1e6, 1e6), bias=st.floats(-1e6, 1e6), rating=LIKERT)
def test_probability_stays_between_0_and_1_without_overflow(weight, bias, rating):
    score = HumanLikenessScore({"typos": weight}, bias)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        (probability,) = score.probability(pd.DataFrame({"typos": [rating]}))
    assert 0 <= probability <= 1


def test_overwhelming_evidence_is_certainty():
    ratings = pd.DataFrame({"typos": [5.0]})
    assert HumanLikenessScore({"typos": 1e300}, 0).probability(ratings) == [1.0]
    assert HumanLikenessScore({"typos": -1e300}, 0).probability(ratings) == [0.0]


@settings(deadline=None, max_examples=50)
@given(order=st.permutations(HL16Q.ids), values=st.lists(LIKERT, min_size=16, max_size=16))
def test_the_order_of_rated_traits_is_irrelevant(order, values):
    score = HumanLikenessScore.from_profile("corrected")
    rating = dict(zip(HL16Q.ids, values, strict=True))
    expected = score.bias + sum(score.weights[id] * rating[id] for id in HL16Q.ids)
    permuted = TraitRatings([[rating[id] for id in order]], HL16Q.select(order))
    np.testing.assert_allclose(score.log_odds(permuted), [expected], rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(score.log_odds(permuted.to_frame()), score.log_odds(permuted))


@settings(deadline=None, max_examples=50)
@given(order=st.permutations(list(WEIGHTS)))
def test_the_order_of_given_weights_is_irrelevant(order):
    score = HumanLikenessScore({id: WEIGHTS[id] for id in order}, -2.0)
    np.testing.assert_array_equal(score.log_odds(random_ratings(5)), small().log_odds(random_ratings(5)))


def test_traits_a_score_does_not_use_are_ignored():
    ratings = random_ratings(6)
    np.testing.assert_array_equal(
        small().log_odds(ratings), small().log_odds(ratings.for_traits(HL32Q.select(["emoji", "typos", "brevity"])))
    )


def test_a_trait_that_was_not_rated_is_an_error_naming_it():
    ratings = random_ratings(2, HL32Q.select(["brevity", "emoji"]))
    with pytest.raises(ValueError, match="lack the traits typos"):
        small().log_odds(ratings)


@pytest.mark.parametrize("method", ["log_odds", "probability", "contributions"])
def test_ratings_that_do_not_name_their_traits_are_refused(method):
    with pytest.raises(TypeError, match="TraitRatings"):
        getattr(small(), method)(np.full((2, 3), 3.0))
    with pytest.raises(TypeError, match="TraitRatings"):
        getattr(small(), method)(random_ratings(2, small().traits) * 1.0)


def test_a_missing_rating_leaves_the_score_of_its_row_open_and_no_other():
    values = np.full((3, 32), 3.0)
    values[1, HL32Q.ids.index("typos")] = np.nan
    ratings = TraitRatings(values, HL32Q)
    for scores in (small().log_odds(ratings), small().probability(ratings)):
        np.testing.assert_array_equal(np.isnan(scores), [False, True, False])


def test_a_missing_rating_of_an_unused_trait_does_not_matter():
    values = np.full((1, 32), 3.0)
    values[0, HL32Q.ids.index("humor")] = np.nan
    assert np.isfinite(small().log_odds(TraitRatings(values, HL32Q))).all()


def test_no_rows_give_no_scores():
    assert small().log_odds(random_ratings(0)).shape == (0,)


# --- construction


def test_a_weight_for_an_unknown_trait_is_an_error_with_a_hint():
    with pytest.raises(KeyError, match=r"'typo'.*'typos'"):
        HumanLikenessScore({"typo": 1.0}, 0.0)
    with pytest.raises(KeyError, match="humor"):
        HumanLikenessScore({**CORRECTED, "humor": 1.0}, 0.0, HL16Q)


def test_a_trait_without_a_weight_is_an_error_naming_it():
    with pytest.raises(ValueError, match="daily_routine"):
        HumanLikenessScore({id: w for id, w in CORRECTED.items() if id != "daily_routine"}, 0.0, HL16Q)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_rejected(bad):
    with pytest.raises(ValueError, match="typos"):
        HumanLikenessScore({**WEIGHTS, "typos": bad}, 0.0)
    with pytest.raises(ValueError, match="bias"):
        HumanLikenessScore(WEIGHTS, bad)
    with pytest.raises(ValueError, match="emoji"):
        HumanLikenessScore(WEIGHTS, 0.0, reference={"brevity": 3.0, "typos": 3.0, "emoji": bad})


def test_a_reference_needs_the_traits_of_the_score():
    with pytest.raises(ValueError, match="emoji"):
        HumanLikenessScore(WEIGHTS, 0.0, reference={"brevity": 3.0, "typos": 3.0})
    with pytest.raises(KeyError, match="humor"):
        HumanLikenessScore(WEIGHTS, 0.0, reference={"brevity": 3.0, "typos": 3.0, "emoji": 3.0, "humor": 3.0})


def test_a_score_may_use_traits_of_ones_own():
    own = TraitSet([Trait("dialect", "The speaker uses dialect.", "voice")])
    score = HumanLikenessScore({"dialect": 2.0}, -6.0, own)
    np.testing.assert_allclose(score.log_odds(TraitRatings([[3.0], [4.0]], own)), [0.0, 2.0])


# --- changing weights


def test_with_weights_changes_the_named_weights_only():
    score = HumanLikenessScore.from_profile("corrected")
    changed = score.with_weights({"typos": 0, "brevity": 0.5})
    assert changed.weights == {**score.weights, "typos": 0.0, "brevity": 0.5}
    assert changed.traits == score.traits
    assert changed.reference == score.reference


def test_with_weights_leaves_the_original_alone():
    score = small()
    score.with_weights({"typos": 9.0})
    assert same(score, small())


@settings(deadline=None, max_examples=50)
@given(
    changes=st.dictionaries(st.sampled_from(list(WEIGHTS)), st.floats(-10, 10)),
    typical=st.lists(LIKERT, min_size=3, max_size=3),
)
def test_with_weights_keeps_the_score_of_a_typical_person(changes, typical):
    reference = dict(zip(WEIGHTS, typical, strict=True))
    score = HumanLikenessScore(WEIGHTS, -2.0, reference=reference)
    person = pd.DataFrame([reference])
    np.testing.assert_allclose(score.with_weights(changes).log_odds(person), score.log_odds(person), atol=1e-9)


def test_a_typical_person_is_rated_in_the_middle_unless_told():
    person = pd.DataFrame([dict.fromkeys(WEIGHTS, 3.0)])
    np.testing.assert_allclose(small().with_weights({"typos": 7.0}).log_odds(person), small().log_odds(person))


def test_with_weights_refuses_traits_the_score_does_not_use():
    with pytest.raises(KeyError, match="humor"):
        small().with_weights({"humor": 1.0})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_with_weights_refuses_numbers_that_are_not_finite(bad):
    with pytest.raises(ValueError, match="typos"):
        small().with_weights({"typos": bad})


# --- files

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=30)
@given(weights=st.dictionaries(st.sampled_from(HL32Q.ids), FINITE, min_size=1), bias=FINITE, typical=LIKERT)
def test_saving_and_loading_changes_no_number(tmp_path_factory, weights, bias, typical):
    score = HumanLikenessScore(weights, bias, reference=dict.fromkeys(weights, typical))
    folder = tmp_path_factory.mktemp("score")
    score.save_pretrained(folder)
    assert same(HumanLikenessScore.from_pretrained(folder), score)


def test_traits_of_ones_own_survive_saving(tmp_path):
    own = TraitSet([Trait("dialect", "Wie der Sprecher „schwätzt“.", "voice")])
    score = HumanLikenessScore({"dialect": 0.1}, 0.2, own)
    score.save_pretrained(str(tmp_path / "new" / "folder"))
    assert same(HumanLikenessScore.from_pretrained(str(tmp_path / "new" / "folder")), score)


def test_the_saved_file_is_plain_json_by_trait_id(tmp_path):
    small().save_pretrained(tmp_path)
    content = json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))
    assert FILE_NAME == "likeness.json"
    assert content["weights"] == WEIGHTS
    assert content["bias"] == -2.0


def test_reordered_weights_in_the_file_stay_with_their_traits(tmp_path):
    small().save_pretrained(tmp_path)
    content = json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))
    content["weights"] = dict(reversed(content["weights"].items()))
    (tmp_path / FILE_NAME).write_text(json.dumps(content), encoding="utf-8")
    assert same(HumanLikenessScore.from_pretrained(tmp_path), small())


def test_a_folder_without_a_score_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"likeness\.json"):
        HumanLikenessScore.from_pretrained(tmp_path)


GOOD = {"bias": 0.0, "weights": {"typos": 1.0}, "traits": HL32Q.select(["typos"]).to_list()}


def test_a_file_needs_no_reference(tmp_path):
    (tmp_path / FILE_NAME).write_text(json.dumps(GOOD), encoding="utf-8")
    assert HumanLikenessScore.from_pretrained(tmp_path).weights == {"typos": 1.0}


BROKEN = {
    "empty file": "",
    "cut file": json.dumps(GOOD)[:-5],
    "not an object": "[1, 2]",
    "null": "null",
    "wrong keys": '{"coef": [1.0], "intercept": 0.0}',
    "no bias": json.dumps({key: value for key, value in GOOD.items() if key != "bias"}),
    "no weights": json.dumps({key: value for key, value in GOOD.items() if key != "weights"}),
    "no traits": json.dumps({key: value for key, value in GOOD.items() if key != "traits"}),
    "bias of null": json.dumps({**GOOD, "bias": None}),
    "bias of text": json.dumps({**GOOD, "bias": "low"}),
    "infinite bias": json.dumps({**GOOD, "bias": float("inf")}),
    "weights by position": json.dumps({**GOOD, "weights": [1.0]}),
    "weight of another trait": json.dumps({**GOOD, "weights": {"emoji": 1.0}}),
    "weight of null": json.dumps({**GOOD, "weights": {"typos": None}}),
    "trait ids alone": json.dumps({**GOOD, "traits": ["typos"]}),
    "traits with other fields": json.dumps({**GOOD, "traits": [{"name": "typos"}]}),
    "no trait at all": json.dumps({**GOOD, "traits": [], "weights": {}}),
    "reference of another trait": json.dumps({**GOOD, "reference": {"emoji": 3.0}}),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_an_error_naming_the_file(tmp_path, text):
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"likeness\.json"):
        HumanLikenessScore.from_pretrained(tmp_path)


def test_a_file_that_is_no_text_is_an_error_naming_the_file(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ValueError, match=r"likeness\.json"):
        HumanLikenessScore.from_pretrained(tmp_path)


# --- fitting

FOUR = HL32Q.select(["brevity", "typos", "emoji", "humor"])


def games(n_games: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Games of one person and one AI: people are briefer, make typos and use fewer emoji; humor says nothing."""
    rng = np.random.default_rng(seed)
    is_human = np.tile([True, False], n_games)
    shift = np.outer(np.where(is_human, 1.0, -1.0), [0.7, 0.4, -0.7, 0.0])
    ratings = np.clip(3 + shift + rng.normal(0, 0.8, shift.shape), 1, 5)
    return ratings, is_human, np.repeat(np.arange(n_games), 2)


def test_fitting_finds_what_tells_people_from_ai():
    score = HumanLikenessScore.fit(*games(), FOUR)
    assert score.traits == FOUR
    assert score.weights["brevity"] > 0.5
    assert score.weights["typos"] > 0.2
    assert score.weights["emoji"] < -0.5
    assert abs(score.weights["humor"]) < 0.15 * score.weights["brevity"]


def test_a_fitted_score_tells_people_from_ai_in_games_it_has_not_seen():
    score = HumanLikenessScore.fit(*games(), FOUR)
    ratings, is_human, _ = games(seed=1)
    log_odds = score.log_odds(TraitRatings(ratings, FOUR))
    assert (log_odds[is_human] > log_odds[~is_human]).mean() > 0.85
    assert ((log_odds > 0) == is_human).mean() > 0.8


def test_fitted_weights_are_per_point_of_the_rating_scale():
    # Both traits move the log-odds by 2 a point, though one hardly varies: a weight must not depend on spread.
    rng = np.random.default_rng(0)
    ratings = np.clip(3 + rng.normal(0, [0.3, 0.9], (3000, 2)), 1, 5)
    is_human = rng.random(3000) < 1 / (1 + np.exp(-2 * (ratings - 3).sum(axis=1)))
    score = HumanLikenessScore.fit(ratings, is_human, np.arange(3000) // 2, HL32Q.select(["typos", "emoji"]))
    np.testing.assert_allclose(list(score.weights.values()), [2.0, 2.0], rtol=0.25)
    np.testing.assert_allclose(score.bias, -12.0, rtol=0.25)


def test_a_fitted_score_knows_the_average_person():
    ratings, is_human, groups = games()
    score = HumanLikenessScore.fit(ratings, is_human, groups, FOUR)
    np.testing.assert_allclose([score.reference[id] for id in FOUR.ids], ratings[is_human].mean(axis=0))


def test_fitting_twice_gives_the_same_score():
    assert same(HumanLikenessScore.fit(*games(), FOUR), HumanLikenessScore.fit(*games(), FOUR))


def test_fitting_leaves_out_rows_with_a_missing_rating():
    ratings, is_human, groups = games()
    noise = np.full((30, 4), 5.0)
    noise[:, 2] = np.nan
    with_holes = HumanLikenessScore.fit(
        np.vstack([noise, ratings]),
        np.concatenate([np.zeros(30, dtype=bool), is_human]),
        np.concatenate([np.arange(1000, 1030), groups]),
        FOUR,
        sample_weight=np.concatenate([np.full(30, 50.0), np.ones(len(ratings))]),
    )
    assert same(with_holes, HumanLikenessScore.fit(ratings, is_human, groups, FOUR))


def test_named_ratings_are_fitted_by_id_whatever_their_order():
    ratings, is_human, groups = games()
    plain = HumanLikenessScore.fit(ratings, is_human, groups, FOUR)
    frame = pd.DataFrame(ratings, columns=FOUR.ids)[["humor", "emoji", "brevity", "typos"]].assign(slang=1.0)
    shuffled = FOUR.select(["emoji", "humor", "typos", "brevity"])
    named = TraitRatings(frame[list(shuffled.ids)].to_numpy(), shuffled)
    assert same(HumanLikenessScore.fit(frame, is_human, groups, FOUR), plain)
    assert same(HumanLikenessScore.fit(named, is_human, groups, FOUR), plain)


def test_rows_of_no_weight_teach_nothing():
    ratings, is_human, groups = games()
    counts = np.ones(len(ratings))
    counts[: len(ratings) // 2] = 0.0
    flipped = np.where(counts == 0, ~is_human, is_human)
    assert HumanLikenessScore.fit(ratings, flipped, groups, FOUR, sample_weight=counts).weights["brevity"] > 0.5
    assert abs(HumanLikenessScore.fit(ratings, flipped, groups, FOUR).weights["brevity"]) < 0.5


@pytest.mark.parametrize("everyone", [True, False], ids=["people only", "ai only"])
def test_one_class_alone_cannot_be_fitted(everyone):
    ratings, is_human, groups = games()
    with pytest.raises(ValueError, match="people and of AI"):
        HumanLikenessScore.fit(ratings, np.full(len(is_human), everyone), groups, FOUR)


def test_a_class_that_was_never_rated_cannot_be_fitted():
    ratings, is_human, groups = games()
    ratings[~is_human, 0] = np.nan
    with pytest.raises(ValueError, match="people and of AI"):
        HumanLikenessScore.fit(ratings, is_human, groups, FOUR)


def test_fewer_than_five_groups_cannot_be_fitted():
    ratings, is_human, groups = games()
    with pytest.raises(ValueError, match="5 groups"):
        HumanLikenessScore.fit(ratings, is_human, groups % 4, FOUR)
    assert HumanLikenessScore.fit(ratings, is_human, groups % 5, FOUR).weights["brevity"] > 0


def test_ratings_that_do_not_fit_the_traits_cannot_be_fitted():
    ratings, is_human, groups = games()
    with pytest.raises(ValueError, match="do not fit 4 traits"):
        HumanLikenessScore.fit(ratings[:, :3], is_human, groups, FOUR)


def in_between_data():
    """People use a middling amount of slang; machines either none or much."""
    rng = np.random.default_rng(0)
    n = 600
    is_human = np.arange(n) % 2 == 0
    slang = np.where(is_human, rng.normal(3, 0.4, n), rng.choice([1.5, 4.5], n) + rng.normal(0, 0.3, n))
    traits = HL32Q.select(["slang", "typos"])
    ratings = np.column_stack([np.clip(slang, 1, 5), rng.uniform(1, 5, n)])
    return TraitRatings(ratings, traits), is_human, np.arange(n) // 2, traits


def test_a_curve_can_say_in_between_where_a_line_cannot():
    ratings, is_human, games, traits = in_between_data()
    curved = HumanLikenessScore.fit(ratings, is_human, games, traits, curved=True)
    straight = HumanLikenessScore.fit(ratings, is_human, games, traits)
    right = {name: ((s.log_odds(ratings) > 0) == is_human).mean() for name, s in [("c", curved), ("s", straight)]}
    assert right["c"] > 0.9 and right["s"] < 0.7
    low, middle, high = curved.log_odds(TraitRatings([[1.5, 3], [3, 3], [4.5, 3]], traits))
    assert middle > low and middle > high


def test_a_curve_stays_level_beyond_what_it_has_seen_and_still_adds_up():
    ratings, is_human, games, traits = in_between_data()
    curved = HumanLikenessScore.fit(ratings, is_human, games, traits, curved=True)
    ends = {i: (points[0][0], points[-1][0]) for i, points in curved.curves.items()}
    top = TraitRatings([[5.0, 5.0], [ends["slang"][1], ends["typos"][1]]], traits)
    assert curved.log_odds(top)[0] == pytest.approx(curved.log_odds(top)[1])
    np.testing.assert_allclose(curved.bias + curved.contributions(ratings).sum(axis=1), curved.log_odds(ratings))


def test_curves_survive_saving_and_give_way_to_a_weight_of_ones_own(tmp_path):
    ratings, is_human, games, traits = in_between_data()
    curved = HumanLikenessScore.fit(ratings, is_human, games, traits, curved=True)
    curved.save_pretrained(tmp_path)
    assert np.array_equal(HumanLikenessScore.from_pretrained(tmp_path).log_odds(ratings), curved.log_odds(ratings))
    without = curved.with_weights({"slang": 0})
    assert "slang" not in without.curves and "typos" in without.curves
    assert (without.contributions(ratings)[:, 0] == 0).all()
    person = TraitRatings([[curved.reference[i] for i in traits.ids]], traits)
    assert without.log_odds(person)[0] == pytest.approx(curved.log_odds(person)[0])


@pytest.mark.parametrize("points", [[(1, 0)], [(1, 0), (1, 2)], [(3, 0), (2, 1)], [(1, 0), (2, float("nan"))]])
def test_a_curve_needs_rising_finite_points(points):
    with pytest.raises(ValueError, match="curve of typos"):
        HumanLikenessScore({"typos": 1.0}, 0.0, curves={"typos": points})


def test_beyond_what_people_show_a_trait_adds_nothing_more():
    score = HumanLikenessScore(
        {"emoji": 1.0, "slang": -1.0},
        0.0,
        curves={"slang": [(1, -3), (3, 2), (5, -3)]},
        human_range={"emoji": (1, 2.5), "slang": (1.5, 3.5)},
    )
    saturated = score.saturated()
    emoji = TraitRatings([[3.0, x] for x in (1.0, 2.5, 4.0, 5.0)], HL32Q.select(["slang", "emoji"]))
    assert np.diff(saturated.log_odds(emoji)).tolist() == [1.5, 0.0, 0.0]
    slang = TraitRatings([[x, 2.0] for x in (1.0, 3.0, 5.0)], HL32Q.select(["slang", "emoji"]))
    np.testing.assert_allclose(np.diff(saturated.log_odds(slang)), np.diff(score.log_odds(slang)))
    person = TraitRatings([[3.0, 3.0]], HL32Q.select(["slang", "emoji"]))
    assert saturated.log_odds(person) == pytest.approx(score.log_odds(person))


def test_a_score_knows_which_ratings_people_show():
    rng = np.random.default_rng(0)
    is_human, groups = np.arange(200) % 2 == 0, np.arange(200) // 2
    ratings = rng.uniform(1, 5, (200, 16))
    score = HumanLikenessScore.fit(ratings, is_human, groups, HL16Q)
    low, high = np.quantile(ratings[is_human], (0.01, 0.99), axis=0)
    np.testing.assert_allclose(list(score.human_range.values()), np.column_stack([low, high]))


def test_what_length_alone_says_is_kept_with_the_score(tmp_path):
    rng = np.random.default_rng(0)
    n_words, is_human = rng.integers(1, 40, 2000), rng.random(2000) < 0.5
    log_odds = 3 - 0.1 * n_words + is_human + rng.normal(0, 0.1, 2000)
    effect = LengthEffect.fit(log_odds, is_human, n_words)
    left = log_odds - effect(n_words)
    assert abs(np.corrcoef(left, n_words)[0, 1]) < 0.1 < abs(np.corrcoef(log_odds, n_words)[0, 1])
    assert effect(n_words[is_human]).mean() == pytest.approx(0, abs=1e-9)
    score = HumanLikenessScore.from_profile("corrected")
    score.length_effect = effect
    score.save_pretrained(tmp_path)
    again = HumanLikenessScore.from_pretrained(tmp_path)
    assert again.length_effect.points == effect.points and again.human_range == score.human_range
