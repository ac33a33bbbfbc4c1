"""Files that are there in whole or not at all: what an interrupted run leaves must not look finished."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


_UNFINISHED = ".unfinished"


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """A path beside `path`, with its suffix, to write to; moved into its place at the end, unless something failed."""
    draft = path.with_stem(path.stem + _UNFINISHED)
    yield draft
    draft.replace(path)


def is_draft(path: Path) -> bool:
    """Whether this is what [`draft_of`] writes to, or what an interrupted run left of it."""
    return path.stem.endswith(_UNFINISHED)


def write_json(path: Path, content: object) -> None:
    """Readable JSON in UTF-8, in whole or not at all."""
    with draft_of(path) as draft:
        draft.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """What [`write_json`] wrote."""
    return json.loads(path.read_text(encoding="utf-8"))
