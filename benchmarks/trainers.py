"""Every trainer, every kind of weights, on one process and on two: seconds a step, memory, reward at both ends.

Trains SmolLM2-135M-Instruct a few steps with each; a figure of what it costs, not of what it learns.

    python -m benchmarks.trainers --steps 4 --output runs/trainers
"""

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hal_trl.alignment import load_chat_model, load_openers
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


def main(
    steps: Annotated[int, typer.Option(help="Optimiser steps of each training.")] = 4,
    methods: Annotated[str, typer.Option(help="Which, separated by commas; ppo needs TRL 1.12.")] = "grpo,rloo,dpo",
    processes: Annotated[str, typer.Option(help="How many processes, separated by commas.")] = "1,2",
    output: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/trainers"),
) -> None:
    base = output / "base-model"
    output.mkdir(parents=True, exist_ok=True)
    load_chat_model(cache=base)
    pairs = write_pairs(base, output / "pairs")
    print("| trainer | weights | processes | steps | reward, first to last | seconds a step | peak memory a process |")
    print("|---|---|---|---|---|---|---|")
    for method, (name, kind), n in itertools.product(methods.split(","), KINDS.items(), processes.split(",")):
        folder = output / f"{method}-{name.replace(' ', '-')}-{n}"
        batch, options = METHODS[method]
        data = ["--dataset_name", str(pairs)] if method == "dpo" else []
        length = ["--total_episodes", str(batch * steps)] if method == "ppo" else ["--max_steps", str(steps)]
        named = ["--model_name_or_path", str(base), "--output_dir", str(folder)]
        sized = ["--per_device_train_batch_size", str(batch // int(n))]
        row = measure(method, int(n), [*named, *sized, *length, *data, *SMALL, *options, *kind])
        print(f"| {method.upper()} | {name} | {n} | {steps} | {row} |", flush=True)


def measure(method: str, processes: int, arguments: list[str]) -> str:
    launcher = ["torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", "29531", "-m"]
    command = [sys.executable, "-m", *(launcher if processes > 1 else []), "hal_trl.cli", method, *arguments]
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)), "OMP_WAIT_POLICY": "PASSIVE"}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env={**os.environ, **threads})
        _, status, usage = os.wait4(process.pid, 0)
        said.seek(0)
        text = said.read()
    if status:
        return f"failed: {text.strip().splitlines()[-1]:.100} | |"
    name = {"dpo": "rewards/margins", "ppo": "objective/scores"}.get(method, "reward")
    rewards = [float(found) for found in re.findall(rf"'{name}': '?(-?[\d.e-]+)", text)]
    seconds = float(re.search(r"'train_runtime': '?([\d.]+)", text)[1]) / max(len(rewards), 1)
    return f"{rewards[0]:.2f} to {rewards[-1]:.2f} | {seconds:.1f} | {usage.ru_maxrss / 2**20:.2f} GB"


def write_pairs(base: Path, folder: Path) -> Path:
    """Pairs of sampled replies; which is chosen does not matter to what a step costs."""
    if not (folder / "train.jsonl").is_file():
        model, tokenizer = load_chat_model(str(base))
        prompts = [chat(text) for text in load_openers("train")[:32]]
        sides = [generate_replies(model, tokenizer, prompts, 32, seed=seed) for seed in (0, 1)]
        rows = [
            {
                "prompt": prompt,
                "chosen": [{"role": "assistant", "content": chosen or "ok"}],
                "rejected": [{"role": "assistant", "content": rejected or "no"}],
            }
            for prompt, chosen, rejected in zip(prompts, *sides, strict=True)
        ]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


if __name__ == "__main__":
    typer.run(main)
