"""Blind A/B votes of human raters: the paper's win rates and Elo again, and what intervals say.

python benchmarks/human_votes.py --data ../shared/data
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from hal_trl.evaluation.ratings import bradley_terry, elo
from hal_trl.evaluation.statistics import Estimate
from hal_trl.evaluation.two_samples import cliffs_delta
from hal_trl.evaluation.votes import Votes
from hal_trl.scorers.evaluate import interval


# HAL (huggingface.co/papers/2601.02813): win rate and Elo by model.
PAPER = {"hal14b:16bit": (0.618, 1557), "qwen14b:16bit": (0.536, 1519), "gpt-4o-mini": (0.343, 1424)}
ALIGNED, BASE = "hal14b:16bit", "qwen14b:16bit"


def figures(votes: Votes) -> pd.DataFrame:
    """Per model the paper's figures, the same computed here, and Bradley-Terry ratings; best first."""
    paper = pd.DataFrame.from_dict(PAPER, orient="index", columns=["paper win rate", "paper Elo"])
    rates = votes.win_rates().rename(columns={"win_rate": "win rate", "low": "win rate low", "high": "win rate high"})
    strengths = bradley_terry(votes).table().add_prefix("BT ")
    return rates.join(elo(votes)).join(strengths).join(paper)


def votes_delta(votes: Votes, model: str, other: str) -> Estimate:
    """Cliff's delta of what single votes give two models, whoever they met; the interval is over votes (bootstrap)."""

    def delta(rows: np.ndarray) -> float:
        left, right, score = votes.left[rows], votes.right[rows], votes.score[rows]
        sides = (votes.models.index(name) for name in (model, other))
        return cliffs_delta(*(np.concatenate([score[left == i], 1 - score[right == i]]) for i in sides))

    return Estimate(**interval(delta, np.arange(len(votes.score))))


def main(data: Annotated[Path, typer.Option(help="folder with human_votes.parquet")] = Path("../shared/data")) -> None:
    """Print the figures beside the paper's."""
    frame = pd.read_parquet(data / "human_votes.parquet")
    votes = Votes.from_frame(frame)
    print(f"{len(votes.score)} completed votes of {len(frame)}")
    print("| model | votes | win rate | paper | Elo, spread over orders | paper | Bradley-Terry |")
    print("|---|---|---|---|---|---|---|")
    for model, row in figures(votes).iterrows():
        rate = Estimate(row["win rate"], row["win rate low"], row["win rate high"])
        print(
            f"| {model} | {row['n']:.0f} | {rate} "
            f"| {row['paper win rate']:.3f} | {row['elo']:.0f} ± {row['spread']:.0f} | {row['paper Elo']:.0f} "
            f"| {row['BT rating']:.0f} [{row['BT low']:.0f}, {row['BT high']:.0f}] |"
        )
    fitted = bradley_terry(votes)
    difference = fitted.difference(ALIGNED, BASE)
    print(f"\n{ALIGNED} against its base, {BASE} (95 % intervals):")
    print(f"- their own votes: mean score {votes.head_to_head(ALIGNED, BASE)}; 0.5 is even")
    print(f"- all votes: Bradley-Terry {difference.value:+.0f} points [{difference.low:+.0f}, {difference.high:+.0f}]")
    print(f"- all votes: expected score {fitted.win_probability(ALIGNED, BASE)}")
    print(f"- all votes: Cliff's delta of a vote {votes_delta(votes, ALIGNED, BASE)}; 0 is even")


if __name__ == "__main__":
    typer.run(main)
