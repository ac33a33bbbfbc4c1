"""Two processes on one machine (gloo): the rewards of one process, and every figure counted once."""

import json
import os
import subprocess
import sys

import pytest


CPU_CONFIG = """\
compute_environment: LOCAL_MACHINE
distributed_type: MULTI_CPU
mixed_precision: 'no'
num_machines: 1
machine_rank: 0
rdzv_backend: static
same_network: true
use_cpu: true
"""


def run(folder, model, processes, batch, *more):
    config = folder.parent / "cpu.yaml"
    config.write_text(CPU_CONFIG)
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
        "dataset_name": folder.parent / "prompts",
    }
    options = [part for name, value in named.items() for part in (f"--{name}", str(value))]
    launch = ["--accelerate_config", str(config), "--num_processes", str(processes)] if processes > 1 else []
    command = [sys.executable, "-m", "hal_trl.cli", "grpo", *launch, *options, *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    state = json.loads((folder / "checkpoint-2" / "trainer_state.json").read_text())
    return state["log_history"]


@pytest.mark.slow
def test_groups_that_straddle_processes_get_the_rewards_of_one_process(tiny_chat_model, tmp_path):
    (tmp_path / "prompts").mkdir()
    # All of one length: padding, which depends on who else is in a batch, moves logits in their last digits.
    rows = [
        {"prompt": [{"role": "user", "content": text}]} for text in ("hiya", "hey!", "and?", "what", "nope", "yes?")
    ]
    (tmp_path / "prompts" / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
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
