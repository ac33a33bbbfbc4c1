"""One call of an endpoint: every question answered from the cache or by the server, or listed as unanswered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from .answer_cache import ABSENT, AnswerCache, key_of
from .completions import Completions
from .faults import NoResponseError, RefusedError, StoppedError, explained, passes


if TYPE_CHECKING:
    from .endpoint import ChatEndpoint, ChatRequest


logger = logging.getLogger(__name__)

_LOST = 3  # questions in a row that end without a response: then the server is gone
_REFUSED = 3  # questions that are refused before one was answered: then it is not the questions
_LISTED = 10


class Run:
    """Asks many questions; lives as long as its event loop.

    Args:
        endpoint ([`~hal_trl.scorers.judges.endpoint.ChatEndpoint`]): What to count on.
        completions (`Completions`): The way to the server.
        cache (`AnswerCache`): Answers kept from before, and where new ones go.
        bar (`tqdm`): Moves with every question.
    """

    def __init__(self, endpoint: ChatEndpoint, completions: Completions, cache: AnswerCache, bar: tqdm):
        self.endpoint, self.completions, self.cache, self.bar = endpoint, completions, cache, bar
        self.lost = self.refused = 0
        self.found: dict[int, Any] = {}
        self.mark = key_of(endpoint.settings(), "has answered")
        self.asking: dict[str, asyncio.Future[Any]] = {}  # what is on its way, by key
        self.failures: list[str] = []

    async def all(self, requests: Iterable[ChatRequest]) -> list[Any]:
        """What `parse` made of the answers, in order; `None` without a usable one."""
        waiting = enumerate(requests)
        if not self.endpoint.usage.answered:
            for i, request in waiting:
                if not await self.one(i, request) and (self.answered or self.lost):
                    break  # until one is answered they go alone: what is wrong for all is not said 64 times

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
        """Find the answer to one question; whether it did not have to be asked."""
        key = key_of(self.endpoint.settings(), request.key)
        answer = ABSENT
        while answer is ABSENT and key in self.asking:
            same = self.asking[key]
            await asyncio.wait((same,))  # awaited by itself it would be cancelled together with this question
            answer = same.result()
        if answer is ABSENT:
            answer = self.cache.get(key)
        kept = answer is not ABSENT
        if kept:
            self.endpoint.count(cached=1)
        else:
            answer = await self.paid(key, i, request)
        self.found[i] = answer
        self.bar.update()
        return kept

    async def paid(self, key: str, i: int, request: ChatRequest) -> Any:
        """The server's answer, also for all who ask the same meanwhile; they ask for themselves if there is none."""
        same = self.asking[key] = asyncio.get_running_loop().create_future()
        shared = ABSENT
        try:
            answer = await self.ask(i, request)
            if answer is None:
                self.endpoint.count(failed=1)
            else:
                if not self.endpoint.usage.answered:
                    self.cache.put(self.mark, True)
                self.cache.put(key, answer)
                self.endpoint.count(answered=1)
                shared = answer
        finally:
            del self.asking[key]
            same.set_result(shared)
        return answer

    async def ask(self, i: int, request: ChatRequest) -> Any:
        messages = request.messages()
        try:
            for attempt in ("first", "repair"):
                text = await self.completions.text(messages, request.schema)
                self.lost = 0
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
        except StoppedError:
            self.failures.append(f"{i}: not asked")
        except (NoResponseError, RefusedError) as error:
            self.failed(error)
            self.failures.append(f"{i}: {error}")
        return None

    def failed(self, error: NoResponseError | RefusedError) -> None:
        """End the run, now or by sending nothing more, if every other question would end the same way."""
        refused = isinstance(error, RefusedError)
        out_of_quota = refused and error.out_of_quota
        for_good = refused and not passes(error)
        self.refused += for_good
        if (
            out_of_quota
            or (not refused and not self.completions.reached)
            or (refused and error.status in (401, 404))
            # A gateway also says so to one question that its filter does not like.
            or (refused and error.status == 403 and not self.answered)
            or (for_good and self.refused >= _REFUSED and not self.answered)
        ):
            where = self.endpoint.base_url or "api.openai.com"
            said = explained(error, where, self.endpoint.model)
            if not (out_of_quota and self.completions.answered):  # a budget of the provider's, like our own
                raise said from error
            self.completions.stopped = str(said)
        elif passes(error):
            self.lost += 1
            if self.lost >= _LOST:
                timed_out = isinstance(error, NoResponseError) and error.timed_out
                self.completions.stopped = f"the server is {'too slow' if timed_out else 'gone'}: {error}"

    @property
    def answered(self) -> bool:
        """Whether the model has answered anything, in this run or before: a second run may ask only what the first one
        was refused."""
        return self.completions.answered or self.endpoint.usage.answered > 0 or self.cache.get(self.mark) is not ABSENT

    def report(self) -> None:
        if not self.failures:
            return
        spent, why = self.endpoint.spent(), ""
        if spent:
            why = f" ({spent} is spent; raise it and run again, what was answered is kept)"
        elif self.completions.stopped:
            why = f" ({self.completions.stopped}; run again later, what was answered is kept)"
        logger.warning(
            "%d of %d questions have no usable answer%s: %s%s",
            len(self.failures),
            len(self.found),
            why,
            "; ".join(sorted(self.failures, key=lambda line: int(line.partition(":")[0]))[:_LISTED]),
            "; ..." if len(self.failures) > _LISTED else "",
        )
