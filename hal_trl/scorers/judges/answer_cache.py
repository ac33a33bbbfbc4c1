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

    A cache that fails (disk full, damaged file) says so once and steps aside: a run goes on without it.

    Args:
        folder (`str` or `Path`): Where it lies.

    Raises:
        `ImportError`: if `diskcache` is not installed.
    """

    def __init__(self, folder: str | Path):
        try:
            from diskcache import Cache, JSONDisk
        except ImportError as error:
            raise ImportError('LLM judges need diskcache: pip install "hal-trl[judge]"') from error

        self.folder = Path(folder)
        self._cache: Any = None
        try:
            self._cache = Cache(str(self.folder), disk=JSONDisk, eviction_policy="none", size_limit=2**60)
        except Exception as error:  # sqlite3, zlib and the file system each have their own
            self._give_up(error)

    def get(self, key: str) -> Any:
        """The answer kept under a key, or `ABSENT`."""
        if self._cache is None:
            return ABSENT
        try:
            return self._cache.get(key, default=ABSENT)
        except Exception as error:
            self._give_up(error)
            return ABSENT

    def put(self, key: str, answer: Any) -> None:
        if self._cache is None:
            return
        try:
            self._cache.set(key, answer)
        except Exception as error:
            self._give_up(error)

    def close(self) -> None:
        if self._cache is not None:
            self._cache.close()

    def _give_up(self, error: Exception) -> None:
        self._cache = None
        logger.warning(
            "The cache of answers in %s cannot be used (%r): the run goes on, new answers are not kept. Make room on "
            "the disk; if the cache is damaged, delete the folder.",
            self.folder,
            error,
        )


def key_of(*parts: Any) -> str:
    """A cache key: everything that an answer depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
