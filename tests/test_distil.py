import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from hal_trl import HL16Q, HL32Q, Dialogue, HALReward, HALTraitModel
from hal_trl.cli import app
from hal_trl.hub import EVALUATION_FILE
from hal_trl.rewards.language import CharacterModel
from hal_trl.scorers.distil import MINI, MINILM, distil
from hal_trl.scorers.encoder import load_encoder
from hal_trl.scorers.evaluate import pairwise_by_group
from hal_trl.scorers.games import load_games, load_visits

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
                    "side": "AB"[human],
                    "verdict": "AB"[game % 3 > 0],
                    "ai_model": ("bot_plain", "other_plain", "bot_casual", None)[min(game % 4, 3) if game > 3 else 0],
                    "transcript": "\n".join(f"I: so?\nW: {reply}" for reply in replies),
                    "ratings_gpt_5": ratings if game < 18 else None,
                    "ratings_other": np.clip(ratings + rng.integers(-1, 2, 32), 1, 5) if game < 18 else None,
                }
            )
    path = tmp_path_factory.mktemp("games") / "games.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory):
    """A random two-layer BERT with the alphabet as vocabulary: for plumbing."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(97, 123)]
    vocabulary = {token: i for i, token in enumerate([*special, *letters, *(f"##{c}" for c in letters), "pizza"])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.BertPreTokenizer()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True)),
    )
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    folder = tmp_path_factory.mktemp("models") / "tiny-bert"
    BertModel(BertConfig(vocab_size=len(vocabulary), **size)).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def distilled(games_file, tiny_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return folder, distil(games_file, folder, encoder=str(tiny_encoder))


@pytest.mark.parametrize("name", [MINI, MINILM])
def test_distil_writes_folders_that_a_reward_loads(distilled, name):
    folder, figures = distilled
    assert {path.name for path in folder.iterdir()} == {MINI, MINILM}
    assert json.loads((folder / name / EVALUATION_FILE).read_text()) == figures[name]
    assert {path.suffix for path in (folder / name).iterdir()} == {".json", ".safetensors"}
    reward = HALReward.from_pretrained(folder / name)
    human, machine = reward(prompts=["so?"] * 2, completions=["just got home", "Just got home, thank you for asking!"])
    assert human > machine
    explained = reward.explain(["so?"] * 2, ["just got home", "Just got home, thank you for asking!"])
    assert set(explained["verdict"]) <= {"person", "AI", "unsure"}


@pytest.mark.parametrize("name", [MINI, MINILM])
def test_the_evaluation_has_every_section_of_the_protocol(distilled, name):
    figures = distilled[1][name]
    assert figures["agreement"]["spearman_hl16q"]["value"] > 0.3
    assert figures["told_apart"]["rated games"]["pairwise"]["value"] > 0.9
    assert figures["told_apart"]["unrated games"]["n"] == 12
    assert set(figures["leave_one_ai_out"]) == {"bot_plain", "other_plain", "bot_casual"}
    assert set(figures["leave_one_style_out"]) == {"plain", "casual"}
    assert figures["calibration"]["brier"]["value"] < 0.25
    assert figures["speed"]["ms_per_reply"] > 0 and figures["size_mb"] > 0
    names = [row["name"] for row in figures["reference"]]
    assert names[0] == "interrogators of the games"
    judge = figures["reference"][names.index("gpt_5 as judge, refit weights")]
    assert judge["rated games"] > 0.9 and judge["leave_one_ai_out_worst"] > 0.9, "unrated games are left out, not lost"
    assert any("character n-grams" in row for row in names)


def test_a_scorer_with_an_encoder_is_the_same_after_loading_and_pickling(distilled, tiny_encoder):
    folder = distilled[0] / MINILM
    dialogues = [Dialogue.from_completion("so?", "just got home"), Dialogue.from_transcript("I: hi\nW: Hello.\nW: yo")]
    scorer = HALTraitModel.from_pretrained(folder)
    ratings = scorer.score(dialogues)
    assert np.array_equal(HALTraitModel.from_pretrained(folder).score(dialogues), ratings)
    # The encoder has been used by now: transformers' hooks for hidden states would not pickle.
    assert np.array_equal(pickle.loads(pickle.dumps(scorer)).score(dialogues), ratings)  # noqa: S301
    upper = [Dialogue.from_completion("so?", "JUST GOT HOME")]
    assert not np.allclose(scorer.score(dialogues[:1]), scorer.score(upper)), (
        "case reaches an uncased encoder's scorer"
    )


@pytest.mark.parametrize(
    "text",
    ["k", "\u200b", "\x07\x00", "今日は元気です", "so anyway " * 10_000],
    ids=["one letter", "zero width", "control characters", "Japanese", "100 k characters"],
)
def test_odd_texts_get_ratings_on_the_scale(distilled, text):
    for name in (MINI, MINILM):
        ratings = HALTraitModel.from_pretrained(distilled[0] / name).score([Dialogue.from_completion("so?", text)])
        assert ((np.asarray(ratings) >= 1) & (np.asarray(ratings) <= 5)).all()


def test_an_interrupted_run_goes_on_where_it_stopped_and_ends_the_same(games_file, tmp_path, monkeypatch):
    from hal_trl.scorers import distil as module

    whole = distil(games_file, tmp_path / "whole")
    fitted, real = [], module._learn_all

    def interrupted(*arguments):
        fitted.append(1)
        if len(fitted) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module, "_learn_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        distil(games_file, tmp_path / "parts")
    again = distil(games_file, tmp_path / "parts")
    # Five folds, three AIs, two styles, of which one is the only AI of its style; then the final fit.
    assert len(fitted) == 4 + (5 + 3 + 1 - 3) + 1, "the three finished splits are not fitted again"
    for figures in (whole[MINI], again[MINI]):
        figures.pop("speed")
    assert again == whole
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [MINI]


def test_a_model_rates_as_its_readouts_read_when_they_were_measured(games_file, tiny_encoder):
    from hal_trl.scorers.distil import _learn_all
    from hal_trl.scorers.fitting import calibrate, read
    from hal_trl.scorers.ridge import EncodedRows
    from hal_trl.scorers.rows import Rows

    rows = Rows(load_games(games_file))
    everything = np.ones(len(rows), dtype=bool)
    for features, learned in _learn_all(rows, EncodedRows.of(rows, str(tiny_encoder)), everything, seed=0).values():
        part = np.arange(len(rows))
        equating, _ = calibrate(rows, learned.held_out, everything)
        measured = equating(read(rows, features, learned.of_dialogue, learned.of_reply, part), rows.n_turns[part] == 1)
        model = features.model_with(learned.of_dialogue, learned.of_reply)
        equating.put_into(model)
        # Weights are stored in half precision; a steep part of a curve makes more of that.
        np.testing.assert_allclose(model.score(rows.dialogues), measured, atol=0.15)
        assert np.abs(np.asarray(model.score(rows.dialogues)) - measured).mean() < 0.01


@pytest.mark.parametrize("files", [[], ["config.json"], ["config.json", "tokenizer.json", "tokenizer_config.json"]])
def test_an_encoder_that_does_not_load_is_named_with_the_fix(tiny_encoder, tmp_path, files):
    for name in files:
        shutil.copy(tiny_encoder / name, tmp_path)
    with pytest.raises(ValueError, match=r"does not load.*--encoder none"):
        load_encoder(str(tmp_path))


def test_any_scorer_goes_through_the_protocol(distilled, games_file, tmp_path):
    frame = pd.read_parquet(games_file)
    unseen = tmp_path / "unseen.parquet"
    frame[frame["game_id"] >= 4].to_parquet(unseen)
    done = CliRunner().invoke(
        app,
        ["evaluate-scorer", str(distilled[0] / MINI), str(unseen), "--output", str(tmp_path / "figures.json"),
         "--plot", str(tmp_path / "reliability.png")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    for row in ("with the score it ships", "interrogators of the games", "surface statistics"):
        assert row in done.output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["as_shipped"]["told_apart"]["all games"]["pairwise"]["value"] > 0.9
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_figures_on_the_training_games_are_refused(distilled, games_file):
    done = CliRunner().invoke(app, ["evaluate-scorer", str(distilled[0] / MINI), str(games_file)])
    assert done.exit_code == 1 and "was trained on" in done.output


def test_visits_are_one_row_a_text_and_the_mean_of_its_ratings(tmp_path, caplog):
    frame = pd.DataFrame(
        {
            "prompt_id": [0, 0, 1, 2],
            "transcript": ["P: ouch\nD: hm", "P: ouch\nD: hm", "P: my knee\nD: oh", "1: what"],
            "ratings_gpt_5_hl16q": [[1.0] * 16, [3.0] * 16, [5.0] * 16, [2.0] * 16],
        }
    )
    frame.to_parquet(tmp_path / "visits.parquet")
    visits = load_visits(tmp_path / "visits.parquet")
    assert [d.target_texts for d in visits.dialogues] == [("my knee",), ("ouch",)]
    assert visits.ratings.to_frame()["steering"].tolist() == [5.0, 2.0] and visits.prompt_id.tolist() == [1, 0]
    assert "1 of 3 visits" in caplog.text
    frame.assign(ratings_gpt_5_hl16q=[[1.0] * 32] * 4).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(ValueError, match="32 ratings instead of 16"):
        load_visits(tmp_path / "bad.parquet")


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
    done = CliRunner().invoke(app, ["distil", str(tmp_path / "none.parquet")])
    assert done.exit_code == 1 and "none.parquet" in done.output


def test_pairs_are_compared_within_their_game_and_ties_count_half():
    score = np.array([2.0, 1.0, 0.0, 5.0, 1.0, 1.0])
    human = np.array([True, False, True, False, True, False])
    shares, games = pairwise_by_group(score, human, np.array([1, 1, 2, 2, 3, 3]))
    assert shares.tolist() == [1.0, 0.0, 0.5] and games.tolist() == [1, 2, 3]


def test_the_language_model_of_a_guard_survives_saving(games_file, tmp_path):
    model = CharacterModel.fit_games(load_games(games_file))
    model.save(tmp_path / "language.safetensors")
    loaded = CharacterModel.load(tmp_path / "language.safetensors")
    texts = ["just got home", "xqzvkj wqpx"]
    np.testing.assert_allclose(loaded.typicality(texts), model.typicality(texts), atol=5e-3)
    assert loaded.typicality(texts)[0] > loaded.ordinary > loaded.typicality(texts)[1]


@pytest.mark.shared_data
@pytest.mark.slow
def test_one_fold_of_the_protocol_reaches_what_the_evaluation_says(minilm):
    """One of the folds that `make train` measures, without contrast replies and visits (three minutes)."""
    from hal_trl.scorers.distil import _predict, _readings
    from hal_trl.scorers.evaluate import splits_of, told_apart, trait_spearman
    from hal_trl.scorers.ridge import EncodedRows
    from hal_trl.scorers.rows import Rows

    rows = Rows(load_games(SHARED_DATA / "turing_games.parquet"))
    encoded, split = EncodedRows.of(rows, minilm), next(splits_of(rows))
    test = np.flatnonzero(split.test)
    rated = (rows.is_dialogue & rows.rated)[test]
    for name, arrays in _readings(rows, encoded, split, seed=0).items():
        prediction = _predict(rows, split, *arrays)
        spearman = trait_spearman(prediction.ratings[rated], rows.teacher[test][rated])[HL32Q.positions(HL16Q.ids)]
        assert spearman.mean() > {MINI: 0.66, MINILM: 0.69}[name]
        for part, least in ((rows.is_dialogue, 0.93), (rows.is_reply, 0.88)):
            chosen = part[test]
            assert told_apart(rows, test[chosen], prediction.log_odds[chosen])["pairwise"]["value"] > least


@pytest.mark.shared_data
def test_binding_weights_to_their_traits_beats_the_released_order():
    from hal_trl import HumanLikenessScore

    games = load_games(SHARED_DATA / "turing_games.parquet")
    rated, ratings = games.rated, games.ratings["gpt_5"][games.rated]
    accuracy = {
        profile: pairwise_by_group(
            HumanLikenessScore.from_profile(profile).log_odds(ratings), games.is_human[rated], games.game_id[rated]
        )[0].mean()
        for profile in ("corrected", "released")
    }
    assert accuracy["corrected"] == pytest.approx(0.86, abs=0.015)
    assert accuracy["released"] == pytest.approx(0.62, abs=0.015)


def chat_before(reply: Dialogue) -> list[dict[str, str]]:
    roles = {True: "assistant", False: "user"}
    return [{"role": roles[turn.speaker == reply.target], "content": turn.text} for turn in reply.turns[: reply.start]]


@pytest.mark.shared_data
def test_guards_hardly_cost_anything_between_people_and_ai():
    """Where nobody asks who is talking: in these games people rightly deny that they are an AI, as no model may."""
    from sklearn.metrics import roc_auc_score

    from hal_trl.rewards.guards.honesty import question_who_is_talking

    games = load_games(SHARED_DATA / "turing_games.parquet")
    replies = [
        (human, chat_before(reply), reply.target_texts[0])
        for dialogue, human in zip(games.dialogues, games.is_human, strict=True)
        for reply in dialogue.target_replies()
    ]
    unasked = [row for row in replies if not any(question_who_is_talking(turn["content"]) for turn in row[1])]
    assert len(unasked) > 0.85 * len(replies)
    is_human, prompts, completions = zip(*unasked, strict=True)
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
