import json

import numpy as np
import pandas as pd
import pytest

from hal_trl import HALReward, HALTraitModel
from hal_trl.cli import app
from hal_trl.rewards.language import CharacterModel
from hal_trl.scorers.distil import EVALUATION_FILE, cross_validate, distil
from hal_trl.scorers.evaluate import pairwise_by_group
from hal_trl.scorers.games import load_games

from .conftest import SHARED_DATA


@pytest.fixture(scope="module")
def games_file(tmp_path_factory):
    """Made-up games in which the people type in lower case and the machines do not."""
    rng = np.random.default_rng(0)
    said = ["not much", "just got home", "watching a movie", "i like pizza", "maybe later", "good and you"]
    rows = []
    for game in range(24):
        for human in (True, False):
            picks = [said[i] for i in rng.integers(0, len(said), 3)]
            replies = picks if human else [f"{pick.capitalize()}, thank you for asking!" for pick in picks]
            ratings = np.clip(np.where(human, 4.0, 2.0) + rng.normal(0, 0.5, 32).round(), 1, 5)
            rows.append(
                {
                    "game_id": game,
                    "is_human": human,
                    "ai_model": "bot",
                    "transcript": "\n".join(f"I: so?\nW: {reply}" for reply in replies),
                    "ratings_gpt_5": ratings if game < 18 else None,
                    "ratings_other": np.clip(ratings + rng.integers(-1, 2, 32), 1, 5) if game < 18 else None,
                }
            )
    path = tmp_path_factory.mktemp("games") / "games.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


def test_distil_writes_a_folder_that_a_reward_loads(games_file, tmp_path):
    figures = distil(games_file, tmp_path / "scorer")
    assert json.loads((tmp_path / "scorer" / EVALUATION_FILE).read_text()) == figures
    assert figures["spearman_hl16q"] > 0.3
    assert figures["rated_games"]["pairwise"]["value"] > 0.9
    assert figures["unrated_games"]["n"] == 12
    reward = HALReward.from_pretrained(tmp_path / "scorer")
    human, machine = reward(prompts=["so?"] * 2, completions=["just got home", "Just got home, thank you for asking!"])
    assert human > machine
    again = distil(games_file, tmp_path / "again")
    assert again == figures


def test_missing_ratings_mean_not_rated(games_file):
    games = load_games(games_file)
    assert games.rated.sum() == 36
    assert np.isnan(np.asarray(games.ratings["other"])[~games.rated]).all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda frame: frame.drop(columns="game_id"), "game_id"),
        (lambda frame: frame.drop(columns="ratings_gpt_5"), "ratings_gpt_5"),
        (lambda frame: frame.assign(ratings_gpt_5=[[3.0] * 31] * len(frame)), "31 ratings instead of 32"),
        (lambda frame: frame.assign(ratings_other=[[7.0] * 32] * len(frame)), "ratings_other: .* outside 1-5"),
    ],
    ids=["no game", "no teacher", "31 ratings", "out of range"],
)
def test_faulty_training_data_is_refused_before_training(games_file, tmp_path, spoil, message):
    spoil(pd.read_parquet(games_file)).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(ValueError, match=message):
        load_games(tmp_path / "bad.parquet")


def test_a_missing_training_file_is_named_on_the_command_line(tmp_path):
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, ["distil", str(tmp_path / "none.parquet")])
    assert done.exit_code == 1 and "none.parquet" in done.output


def test_pairs_are_compared_within_their_game_and_ties_count_half():
    score = np.array([2.0, 1.0, 0.0, 5.0, 1.0, 1.0])
    human = np.array([True, False, True, False, True, False])
    assert pairwise_by_group(score, human, np.array([1, 1, 2, 2, 3, 3])).tolist() == [1.0, 0.0, 0.5]


def test_the_language_model_of_a_guard_survives_saving(games_file, tmp_path):
    model = CharacterModel.fit_games(load_games(games_file))
    model.save(tmp_path / "language.safetensors")
    loaded = CharacterModel.load(tmp_path / "language.safetensors")
    texts = ["just got home", "xqzvkj wqpx"]
    np.testing.assert_allclose(loaded.typicality(texts), model.typicality(texts), atol=5e-3)
    assert loaded.typicality(texts)[0] > loaded.ordinary > loaded.typicality(texts)[1]


@pytest.mark.shared_data
def test_day_one_quality_holds_in_nested_cross_validation_by_game():
    """As `make train` measures it, but for the contrast replies, which only the score sees."""
    from hal_trl.likeness import BUNDLED_SCORER

    figures = cross_validate(load_games(SHARED_DATA / "turing_games.parquet"))
    shipped = json.loads((BUNDLED_SCORER / EVALUATION_FILE).read_text())
    assert figures["spearman_hl16q"] == pytest.approx(shipped["spearman_hl16q"], abs=2e-3)
    assert figures["spearman_hl16q"] >= 0.65
    assert figures["rated_games"]["pairwise"]["value"] >= 0.93
    assert shipped["rated_games"]["pairwise"]["value"] >= 0.93


@pytest.mark.shared_data
def test_binding_weights_to_their_traits_beats_the_released_order():
    from hal_trl import HumanLikenessScore

    games = load_games(SHARED_DATA / "turing_games.parquet")
    rated, ratings = games.rated, games.ratings["gpt_5"][games.rated]
    accuracy = {
        profile: pairwise_by_group(
            HumanLikenessScore.from_profile(profile).log_odds(ratings), games.is_human[rated], games.game_id[rated]
        ).mean()
        for profile in ("corrected", "released")
    }
    assert accuracy["corrected"] == pytest.approx(0.86, abs=0.015)
    assert accuracy["released"] == pytest.approx(0.62, abs=0.015)


@pytest.mark.shared_data
def test_guards_hardly_cost_anything_between_people_and_ai():
    from sklearn.metrics import roc_auc_score

    games = load_games(SHARED_DATA / "turing_games.parquet")
    pairs = [
        (human, reply)
        for dialogue, human in zip(games.dialogues, games.is_human, strict=True)
        for reply in dialogue.target_replies()
    ]
    prompts = [reply.context_texts[-1] if reply.context_texts else "" for _, reply in pairs]
    completions = [reply.target_texts[0] for _, reply in pairs]
    is_human = [human for human, _ in pairs]
    bare = roc_auc_score(is_human, HALReward(guards=[])(prompts=prompts, completions=completions))
    guarded = roc_auc_score(is_human, HALReward()(prompts=prompts, completions=completions))
    assert guarded > bare - 0.01


@pytest.mark.shared_data
def test_every_rated_reply_of_the_games_gets_a_reward():
    games = load_games(SHARED_DATA / "turing_games.parquet")
    replies = [reply for dialogue in games.dialogues for reply in dialogue.target_replies()]
    rewards = HALReward()(
        prompts=[reply.context_texts[-1] if reply.context_texts else "" for reply in replies],
        completions=[reply.target_texts[0] for reply in replies],
    )
    assert all(value is not None for value in rewards)
    assert isinstance(HALReward().scorer, HALTraitModel)
