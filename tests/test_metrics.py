"""Metrics on replies: the plain functions, and the `evaluate` modules around them."""

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal_trl import HALReward, load_metric
from hal_trl.evaluation import metrics
from hal_trl.evaluation.diversity import diversity, self_bleu
from hal_trl.evaluation.human_likeness import human_likeness
from hal_trl.evaluation.metrics import METRICS
from hal_trl.evaluation.trait_shift import trait_shift
from hal_trl.evaluation.turing_pairwise import turing_pairwise


PROMPTS = ["how was your day?", "any plans?", "did you eat?", "seen any films lately?"]
STIFF = [
    "I am pleased to report that my day was satisfactory. How may I assist you?",
    "Certainly! There are numerous activities one may consider planning.",
    "As a language model, I do not consume food, but I can recommend recipes.",
    "There are many excellent films. It is important to consider your preferences.",
]
CASUAL = [
    "it was ok, long one though. yours?",
    "not really, probably just stay in",
    "yeah had some noodles earlier",
    "nah not for months, any good ones?",
]

texts = st.lists(st.text("ab c", max_size=12), max_size=6)


def messages(replies, role):
    return [[{"role": role, "content": reply}] for reply in replies]


def metric(name):
    pytest.importorskip("evaluate", reason="make test installs it")
    return load_metric(name)


def test_human_likeness_tells_what_the_reward_and_its_guards_say(reward):
    result = human_likeness(CASUAL, PROMPTS, reward)
    frame = reward.explain(PROMPTS, CASUAL)
    assert result.reward.value == pytest.approx(frame["reward"].mean())
    assert result.p_human.low <= result.p_human.value <= result.p_human.high
    assert (
        result.traits.loc["lowercase", "mean"] > human_likeness(STIFF, PROMPTS, reward).traits.loc["lowercase", "mean"]
    )
    assert human_likeness(["lol"] * 8, None, reward).degenerate == 1


def test_replies_that_cannot_be_read_abstain_and_empty_ones_earn_nothing(reward):
    result = human_likeness([*CASUAL, None, "<think>hm", ""], [*PROMPTS, *PROMPTS[:3]], reward)
    assert (result.n, result.abstained) == (7, pytest.approx(3 / 7))
    assert math.isfinite(result.p_human.value) and math.isfinite(result.traits["mean"].sum())
    silent = human_likeness([None, None], None, reward)
    assert silent.abstained == 1 and math.isnan(silent.p_human.value)


def test_one_reply_has_no_interval_and_equal_ones_a_width_of_zero(reward, caplog):
    single = human_likeness(CASUAL[:1], PROMPTS[:1], reward)
    assert math.isfinite(single.p_human.value) and math.isnan(single.p_human.low)
    assert math.isnan(turing_pairwise(STIFF[:1], CASUAL[:1], reward=reward).win_rate.high)
    assert math.isnan(trait_shift(STIFF[:1], CASUAL[:1], reward=reward).length_share)
    assert "no interval" in caplog.text
    same = human_likeness(CASUAL[:1] * 3, PROMPTS[:1] * 3, reward).log_odds
    assert same.low == same.value == same.high


def test_people_against_themselves_are_indistinguishable(reward):
    result = turing_pairwise(CASUAL, CASUAL, PROMPTS, reward)
    assert result.win_rate.value == 0.5 and result.ties == 1
    assert result.win_rate.low < 0.5 < result.win_rate.high


def test_sides_of_a_comparison_swapped_give_the_opposite(reward):
    one, other = turing_pairwise(STIFF, CASUAL, PROMPTS, reward), turing_pairwise(CASUAL, STIFF, PROMPTS, reward)
    assert one.win_rate.value == pytest.approx(1 - other.win_rate.value)
    assert one.win_rate.low == pytest.approx(1 - other.win_rate.high)
    there, back = trait_shift(STIFF, CASUAL, PROMPTS, reward), trait_shift(CASUAL, STIFF, PROMPTS, reward)
    assert there.gain.value == pytest.approx(-back.gain.value)
    assert there.traits["cliffs_delta"].to_dict() == pytest.approx((-back.traits["cliffs_delta"]).to_dict())


def test_gaming_the_bare_score_wins_no_guarded_comparison(reward):
    result = turing_pairwise(["lol"] * 4, CASUAL, PROMPTS, reward)
    assert result.win_rate.value < result.win_rate_unguarded.value


def test_an_empty_reply_loses_and_a_missing_one_is_left_out(reward):
    result = turing_pairwise(["", None, *CASUAL[2:]], CASUAL, PROMPTS, reward)
    assert (result.n, result.abstained) == (3, 0.25)
    assert result.win_rate_unguarded.value == pytest.approx(1 / 3)  # two ties and a defeat
    assert turing_pairwise([None], CASUAL[:1], None, reward).n == 0


def test_what_length_brings_and_the_rest_add_up_to_the_gain(reward):
    shift = trait_shift(CASUAL, STIFF, PROMPTS, reward)
    assert shift.gain.value == pytest.approx(shift.gain_by_length.value + shift.gain_beyond_length.value)
    assert shift.gain_beyond_length.value == pytest.approx(
        np.mean(
            [
                *HALReward(length_neutral=True).explain(PROMPTS, CASUAL)["log_odds"],
                *-HALReward(length_neutral=True).explain(PROMPTS, STIFF)["log_odds"],
            ]
        )
        * 2
    )
    assert shift.words.value < 0
    assert (shift.traits["p_adjusted"] >= shift.traits["p"]).all()


def test_no_change_is_no_shift_and_no_share_of_it(reward):
    shift = trait_shift(CASUAL, CASUAL, PROMPTS, reward)
    assert shift.gain.value == 0 and math.isnan(shift.length_share)
    assert (shift.traits["cliffs_delta"] == 0).all() and (shift.traits["p_adjusted"] == 1).all()


def test_a_score_without_a_length_effect_does_not_guess_one():
    shift = trait_shift(CASUAL, STIFF, PROMPTS, HALReward(trait_weights={"typos": 0}))
    assert math.isfinite(shift.gain.value) and math.isnan(shift.gain_by_length.value)


def test_one_reply_to_several_prompts_is_repeated_and_several_to_one_are_not():
    assert diversity(["Yeah", "yeah", "no"], ["a", "b", "c"]).repeated == pytest.approx(2 / 3)
    assert diversity(["yeah", "yeah", "no"], ["a", "a", "c"]).repeated == 0
    assert diversity(["yeah", None], ["a", "b"]).abstained == 0.5


def test_self_bleu_is_one_for_twins_and_zero_for_strangers():
    assert self_bleu(["so it goes", "So it goes", "ok", "ok"]) == pytest.approx(1)
    assert self_bleu(["a b c", "d e f"]) == 0
    assert math.isnan(self_bleu(["alone", ""]))


@settings(deadline=None, max_examples=60)
@given(texts)
def test_self_bleu_is_the_mean_of_each_text_against_all_others(many):
    tokens = [text.split() for text in many if text.split()]
    if len(tokens) < 2:
        assert math.isnan(self_bleu(many))
    else:
        scores = [_bleu(text, tokens[:i] + tokens[i + 1 :]) for i, text in enumerate(tokens)]
        assert self_bleu(many) == pytest.approx(np.mean(scores))


def _bleu(text, others):
    """BLEU by its definition; `sacrebleu` 2.6 gave the same, with effective order."""
    logs, smoothing, any_match = 0.0, 1, False
    orders = min(len(text), 4)
    for n in range(1, orders + 1):
        own, *rest = (Counter(tuple(t[i : i + n]) for i in range(len(t) - n + 1)) for t in (text, *others))
        matched = sum(min(count, max(other[gram] for other in rest)) for gram, count in own.items())
        any_match |= matched > 0
        smoothing *= 1 if matched else 2
        logs += math.log((matched or 1 / smoothing) / own.total())
    closest = min((abs(len(other) - len(text)), len(other)) for other in others)[1]
    return math.exp(logs / orders + min(0, 1 - closest / len(text))) if any_match else 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "No replies"),
        ((["a"], ["b", "c"]), "2 prompts but 1 replies"),
        (("a text",), "not one text"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(reward, arguments, message):
    for measure in (human_likeness, diversity):
        with pytest.raises(ValueError, match=message):
            measure(*arguments)
    for measure in (turing_pairwise, trait_shift):
        with pytest.raises(ValueError, match=message):
            measure(arguments[0], *arguments, reward=reward)
        with pytest.raises(ValueError, match=r"2 replies.* but 1 "):
            measure(["a", "b"], ["c"], reward=reward)


def test_an_unknown_metric_is_answered_with_the_names():
    with pytest.raises(ValueError, match="diversity, human_likeness, trait_shift, turing_pairwise"):
        load_metric("humanlikeness")


def test_text_and_chat_messages_measure_alike_and_may_mix():
    module = metric("human_likeness")
    plain = module.compute(predictions=CASUAL, prompts=PROMPTS)
    chat = module.compute(predictions=messages(CASUAL, "assistant"), prompts=messages(PROMPTS, "user"))
    mixed = module.compute(predictions=[*CASUAL[:2], *messages(CASUAL[2:], "assistant")], prompts=PROMPTS)
    assert plain == chat == mixed
    parts = [[{"role": "assistant", "content": [{"type": "text", "text": CASUAL[0]}]}]]
    assert module.compute(predictions=parts)["p_human"] == module.compute(predictions=CASUAL[:1])["p_human"]


def test_a_module_gives_the_plain_functions_figures():
    figures = metric("trait_shift").compute(predictions=CASUAL, references=STIFF, prompts=PROMPTS)
    plain = trait_shift(CASUAL, STIFF, PROMPTS)
    assert (figures["gain"], figures["gain_low"]) == (plain.gain.value, plain.gain.low)
    assert figures["traits"]["brevity"]["p_adjusted"] == plain.traits.loc["brevity", "p_adjusted"]
    assert json.loads(json.dumps(figures))["traits"] == figures["traits"]
    assert metric("diversity").compute(predictions=["Yeah", "yeah"])["repeated"] == 1


def test_modules_combine_and_take_replies_batch_by_batch():
    evaluate = pytest.importorskip("evaluate", reason="make test installs it")
    together = evaluate.combine([metric(name) for name in METRICS])
    once = together.compute(predictions=CASUAL, references=STIFF, prompts=PROMPTS)
    together.add_batch(predictions=CASUAL[:3], references=STIFF[:3], prompts=PROMPTS[:3])
    together.add(CASUAL[3], STIFF[3], prompts=PROMPTS[3])
    assert json.dumps(together.compute()) == json.dumps(once)  # nan is not equal to itself
    assert {"p_human", "win_rate", "gain", "self_bleu"} <= set(once)


def test_a_metrics_folder_is_a_whole_space_and_loads_by_its_path(monkeypatch):
    evaluate = pytest.importorskip("evaluate", reason="make test installs it")
    spaces = Path(metrics.__file__).parent
    monkeypatch.chdir(spaces)
    assert sorted(path.name for path in spaces.iterdir() if (path / "app.py").is_file()) == list(METRICS)
    for name in METRICS:
        module = evaluate.load(f"./{name}")
        assert module.name == name
        card = (spaces / name / "README.md").read_text(encoding="utf-8")
        assert all(word in card for word in (*module.features, "sdk: gradio", "app_file: app.py"))
        assert "hal-trl[evaluate]" in (spaces / name / "requirements.txt").read_text(encoding="utf-8")
        assert f'load_metric("{name}")' in (spaces / name / "app.py").read_text(encoding="utf-8")


def test_a_module_refuses_bad_input_before_it_stores_any():
    module = metric("turing_pairwise")
    for bad, message in (
        ({"predictions": []}, "references"),
        ({"predictions": ["a"], "references": ["b", "c"]}, "1 predictions but 2 references"),
        ({"predictions": [], "references": []}, "predictions is empty"),
        ({"predictions": [1.0], "references": ["b"]}, "got 1.0"),
        ({"predictions": "a", "references": ["b"]}, "give a list"),
    ):
        with pytest.raises(ValueError, match=message):
            module.compute(**bad)
    assert module.compute(predictions=CASUAL, references=CASUAL, prompts=PROMPTS)["n"] == 4


def test_prompts_left_blank_on_a_metrics_page_are_not_one_prompt_for_all():
    pytest.importorskip("gradio", reason='pip install "hal-trl[arena]"')
    from hal_trl.evaluation.metric_app import metric_app

    compute = metric_app(load_metric("diversity")).fn
    table = {"predictions": ["yeah", "yeah", "not really", None], "prompts": [None, "", " ", None]}
    assert compute(pd.DataFrame(table))["repeated"] == pytest.approx(2 / 3)
    same = pd.DataFrame({"predictions": ["yeah", "yeah"], "prompts": ["hungry?", "hungry?"]})
    assert compute(same)["repeated"] == 0.0
