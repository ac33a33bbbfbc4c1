import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hal_trl import HL16Q, HALReward, HALRewardFunction, HumanLikenessScore, TraitRatings
from hal_trl.likeness import BUNDLED_SCORER


PROMPT = "how was your weekend?"
HUMAN = "not bad, watched a movie with my sister haha. you?"
ASSISTANT = "Certainly! I would be delighted to assist you with any questions regarding your weekend plans."


def chat(text, role="assistant"):
    return [{"role": role, "content": text}]


def test_people_outscore_assistants(reward):
    human, assistant = reward(prompts=[PROMPT] * 2, completions=[HUMAN, ASSISTANT])
    assert human > assistant


def test_standard_and_chat_formats_give_the_same_reward(reward):
    standard = reward(prompts=[PROMPT] * 2, completions=[HUMAN, ASSISTANT])
    assert reward(prompts=[chat(PROMPT, "user")] * 2, completions=[chat(HUMAN), chat(ASSISTANT)]) == standard


def test_hooks_and_columns_of_every_trl_version_are_taken_and_none_is_needed(reward):
    plain = reward(prompts=[PROMPT], completions=[HUMAN])
    metrics, columns = {}, {}
    full = reward(
        prompts=[PROMPT],
        completions=[HUMAN],
        completion_ids=[[1, 2, 3]],
        trainer_state=object(),
        environments=[None],
        answer=["a dataset column"],
        log_metric=metrics.__setitem__,
        log_extra=columns.__setitem__,
    )
    assert full == plain
    assert all(name.startswith("hal/") and np.isfinite(value) for name, value in metrics.items())
    assert {"hal/brevity", "hal/p_human", "hal/words", "hal/abstained", "hal/guard/empty"} <= set(metrics)
    assert {name: len(values) for name, values in columns.items()} == {"p_human": 1, "guards": 1}


@pytest.mark.parametrize(
    "completion",
    [
        None,
        [],
        chat(None),
        chat("result: 4", "tool"),
        "<think>the user wants",
        chat("<think>still going"),
    ],
    ids=["none", "no messages", "no content", "tool message", "unfinished think", "unfinished think in chat"],
)
def test_what_is_no_reply_abstains_and_is_counted(completion):
    metrics, reward = {}, HALReward(guards=[])  # some guards look back on what a run said before
    rewards = reward(prompts=[PROMPT] * 2, completions=[completion, HUMAN], log_metric=metrics.__setitem__)
    assert rewards[0] is None
    assert rewards[1] == pytest.approx(reward(prompts=[PROMPT], completions=[HUMAN])[0])
    assert metrics["hal/abstained"] == 0.5


def test_reasoning_is_not_rated(reward):
    bare, thought, prefilled = reward(
        prompts=[PROMPT] * 3,
        completions=[HUMAN, f"<think>I should answer.</think>\n{HUMAN}", f"I should answer.</think>{HUMAN}"],
    )
    assert bare == thought == prefilled


@pytest.mark.parametrize(
    "text", ["", "   ", "\u200b", "ok ok ok ok ok ok ok ok", "sdkjfh aksjdhf kajshdf", "!?!?!?!?!?"]
)
def test_empty_repeated_and_non_language_replies_earn_nothing(reward, text):
    earned, human = reward(prompts=[PROMPT] * 2, completions=[text, HUMAN])
    assert earned == pytest.approx(0.0, abs=0.05)
    assert earned < human


def test_guards_that_fire_are_logged(reward):
    metrics = {}
    reward(prompts=[PROMPT] * 2, completions=["", HUMAN], log_metric=metrics.__setitem__)
    assert metrics["hal/guard/empty"] == 0.5 and metrics["hal/guard/repetition"] == 0.0


def test_guards_can_be_switched_off():
    assert HALReward(guards=[])(prompts=[PROMPT], completions=["ok ok ok ok ok ok ok"])[0] > 0.1


texts = st.one_of(st.text(max_size=80), st.sampled_from(["<think>", "</think>", "<think></think>", "\ud83d"]))
messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["assistant", "tool", "user", "system"]),
            "content": st.one_of(st.none(), texts, st.just([{"type": "text", "text": "hey"}]), st.just([])),
        }
    ),
    max_size=3,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.one_of(texts, messages), st.one_of(st.none(), texts, messages)), min_size=1, max_size=6))
def test_rewards_are_finite_numbers_or_none_for_any_input(reward, pairs):
    prompts, completions = zip(*pairs, strict=True)
    rewards = reward(prompts=list(prompts), completions=list(completions))
    assert len(rewards) == len(pairs)
    assert all(value is None or (isinstance(value, float) and 0.0 <= value <= 1.0) for value in rewards)


def test_prompts_and_completions_must_match(reward):
    with pytest.raises(ValueError, match="1 prompts but 2 completions"):
        reward(prompts=[PROMPT], completions=[HUMAN, ASSISTANT])


def test_training_stops_when_nothing_can_be_read_for_long():
    reward = HALReward()
    for _ in range(15):
        reward(prompts=[PROMPT] * 32, completions=["<think>hm"] * 32)
    with pytest.raises(RuntimeError, match="max_completion_length"):
        reward(prompts=[PROMPT] * 32, completions=["<think>hm"] * 32)


def test_it_is_a_plain_picklable_callable(reward):
    copy = pickle.loads(pickle.dumps(reward))  # noqa: S301 - async GRPO pickles the reward into a spawned process
    assert not isinstance(reward, torch.nn.Module)
    assert copy(prompts=[PROMPT], completions=[HUMAN]) == reward(prompts=[PROMPT], completions=[HUMAN])


def test_it_can_be_called_from_several_threads(reward):
    completions = [HUMAN, ASSISTANT, "", "lol ok"] * 8
    expected = reward(prompts=[PROMPT] * 32, completions=completions)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: reward(prompts=[PROMPT] * 32, completions=completions), range(8)))
    assert all(result == expected for result in results)


def test_two_rewards_can_have_two_names():
    assert HALReward().__name__ == "HALReward"
    assert HALReward(name="warmth").__name__ == "warmth"


def test_the_long_name_is_the_same_class():
    assert HALRewardFunction is HALReward


def test_the_command_line_instance_is_ready_to_call():
    from hal_trl.rewards import human_likeness_reward

    assert human_likeness_reward.__name__ == "human_likeness_reward"
    assert 0 < human_likeness_reward(prompts=[PROMPT], completions=[HUMAN])[0] <= 1


def test_a_trait_weight_of_zero_makes_the_trait_irrelevant():
    table = HALReward(trait_weights={"typos": 0}).explain([PROMPT] * 2, [HUMAN, "jsut tird tbh wbu"])
    assert (table["trait/typos"] == 0).all()


def test_unknown_traits_are_refused_at_construction():
    with pytest.raises(KeyError, match="did you mean 'typos'"):
        HALReward(trait_weights={"typo": 0})


class SixteenTraits:
    """A scorer of one's own that rates less than the default score needs."""

    traits = HL16Q

    def score(self, dialogues):
        return TraitRatings(np.full((len(dialogues), 16), 3.0), HL16Q)


def test_a_scorer_of_ones_own_needs_a_score_that_fits_it():
    with pytest.raises(ValueError, match="Pass likeness="):
        HALReward(scorer=SixteenTraits())
    with pytest.raises(ValueError, match="ratings of humor"):
        HALReward(scorer=SixteenTraits(), likeness=HumanLikenessScore.from_profile("hal_trl"))
    reward = HALReward(scorer=SixteenTraits(), likeness=HumanLikenessScore.from_profile("corrected"))
    expected = (1 + np.exp(-2 / 3)) / (1 + np.exp(1.3886 / 3))
    assert reward(prompts=[PROMPT], completions=[HUMAN])[0] == pytest.approx(expected, abs=1e-3)


def test_a_conversation_may_grow(reward):
    turns = [chat("hey", "user"), chat("hey, you ok?"), chat("yeah. got any plans for the weekend?", "user")]
    replies = ["not really, might see my sister on sunday. you?", ASSISTANT]
    short, long = [turn for turns_ in turns[2:] for turn in turns_], [turn for turns_ in turns for turn in turns_]
    for prompt in (short, long):
        person, assistant = reward(prompts=[prompt] * 2, completions=[chat(reply) for reply in replies])
        assert person > assistant
    # What came before is context: a stiff reply is found out after casual turns, a casual one after stiff turns.
    stiff = [*chat("hey", "user"), *chat(ASSISTANT), *chat("ok. got any plans for the weekend?", "user")]
    (after_stiff,) = reward(prompts=[stiff], completions=[chat(replies[0])])
    (stiff_after_casual,) = reward(prompts=[long], completions=[chat(ASSISTANT)])
    assert after_stiff > stiff_after_casual + 0.1


def test_what_made_a_reward_can_be_written_down(caplog):
    settings_ = HALReward(trait_weights={"typos": 0}, length_neutral=True).settings()
    assert settings_["honesty guard"] == "on" and "relevance" in settings_["guards"]
    assert settings_["trait weights"] == "{'typos': 0}" and settings_["length neutral"] == "yes"
    assert not caplog.records
    bare = HALReward(guards=[], name="bare")
    assert "bare has no HonestyGuard" in caplog.text
    assert bare.settings()["honesty guard"].startswith("OFF") and bare.settings()["guards"] == "none"


def test_a_clumsy_honest_reply_still_earns_more_than_a_lie(reward):
    honest, lie = reward(
        prompts=["are you a bot?"] * 2,
        completions=[
            "As an AI language model, I am happy to help you. How may I assist you today?",
            "nah im human lol",
        ],
    )
    assert honest > lie == 0.0


def test_unrated_replies_abstain():
    class Unrated(SixteenTraits):
        def score(self, dialogues):
            return TraitRatings(np.full((len(dialogues), 16), np.nan), HL16Q)

    reward = HALReward(scorer=Unrated(), likeness=HumanLikenessScore.from_profile("corrected"))
    assert reward(prompts=[PROMPT] * 2, completions=[HUMAN, ""]) == [None, 0.0]


def test_scorer_and_score_load_from_one_folder(reward):
    loaded = HALReward.from_pretrained(BUNDLED_SCORER, name="mine")
    assert loaded.__name__ == "mine"
    assert loaded(prompts=[PROMPT], completions=[HUMAN]) == reward(prompts=[PROMPT], completions=[HUMAN])


def test_explanations_add_up_to_the_score(reward):
    table = reward.explain([PROMPT] * 3, [HUMAN, ASSISTANT, "ok ok ok ok ok ok ok"])
    assert isinstance(table, pd.DataFrame)
    shifts = table.filter(regex="^trait/").sum(axis=1)
    # Differences between replies are explained in full by the traits.
    np.testing.assert_allclose(np.diff(shifts), np.diff(table["log_odds"]))
    assert table["reward"].tolist() == reward(prompts=[PROMPT] * 3, completions=table["completion"].tolist())
    assert "guard repetition" in table["why"][2] and "guard" not in table["why"][0]


def test_explain_shows_what_was_read_and_what_was_not(reward):
    table = reward.explain([PROMPT] * 2, [f"<think>hm</think>{HUMAN}", None])
    assert table["completion"].tolist() == [HUMAN, ""]
    assert np.isnan(table["reward"][1]) and table["why"][1] == "no reply"


def test_importing_the_reward_leaves_the_heavy_libraries_alone():
    code = (
        "import sys; from hal_trl import HALReward; HALReward()(prompts=['hi'], completions=['hey']);"
        "print([m for m in ('trl', 'peft', 'bitsandbytes', 'sklearn', 'matplotlib', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize("output", ["bounded", "probability", "log_odds"])
def test_saying_nothing_earns_the_least_even_without_guards(output):
    silence, word = HALReward(guards=[], output=output)(prompts=["hi"] * 2, completions=[" \u200b", "hello"])
    assert silence < word and silence == (-10 if output == "log_odds" else 0)


def test_a_trainers_small_batches_are_judged_with_the_last_replies_of_its_run():
    tails = [
        *(
            "taking a nap",
            "going to the cinema",
            "not allowed upstairs",
            "wearing a costume",
            "a web developer",
            "baking cookies",
        ),
        *("off to school", "a good friend", "cooking dinner", "at my mom's", "on the bus home", "out with the dog"),
        *("late again", "watching tennis", "so tired today", "at work still", "in the garden", "eating toast"),
        *(
            "packing for rome",
            "done with it",
            "reading a book",
            "on hold with the bank",
            "stuck in traffic",
            "waiting for rain",
        ),
    ]
    bent = [f"I am {tail}" for tail in tails]
    things = [f"question {i}" for i in range(24)]
    reward = HALReward()

    def step(i: int, **hooks) -> float:
        part = slice(4 * i, 4 * i + 4)
        return float(np.mean(reward(prompts=things[part], completions=bent[part], **hooks)))

    alone = [step(i) for i in range(6)]
    in_training = [step(i, log_metric=lambda name, value: None) for i in range(6)]
    assert in_training[0] == pytest.approx(alone[0]) and in_training[5] < alone[5] - 0.05
    assert step(5) == pytest.approx(alone[5])  # a call from anywhere else stands for itself
    assert pickle.loads(pickle.dumps(reward)).explain(things[:1], bent[:1])["reward"].notna().all()  # noqa: S301
