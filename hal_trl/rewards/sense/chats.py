"""What people wrote to each other for the Chit-Chat Challenge: much more of what answers what than games show."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path


_LONGEST_PROMPT, _LONGEST_REPLY = 18, 16  # words: everyday messages are short, and so is the training
_TURNS = 6  # in the others, somebody waits for an answer


def load_chats(path: str | Path) -> list[tuple[str, str]]:
    """Short messages and what the other person replied, 59 thousand; several messages in a row are one.

    Args:
        path (`str` or `Path`): `dataset.json` of the package `chitchat-dataset` (PyPI, MIT licence): 7,168 chats
            collected by the Perception, Control and Cognition lab of BYU.

    Raises:
        `FileNotFoundError`: if there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No chats at {path}; pip install chitchat-dataset brings them, as dataset.json.")
    pairs = []
    for chat in json.loads(path.read_text(encoding="utf-8")).values():
        said = [
            (block[0]["sender"], " ".join(message["text"].split())) for block in chat["messages"] for message in block
        ]
        pairs += _pairs(_turns(said))
    return pairs


def _turns(messages: list[tuple[str, str]]) -> list[str]:
    turns: list[tuple[str, list[str]]] = []
    for sender, text in messages:
        if text and turns and turns[-1][0] == sender:
            turns[-1][1].append(text)
        elif text:
            turns.append((sender, [text]))
    return [" ".join(texts) for _, texts in turns]


def _pairs(turns: list[str]) -> list[tuple[str, str]]:
    if len(turns) < _TURNS:
        return []
    return [
        (before, after)
        for before, after in pairwise(turns)
        if len(before.split()) <= _LONGEST_PROMPT and len(after.split()) <= _LONGEST_REPLY
    ]
