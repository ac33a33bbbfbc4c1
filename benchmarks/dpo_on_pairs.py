"""DPO on pairs made of the paper's candidate dialogues: pair counts, lengths, and held-out visits before and after.

Pairs (`hal-trl pairs`) of doctor's visits that eight models wrote for one persona, the patient's turns scored; then
`hal-trl dpo` with LoRA on SmolLM2-135M-Instruct, and visits for personas that no pair was made of.

    python -m benchmarks.dpo_on_pairs --data ../shared/data --steps 60
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from hal_trl import Dialogue, HALReward
from hal_trl.alignment import load_chat_model
from hal_trl.alignment.candidates import as_chat, read_candidates
from hal_trl.alignment.generate import generate_replies
from hal_trl.alignment.pair_folder import write_pairs
from hal_trl.alignment.pairs import make_pairs, score_candidates, without_length
from hal_trl.alignment.train import train
from hal_trl.evaluation.statistics import bootstrap_mean


def main(
    data: Annotated[Path, typer.Option(help="Folder with candidate_dialogues.parquet and persona_prompts.parquet.")],
    steps: Annotated[int, typer.Option(help="Optimiser steps, of four pairs each; 0 for the counts alone.")] = 60,
    held_out: Annotated[int, typer.Option(help="Personas to write visits for, before and after.")] = 24,
    max_length: Annotated[int, typer.Option(help="Tokens of a prompt with its dialogue, in training.")] = 768,
    output: Annotated[Path, typer.Option(help="Folder of pairs, adapter and visits.")] = Path("runs/dpo-pairs"),
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    candidates = joined(data, output / "candidates.parquet")
    reward = HALReward()
    scores = score_candidates(candidates, reward, target="P")
    print("| | pairs | chosen is longer | correlation of score and length |")
    print("|---|---|---|---|")
    for name, values, balance in (
        ("as they come", scores, False),
        ("balanced (default)", scores, True),
        ("--length-neutral", without_length(candidates, scores), True),
    ):
        pairs, report = make_pairs(candidates, values, balance=balance)
        print(
            f"| {name} | {report.kept} of {report.wide} wide enough | {report.chosen_longer_after:.0%} | "
            f"{report.length_correlation_after:+.2f} |"
        )
    if not steps:
        return
    write_pairs(pairs, report, {"sources": "the paper's candidate dialogues"}, output / "pairs")

    load_chat_model(cache=output / "base-model")
    base = str(output / "base-model")
    named = {
        "model_name_or_path": base,
        "dataset_name": output / "pairs",
        "output_dir": output / "adapter",
        "max_steps": steps,
        "per_device_train_batch_size": 4,
        "max_length": max_length,
        "learning_rate": 1e-4,
        "lora_dropout": 0.1,
        "use_peft": True,
        "logging_steps": 5,
        "save_steps": 20,
        "report_to": "none",
    }
    train("dpo", [part for name, value in named.items() for part in (f"--{name}", str(value))])

    known = {chat[-1]["content"] for chat in candidates["prompt"]}
    personas = pd.read_parquet(data / "persona_prompts.parquet")["prompt"]
    chats = [as_chat(prompt) for prompt in personas[~personas.isin(known)].iloc[:held_out]]
    sides = {}
    for name in ("before", "after"):
        model, tokenizer = load_chat_model(base)
        if name == "after":
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, output / "adapter")
        visits = generate_replies(model, tokenizer, chats, 200, batch_size=8, description=f"visits {name}")
        sides[name] = visits
        pd.DataFrame({"visit": visits}).to_parquet(output / f"{name}.parquet")
    print(f"\n| visits for {held_out} held-out personas | before | after |")
    print("|---|---|---|")
    odds = {name: whole_scores(visits, reward) for name, visits in sides.items()}
    print(
        "| log-odds of the whole text | " + " | ".join(str(bootstrap_mean(values)) for values in odds.values()) + " |"
    )
    print(f"| gain, paired | | {bootstrap_mean(odds['after'] - odds['before'])} |")
    words = [np.mean([len(text.split()) for text in visits]) for visits in sides.values()]
    print(f"| words | {words[0]:.0f} | {words[1]:.0f} |")


def joined(data: Path, path: Path) -> pd.DataFrame:
    """The paper's candidates with their prompts."""
    dialogues = pd.read_parquet(data / "candidate_dialogues.parquet")
    prompts = pd.read_parquet(data / "persona_prompts.parquet").query("split == 'test'")[["persona_id", "prompt"]]
    frame = dialogues.merge(prompts, on="persona_id").rename(columns={"dialogue": "completion", "model": "source"})
    frame[["prompt", "completion", "source"]].to_parquet(path)
    return read_candidates(path)


def whole_scores(visits: list[str], reward: HALReward) -> np.ndarray:
    """A small model seldom keeps to `P:` and `D:`, so the whole text is scored, as one speaker's."""
    dialogues = [Dialogue.from_transcript(f"P: {' '.join(text.split()) or '...'}", target="P") for text in visits]
    return reward.likeness.log_odds(reward.scorer.score(dialogues))


if __name__ == "__main__":
    typer.run(main)
