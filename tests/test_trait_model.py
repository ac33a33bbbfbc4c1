import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel

from hal_trl import HL16Q, HL32Q, Dialogue, HALTraitConfig, HALTraitModel
from hal_trl.likeness import BUNDLED_SCORER
from hal_trl.scorers import TraitScorer


@pytest.fixture(scope="module")
def scorer():
    return HALTraitModel.from_pretrained(BUNDLED_SCORER)


def reply(text: str, prompt: str = "what are you up to?") -> Dialogue:
    return Dialogue.from_completion(prompt, text)


def rating(scorer, trait: str, text: str) -> float:
    return float(scorer.score([reply(text)]).to_frame()[trait].iloc[0])


def test_the_bundled_weights_fit_the_wheel():
    files = [path for path in BUNDLED_SCORER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 8_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors"}


def test_the_bundled_scorer_rates_the_32_traits_within_the_scale(scorer):
    ratings = scorer.score([reply("nm just chillin"), reply("I am reading a most interesting book.")])
    assert isinstance(scorer, TraitScorer)
    assert ratings.traits == HL32Q and ratings.shape == (2, 32)
    assert ((np.asarray(ratings) >= 1) & (np.asarray(ratings) <= 5)).all()


@pytest.mark.parametrize(
    ("trait", "more", "less"),
    [
        ("lowercase", "yeah i guess so, not much", "Yeah, I guess so. Not much."),
        ("slang", "nm wbu lol idk tbh", "Not much at the moment, and what about you?"),
        ("typos", "jsut got home form work tbh im so tierd", "I just got home from work and I am rather tired."),
        ("emoji", "haha yesss sooo good 😂😂", "Yes, it was good."),
        ("reciprocity", "Not much, what about you? Any plans?", "Not much."),
        (
            "brevity",
            "not much",
            "I have been doing a number of things today, including cleaning, cooking and reading.",
        ),
    ],
)
def test_ratings_move_with_the_trait(scorer, trait, more, less):
    assert rating(scorer, trait, more) > rating(scorer, trait, less)


def test_a_target_that_says_nothing_is_not_rated(scorer):
    ratings = scorer.score([reply("   "), reply("hi")])
    assert np.isnan(ratings[0]).all() and not np.isnan(ratings[1]).any()


def test_no_dialogues_give_no_ratings(scorer):
    assert scorer.score([]).shape == (0, 32)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=4))
def test_any_text_gets_ratings_on_the_scale_that_do_not_depend_on_its_neighbours(scorer, texts):
    together = np.asarray(scorer.score([reply(text) for text in texts]))
    for row, text in zip(together, texts, strict=True):
        if text.strip():
            assert ((row >= 1) & (row <= 5)).all()
            np.testing.assert_allclose(row, np.asarray(scorer.score([reply(text)]))[0], atol=1e-4)


def test_very_long_text_is_scored(scorer):
    assert not np.isnan(scorer.score([reply("so anyway " * 10_000)])).any()


def test_what_is_repeated_counts_less_than_as_often(scorer):
    said = [scorer.featurize([reply(text)]).words.weight for text in ("q", "q q q")]
    assert 1 < said[1].sum() / said[0].sum() < 1 + np.log(3)  # the text as a whole is on one scale, too


def test_a_reply_gets_the_same_rating_among_dialogues_as_among_replies(scorer):
    dialogue = Dialogue.from_transcript("I: hey\nW: hi there\nI: wyd\nW: nothing much lol")
    alone, beside = scorer.score([reply("nm lol")]), scorer.score([reply("nm lol"), dialogue])
    np.testing.assert_allclose(np.asarray(alone)[0], np.asarray(beside)[0], atol=1e-5)


def test_saving_and_loading_gives_the_same_ratings_to_the_bit(scorer, tmp_path):
    scorer.save_pretrained(tmp_path)
    texts = [reply("haha ok"), reply("Certainly! I would be glad to help.")]
    assert np.array_equal(HALTraitModel.from_pretrained(tmp_path).score(texts), scorer.score(texts))
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_the_auto_classes_know_the_model(scorer, tmp_path):
    scorer.save_pretrained(tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), HALTraitConfig)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert isinstance(loaded, HALTraitModel) and loaded.dtype == torch.float32


def test_a_questionnaire_of_ones_own_is_kept(tmp_path):
    model = HALTraitModel(HALTraitConfig(traits=HL16Q.to_list(), n_buckets=64))
    model.save_pretrained(tmp_path)
    assert HALTraitModel.from_pretrained(tmp_path).traits == HL16Q


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        HALTraitModel.from_pretrained(tmp_path / "nowhere")


@pytest.fixture
def damaged(tmp_path):
    folder = tmp_path / "scorer"
    shutil.copytree(BUNDLED_SCORER, folder)
    return folder


def test_a_cut_weights_file_is_refused_with_the_fix(damaged):
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cannot be loaded.*Download it again, or reinstall"):
        HALTraitModel.from_pretrained(damaged)


def test_missing_weights_are_refused_instead_of_invented(damaged):
    state = load_file(damaged / "model.safetensors")
    del state["style_weight"]
    save_file(state, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="style_weight"):
        HALTraitModel.from_pretrained(damaged)


def test_weights_for_another_number_of_traits_are_refused(damaged):
    config = json.loads((damaged / "config.json").read_text())
    config["traits"] = config["traits"][:16]
    (damaged / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="cannot be loaded"):
        HALTraitModel.from_pretrained(damaged)


def test_weights_that_are_not_numbers_are_refused(damaged):
    state = load_file(damaged / "model.safetensors")
    state["bias"][3] = float("nan")
    save_file(state, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="not finite"):
        HALTraitModel.from_pretrained(damaged)
