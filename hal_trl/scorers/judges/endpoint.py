"""`ChatEndpoint`: many questions to an OpenAI-compatible server, each answered once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from tqdm.auto import tqdm

from .answer_cache import AnswerCache
from .usage import Usage


_LOCK = threading.Lock()


@dataclass(frozen=True)
class ChatRequest:
    """One question.

    Args:
        key (`Any`):
            What the answer depends on besides the model, as JSON-able data; an answer is kept under it. Leave out what
            changes from call to call, such as a nonce.
        messages (`Callable`): Makes the chat messages when the question is asked.
        parse (`Callable`): Reads the text of an answer; returns JSON-able data, or raises `ValueError` with words that
            tell the model what to mend.
        schema (`dict`, *optional*): JSON schema of the answer, for servers that hold a model to it.
    """

    key: Any
    messages: Callable[[], list[dict[str, str]]]
    parse: Callable[[str], Any]
    schema: dict[str, Any] | None = None


@dataclass
class ChatEndpoint:
    """A model behind an OpenAI-compatible server: OpenAI, vLLM, TGI, Ollama, `transformers serve`.

    Sends up to `max_concurrency` requests at a time; waits as the server says (`Retry-After`) or longer each time with
    jitter after 429, 5xx, timeouts and lost connections; asks once more where an answer cannot be read. Every answer
    goes to a cache on disk at once, so that a run that was killed goes on where it was. Works from plain code, from a
    coroutine and from a notebook; picklable, and safe to call from several threads.

    Args:
        model (`str`): The server's name for it.
        base_url (`str`, *optional*, defaults to `OPENAI_BASE_URL`, then OpenAI): Such as `http://127.0.0.1:8000/v1`.
        api_key (`str`, *optional*, defaults to `OPENAI_API_KEY`): Not needed for most servers of one's own.
        cache_dir (`str` or `Path`, *optional*, defaults to `hal_trl/answers` in the Hugging Face home):
            Folder of the answers. They are kept by the server's name for the model, whichever server it is: where
            other weights go by the same name, give another folder.
        max_concurrency (`int`, *optional*, defaults to 64): Requests on their way at a time.
        timeout (`float`, *optional*, defaults to 120): Seconds until a request counts as lost.
        max_requests (`int`, *optional*), max_tokens (`int`, *optional*):
            Budget of this object. When it is spent, what is still unanswered stays so; what was answered is kept.
        temperature (`float`, *optional*), reasoning_effort (`str`, *optional*), extra_body (`dict`, *optional*):
            Passed to the server as they are.

    Raises:
        `ImportError`: without the extra `judge`.
        `ValueError`: with neither a key nor a server, or an option out of range.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    cache_dir: str | Path | None = None
    max_concurrency: int = 64
    timeout: float = 120.0
    max_requests: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    reasoning_effort: str | None = None
    extra_body: dict[str, Any] | None = None
    usage: Usage = field(default_factory=Usage, init=False)
    with_schema: bool = field(default=True, init=False, repr=False)  # until the server says that it cannot

    def __post_init__(self):
        try:
            import diskcache  # noqa: F401
            import openai  # noqa: F401
        except ImportError as error:
            raise ImportError(f'LLM judges need {error.name}: pip install "hal-trl[judge]"') from error
        self.base_url = self.base_url or os.environ.get("OPENAI_BASE_URL")
        self.api_key = self.api_key or os.environ.get("OPENAI_API_KEY")
        if not (self.api_key or self.base_url):
            raise ValueError(
                "A judge needs a server: set OPENAI_API_KEY or pass api_key= for OpenAI, or pass base_url= of your "
                "own, such as base_url='http://127.0.0.1:8000/v1' of `vllm serve` or `transformers serve`."
            )
        if self.max_concurrency < 1 or self.timeout <= 0:
            raise ValueError(
                f"max_concurrency is at least 1 and timeout above 0 seconds, not {self.max_concurrency} and "
                f"{self.timeout}."
            )
        if self.cache_dir is None:
            self.cache_dir = Path(constants.HF_HOME) / "hal_trl" / "answers"

    def answers(self, requests: Iterable[ChatRequest], total: int | None = None, description: str = "") -> list[Any]:
        """Ask everything, and return what `parse` made of the answers, in order; `None` without a usable one.

        Args:
            requests (`Iterable[ChatRequest]`): May be a generator: only those on their way are held.
            total (`int`, *optional*): How many there are, for the progress bar.
            description (`str`, *optional*): Label of the progress bar, which long work shows.

        Raises:
            `ConnectionError`: if no server answers the first request.
            `PermissionError`: if the server refuses the key, or has a quota and it is used up.
            `ValueError`: if it does not know the model, or refuses the first three questions whatever they are.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.aanswers(requests, total, description))
        with ThreadPoolExecutor(1) as pool:  # a notebook's loop, or a trainer's, is running here
            return pool.submit(asyncio.run, self.aanswers(requests, total, description)).result()

    async def aanswers(
        self, requests: Iterable[ChatRequest], total: int | None = None, description: str = ""
    ) -> list[Any]:
        """`answers`, to be awaited."""
        from .completions import opened
        from .run import Run

        cache = AnswerCache(self.cache_dir)
        bar = tqdm(total=total, desc=description, disable=(total or 0) < 100)
        try:
            async with opened(self) as completions:
                return await Run(self, completions, cache, bar).all(requests)
        finally:
            bar.close()
            cache.close()

    def settings(self) -> list[Any]:
        """What an answer depends on, whoever serves the model."""
        return [self.model, self.temperature, self.reasoning_effort, self.extra_body]

    def count(self, **what: int) -> None:
        """Add to the usage, from any thread."""
        with _LOCK:
            for name, number in what.items():
                setattr(self.usage, name, getattr(self.usage, name) + number)

    def spent(self) -> str | None:
        """The budget that is used up, if one is."""
        if self.max_requests is not None and self.usage.requests >= self.max_requests:
            return f"max_requests={self.max_requests}"
        if self.max_tokens is not None and self.usage.tokens >= self.max_tokens:
            return f"max_tokens={self.max_tokens}"
        return None
