"""Load and scoring time of `HALReward()` beside a scikit-learn TF-IDF + ridge pipeline, on one core.

python benchmarks/reward_speed.py
"""

import statistics
import time

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from hal_trl import HALReward
from hal_trl.alignment import load_openers


BATCH, ROUNDS = 64, 30


def milliseconds_a_reply(function) -> float:
    """Median over rounds, after one to warm up."""
    times = []
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:]) / BATCH


def main() -> None:
    torch.set_num_threads(1)
    start = time.perf_counter()
    reward = HALReward()
    loading = time.perf_counter() - start

    openers = load_openers("train")
    replies, prompts = openers[:BATCH], openers[BATCH : 2 * BATCH]
    pipeline = make_pipeline(TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), lowercase=False), Ridge())
    pipeline.fit(openers, np.random.default_rng(0).normal(size=(len(openers), len(reward.scorer.traits))))

    ours = milliseconds_a_reply(lambda: reward(prompts=prompts, completions=replies))
    theirs = milliseconds_a_reply(lambda: pipeline.predict(replies))
    print(f"loading HALReward() after imports: {loading:.2f} s")
    print(f"HALReward, guards included:        {ours:.3f} ms a reply (batches of {BATCH}, one core)")
    print(f"scikit-learn TF-IDF + ridge:       {theirs:.3f} ms a reply")
    print(f"ratio:                             {theirs / ours:.2f}")


if __name__ == "__main__":
    main()
