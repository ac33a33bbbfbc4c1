"""What share of a GRPO step the reward takes: TRL's own profiling of steps of SmolLM2, 16 replies of 48 tokens each.

python -m benchmarks.grpo_share --steps 6
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from hal_trl.alignment import load_chat_model, load_openers
from hal_trl.alignment.grpo import chat

from .scoring import systems


BASE = Path("runs/trainers/base-model")
REWARDS = ("mini, all guards", "mini", "minilm")


def main(steps: Annotated[int, typer.Option(min=2, help="Optimiser steps; the first is not counted.")] = 6) -> None:
    load_chat_model(cache=BASE)
    print("| reward | a step of SmolLM2 with LoRA | of it the reward | share |\n|---|---|---|---|")
    for name in REWARDS:
        command = [sys.executable, "-m", "benchmarks.grpo_share", "--", name, str(steps)]
        settings = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=settings)
        took = json.loads(done.stdout.splitlines()[-1])
        step, reward = took["step"], took["reward"]
        print(f"| {name} | {step:.2f} s | {1000 * reward:.1f} ms | {reward / step:.2%} |", flush=True)


def train(name: str, steps: int) -> dict[str, float]:
    """Median seconds of a step and of its reward."""
    from statistics import median

    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer
    from trl.extras.profiling import ProfilingContext

    taken = defaultdict(list)
    # TRL logs these to trackers only; what it measures is what is wanted here.
    ProfilingContext._log_metrics = lambda self, seconds: taken[self.name].append(seconds)

    class Steps(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            self.start = time.perf_counter()

        def on_step_end(self, args, state, control, **kwargs):
            taken["step"].append(time.perf_counter() - self.start)

    score = systems()[name]()

    def reward(prompts, completions, **kwargs):
        return score(prompts, completions)

    model, tokenizer = load_chat_model(str(BASE))
    # Nothing ends early: the replies are as long as asked, as those of a longer training are not.
    model.generation_config.eos_token_id = None
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=reward,
            args=GRPOConfig(
                output_dir=folder,
                max_steps=steps,
                per_device_train_batch_size=16,
                num_generations=8,
                max_completion_length=48,
                generation_kwargs={"min_new_tokens": 48},
                report_to="none",
                save_strategy="no",
                use_cpu=True,
                bf16=False,
                disable_tqdm=True,
                seed=0,
            ),
            train_dataset=Dataset.from_list([{"prompt": chat(text)} for text in load_openers("train")]),
            processing_class=tokenizer,
            callbacks=[Steps()],
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        )
        trainer.train()
    of_reward = next(spent for profiled, spent in taken.items() if profiled.endswith(".reward"))
    return {"step": median(taken["step"][1:]), "reward": median(of_reward[1:])}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--"]:
        print(json.dumps(train(sys.argv[2], int(sys.argv[3]))))
    else:
        typer.run(main)
