"""Two processes on one machine (gloo): the rewards of one process, and every figure counted once."""

import json
import os
import subprocess
import sys

import pytest


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
