"""Conversations and results as HTML; every text from people and models is escaped."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .agreement import RewardAgreement
from .results import ArenaResults
from .votes import Chat, Round


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def conversation_html(shown: Round | None, waiting: str | None = None, reading: bool = False) -> str:
    """What was said, A and B side by side; never who they are.

    Args:
        shown ([`Round`], *optional*): `None` shows nothing said.
        waiting (`str`, *optional*): A message that is not answered yet.
        reading (`bool`, *optional*, defaults to `False`): Whether the questions are given, not the rater's own.
    """
    turns: list[tuple[str, str | None, str | None]] = []
    if shown is not None:
        asked = _texts(shown.chat_a, "user")
        turns += zip(asked, _texts(shown.chat_a, "assistant"), _texts(shown.chat_b, "assistant"), strict=True)
    if waiting is not None:
        turns.append((waiting, None, None))
    return _TEMPLATES.get_template("conversation.html").render(turns=turns, asker="Question" if reading else "You")


def notice_html(said: str, fault: str) -> str:
    """One line below the conversation."""
    return _TEMPLATES.get_template("notice.html").render(said=said, fault=fault)


def results_html(results: ArenaResults | None, reward: RewardAgreement | None) -> str:
    """The results page; `reward` is `None` while HALReward is reading."""
    if results is None:
        return '<p class="empty">No votes yet.</p>'
    systems = results.systems.rename_axis("system").reset_index()
    for count in ("wins", "ties", "losses"):
        systems[count] = systems[count].astype(int)
    return _TEMPLATES.get_template("results.html").render(
        results=results,
        reward=reward,
        systems=systems.to_dict("records"),
        pairs=results.pairs.to_dict("records"),
    )


def _texts(chat: Chat, role: str) -> list[str]:
    return [message["content"] for message in chat if message["role"] == role]
