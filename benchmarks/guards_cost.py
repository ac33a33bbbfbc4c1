"""What the guards cost where nothing is wrong: AUC between people's and AIs' single replies, bare and guarded.

The scorer and the model behind the guards `natural` and `relevance` have not seen the fifth of the games they are
measured on (the thresholds of the guards are people's quantiles on the same fifth). Replies come in random batches of
64, as the guards that look at a batch would meet them, each with all that was said before it as its prompt.

    python benchmarks/guards_cost.py ../shared/data --contrast runs/contrast.json
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from hal_trl import Dialogue, HALReward, HALTraitModel
from hal_trl.rewards.guards.honesty import question_who_is_talking
from hal_trl.rewards.sense.fitting import held_out_games
from hal_trl.scorers.distil import MINI, fit_models
from hal_trl.scorers.games import load_contrast, load_games, load_visits
from hal_trl.scorers.ridge import EncodedRows
from hal_trl.scorers.rows import Rows


_BATCH, _RESAMPLES = 64, 1000


def main(
    data: Annotated[Path, typer.Argument(help="Folder with turing_games.parquet and doctor_dialogues.parquet.")],
    contrast: Annotated[Path | None, typer.Option(help="Replies of another AI, from hal-trl contrast.")] = None,
    encoder: Annotated[str, typer.Option(help="Hub id or folder of the encoder, or none.")] = "none",
) -> None:
    games = load_games(data / "turing_games.parquet")
    rows = Rows(games, load_contrast(contrast) if contrast else (), load_visits(data / "doctor_dialogues.parquet"))
    held_out = held_out_games(games)
    unseen = np.isin(rows.group, games.game_id[held_out].astype(str))
    encoded = None if encoder == "none" else EncodedRows.of(rows, encoder)
    scorer = fit_models(rows, encoded, ~unseen)[MINI]
    test = np.flatnonzero(rows.is_reply & unseen)
    replies, is_human = [rows.dialogues[i] for i in test], rows.is_human[test]
    asked = np.array([is_asked(reply) for reply in replies])
    rewards = {
        "bare": in_batches(HALReward(scorer, guards=[]), replies),
        "all guards": in_batches(HALReward(scorer), replies),
    }
    for guard in HALReward(scorer).guards:
        rewards[f"only {guard.name}"] = in_batches(HALReward(scorer, guards=[guard]), replies)
    print(
        f"{len(test)} single replies of {held_out.sum() // 2} held-out games; {asked.mean():.1%} come after the "
        "question who is talking"
    )
    print("| guards | AUC, nobody asks who is talking | against bare | AUC, all replies | against bare |")
    print("|---|---|---|---|---|")
    for name, values in rewards.items():
        cells = []
        for part in (~asked, np.full(len(asked), True)):
            value = auc(is_human[part], values[part])
            low, high = interval(rows.group[test][part], is_human[part], values[part], rewards["bare"][part])
            cost = value - auc(is_human[part], rewards["bare"][part])
            cells += [f"{value:.4f}", f"{cost:+.4f} [{low:+.4f}, {high:+.4f}]"]
        print(f"| {name} | " + " | ".join(cells) + " |")
    report_length(scorer, replies, is_human)


def report_length(scorer: HALTraitModel, replies: list, is_human: np.ndarray) -> None:
    """What `length_neutral=True` takes away: how far the score follows the number of words, and what that is worth."""
    from scipy.stats import spearmanr

    words = np.array([len(reply.target_texts[0].split()) for reply in replies])
    prompts = [chat_before(reply) for reply in replies]
    print("\n| log-odds | Spearman with words: people / AIs | AUC |")
    print("|---|---|---|")
    for name, neutral in (("as they are", False), ("length_neutral=True", True)):
        reward = HALReward(scorer, guards=[], length_neutral=neutral)
        odds = reward.explain(prompts, [reply.target_texts[0] for reply in replies])["log_odds"].to_numpy()
        follows = [spearmanr(words[part], odds[part]).statistic for part in (is_human, ~is_human)]
        print(f"| {name} | {follows[0]:+.2f} / {follows[1]:+.2f} | {auc(is_human, odds):.4f} |")


def in_batches(reward: HALReward, replies: list) -> np.ndarray:
    """Rewards in random batches, shape `(n,)`."""
    order, found = np.random.default_rng(0).permutation(len(replies)), np.empty(len(replies))
    for start in range(0, len(order), _BATCH):
        part = order[start : start + _BATCH]
        found[part] = reward([chat_before(replies[i]) for i in part], [replies[i].target_texts[0] for i in part])
    return found


def is_asked(reply: Dialogue) -> bool:
    """Whether the other has asked by then who is talking: people rightly say "im human" there, as no model may."""
    others = [turn.text for turn in reply.turns[: reply.start] if turn.speaker != reply.target]
    return any(question_who_is_talking(text) is not None for text in others)


def chat_before(reply: Dialogue) -> list[dict[str, str]]:
    """What was said before a reply, as the prompt that a model would get."""
    roles = {True: "assistant", False: "user"}
    return [{"role": roles[turn.speaker == reply.target], "content": turn.text} for turn in reply.turns[: reply.start]]


def auc(is_human: np.ndarray, values: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(is_human, values))


def interval(group: np.ndarray, is_human: np.ndarray, values: np.ndarray, bare: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval over games of the AUC against the bare one."""
    rng, members = np.random.default_rng(0), {name: np.flatnonzero(group == name) for name in np.unique(group)}
    names, changes = list(members), []
    for _ in range(_RESAMPLES):
        part = np.concatenate([members[names[i]] for i in rng.integers(len(names), size=len(names))])
        changes.append(auc(is_human[part], values[part]) - auc(is_human[part], bare[part]))
    return tuple(np.percentile(changes, [2.5, 97.5]))


if __name__ == "__main__":
    typer.run(main)
