"""A user of the Hub in a process of its own: `huggingface_hub` reads its endpoint and cache when it is imported."""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path


class HubClientError(Exception):
    """What was raised in the client's process, with its name in front."""


class HubClient:
    """Runs Python in a process that knows one Hub and has one home folder.

    Args:
        endpoint (`str`): Address of the Hub.
        home (`Path`): `HF_HOME`, with the cache in it.
        token (`str`, *optional*): As `hf auth login` or `HF_TOKEN` would give it.
    """

    def __init__(self, endpoint: str, home: Path, token: str | None = None):
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        self.log = home.with_suffix(".log")
        self._log = self.log.open("w")
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={
                **kept,
                "HF_ENDPOINT": endpoint,
                "HF_HOME": str(home),
                "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
                **({"HF_TOKEN": token} if token else {}),
            },
        )

    def run(self, code: str) -> object:
        """Execute `code`; what it assigns to `result`, as JSON carries it.

        Raises:
            [`HubClientError`]: if `code` raised.
        """
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise HubClientError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()


def serve() -> None:
    """Execute what comes in, line by line. Prints and logs go to the log, where the tests look for leaked tokens."""
    answers, sys.stdout = sys.stdout, sys.stderr
    namespace: dict[str, object] = {}
    for line in sys.stdin:
        namespace["result"] = None
        try:
            exec(json.loads(line), namespace)
            answer = {"result": namespace["result"]}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve()
