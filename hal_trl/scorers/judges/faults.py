"""What comes back from a server that is no answer, and what it means for the questions that are left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


_LONGEST_WAIT = 600.0
_SHORTEST_KEY = 8


class NoResponseError(Exception):
    """A request that was lost: no connection, a timeout, or something back that is no completion.

    Args:
        text (`str`): What happened.
        timed_out (`bool`, *optional*, defaults to `False`): The server was there and did not answer in time.
    """

    def __init__(self, text: str, timed_out: bool = False):
        super().__init__(text)
        self.timed_out = timed_out


class RefusedError(Exception):
    """A response that says no.

    Args:
        status (`int`): HTTP status.
        text (`str`): Body of the response.
        wait (`float`, *optional*): Seconds that the server asks to wait.
    """

    def __init__(self, status: int, text: str = "", wait: float | None = None):
        error = _parsed(text)
        error = error.get("error", error) if isinstance(error, Mapping) else error
        said = error.get("message") if isinstance(error, Mapping) else None
        detail = said if isinstance(said, str) else text.strip()
        super().__init__(f"HTTP {status}" + (f": {detail:.300}" if detail else ""))
        self.status, self.wait = status, wait
        # "Payment required", and OpenAI's 429 that no waiting helps.
        self.out_of_quota = status == 402 or (isinstance(error, Mapping) and error.get("code") == "insufficient_quota")


class StoppedError(Exception):
    """A request that was not sent any more."""


def passes(error: BaseException) -> bool:
    """Whether the same request may be answered the next time."""
    if isinstance(error, RefusedError):
        return (error.status == 429 and not error.out_of_quota) or error.status >= 500
    return isinstance(error, NoResponseError)


def explained(error: Exception, where: str, model: str) -> Exception:
    """What to do about a fault that every request would meet."""
    if isinstance(error, NoResponseError) and error.timed_out:
        return ConnectionError(f"{where} takes requests and answers none: {error}.")
    if isinstance(error, NoResponseError):
        return ConnectionError(f"No server answers at {where}. Is it running, and is base_url right? ({error})")
    if error.status == 404:
        return ValueError(f"{where} does not know the model {model!r}, or base_url lacks its /v1 ({error}).")
    if error.out_of_quota:
        return PermissionError(f"{where} says that the quota of this key is used up ({error}).")
    if error.status == 401:
        return PermissionError(f"{where} refuses the key. Pass api_key= or set OPENAI_API_KEY ({error}).")
    if error.status == 403:
        return PermissionError(f"{where} does not allow this key to ask this of {model!r} ({error}).")
    return ValueError(
        f"{where} refuses one question after another and has answered none ({error}). Does {model!r} take what it is "
        "sent, such as temperature=, reasoning_effort= and extra_body=?"
    )


def without_key(text: str, key: str | None) -> str:
    """What a server says, fit for a log; a few words such as "EMPTY" stand for no key and are no secret."""
    return text.replace(key, "[api_key]") if key and len(key) >= _SHORTEST_KEY else text


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """`Retry-After`, where it is a number."""
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return min(seconds, _LONGEST_WAIT) if seconds >= 0 else None


def text_of(completion: Any) -> str:
    """What the model said in a completion; empty where it refused or said nothing.

    Raises:
        `NoResponseError`: if it is none. It may be whole the next time.
    """
    try:
        choices = completion["choices"]
        content = choices[0]["message"]["content"] if choices else ""
    except (TypeError, KeyError, IndexError):
        choices = content = None
    if choices is None or not isinstance(content, str | None):
        raise NoResponseError(f"unreadable response: {completion!r:.80}")
    return content or ""


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
