"""The judge against a real server, `transformers serve` with SmolLM2: its answers are poor, the way there is real."""

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from hal_trl import HL16Q, Dialogue, LLMJudge
from hal_trl.scorers.judges.endpoint import ChatEndpoint, ChatRequest


pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def server(smollm2, tmp_path_factory):
    """Its address, and the model's name there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).parent / "transformers", "serve", smollm2, "--host", "127.0.0.1", "--port", port]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as out, subprocess.Popen(list(map(str, command)), stdout=out, stderr=out) as process:
        try:
            for _ in range(240):
                assert process.poll() is None, log.read_text()[-2000:]
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                    break
                except OSError:
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1", str(smollm2)
        finally:
            process.kill()


@pytest.mark.slow
def test_a_real_server_answers_and_is_asked_once(server, tmp_path):
    url, model = server
    short = {"timeout": 120, "extra_body": {"max_tokens": 24}}
    judge = LLMJudge(model, url, traits=HL16Q.select(["brevity"]), cache_dir=tmp_path, **short)
    dialogues = [Dialogue.from_completion("how are you?", text) for text in ("good lol u", "I am fine, thank you.")]
    found = np.asarray(judge.score(dialogues))
    assert found.shape == (2, 1) and ((found >= 1) & (found <= 5) | np.isnan(found)).all()
    assert judge.usage.requests >= 2 and judge.usage.completion_tokens > 0

    endpoint = ChatEndpoint(model, url, cache_dir=tmp_path, **short)
    say = ChatRequest("greeting", lambda: [{"role": "user", "content": "Say hello."}], str.strip)
    assert endpoint.answers([say])[0] and endpoint.answers([say])[0]
    assert (endpoint.usage.answered, endpoint.usage.cached) == (1, 1)
