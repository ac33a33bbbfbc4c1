"""A rating is known by its trait id, never by its position: traits, trait sets and ratings that name their columns."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal_trl import HL16Q, HL32Q, Trait, TraitRatings, TraitSet
from hal_trl.traits import select_ratings


GROUPS = {
    "casual style": ["brevity", "slang", "lowercase", "typos", "emoji", "informality", "idiomatic"],
    "voice": [
        "humor", "spontaneity", "cultural_reference", "personal_reasons", "small_emotions", "idiosyncratic_taste",
    ],
    "honesty": ["self_correction", "hedging", "admits_ignorance"],
    "flow": ["builds_on", "steering", "topic_shift", "reciprocity", "empathy", "quick_exit"],
    "context": ["consistent_persona", "direct_context", "no_meta", "recency"],
    "particulars": [
        "concrete_detail", "personal_experience", "direct_self", "plans", "local_places", "daily_routine",
    ],
}  # fmt: skip
HL16Q_IDS = (
    "brevity", "slang", "lowercase", "typos", "emoji", "informality", "idiomatic", "small_emotions", "hedging",
    "builds_on", "reciprocity", "empathy", "direct_context", "recency", "personal_experience", "daily_routine",
)  # fmt: skip

ABC = TraitSet(Trait(id, f"The speaker is {id}.", "letters") for id in ("alpha", "beta", "gamma"))
VALUES = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 1.5], [2.5, 3.5, 4.5], [1.0, 1.0, 5.0]])


def rated() -> TraitRatings:
    return TraitRatings(VALUES, ABC)


# --- the questionnaires


def test_the_long_questionnaire_asks_the_32_traits_in_grouped_order():
    assert len(HL32Q) == 32
    assert HL32Q.ids == tuple(id for ids in GROUPS.values() for id in ids)


@pytest.mark.parametrize("group", GROUPS)
def test_each_trait_belongs_to_its_group(group):
    assert [trait.id for trait in HL32Q if trait.group == group] == GROUPS[group]


def test_the_short_questionnaire_asks_the_16_fitted_traits_in_order():
    assert len(HL16Q) == 16
    assert HL16Q.ids == HL16Q_IDS


def test_both_questionnaires_word_a_shared_trait_alike():
    assert all(HL32Q[trait.id] == trait for trait in HL16Q)


def test_every_trait_has_an_id_and_a_statement_of_its_own():
    assert len({trait.id for trait in HL32Q}) == 32
    assert len({trait.statement for trait in HL32Q}) == 32
    assert all(trait.statement.strip() for trait in HL32Q)


# --- Trait and TraitSet


@pytest.mark.parametrize("id", ["", "two words", "1st", "self-correction", "typos\n"])
def test_a_trait_id_must_be_an_identifier(id):
    with pytest.raises(ValueError, match="identifier"):
        Trait(id, "The speaker is someone.", "group")


def test_repeated_trait_ids_are_rejected_by_name():
    with pytest.raises(ValueError, match=r"beta") as raised:
        TraitSet([*ABC, Trait("beta", "Another statement.", "letters")])
    assert "alpha" not in str(raised.value)


def test_an_empty_trait_set_is_rejected():
    with pytest.raises(ValueError, match="at least one"):
        TraitSet([])


def test_an_unknown_id_is_answered_with_the_nearest_known_one():
    with pytest.raises(KeyError, match=r"'typo'.*did you mean 'typos'"):
        HL32Q["typo"]


def test_every_unknown_id_is_named_at_once():
    with pytest.raises(KeyError, match="emojis") as raised:
        HL32Q.positions(["brevity", "emojis", "qqqqqq"])
    assert "qqqqqq" in str(raised.value)


def test_a_trait_is_found_by_id_and_by_number():
    assert ABC["beta"] is ABC[1]
    assert ABC["beta"].id == "beta"
    assert ABC[-1].id == "gamma"


def test_membership_knows_ids_and_traits():
    assert "alpha" in ABC
    assert ABC["alpha"] in ABC
    assert "typos" not in ABC
    assert HL32Q["typos"] not in ABC


def test_sets_of_the_same_traits_are_equal_and_hash_alike():
    again = TraitSet(list(ABC))
    assert again == ABC
    assert hash(again) == hash(ABC)
    assert ABC.select(["beta", "alpha", "gamma"]) != ABC


def test_select_keeps_the_order_asked_for():
    assert HL32Q.select(["typos", "brevity"]).ids == ("typos", "brevity")


def test_select_refuses_unknown_repeated_and_no_ids():
    with pytest.raises(KeyError, match="brevit"):
        HL32Q.select(["brevit"])
    with pytest.raises(ValueError, match="distinct"):
        HL32Q.select(["typos", "typos"])
    with pytest.raises(ValueError, match="at least one"):
        HL32Q.select([])


@settings(deadline=None, max_examples=50)
@given(ids=st.lists(st.sampled_from(HL32Q.ids), min_size=1, unique=True))
def test_any_selection_survives_its_json_form(ids):
    chosen = HL32Q.select(ids)
    assert chosen.ids == tuple(ids)
    assert TraitSet.from_list(chosen.to_list()) == chosen


def test_the_json_form_holds_plain_strings():
    assert ABC.to_list()[0] == {"id": "alpha", "statement": "The speaker is alpha.", "group": "letters"}


# --- TraitRatings: what may be stored


@pytest.mark.parametrize("shape", [(), (2,), (4,), (3, 2), (3, 0), (0,)])
def test_ratings_that_do_not_fit_the_traits_are_rejected(shape):
    with pytest.raises(ValueError, match="do not fit 3 traits"):
        TraitRatings(np.full(shape, 3.0), ABC)


@pytest.mark.parametrize("bad", [0.0, 0.999, 5.001, -3.0, np.inf, -np.inf])
def test_ratings_outside_the_scale_are_rejected(bad):
    with pytest.raises(ValueError, match="outside 1-5"):
        TraitRatings([[3.0, bad, 3.0]], ABC)


def test_the_ends_of_the_scale_and_nan_are_ratings():
    kept = TraitRatings([[1, 5, np.nan]], ABC)
    np.testing.assert_array_equal(kept, [[1.0, 5.0, np.nan]])
    assert kept.traits == ABC


def test_ratings_do_not_share_memory_with_their_source():
    source = VALUES.copy()
    ratings = TraitRatings(source, ABC)
    source[:] = 5.0
    np.testing.assert_array_equal(ratings, VALUES)


# --- TraitRatings: which operations keep the names

ROWS = {
    "integer": 1,
    "numpy integer": np.int64(2),
    "negative integer": -1,
    "slice": slice(1, 3),
    "reversing slice": slice(None, None, -1),
    "boolean mask": np.array([True, False, True, False]),
    "list": [3, 0],
    "list of booleans": [False, True, True, False],
    "integer array": np.array([0, 0, 2]),
    "no rows": [],
}


@pytest.mark.parametrize("key", ROWS.values(), ids=ROWS)
def test_selecting_rows_keeps_the_traits(key):
    chosen = rated()[key]
    assert chosen.traits == ABC
    np.testing.assert_array_equal(chosen, VALUES[key])


NAMELESS = {
    "column slice": lambda r: r[:, :2],
    "column permutation": lambda r: r[:, [2, 0, 1]],
    "reversed columns": lambda r: r[:, ::-1],
    "permutation behind an ellipsis": lambda r: r[..., [2, 0, 1]],
    "one column": lambda r: r[:, 0],
    "transposition": lambda r: r.T,
    "transposed square": lambda r: r[:3].T,
    "permuted single row": lambda r: r[1][[2, 0, 1]],
    "elementwise mask": lambda r: r[np.asarray(r) > 2],
    "take": lambda r: np.take(r, [1, 0, 2], axis=1),
    "sort": lambda r: np.sort(r, axis=1),
    "reshape": lambda r: r.reshape(3, 4),
    "flatten": lambda r: r.ravel(),
    "new axis": lambda r: r[None],
    "sum": lambda r: r + 1,
    "product": lambda r: 0.5 * r,
    "difference": lambda r: r - r,
    "mean over rows": lambda r: r.mean(axis=0),
    "concatenation": lambda r: np.concatenate([r, r], axis=1),
}


@pytest.mark.parametrize("operation", NAMELESS.values(), ids=NAMELESS)
def test_whatever_may_change_the_meaning_of_columns_drops_the_traits(operation):
    changed = operation(rated())
    assert getattr(changed, "traits", None) is None
    with pytest.raises(TypeError):
        select_ratings(changed, ABC)


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(st.integers(-4, 3), max_size=8), ids=st.permutations(ABC.ids))
def test_rows_and_traits_may_be_picked_in_either_order(rows, ids):
    wanted = ABC.select(ids)
    np.testing.assert_array_equal(rated()[rows].for_traits(wanted), rated().for_traits(wanted)[rows])


def test_pickled_ratings_still_name_their_columns():
    ratings = TraitRatings(np.where(VALUES == 1.5, np.nan, VALUES), ABC)
    back = pickle.loads(pickle.dumps(ratings))  # noqa: S301 - our own bytes
    assert back.traits == ABC
    np.testing.assert_array_equal(back, ratings)


def test_pickled_arrays_without_names_stay_without():
    nameless = rated() * 10
    back = pickle.loads(pickle.dumps(nameless))  # noqa: S301 - our own bytes
    assert getattr(back, "traits", None) is None
    np.testing.assert_array_equal(back, VALUES * 10)


# --- picking traits by id


@settings(deadline=None, max_examples=50)
@given(columns=st.permutations(ABC.ids), wanted=st.lists(st.sampled_from(ABC.ids), min_size=1, unique=True))
def test_traits_are_picked_by_id_wherever_their_column_stands(columns, wanted):
    shuffled = TraitRatings(VALUES[:, ABC.positions(columns)], ABC.select(columns))
    picked = shuffled.for_traits(ABC.select(wanted))
    assert picked.traits.ids == tuple(wanted)
    np.testing.assert_array_equal(picked, VALUES[:, ABC.positions(wanted)])


@settings(deadline=None, max_examples=50)
@given(columns=st.permutations(ABC.ids))
def test_a_data_frame_may_hold_its_traits_in_any_order(columns):
    frame = pd.DataFrame(VALUES, columns=ABC.ids)[list(columns)]
    np.testing.assert_array_equal(select_ratings(frame, ABC), VALUES)


def test_a_data_frame_may_hold_other_columns_beside_the_traits():
    frame = pd.DataFrame(VALUES, columns=ABC.ids).assign(game="g1", text="hi there")
    np.testing.assert_array_equal(select_ratings(frame, ABC), VALUES)


def test_missing_values_of_a_data_frame_count_as_not_rated():
    frame = pd.DataFrame({"alpha": [1.0, None], "beta": [2, 3], "gamma": [4, 5]})
    np.testing.assert_array_equal(select_ratings(frame, ABC), [[1, 2, 4], [np.nan, 3, 5]])


def test_a_single_row_is_picked_from_as_one_dialogue():
    np.testing.assert_array_equal(rated()[1].for_traits(ABC.select(["gamma", "alpha"])), [[1.5, 4.0]])


def test_picking_from_stacked_ratings_reads_the_trait_axis():
    stacked = TraitRatings(np.stack([VALUES[:3], VALUES[1:]]), ABC)
    picked = stacked.for_traits(ABC.select(["gamma", "alpha", "beta"]))
    np.testing.assert_array_equal(picked, np.asarray(stacked)[..., [2, 0, 1]])


@pytest.mark.parametrize("plain", [VALUES, VALUES.tolist(), None], ids=["array", "list", "none"])
def test_ratings_that_do_not_name_their_columns_are_refused(plain):
    with pytest.raises(TypeError, match="TraitRatings"):
        select_ratings(plain, ABC)


@pytest.mark.parametrize("as_frame", [False, True])
def test_every_trait_that_was_not_rated_is_named(as_frame):
    ratings = rated().to_frame() if as_frame else rated()
    with pytest.raises(ValueError, match="lack the traits typos, emoji") as raised:
        select_ratings(ratings, TraitSet([ABC["alpha"], HL32Q["typos"], HL32Q["emoji"]]))
    assert re.search(r"hold alpha, beta, gamma", str(raised.value))


def test_picked_values_outside_the_scale_are_rejected():
    with pytest.raises(ValueError, match="outside 1-5"):
        select_ratings(pd.DataFrame({"alpha": [3.0], "beta": [70.0], "gamma": [3.0]}), ABC)


def test_a_frame_and_back_gives_the_same_ratings():
    frame = rated().to_frame()
    assert tuple(frame.columns) == ABC.ids
    np.testing.assert_array_equal(select_ratings(frame, ABC), VALUES)


def test_ratings_without_names_make_no_frame():
    with pytest.raises(ValueError, match="which traits"):
        (rated() + 0).to_frame()
