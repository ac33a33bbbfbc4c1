"""On a GPU: scoring, and GRPO and DPO with LoRA and QLoRA on models of 0.5B and 7B, random weights, no network.

Self-contained: models are made from their architecture's numbers, text and tokenizer are made up, nothing is
downloaded. Needs torch, transformers, peft and accelerate, and the wheels of trl and datasets with what they need
(`pip download -c constraints.txt --no-deps trl datasets pyarrow pandas dill multiprocess xxhash` where there is
network, `pip install --no-deps *.whl` where there is none); with bitsandbytes also the rows of QLoRA. Less than eight
minutes on one H100-class card.

    python -m benchmarks.gpu --output runs/gpu
    python -m benchmarks.gpu --sizes tiny --steps 2 --device cpu    # whether it works at all
"""

import importlib.util
import json
import platform
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BitsAndBytesConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, TrainerCallback

from hal_trl import HALReward
from hal_trl.alignment import load_openers


# Qwen2.5's numbers; "tiny" is for trying this out.
SIZES = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
             "intermediate_size": 128, "vocab_size": 2000},
    "0.5B": {"hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
             "intermediate_size": 4864, "vocab_size": 151_936, "tie_word_embeddings": True},
    "7B": {"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
           "intermediate_size": 18_944, "vocab_size": 152_064},
}  # fmt: skip
BATCH, GENERATIONS, NEW_TOKENS, DPO_TOKENS = 16, 8, 128, 512
LORA = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM")


def main(
    sizes: Annotated[str, typer.Option(help="Which models, separated by commas: tiny, 0.5B, 7B.")] = "0.5B,7B",
    steps: Annotated[int, typer.Option(min=2, help="Optimiser steps of each; the first is not counted.")] = 4,
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    output: Annotated[Path, typer.Option(help="Folder for gpu.md and gpu.json.")] = Path("runs/gpu"),
) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        raise typer.BadParameter("no CUDA device here; --device cpu --sizes tiny tries the benchmark out.")
    output.mkdir(parents=True, exist_ok=True)
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "CPU"
    lines = [
        f"{name}, torch {torch.__version__}\n",
        "| scoring 1,024 replies of 50 words | replies a second |",
        "|---|---|",
    ]
    lines += [f"| {what} | {rate:,.0f} |" for what, rate in scoring(device)]
    lines += ["", "| trainer | model | weights | tokens a second | seconds a step | reward's share | peak memory |"]
    lines += ["|---|---|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    rows = []
    kinds = ["LoRA, bf16"] + ["QLoRA, nf4"] * (importlib.util.find_spec("bitsandbytes") is not None)
    for size in sizes.split(","):
        for method in (grpo, dpo):
            for kind in kinds:
                row = {"trainer": method.__name__.upper(), "model": size, "weights": kind}
                row |= method(size, kind.startswith("QLoRA"), steps, device)
                rows.append(row)
                lines.append(line(row))
                print(lines[-1], flush=True)
                (output / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
                (output / "gpu.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def line(row: dict) -> str:
    share = f"{row['reward'] / row['step']:.2%}" if "reward" in row else ""
    return (
        f"| {row['trainer']} | {row['model']} | {row['weights']} | {row['tokens'] / row['step']:,.0f} "
        f"| {row['step']:.2f} | {share} | {row['memory'] / 2**30:.1f} GiB |"
    )


def scoring(device: str) -> list[tuple[str, float]]:
    """Replies a second, in batches of 64."""
    words = np.array(" ".join(load_openers("train")).split())
    replies = [" ".join(row) for row in np.random.default_rng(0).choice(words, (1024, 50))]
    prompts = np.repeat(load_openers("train")[:128], 8).tolist()
    rewards = {"mini, on the CPU": HALReward(guards=[]), "mini, all guards, on the CPU": HALReward()}
    if device == "cuda":
        on_gpu = HALReward(guards=[])
        on_gpu.scorer.to(device)
        rewards["mini, on the GPU"] = on_gpu
    found = []
    for name, reward in rewards.items():
        reward(prompts=prompts[:64], completions=replies[:64])
        start = time.perf_counter()
        for i in range(0, 1024, 64):
            reward(prompts=prompts[i : i + 64], completions=replies[i : i + 64])
        found.append((name, 1024 / (time.perf_counter() - start)))
    return found


def model_of(size: str, quantized: bool, device: str, folder: Path = Path("runs/gpu/models")) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    config = Qwen2Config(**SIZES[size], max_position_embeddings=4096)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    with torch.device(device):
        model = Qwen2ForCausalLM(config).to(dtype)
    if not quantized:
        return model
    # bitsandbytes quantises while it loads.
    model.save_pretrained(folder / size)
    del model
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    return Qwen2ForCausalLM.from_pretrained(folder / size, quantization_config=nf4, dtype=dtype, device_map=device)


def tokenizer_of(size: str) -> PreTrainedTokenizerFast:
    """One made-up word for each token the model has."""
    vocabulary = {"<unk>": 0, "<pad>": 1, "<end>": 2}
    vocabulary |= {f"w{i}": i for i in range(3, SIZES[size]["vocab_size"])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", pad_token="<pad>", eos_token="<end>")


class Steps(TrainerCallback):
    """Seconds of each step."""

    def __init__(self, device: str):
        self.device, self.seconds = device, []

    def _now(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def on_step_begin(self, args, state, control, **kwargs):
        self.start = self._now()

    def on_step_end(self, args, state, control, **kwargs):
        self.seconds.append(self._now() - self.start)


def grpo(size: str, quantized: bool, steps: int, device: str) -> dict[str, float]:
    from trl import GRPOConfig, GRPOTrainer

    reward, spent = HALReward(), []

    def timed(**batch):
        start = time.perf_counter()
        rewards = reward(**batch)
        spent.append(time.perf_counter() - start)
        return rewards

    texts = [" ".join(f"w{i}" for i in range(3 + k, 43 + k)) for k in range(64)]
    arguments = {"num_generations": GENERATIONS, "max_completion_length": NEW_TOKENS, "max_steps": steps}
    # All replies are of full length: a random model ends when it likes.
    arguments["generation_kwargs"] = {"min_new_tokens": NEW_TOKENS}
    data = Dataset.from_dict({"prompt": texts})
    taken = train(GRPOTrainer, GRPOConfig, size, quantized, device, arguments, data, reward_funcs=timed)
    return {**taken, "tokens": BATCH * NEW_TOKENS, "reward": float(np.median(spent[1:]))}


def dpo(size: str, quantized: bool, steps: int, device: str) -> dict[str, float]:
    from trl import DPOConfig, DPOTrainer

    def said(seed: int, n: int) -> str:
        return " ".join(f"w{i}" for i in np.random.default_rng(seed).integers(3, SIZES[size]["vocab_size"], n))

    half = DPO_TOKENS // 2
    rows = [{"prompt": said(3 * k, half), "chosen": said(3 * k + 1, half), "rejected": said(3 * k + 2, half)}
            for k in range(BATCH * steps)]  # fmt: skip
    arguments = {"max_length": DPO_TOKENS, "max_steps": steps}
    taken = train(DPOTrainer, DPOConfig, size, quantized, device, arguments, Dataset.from_list(rows))
    return {**taken, "tokens": 2 * BATCH * DPO_TOKENS}


def train(trainer_class, config_class, size, quantized, device, arguments, data, **more) -> dict[str, float]:
    """Median seconds of a step, and peak memory in bytes."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    steps = Steps(device)
    trainer = trainer_class(
        model=model_of(size, quantized, device),
        args=config_class(
            output_dir="runs/gpu/trainer",
            per_device_train_batch_size=BATCH,
            activation_checkpointing=True,
            bf16=device == "cuda",
            use_cpu=device == "cpu",
            report_to="none",
            save_strategy="no",
            logging_steps=1,
            disable_tqdm=True,
            seed=0,
            **arguments,
        ),
        train_dataset=data,
        processing_class=tokenizer_of(size),
        peft_config=LORA,
        callbacks=[steps],
        **more,
    )
    trainer.train()
    memory = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return {"step": float(np.median(steps.seconds[1:])), "memory": memory}


if __name__ == "__main__":
    typer.run(main)
