"""Replies to score that no cache has seen: halves of the bundled exchanges' replies, put together anew."""

import numpy as np

from hal_trl.rewards.sense.fitting import load_exchanges


def made_up_replies(n: int, seed: int) -> tuple[list[str], list[str]]:
    """`n` prompts, in groups of eight alike as GRPO has them, and `n` replies."""
    rng = np.random.default_rng(seed)
    pairs = load_exchanges()
    prompts = [pairs[i][0] for i in np.repeat(rng.integers(len(pairs), size=n // 8 + 1), 8)[:n]]
    said = [reply.split() for _, reply in pairs]
    halves = rng.integers(len(said), size=(n, 2))
    replies = [" ".join(said[i][: len(said[i]) // 2 + 1] + said[j][len(said[j]) // 2 :]) for i, j in halves]
    return prompts, replies


def made_up_dialogues(n: int, seed: int) -> tuple[list[str], list[list[dict[str, str]]]]:
    """`n` prompts and `n` completions of five messages each."""
    prompts, replies = made_up_replies(5 * n, seed)
    said = [{"role": "assistant", "content": reply} for reply in replies]
    return prompts[:n], [said[5 * i : 5 * i + 5] for i in range(n)]
