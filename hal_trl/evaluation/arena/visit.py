"""What a rater does, and what the page shows then; knows nothing of Gradio."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .rounds import Arena
from .systems import UnansweredError
from .votes import Round, VotesError


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class View:
    """What a rater sees.

    Args:
        rater (`str`): Empty before the start.
        round ([`Round`], *optional*): What is judged now; `None` at the start, at the end, or out of reach.
        waiting (`str`, *optional*): A message on its way.
        draft (`str`, *optional*): What stands in the text field; `None` leaves there what the rater is typing.
        said (`str`), fault (`str`): Good news, bad news.
        retry (`bool`): Whether the rater may ask for the page's content again.
    """

    rater: str
    round: Round | None = None
    waiting: str | None = None
    draft: str | None = None
    said: str = ""
    fault: str = ""
    retry: bool = False

    @property
    def kept(self) -> dict[str, str]:
        """What the browser remembers: a name, and an id that says nothing about the systems."""
        return {"rater": self.rater, "round": self.round.id if self.round else ""}


def opened(arena: Arena, kept: Any) -> View:
    """The page is loaded: the round that waits goes on, also after a restart."""
    rater, id = _remembered(kept)
    if not rater:
        return View("")
    try:
        waits = arena.resume(id, rater)
    except VotesError as error:
        return View(rater, fault=_said(error), retry=True)
    return View(rater, waits) if waits else _next_round(arena, rater)


def started(arena: Arena, name: str) -> View:
    """The rater goes in, with a name or without."""
    name = name.encode("utf-8", "replace").decode().strip()
    return _next_round(arena, name or f"anonymous {secrets.token_hex(4)}")


def sent(arena: Arena, kept: Any, message: str) -> Iterator[View]:
    """The rater says something; after a fault it stands in the text field again."""
    rater, _ = _remembered(kept)
    before = opened(arena, kept)
    now = before.round
    if now is None or not message.strip():
        yield before
        return
    yield View(rater, now, waiting=message.strip(), draft="")
    try:
        yield View(rater, arena.say(now, message))
    except (UnansweredError, ValueError) as error:
        yield View(rater, now, draft=message, fault=_said(error))


def voted(arena: Arena, kept: Any, choice: str) -> View:
    """The rater has decided; the next round begins."""
    rater, _ = _remembered(kept)
    before = opened(arena, kept)
    now = before.round
    if now is None or not now.chat_a:
        return before
    try:
        arena.store.vote(now.id, choice)
    except VotesError as error:
        return View(rater, now, fault=_said(error))
    return _next_round(arena, rater, "Your vote is stored. Here are the next two; they may have changed sides.")


def _next_round(arena: Arena, rater: str, said: str = "") -> View:
    try:
        begun = arena.begin(rater)
    except (UnansweredError, VotesError) as error:
        return View(rater, fault=_said(error), retry=True)
    return View(rater, begun, said=said if begun else "You have judged everything there is. Thank you!")


def _said(error: Exception) -> str:
    """For raters; what the operator can mend goes to the log."""
    if isinstance(error, UnansweredError):
        return "One of the two did not answer. Nothing is lost: please try again."
    if isinstance(error, VotesError):
        logger.warning("%s", error)
        return "This could not be stored just now. Nothing is lost: please try again, or reload the page."
    return str(error)


def _remembered(kept: Any) -> tuple[str, str]:
    """Rater and round; anything may come from a browser."""
    kept = kept if isinstance(kept, dict) else {}
    rater, id = (value if isinstance(value := kept.get(key), str) else "" for key in ("rater", "round"))
    return rater, id
