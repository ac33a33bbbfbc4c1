"""`ChatEndpoint`: many questions to an OpenAI-compatible server, each answered once."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import constants
from tqdm.auto import tqdm

from .answer_cache import ABSENT, AnswerCache, key_of


if TYPE_CHECKING:
    from openai import AsyncOpenAI


logger = logging.getLogger(__name__)

_ATTEMPTS = 8
_LONGEST_WAIT = 60.0
_PATIENCE = 600.0  # seconds that a rate limit may last without one answer
_LOST = 3  # questions in a row that end without a response: then the server is gone
_LISTED = 10
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
class Usage:
    """What an endpoint has been asked so far.

    Args:
        requests (`int`): Requests sent, repeated ones included.
        answered (`int`), cached (`int`), failed (`int`): Questions with a new answer, with one kept from before, and
            without a usable one.
        prompt_tokens (`int`), completion_tokens (`int`): As the server counts them.
    """

    requests: int = 0
    answered: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def cost(self, prices: tuple[float, float]) -> float:
        """In the currency of `prices`, which are per million prompt and completion tokens."""
        return (self.prompt_tokens * prices[0] + self.completion_tokens * prices[1]) / 1e6

    def __str__(self) -> str:
        return (
            f"{self.answered} answered, {self.cached} kept from before, {self.failed} without a usable answer; "
            f"{self.requests} requests, {self.prompt_tokens} + {self.completion_tokens} tokens"
        )


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
            Folder of the answers.
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
            import openai  # noqa: F401
            import tenacity  # noqa: F401
        except ImportError as error:
            raise ImportError('LLM judges need openai and tenacity: pip install "hal-trl[judge]"') from error
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
            `PermissionError`: if the server refuses the key.
            `ValueError`: if it does not know the model.
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
        from openai import AsyncOpenAI

        cache = AnswerCache(self.cache_dir)
        async with AsyncOpenAI(
            base_url=self.base_url, api_key=self.api_key or "none", timeout=self.timeout, max_retries=0
        ) as client:
            run = _Run(self, client, cache, tqdm(total=total, desc=description, disable=(total or 0) < 100))
            try:
                return await run.all(requests)
            finally:
                run.bar.close()
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


class _StoppedError(Exception):
    pass


class _Run:
    """One call of an endpoint: lives as long as its event loop."""

    def __init__(self, endpoint: ChatEndpoint, client: AsyncOpenAI, cache: AnswerCache, bar: tqdm):
        self.endpoint, self.client, self.cache, self.bar = endpoint, client, cache, bar
        self.wait_until, self.reached, self.answered = 0.0, False, False
        self.heard, self.lost, self.stopped = asyncio.get_running_loop().time(), 0, ""
        self.found: dict[int, Any] = {}
        self.failures: list[str] = []

    async def all(self, requests: Iterable[ChatRequest]) -> list[Any]:
        waiting = enumerate(requests)
        if not self.endpoint.usage.answered:
            for i, request in waiting:
                if not await self.one(i, request):
                    break  # the first that is really asked goes alone: a wrong key or address is said once

        async def work() -> None:
            for i, request in waiting:
                await self.one(i, request)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.endpoint.max_concurrency):
                    group.create_task(work())
        except* (ConnectionError, PermissionError, ValueError) as errors:
            raise errors.exceptions[0] from None
        self.report()
        return [self.found[i] for i in range(len(self.found))]

    async def one(self, i: int, request: ChatRequest) -> bool:
        """Find the answer to one question; whether it was kept from before."""
        key = key_of(self.endpoint.settings(), request.key)
        answer = self.cache.get(key)
        kept = answer is not ABSENT
        if kept:
            self.endpoint.count(cached=1)
        else:
            answer = await self.ask(i, request)
            if answer is None:
                self.endpoint.count(failed=1)
            else:
                self.cache.put(key, answer)
                self.endpoint.count(answered=1)
        self.found[i] = answer
        self.bar.update()
        return kept

    async def ask(self, i: int, request: ChatRequest) -> Any:
        import openai

        messages = request.messages()
        try:
            for attempt in ("first", "repair"):
                text = await self.text(messages, request.schema)
                try:
                    return request.parse(text)
                except ValueError as error:
                    if attempt == "repair":
                        self.failures.append(f"{i}: {error}")
                        return None
                    if text:
                        messages = [*messages, {"role": "assistant", "content": text}]
                        mend = f"Your answer could not be used: {error}. Give the whole answer again, mended."
                        messages.append({"role": "user", "content": mend})
        except _StoppedError:
            self.failures.append(f"{i}: not asked")
        except (openai.APIConnectionError, openai.APIStatusError) as error:
            if self.fatal(error):
                if not (self.answered and _out_of_quota(error)):  # a budget of the provider's, like our own
                    raise self.explained(error) from error
                self.stopped = str(self.explained(error))
            elif isinstance(error, _passing()):
                self.lost += 1
                if self.lost >= _LOST:
                    self.stopped = f"the server is gone: {error}"
            self.failures.append(f"{i}: {_said(error)}")
        return None

    def fatal(self, error: Exception) -> bool:
        """Whether every other request would end the same way."""
        import openai

        refused = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)
        unreached = isinstance(error, openai.APIConnectionError) and not self.reached
        return isinstance(error, refused) or unreached or _out_of_quota(error)

    def explained(self, error: Exception) -> Exception:
        import openai

        where, model = self.endpoint.base_url or "api.openai.com", self.endpoint.model
        if isinstance(error, openai.APIConnectionError):
            return ConnectionError(f"No server answers at {where}. Is it running, and is base_url right? ({error})")
        if isinstance(error, openai.NotFoundError):
            return ValueError(f"{where} does not know the model {model!r}, or base_url lacks its /v1 ({error}).")
        if _out_of_quota(error):
            return PermissionError(f"{where} says that the quota of this key is used up.")
        return PermissionError(f"{where} refuses the key. Pass api_key= or set OPENAI_API_KEY.")

    async def text(self, messages: list[dict[str, str]], schema: dict[str, Any] | None) -> str:
        """The text of one answer, empty where the model refused or said nothing."""
        import openai

        schema = schema if self.endpoint.with_schema else None
        try:
            return await self.with_retries(messages, schema)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            if schema is None:
                raise
        text = await self.with_retries(messages, None)
        self.endpoint.with_schema = False  # it was the schema: servers say so in words of their own, or in none
        return text

    async def with_retries(self, messages: list[dict[str, str]], schema: dict[str, Any] | None) -> str:
        import openai
        import tenacity

        jitter = tenacity.wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT)
        clock, failed = asyncio.get_running_loop().time, 0

        def wait(state: tenacity.RetryCallState) -> float:
            asked = _retry_after(state.outcome.exception())
            if asked is None:
                return jitter(state)
            self.wait_until = max(self.wait_until, clock() + asked)
            return asked * random.uniform(1.0, 1.5)  # not all at once

        def stop(state: tenacity.RetryCallState) -> bool:
            nonlocal failed
            if isinstance(state.outcome.exception(), openai.RateLimitError):
                return clock() - self.heard > _PATIENCE  # its turn comes as long as others' do
            failed += 1
            # A server that never answered is not there; one that did will come back.
            return failed >= (_ATTEMPTS if self.reached else 3)

        return await tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda e: isinstance(e, _passing()) and not _out_of_quota(e)),
            stop=stop,
            wait=wait,
            reraise=True,
        )(self.request, messages, schema)

    async def request(self, messages: list[dict[str, str]], schema: dict[str, Any] | None) -> str:
        import openai

        pause = self.wait_until - asyncio.get_running_loop().time()
        if pause > 0:
            await asyncio.sleep(pause)
        if self.stopped or self.endpoint.spent():
            raise _StoppedError
        self.endpoint.count(requests=1)
        body: dict[str, Any] = {
            "model": self.endpoint.model,
            "messages": messages,
            "temperature": self.endpoint.temperature,
            "reasoning_effort": self.endpoint.reasoning_effort,
        }
        if schema is not None:
            json_schema = {"name": "answer", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": json_schema}
        body = {name: value for name, value in body.items() if value is not None} | (self.endpoint.extra_body or {})
        # Half of a surrogate pair, as cutting a text may leave it, has no UTF-8.
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        try:
            # Not `chat.completions.create`: it spends a third of the client's time on walking through the schema.
            completion = await self.client.post("/chat/completions", content=content, cast_to=object)
        except openai.APIStatusError:
            self.reached = True
            raise
        except ValueError as error:
            self.reached = True
            raise _unreadable(error) from error
        self.reached = True
        text = _text(completion)
        self.answered = True
        self.heard, self.lost = asyncio.get_running_loop().time(), 0
        used = completion.get("usage") or {}
        self.endpoint.count(**{name: used.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")})
        return text

    def report(self) -> None:
        if not self.failures:
            return
        spent, why = self.endpoint.spent(), ""
        if spent:
            why = f" ({spent} is spent; raise it and run again, what was answered is kept)"
        elif self.stopped:
            why = f" ({self.stopped}; run again later, what was answered is kept)"
        logger.warning(
            "%d of %d questions have no usable answer%s: %s%s",
            len(self.failures),
            len(self.found),
            why,
            "; ".join(sorted(self.failures, key=lambda line: int(line.partition(":")[0]))[:_LISTED]),
            "; ..." if len(self.failures) > _LISTED else "",
        )


def _passing() -> tuple[type[Exception], ...]:
    """What may be over the next time."""
    import openai

    return (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError)


def _said(error: Exception) -> str:
    """An error with what the server says about it, which the client leaves out where it is no `error` object."""
    response = getattr(error, "response", None)
    detail = response.text.strip() if response is not None else ""
    return str(error) if not detail or detail in str(error) else f"{error}: {detail:.300}"


def _out_of_quota(error: BaseException) -> bool:
    """OpenAI's 429 that no waiting helps."""
    return getattr(error, "code", None) == "insufficient_quota"


def _text(completion: Any) -> str:
    """What the model said in a response; empty where it refused or said nothing."""
    try:
        choices = completion["choices"]
        content = choices[0]["message"]["content"] if choices else ""
    except (TypeError, KeyError, IndexError) as error:
        raise _unreadable(completion) from error
    if choices is None or not isinstance(content, str | None):
        raise _unreadable(completion)
    return content or ""


def _unreadable(what: object) -> Exception:
    """A response that is no completion is as good as a lost connection: it may be whole the next time."""
    import openai

    return openai.APIConnectionError(message=f"unreadable response: {what!r:.80}", request=None)


def _retry_after(error: BaseException | None) -> float | None:
    """Seconds that a server asks to wait."""
    response = getattr(error, "response", None)
    try:
        seconds = float(response.headers["retry-after"])
    except (AttributeError, KeyError, ValueError):
        return None
    return min(seconds, 10 * _LONGEST_WAIT) if seconds >= 0 else None
