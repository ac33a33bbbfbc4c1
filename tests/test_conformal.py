import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal_trl import HumanLikenessScore
from hal_trl.conformal import ConformalVerdict


def texts(n: int, seed: int, gap: float = 1.0):
    rng = np.random.default_rng(seed)
    is_human = rng.random(n) < 0.5
    n_words = rng.integers(1, 40, n)
    # The longer a text, the more it shows.
    return rng.normal(size=n) + gap * np.where(is_human, 1, -1) * n_words / 20, is_human, n_words


def test_errors_on_new_texts_stay_below_what_was_asked_for():
    verdict = ConformalVerdict.fit(*texts(4000, seed=0), error=0.1)
    log_odds, is_human, n_words = texts(20000, seed=1)
    said = verdict(log_odds, n_words)
    assert (said[is_human] == "AI").mean() < 0.11
    assert (said[~is_human] == "person").mean() < 0.11


def test_short_texts_leave_it_open_more_often_than_long_ones():
    verdict = ConformalVerdict.fit(*texts(4000, seed=0))
    log_odds, _, n_words = texts(4000, seed=1)
    unsure = verdict(log_odds, n_words) == "unsure"
    assert unsure[n_words < 4].mean() > unsure[n_words > 21].mean() + 0.3


def test_lengths_nobody_wrote_use_what_is_known_of_the_others():
    log_odds, is_human, _ = texts(400, seed=0)
    verdict = ConformalVerdict.fit(log_odds, is_human, np.full(400, 10))
    assert verdict(np.array([9.0, -9.0]), np.array([1, 100])).tolist() == ["person", "AI"]


def test_a_score_of_nan_is_unsure():
    assert ConformalVerdict.fit(*texts(400, seed=0))(np.array([np.nan]), np.array([3])).tolist() == ["unsure"]


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=30), st.integers(0, 100))
def test_a_higher_score_is_never_called_ai_where_a_lower_one_is_called_a_person(log_odds, n_words):
    verdict = ConformalVerdict.fit(*texts(300, seed=2))
    said = verdict(np.sort(log_odds), np.full(len(log_odds), n_words))
    order = {"AI": 0, "unsure": 1, "person": 2}
    ranks = [order[s] for s in said]
    assert ranks == sorted(ranks)


def test_a_verdict_is_saved_with_the_score(tmp_path):
    score = HumanLikenessScore.from_profile("corrected")
    score.verdict = ConformalVerdict.fit(*texts(400, seed=0))
    score.save_pretrained(tmp_path)
    assert HumanLikenessScore.from_pretrained(tmp_path).verdict.to_dict() == score.verdict.to_dict()
    assert score.with_weights({"typos": 0}).verdict is None


@pytest.mark.parametrize(
    ("error", "thresholds"),
    [
        (0.0, [[0, -1, 1]]),
        (0.7, [[0, -1, 1]]),
        (0.1, []),
        (0.1, [[0, float("nan"), 1]]),
        (0.1, [[4, 0, 0], [0, 0, 0]]),
    ],
)
def test_nonsense_is_refused(error, thresholds):
    with pytest.raises(ValueError, match="verdict needs"):
        ConformalVerdict(error, thresholds)
