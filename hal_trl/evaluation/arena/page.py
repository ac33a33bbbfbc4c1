"""The arena's page, in Gradio: a word of welcome, the conversation, the vote; and the results."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from . import visit
from .agreement import judging_reward, reward_agreement
from .results import arena_results
from .rounds import MAX_CHARACTERS, MAX_TURNS, Arena
from .views import conversation_html, notice_html, results_html
from .visit import View
from .votes import CHOICES


if TYPE_CHECKING:
    import gradio


_QUESTION = "Which one sounds more like a person?"
_HEAD = f"""<h1>{_QUESTION}</h1>
<p>A and B are both AI systems, not people. Which system is which stays hidden.</p>"""
_INTRO = """<ul><li>{task}</li><li>Then say which of the two sounds more like a person.</li>
<li>The conversation and your vote are stored on the computer that runs this page: leave out anything
private.</li></ul>"""
_CHAT, _READ = "Chat with both at once; a few messages are enough.", "Read a message and the two replies to it."
# A region that is there before its content changes is what screen readers read out.
_LIVE = """() => { for (const id of ["status", "talk"])
  document.getElementById(id)?.setAttribute("aria-live", "polite"); }"""


def require_extra() -> None:
    """To be called before models are loaded, which may take minutes.

    Raises:
        `ImportError`: if gradio or krippendorff is not installed.
    """
    missing = [name for name in ("gradio", "krippendorff") if find_spec(name) is None]
    if missing:
        raise ImportError(f'The arena needs {" and ".join(missing)}: pip install "hal-trl[arena]"')


def build_page(arena: Arena) -> gradio.Blocks:
    """The page as Gradio Blocks: whatever must not be lost is in the arena's store, not in the page.

    Raises:
        `ImportError`: if gradio or krippendorff is not installed.
    """
    require_extra()
    import gradio as gr

    reading, html = bool(arena.prompts), partial(gr.HTML, apply_default_css=False)
    with gr.Blocks(title=_QUESTION, analytics_enabled=False) as page:
        browser = gr.BrowserState({}, storage_key="hal-trl-arena", secret="hal-trl-arena")
        html(_HEAD, elem_id="head")
        with gr.Column(visible=False) as welcome:
            html(_INTRO.format(task=_READ if reading else _CHAT), elem_id="intro")
            name = gr.Textbox(
                label="Your name or initials (optional)",
                info="The same on every visit, so that your votes belong together.",
                max_length=60,
                elem_id="name",
            )
            start = gr.Button("Start", variant="primary", elem_id="start")
        talk = html(elem_id="talk", visible=False)
        with gr.Row(elem_id="write", visible=False) as write:
            text = gr.Textbox(label="Your message", max_lines=6, max_length=MAX_CHARACTERS, scale=8, elem_id="message")
            send = gr.Button("Send", variant="primary", scale=1, min_width=96, elem_id="send")
        status = html(elem_id="status")
        again = gr.Button("Try again", visible=False, elem_id="again")
        with gr.Column(visible=False, elem_id="ask") as ask:
            html(f"<h2>{_QUESTION}</h2>")
            with gr.Row(elem_id="choices"):
                buttons = [gr.Button(choice) for choice in CHOICES]
        html('<p><a href="results">Results</a></p>', elem_id="foot")

        shown = [browser, welcome, talk, write, text, send, status, again, ask, *buttons]

        def show(view: View) -> list[Any]:
            now, busy = view.round, view.waiting is not None
            writable = not busy and now is not None and len(now.chat_a) < 2 * MAX_TURNS
            votable = not busy and now is not None and bool(now.chat_a)
            return [
                view.kept,
                gr.update(visible=not view.rater),
                gr.update(value=conversation_html(now, view.waiting, reading), visible=now is not None),
                gr.update(visible=now is not None and not reading),
                gr.update(interactive=writable, **({} if view.draft is None else {"value": view.draft})),
                gr.update(interactive=writable),
                notice_html(view.said, view.fault),
                gr.update(visible=view.retry),
                gr.update(visible=now is not None and (busy or bool(now.chat_a))),
                *[gr.update(interactive=votable) for _ in buttons],
            ]

        def on(listen: Callable, act: Callable, *inputs: Any) -> None:
            def handle(*values: Any) -> Iterator[list[Any]]:
                views = act(*values)
                yield from map(show, [views] if isinstance(views, View) else views)

            listen(handle, list(inputs), shown, show_progress="hidden", api_visibility="private")

        on(page.load, partial(visit.opened, arena), browser)
        on(again.click, partial(visit.opened, arena), browser)
        on(partial(gr.on, [start.click, name.submit]), partial(visit.started, arena), name)
        on(partial(gr.on, [send.click, text.submit]), partial(visit.sent, arena), browser, text)
        for button, choice in zip(buttons, CHOICES, strict=True):
            on(button.click, partial(visit.voted, arena, choice=choice), browser)
        page.load(None, js=_LIVE)

    with page.route("Results", "results", show_in_navbar=False):
        html("<h1>Results</h1>", elem_id="head")
        table = html('<p class="empty">Counting …</p>', elem_id="results")
        html('<p><a href="./">Back to the arena</a></p>', elem_id="foot")
        page.load(_results(arena), None, table, show_progress="hidden", api_visibility="private")
    return page


def _results(arena: Arena) -> Callable[[], Iterator[str]]:
    margins: dict[str, float] = {}  # votes do not change: each conversation is scored once
    lock, reward = threading.Lock(), cache(judging_reward)

    def results() -> Iterator[str]:
        votes = arena.store.votes()
        if votes.empty:
            yield results_html(None, None)
            return
        counted = arena_results(votes)
        yield results_html(counted, None)
        with lock:
            agreement = reward_agreement(votes, reward(), margins)
        yield results_html(counted, agreement)

    return results
