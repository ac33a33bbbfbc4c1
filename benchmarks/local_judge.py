"""`LocalJudge` beside the same model writing its ratings as JSON: dialogues a second, and how far the two agree.

JSON is generated twice, in batches: freely, and with every key given so that only the numbers are the model's, as a
server with structured output does. Times are seconds of one core, or of the clock on a GPU.

    python benchmarks/local_judge.py
    python benchmarks/local_judge.py --data ../shared/data --n 40  # agreement with the rated games too
"""

import json
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from scipy.stats import spearmanr
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hal_trl import HL32Q, Dialogue, LocalJudge, TraitRatings
from hal_trl.alignment import load_chat_model
from hal_trl.scorers.games import TEACHER, load_games
from hal_trl.scorers.judges.prompt import parse_ratings, rating_messages


_EXCHANGES = Path(__file__).parents[1] / "tests" / "data" / "ordinary_exchanges.json"
_BATCH, _SEED = 8, 0


def main(
    model: Annotated[str | None, typer.Option(help="Hub id or folder, by default SmolLM2-135M-Instruct.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with turing_games.parquet.")] = None,
    n: Annotated[int, typer.Option(help="Dialogues.")] = 8,
    n_json: Annotated[int, typer.Option(help="How many of them are rated as JSON too, which is slow.")] = 8,
    n_alone: Annotated[int, typer.Option(help="How many are read anew for every trait.")] = 2,
) -> None:
    torch.set_num_threads(1)
    loaded, tokenizer = load_chat_model(model)
    clock = time.perf_counter if loaded.device.type == "cuda" else time.process_time
    dialogues, teacher = exchanges(n) if data is None else rated_games(data, n)
    judge = LocalJudge(loaded, tokenizer=tokenizer)
    judge.score(dialogues[:1])  # to warm up

    def timed(rate: Callable[[list[Dialogue]], Any], name: str, first: int) -> np.ndarray:
        start = clock()
        found = np.asarray(rate(dialogues[:first]))
        took = (clock() - start) / len(found)
        fastest.append(took)
        print(f"| {name} | {1 / took:.3f} | {took / fastest[0]:.1f}x |", flush=True)
        return found

    fastest: list[float] = []
    print(f"{loaded.config.name_or_path}, {len(HL32Q)} traits; LocalJudge on {len(dialogues)} dialogues")
    print("| how | dialogues a second | LocalJudge against it |\n|---|---|---|")
    generate = JSONRatings(loaded, tokenizer)
    single = [LocalJudge(loaded, HL32Q.select([i]), tokenizer) for i in HL32Q.ids]
    ours = timed(judge.score, "LocalJudge", n)
    written = timed(generate.free, f"JSON, free, batches of {_BATCH}", n_json)
    guided = timed(generate.guided, f"JSON, keys given, batches of {_BATCH}", n_json)
    apart = timed(
        lambda some: np.hstack([np.asarray(one.score(some)) for one in single]),
        "each trait a forward pass of its own",
        n_alone,
    )
    print(f"sharing the prefix changes a rating by at most {np.abs(ours[: len(apart)] - apart).max():.1e}")
    parsed = ~np.isnan(written).any(axis=1)
    print(f"free JSON that holds all ratings: {parsed.mean():.0%}")
    raters = {"LocalJudge": ours, "free JSON": written, "JSON with keys given": guided}
    if teacher is not None:
        raters[TEACHER] = np.asarray(teacher)
    for (one, a), (other, b) in combinations(raters.items(), 2):
        m = min(len(a), len(b))
        both = ~np.isnan(a[:m]).any(axis=1) & ~np.isnan(b[:m]).any(axis=1)
        if both.any():
            print(f"{one} and {other}: {agreement(a[:m][both], b[:m][both])}")


def exchanges(n: int) -> tuple[list[Dialogue], None]:
    rows = json.loads(_EXCHANGES.read_text(encoding="utf-8"))[:n]
    return [Dialogue.from_completion(row["prompt"], row["reply"]) for row in rows], None


def rated_games(data: Path, n: int) -> tuple[list[Dialogue], TraitRatings]:
    games = load_games(data / "turing_games.parquet")
    some = np.random.default_rng(_SEED).choice(np.flatnonzero(games.rated), n, replace=False)
    return [games.dialogues[i] for i in some], games.ratings[TEACHER][some]


class JSONRatings:
    """Ratings that the model writes out, shape `(n, 32)`, `nan` where they cannot be read."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase):
        self.model, self.tokenizer = model, tokenizer
        tokenizer.padding_side = "left"
        answers = [self._tokens(json.dumps(dict.fromkeys(HL32Q.ids, rating))) for rating in range(1, 6)]
        self.allowed = [sorted(set(column)) for column in zip(*answers, strict=True)]

    def free(self, dialogues: list[Dialogue]) -> np.ndarray:
        return self._generated(dialogues, max_new_tokens=len(self.allowed) + 32)  # room for a code fence

    def guided(self, dialogues: list[Dialogue]) -> np.ndarray:
        return self._generated(dialogues, guided=True, max_new_tokens=len(self.allowed))

    @torch.inference_mode()
    def _generated(self, dialogues: list[Dialogue], guided: bool = False, **options) -> np.ndarray:
        rows = []
        for start in range(0, len(dialogues), _BATCH):
            chats = [rating_messages(d, HL32Q, f"{start:08x}") for d in dialogues[start : start + _BATCH]]
            inputs = self.tokenizer.apply_chat_template(
                chats, add_generation_prompt=True, padding=True, return_dict=True,
                return_tensors="pt",
            ).to(self.model.device)  # fmt: skip
            length = inputs["input_ids"].shape[1]
            if guided:
                options["prefix_allowed_tokens_fn"] = lambda _, ids, length=length: self.allowed[len(ids) - length]
            answers = self.model.generate(**inputs, do_sample=False, **options)[:, length:]
            rows += [self._read(text) for text in self.tokenizer.batch_decode(answers, skip_special_tokens=True)]
        return np.array(rows)

    def _read(self, text: str) -> list[float]:
        try:
            found = parse_ratings(text, HL32Q)
        except ValueError:
            return [np.nan] * len(HL32Q)
        return [found[i] for i in HL32Q.ids]

    def _tokens(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]


def agreement(a: np.ndarray, b: np.ndarray) -> str:
    both = [i for i in range(a.shape[1]) if np.ptp(a[:, i]) > 0 and np.ptp(b[:, i]) > 0]
    rho = [spearmanr(a[:, i], b[:, i]).statistic for i in both]
    shown = (
        f"mean Spearman {np.mean(rho):+.2f} over the {len(both)} traits that vary in both" if both else "none varies"
    )
    return f"{shown}; mean absolute difference {np.abs(a - b).mean():.2f} ({len(a)} dialogues)"


if __name__ == "__main__":
    typer.run(main)
