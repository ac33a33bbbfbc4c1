"""DPO on pairs made of the paper's candidate dialogues: pair counts, lengths, and held-out replies before and after.

Counts are of whole visits that eight models wrote for one persona, the patient's turns scored. A visit with its prompt
is 800 to 3,200 tokens long, too long to train on here: what is trained on is the patient's first turn, told why it
sees the doctor. `hal-trl dpo` with LoRA on SmolLM2-135M-Instruct, then first turns of personas no pair was made of.

    python -m benchmarks.dpo_on_pairs --data ../shared/data --steps 50
"""

import re
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer

from hal_trl import HALReward
from hal_trl.alignment import load_chat_model
from hal_trl.alignment.adapter import load_adapter
from hal_trl.alignment.candidates import as_chat, read_candidates
from hal_trl.alignment.generate import generate_replies
from hal_trl.alignment.grpo import cpu_has_bf16
from hal_trl.alignment.pair_folder import write_pairs
from hal_trl.alignment.pairs import make_pairs, score_candidates, without_length
from hal_trl.alignment.train import train
from hal_trl.evaluation.statistics import bootstrap_mean


_SETTING = (
    "You are a patient. {why}\nYou have just sat down, and the doctor asks what brings you in. Say what you say."
)


def main(
    data: Annotated[Path, typer.Option(help="Folder with candidate_dialogues.parquet and persona_prompts.parquet.")],
    steps: Annotated[int, typer.Option(help="Optimiser steps, of four pairs each; 0 for the counts alone.")] = 50,
    held_out: Annotated[int, typer.Option(help="Personas to speak for, before and after.")] = 96,
    output: Annotated[Path, typer.Option(help="Folder of pairs, adapter and replies.")] = Path("runs/dpo-pairs"),
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    visits, reward = joined(data, output / "candidates.parquet"), HALReward()
    scores = score_candidates(visits, reward, target="P")
    print("| | pairs | chosen is longer | correlation of score and length |\n|---|---|---|---|")
    counts("visits as they come", visits, scores, balance=False)
    counts("visits, balanced (default)", visits, scores)
    counts("visits, --length-neutral", visits, without_length(visits, scores))
    turns = first_turns(visits)
    scores = score_candidates(turns, reward)
    counts("first turns as they come", turns, scores, balance=False)
    pairs, report = counts("first turns, balanced (default)", turns, scores)
    if not steps:
        return
    write_pairs(pairs, report, {"sources": "first turns of the paper's candidate dialogues"}, output / "pairs")
    base = output / "base-model"
    load_chat_model(cache=base)
    named = {
        "model_name_or_path": base,
        "dataset_name": output / "pairs",
        "output_dir": output / "adapter",
        "max_steps": steps,
        "per_device_train_batch_size": 4,
        "max_length": 256,
        "gradient_checkpointing": False,
        "bf16": torch.cuda.is_available() or cpu_has_bf16(),
        "learning_rate": 1e-4,
        "lora_dropout": 0.1,
        "use_peft": True,
        "logging_steps": 5,
        "save_steps": 10,
        "save_total_limit": 2,
        "report_to": "none",
    }
    train("dpo", [part for name, value in named.items() for part in (f"--{name}", str(value))])

    personas = pd.read_parquet(data / "persona_prompts.parquet").query("split == 'train'")["prompt"]
    chats = [patient(prompt) for prompt in personas.iloc[:held_out]]
    model, tokenizer = load_chat_model(str(base))
    sides = {}
    for side in ("before", "after"):
        model = model if side == "before" else load_adapter(model, output / "adapter", str(base))
        replies = generate_replies(model, tokenizer, chats, 64, batch_size=32, description=f"replies {side}")
        sides[side] = reward.explain(chats, replies)
        sides[side].to_parquet(output / f"{side}.parquet")
    compare(*sides.values())


def counts(name: str, candidates: pd.DataFrame, scores: np.ndarray, balance: bool = True) -> tuple:
    pairs, report = make_pairs(candidates, scores, balance=balance)
    print(
        f"| {name} | {report.kept} of {report.wide} wide enough | {report.chosen_longer_after:.0%} | "
        f"{report.length_correlation_after:+.2f} |",
        flush=True,
    )
    return pairs, report


def compare(before: pd.DataFrame, after: pd.DataFrame) -> None:
    print(
        f"\n| replies for {len(before)} held-out personas | before | after | difference, paired |\n|---|---|---|---|"
    )
    sides = [
        {
            "reward": frame["reward"].fillna(0.0),
            "P(human)": frame["p_human"].fillna(0.0),
            "words": frame["completion"].str.split().str.len(),
        }
        for frame in (before, after)
    ]
    for name in sides[0]:
        first, last = sides[0][name].to_numpy(dtype=float), sides[1][name].to_numpy(dtype=float)
        print(f"| {name} | {first.mean():.3f} | {last.mean():.3f} | {bootstrap_mean(last - first)} |")


def joined(data: Path, path: Path) -> pd.DataFrame:
    """The paper's candidates with their prompts."""
    dialogues = pd.read_parquet(data / "candidate_dialogues.parquet")
    prompts = pd.read_parquet(data / "persona_prompts.parquet").query("split == 'test'")[["persona_id", "prompt"]]
    frame = dialogues.merge(prompts, on="persona_id").rename(columns={"dialogue": "completion", "model": "source"})
    frame[["prompt", "completion", "source"]].to_parquet(path)
    return read_candidates(path)


def first_turns(visits: pd.DataFrame) -> pd.DataFrame:
    """What the patient says first, where the patient opens the visit."""
    said = visits["completion"].str.extract(r"\AP:[ \t]*(\S.*)")[0].str.strip()
    prompts = [patient(chat[-1]["content"]) for chat in visits["prompt"]]
    return visits.assign(prompt=prompts, completion=said).dropna(subset="completion").reset_index(drop=True)


def patient(prompt: str) -> list[dict[str, str]]:
    """The chat that a persona's prompt comes down to."""
    return as_chat(_SETTING.format(why=re.search(r"Reason for clinical visit: (.+)", prompt)[1]))


if __name__ == "__main__":
    typer.run(main)
