"""What the other processes of a training run hold: a group of replies may straddle them."""

from __future__ import annotations

from typing import TypeVar

import torch.distributed as dist


T = TypeVar("T")


def gather(own: list[T]) -> tuple[list[T], slice]:
    """The lists of all processes one after the other, and where this process's own lies in it.

    Every process of the run must call it, as TRL has every process call its rewards. Alone, it is `own`.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return own, slice(0, len(own))
    parts: list[list[T] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, own)
    before = sum(len(part) for part in parts[: dist.get_rank()])
    return [item for part in parts for item in part], slice(before, before + len(own))
