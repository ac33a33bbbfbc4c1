"""What a server may send that is no answer, and when to stop asking it."""

import json
import logging
import pickle
import re
import sqlite3
import sys
import time

import pytest

from hal_trl.scorers.judges import completions
from hal_trl.scorers.judges.answer_cache import ABSENT, AnswerCache
from hal_trl.scorers.judges.endpoint import ChatEndpoint, ChatRequest

from .chat_server import Reply, chat_server


def question(i: int, text: str = "") -> ChatRequest:
    return ChatRequest(
        key=i,
        messages=lambda: [{"role": "user", "content": f"{i} {text}"}],
        parse=json.loads,
        schema={"type": "array"},
    )


def number(body: dict) -> int:
    return int(body["messages"][0]["content"].split()[0])


def endpoint(server, tmp_path, **options) -> ChatEndpoint:
    return ChatEndpoint("scripted", server.url, cache_dir=tmp_path, timeout=5.0, **options)


def answer(body: dict) -> Reply:
    return Reply(json.dumps([number(body)]))


@pytest.mark.parametrize(
    "body",
    [b"null", b"[1]", b'{"choices": [{}]}', b'{"choices": [{"message": null}]}', b'{"error": {"message": "up"}}'],
)
def test_a_response_that_is_no_completion_is_asked_for_again(body, tmp_path):
    def script(asked, n):
        return Reply(body=body) if n == 1 else answer(asked)

    with chat_server(script) as server:
        assert endpoint(server, tmp_path, max_concurrency=1).answers(map(question, range(3))) == [[0], [1], [2]]
        assert len(server.requests) == 4


def test_usage_without_numbers_counts_as_none(tmp_path):
    reply = b'{"choices": [{"message": {"content": "[0]"}}], "usage": {"prompt_tokens": null}}'
    with chat_server(lambda body, n: Reply(body=reply)) as server:
        some = endpoint(server, tmp_path)
        assert some.answers([question(0)]) == [[0]] and some.usage.tokens == 0


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_is_told_a_schema_once(status, tmp_path):
    def script(body, n):
        if "response_format" in body:
            return Reply(status=status, body=b'{"detail": "no such field"}')  # as FastAPI says it
        return answer(body)

    with chat_server(script) as server:
        some = endpoint(server, tmp_path)
        assert some.answers(map(question, range(4))) == [[i] for i in range(4)]
        some.answers(map(question, range(8)))
        assert len(server.requests) == 9


def test_what_the_server_says_is_passed_on(tmp_path, caplog):
    fault = Reply(status=422, body=b'{"detail": "no such field: depth"}')
    with chat_server(lambda body, n: fault if number(body) else answer(body)) as server:
        some = endpoint(server, tmp_path)
        assert some.answers(map(question, range(2))) == [[0], None] and some.with_schema
    assert "no such field: depth" in caplog.text


@pytest.mark.parametrize(("schema", "requests"), [({"type": "array"}, 6), (None, 3)])
def test_a_server_that_refuses_every_question_is_left_alone(schema, requests, tmp_path):
    fault = Reply("Unsupported value: 'temperature'", status=400)
    asked = [ChatRequest(i, question(i).messages, json.loads, schema) for i in range(50)]
    with chat_server(lambda body, n: fault) as server:
        with pytest.raises(ValueError, match=r"refuses one question after another.*Unsupported value: 'temperature'"):
            endpoint(server, tmp_path, temperature=0.0).answers(asked)
        assert len(server.requests) == requests


def test_questions_that_are_refused_after_an_answer_end_nothing(tmp_path):
    too_long = Reply("too long", status=400)
    with chat_server(lambda body, n: answer(body) if number(body) in (0, 9) else too_long) as server:
        some = endpoint(server, tmp_path, max_concurrency=1)
        assert some.answers(map(question, range(10))) == [[0]] + [None] * 8 + [[9]]
        assert some.answers(map(question, range(1, 9))) == [None] * 8


@pytest.mark.parametrize("status", [400, 403])
def test_a_second_run_over_what_was_refused_is_no_wrong_request(status, tmp_path):
    with chat_server(lambda body, n: Reply(status=status) if number(body) else answer(body)) as server:
        assert endpoint(server, tmp_path).answers(map(question, range(6))) == [[0]] + [None] * 5
        assert endpoint(server, tmp_path).answers(map(question, range(1, 6))) == [None] * 5


@pytest.mark.parametrize("first", [1, 2], ids=["one refused", "two refused"])
def test_refusals_before_the_first_answer_are_told_apart_from_a_wrong_request(first, tmp_path):
    too_long = Reply("too long", status=400)
    with chat_server(lambda body, n: too_long if number(body) < first else answer(body)) as server:
        found = endpoint(server, tmp_path).answers(map(question, range(6)))
    assert found == [None] * first + [[i] for i in range(first, 6)]


def test_one_question_that_a_filter_refuses_does_not_end_a_run(tmp_path, caplog):
    moderated = Reply("Input flagged by moderation for sk-secret-4711", status=403)
    with chat_server(lambda body, n: moderated if number(body) == 2 else answer(body)) as server:
        some = endpoint(server, tmp_path, api_key="sk-secret-4711", max_concurrency=1)
        assert some.answers(map(question, range(5))) == [[0], [1], None, [3], [4]]
        assert some.answers([question(2)]) == [None]
    assert "2: HTTP 403: Input flagged by moderation for [api_key]" in caplog.text
    assert "sk-secret-4711" not in caplog.text


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_said_in_the_words_of_the_server_but_not_shown(status, tmp_path):
    wrong = Reply("No access to this region with sk-secret-4711", status=status)
    with chat_server(lambda body, n: wrong) as server:
        with pytest.raises(PermissionError, match=r"key.*No access to this region with \[api_key\]"):
            endpoint(server, tmp_path, api_key="sk-secret-4711").answers(map(question, range(50)))
        assert len(server.requests) == 1


def test_questions_with_schemas_of_their_own_keep_them(tmp_path):
    def asked(i):
        return ChatRequest(i, lambda: [{"role": "user", "content": str(i)}], json.loads, {"const": [i]} if i else None)

    with chat_server(lambda body, n: answer(body)) as server:
        some = endpoint(server, tmp_path, max_concurrency=4, extra_body={"top_p": 0.5})
        assert some.answers(map(asked, [0, 1, 2, 1, 3, 0, 2])) == [[0], [1], [2], [1], [3], [0], [2]]
    for body in server.requests:
        schema = body["response_format"]["json_schema"]["schema"] if "response_format" in body else None
        assert schema == ({"const": [number(body)]} if number(body) else None)
        assert body["model"] == "scripted" and body["top_p"] == 0.5


@pytest.mark.parametrize("installed", [True, False], ids=["aiohttp", "without aiohttp"])
def test_either_way_to_the_server_lives_through_its_faults(installed, tmp_path, monkeypatch):
    if installed:
        pytest.importorskip("aiohttp")
    else:
        monkeypatch.setitem(sys.modules, "aiohttp", None)
    faults = iter([Reply(reset=True), Reply(delay=5.0), Reply(body=b"{"), Reply(status=302)])

    def script(body, n):
        return next(faults, answer(body)) if n else answer(body)

    with chat_server(script) as server:
        some = ChatEndpoint("scripted", server.url, cache_dir=tmp_path, timeout=0.5, max_concurrency=1)
        # The second meets all of them; a redirect to nowhere will not pass.
        assert some.answers(map(question, range(4))) == [[0], None, [2], [3]]
        assert len(server.requests) == 3 + 4 and some.usage.requests == len(server.requests)


def test_half_a_surrogate_pair_is_no_reason_to_fail(tmp_path):
    with chat_server(lambda body, n: answer(body)) as server:
        assert endpoint(server, tmp_path).answers([question(0, "cut \ud83d")]) == [[0]]


def test_a_server_that_has_answered_before_is_asked_at_once(tmp_path):
    """A training step waits for its judge once, not twice."""
    with chat_server(lambda body, n: Reply(answer(body).text, delay=0.3)) as server:
        some = endpoint(server, tmp_path)
        some.answers([question(0)])
        some.answers(map(question, range(1, 9)))
        assert server.most_at_once == 8


def test_the_same_question_is_paid_for_once_in_a_call(tmp_path):
    """Completions of one group are often equal."""
    with chat_server(lambda body, n: Reply(answer(body).text, delay=0.1)) as server:
        some = endpoint(server, tmp_path)
        assert some.answers(map(question, [0, 1, 1, 2, 1, 2, 0])) == [[0], [1], [1], [2], [1], [2], [0]]
        assert len(server.requests) == 3 and (some.usage.answered, some.usage.cached) == (3, 4)


def test_a_failure_is_not_shared_by_those_who_ask_the_same(tmp_path):
    with chat_server(lambda body, n: Reply("no list", delay=0.05) if 0 < n < 3 else answer(body)) as server:
        some = endpoint(server, tmp_path)
        assert some.answers(map(question, [0, 1, 1, 1])) == [[0], None, [1], [1]]
        assert len(server.requests) == 4 and (some.usage.failed, some.usage.cached) == (1, 1)


def test_those_who_ask_the_same_end_with_the_run(tmp_path):
    gone = Reply(status=401, delay=0.1)
    with chat_server(lambda body, n: gone if number(body) else answer(body)) as server:
        started = time.monotonic()
        with pytest.raises(PermissionError):
            endpoint(server, tmp_path).answers(map(question, [0] + [1] * 20))
        assert time.monotonic() - started < 5 and len(server.requests) == 2


def test_a_rate_limit_costs_time_and_no_answers(tmp_path):
    """64 at a time against a server that takes 20 a second: most are refused many times over."""
    window = {"start": 0.0, "left": 0}

    def script(body, n):
        if time.monotonic() - window["start"] >= 0.25:
            window.update(start=time.monotonic(), left=5)
        window["left"] -= 1
        return answer(body) if window["left"] >= 0 else Reply(status=429, headers={"retry-after": "0.25"})

    with chat_server(script) as server:
        assert endpoint(server, tmp_path).answers(map(question, range(90))) == [[i] for i in range(90)]


@pytest.mark.parametrize("fault", [Reply(reset=True), Reply(status=500)], ids=["dies", "breaks"])
def test_a_server_that_goes_for_good_is_left_alone(fault, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(completions, "_ATTEMPTS", 2)
    with chat_server(lambda body, n: answer(body) if n < 10 else fault) as server:
        found = endpoint(server, tmp_path, max_concurrency=4).answers(map(question, range(1000)))
        assert len(found) == 1000 and sum(one is not None for one in found) == 10
        assert len(server.requests) < 40
    assert "990 of 1000 questions have no usable answer (the server is gone" in caplog.text


@pytest.mark.parametrize("installed", [True, False], ids=["aiohttp", "without aiohttp"])
def test_a_server_that_is_slow_is_not_one_that_is_missing(installed, tmp_path, monkeypatch, caplog):
    if installed:
        pytest.importorskip("aiohttp")
    else:
        monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.setattr(completions, "_ATTEMPTS", 2)
    options = {"cache_dir": tmp_path, "timeout": 0.2, "max_concurrency": 2}
    advice = r"within 0.2 seconds; raise timeout= .*lower max_concurrency="
    slow = Reply("[0]", delay=5.0)
    with chat_server(lambda body, n: slow) as server, pytest.raises(ConnectionError, match=advice) as raised:
        ChatEndpoint("scripted", server.url, **options).answers([question(0)])
    assert "is it running" not in str(raised.value).lower()
    with chat_server(lambda body, n: slow if n else answer(body)) as server:
        ChatEndpoint("scripted", server.url, **options).answers(map(question, range(1, 30)))
    assert re.search("28 of 29.*too slow.*" + advice, caplog.text)


def test_one_question_that_breaks_the_server_does_not_end_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(completions, "_ATTEMPTS", 2)
    with chat_server(lambda body, n: Reply(status=500) if number(body) % 3 == 1 else answer(body)) as server:
        found = endpoint(server, tmp_path, max_concurrency=1).answers(map(question, range(9)))
    assert [one is None for one in found] == [False, True, False] * 3


def test_a_used_up_quota_ends_a_run_with_what_there_is(tmp_path, caplog):
    over = Reply(status=429, body=b'{"error": {"message": "quota", "code": "insufficient_quota"}}')
    with chat_server(lambda body, n: answer(body) if n < 5 else over) as server:
        found = endpoint(server, tmp_path, max_concurrency=2).answers(map(question, range(50)))
        assert [one is None for one in found] == [False] * 5 + [True] * 45 and len(server.requests) <= 7
        assert "quota of this key is used up" in caplog.text
        with pytest.raises(PermissionError, match="quota"):
            endpoint(server, tmp_path).answers([question(99)])


def test_credits_that_are_used_up_are_a_quota(tmp_path, caplog):
    over = Reply("Insufficient credits", status=402)
    with chat_server(lambda body, n: answer(body) if n < 5 else over) as server:
        found = endpoint(server, tmp_path, max_concurrency=2).answers(map(question, range(50)))
        assert [one is None for one in found] == [False] * 5 + [True] * 45 and len(server.requests) <= 7
        assert "used up (HTTP 402: Insufficient credits)" in caplog.text
        with pytest.raises(PermissionError, match="Insufficient credits"):
            endpoint(server, tmp_path).answers(map(question, range(90, 99)))


class Opened:
    """Unpickling it would be seen."""

    def __reduce__(self):
        return logging.error, ("unpickled",)


def test_nothing_in_a_shared_cache_is_unpickled(tmp_path, caplog):
    cache = AnswerCache(tmp_path)
    cache.put("key", [1])
    cache.close()
    database = sqlite3.connect(tmp_path / "cache.db")
    database.execute("UPDATE Cache SET mode = 4, value = ?", (pickle.dumps(Opened()),))
    database.commit()
    database.close()
    cache = AnswerCache(tmp_path)
    assert cache.get("key") is ABSENT and "unpickled" not in caplog.text
    cache.put("key", [2])
    assert cache.get("key") == [2]  # a damaged answer is replaced by a new one


def test_a_disk_that_was_full_for_a_while_keeps_the_answers_that_come_later(tmp_path, caplog):
    cache = AnswerCache(tmp_path)
    cache.put("before", [0])
    database = sqlite3.connect(tmp_path / "cache.db")
    database.execute("CREATE TRIGGER full BEFORE INSERT ON Cache BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    database.commit()
    for key in ("a", "b"):
        cache.put(key, [1])
    database.execute("DROP TRIGGER full")
    database.commit()
    cache.put("after", [2])
    assert (cache.get("before"), cache.get("a"), cache.get("after")) == ([0], ABSENT, [2])
    assert caplog.text.count("disk is full") == 1
