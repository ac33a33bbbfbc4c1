"""The guards that hold a batch against people's habits: which words they use, how often they ask."""

import numpy as np
import pytest

from hal_trl import Dialogue
from hal_trl.rewards import HALReward, ParrotGuard, ReciprocityGuard, WornGuard
from hal_trl.rewards.audit import load_cases
from hal_trl.rewards.guards.habits import Habits, asks


PROMPTS = ["favourite mug?", "do you ski", "my shelf is wonky", "how was work", "got a dog yesterday", "seen the news"]


def replies_to(prompts: list[str], texts: list[str]) -> list[Dialogue]:
    return [Dialogue.from_completion(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]


def test_one_sentence_bent_to_every_prompt_is_worn():
    things = ["mugs", "hills", "shelves", "jobs", "dogs", "papers"]
    bent = [f"I don't have any other {thing} that other people can also have" for thing in things]
    penalties = WornGuard()(replies_to(PROMPTS, bent))
    assert (penalties > 0.5 * WornGuard().most).all()


def test_who_leaves_the_worn_sentence_earns_more():
    bent = [f"I don't have any other {word} that other people can also have" for word in ("mugs", "hills", "shelves")]
    own = ["fine, my boss was off sick", "aw what's its name?", "no, is it bad"]
    penalties = WornGuard()(replies_to(PROMPTS, bent + own))
    assert penalties[:3].min() > penalties[3:].max() == 0


@pytest.mark.parametrize("size", [4, 16, 64, 110])
def test_peoples_replies_are_not_worn(size):
    rng, cases = np.random.default_rng(0), load_cases()
    for _ in range(20):
        some = [cases[i] for i in rng.choice(len(cases), size, replace=False)]
        penalties = WornGuard()(replies_to([case.prompt for case in some], [case.human for case in some]))
        assert penalties.mean() < 0.01


def test_replies_to_one_prompt_may_be_alike():
    texts = ["yes a dog and two cats", "a dog and a cat", "yes one dog", "a cat called tom"]
    assert (WornGuard()(replies_to(["do you have any pets?"] * 4, texts)) == 0).all()


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("good, you?", True),
        ("pretty chill hbu?", True),
        ("What did you end up doing?", True),
        ("is it far?", True),
        ("no way???", False),
        ("i like tea.", False),
        ("could you provide more details?", False),
        ("How may I assist you today?", False),
        ("who knows", False),
    ],
)
def test_a_question_asks_something(text, question):
    assert asks(text) is question


def test_a_batch_that_never_asks_pays_and_those_that_ask_do_not():
    quiet = ReciprocityGuard()(replies_to(["hi"] * 32, ["not much, just got home"] * 32))
    assert (quiet > 0.4 * ReciprocityGuard().most).all()
    some = ReciprocityGuard()(replies_to(["hi"] * 32, ["not much, you?"] * 2 + ["not much, just got home"] * 30))
    assert (some[:2] == 0).all() and (some[2:] > 0).all() and (some[2:] < quiet[0]).all()
    usual = ReciprocityGuard()(replies_to(["hi"] * 32, ["not much, you?"] * 5 + ["not much, just got home"] * 27))
    assert (usual == 0).all()


def test_a_batch_that_always_asks_pays_and_a_few_questions_prove_nothing():
    assert (ReciprocityGuard()(replies_to(["hi"] * 32, ["not much, you?"] * 32)) == ReciprocityGuard().most).all()
    assert (ReciprocityGuard()(replies_to(["hi"] * 3, ["not much, you?"] * 3)) == 0).all()


@pytest.mark.parametrize(
    ("asking", "of_silent", "of_asking"),
    [(1, (1, 1), (0, 0)), (6, (1, 1), (0, 0)), (9, (0.2, 0.8), (0, 0)), (13, (0, 0), (0, 0)), (32, (0, 0), (1, 1))],
)
def test_in_a_run_what_it_lacks_gets_everything_until_it_asks_like_people(asking, of_silent, of_asking):
    guard = ReciprocityGuard()
    long_ago = replies_to(["hi"] * 100, ["not much, you?"] * 100)
    run = replies_to(["hi"] * 64, ["not much, you?"] * asking + ["not much, just got home"] * (64 - asking))
    penalties = guard.in_run(long_ago, run)
    assert of_silent[0] <= penalties[asking:].max() <= of_silent[1]
    assert of_asking[0] <= penalties[:asking].max() <= of_asking[1]
    assert (guard.in_run([*long_ago, *run[:40]], run[40:]) == penalties[40:]).all()


@pytest.mark.parametrize("text", ["not much, just got home", "not much, you?"])
def test_in_a_run_whose_replies_are_all_alike_in_that_the_rest_is_still_learned(text):
    run = replies_to(["hi"] * 96, [text] * 96)
    assert (ReciprocityGuard().in_run(run[:80], run[80:]) == 0.75).all()


def test_in_a_run_a_reply_to_who_asks_whether_an_ai_is_talking_neither_counts_nor_pays():
    guard, chat = ReciprocityGuard(), replies_to(["hi"] * 16, ["not much, you?"] + ["not much, just got home"] * 15)
    probes = replies_to(["are you a bot?"] * 96, ["why do you ask?"] * 48 + ["i'm an AI"] * 48)
    alone, among = guard.in_run([], chat), guard.in_run(probes, [*chat, *probes[40:56]])
    assert (among[:16] == alone).all() and (among[16:] == 0).all() and alone.max() == 1


def test_a_question_pays_in_a_run_that_rarely_asks_and_one_behind_every_reply_does_not():
    cases = load_cases()[:60]
    prompts = [case.prompt for case in cases]
    plain = [case.human.replace("?", ".") for case in cases]
    asking = [f"{reply.rstrip('.!')}, what about you?" for reply in plain]

    def step(n_asking: int) -> np.ndarray:
        reward, replies = HALReward(), asking[:n_asking] + plain[n_asking:]
        reward(["hi"], ["hey"], log_metric=lambda *_: None)
        return np.array(reward(prompts, replies, log_metric=lambda *_: None))

    never, rarely, like_people, always = (step(n) for n in (0, 2, 12, 60))
    assert (rarely[:2] > never[:2]).all() and (rarely[2:] == 0).all()
    assert like_people.mean() > 2 * max(never.mean(), always.mean())


def test_a_policy_that_says_the_prompt_back_pays_and_who_adds_something_does_not():
    prompts = ["just found my diary", "do you follow any sport", "how do you fold a fitted sheet", "my shelf is wonky"]
    back = ["I've found my diary", "I follow sport", "I fold a fitted sheet", "The shelf is wonky"]
    own = ["read it out then", "only snooker on telly", "badly, I just scrunch mine", "a book under one end"]
    penalties = ParrotGuard()(replies_to(prompts * 4 + prompts, back * 4 + own))
    assert (penalties[:16] > 0.5 * ParrotGuard().most).all() and (penalties[16:] == 0).all()


def test_saying_something_back_now_and_then_is_what_people_do():
    rng, cases = np.random.default_rng(0), load_cases()
    for _ in range(20):
        some = [cases[i] for i in rng.choice(len(cases), 15, replace=False)]
        texts = [case.human for case in some] + ["I've found my diary"]
        assert (ParrotGuard()(replies_to([case.prompt for case in some] + ["found my diary"], texts)) == 0).all()


def test_one_reply_need_not_ask():
    assert ReciprocityGuard()(replies_to(["hi"], ["not much, just got home"]))[0] == 0


def test_habits_are_counted_and_kept(tmp_path):
    texts = ["tea, you?", "tea tea please", "coffee", "tea"]
    habits = Habits.of(replies_to(["tea or coffee?"] * 4, texts))
    assert habits.words["tea"] == 0.75 and habits.words["coffee"] == habits.questions == 0.25
    habits.save(tmp_path / "habits.json")
    assert Habits.load(tmp_path / "habits.json") == habits
