"""How fast `LLMJudge` asks, beside the `openai` client alone, against a server that answers after 50 ms.

The server runs in a process of its own and does next to nothing, so that it is not what is measured. Rounds alternate;
the best of each is what the machine can do, the median what it did with all else that ran there.

python -m benchmarks.judge_throughput
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np

from hal_trl import HL32Q, Dialogue, LLMJudge
from hal_trl.scorers.judges.prompt import new_nonce, rating_messages, rating_schema


class Answering(asyncio.Protocol):
    """Gives every request the same valid answer, `latency` seconds later."""

    def __init__(self, latency: float):
        message = {"role": "assistant", "content": json.dumps(dict.fromkeys(HL32Q.ids, 4)), "refusal": None}
        body = json.dumps(
            {
                "id": "c",
                "object": "chat.completion",
                "created": 0,
                "model": "scripted",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
            }
        ).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.latency, self.reply, self.received = latency, head.encode() + body, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            if len(self.received) < end + 4 + length:
                return
            self.received = self.received[end + 4 + length :]
            asyncio.get_running_loop().call_later(self.latency, self.transport.write, self.reply)


def serve(pipe: Connection, latency: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Answering(latency), "127.0.0.1", 0, backlog=512)
        pipe.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        await loop.run_in_executor(None, pipe.recv)

    asyncio.run(main())


@contextmanager
def light_server(latency: float) -> Iterator[str]:
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=serve, args=(theirs, latency), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join(10)


def dialogues(n: int, round: int) -> list[Dialogue]:
    return [Dialogue.from_completion(f"question {round} {i}?", f"answer {i}") for i in range(n)]


def judge(url: str, n: int, concurrency: int, round: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rater = LLMJudge("scripted", url, cache_dir=folder, max_concurrency=concurrency)
        rater.score(dialogues(1, -1))
        timed_from_here()
        assert (np.asarray(rater.score(dialogues(n, round))) == 4).all()


def client(create: bool) -> Callable[[str, int, int, int], None]:
    """The client alone: the same prompts, nothing read, kept or repeated."""

    def ask_all(url: str, n: int, concurrency: int, round: int) -> None:
        async def main() -> None:
            import openai

            schema = {"name": "answer", "strict": True, "schema": rating_schema(HL32Q)}
            waiting = iter(dialogues(n, round))

            async def work(ask: Callable[..., Awaitable]) -> None:
                for dialogue in waiting:
                    await ask(
                        messages=rating_messages(dialogue, HL32Q, new_nonce()),
                        response_format={"type": "json_schema", "json_schema": schema},
                    )

            async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as ours:

                async def post(**body) -> None:
                    content = json.dumps({"model": "scripted", **body}).encode()
                    await ours.post("/chat/completions", content=content, cast_to=object)

                async def complete(**body) -> None:
                    await ours.chat.completions.create(model="scripted", **body)

                timed_from_here()
                await asyncio.gather(*(work(complete if create else post) for _ in range(concurrency)))

        asyncio.run(main())

    return ask_all


_since = [0.0, 0.0]


def timed_from_here() -> None:
    _since[:] = time.perf_counter(), time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000, help="a round, at concurrency 64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 16, 32, 64])
    options = parser.parse_args()
    ways = {
        "openai client, `chat.completions.create`": client(True),
        "openai client, `post` of bytes": client(False),
        "LLMJudge": judge,
    }
    print("| concurrency | ideal | how | requests/s, best | of ideal | median | ms of processor a request |")
    print("|---|---|---|---|---|---|---|")
    with light_server(options.latency) as url:
        for concurrency in options.concurrency:
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
            n = options.requests * concurrency // 64
            for round in range(options.rounds):
                for name, ask in ways.items():
                    ask(url, n, concurrency, round)
                    wall, processor = time.perf_counter() - _since[0], time.process_time() - _since[1]
                    found[name].append((n / wall, 1000 * processor / n))
            ideal = concurrency / options.latency
            for name, rounds in found.items():
                rates, costs = np.array(rounds).T
                print(
                    f"| {concurrency} | {ideal:.0f} | {name} | {rates.max():.0f} | {rates.max() / ideal:.0%} | "
                    f"{np.median(rates):.0f} | {costs.min():.2f} |",
                    flush=True,
                )
    print(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
