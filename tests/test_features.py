import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal_trl import Dialogue
from hal_trl.scorers.features import STYLE_NAMES, TextBatch, hashed_ngrams, style_statistics, words


def style_of(*turns: str, context: str = "hi") -> dict[str, float]:
    dialogue = Dialogue.from_messages(
        [{"role": "user", "content": context}, *({"role": "assistant", "content": turn} for turn in turns)]
    )
    row = style_statistics([dialogue], TextBatch.from_turns([turns]))[0]
    return dict(zip(STYLE_NAMES, row.tolist(), strict=True))


def ngrams_of(text: str, **options) -> dict[int, float]:
    settings = {"n_buckets": 2**20, "max_chars": 5, "max_words": 2, "field": "reply"} | options
    _, buckets, weights = hashed_ngrams(TextBatch.from_turns([[text]]), **settings)
    return dict(zip(buckets.tolist(), weights.tolist(), strict=True))


def test_features_see_the_difference_between_capitals_and_lower_case():
    assert ngrams_of("I am fine") != ngrams_of("i am fine")
    assert style_of("I am fine")["uppercase_share"] > style_of("i am fine")["uppercase_share"] == 0
    assert style_of("i am fine")["lowercase_i"] > style_of("I am fine")["lowercase_i"] == 0


def test_word_features_ignore_case_and_the_shape_of_the_apostrophe():
    only_words = {"max_chars": 0}
    assert ngrams_of("It's FINE", **only_words) == ngrams_of("it’s fine", **only_words)


def test_the_same_words_of_reply_and_context_are_different_features():
    assert not set(ngrams_of("how are you")) & set(ngrams_of("how are you", field="context"))


def test_counts_are_dampened():
    once, thrice = ngrams_of("q", max_words=1, max_chars=1), ngrams_of("qqq", max_words=1, max_chars=1)
    repeated = set(once) & set(thrice)
    assert any(np.isclose(thrice[bucket], 1 + np.log(3)) for bucket in repeated)


def test_words_split_punctuation_off_and_keep_contractions_whole():
    tokens = words(TextBatch.from_turns([["don't stop, ok?"]]))
    assert tokens.is_word.tolist() == [True, True, False, True, False]


def test_surface_statistics_count_what_they_name():
    style = style_of("Sooo good!! 😂", "why?", context="Was it good?")
    assert style["questions_per_turn"] == 0.5
    assert style["exclamations_per_turn"] == 1.0
    assert style["emoji_per_turn"] == 0.5
    assert style["stretched_per_turn"] == 0.5
    assert style["capital_starts"] == 0.5
    assert style["context_asks"] == 1.0
    assert style["words_shared_with_context"] == pytest.approx(1 / 3)
    assert style["log_words"] == pytest.approx(np.log1p(3))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.text(max_size=60), min_size=1, max_size=3), min_size=2, max_size=5))
def test_a_text_has_the_same_features_alone_and_in_a_batch(texts):
    def dialogue(turns):
        return Dialogue.from_messages(
            [{"role": "user", "content": "so?"}, *({"role": "assistant", "content": turn} for turn in turns)]
        )

    together = TextBatch.from_turns(texts)
    style = style_statistics([dialogue(turns) for turns in texts], together)
    documents, buckets, weights = hashed_ngrams(together, 2**15, 5, 2, "reply")
    assert np.isfinite(style).all()
    for i, turns in enumerate(texts):
        alone = TextBatch.from_turns([turns])
        np.testing.assert_allclose(style[i], style_statistics([dialogue(turns)], alone)[0])
        _, buckets_alone, weights_alone = hashed_ngrams(alone, 2**15, 5, 2, "reply")
        np.testing.assert_array_equal(buckets[documents == i], buckets_alone)
        np.testing.assert_allclose(weights[documents == i], weights_alone)
