"""The arena's page in a real browser, served by a process that is killed in between."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from hal_trl.evaluation.arena import VoteStore

from .arena_server import MARKUP


pytest.importorskip("gradio", reason='pip install "hal-trl[arena]"')
pytest.importorskip("krippendorff", reason='pip install "hal-trl[arena]"')


@contextmanager
def served(votes: Path, port: int, *prompts: str, **environment: str):
    """The process and what it prints; killed without warning at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.arena_server", str(votes), str(port), *prompts],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "The arena is open" in line:
                break
        assert process.poll() is None and lines, lines
        yield lines
    finally:
        process.send_signal(signal.SIGKILL)
        lines += process.communicate()[0].splitlines()


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def browser_page(chromium: str, **options):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(**options).new_page()
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def reload(page) -> None:
    """Gradio reloads a page by itself when it finds another server behind it, and whichever comes first is aborted."""
    from playwright.sync_api import Error

    for _ in range(5):
        try:
            page.reload()
            return
        except Error as error:
            if "ERR_ABORTED" not in error.message and "interrupted" not in error.message:
                raise
    raise AssertionError("the page could not be reloaded in five attempts")


def say(page, text: str, answers: int) -> None:
    page.get_by_label("Your message").fill(text)
    page.get_by_role("button", name="Send").click()
    page.get_by_text(f"lol yeah, number {2 * answers - 1} and").wait_for()


def vote(page, choice: str) -> None:
    page.get_by_role("button", name=choice).click()
    page.get_by_text("Your vote is stored").wait_for()
    page.get_by_text("Write a message below").wait_for()


@pytest.mark.slow
def test_two_raters_at_once_and_a_kill_in_between_lose_none_of_twenty_votes(chromium, port, tmp_path):
    votes, problems, asides = tmp_path / "votes.sqlite", [], {}
    killed, again = threading.Barrier(3), threading.Barrier(3)
    sizes = {"ann": {"width": 390, "height": 844}, "bob": {"width": 1280, "height": 900}}

    def rate(name: str) -> None:
        try:
            with browser_page(chromium, viewport=sizes[name]) as page:
                elsewhere = []
                page.on("request", lambda r: elsewhere.append(r.url) if f"127.0.0.1:{port}" not in r.url else None)
                page.goto(f"http://127.0.0.1:{port}/")
                page.get_by_text("A and B are both AI systems, not people.").wait_for()
                page.get_by_label("Your name").fill(name)
                page.get_by_role("button", name="Start").click()
                for i in range(5):
                    say(page, f"{name} {i} <b>hi</b>", 1)
                    vote(page, "Certainly A" if i % 2 else "Likely B")
                say(page, f"{name} 5 before the kill", 1)
                killed.wait(120)
                again.wait(120)
                reload(page)
                page.get_by_text(f"{name} 5 before the kill").wait_for()
                say(page, f"{name} 5 after it", 2)
                vote(page, "Tie")
                for i in range(6, 10):
                    say(page, f"{name} {i}", 1)
                    # What a model writes is text, all of it.
                    assert page.get_by_text(MARKUP).count() == 1
                    vote(page, "Likely A")
                asides[name] = {
                    "title": page.title(),
                    "wide": page.evaluate("document.documentElement.scrollWidth"),
                    "elsewhere": [url for url in elsewhere if not url.startswith(("data:", "blob:"))],
                    "bold": page.locator("#talk b").count(),
                }
        except BaseException as error:
            problems.append(error)
            killed.abort()
            again.abort()
            raise

    raters = [threading.Thread(target=rate, args=(name,)) for name in ("ann", "bob")]
    with served(votes, port) as first:
        for rater in raters:
            rater.start()
        killed.wait(240)
    with served(votes, port) as second:
        again.wait(120)
        for rater in raters:
            rater.join(240)
    assert not problems, problems
    found = VoteStore(votes).votes()
    assert Counter(found["rater"]) == {"ann": 10, "bob": 10}
    assert Counter(found["choice"]) == {"Certainly A": 4, "Likely B": 6, "Tie": 2, "Likely A": 8}
    for name, of_one in found.groupby("rater"):
        said = [[m["content"] for m in chat if m["role"] == "user"] for chat in of_one["chat_a"]]
        early, late = [[f"{name} {i} <b>hi</b>"] for i in range(5)], [[f"{name} {i}"] for i in range(6, 10)]
        assert said == [*early, [f"{name} 5 before the kill", f"{name} 5 after it"], *late]
    for side in ("a", "b"):
        replies = found[f"chat_{side}"].map(lambda chat: chat[1]["content"].startswith("lol"))
        assert (replies == (found[f"system_{side}"] == "casual")).all()
    # 22 rounds were begun, 10 + 10 of the first 20 and two open ones.
    assert 8 <= (found["system_a"] == "casual").sum() <= 12
    for name in ("ann", "bob"):
        assert asides[name] == {
            "title": "Which one sounds more like a person?",
            "wide": sizes[name]["width"],
            "elsewhere": [],
            "bold": 0,
        }
    assert "Traceback" not in "".join([*first, *second])


@pytest.mark.slow
def test_raters_read_and_the_results_page_says_how_they_agree(chromium, port, tmp_path):
    prompts = ["how was your day?", "any plans <i>today</i>?"]
    with served(tmp_path / "votes.sqlite", port, *prompts):
        for name in ("ann", "bob"):
            with browser_page(chromium, viewport={"width": 390, "height": 844}) as page:
                page.goto(f"http://127.0.0.1:{port}/")
                page.get_by_label("Your name").fill(name)
                page.get_by_label("Your name").press("Enter")
                for prompt in prompts:
                    page.get_by_text(prompt).wait_for()
                    assert page.get_by_label("Your message").count() == 0
                    casual = "A" if "lol" in page.locator(".answer").first.inner_text() else "B"
                    page.get_by_role("button", name=f"Likely {casual}").click()
                page.get_by_text("You have judged everything").wait_for()
                page.get_by_role("link", name="Results").click()
                page.get_by_text(re.compile("HALReward prefers")).wait_for()
                results = page.inner_text("#results")
                width = page.evaluate("document.documentElement.scrollWidth")
    assert "HALReward prefers the rater's side in 1.00" in results and "of 4 votes" in results
    assert "in 1.00 of cases; Krippendorff's alpha is not defined" in results and width == 390
    assert re.search(r"casual\s+0\.75", results) and re.search(r"stiff\s+0\.25", results)


@pytest.mark.slow
def test_a_password_keeps_others_out_and_stays_out_of_the_log(port, tmp_path):
    def status(path: str, data: dict | None = None) -> int:
        body = urllib.parse.urlencode(data).encode() if data else None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", body, timeout=30) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    with served(tmp_path / "votes.sqlite", port, ARENA_PASSWORD="pass-4711-word") as printed:
        assert status("/config") == 401
        assert status("/login", {"username": "ann", "password": "guess"}) == 400
        assert status("/login", {"username": "ann", "password": "pass-4711-word"}) == 200
        with socket.socket() as other, pytest.raises(OSError):
            other.connect((socket.gethostbyname(socket.gethostname()), port))  # 127.0.0.1 only
            if socket.gethostbyname(socket.gethostname()).startswith("127."):
                raise OSError("this machine has no other address")
    assert "4711" not in "".join(printed)
