import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hal_trl import Dialogue, HALReward
from hal_trl.rewards import NaturalGuard, RelevanceGuard
from hal_trl.rewards.sense import SenseModel, bundled_sense
from hal_trl.rewards.sense.spoil import SPOILS, Spoiler


# Everyday exchanges that no model here was trained on.
EXCHANGES = [
    ("did you manage to fix the sink?", "sort of, it only drips when you look away"),
    ("what are you cooking tonight?", "pasta again, there's a jar of pesto that needs eating"),
    ("I got the job!", "no way, congratulations! when do you start?"),
    ("have you ever been on a sailing boat", "once on a lake, i was sick the whole time"),
    ("how's your knee doing", "better, i can do stairs again if i hold on to something"),
    ("my flight is delayed by four hours", "oh that's rough, at least find a seat near a plug"),
    ("who do you support, united or city?", "neither, my dad would disown me"),
    ("it snowed here last night", "lucky, we only got rain and a broken gutter"),
    ("can you recommend a podcast", "i mostly listen to one about shipwrecks, it's better than it sounds"),
    ("do you play any instruments?", "bit of guitar, badly, mostly when nobody's home"),
    ("what should I get my brother for his birthday", "does he still collect those old maps? maybe a frame"),
    ("why were you so late yesterday?", "the bus just drove past me, then i walked the wrong way"),
]


def penalties(guard, exchanges) -> np.ndarray:
    return guard([Dialogue.from_completion(prompt, reply) for prompt, reply in exchanges])


def test_ordinary_replies_are_hardly_touched():
    for guard in (NaturalGuard(), RelevanceGuard()):
        assert penalties(guard, EXCHANGES).mean() < 0.15, guard.name


@pytest.mark.parametrize("kind", ["shuffle", "typos", "cut", "salad", "elsewhere", "stuffed", "babble"])
def test_spoilt_replies_cost(kind):
    spoiler = Spoiler([text for exchange in EXCHANGES for text in exchange], seed=1)
    spoilt = [(prompt, spoiler(reply, kind) or reply) for prompt, reply in EXCHANGES]
    assert (penalties(NaturalGuard(), spoilt) > penalties(NaturalGuard(), EXCHANGES)).mean() > 0.8


def test_replies_to_other_prompts_cost():
    model, found = bundled_sense(), []
    prompts, replies = zip(*EXCHANGES, strict=True)
    own = model.answers(prompts, replies)
    for shift in range(1, len(EXCHANGES)):
        found.append(model.answers(prompts, [*replies[shift:], *replies[:shift]]) < own)
    assert np.mean(found) > 0.75


def test_without_a_prompt_there_is_nothing_to_answer():
    assert penalties(RelevanceGuard(), [("", "pasta again, there's a jar of pesto that needs eating")]) == 0


def test_it_is_the_last_message_that_is_answered():
    chat = [
        {"role": "user", "content": "what are you cooking tonight?"},
        {"role": "assistant", "content": "pasta again"},
        {"role": "user", "content": "have you ever been on a sailing boat"},
    ]
    boat, pasta = "once on a lake, i was sick the whole time", "there's a jar of pesto that needs eating tonight"
    boat, pasta = RelevanceGuard()([Dialogue.from_completion(chat, reply) for reply in (boat, pasta)])
    assert boat < pasta


def test_a_text_reads_the_same_alone_and_in_company_and_after_saving(tmp_path):
    model, texts = bundled_sense(), [reply for _, reply in EXCHANGES]
    together = model.natural(texts)
    np.testing.assert_allclose(together, np.concatenate([model.natural([text]) for text in texts]), atol=1e-4)
    model.save(tmp_path)
    again = SenseModel.load(tmp_path)
    np.testing.assert_allclose(again.natural(texts), together, atol=1e-5)
    assert again.people == model.people
    np.testing.assert_allclose(pickle.loads(pickle.dumps(model)).natural(texts), together, atol=1e-5)  # noqa: S301


def test_a_vocabulary_of_another_size_is_refused():
    model = bundled_sense()
    with pytest.raises(ValueError, match="tokens for a table"):
        SenseModel(model.config, model.vocabulary[:-1])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=80), max_size=6))
def test_any_text_can_be_read(texts):
    model = bundled_sense()
    assert np.isfinite(model.natural(texts)).all() and len(model.natural(texts)) == len(texts)
    assert np.isfinite(model.answers(texts, texts[::-1])).all()


@pytest.mark.parametrize("kind", SPOILS)
def test_spoilt_texts_differ_and_are_the_same_for_the_same_seed(kind):
    texts = [reply for _, reply in EXCHANGES]
    first, again = (Spoiler(texts, seed=5) for _ in range(2))
    spoilt = [first(text, kind) for text in texts]
    assert spoilt == [again(text, kind) for text in texts]
    changed = [(text, bad) for text, bad in zip(texts, spoilt, strict=True) if bad is not None]
    assert len(changed) >= len(texts) // 2 and all(text != bad for text, bad in changed)


@pytest.mark.slow
def test_what_is_taught_is_learned():
    """A few steps from scratch on a toy language: order and topic can be heard afterwards."""
    from hal_trl.rewards.sense.fitting import Lessons, teach_sense
    from hal_trl.rewards.sense.model import EMOJI, PAD, UNKNOWN, SenseConfig

    topics = {"cat": "it purrs all day", "dog": "it barks all night", "car": "it needs new tyres", "tea": "it is hot"}
    prompts = [f"how is your {noun} today ?" for noun in topics] * 40
    replies = [*topics.values()] * 40
    words = sorted({word for text in (*prompts, *replies) for word in text.split()})
    torch.manual_seed(0)
    model = SenseModel(
        SenseConfig(len(words) + 3, width=32, n_layers=1, meaning=16, match=8), [PAD, UNKNOWN, EMOJI, *words]
    )
    lessons = Lessons([*prompts, *replies], prompts, replies, replies)
    model = teach_sense(model, lessons, steps=150)
    asked, said = list(prompts[:4]), list(replies[:4])
    assert (model.answers(asked, said) > model.answers(asked, said[1:] + said[:1])).all()
    backwards = [" ".join(text.split()[::-1]) for text in said]
    assert (model.natural(said) > model.natural(backwards)).all()


def test_what_is_enough_earns_no_more_when_pushed():
    reward = HALReward(guards=[])
    table = reward.explain(*zip(*EXCHANGES, strict=True))
    assert (table["reward"] <= 1).all() and (table.loc[table["log_odds"] >= 2, "reward"] == 1).all()
