import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from hal_trl.alignment import load_chat_model
from hal_trl.evaluation.capability import (
    NEUTRAL_KL,
    NEUTRAL_LOSS,
    capability_figures,
    mean_log_likelihoods,
    neutral_items,
    neutral_texts,
)
from hal_trl.evaluation.emobench import READ, generated_items, likelihood_items, load_emobench, read_choice
from hal_trl.evaluation.harness import harness_items
from hal_trl.evaluation.statistics import Estimate
from hal_trl.json_form import json_form

from .conftest import SHARED_DATA


TEXTS = ["The lake is cold in May.", "Two trains leave at nine, and one of them is late."]


@pytest.fixture
def tiny(tiny_chat_model):
    return load_chat_model(str(tiny_chat_model))


def adapted(model, moved: bool):
    torch.manual_seed(1)
    return get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=not moved)).eval()


def test_the_loss_is_the_one_that_training_sees(tiny):
    model, tokenizer = tiny
    items = neutral_items(model, tokenizer, TEXTS)
    for text, loss in zip(TEXTS, items[NEUTRAL_LOSS], strict=True):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        assert loss == pytest.approx(model(input_ids=ids, labels=ids).loss.item(), rel=1e-5)
    assert NEUTRAL_KL not in items


def test_the_divergence_is_from_the_model_with_its_adapter_off(tiny):
    model, tokenizer = tiny
    ids = tokenizer(TEXTS[0], return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        base = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        moved = adapted(model, moved=True)
        after = moved(input_ids=ids).logits[0, :-1].log_softmax(-1)
        # kl_div takes its first argument as the approximation: KL(after || base).
        expected = torch.nn.functional.kl_div(base, after, log_target=True, reduction="none").sum(-1).mean()
        items = neutral_items(moved, tokenizer, TEXTS)
        with moved.disable_adapter():
            assert torch.equal(moved(input_ids=ids).logits[0, :-1].log_softmax(-1), base)
    assert items[NEUTRAL_KL][0] == pytest.approx(float(expected), rel=1e-4)
    assert min(items[NEUTRAL_KL]) > 0


def test_an_adapter_that_does_nothing_costs_nothing(tiny):
    model, tokenizer = tiny
    before = neutral_items(model, tokenizer, TEXTS)
    after = neutral_items(adapted(model, moved=False), tokenizer, TEXTS)
    figures = capability_figures(after, before)
    assert figures[NEUTRAL_KL]["value"] == 0 and figures[NEUTRAL_KL]["difference"] is None
    assert figures[NEUTRAL_LOSS]["difference"] == {"value": 0, "low": 0, "high": 0}


def test_a_reply_is_as_likely_beside_longer_ones_as_alone(tiny):
    chat, replies = [{"role": "user", "content": "hi"}], ["no", "perhaps, who knows", "yes."]
    together = mean_log_likelihoods(*tiny, chat, replies)
    alone = [mean_log_likelihoods(*tiny, chat, [reply])[0] for reply in replies]
    assert together == pytest.approx(alone, rel=1e-4)
    # By hand: the mean log-probability of the reply's own tokens.
    model, tokenizer = tiny
    start = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    n, ids = len(tokenizer(start)["input_ids"]), tokenizer(start + replies[1], return_tensors="pt")["input_ids"]
    log_p = model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[n - 1 :]
    assert together[1] == pytest.approx(float(log_p.mean()), rel=1e-4)
    single = [reply for reply in "abc" if len(tokenizer(reply, add_special_tokens=False)["input_ids"]) == 1]
    assert len(single) == 3 and len(set(mean_log_likelihoods(*tiny, chat, single))) == 3


def test_differences_to_the_base_are_paired():
    rng = np.random.default_rng(0)
    before = rng.normal(3, 1, 40)
    figures = capability_figures({"loss": before + rng.normal(0.1, 0.02, 40)}, {"loss": before})["loss"]
    assert figures["high"] - figures["low"] > 0.4
    assert 0.08 < figures["difference"]["low"] < 0.1 < figures["difference"]["high"] < 0.12
    whole = capability_figures({"perplexity": [9.0]}, {"perplexity": [8.0]})["perplexity"]  # no items, no interval
    assert whole == {"value": 9, "low": None, "high": None, "difference": {"value": 1, "low": None, "high": None}}
    with pytest.raises(ValueError, match="Pairs need two values"):
        capability_figures({"loss": [1.0, 2.0]}, {"loss": [1.0]})


def test_neutral_texts_are_many_and_different():
    texts = neutral_texts()
    assert len(set(texts)) == 30 and all(40 < len(text.split()) < 80 for text in texts)


@given(st.recursive(st.floats() | st.none() | st.text(max_size=3), st.lists, max_leaves=4))
def test_every_result_can_be_written_as_json(value):
    made = json_form({"a": value, 1: [value]})
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_results_of_every_kind_become_plain_json():
    frame = pd.DataFrame({"x": [1.5, np.nan]}, index=["a", "b"])
    assert json_form([Estimate(1.0, float("nan"), np.float64(2)), frame, np.arange(2)]) == [
        {"value": 1.0, "low": None, "high": 2.0},
        {"a": {"x": 1.5}, "b": {"x": None}},
        [0, 1],
    ]


@pytest.fixture
def emobench(tmp_path):
    """Two items a part, one of them Chinese, in EmoBench's form."""
    scene = {"qid": "1", "scenario": "Ann lost her cat.", "subject": "Ann", "language": "en"}
    zh = {"qid": "1", "scenario": "安的猫丢了。", "subject": "安", "language": "zh"}
    acts = {
        "question type": "Action",
        "choices": ["look for it", "sleep", "sing", "buy shoes"],
        "label": "look for it",
    }
    feels = {"emotion_choices": ["Joy", "Sadness", "Pride"], "emotion_label": "Sadness"}
    feels |= {"cause_choices": ["it rained", "the cat is gone"], "cause_label": "the cat is gone"}
    for name, answers in (("EA", acts), ("EU", feels)):
        rows = [json.dumps({**asked, **answers}, ensure_ascii=False) for asked in (scene, zh)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def test_emobench_asks_for_the_act_the_emotion_and_its_cause(emobench):
    questions = load_emobench(emobench)
    assert [(q.benchmark, q.language, q.choices[q.label]) for q in questions if q.language == "en"] == [
        ("EA", "en", "look for it"),
        ("EU", "en", "Sadness"),
        ("EU", "en", "the cat is gone"),
    ]
    assert "most effective action for Ann" in questions[0].text and "行动" in questions[1].text
    assert len(load_emobench(emobench, limit=1)) == 6 == len(questions)
    (emobench / "EU.jsonl").write_text('{"qid": 1}\n')
    with pytest.raises(ValueError, match="line 1: not an item"):
        load_emobench(emobench)
    (emobench / "EU.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match=r"No EU\.jsonl"):
        load_emobench(emobench)


def test_a_system_that_knows_the_answers_gets_them_right_in_any_order(emobench):
    questions, asked = load_emobench(emobench), []
    right = {question.text: question.choices[question.label] for question in questions}

    def knows(chats):
        said = []
        for ((message,),) in zip(chats, strict=True):
            asked.append(message["content"])
            text, listed = message["content"].split("\n(A)")
            letters = dict(line[1:].split(") ") for line in f"(A){listed}".splitlines() if line.startswith("("))
            said.append(next(letter for letter, choice in letters.items() if choice == right[text]))
        return said

    items = generated_items(knows, questions, seed=1)
    assert items.pop(READ) == [1.0] * 6
    assert items == {f"EmoBench {part}, generated": [1.0] for part in ("EA en", "EA zh", "EU en", "EU zh")}
    generated_items(knows, questions, seed=2)
    assert asked[:6] != asked[6:]  # another seed, another order


def test_an_item_of_understanding_is_right_only_if_emotion_and_cause_are(emobench):
    questions = load_emobench(emobench)
    half = generated_items(lambda chats: ["Sadness" if "feel" in c[0]["content"] else None for c in chats], questions)
    assert half["EmoBench EU en, generated"] == [0.0] and half["EmoBench EA en, generated"] == [0.0]
    assert sum(half[READ]) == 1  # the cause is no "Sadness", and nothing was said to the rest


def test_the_most_likely_reply_is_chosen(emobench, tiny):
    items = likelihood_items(*tiny, load_emobench(emobench))
    assert set(items) == {f"EmoBench {part}, likelihood" for part in ("EA en", "EA zh", "EU en", "EU zh")}
    assert all(values in ([0.0], [1.0]) for values in items.values())


CHOICES = ["run away", "call a friend", "do nothing", "write a letter"]
FORMS = [
    "{}",
    "({})",
    "**{}**",
    " {}.",
    "{}) because",
    "{}\nIt is kind.",
    "The answer is {}.",
    "Answer: ({})",
    "答案是{}。",
]


@given(st.sampled_from("ABCD"), st.sampled_from(FORMS))
def test_a_letter_is_read_however_it_is_given(letter, form):
    assert read_choice(form.format(letter), CHOICES) == "ABCD".index(letter)


@given(st.text())
def test_any_answer_can_be_read_or_not(text):
    assert read_choice(text, CHOICES) in (None, 0, 1, 2, 3)


def test_words_of_a_choice_count_and_an_article_does_not():
    assert read_choice("I would call a friend.", CHOICES) == 1
    assert read_choice("A friend would know what to say", CHOICES) is None
    assert read_choice("run away or do nothing", CHOICES) is None
    assert read_choice("G", CHOICES) is None


@pytest.mark.shared_data
def test_the_whole_of_emobench_is_read():
    questions = load_emobench(SHARED_DATA / "emobench")
    parts = pd.Series([(q.benchmark, q.language) for q in questions]).value_counts().to_dict()
    assert parts == {("EA", "en"): 200, ("EA", "zh"): 200, ("EU", "en"): 400, ("EU", "zh"): 400}
    assert len({q.text for q in questions}) > 1190 and all(0 <= q.label < len(q.choices) for q in questions)


def write_task(folder, name, questions, choices):
    """A multiple-choice task of one's own for lm-evaluation-harness, of questions with the index of the answer."""
    rows = [json.dumps({"question": question, "label": label}) for question, label in questions]
    (folder / f"{name}.jsonl").write_text("\n".join(rows))
    (folder / f"{name}.yaml").write_text(
        f"task: {name}\ndataset_path: json\n"
        f"dataset_kwargs: {{data_files: {{test: {folder / f'{name}.jsonl'}}}}}\n"
        "test_split: test\noutput_type: multiple_choice\ndoc_to_text: '{{question}}'\n"
        f"doc_to_choice: {json.dumps(choices)}\ndoc_to_target: '{{{{label}}}}'\n"
        "metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]\n"
    )
    return folder / f"{name}.yaml"


@pytest.mark.slow
def test_a_harness_task_is_run_with_and_without_an_adapter(tiny, tmp_path):
    pytest.importorskip("lm_eval", reason='pip install "hal-trl[harness]"')
    task = write_task(tmp_path, "evenness", [(f"Is {i} even?", i % 2) for i in range(6)], ["yes", "no"])
    model, tokenizer = tiny
    before = harness_items(model, tokenizer, str(task), limit=4)
    (measure,) = before
    assert measure == "evenness: acc" and len(before[measure]) == 4 and set(before[measure]) <= {0.0, 1.0}
    after = harness_items(adapted(model, moved=True), tokenizer, str(task), limit=4)
    assert capability_figures(after, before)[measure]["difference"]["value"] == pytest.approx(
        np.mean(after[measure]) - np.mean(before[measure])
    )
    with pytest.raises(ValueError, match="no task 'no_such_task'"):
        harness_items(model, tokenizer, "no_such_task")


@pytest.mark.slow
def test_a_real_model_prefers_prose_to_its_words_in_disorder(smollm2):
    model, tokenizer = load_chat_model(str(smollm2))
    texts = neutral_texts()[:4]
    spoilt = [" ".join(np.random.default_rng(0).permutation(text.split())) for text in texts]
    losses = [np.array(neutral_items(model, tokenizer, side)[NEUTRAL_LOSS]) for side in (texts, spoilt)]
    assert (losses[0] + 1 < losses[1]).all() and losses[0].max() < 5
