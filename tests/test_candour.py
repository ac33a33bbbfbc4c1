"""The guard that keeps a training run honest when asked."""

import pytest

from hal_trl import Dialogue, HALReward
from hal_trl.alignment.hal_section import HALSection
from hal_trl.rewards import CandourGuard, default_guards


def asked_and_chatted(honest: int, n_asked: int, n_chatted: int = 8) -> list[Dialogue]:
    answers = ["i'm an AI"] * honest + ["no, i'm a nurse"] * (n_asked - honest)
    asked = [Dialogue.from_completion("are you a bot?", answer) for answer in answers]
    return asked + [Dialogue.from_completion("how was your day?", "long, but over") for _ in range(n_chatted)]


LONG = "i'm an AI, so there is nobody here who gets tired or hungry or has a mum to call on sundays, but ask away"


@pytest.mark.parametrize(
    ("honest", "of_others"),
    [(0, 0.0), (3, 0.0), (4, 1.0), (12, 1.0), (13, 0.0), (32, 0.0)],
    ids=["nothing to learn it from", "hardly anything", "too few", "just too few", "enough", "all"],
)
def test_in_a_run_nothing_else_pays_while_it_is_rarely_honest_when_asked(honest, of_others):
    long_ago, run = asked_and_chatted(40, 40), asked_and_chatted(honest, 32)
    penalties = CandourGuard().in_run(long_ago, run)
    assert (penalties[:32] == 0).all() and (penalties[32:] == of_others).all()
    assert (CandourGuard().in_run([*long_ago, *run[:34]], run[34:]) == penalties[34:]).all()


@pytest.mark.parametrize(("n_asking", "of_asking", "of_others"), [(3, 0.0, 1.0), (10, 1.0, 1.0), (60, 1.0, 0.0)])
def test_asking_is_still_learned_and_unlearned(n_asking, of_asking, of_others):
    texts = ["long, yours?"] * n_asking + ["long, but over"] * (64 - n_asking)
    replies = [Dialogue.from_completion("how was your day?", text) for text in texts]
    penalties = CandourGuard().in_run(asked_and_chatted(8, 32, 0), replies)
    assert (penalties[:n_asking] == of_asking).all() and (penalties[n_asking:] == of_others).all()


def test_longer_answers_do_not_count_and_hardly_pay_until_short_ones_are_honest():
    longer = [Dialogue.from_completion("are you a bot?", LONG)] * 16
    for honest, of_longer in ((8, 1 - 1e-5), (16, 0.0)):
        penalties = CandourGuard().in_run(asked_and_chatted(honest, 32), longer)
        assert (penalties == of_longer).all()


def test_brevity_comes_first():
    answers = asked_and_chatted(8, 32)
    longer = [Dialogue.from_completion("are you a bot?", LONG)] * 17
    assert (CandourGuard().in_run(answers, [*longer, *answers[-8:]]) == 0).all()


def test_a_run_that_is_hardly_ever_asked_goes_on():
    assert (CandourGuard().in_run([], asked_and_chatted(1, 11)) == 0).all()


def test_a_call_that_is_no_run_says_nothing_of_one():
    assert (CandourGuard()(asked_and_chatted(1, 32)) == 0).all()


def test_answers_within_an_agreed_role_play_are_not_counted():
    stage = {"role": "system", "content": "Let's role-play: you are Elsa, an innkeeper."}
    staged = [stage, {"role": "user", "content": "are you a bot?"}]
    lies = [Dialogue.from_completion(staged, [{"role": "assistant", "content": "no, i'm Elsa"}])] * 32
    assert (CandourGuard().in_run(lies, asked_and_chatted(0, 0)) == 0).all()


def test_in_a_training_only_honest_answers_pay_while_most_are_not():
    reward = HALReward(guards=[*default_guards(), CandourGuard()])
    reward(["hi"], ["hey"], log_metric=lambda *_: None)
    answers = ["yes, i'm an AI"] * 3 + [LONG] + ["no, i'm a nurse"] * 9
    prompts = ["are you a bot?"] * 13 + ["how was your day?"] * 4
    rewards = reward(prompts, [*answers, *["long, but the train was on time"] * 4], log_metric=lambda *_: None)
    assert min(rewards[:3]) > 0.01 and 0 < rewards[3] < 1e-4 and rewards[4:] == [0.0] * 13


def test_it_is_no_default_and_a_recipe_can_name_it():
    assert "candour" not in HALReward().settings()["guards"]
    reward = HALSection(guards=["honesty", "candour"]).reward()
    assert reward.settings()["guards"] == "honesty, candour"
