"""The finder: a language model that sees a person and an AI side by side and says what tells them apart."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..dialogue import Dialogue
from ..scorers.judges.prompt import delimited, key_of_dialogue, new_nonce, quoting, read_answer
from .pairs import Pairs, some_of


if TYPE_CHECKING:
    from ..scorers.judges.endpoint import ChatEndpoint


logger = logging.getLogger(__name__)

PROMPT_VERSION = 2
"""Part of the cache key: raise it when a change of wording makes kept answers worthless."""

LONGEST = 200
"""Characters of a statement, at most."""

_FEWEST, _MOST = 3, 5

_SYSTEM = """\
You see two dialogues, A and B. In each, look at the speaker of the turns with "rated": true; the other turns are \
context. One of these two speakers is a person, the other an AI. Decide which one is the person, and say by what: \
{fewest} to {most} statements about how that speaker talks, which do not hold for the other speaker.

A statement is one short sentence about one thing. It is general: it can be checked in any other dialogue, so it \
mentions no name, no topic of these dialogues, and neither A nor B.

{quoting} There are two such parts, A and B.

Answer with one JSON object and nothing else: {{"human": "A" or "B", "statements": ["...", ...]}}"""


def find_statements(pairs: Pairs, endpoint: ChatEndpoint, seed: int = 0) -> pd.DataFrame:
    """Ask about every pair; the finder does not know which side is the person's (HAL, section 3).

    Args:
        pairs ([`~hal_trl.discovery.pairs.Pairs`]): The pairs.
        endpoint ([`~hal_trl.scorers.judges.endpoint.ChatEndpoint`]): The model to ask.
        seed (`int`, *optional*, defaults to 0): Decides, with the pair's id, which side is shown first.

    Returns:
        `pandas.DataFrame` with a row per statement: `pair_id`, `statement`, and `correct`, whether the finder took
        the person for the person. A pair without a usable answer has no row.

    Raises:
        `ValueError`: if the budget of the endpoint is spent before all is answered, or no pair has a usable answer.
    """
    sides = pairs.sides()
    answers = endpoint.answers(_requests(sides, seed), len(sides), "finding")
    if None in answers and endpoint.spent():
        raise ValueError(
            f"The budget {endpoint.spent()} is spent before every pair was looked at. Raise it and run again: what "
            "was answered is kept."
        )
    rows = [
        {
            "pair_id": pair_id,
            "statement": statement,
            "correct": (answer["human"] == "A") == person_first(pair_id, seed),
        }
        for (pair_id, _, _), answer in zip(sides, answers, strict=True)
        if answer is not None
        for statement in answer["statements"]
    ]
    silent = [pair_id for (pair_id, _, _), answer in zip(sides, answers, strict=True) if answer is None]
    if silent:
        logger.warning(
            "%d of %d pairs have no usable answer and so no statement: %s", len(silent), len(sides), some_of(silent)
        )
    if not rows:
        raise ValueError(f"{endpoint.model} gave no usable answer for any of {len(sides)} pairs; try another model.")
    return pd.DataFrame(rows)


def person_first(pair_id: object, seed: int) -> bool:
    """Whether the person's dialogue of a pair is shown as A."""
    return hashlib.sha256(f"{seed} {pair_id}".encode()).digest()[0] % 2 == 0


def _requests(sides: list[tuple[object, Dialogue, Dialogue]], seed: int) -> Iterator[Any]:
    from ..scorers.judges.endpoint import ChatRequest

    for pair_id, person, machine in sides:
        shown = (person, machine) if person_first(pair_id, seed) else (machine, person)
        texts = [key_of_dialogue(dialogue) for dialogue in shown]
        yield ChatRequest(
            key=["finding", PROMPT_VERSION, texts],
            messages=partial(finding_messages, *shown),
            parse=parse_finding,
            schema=_SCHEMA,
        )


def finding_messages(a: Dialogue, b: Dialogue) -> list[dict[str, str]]:
    """Chat messages that ask which of two dialogues is a person's, quoted behind a delimiter that nobody can know."""
    nonce = new_nonce()
    system = _SYSTEM.format(fewest=_FEWEST, most=_MOST, quoting=quoting(nonce))
    shown = f"Dialogue A\n{delimited(a, nonce)}\n\nDialogue B\n{delimited(b, nonce)}"
    return [{"role": "system", "content": system}, {"role": "user", "content": shown}]


_SCHEMA = {
    "type": "object",
    "properties": {
        "human": {"type": "string", "enum": ["A", "B"]},
        "statements": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["human", "statements"],
    "additionalProperties": False,
}


def parse_finding(text: str) -> dict[str, Any]:
    """Read an answer: `{"human": "A" or "B", "statements": [...]}`, alone or with prose around it.

    Raises:
        `ValueError`: if it is none, in words that tell the model what to mend.
    """
    return read_answer(text, _finding_in)


def _finding_in(found: Any) -> dict[str, Any]:
    if not isinstance(found, Mapping) or found.get("human") not in ("A", "B"):
        raise ValueError('there is no JSON object with "human": "A" or "B" in it')
    statements = found.get("statements")
    if not isinstance(statements, list) or not all(isinstance(s, str) for s in statements):
        raise ValueError('"statements" is no list of texts')
    statements = list(dict.fromkeys(filter(None, map(one_line, statements))))
    if len(statements) < _FEWEST:
        raise ValueError(f"there are {len(statements)} statements in it, not {_FEWEST} to {_MOST}")
    if any(len(s) > LONGEST for s in statements):
        raise ValueError(f"a statement is longer than {LONGEST} characters")
    return {"human": found["human"], "statements": statements[:_MOST]}


def one_line(text: str) -> str:
    """The text with every white space, line ends included, as one blank, and without what cannot be printed."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())
