import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal_trl import Dialogue
from hal_trl.rewards import (
    CannedGuard,
    EchoGuard,
    EmptyGuard,
    LanguageGuard,
    LengthGuard,
    RepetitionGuard,
    default_guards,
)


PEOPLE = [
    "not much, just got home and made some toast",
    "lol no way",
    "haha yeah that happened to me last week too",
    "no no no",
    ":)",
    "ok",
    "brb",
    "I think so? We used to go there every summer when I was a kid, so it might be that one.",
    "sooooo tired",
    "hahahahaha stop",
    "hmm idk, maybe the blue one",
    "It's at 5:30, don't be late!!",
    "nah i'm good, thanks tho",
]


def penalty(guard, text: str) -> float:
    return float(guard([Dialogue.from_completion("what's up?", text)])[0])


# These replies answer nothing in particular, which is what `relevance` is about: see test_sense.py.
OF_FORM = [guard for guard in default_guards() if guard.name != "relevance"]


@pytest.mark.parametrize("text", PEOPLE)
@pytest.mark.parametrize("guard", OF_FORM, ids=lambda guard: guard.name)
def test_guards_leave_ordinary_replies_alone(guard, text):
    assert penalty(guard, text) <= 0.2


def test_ordinary_replies_cost_next_to_nothing_on_average():
    assert np.mean([[penalty(guard, text) for guard in OF_FORM] for text in PEOPLE]) < 0.01


@pytest.mark.parametrize("text", ["", "  \n\t", "\u200b\u200d", "\u00a0\u3000", "\x00\x07", "\u2800\u3164"])
def test_a_reply_with_nothing_to_see_is_empty(text):
    assert penalty(EmptyGuard(), text) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "ok ok ok ok ok ok ok",
        "i like dogs i like dogs i like dogs i like dogs",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "hahahahahahahahahahahahahahahahahahahahahahaha",
        "I'm a night owl. I'm not sure. I'm a night owl. I'm not sure. I'm a night owl. I'm not sure.",
        "😂😂😂😂😂😂😂😂😂😂😂😂😂😂😂😂😂😂😂😂",
    ],
)
def test_loops_are_penalised(text):
    assert penalty(RepetitionGuard(), text) >= 0.5


def test_a_long_reply_may_use_common_words_often():
    text = (
        "We went to the lake and the weather was great, so the kids swam and I read on the grass. Later the "
        "neighbours "
        "came by with a cake, and we sat on the porch until the mosquitoes won. The best part was probably the "
        "walk home "
        "along the canal, with nobody in a hurry and the dog off the lead."
    )
    assert penalty(RepetitionGuard(), text) == 0.0


def test_letters_that_alternate_in_case_are_no_language_but_names_are():
    assert penalty(LanguageGuard(), "I dOn'T kNoW wHaT yOu MeAn By ThAt") >= 0.5
    assert penalty(LanguageGuard(), "my iPhone died at McDonalds, LOL, try WhatsApp or YouTube") == 0.0


@pytest.mark.parametrize(
    "text", ["asdkjfh aksjdhf kajshdf", "qpmzjpls xkcjv", "!!! ??? ... ,,, !!!", "😂🔥💯🙌😍✨", "#### ---- **** ####"]
)
def test_keyboard_mash_and_symbols_are_not_language(text):
    assert penalty(LanguageGuard(), text) >= 0.5


def penalties_of(guard, texts: list[str]) -> np.ndarray:
    return guard([Dialogue.from_completion("what's up?", text) for text in texts])


def test_one_word_now_and_then_is_free_but_one_word_to_everything_is_not():
    some = penalties_of(LengthGuard(), ["ok"] * 4 + ["not much, just got home from work a minute ago"] * 28)
    assert (some == 0).all()
    always = penalties_of(LengthGuard(), ["ok"] * 32)
    assert (always > 0.6).all()
    mostly = penalties_of(LengthGuard(), ["ok"] * 24 + ["not much, just got home from work a minute ago"] * 8)
    assert 0 < mostly[0] < always[0] and mostly[-1] == 0


def test_a_small_batch_proves_little_about_brevity():
    assert penalties_of(LengthGuard(), ["ok"])[0] < 0.15


def test_three_sentences_now_and_then_are_free_but_every_time_they_are_not():
    chatty = "not much, just got home from work a minute ago. " * 3
    some = penalties_of(LengthGuard(), [chatty] * 2 + ["not much, just got home from work a minute ago"] * 30)
    assert (some == 0).all()
    assert (penalties_of(LengthGuard(), [chatty] * 32) > 0.6).all()
    assert penalties_of(LengthGuard(), [chatty])[0] < 0.15


def test_essays_are_too_long_for_chat():
    assert penalties_of(LengthGuard(), ["word " * 120]).tolist() == [1.0]


def test_several_messages_are_no_essay():
    messages = [{"role": "assistant", "content": "not much, just got home from work"}] * 12
    assert LengthGuard()([Dialogue.from_completion("what's up?", messages)] * 32).max() == 0


def test_a_length_band_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="longish < long"):
        LengthGuard(short=9, long=5)


def replies_to(prompts: list[str], texts: list[str]) -> list[Dialogue]:
    return [Dialogue.from_completion(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]


def test_one_reply_to_every_prompt_is_canned():
    prompts = [f"question {i}" for i in range(8)]
    assert (CannedGuard()(replies_to(prompts, ["No time for life"] * 8)) == 1.0).all()
    varied = [f"No time for life, {word}" for word in ("man", "bro", "dude", "mate", "pal", "friend", "lol", "haha")]
    assert (CannedGuard()(replies_to(prompts, varied)) == 1.0).all()


def test_agreeing_on_one_prompt_is_not_canned():
    texts = ["yeah it was fun"] * 4 + ["blue, always blue", "green i think", "red", "not sure tbh"]
    assert (CannedGuard()(replies_to(["how was it?"] * 4 + ["what colour?"] * 4, texts)) == 0.0).all()


def test_a_chance_repeat_is_free():
    prompts = [f"question {i}" for i in range(16)]
    texts = ["haha yeah", "haha yeah", *(f"answer number {i} about {i}" for i in range(14))]
    assert (CannedGuard()(replies_to(prompts, texts)) == 0.0).all()


def test_the_prompt_said_back_is_an_echo_but_a_greeting_is_given_back():
    said = [
        ("what did you do this weekend?", "what did you do this weekend?", 1.0),
        ("what did you do this weekend?", "lol what did you do this weekend", 0.5),
        ("tea or coffee?", "tea", 0.0),
        ("good morning!", "Good morning!", 0.0),
        ("Hello and good day", "hello and good day to you.", 0.0),
        ("good morning, any plans?", "good morning, any plans?", 1.0),
    ]
    prompts, texts, least = zip(*said, strict=True)
    penalties = EchoGuard()(replies_to(list(prompts), list(texts)))
    assert (penalties >= least).all() and (penalties[np.array(least) == 0] == 0).all()


def test_formal_english_is_language():
    assert penalty(LanguageGuard(), "The mitochondria is commonly described as the powerhouse of the cell.") == 0.0


@settings(deadline=None, max_examples=150)
@given(st.lists(st.text(max_size=120), max_size=5))
def test_penalties_are_bounded_for_any_text(texts):
    dialogues = [Dialogue.from_completion("hi", text) for text in texts if "<think>" not in text]
    for guard in default_guards():
        penalties = guard(dialogues)
        assert penalties.shape == (len(dialogues),)
        assert np.isfinite(penalties).all() and ((penalties >= 0) & (penalties <= 1)).all()
