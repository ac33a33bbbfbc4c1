import math

import numpy as np
import pytest
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st

from hal_trl.evaluation import compare
from hal_trl.evaluation.prompt_set import PromptSet
from hal_trl.evaluation.statistics import bootstrap_mean, distinct_n
from hal_trl.evaluation.system_figures import Said, compare_with_base
from hal_trl.evaluation.table import print_comparison
from hal_trl.hub import describe_reward, render_adapter_card
from hal_trl.json_form import json_form


PROMPTS = ["how was your day?", "any plans?", "did you eat?"]
STIFF = [
    "I am pleased to report that my day was satisfactory. How may I assist you?",
    "Certainly! There are numerous activities one may consider planning.",
    "As a language model, I do not consume food, but I can recommend recipes.",
]
CASUAL = ["ok i guess, long one tho", "nah just gonna chill", "yeah had some noodles lol"]


def test_a_comparison_shows_gain_traits_length_and_diversity(reward):
    comparison = compare(PROMPTS, STIFF, CASUAL, reward)
    assert comparison.n == 3
    assert comparison.after.words < comparison.before.words
    assert comparison.trait_shift["lowercase"].value > 0.5
    assert comparison.p_human_gain.value == pytest.approx(
        comparison.after.p_human.value - comparison.before.p_human.value
    )
    assert comparison.after.degenerate == 0.0
    assert [sample["prompt"] for sample in comparison.samples] == PROMPTS


def test_collapse_shows_in_diversity_and_degenerate_replies(reward):
    comparison = compare(PROMPTS, STIFF, ["ok ok ok ok ok ok ok ok"] * 3, reward)
    assert comparison.distinct_2_ratio < 0.3
    assert comparison.after.degenerate == 1.0


def test_replies_that_are_empty_count_as_degenerate_not_as_missing(reward):
    comparison = compare(PROMPTS, STIFF, ["", *CASUAL[1:]], reward)
    assert comparison.after.degenerate == pytest.approx(1 / 3)
    assert math.isfinite(comparison.after.reward.value) and math.isfinite(comparison.p_human_gain.value)


def test_published_evidence_counts_empty_replies_as_the_figures_of_both_replies_do(reward):
    prompts = PromptSet("mine", [[{"role": "user", "content": text}] for text in PROMPTS])
    base, after = (
        Said.of(name, prompts, replies, [], [], reward)
        for name, replies in (("base", STIFF), ("after", ["", CASUAL[1], ""]))
    )
    published = compare_with_base(base, after, prompts, reward)
    assert json_form(published) == json_form(compare(PROMPTS, STIFF, ["", CASUAL[1], ""], reward, "mine"))
    assert published.n == 3 and published.after.degenerate == pytest.approx(2 / 3)
    unread = Said.of("unread", prompts, [None, *CASUAL[1:]], [], [], reward)
    assert compare_with_base(base, unread, prompts, reward).n == 2


def test_unequal_numbers_of_replies_are_refused(reward):
    with pytest.raises(ValueError, match="3 prompts, 3 replies before and 2 after"):
        compare(PROMPTS, STIFF, CASUAL[:2], reward)
    with pytest.raises(ValueError, match="0 prompts"):
        compare([], [], [], reward)


def test_model_text_is_data_in_table_and_card(reward, capsys):
    hostile = ["[red]x[/red] | <script>alert(1)</script>\n# head", *CASUAL[1:]]
    comparison = compare(PROMPTS, STIFF, hostile, reward)
    print_comparison(comparison)
    assert "[red]" in capsys.readouterr().out
    made = {"training": {"method": "GRPO <b>"}, "rewards": [describe_reward(reward)]}
    card = render_adapter_card("org/base", comparison.to_dict(), made)
    assert "<script>" not in card and "<b>" not in card and "&lt;script&gt;" in card
    assert "\n# head" not in card


def test_the_card_names_the_prompts_and_the_scorer_of_its_figures(reward):
    comparison = compare(PROMPTS, STIFF, CASUAL, reward, prompt_set="support chats.jsonl").to_dict()
    made = {"training": {"method": "GRPO"}, "rewards": []}
    card = ModelCard(render_adapter_card("org/base", {**comparison, "scorer": "me/hal-traits-support"}, made))
    assert {result.dataset_name for result in card.data.eval_results} == {"support chats.jsonl"}
    assert {result.dataset_type for result in card.data.eval_results} == {"support-chats.jsonl"}
    assert "support chats.jsonl" in card.text and "by the scorer me/hal-traits-support." in card.text
    assert comparison["scorer"] == reward.settings()["scorer"] and "bundled" not in card.text
    before_names = {name: part for name, part in comparison.items() if name not in ("prompt_set", "scorer")}
    assert "hal_trl held-out openers" not in render_adapter_card("org/base", before_names, made)


def test_a_card_has_a_dash_for_what_was_not_measured(reward, capsys):
    comparison = compare(PROMPTS[:1], ["hello"], ["yeah"], reward)  # no word pair, no interval
    print_comparison(comparison)
    made = {"training": {"method": "GRPO"}, "rewards": []}
    card = render_adapter_card("org/base", json_form(comparison), made)
    assert "| distinct-2 | – | – | – |" in card and "None" not in card and "nan" not in card
    assert "nan" not in capsys.readouterr().out
    unknown = {**json_form(comparison), "after": {**json_form(comparison.after), "p_human": None}}
    assert len(ModelCard(render_adapter_card("org/base", unknown, made)).data.eval_results) == 3


def test_a_bootstrap_interval_covers_the_mean_and_narrows_with_data():
    rng = np.random.default_rng(0)
    few, many = bootstrap_mean(rng.normal(1, 1, 20)), bootstrap_mean(rng.normal(1, 1, 2000))
    assert few.low < few.value < few.high
    assert many.high - many.low < few.high - few.low
    assert many.low < 1 < many.high


def test_missing_values_are_left_out_and_one_value_has_no_interval():
    assert bootstrap_mean([0.5, float("nan"), 0.5]).value == 0.5
    single = bootstrap_mean([0.5])
    assert single.value == 0.5 and math.isnan(single.low)
    with pytest.raises(ValueError, match="nan"):
        bootstrap_mean([float("nan")])


def test_distinct_n_is_the_share_of_different_n_grams():
    assert distinct_n(["a b c d"]) == 1.0
    assert distinct_n(["a b", "A b", "a b", "c d"]) == 0.5
    assert math.isnan(distinct_n(["", "one"]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=40), max_size=6))
def test_repeating_every_text_never_raises_diversity(texts):
    once, twice = distinct_n(texts), distinct_n(texts * 2)
    assert math.isnan(once) or twice <= once
