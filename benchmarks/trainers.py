"""Every trainer, every kind of weights, on one process and on two: time and memory a step, held-out reward.

Trains SmolLM2-135M-Instruct a few steps with each; a figure of what it costs, not of what it learns. Beside the time
by the clock stands the processors' time, which other work on the machine disturbs less. Reward: mean over replies to
32 held-out openers, the same prompts and seed before and after (an adapter trained on nf4 is put on the plain model).

    python -m benchmarks.trainers --steps 4 --output runs/trainers
    PYTHONPATH=.venv/ppo python -m benchmarks.trainers --steps 4 --methods ppo   # TRL 1.12, as `make test` has it
"""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer

from hal_trl import HALReward
from hal_trl.alignment import load_chat_model, load_openers
from hal_trl.alignment.adapter import load_adapter
from hal_trl.alignment.generate import generate_replies
from hal_trl.alignment.grpo import chat


SMALL = [
    "--logging_steps",
    "1",
    "--save_strategy",
    "no",
    "--report_to",
    "none",
    "--bf16",
    "false",
    "--use_cpu",
    "true",
]
ONLINE = ["--num_generations", "4", "--max_completion_length", "32"]
KINDS = {
    "full": ["--learning_rate", "1e-5"],
    "LoRA": ["--use_peft", "true", "--learning_rate", "2e-4"],
    "QLoRA nf4": [
        *("--use_peft", "true", "--learning_rate", "2e-4"),
        *("--load_in_4bit", "true", "--use_bnb_nested_quant", "true"),
    ],
}
# Eight sequences a step, over all processes together.
METHODS = {
    "grpo": (8, ONLINE),
    "rloo": (8, ONLINE),
    "dpo": (4, ["--max_length", "128"]),
    "ppo": (8, ["--response_length", "32", "--num_ppo_epochs", "1"]),
}


LOGGED = {"dpo": "rewards/margins", "ppo": "objective/scores"}
"""What a trainer logs once a step; `reward` unless named here."""


def main(
    steps: Annotated[int, typer.Option(help="Optimiser steps of each training; the first is not timed.")] = 4,
    methods: Annotated[str, typer.Option(help="Which, separated by commas; ppo needs TRL 1.12.")] = "grpo,rloo,dpo",
    processes: Annotated[str, typer.Option(help="How many processes, separated by commas.")] = "1,2",
    weights: Annotated[str, typer.Option(help="Which, separated by commas.")] = ",".join(KINDS),
    output: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/trainers"),
) -> None:
    base = output / "base-model"
    output.mkdir(parents=True, exist_ok=True)
    load_chat_model(cache=base)
    pairs = write_pairs(base, output / "pairs")
    before = held_out_reward(base)
    print(
        "| trainer | weights | processes | steps | held-out reward, before to after | seconds a step | "
        "processor seconds a step | peak memory a process |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for method, kind, n in itertools.product(methods.split(","), weights.split(","), processes.split(",")):
        folder = output / f"{method}-{kind.replace(' ', '-')}-{n}"
        shutil.rmtree(folder, ignore_errors=True)
        batch, options = METHODS[method]
        data = ["--dataset_name", str(pairs)] if method == "dpo" else []
        length = ["--total_episodes", str(batch * steps)] if method == "ppo" else ["--max_steps", str(steps)]
        named = ["--model_name_or_path", str(base), "--output_dir", str(folder)]
        sized = ["--per_device_train_batch_size", str(batch // int(n))]
        costs = measure(method, int(n), [*named, *sized, *length, *data, *SMALL, *options, *KINDS[kind]])
        learned = f"{before:.2f} to {held_out_reward(base, folder):.2f}" if (folder / "hal.json").is_file() else ""
        print(f"| {method.upper()} | {kind} | {n} | {steps} | {learned} | {costs} |", flush=True)


def measure(method: str, processes: int, arguments: list[str]) -> str:
    launcher = ["torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", "29531", "-m"]
    command = [sys.executable, "-m", *(launcher if processes > 1 else []), "hal_trl.cli", method, *arguments]
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)), "OMP_WAIT_POLICY": "PASSIVE"}
    environment = {**os.environ, **threads, "PYTHONUNBUFFERED": "1"}
    steps, said = [], []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        for line in process.stdout:
            said = [*said[-200:], line]
            if re.search(rf"'{LOGGED.get(method, 'reward')}': ", line):
                steps.append((time.perf_counter(), processor_seconds(process.pid)))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if status or len(steps) < 2:
        errors = re.findall(r"\w*Error: .+", "".join(said))
        return f"failed: {(errors or [str(status)])[0]:.100} | |"
    clock, processor = (np.array(steps[-1]) - steps[0]) / (len(steps) - 1)
    return f"{clock:.1f} | {processor:.1f} | {usage.ru_maxrss / 2**20:.2f} GB"


def processor_seconds(pid: int) -> float:
    """Of a process and those it started that still run."""
    root = psutil.Process(pid)
    return sum(sum(process.cpu_times()[:2]) for process in [root, *root.children(recursive=True)])


def held_out_reward(base: Path, trained: Path | None = None) -> float:
    model, tokenizer = load_chat_model(str(trained if trained and (trained / "config.json").is_file() else base))
    if trained and (trained / "adapter_config.json").is_file():
        model = load_adapter(model, trained, str(base))
    prompts = [chat(text) for text in load_openers("held_out")[:32]]
    rewards = HALReward()(prompts=prompts, completions=generate_replies(model, tokenizer, prompts, 32))
    return float(np.mean([reward or 0.0 for reward in rewards]))


def write_pairs(base: Path, folder: Path) -> Path:
    """Pairs of sampled replies, the more human one chosen."""
    if not (folder / "train.jsonl").is_file():
        model, tokenizer = load_chat_model(str(base))
        prompts = [chat(text) for text in load_openers("train")[:32]]
        reward = HALReward()
        sides = [generate_replies(model, tokenizer, prompts, 32, seed=seed) for seed in (0, 1)]
        scores = [[value or 0.0 for value in reward(prompts=prompts, completions=side)] for side in sides]
        rows = []
        for prompt, *replies, first, second in zip(prompts, *sides, *scores, strict=True):
            chosen, rejected = replies if first >= second else replies[::-1]
            rows.append(
                {
                    "prompt": prompt,
                    "chosen": [{"role": "assistant", "content": chosen or "ok"}],
                    "rejected": [{"role": "assistant", "content": rejected or "no"}],
                }
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


if __name__ == "__main__":
    typer.run(main)
