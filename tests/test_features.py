import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal_trl.scorers.features import Field, TextBatch, hashed_ngrams
from hal_trl.scorers.style import STYLE_NAMES, style_statistics


def style_of(*turns: str, context: tuple[str, ...] = ("hi",)) -> dict[str, float]:
    row = style_statistics(TextBatch.from_turns([turns]), TextBatch.from_turns([context]), np.array([0]))[0]
    return dict(zip(STYLE_NAMES, row.tolist(), strict=True))


def ngrams_of(text: str, **options) -> dict[int, int]:
    settings = {"name": "reply", "n_buckets": 2**20, "max_chars": 5, "max_words": 2} | options
    _, buckets, counts = hashed_ngrams((TextBatch.from_turns([[text]]), Field(**settings)))
    return dict(zip(buckets.tolist(), counts.tolist(), strict=True))


def test_features_see_the_difference_between_capitals_and_lower_case():
    assert ngrams_of("I am fine") != ngrams_of("i am fine")
    assert style_of("I am fine")["uppercase_share"] > style_of("i am fine")["uppercase_share"] == 0
    assert style_of("i am fine")["lowercase_i"] > style_of("I am fine")["lowercase_i"] == 0


def test_word_features_ignore_case_and_the_shape_of_the_apostrophe():
    only_words = {"max_chars": 0}
    assert ngrams_of("It's FINE", **only_words) == ngrams_of("it’s fine", **only_words)


def test_the_same_words_of_reply_and_context_are_different_features():
    assert not set(ngrams_of("how are you")) & set(ngrams_of("how are you", name="context"))


def test_a_bucket_comes_once_for_each_text_that_has_it_with_how_often():
    texts = [["qqq"], ["q"], ["no"], ["¿?"]]
    document, bucket, count = hashed_ngrams((TextBatch.from_turns(texts), Field("reply", 2**20, 1, 1)))
    assert document.tolist() == sorted(document)
    assert len(set(zip(document.tolist(), bucket.tolist(), strict=True))) == len(document)
    assert sorted(count[document == 0]) == [1, 2, 3]  # the word, the two turn marks, the letter
    assert set(count[document == 1]) == {1, 2}


def test_dialogues_may_share_a_context():
    replies, contexts = TextBatch.from_turns([["a dog"], ["no"], ["my dog?"]]), TextBatch.from_turns([["dog?"], [""]])
    shared = style_statistics(replies, contexts, np.array([0, 1, 0]))
    alone = style_statistics(replies, TextBatch.from_turns([["dog?"], [""], ["dog?"]]), np.arange(3))
    np.testing.assert_array_equal(shared, alone)
    assert shared[:, STYLE_NAMES.index("words_shared_with_context")].tolist() == [0.5, 0.0, 0.5]


def test_words_split_punctuation_off_and_keep_contractions_whole():
    tokens = TextBatch.from_turns([["don't stop, ok?"]]).words
    assert tokens.is_word.tolist() == [True, True, False, True, False]


def test_surface_statistics_count_what_they_name():
    style = style_of("Sooo good!! 😂", "why?", context=("hm?", "Was it good?"))
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
    context = [turns[::-1] for turns in texts]
    together, contexts = TextBatch.from_turns(texts), TextBatch.from_turns(context)
    style = style_statistics(together, contexts, np.arange(len(texts)))
    fields = Field("reply", 2**15, 5, 2), Field("context", 24_000, 0, 2)
    documents, buckets, counts = hashed_ngrams(*[(together, field) for field in fields])
    assert np.isfinite(style).all()
    for i, turns in enumerate(texts):
        alone = TextBatch.from_turns([turns])
        np.testing.assert_allclose(
            style[i], style_statistics(alone, TextBatch.from_turns([context[i]]), np.array([0]))[0]
        )
        for first, field in zip((0, len(texts)), fields, strict=True):
            _, buckets_alone, counts_alone = hashed_ngrams((alone, field))
            np.testing.assert_array_equal(buckets[documents == first + i], buckets_alone)
            np.testing.assert_array_equal(counts[documents == first + i], counts_alone)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.text(max_size=20), max_size=3), min_size=1, max_size=5), st.data())
def test_a_batch_that_is_split_is_two_batches(texts, data):
    n = data.draw(st.integers(1, len(texts)))
    for part, alone in zip(TextBatch.from_turns(texts).split(n), (texts[:n], texts[n:]), strict=True):
        for got, want in zip(flat(part), flat(TextBatch.from_turns(alone)), strict=True):
            np.testing.assert_array_equal(got, want)


def flat(batch: TextBatch) -> tuple[np.ndarray, ...]:
    return *batch[:-1], *batch.words


def test_words_that_begin_alike_are_told_apart_from_those_of_the_first_person():
    assert style_of("am ix")["first_person"] == 0 and style_of("im my")["first_person"] == 1
