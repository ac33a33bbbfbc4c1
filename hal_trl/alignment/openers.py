"""Everyday chat openers to train on and to hold out, written for this project."""

from __future__ import annotations

import json
from importlib import resources


def load_openers(split: str) -> list[str]:
    """First messages of casual chats.

    Args:
        split (`str`): `"train"` (240) or `"held_out"` (80); the two share no opener.

    Raises:
        `ValueError`: for another split.
    """
    splits = json.loads(resources.files(__package__).joinpath("openers.json").read_text(encoding="utf-8"))
    if split not in splits:
        raise ValueError(f"Unknown split {split!r}; choose one of {sorted(splits)}.")
    return splits[split]
