"""A scripted OpenAI-compatible server on 127.0.0.1: real HTTP, and every fault a judge may meet."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Reply:
    """What the server does with a request.

    Args:
        text (`str`, *optional*): The assistant's message; `None` for a refusal, `...` for an empty list of choices.
        status (`int`): HTTP status.
        headers (`dict`): Further headers.
        delay (`float`): Seconds before it answers.
        body (`bytes`, *optional*): Sent as it is, instead of a completion.
        reset (`bool`): Close the connection instead of answering.
    """

    text: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    body: bytes | None = None
    reset: bool = False

    def encoded(self) -> bytes:
        if self.body is not None:
            return self.body
        if self.status != 200:
            return json.dumps({"error": {"message": self.text or f"fault {self.status}"}}).encode()
        message = {"role": "assistant", "content": self.text, "refusal": None if self.text else "I cannot do that"}
        choices = [] if self.text is ... else [{"index": 0, "finish_reason": "stop", "message": message}]
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        completion = {"id": "c", "object": "chat.completion", "created": 0, "model": "scripted"}
        return json.dumps({**completion, "choices": choices, "usage": usage}).encode()


Script = Callable[[dict, int], Reply]
"""Request body and how many requests came before; returns what to do."""


class ChatServer:
    """Runs a script; `requests` are the bodies that came, `times` counts dialogues by text."""

    def __init__(self, script: Script):
        self.script, self.requests, self.port = script, [], 0
        self.authorizations: set[str] = set()
        self.most_at_once = self._now = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def times(self) -> Counter:
        return Counter(json.dumps(dialogue_in(body)) for body in self.requests)

    async def serve(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.start_server(self._connected, "127.0.0.1", port, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                key = re.search(rb"(?i)authorization: (.+)\r\n", head)
                self.authorizations.add(key[1].decode() if key else "")
                body = json.loads(await reader.readexactly(length))
                reply = self.script(body, len(self.requests))
                self.requests.append(body)
                self._now += 1
                self.most_at_once = max(self.most_at_once, self._now)
                if reply.delay:
                    await asyncio.sleep(reply.delay)
                self._now -= 1
                if reply.reset:
                    writer.transport.abort()
                    return
                content = reply.encoded()
                headers = {"content-type": "application/json", "content-length": str(len(content)), **reply.headers}
                lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in headers.items())]
                writer.write("\r\n".join([*lines, "", ""]).encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@contextmanager
def chat_server(script: Script) -> Iterator[ChatServer]:
    """A server in a thread of this process."""
    server, loop, ready = ChatServer(script), asyncio.new_event_loop(), threading.Event()

    async def main() -> None:
        async with await server.serve():
            ready.set()
            await stop.wait()
            connections = asyncio.all_tasks() - {asyncio.current_task()}
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)


def dialogue_in(body: dict) -> list[dict]:
    """The turns in a request, found by the nonce that the system message announces."""
    system, user = (message["content"] for message in body["messages"][:2])
    nonce = re.search(r"BEGIN (\w+)", system)[1]
    lines = user.split("\n")
    start, end = lines.index(f"BEGIN {nonce}"), lines.index(f"END {nonce}")
    return [json.loads(line) for line in lines[start + 1 : end]]


def keys_in(body: dict) -> list[str]:
    """The trait ids that a request asks for."""
    return [json.loads(id) for id in re.findall(r'^("[\w ]+"): "', body["messages"][0]["content"], re.MULTILINE)]


def ratings(body: dict, rating: int = 4) -> str:
    """A valid answer."""
    return json.dumps(dict.fromkeys(keys_in(body), rating))
