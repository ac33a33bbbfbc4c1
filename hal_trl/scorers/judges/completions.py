"""The way to one server: requests out, answers back, again where one was lost."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from .faults import NoResponseError, RefusedError, StoppedError, passes, seconds_to_wait, text_of, without_key


if TYPE_CHECKING:
    from .endpoint import ChatEndpoint


_ATTEMPTS = 8
_LONGEST_WAIT = 60.0
_PATIENCE = 600.0  # seconds that a rate limit may last without one answer


class Completions:
    """Asks for chat completions, for as long as one event loop lives; see `opened`.

    The address and the headers are the `openai` client's, and so is the HTTP client, but requests do not go through
    its `chat.completions.create`: that alone takes three times the processor time that a whole question takes here
    (`python -m benchmarks.judge_throughput`), and one core could not keep 64 requests on their way.

    Args:
        endpoint ([`~hal_trl.scorers.judges.endpoint.ChatEndpoint`]): Model, options, budget and usage.
        client (`openai.AsyncOpenAI`): Knows address and headers.
        http (`httpx2.AsyncClient`): Sends.
    """

    def __init__(self, endpoint: ChatEndpoint, client: openai.AsyncOpenAI, http: httpx2.AsyncClient):
        self.endpoint, self.http = endpoint, http
        self.url = httpx2.URL(f"{client.base_url}chat/completions")
        said = {**client.default_headers, **client.auth_headers}
        self.headers = httpx2.Headers(
            {k: v for k, v in said.items() if isinstance(v, str) and not k.startswith("X-Stainless")}  # telemetry
        )
        self.patience = {"timeout": httpx2.Timeout(endpoint.timeout).as_dict()}
        self.reached, self.answered = False, False
        self.stopped = ""  # why nothing is sent any more
        self._wait_until, self._heard = 0.0, self._now()
        self._turn = asyncio.Lock()
        self._schema: dict[str, Any] | None = None
        self._options = ""

    async def text(self, messages: list[dict[str, str]], schema: dict[str, Any] | None) -> str:
        """The text of one answer, empty where the model refused or said nothing.

        Raises:
            `NoResponseError`, `RefusedError`: for a fault that did not pass.
            `StoppedError`: if nothing may be sent any more.
        """
        schema = schema if self.endpoint.with_schema else None
        try:
            return await self._with_retries(messages, schema)
        except RefusedError as error:
            if schema is None or error.status not in (400, 422):
                raise
        text = await self._with_retries(messages, None)
        self.endpoint.with_schema = False  # it was the schema: servers say so in words of their own, or in none
        return text

    async def _with_retries(self, messages: list[dict[str, str]], schema: dict[str, Any] | None) -> str:
        body, attempts, failed = self._body(messages, schema), 0, 0
        while True:
            try:
                return await self._once(body)
            except (NoResponseError, RefusedError) as error:
                attempts += 1
                if isinstance(error, RefusedError) and error.status == 429:
                    given_up = self._now() - self._heard > _PATIENCE  # its turn comes as long as others' do
                else:
                    failed += 1
                    # A server that never answered is not there; one that did will come back.
                    given_up = failed >= (_ATTEMPTS if self.reached else 3)
                if given_up or not passes(error):
                    raise
                await asyncio.sleep(self._pause(error, attempts))

    def _pause(self, error: Exception, attempts: int) -> float:
        """Seconds until the next attempt: as the server says, or twice as long each time, and not all at once."""
        asked = getattr(error, "wait", None)
        if asked is None:
            return random.uniform(0, min(_LONGEST_WAIT, 0.5 * 2.0 ** min(attempts, 16)))
        self._wait_until = max(self._wait_until, self._now() + asked)
        return asked * random.uniform(1.0, 1.5)

    async def _once(self, body: bytes) -> str:
        pause = self._wait_until - self._now()
        if pause > 0:
            await asyncio.sleep(pause)
        if self.stopped or self.endpoint.spent():
            raise StoppedError
        self.endpoint.count(requests=1)
        try:
            # `http.post` would merge all of this anew, request by request.
            request = httpx2.Request("POST", self.url, headers=self.headers, content=body, extensions=self.patience)
            response = await self.http.send(request)
        except httpx2.ConnectTimeout as error:
            raise NoResponseError(f"no connection: {error}".rstrip(": ")) from error
        except httpx2.TimeoutException as error:
            raise NoResponseError(
                f"no answer within {self.endpoint.timeout:g} seconds; raise timeout= (--timeout), or lower "
                "max_concurrency= (--concurrency) if the server is busy",
                timed_out=True,
            ) from error
        except Exception as error:  # the HTTP client's own, and now and then one of the library under it
            raise NoResponseError(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        self.reached = True
        await self._in_turn()
        if not response.is_success:
            said = without_key(response.text, self.endpoint.api_key)
            raise RefusedError(response.status_code, said, seconds_to_wait(response.headers))
        try:
            completion = json.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise NoResponseError(f"unreadable response: {error}") from error
        text = text_of(completion)
        self.answered, self._heard = True, self._now()
        used = completion.get("usage") or {}
        self.endpoint.count(**{name: used.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")})
        return text

    async def _in_turn(self) -> None:
        """Wait until the request after the answer before this one has gone out.

        Answers come in flocks where requests went out so. Read all at once, they would keep the event loop from
        sending anything until the last is read, and the server would have nothing to do meanwhile.
        """
        await self._turn.acquire()
        asyncio.get_running_loop().call_soon(self._turn.release)

    def _body(self, messages: list[dict[str, str]], schema: dict[str, Any] | None) -> bytes:
        """The request. What all have in common, most of it the schema, is written as JSON once."""
        if not self._options or schema is not self._schema:
            options: dict[str, Any] = {
                "model": self.endpoint.model,
                "temperature": self.endpoint.temperature,
                "reasoning_effort": self.endpoint.reasoning_effort,
            }
            if schema is not None:
                json_schema = {"name": "answer", "strict": True, "schema": schema}
                options["response_format"] = {"type": "json_schema", "json_schema": json_schema}
            options = {name: value for name, value in options.items() if value is not None}
            self._options = json.dumps(options | (self.endpoint.extra_body or {}), ensure_ascii=False)
            self._schema = schema
        body = f'{{"messages": {json.dumps(messages, ensure_ascii=False)}, {self._options[1:]}'
        # Half of a surrogate pair, as cutting a text may leave it, has no UTF-8.
        return body.encode("utf-8", "replace")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def opened(endpoint: ChatEndpoint) -> AsyncIterator[Completions]:
    """Connections to the server of an endpoint, over aiohttp where it is installed, which is the faster way."""
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        kind = openai.DefaultAsyncHttpxClient
    else:
        kind = openai.DefaultAioHttpClient
    n = endpoint.max_concurrency
    http = kind(limits=httpx2.Limits(max_connections=n, max_keepalive_connections=n))
    async with openai.AsyncOpenAI(
        base_url=endpoint.base_url, api_key=endpoint.api_key or "none", http_client=http
    ) as client:
        yield Completions(endpoint, client, http)
