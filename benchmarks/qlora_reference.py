"""DPO with QLoRA: reference by switching the adapter off, against a second model in full precision (the release's).

The same data, seed and settings, each in a process of its own: seconds a step and peak memory, and their ratios.

    python -m benchmarks.qlora_reference --steps 6
"""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from hal_trl.alignment import load_chat_model

from .trainers import write_pairs


def main(
    steps: Annotated[int, typer.Option(help="Optimiser steps of each.")] = 6,
    output: Annotated[Path, typer.Option(help="Folder of model and data.")] = Path("runs/trainers"),
) -> None:
    base = output / "base-model"
    output.mkdir(parents=True, exist_ok=True)
    load_chat_model(cache=base)
    pairs = write_pairs(base, output / "pairs")
    print("| reference | seconds a step | peak memory | loss of the last step |")
    print("|---|---|---|---|")
    rows = {}
    for name in ("adapter off", "second model, full precision"):
        command = [sys.executable, "-m", "benchmarks.qlora_reference", "run", name, str(base), str(pairs), str(steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = rows[name] = json.loads(done.stdout.split("MEASURED ")[1].splitlines()[0])
        print(f"| {name} | {row['seconds']:.2f} | {row['memory'] / 2**20:.2f} GB | {row['loss']:.4f} |", flush=True)
    ours, release = rows.values()
    print(
        f"\nAdapter off against a second model: {ours['memory'] / release['memory']:.2f} of the memory, "
        f"{ours['seconds'] / release['seconds']:.2f} of the time."
    )


def run(name: str, base: str, pairs: str, steps: int) -> None:
    import torch
    from datasets import load_dataset
    from peft import LoraConfig, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    from trl import DPOConfig, DPOTrainer

    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    policy = AutoModelForCausalLM.from_pretrained(base, quantization_config=nf4, dtype=torch.float32)
    second = None
    if name != "adapter off":
        second = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    trainer = DPOTrainer(
        model=prepare_model_for_kbit_training(policy),
        ref_model=second,
        args=DPOConfig(
            output_dir="runs/trainers/reference",
            max_steps=steps,
            per_device_train_batch_size=4,
            max_length=128,
            learning_rate=5e-5,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            bf16=False,
            seed=0,
        ),
        train_dataset=load_dataset(pairs, split="train"),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(
            r=16, lora_alpha=32, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    trainer.train()
    history = trainer.state.log_history
    seconds = next(entry["train_runtime"] for entry in history if "train_runtime" in entry) / steps
    loss = [float(entry["loss"]) for entry in history if "loss" in entry][-1]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("MEASURED " + json.dumps({"seconds": seconds, "memory": memory, "loss": loss}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(*sys.argv[2:5], int(sys.argv[5]))
    else:
        typer.run(main)
