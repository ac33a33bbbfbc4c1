"""`Arena`: what happens between a rater and two hidden systems, whatever shows it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

from .sides import Pair
from .systems import System, UnansweredError
from .votes import Chat, Round, VoteStore


logger = logging.getLogger(__name__)

MAX_TURNS = 20
MAX_CHARACTERS = 2000


class Arena:
    """Rounds between systems: chats, or, with prompts, two replies to read.

    With prompts all raters read the same replies in the same order, so that their agreement can be measured.

    Args:
        systems (`Sequence[System]`): At least two, of different names.
        store ([`VoteStore`]): Where rounds and votes go.
        prompts (`Sequence[str]`, *optional*): Read replies to these instead of chatting.

    Raises:
        `ValueError`: if there are not two systems, or two of one name.
    """

    def __init__(self, systems: Sequence[System], store: VoteStore, prompts: Sequence[str] = ()):
        self.systems = {system.name: system for system in systems}
        if len(self.systems) < max(2, len(systems)):
            raise ValueError(f"An arena compares two or more different systems, not {[s.name for s in systems]}.")
        self.store, self.prompts = store, list(dict.fromkeys(map(_plain, prompts)))
        self._pairs = list(combinations(sorted(self.systems), 2))

    def resume(self, id: str, rater: str) -> Round | None:
        """The round if it waits for this rater's vote and its systems are here, else `None`."""
        found = self.store.get(id)
        waits = found is not None and found.choice is None and found.rater == rater
        return found if waits and {found.system_a, found.system_b} <= set(self.systems) else None

    def begin(self, rater: str) -> Round | None:
        """A new round for a rater; `None` once all replies are read.

        Raises:
            [`UnansweredError`]: if a system does not give the reply to read.
        """
        if not self.prompts:
            return self.store.start(rater, self._pairs)
        judged = self.store.judged(rater)
        for item, prompt, pair in self._items():
            if item not in judged:
                replies = self._ask(pair, [[_message("user", prompt)]] * 2, prompt)
                chats = {
                    name: [_message("user", prompt), _message("assistant", reply)]
                    for name, reply in zip(pair, replies, strict=True)
                }
                return self.store.start(rater, [pair], item, chats)
        return None

    def say(self, before: Round, text: str) -> Round:
        """A turn of the rater, and both answers: both are stored or neither, so a failed turn can be repeated.

        Raises:
            [`UnansweredError`]: if a system does not answer.
            `ValueError`: if the message is empty or too long, or the chat has had 20 turns.
        """
        text = _plain(text)
        if not text or len(text) > MAX_CHARACTERS:
            raise ValueError(f"A message has 1 to {MAX_CHARACTERS} characters.")
        if len(before.chat_a) >= 2 * MAX_TURNS:
            raise ValueError(f"A conversation has at most {MAX_TURNS} turns. Please vote.")
        chats = [[*chat, _message("user", text)] for chat in (before.chat_a, before.chat_b)]
        replies = self._ask((before.system_a, before.system_b), chats)
        answered = [[*chat, _message("assistant", reply)] for chat, reply in zip(chats, replies, strict=True)]
        return self.store.say(before, *answered)

    def _items(self) -> Iterator[tuple[str, str, Pair]]:
        for prompt in self.prompts:
            for pair in self._pairs:
                item = hashlib.sha256("\n".join([*pair, prompt]).encode()).hexdigest()[:16]
                yield item, prompt, pair

    def _ask(self, names: Pair, chats: Sequence[Chat], kept_under: str | None = None) -> list[str]:
        """Both at a time, and no answer before both are there: the time it takes would tell them apart."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(self._answer, names, chats, [kept_under] * 2))

    def _answer(self, name: str, chat: Chat, prompt: str | None) -> str:
        kept = None if prompt is None else self.store.reply(name, prompt)
        if kept is not None:
            return kept
        try:
            reply = _plain(self.systems[name].reply(chat))
        except Exception as error:  # whatever a system dies of, the rater's session goes on
            logger.warning("%s did not answer: %s", name, error)
            raise UnansweredError("One of the two did not answer.") from error
        return reply if prompt is None else self.store.keep_reply(name, prompt, reply)


def _plain(text: str) -> str:
    """Half of a surrogate pair, as cutting a text may leave it, can neither be stored nor exported."""
    return text.encode("utf-8", "replace").decode("utf-8").strip()


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
