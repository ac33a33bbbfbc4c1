"""Answers that were paid for once, kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any


logger = logging.getLogger(__name__)

ABSENT = object()


class AnswerCache:
    """A folder of JSON answers, safe for several processes; written at once, so that nothing answered is asked twice.

    A cache that fails (disk full, damaged file) says so once, and a run goes on: what can be kept still is. Nothing in
    the folder is unpickled, whoever may have written there.

    Args:
        folder (`str` or `Path`): Where it lies.
    """

    def __init__(self, folder: str | Path):
        from diskcache import Cache, JSONDisk
        from diskcache.core import MODE_PICKLE

        class PlainJSON(JSONDisk):
            def fetch(self, mode: int, *args: Any) -> Any:
                if mode == MODE_PICKLE:
                    raise ValueError("a pickle among the answers")
                return super().fetch(mode, *args)

        self.folder = Path(folder)
        self._cache: Any = None
        self._said = False
        try:
            self._cache = Cache(str(self.folder), disk=PlainJSON, eviction_policy="none", size_limit=2**60)
        except Exception as error:  # sqlite3, zlib and the file system each have their own
            self._say(error)

    def get(self, key: str) -> Any:
        """The answer kept under a key, or `ABSENT`."""
        if self._cache is None:
            return ABSENT
        try:
            return self._cache.get(key, default=ABSENT)
        except Exception as error:
            self._say(error)
            return ABSENT

    def put(self, key: str, answer: Any) -> None:
        if self._cache is None:
            return
        try:
            self._cache.set(key, answer)
        except Exception as error:
            self._say(error)

    def close(self) -> None:
        if self._cache is not None:
            self._cache.close()

    def _say(self, error: Exception) -> None:
        if not self._said:
            logger.warning(
                "The cache of answers in %s cannot be used (%r): the run goes on, new answers may not be kept. Make "
                "room on the disk; if the cache is damaged, delete the folder.",
                self.folder,
                error,
            )
        self._said = True


def key_of(*parts: Any) -> str:
    """A cache key: everything that an answer depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
