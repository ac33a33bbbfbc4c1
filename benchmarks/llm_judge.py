"""What `LLMJudge` does when it is killed, and its memory, against a scripted server in a process of its own.

python -m benchmarks.llm_judge
"""

import argparse
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np

from hal_trl import Dialogue, LLMJudge
from tests.chat_server import Reply, chat_server, dialogue_in, ratings


FAULTS = (
    Reply(status=429, headers={"retry-after": "0.1"}),
    Reply(status=429),
    Reply(status=500),
    Reply(reset=True),
    Reply(delay=4.0),  # past the timeout
    Reply('{"brevity": 4, "slang": 3, "lower'),
    Reply('{"a": 1}'),
    Reply(None),
)
TIMEOUT = 2.0


def dialogues(n: int) -> list[Dialogue]:
    return [Dialogue.from_completion(f"question {i}?", f"answer {i}") for i in range(n)]


def expected(text: str) -> int:
    """A rating that belongs to one dialogue, so that answers which changed places would show."""
    return 1 + hashlib.sha256(text.encode()).digest()[0] % 5


def serve(pipe: Connection, latency: float, faults: bool) -> None:
    """Answers until the pipe says to stop; tells which dialogue each request was about."""
    asked: list[str] = []

    def script(body: dict, n: int) -> Reply:
        asked.append(dialogue_in(body)[-1]["text"])
        if faults and n % 5 == 4:
            return FAULTS[n // 5 % len(FAULTS)]
        return Reply(ratings(body, expected(asked[-1])), delay=latency)

    with chat_server(script) as server:
        pipe.send(server.url)
        while pipe.recv() != "stop":
            pipe.send(list(asked))


class Server:
    def __init__(self, url: str, pipe: Connection):
        self.url, self.pipe = url, pipe

    def asked(self) -> list[str]:
        self.pipe.send("asked")
        return self.pipe.recv()


@contextmanager
def server(latency: float = 0.0, faults: bool = False) -> Iterator[Server]:
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=serve, args=(theirs, latency, faults), daemon=True)
    process.start()
    try:
        yield Server(ours.recv(), ours)
    finally:
        ours.send("stop")
        process.join(10)


def judge(url: str, folder: str, n: int) -> None:
    """In a process of its own: rate, and print how much memory that took on top of rating one dialogue."""
    rater = LLMJudge("scripted", url, cache_dir=folder, timeout=TIMEOUT)
    rater.score(dialogues(1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = np.asarray(rater.score(dialogues(n)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wanted = np.array([expected(f"answer {i}") for i in range(n)])[:, None]
    unrated = np.isnan(found).any(axis=1)
    print(
        json.dumps(
            {
                "rated": int((~unrated).sum()),
                "wrong": int((found != wanted)[~unrated].any(axis=1).sum()),
                "peak MiB": round(peak / 1024),
                "growth MiB": round((peak - before) / 1024, 1),
            }
        )
    )


def judging(url: str, folder: str, n: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "benchmarks.llm_judge", "--judge", url, folder, str(n)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def kept(url: str, folder: str, n: int) -> set[str]:
    """What the cache knows, found without a request."""
    found = np.asarray(LLMJudge("scripted", url, cache_dir=folder, max_requests=0).score(dialogues(n)))
    return {f"answer {i}" for i in np.flatnonzero(~np.isnan(found).any(axis=1))}


def killed_twice(n: int) -> None:
    with tempfile.TemporaryDirectory() as folder, server(latency=0.05, faults=True) as scripted:
        asked_in_vain = 0
        for share in (0.3, 0.7):
            process = judging(scripted.url, folder, n)
            while len(scripted.asked()) < share * n * 1.2:
                time.sleep(0.1)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(0.2)
            answered, before = kept(scripted.url, folder, n), len(scripted.asked())
            print(f"killed after {before} requests with {len(answered)} of {n} dialogues answered")
            if share == 0.7:
                break
        runs = 0
        while len(answered) < n and runs < 5:
            output = json.loads(judging(scripted.url, folder, n).communicate()[0])
            runs += 1
            asked = scripted.asked()
            asked_in_vain += sum(text in answered for text in asked[before:])
            answered, before = kept(scripted.url, folder, n), len(asked)
            print(f"run to the end: {output}")
        judging(scripted.url, folder, n).communicate()
        print(f"requests in all {len(scripted.asked())}; for dialogues already answered {asked_in_vain}; ", end="")
        print(f"by one more run {len(scripted.asked()) - before}")


def memory(sizes: tuple[int, ...]) -> None:
    with server() as scripted:
        for n in sizes:
            with tempfile.TemporaryDirectory() as folder:
                print(f"{n:>6} dialogues: {json.loads(judging(scripted.url, folder, n).communicate()[0])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=int, default=2000)
    parser.add_argument("--judge", nargs=3, metavar=("URL", "FOLDER", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        return judge(*options.judge[:2], int(options.judge[2]))
    print(f"Killed twice, a fifth of all requests at fault, {options.dialogues} dialogues")
    killed_twice(options.dialogues)
    print("\nPeak memory of a run")
    memory((options.dialogues // 8, options.dialogues, 4 * options.dialogues))


if __name__ == "__main__":
    main()
