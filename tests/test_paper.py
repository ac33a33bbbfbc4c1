"""What the paper's report says of the released data, and that the data are read right."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.paper import (
    Figure,
    Nearest,
    accuracies,
    bindings,
    effect_sizes,
    nearest,
    published_scores,
    repeatability,
    selected,
    shuffled_words,
    verdicts,
    written,
)
from hal_trl import HL16Q, HL32Q
from hal_trl.scorers.games import TEACHER, load_games

from .conftest import SHARED_DATA


@pytest.fixture(scope="module")
def games():
    return load_games(SHARED_DATA / "turing_games.parquet")


@pytest.fixture(scope="module")
def visits():
    return pd.read_parquet(SHARED_DATA / "doctor_dialogues.parquet")


@pytest.mark.shared_data
def test_weights_tell_people_apart_on_their_own_statements(games, visits):
    released, corrected, chat, visit = (figure.here["value"] for figure in bindings(games, visits))
    assert (released, corrected) == (pytest.approx(0.62, abs=0.015), pytest.approx(0.86, abs=0.015))
    assert (chat, visit) == (pytest.approx(0.36, abs=0.02), pytest.approx(0.97, abs=0.015))


@pytest.mark.shared_data
def test_the_papers_own_figures_come_out_of_its_own_protocol(games):
    """HAL, section 3: accuracy 0.775 and 16 traits, on all games; here are four fifths of them."""
    leaking = next(accuracies(games))
    assert leaking.name == "32 traits, KFold: accuracy" and leaking.here["value"] == pytest.approx(0.775, abs=0.01)
    chosen = selected(games.ratings[TEACHER][games.rated], games.is_human[games.rated], games.game_id[games.rated])
    assert set(HL16Q.ids) <= set(chosen.ids) and len(chosen) <= 18


@pytest.mark.shared_data
def test_the_released_profile_is_what_the_paper_published(visits):
    assert published_scores(visits)[0].here["value"] == 1


@pytest.mark.shared_data
def test_the_judge_repeats_itself_as_known(visits):
    same, close, score = (figure.here["value"] for figure in repeatability(visits))
    assert (same, close, score) == pytest.approx((0.81, 0.98, 0.91), abs=0.01)


@pytest.mark.shared_data
def test_alignment_moved_the_judged_score_further_than_brevity_alone(games, visits):
    people, *models = effect_sizes(games, visits)
    assert people.here["low"] > 0.5
    scores, brief = models[::2], models[1::2]
    assert len(scores) == 3 and all(figure.here["low"] > 0.6 for figure in scores)  # Cliff's delta of 0.474 is large
    assert all(b.here["value"] < s.here["value"] for s, b in zip(scores, brief, strict=True))


@pytest.mark.shared_data
def test_a_finder_has_one_verdict_a_game(games):
    sides = pd.read_parquet(SHARED_DATA / "turing_games.parquet", columns=["game_id", "side", "is_human"])
    statements = pd.read_parquet(SHARED_DATA / "finder_statements.parquet")
    finder, people = verdicts(statements, sides, games)[:2]
    assert finder.over == people.over == f"{statements['game_id'].nunique()} games"
    assert finder.here["value"] > people.here["high"]


def test_shuffled_words_are_the_same_words():
    said = ["Uses short replies.", "Shows small typos and slips.", "Jokes."]
    mixed = shuffled_words(said)
    assert [len(text.split()) for text in mixed] == [3, 5, 1] and mixed != said
    words = [sorted(" ".join(texts).lower().replace(".", "").split()) for texts in (said, mixed)]
    assert words[0] == words[1]


def test_a_trait_counts_as_said_when_it_is(minilm):
    said = ["Uses emoji often.", "Makes small typing slips.", "Tells jokes.", "Names local places."]
    off_topic = [
        "Grows tomatoes in the garden.",
        "Repairs old bicycles.",
        "Sails along the coast.",
        "Bakes rye bread.",
    ]
    near = nearest(said + off_topic, said, minilm)["statements"]
    assert [near.texts[i] for i in HL32Q.positions(["emoji", "typos", "humor", "local_places"])] == said
    assert near.said[HL32Q.positions(["emoji", "local_places"])].all() and near.said.sum() < 10


def test_the_report_holds_figures_and_nothing_of_what_was_said():
    near = Nearest(["Uses short replies."] * 32, np.linspace(0, 1, 32), 0.5, 40)
    figure = Figure("accuracy", "paper 0.775", {"value": 0.77, "low": 0.75, "high": 0.8}, "446 games")
    page = written({"Accuracy": [figure]}, {"statements": near})
    assert "| accuracy | paper 0.775 | 0.770 [0.750, 0.800] | 446 games |" in page
    assert "| brevity | 0.00 |" in page and "| daily_routine | **1.00** |" in page and page.count("| **") == 16
    assert "short replies" not in page
