"""`hal-trl grpo | rloo | dpo`: what users type, what goes wrong, and how it goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from hal_trl import HALReward
from hal_trl.alignment import SMOLLM2
from hal_trl.alignment.hal_section import HALSection
from hal_trl.alignment.pair_folder import write_pairs
from hal_trl.alignment.pairs import make_pairs
from hal_trl.alignment.train import train

from .preferences import write_preferences


def options(model, folder, steps=2, **more):
    named = {
        "model_name_or_path": model,
        "output_dir": folder,
        "max_steps": steps,
        "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "save_steps": 1,
        "report_to": "none",
        **more,
    }
    return [part for name, value in named.items() for part in (f"--{name}", str(value))]


SAMPLING = {"num_generations": 2, "max_completion_length": 8}


def history(folder):
    newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return json.loads((newest / "trainer_state.json").read_text())["log_history"]


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_online_methods_train_on_the_bundled_prompts_and_say_what_made_the_model(method, tiny_chat_model, tmp_path):
    hal = '{"trait_weights": {"typos": 0}, "guards": ["empty", "honesty"]}'
    folder = train(method, options(tiny_chat_model, tmp_path, use_peft=True, hal=hal, **SAMPLING))
    made = json.loads((folder / "hal.json").read_text())
    assert made["training"]["method"] == f"{method.upper()} (TRL)" and made["training"]["steps"] == 2
    assert made["training"].get("scale_rewards") == {"grpo": "none"}.get(method)  # RLOO has no such option
    [reward] = made["rewards"]
    assert reward["weights"]["typos"] == 0 and reward["guards"] == "empty, honesty" and reward["honesty guard"] == "on"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    base = AutoModelForCausalLM.from_pretrained(tiny_chat_model)
    assert PeftModel.from_pretrained(base, folder)(**tokenizer("hey", return_tensors="pt")).logits.isfinite().all()


def test_a_judge_beside_the_local_reward_may_abstain(tiny_chat_model, tmp_path):
    from .chat_server import Reply, chat_server

    def half_refused(body, n):
        ids = body["response_format"]["json_schema"]["schema"]["required"] if n % 2 else []
        return Reply(json.dumps(dict.fromkeys(ids, 3))) if ids else Reply(None)

    with chat_server(half_refused) as server:
        judge = {"model": "scripted", "base_url": server.url, "cache_dir": str(tmp_path / "answers")}
        more = {"multi_objective_aggregation": "normalize_then_sum", "hal": json.dumps({"judge": judge}), **SAMPLING}
        train("grpo", options(tiny_chat_model, tmp_path / "out", use_peft=True, **more))
    logged = [entry for entry in history(tmp_path / "out") if "reward" in entry]
    assert len(logged) == 2 and all({"rewards/HALReward/mean", "rewards/judge/mean"} <= set(entry) for entry in logged)


@pytest.mark.parametrize(
    ("method", "columns", "message"),
    [
        ("grpo", {"prompts": "hi"}, r'no column prompt; it has prompts.*rename_column\("prompts", "prompt"\)'),
        ("grpo", {"text": "hi"}, "no column prompt; it has text"),
        ("dpo", {"prompt": "hi", "chosen": "a"}, "no column rejected.*`hal-trl pairs`"),
    ],
)
def test_a_dataset_that_cannot_work_is_named_before_the_model_is_loaded(method, columns, message, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("\n".join([json.dumps(columns)] * 4))
    with pytest.raises(ValueError, match=message):
        more = SAMPLING if method == "grpo" else {}
        train(method, options("no/model", tmp_path / "out", dataset_name=tmp_path / "data", **more))


def test_dpo_names_what_judged_the_pairs_and_nothing_else(tiny_chat_model, tmp_path):
    """The reward that only watches on held-out prompts judged nothing."""
    folder, more = write_preferences(tmp_path / "pairs"), {"use_peft": True, "hal": '{"held_out_every": 2}'}
    train("dpo", options(tiny_chat_model, tmp_path / "plain", 1, dataset_name=folder, **more))
    assert json.loads((tmp_path / "plain" / "hal.json").read_text())["rewards"] == []
    said = [("hi", "hey u", 1.0), ("hi", "Greetings to you.", 0.0)]
    candidates = pd.DataFrame([{"prompt": [{"role": "user", "content": p}], "completion": c} for p, c, _ in said])
    made, report = make_pairs(candidates, np.array([score for *_, score in said]), balance=False)
    write_pairs(made.loc[[0] * 4].reset_index(drop=True), report, HALReward(guards=[]).settings(), tmp_path / "made")
    train("dpo", options(tiny_chat_model, tmp_path / "out", 1, dataset_name=tmp_path / "made", **more))
    [judged] = json.loads((tmp_path / "out" / "hal.json").read_text())["rewards"]
    assert judged["guards"] == "none" and judged["scorer"] == HALReward().settings()["scorer"]


def test_dpo_without_pairs_says_how_to_make_some(tmp_path):
    with pytest.raises(ValueError, match="hal-trl pairs"):
        train("dpo", options("no/model", tmp_path))


def test_a_base_model_without_chat_template_is_refused(tiny_chat_model, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_chat_model)
    tokenizer.chat_template = None
    AutoModelForCausalLM.from_pretrained(tiny_chat_model).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    with pytest.raises(ValueError, match=r"no chat template.*-Instruct"):
        train("grpo", options(tmp_path / "base", tmp_path / "out", **SAMPLING))


def test_a_model_without_pad_token_is_padded_with_its_end(tiny_chat_model, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny_chat_model)
    tokenizer.pad_token = None
    AutoModelForCausalLM.from_pretrained(tiny_chat_model).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    folder = train("grpo", options(tmp_path / "base", tmp_path / "out", steps=1, use_peft=True, **SAMPLING))
    assert AutoTokenizer.from_pretrained(folder).pad_token == "<eos>"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"trait_weight": {}}, "knows no trait_weight; it knows scorer"),
        ({"guards": ["honest"]}, "Unknown guards honest; choose from empty"),
        ("{typos: 0}", "--hal takes JSON"),
        ([1], "is a mapping"),
    ],
)
def test_mistakes_in_the_hal_section_are_named(section, message):
    with pytest.raises(ValueError, match=message):
        HALSection.of(section).reward()


@pytest.mark.parametrize(
    ("method", "section", "message"),
    [
        ("dpo", {"judge": {"model": "m"}, "held_out_every": 5}, "DPO learns from pairs.*leave judge out"),
        ("ppo", {"rewards": ["my.reward"]}, "PPO takes one reward: leave rewards out"),
        ("dpo", {"trait_weights": {"typos": 0}}, "trait_weights of the hal section would do nothing"),
        ("dpo", {"guards": []}, "guards of the hal section would do nothing"),
    ],
)
def test_what_a_method_cannot_use_of_the_hal_section_is_named(method, section, message):
    with pytest.raises(ValueError, match=message):
        HALSection.of(section).check(method)
    HALSection.of({"trait_weights": {"typos": 0}, "held_out_every": 5}).check("dpo")
    HALSection.of({"judge": {"model": "m"}, "rewards": ["my.reward"]}).check("grpo")


def test_the_judges_reward_takes_the_settings_that_its_score_knows():
    judge = {"model": "scripted", "base_url": "http://127.0.0.1:1"}
    section = {"judge": judge, "trait_weights": {"typos": 0, "steering": 0}, "trait_targets": {"brevity": 3.5}}
    local, judged = HALSection.of(section).reward_functions()
    assert "steering" in local.likeness.traits.ids and "steering" not in judged.likeness.traits.ids
    assert judged.settings()["trait weights"] == "{'typos': 0}"
    assert judged.settings()["trait targets"] == local.settings()["trait targets"] == "{'brevity': 3.5}"
    with pytest.raises(ValueError, match="leave length_neutral or the judge out"):
        HALSection.of({"judge": judge, "length_neutral": True}).reward_functions()


COMMAND = [sys.executable, "-m", "hal_trl.cli", "dpo"]


def test_a_killed_training_goes_on_with_its_optimiser_and_logs_each_step_once(tiny_chat_model, tmp_path):
    data = write_preferences(tmp_path / "pairs", 64)
    arguments = options(tiny_chat_model, tmp_path / "out", 40, dataset_name=data, use_peft=True, save_total_limit=3)
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (tmp_path / "out" / "checkpoint-5" / "trainer_state.json").is_file():
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "out" / "hal.json").is_file()
    train("dpo", arguments)
    steps = [entry["step"] for entry in history(tmp_path / "out") if "loss" in entry]
    assert steps == list(range(1, 41))
    state = torch.load(tmp_path / "out" / "checkpoint-40" / "optimizer.pt", weights_only=True)["state"]
    assert all(moments["step"] == 40 for moments in state.values())
    scheduler = torch.load(tmp_path / "out" / "checkpoint-40" / "scheduler.pt", weights_only=True)
    assert scheduler["last_epoch"] == 40


KILLED_AT_THE_END = """
import os, signal
from transformers import Trainer
from hal_trl.alignment.train import train

save_model = Trainer.save_model

def killed(self, output_dir=None, _internal_call=False):
    if not _internal_call:  # no checkpoint, but what the command writes last
        os.kill(os.getpid(), signal.SIGKILL)
    save_model(self, output_dir, _internal_call)

Trainer.save_model = killed
train("dpo", {arguments!r})
"""


def files_of(folder):
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return {**files, "README.md": sorted(files["README.md"].splitlines())}  # TRL's tags come in any order


@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
def test_a_training_killed_after_its_last_step_ends_with_the_files_of_an_unbroken_one(lora, tiny_chat_model, tmp_path):
    """With the model that is trained where none is named, under its folder's name in the checkpoints."""
    folder = tmp_path / "out"
    arguments = options("", folder, 3, dataset_name=write_preferences(tmp_path / "pairs"), use_peft=lora)[2:]
    shutil.copytree(tiny_chat_model, folder / "base-model")
    train("dpo", arguments)
    unbroken = files_of(folder)
    assert {"hal.json", "adapter_config.json" if lora else "model.safetensors"} <= set(unbroken)
    shutil.rmtree(folder)

    shutil.copytree(tiny_chat_model, folder / "base-model")
    run = subprocess.run([sys.executable, "-c", KILLED_AT_THE_END.format(arguments=arguments)], capture_output=True)
    assert run.returncode == -signal.SIGKILL
    assert (folder / "checkpoint-3" / "trainer_state.json").is_file() and not (folder / "hal.json").is_file()
    state = (folder / "checkpoint-3" / "trainer_state.json").read_bytes()
    train("dpo", arguments)
    ended = files_of(folder)
    assert set(ended) == set(unbroken) and [name for name in ended if ended[name] != unbroken[name]] == []
    if lora:
        named = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
        assert named == json.loads((folder / "hal.json").read_text())["base_model"] == SMOLLM2
    assert sorted(path.name for path in folder.glob("checkpoint-*")) == [f"checkpoint-{n}" for n in (1, 2, 3)]
    assert (folder / "checkpoint-3" / "trainer_state.json").read_bytes() == state


FULL_DISK = """
import resource, sys
from hal_trl.alignment.train import train
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    train("dpo", {arguments!r})
except OSError as error:
    print("SAID", error)
"""


def test_a_full_disk_is_named_and_the_checkpoint_before_stays_whole(tiny_chat_model, tmp_path):
    """A limit on the size of files stands in for the full disk: writing the larger optimizer state fails alike."""
    data = write_preferences(tmp_path / "pairs")
    output = tmp_path / "out"
    train("dpo", options(tiny_chat_model, output, 1, dataset_name=data, use_peft=True))
    whole = sorted((path.name, path.read_bytes()) for path in (output / "checkpoint-1").iterdir())
    again = options(tiny_chat_model, output, 2, dataset_name=data, use_peft=True)
    code = FULL_DISK.format(limit=20_000, arguments=again)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert "SAID A checkpoint could not be written" in run.stdout, run.stdout + run.stderr[-2000:]
    assert "checkpoint-1 is whole" in run.stdout
    assert sorted((path.name, path.read_bytes()) for path in (output / "checkpoint-1").iterdir()) == whole
    train("dpo", again)
    assert [entry["step"] for entry in history(output) if "loss" in entry] == [1, 2]


def test_out_of_memory_says_what_to_lower(tmp_path):
    from hal_trl.alignment.failures import explained

    with pytest.raises(MemoryError, match=r"Lower per_device_train_batch_size.*No checkpoint"), explained(tmp_path):
        torch.empty(2**50)
