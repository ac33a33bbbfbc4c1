import json
import pickle
import re
from pathlib import Path

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
    assert (penalties(NaturalGuard(), spoilt) > penalties(NaturalGuard(), EXCHANGES)).mean() >= 0.75


def test_replies_to_other_prompts_cost():
    model = bundled_sense()
    prompts, replies = zip(*EXCHANGES, strict=True)
    own = model.answers(prompts, replies)
    shifts = range(1, len(EXCHANGES))
    swapped = [model.answers(prompts, [*replies[shift:], *replies[:shift]]) for shift in shifts]
    assert np.mean([odds < own for odds in swapped]) > 0.85


def test_without_a_prompt_there_is_nothing_to_answer():
    assert penalties(RelevanceGuard(), [("", "pasta again, there's a jar of pesto that needs eating")]) == 0


def test_a_reply_may_come_back_to_what_was_just_said_but_not_to_long_ago():
    asked, other = "have you ever been on a sailing boat", ["ok", "so", "do you play any instruments?"]
    reply = "once on a lake, i was sick the whole time"

    def after(messages: list[str]) -> float:
        roles = ["user", "assistant"] * len(messages)
        chat = [{"role": role, "content": text} for role, text in zip(roles, messages, strict=False)]
        return float(RelevanceGuard()([Dialogue.from_completion(chat, reply)])[0])

    assert after([asked]) == after([asked, *other[1:]]) == 0.0
    assert after([asked, *other]) > 0.4 * RelevanceGuard().most


def test_a_text_reads_the_same_alone_and_in_company_and_after_saving(tmp_path):
    model, texts = bundled_sense(), [reply for _, reply in EXCHANGES]
    together = model.natural(texts)
    np.testing.assert_allclose(together, np.concatenate([model.natural([text]) for text in texts]), atol=5e-3)
    model.save(tmp_path)
    again = SenseModel.load(tmp_path)
    np.testing.assert_allclose(again.natural(texts), together, atol=1e-5)
    assert again.people == model.people
    np.testing.assert_allclose(pickle.loads(pickle.dumps(model)).natural(texts), together, atol=1e-5)  # noqa: S301


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.text(max_size=80), st.just("half \ud83d of it")), max_size=6))
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
def test_heads_learn_from_the_exchanges_alone(minilm):
    """The training at its smallest: what is spoilt and what answers what can be heard in exchanges it has not seen."""
    from hal_trl.rewards.sense.fitting import Lessons, load_exchanges, teach_answers, teach_natural

    torch.manual_seed(0)
    pairs = load_exchanges()
    texts = [text for pair in pairs for text in pair]
    model = SenseModel.from_encoder(minilm)
    teach_natural(model, Lessons(texts[:600], [], [pairs]))
    teach_answers(model, Lessons([], [], [pairs]))
    prompts, replies = zip(*EXCHANGES, strict=True)
    backwards = [" ".join(text.split()[::-1]) for text in replies]
    assert (model.natural(replies) > model.natural(backwards)).mean() > 0.7
    assert (model.answers(prompts, replies) > model.answers(prompts, replies[1:] + replies[:1])).mean() > 0.7


def test_chats_teach_short_replies_to_what_the_other_said(tmp_path):
    from hal_trl.rewards.sense.chats import load_chats

    def block(sender: str, *texts: str) -> list[dict]:
        return [{"sender": sender, "text": text} for text in texts]

    talk = [block("a", "hey", "how was  it?"), block("b", "great!"), block("b", "you?"), block("a", "word " * 30)]
    talk += [block("b", "wow"), block("a", "sorry", ""), block("b", "no worries")]
    waiting = [block("a", "hello?"), block("b", "hi")]
    (tmp_path / "dataset.json").write_text(json.dumps({"1": {"messages": talk}, "2": {"messages": waiting}}))
    pairs = [("hey how was it?", "great! you?"), ("wow", "sorry"), ("sorry", "no worries")]
    assert load_chats(tmp_path / "dataset.json") == pairs
    with pytest.raises(FileNotFoundError, match="chitchat-dataset"):
        load_chats(tmp_path / "nowhere.json")


def test_no_exchange_is_one_of_the_audit():
    from hal_trl.alignment import load_openers
    from hal_trl.rewards.audit import load_cases
    from hal_trl.rewards.sense.fitting import load_exchanges

    def words(text: str) -> str:
        return " ".join(re.findall(r"\w+", text.lower()))

    learned = {words(text) for pair in load_exchanges() for text in pair}
    held_out = [text for case in load_cases() for text in (case.prompt, case.human)] + load_openers("held_out")
    assert not learned & set(map(words, held_out))


def test_what_is_enough_earns_no_more_when_pushed():
    reward = HALReward(guards=[])
    table = reward.explain(*zip(*EXCHANGES, strict=True))
    assert (table["reward"] <= 1).all() and (table.loc[table["log_odds"] >= 2, "reward"] == 1).all()


def test_attacks_that_somebody_else_wrote_are_mostly_held_off():
    """330 replies of 38 kinds to 68 prompts, written without a look at the reward: 0.895 then, 0.932 by now."""
    rows = json.loads((Path(__file__).parent / "data" / "unseen_attacks.json").read_text())
    reward, won = HALReward(), []
    for kind in {row["kind"] for row in rows}:
        part = [row for row in rows if row["kind"] == kind]
        prompts = [row["prompt"] for row in part]
        values = reward(prompts * 2, [row["human"] for row in part] + [row["attack"] for row in part])
        people, attacks = np.split(np.array(values), 2)
        won += ((people > attacks) + 0.5 * (people == attacks)).tolist()
    assert len(won) == len(rows) and np.mean(won) > 0.91
