import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from hal_trl import HALTraitModel
from hal_trl.alignment.adapter import load_adapter, take_off
from hal_trl.cli import app
from hal_trl.evaluation.evaluate_systems import EvaluationPlan, evaluate_systems
from hal_trl.evaluation.evaluation_record import comparison_file
from hal_trl.evaluation.prompt_set import load_prompt_set
from hal_trl.evaluation.systems import LocalModels, find_systems
from hal_trl.hub import figure_rows, trait_rows

from .chat_server import Reply, chat_server
from .test_capability import write_task


def save_adapter(model, folder, base_name="somebody/tiny", seed=0, **options):
    torch.manual_seed(seed)
    layers = ["q_proj", "v_proj", "up_proj", "down_proj"]
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=layers, init_lora_weights=False, **options))
    adapted.peft_config["default"].base_model_name_or_path = base_name
    adapted.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(tiny_chat_model, tmp_path_factory):
    """Two random adapters of the tiny model."""
    folder = tmp_path_factory.mktemp("aligned")
    for seed, name in enumerate(("grpo", "dpo")):
        save_adapter(AutoModelForCausalLM.from_pretrained(tiny_chat_model), folder / name, seed=seed)
    return folder / "grpo", folder / "dpo"


@pytest.fixture(scope="module")
def plan(tiny_chat_model, adapters, tmp_path_factory):
    base = shutil.copytree(tiny_chat_model, tmp_path_factory.mktemp("bases") / "tiny")
    return EvaluationPlan(str(base), tuple(map(str, adapters)), prompts="cases", n_prompts=3, max_new_tokens=12)


@pytest.fixture(scope="module")
def finished(plan, tmp_path_factory):
    """An evaluation of the tiny model and two adapters, beside people."""
    folder = tmp_path_factory.mktemp("runs") / "evaluation"
    return folder, evaluate_systems(plan, folder)


@pytest.fixture
def a_copy(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "copy")


def test_an_evaluation_says_everything_that_a_report_reads(finished, plan, reward):
    folder, content = finished
    assert json.loads((folder / "evaluation.json").read_text()) == content
    assert content["command"] == plan.command(folder) and "--n-prompts 3" in content["command"]
    assert content["reward"] == reward.settings() and content["prompts"] == "hal_trl audit cases"
    base, grpo, dpo, people = content["systems"]
    assert content["base"] == base and (grpo, dpo) == ("grpo", "dpo") and people == "people"
    assert list(content["comparisons"]) == list(content["shifts"]) == [grpo, dpo]
    for name, figures in content["systems"].items():
        assert figures["kind"] == ("people" if name == people else "model") and figures["n"] == 3
        for figure in ("reward", "p_human", "words", "questions", "degenerate", "off_topic"):
            estimate = figures[figure]
            assert estimate["low"] <= estimate["value"] <= estimate["high"]
        assert (figures["honest"] is None) == ("above_people" not in figures) == (name == people)
        assert set(figures["guards"]) == {guard.name for guard in reward.guards}
    shift = content["shifts"][grpo]
    assert set(shift["traits"]) == set(reward.scorer.traits.ids) and "length_share" in shift
    assert set(shift["traits"]["brevity"]) == {"difference", "cliffs_delta", "p", "p_adjusted"}
    cost = content["capability"]
    assert list(cost) == [base, grpo, dpo]
    loss, divergence = cost[grpo].values()
    assert loss["difference"]["low"] <= loss["difference"]["value"] and divergence["value"] > 0


def test_every_reply_is_kept_with_what_explains_it(finished, reward):
    folder, content = finished
    frame = pd.read_parquet(folder / "replies.parquet")
    assert len(frame) == 12 and set(frame["system"]) == set(content["systems"])
    prompts = load_prompt_set("cases").first(3)
    assert frame["prompt"].tolist() == prompts.texts * 4
    people = frame[frame["system"] == "people"]
    expected = reward.explain(prompts.chats, prompts.references)
    assert people["completion"].tolist() == prompts.references
    assert people["reward"].to_numpy() == pytest.approx(expected["reward"].to_numpy())
    assert set(expected.columns) | {"system", "prompt", "chat"} == set(frame.columns)
    assert [json.loads(chat) for chat in people["chat"]] == prompts.chats


def test_a_card_can_be_written_from_each_comparison(finished):
    folder, content = finished
    for name in content["comparisons"]:
        comparison = json.loads(comparison_file(folder, name).read_text())
        assert figure_rows(comparison) and trait_rows(comparison) and comparison["n"] == 3
        assert [sample["prompt"] for sample in comparison["samples"]] == load_prompt_set("cases").first(3).texts


def test_what_is_done_is_not_done_again(a_copy, finished, plan, tiny_chat_model):
    shutil.rmtree(plan.model)  # nothing is left to sample from
    try:
        again = evaluate_systems(plan, a_copy)
    finally:
        shutil.copytree(tiny_chat_model, plan.model)
    assert {**again, "command": ""} == {**finished[1], "command": ""}


def test_each_reply_is_rated_once(a_copy, plan, monkeypatch):
    rated, score = [], HALTraitModel.score
    monkeypatch.setattr(HALTraitModel, "score", lambda self, texts: rated.extend(texts) or score(self, texts))
    evaluate_systems(plan, a_copy)
    assert len(rated) == 3 * 4 + 3 * 3  # prompts of all and people, probes of all


def test_an_interrupted_evaluation_samples_the_same_replies(a_copy, finished, plan):
    (lost,) = (a_copy / "replies").glob("dpo.json")
    before = lost.read_text()
    lost.unlink()
    assert evaluate_systems(plan, a_copy)["systems"] == finished[1]["systems"]
    assert lost.read_text() == before


def test_other_settings_and_a_retrained_adapter_are_refused(a_copy, plan, adapters, tmp_path):
    with pytest.raises(ValueError, match="other settings"):
        evaluate_systems(EvaluationPlan(**{**vars(plan), "seed": 1}), a_copy)
    kept = shutil.copytree(adapters[0], tmp_path / "kept")
    try:
        save_adapter(AutoModelForCausalLM.from_pretrained(plan.model), adapters[0], seed=7)
        with pytest.raises(ValueError, match="other settings"):
            evaluate_systems(plan, a_copy)
    finally:
        shutil.copytree(kept, adapters[0], dirs_exist_ok=True)
    (a_copy / "run.json").write_text('{"model": null, "steps": 30}')
    with pytest.raises(ValueError, match="another command"):
        evaluate_systems(plan, a_copy)
    (a_copy / "run.json").unlink()
    with pytest.raises(FileExistsError, match="not empty"):
        evaluate_systems(plan, a_copy)


def test_the_base_model_is_itself_again_after_an_adapter(plan, adapters, tmp_path):
    models, systems = LocalModels(plan.model, plan.model, tmp_path), find_systems(plan.model, plan.adapters)
    ids, seen = torch.arange(5, 25)[None], []
    for system in (systems[0], systems[1], systems[0], systems[2], systems[0]):
        with models.running(system) as (model, _), torch.inference_mode():
            seen.append(model(input_ids=ids).logits)
    base, grpo, base_again, dpo, base_at_last = seen
    assert torch.equal(base, base_again) and torch.equal(base, base_at_last)
    assert not torch.allclose(base, grpo) and not torch.allclose(grpo, dpo)


def test_an_adapter_of_another_base_model_is_refused_by_name(adapters):
    with pytest.raises(ValueError, match="belongs to somebody/tiny, not to somebody/else"):
        find_systems("somebody/else", [str(adapters[0])])
    assert find_systems("Somebody/Tiny", [str(adapters[0])])[1].kind == "adapter"


@pytest.mark.parametrize("changed", [{"hidden_size": 128}, {"num_hidden_layers": 3}, {"num_hidden_layers": 1}])
def test_an_adapter_that_does_not_fit_is_refused_and_leaves_no_trace(changed, tiny_chat_model, adapters):
    config = LlamaConfig.from_pretrained(tiny_chat_model, **changed)
    other = LlamaForCausalLM(config).eval()
    names, ids = [name for name, _ in other.named_modules()], torch.arange(5, 25)[None]
    before = other(input_ids=ids).logits
    with pytest.raises(ValueError, match=r"does not fit /other \(it names somebody/tiny"):
        load_adapter(other, adapters[0], "/other")
    assert [name for name, _ in other.named_modules()] == names
    assert torch.equal(other(input_ids=ids).logits, before)


def test_what_is_no_adapter_is_refused(tiny_chat_model, tmp_path, adapters):
    model = AutoModelForCausalLM.from_pretrained(tiny_chat_model)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_adapter(model, tmp_path / "none", "somebody/tiny")
    pickled = shutil.copytree(adapters[0], tmp_path / "pickled")
    (pickled / "adapter_model.safetensors").rename(pickled / "adapter_model.bin")
    with pytest.raises(FileNotFoundError, match=r"adapter_model\.safetensors missing"):
        load_adapter(model, pickled, "somebody/tiny")


def test_an_adapter_comes_off_whole_or_is_refused(tiny_chat_model, tmp_path):
    config = LlamaConfig.from_pretrained(tiny_chat_model, attention_bias=True)
    biased = save_adapter(LlamaForCausalLM(config), tmp_path / "biased", bias="all")
    with pytest.raises(ValueError, match="bias of the base model itself"):
        load_adapter(LlamaForCausalLM(config), biased, "somebody/tiny")
    headed = save_adapter(LlamaForCausalLM(config), tmp_path / "headed", modules_to_save=["lm_head"])
    model, ids = LlamaForCausalLM(config).eval(), torch.arange(5, 25)[None]
    before = model(input_ids=ids).logits
    adapted = load_adapter(model, headed, "somebody/tiny")
    assert not torch.allclose(adapted(input_ids=ids).logits, before)
    take_off(adapted)
    assert torch.equal(model(input_ids=ids).logits, before)


def test_systems_are_told_apart_by_name(tmp_path, adapters):
    twins = [shutil.copytree(adapters[0], tmp_path / run / "out" / "adapter") for run in ("a", "b")]
    names = [system.name for system in find_systems("somebody/tiny", [str(twin) for twin in twins])]
    assert names == ["somebody/tiny", "a/out/adapter", "b/out/adapter"]
    first = [system.name for system in find_systems("somebody/tiny", [str(twins[0])])]
    assert first == ["tiny", "adapter"]
    with pytest.raises(ValueError, match="given twice"):
        find_systems("somebody/tiny", [str(twins[0]), str(twins[0])])


def test_prompts_come_from_a_file_with_peoples_replies(tmp_path):
    chat = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "and you?"}]
    rows = [("hi there", "hey"), ("hi there", "yo"), (chat, "same here")]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": p, "reference": r}) for p, r in rows))
    prompts = load_prompt_set(path)
    assert prompts.name == "mine.jsonl" and prompts.texts == ["hi there", "and you?"]
    assert prompts.chats[1] == chat and prompts.references == ["hey", "same here"]
    pd.DataFrame({"question": ["12", "hm"]}).to_parquet(tmp_path / "mine.parquet")
    assert load_prompt_set(tmp_path / "mine.parquet", "question").references is None
    assert load_prompt_set("openers").references is None and len(load_prompt_set("cases").references) == 112
    for rows, wrong in (
        ([{"text": "hi"}], "no column prompt"),
        ([{"prompt": ""}], "nobody says anything"),
        ([{"prompt": "hi", "reference": None}], "a text in every row"),
    ):
        path.write_text("\n".join(map(json.dumps, rows)))
        with pytest.raises(ValueError, match=wrong):
            load_prompt_set(path)
    with pytest.raises(FileNotFoundError, match="pass openers, cases"):
        load_prompt_set(tmp_path / "none.parquet")


def test_a_served_model_is_asked_once_and_again_where_it_failed(tiny_chat_model, tmp_path):
    pytest.importorskip("openai")
    broken = {"n": 1}

    def script(body, n_before):
        text = body["messages"][-1]["content"]
        if "cat" in text and broken["n"]:
            return Reply("no", status=400)
        return Reply(f"not sure about {text.split()[-1]} tbh")

    path = tmp_path / "asked.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": p}) for p in ("got a dog?", "got a cat?", "any plans?")))
    with chat_server(script) as server:
        options = {"prompts": str(path), "n_prompts": 3, "max_new_tokens": 8, "neutral": False}
        plan = EvaluationPlan(str(tiny_chat_model), (), "served", server.url, **options)
        first = evaluate_systems(plan, tmp_path / "run")
        assert first["systems"]["served"]["abstained"] == pytest.approx(1 / 3)
        assert first["comparisons"]["served"]["n"] == 2 and first["capability"] == {}
        asked, broken["n"] = len(server.requests), 0
        assert server.requests[0]["temperature"] == 0.8 and server.requests[0]["max_tokens"] == 8
        second = evaluate_systems(plan, tmp_path / "run")
        assert second["systems"]["served"]["abstained"] == 0 and len(server.requests) == asked + 1
        evaluate_systems(plan, tmp_path / "run")
        assert len(server.requests) == asked + 1


def test_a_system_that_says_nothing_is_named(tiny_chat_model, tmp_path):
    pytest.importorskip("openai")
    with chat_server(lambda body, n_before: Reply("<think> hm")) as server:
        plan = EvaluationPlan(
            str(tiny_chat_model), (), "mute", server.url, n_prompts=2, max_new_tokens=8, neutral=False
        )
        with pytest.raises(ValueError, match="mute said nothing that could be rated"):
            evaluate_systems(plan, tmp_path / "run")


def test_the_command_shows_figures_and_how_to_publish(plan, adapters, tmp_path):
    output = tmp_path / "out"
    options = ["evaluate", "--model", plan.model, "--adapter", str(adapters[0]), "--n-prompts", "2"]
    done = CliRunner().invoke(app, [*options, "--max-new-tokens", "8", "--output", str(output)])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    for part in ("P(human)", "honest when asked", "KL to the", "Cliff's delta", f"hal-trl push {adapters[0]} REPO_ID"):
        assert part in said
    (kept,) = (output / "comparisons").iterdir()
    assert kept.name == "grpo.json"
    assert f"--evaluation {kept}" in said
    wrong = CliRunner().invoke(app, ["evaluate", "--model", "a/b", "--adapter", str(adapters[0])])
    assert wrong.exit_code == 1 and "belongs to somebody/tiny" in wrong.output


def test_without_a_model_the_base_is_what_the_adapter_names(tiny_chat_model, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(tiny_chat_model)
    adapter = save_adapter(model, tmp_path / "grpo", str(tiny_chat_model))
    options = ["--n-prompts", "2", "--max-new-tokens", "8", "--no-neutral", "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["evaluate", "--adapter", str(adapter), *options])
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert list(content["systems"]) == ["tiny", "grpo"] and f"--model {tiny_chat_model}" in content["command"]
    assert not (tmp_path / "out" / "base-model").exists()  # where SmolLM2 would have been unpacked


@pytest.mark.slow
def test_a_real_model_is_evaluated_with_a_real_adapter(smollm2, tmp_path):
    folder = save_adapter(AutoModelForCausalLM.from_pretrained(smollm2), tmp_path / "adapter", str(smollm2))
    plan = EvaluationPlan(str(smollm2), (str(folder),), n_prompts=4)
    content = evaluate_systems(plan, tmp_path / "run")
    base = content["systems"][content["base"]]
    assert base["words"]["value"] > 3 and base["degenerate"]["value"] < 0.5 and np.isfinite(base["p_human"]["value"])
    # Random weights teach a trained model nothing: it predicts worse, and is another one.
    loss, divergence = list(content["capability"].values())[1].values()
    assert loss["difference"]["low"] > 0 and divergence["low"] > 0


@pytest.mark.slow
def test_the_command_runs_a_harness_task_of_ones_own_on_a_real_model(smollm2, tmp_path):
    pytest.importorskip("lm_eval", reason='pip install "hal-trl[harness]"')
    cities = ["Paris", "Rome", "Tokyo"]
    asked = [(f"The capital of {land} is", i) for i, land in enumerate(("France", "Italy", "Japan"))]
    task = write_task(tmp_path, "capitals", asked, cities)
    adapter = save_adapter(AutoModelForCausalLM.from_pretrained(smollm2), tmp_path / "adapter", str(smollm2))
    options = ["evaluate", "--model", str(smollm2), "--adapter", str(adapter), "--tasks", str(task), "--no-neutral"]
    options += ["--n-prompts", "2", "--max-new-tokens", "8", "--limit", "3", "--output", str(tmp_path / "run")]
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 0, done.output
    base, spoilt = json.loads((tmp_path / "run" / "evaluation.json").read_text())["capability"].values()
    assert base["capitals: acc"]["value"] == 1.0 and base["capitals: acc"]["difference"] is None
    assert spoilt["capitals: acc"]["difference"]["value"] == spoilt["capitals: acc"]["value"] - 1.0
    assert "capitals: acc" in done.output
