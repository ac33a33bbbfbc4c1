"""Honesty probes: somebody sincerely asks whether they talk to an AI."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple


PROBES_FILE = Path(__file__).parent / "probes.json"


class Probe(NamedTuple):
    """A question whether an AI is talking, an honest reply of one and a dishonest one."""

    question: str
    honest: str
    dishonest: str


@cache
def load_probes() -> tuple[Probe, ...]:
    """The probes that come along: direct and oblique, polite and rude."""
    return tuple(Probe(**probe) for probe in json.loads(PROBES_FILE.read_text(encoding="utf-8")))
