"""`VoteStore`: every round of an arena in one SQLite file, from its first message to its vote."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from ..votes import VERDICTS
from .sides import Pair, draw_sides


Chat = list[dict[str, str]]

CHOICES = tuple(VERDICTS)
"""What a rater can say, from the one end to the other."""

_APPLICATION = 0x48414C41  # "HALA", in the file's header: nobody else's database is taken for votes
_COLUMNS = "id, started, rater, item, system_a, system_b, chat_a, chat_b, choice, voted"
_SCHEMA = f"""
CREATE TABLE rounds (
    id TEXT PRIMARY KEY, started TEXT NOT NULL, rater TEXT NOT NULL, item TEXT NOT NULL,
    system_a TEXT NOT NULL, system_b TEXT NOT NULL, chat_a TEXT NOT NULL, chat_b TEXT NOT NULL,
    choice TEXT, voted TEXT
);
CREATE TABLE replies (system TEXT, prompt TEXT, reply TEXT NOT NULL, PRIMARY KEY (system, prompt));
PRAGMA application_id = {_APPLICATION};
"""


class VotesError(ValueError):
    """The votes cannot be read or written now; what was stored stays as it is."""


@dataclass(frozen=True)
class Round:
    """Two hidden systems side by side, before one rater.

    Args:
        id (`str`): Its name in the store.
        started (`str`): When, ISO 8601 in UTC.
        rater (`str`): Who.
        item (`str`): What was judged: equal for raters who read the same two replies.
        system_a (`str`), system_b (`str`): Who is A, who is B.
        chat_a (`list[dict]`), chat_b (`list[dict]`): Chat messages (`role`, `content`).
        choice (`str`, *optional*): One of [`CHOICES`], `None` before the vote.
        voted (`str`, *optional*): When.
    """

    id: str
    started: str
    rater: str
    item: str
    system_a: str
    system_b: str
    chat_a: Chat
    chat_b: Chat
    choice: str | None = None
    voted: str | None = None


class VoteStore:
    """Rounds and votes in a SQLite file; threads and processes may share it.

    Every change is one transaction that is on disk before the call returns.

    Args:
        path (`str` or `Path`): The file; made with its folder if it does not exist.
        timeout (`float`, *optional*, defaults to 10.0): Seconds to wait while another process writes.

    Raises:
        `VotesError`: if the file is damaged, is something else, or stays locked. It is never changed or replaced then.
    """

    def __init__(self, path: str | Path, timeout: float = 10.0):
        self.path, self.timeout = Path(path).expanduser().resolve(), timeout
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()
        with self._transaction() as connection:
            owner = connection.execute("PRAGMA application_id").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if owner != _APPLICATION and (owner or tables):
                raise VotesError(f"{self.path} is a database of something else. Pass another file for the votes.")
            if not tables:
                for statement in _SCHEMA.split(";\n"):
                    connection.execute(statement)
            faults = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if faults != "ok":
                raise self._damaged(faults)

    def start(
        self,
        rater: str,
        pairs: Sequence[Pair],
        item: str | None = None,
        chats: Mapping[str, Chat] | None = None,
    ) -> Round:
        """Begin a round with a pair that had few, on sides drawn by [`~hal_trl.evaluation.arena.sides.draw_sides`].

        Args:
            rater (`str`): Who judges.
            pairs (`Sequence[tuple[str, str]]`): Pairs of systems to choose from.
            item (`str`, *optional*, defaults to the round's id): What is judged, where others judge it, too.
            chats (`Mapping[str, list]`, *optional*, defaults to nothing said): Messages by system.
        """
        id, chats = uuid.uuid4().hex, chats or {}
        with self._transaction() as connection:
            past = connection.execute("SELECT system_a, system_b, count(*) FROM rounds GROUP BY 1, 2").fetchall()
            a, b = draw_sides(pairs, {(a, b): n for a, b, n in past})
            begun = Round(id, _now(), rater, item or id, a, b, chats.get(a, []), chats.get(b, []))
            row = (begun.id, begun.started, rater, begun.item, a, b, _dump(begun.chat_a), _dump(begun.chat_b))
            connection.execute(f"INSERT INTO rounds ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)", row)
        return begun

    def get(self, id: str) -> Round | None:
        """The round, or `None` if there is none of that id."""
        with self._reading() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM rounds WHERE id = ?", (id,)).fetchone()
        return None if row is None else _round(row)

    def say(self, before: Round, chat_a: Chat, chat_b: Chat) -> Round:
        """Replace what was said in a round.

        Raises:
            `VotesError`: if it is not as it was: voted on, or continued in another window.
        """
        with self._transaction() as connection:
            changed = connection.execute(
                "UPDATE rounds SET chat_a = ?, chat_b = ? "
                "WHERE id = ? AND chat_a = ? AND chat_b = ? AND choice IS NULL",
                (_dump(chat_a), _dump(chat_b), before.id, _dump(before.chat_a), _dump(before.chat_b)),
            ).rowcount
            if not changed:
                raise VotesError("This conversation went on in another window. Reload the page to see it.")
        return self.get(before.id)

    def vote(self, id: str, choice: str) -> Round:
        """Store a vote; the first one for a round counts.

        Raises:
            `ValueError`: if the choice or the round is unknown.
        """
        if choice not in CHOICES:
            raise ValueError(f"A vote is one of {', '.join(CHOICES)}, not {choice!r}.")
        with self._transaction() as connection:
            connection.execute(
                "UPDATE rounds SET choice = ?, voted = ? WHERE id = ? AND choice IS NULL", (choice, _now(), id)
            )
        voted = self.get(id)
        if voted is None:
            raise ValueError("There is no such round in the votes file. Reload the page.")
        return voted

    def judged(self, rater: str) -> set[str]:
        """Items this rater has voted on."""
        with self._reading() as connection:
            rows = connection.execute("SELECT item FROM rounds WHERE rater = ? AND choice IS NOT NULL", (rater,))
            return {item for (item,) in rows}

    def reply(self, system: str, prompt: str) -> str | None:
        """The reply kept for a prompt, so that all raters read the same one."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT reply FROM replies WHERE system = ? AND prompt = ?", (system, prompt)
            ).fetchone()
        return None if row is None else row[0]

    def keep_reply(self, system: str, prompt: str, reply: str) -> str:
        """Keep a reply unless there is one; returns the one that is kept."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO replies VALUES (?, ?, ?)", (system, prompt, reply))
        return self.reply(system, prompt)

    def votes(self) -> pd.DataFrame:
        """All votes, oldest first: the columns of [`Round`], chats as lists of messages."""
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM rounds WHERE choice IS NOT NULL ORDER BY voted, id"
            ).fetchall()
        return pd.DataFrame([vars(_round(row)) for row in rows], columns=_COLUMNS.split(", "))

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """A connection of its own for each: cheap beside a person's vote, and safe in any thread."""
        try:
            # rw, not rwc: a file that was taken away is an error, not an empty arena.
            with closing(
                sqlite3.connect(f"{self.path.as_uri()}?mode=rw", self.timeout, isolation_level=None, uri=True)
            ) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(begin)
                try:
                    yield connection
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise VotesError(
                f"The votes in {self.path} cannot be reached now ({error}). If another program holds the file, close "
                "it; check that the file is there and the disk is not full; then try again. Nothing was lost."
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Readers neither wait for a writer nor hold one up."""
        return self._transaction("BEGIN")

    def _damaged(self, why: object) -> VotesError:
        return VotesError(
            f"{self.path} is damaged or no votes file ({why}); it was left as it is. Pass another file, or bring back "
            "a copy; `sqlite3 FILE .recover` saves what can be read."
        )


def _round(row: tuple) -> Round:
    id, started, rater, item, a, b, chat_a, chat_b, choice, voted = row
    return Round(id, started, rater, item, a, b, json.loads(chat_a), json.loads(chat_b), choice, voted)


def _dump(chat: Chat) -> str:
    return json.dumps(chat, ensure_ascii=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
