"""The judge against a real server, `transformers serve` with SmolLM2: its answers are poor, the way there is real."""

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hal_trl import HL16Q, Dialogue, LLMJudge
from hal_trl.discovery.finder import find_statements
from hal_trl.discovery.pairs import Pairs
from hal_trl.discovery.questionnaire import merge_clusters
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


SAID = {
    "not much, u?": "I am doing well, thank you for asking.",
    "lol idk": "That is an interesting question!",
    "pizza probably": "I would recommend a balanced meal.",
}


@pytest.mark.slow
def test_what_a_weak_finder_gets_wrong_is_counted_and_stops_nothing(server, tmp_path, caplog):
    url, model = server
    endpoint = ChatEndpoint(
        model, url, cache_dir=tmp_path, timeout=300, max_concurrency=2, extra_body={"max_tokens": 128}
    )
    dialogues = [Dialogue.from_completion("so?", text) for both in SAID.items() for text in both]
    pairs = Pairs(dialogues, np.repeat([11, 12, 13], 2), np.array([True, False] * 3), ["-"] * 6)
    try:
        found = find_statements(pairs, endpoint)
    except ValueError as error:
        assert "no usable answer for any of 3 pairs" in str(error)
        found = pd.DataFrame({"pair_id": []})
    missing = sorted({11, 12, 13} - set(found["pair_id"]))
    assert endpoint.usage.failed == len(missing) and endpoint.usage.completion_tokens > 0
    if missing:
        listed = ", ".join(map(str, missing))
        assert f"{len(missing)} of 3 pairs have no usable answer and so no statement: {listed}" in caplog.text
    said = ["Keeps replies short.", "Answers in few words.", "Types in lower case.", "Uses no capitals."]
    clusters = pd.DataFrame({"statement": said, "cluster": [0, 0, 1, 1], "rank": [0, 1] * 2})
    try:
        assert len(merge_clusters(clusters, endpoint)) >= 2
    except ValueError as error:
        assert "made no usable questionnaire of 2 clusters" in str(error) and "--no-llm" in str(error)
        assert "1 of 1 questions have no usable answer" in caplog.text
