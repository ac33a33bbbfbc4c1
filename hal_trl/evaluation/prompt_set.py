"""What the systems are asked: bundled prompts, or a user's file; with people's replies where there are any."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ..alignment import load_openers
from ..alignment.candidates import Chat, as_chat, read_rows
from ..alignment.grpo import chat
from ..rewards.audit import load_cases


REFERENCE = "reference"


@dataclass(frozen=True)
class PromptSet:
    """Prompts, all different.

    Args:
        name (`str`): What a report calls them.
        chats (`list` of chat messages): What a system sees.
        references (`list[str]`, *optional*): What a person replied, one per prompt.
    """

    name: str
    chats: list[Chat]
    references: list[str] | None = None

    @property
    def texts(self) -> list[str]:
        """The last thing each user said."""
        return [last_user_message(messages) for messages in self.chats]

    @property
    def fingerprint(self) -> str:
        """Of what a system sees: other prompts, another fingerprint."""
        return hashlib.sha256(json.dumps(self.chats).encode()).hexdigest()[:16]

    def first(self, n: int | None) -> PromptSet:
        """The first `n` prompts, or all of them."""
        return PromptSet(self.name, self.chats[:n], self.references and self.references[:n])


def load_prompt_set(source: str | Path = "openers", prompt_column: str = "prompt") -> PromptSet:
    """Read prompts.

    Args:
        source (`str` or `Path`, *optional*, defaults to `"openers"`): `"openers"` for the 80 held-out openers,
            `"cases"` for the audit's 112 prompts with people's replies, or a Parquet or JSON-lines file with texts or
            chat messages, and people's replies in the column `reference` if it has them.
        prompt_column (`str`, *optional*, defaults to `"prompt"`): Column of the prompts.

    Raises:
        `FileNotFoundError`: if there is no such file.
        `ValueError`: if a column is missing, a prompt is empty, or a reference is no text.
    """
    if source == "openers":
        return PromptSet("hal_trl openers (held out)", [chat(text) for text in load_openers("held_out")])
    if source == "cases":
        cases = load_cases()
        return PromptSet("hal_trl audit cases", [chat(c.prompt) for c in cases], [c.human for c in cases])
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"No prompts at {path}: pass openers, cases, or a Parquet or JSON-lines file.")
    frame = read_rows(path, (prompt_column,))
    frame["chat"] = [as_chat(prompt) for prompt in frame[prompt_column]]
    empty = [row for row, messages in enumerate(frame["chat"]) if not last_user_message(messages).strip()]
    if empty:
        raise ValueError(f"{path}: nobody says anything in {len(empty)} prompts, first in row {empty[0]}.")
    # Repeated prompts would count a system's favourite reply twice.
    frame = frame[~frame["chat"].map(json.dumps).duplicated()]
    references = frame[REFERENCE].tolist() if REFERENCE in frame else None
    if references is not None and not all(isinstance(text, str) and text.strip() for text in references):
        raise ValueError(f"{path}: {REFERENCE} is a person's reply, a text in every row, or no column at all.")
    return PromptSet(path.name, frame["chat"].tolist(), references)


def last_user_message(messages: Chat) -> str:
    """The text of the last user message; empty without one."""
    return next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
