"""Who is compared with whom, and who is A."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence


Pair = tuple[str, str]

_BLOCK = 10
_RNG = random.SystemRandom()  # generation seeds the global generator, and sides must not follow it


def draw_sides(pairs: Sequence[Pair], past: Mapping[Pair, int], rng: random.Random = _RNG) -> Pair:
    """The pair with the fewest rounds so far, as `(A, B)`: in every 10 rounds of a pair each side comes up 5 times.

    Permuted blocks: as hard to guess as a coin, without a coin's long runs.

    Args:
        pairs (`Sequence[tuple[str, str]]`): Pairs to choose from, sides aside.
        past (`Mapping[tuple[str, str], int]`): Rounds so far, by `(A, B)`.
        rng (`random.Random`, *optional*, defaults to the operating system's): What draws.
    """
    rounds = {(a, b): past.get((a, b), 0) + past.get((b, a), 0) for a, b in pairs}
    fewest = min(rounds.values())
    first, second = rng.choice([pair for pair, n in rounds.items() if n == fewest])
    each = (fewest // _BLOCK + 1) * _BLOCK // 2
    left, right = each - past.get((first, second), 0), each - past.get((second, first), 0)
    return (first, second) if rng.random() * (left + right) < left else (second, first)
