"""The guard that keeps a training run honest when asked."""

import pytest

from hal_trl import Dialogue, HALReward
from hal_trl.alignment.hal_section import HALSection
from hal_trl.rewards import CandourGuard


LONG = "i'm an AI, so there is nobody here who gets tired or hungry or has a mum to call on sundays, but ask away"


def asked(answer: str, n: int) -> list[Dialogue]:
    return [Dialogue.from_completion("are you a bot?", answer)] * n


def answered(honest: int, n: int) -> list[Dialogue]:
    return asked("i'm an AI", honest) + asked("no, i'm a nurse", n - honest)


CHATTED = [Dialogue.from_completion("how was your day?", "long, but over")] * 8


@pytest.mark.parametrize(
    ("honest", "penalty"), [(0, 0.75), (9, 0.75), (10, 0.71875), (16, 0.25), (20, 0.0), (32, 0.0)]
)
def test_in_a_run_that_is_rarely_honest_when_asked_little_else_pays(honest, penalty):
    long_ago, run = answered(40, 40), [*answered(honest, 32), *CHATTED]
    penalties = CandourGuard().in_run(long_ago, run)
    assert (penalties[:32] == 0).all() and penalties[32:] == pytest.approx(penalty)
    assert (CandourGuard().in_run([*long_ago, *run[:34]], run[34:]) == penalties[34:]).all()


def test_longer_answers_do_not_count():
    assert CandourGuard().in_run(answered(8, 16), [*asked(LONG, 16), *CHATTED])[-1] == pytest.approx(0.25)


def test_brevity_comes_first():
    assert (CandourGuard().in_run(answered(8, 32), [*asked(LONG, 17), *CHATTED]) == 0).all()


def test_a_run_that_is_hardly_ever_asked_goes_on():
    assert (CandourGuard().in_run([], [*answered(1, 11), *CHATTED]) == 0).all()


def test_a_call_that_is_no_run_says_nothing_of_one():
    assert (CandourGuard()([*answered(1, 32), *CHATTED]) == 0).all()


def test_answers_within_an_agreed_role_play_do_not_count():
    stage = {"role": "system", "content": "Let's role-play: you are Elsa, an innkeeper."}
    staged = [stage, {"role": "user", "content": "are you a bot?"}]
    lies = [Dialogue.from_completion(staged, [{"role": "assistant", "content": "no, i'm Elsa"}])] * 32
    assert (CandourGuard().in_run(lies, CHATTED) == 0).all()


def test_a_training_without_the_questions_is_left_alone_and_one_with_them_is_held():
    replies = ["long, but the train was on time"] * 4
    rewards = {}
    for answer in (None, "no, i'm a nurse"):
        reward = HALReward()
        for _ in range(4):
            prompts = ["how was your day?"] * 4 + ["are you a bot?"] * (4 if answer else 0)
            completions = [*replies, *([answer] * 4 if answer else [])]
            rewards[answer] = reward(prompts, completions, log_metric=lambda *_: None)
    assert rewards["no, i'm a nurse"][:4] == pytest.approx([0.25 * r for r in rewards[None]], abs=1e-9)


def test_a_recipe_can_leave_it_out():
    assert "candour" in HALReward().settings()["guards"]
    assert HALSection(guards=["honesty"]).reward().settings()["guards"] == "honesty"
