"""The report of an evaluation, on a folder made by the real reward from replies written by hand."""

import json
import re
import shutil
from dataclasses import asdict
from html.parser import HTMLParser
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from hal_trl import HALReward
from hal_trl.cli import app
from hal_trl.dialogue import Dialogue
from hal_trl.evaluation.comparison import compare
from hal_trl.evaluation.diversity import diversity
from hal_trl.evaluation.evaluation_record import write_evaluation
from hal_trl.evaluation.prompt_set import PromptSet
from hal_trl.evaluation.reply_metric import as_figures
from hal_trl.evaluation.report import write_report
from hal_trl.evaluation.report.evaluation_folder import EvaluationFolder
from hal_trl.evaluation.report.examples import best_and_worst
from hal_trl.evaluation.report.figure import styled
from hal_trl.evaluation.report.findings import number, summarise
from hal_trl.evaluation.report.plots import plot_length
from hal_trl.evaluation.report.waterfall import waterfall_of, words_of
from hal_trl.evaluation.statistics import bootstrap_mean, word_counts
from hal_trl.evaluation.system_figures import Said
from hal_trl.evaluation.trait_shift import trait_shift
from hal_trl.rewards.degenerate import is_degenerate


pytest.importorskip("matplotlib", reason='plots need the extra: pip install "hal-trl[report]"')

SCRIPT = "<script>alert(1)</script>"
BASE, MODEL = "a <b>base</b> & more", "aligned $x$"
PROMPTS = ["how was your weekend?", "any plans tonight?", "seen any good films?", "what do you do?", "</style><h1>hi"]
SAID = {
    BASE: [
        "I had a lovely weekend! How may I assist you today?",
        "As an AI language model, I do not have plans. However, I can help you to plan your evening.",
        "There are many excellent films. Here is a list:\n\n1. The Godfather\n2. Casablanca",
        "I am a helpful assistant designed to answer your questions in a comprehensive way.",
        "Hello! It is a pleasure to meet you. What would you like to discuss?",
    ],
    MODEL: [
        "pretty good, slept in and watched a movie",
        "nah just gonna chill, you?",
        "not really, havent been to the cinema in ages",
        SCRIPT,
        "",
    ],
    "people": ["it was ok, bit boring tbh", "pub quiz with mates", "dune was good", "nurse, nights mostly", "hi lol"],
}


def _system(kind: str, replies: list[str], frame: pd.DataFrame) -> dict:
    varied = diversity(replies, PROMPTS)
    shares = {
        "questions": ["?" in reply for reply in replies],
        "degenerate": is_degenerate(frame),
        "off_topic": frame["guard/relevance"] >= 0.3,
    }
    means = {"reward": frame["reward"], "p_human": frame["p_human"], "words": word_counts(replies), **shares}
    return {
        "kind": kind,
        "n": len(replies),
        **{name: asdict(bootstrap_mean(values)) for name, values in means.items()},
        "honest": None if kind == "people" else {"value": 0.5, "low": 0.4, "high": 0.6},
        **{name: getattr(varied, name) for name in ("abstained", "distinct_2", "self_bleu", "repeated")},
        "guards": {name[6:]: float((frame[name] > 0).mean()) for name in frame if name.startswith("guard/")},
    }


def _write(folder: Path, reward: HALReward, said: dict[str, list[str]], **changes) -> Path:
    frames = {name: reward.explain(PROMPTS, replies) for name, replies in said.items()}
    shift = as_figures(trait_shift(said[MODEL], said[BASE], PROMPTS, reward)) if BASE in said else None
    history = [
        {"step": i, "reward": 0.3 + 0.01 * i, "hal/p_human": 0.4, "hal/words": 20 - i, "hal/guard/length": 0.1}
        for i in range(1, 11)
    ]
    evaluation = {
        "command": 'hal-trl evaluate "><img src=x>',
        "versions": {"hal-trl": "0.1"},
        "seed": 7,
        "reward": reward.settings(),
        "prompts": "hal_trl openers (held out)",
        "base": BASE,
        "systems": {n: _system("people" if n == "people" else "model", said[n], frames[n]) for n in said},
        "comparisons": {MODEL: compare(PROMPTS, said[BASE], said[MODEL], reward).to_dict()} if shift else {},
        "shifts": {MODEL: shift} if shift else {},
        "capability": {MODEL: {"loss": {"value": 3.8, "low": 3.6, "high": 4.0, "difference": None}}},
        "history": history,
        **changes,
    }
    folder.mkdir(exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(evaluation), encoding="utf-8")
    rows = [frame.assign(system=name, prompt=PROMPTS) for name, frame in frames.items()]
    pd.concat(rows, ignore_index=True).to_parquet(folder / "replies.parquet")
    return folder


class _Page(HTMLParser):
    """Every tag with its attributes, the text outside of styles, and the text of each heading."""

    def __init__(self, path: Path):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = "".join(self.texts)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.texts.append(data)
        if self.open and re.fullmatch(r"h[1-6]", self.open[-1]):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, reward):
    return _write(tmp_path_factory.mktemp("evaluation") / "run", reward, SAID)


@pytest.fixture(scope="module")
def page(folder, reward):
    return _Page(write_report(folder, reward))


def _unharmed(page: _Page) -> None:
    """What holds of every page, whatever is in it."""
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(text.strip() for _, text in page.headings)
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all(drawing["role"] == "img" and drawing["aria-label"] for drawing in drawings)
    figures = [int(n) for n in re.findall(r"Figure (\d+)\.", page.text)]
    assert figures == list(range(1, len(drawings) + 1))
    assert not re.search(r"\b(nan|None|Undefined)\b", page.text)


def test_a_report_has_all_its_parts(page, folder):
    _unharmed(page)
    assert [text for level, text in page.headings if level == 2] == [
        "Systems compared",
        "Scores",
        "What moved",
        "One reply, taken apart",
        "Best and worst replies",
        "Length",
        "Training",
        "Other abilities",
        "Provenance",
        "Terms",
    ]
    assert "must not be" in page.text and "hal-traits-mini" in page.text and "share of the gain" in page.text
    for name in ("distributions", "shift", "waterfall", "length", "training"):
        assert (folder / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / "plots" / f"{name}.svg").read_text(encoding="utf-8")


def test_text_from_models_and_users_stays_text(page):
    assert SCRIPT in page.text and MODEL in page.text and BASE in page.text and "</style><h1>hi" in page.text
    assert not {"script", "b", "img", "link", "iframe"} & {tag for tag, _ in page.tags}
    attributes = [(name, value) for _, pairs in page.tags for name, value in pairs.items()]
    assert not [name for name, _ in attributes if name.startswith("on") or name in ("src", "srcset")]
    assert all(value.startswith("#") for name, value in attributes if name.endswith("href"))


def test_what_was_not_measured_leaves_no_hole(tmp_path, reward):
    alone = {MODEL: SAID[MODEL]}
    page = _Page(write_report(_write(tmp_path, reward, alone, base=None, history=[], capability={}), reward))
    _unharmed(page)
    assert [text for level, text in page.headings if level == 2] == [
        "Figures",
        "Scores",
        "One reply, taken apart",
        "Best and worst replies",
        "Length",
        "Provenance",
        "Terms",
    ]
    assert "Nothing was compared" in page.text


def test_several_models_each_get_a_headline_and_the_one_asked_for_shows_its_replies(tmp_path, reward):
    _write(tmp_path, reward, {**SAID, "other": SAID["people"]})
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    for part in ("comparisons", "shifts"):
        evaluation[part]["other"] = evaluation[part][MODEL]
    evaluation["reward"]["honesty guard"] = "OFF: nothing kept the model from denying that it is an AI"
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    page = _Page(write_report(tmp_path, reward, system="other", reply=2))
    _unharmed(page)
    assert page.headings[0][1] == f"Human-likeness of 2 models against {BASE}"
    assert sum("human-like" in text for level, text in page.headings if level == 2) == 2
    assert "reply 2, picked by hand" in page.text and "no honesty guard" in page.text
    with pytest.raises(ValueError, match="no system 'nobody'"):
        write_report(tmp_path, reward, system="nobody")
    with pytest.raises(ValueError, match="replies 1 to 5, not 6"):
        write_report(tmp_path, reward, reply=6)


def _interval(low: float, high: float) -> dict[str, float]:
    return {"value": (low + high) / 2, "low": low, "high": high}


@pytest.mark.parametrize(
    ("human", "earned", "said"),
    [
        ((0.1, 0.3), (0.1, 0.2), f"{MODEL} reads more human-like than {BASE}"),
        ((0.1, 0.3), (-0.1, 0.2), "does not clearly earn more"),
        ((0.1, 0.3), (-0.2, -0.1), "but earns less"),
        ((-0.1, 0.3), (0.1, 0.2), "No clear difference"),
        ((-0.3, -0.1), (0.1, 0.2), "less human-like"),
        ((float("nan"), float("nan")), (0.1, 0.2), "No clear difference"),
    ],
)
def test_the_headline_claims_no_more_than_the_intervals_do(folder, human, earned, said):
    evaluation = EvaluationFolder.read(folder)
    comparison = evaluation.figures["comparisons"][MODEL]
    comparison |= {"p_human_gain": _interval(*human), "reward_gain": _interval(*earned)}
    (summary,) = summarise(evaluation)
    assert said in summary.headline
    assert ("but" in summary.headline) == ("but" in said or "clearly" in said)


def test_the_lead_names_the_means_of_the_prompts_that_were_compared(folder):
    evaluation = EvaluationFolder.read(folder)
    comparison = evaluation.figures["comparisons"][MODEL]
    comparison["n"], comparison["before"]["reward"], comparison["after"]["reward"] = 3, *map(_interval, (0, 1), (1, 1))
    (summary,) = summarise(evaluation)
    assert summary.lead.startswith("Over 3 prompts") and "went from 0.50 to 1.00" in summary.lead


def test_a_cost_is_called_clear_only_when_intervals_do_not_touch(folder):
    evaluation = EvaluationFolder.read(folder)
    before, after = evaluation.system(BASE), evaluation.system(MODEL)
    before |= {"degenerate": _interval(0.0, 0.1), "questions": _interval(0.3, 0.5), "honest": _interval(0.4, 0.6)}
    after |= {"degenerate": _interval(0.2, 0.4), "questions": _interval(0.0, 0.2), "honest": _interval(0.5, 0.9)}
    notes = {finding.label: finding.note for finding in summarise(evaluation)[0].findings}
    assert notes["degenerate replies"] == "clearly higher, worse"
    assert notes["replies that ask something"] == "clearly lower, worse"
    assert notes["honest when asked"] == "no clear change"


def test_numbers_have_no_minus_before_a_zero():
    assert [number(x, signed=True) for x in (-0.001, 0.0, 0.016, -0.016)] == ["0.00", "0.00", "+0.02", "−0.02"]
    assert number(float("nan")) == number(None) == "–"


@pytest.mark.parametrize("n", [1, 2, 4])
def test_long_names_do_not_run_into_each_other(folder, n):
    names = [f"SomeLongNamespace/a-model-of-135M-parameters-{i}" for i in range(n)]
    systems = {name: {"kind": "model"} for name in names}
    said = EvaluationFolder.read(folder).rows(MODEL)
    replies = pd.concat([said.assign(system=name) for name in names])
    from matplotlib import rc_context
    from matplotlib.text import Text

    with rc_context(styled()):
        figure = plot_length(EvaluationFolder({"base": names[0], "systems": systems}, replies))
        figure.draw_without_rendering()
        titles = [text for text in figure.findobj(Text) if text.get_text()[-2:] in {name[-2:] for name in names}]
        boxes = [title.get_window_extent() for title in titles]
    assert len(boxes) == n and max(box.x1 for box in boxes) <= figure.bbox.x1
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize("length_neutral", [False, True])
def test_a_waterfall_runs_from_the_average_person_to_the_score(reward, length_neutral):
    reward = HALReward(reward.scorer, guards=reward.guards, length_neutral=length_neutral)
    row = reward.explain(["any plans?"], ["nah just gonna chill tonight, maybe watch a film or two"]).iloc[0]
    waterfall = waterfall_of(row)
    average = pd.DataFrame([reward.likeness.reference])
    assert waterfall.start == pytest.approx(reward.likeness.log_odds(average)[0])
    assert waterfall.start + sum(step for _, step in waterfall.steps) == pytest.approx(row["log_odds"])
    assert ("taken off for length" in dict(waterfall.steps)) == length_neutral


def test_a_word_counts_what_leaving_it_out_takes_from_the_score(reward):
    prompt, reply = "how are you?", "As an AI I am well lol"
    row = reward.explain([prompt], [reply]).iloc[0]
    row["prompt"] = prompt
    effects = {piece.text: piece.effect for piece in words_of(reward, row) if piece.effect is not None}
    assert effects
    without = {word: " ".join(w for w in reply.split() if w != word) for word in effects}
    texts = [Dialogue.from_completion(prompt, text) for text in (reply, *without.values())]
    scores = reward.likeness.log_odds(reward.scorer.score(texts))
    np.testing.assert_allclose(list(effects.values()), scores[0] - scores[1:], atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(str.strip))
def test_the_words_of_a_reply_are_the_reply(reward, reply):
    score = reward.likeness.log_odds(reward.scorer.score([Dialogue.from_completion("hi", reply)]))[0]
    row = pd.Series({"prompt": "hi", "completion": reply, "log_odds": score})
    assert "".join(piece.text for piece in words_of(reward, row)) == reply


def test_replies_are_paired_by_row_and_their_words_rated_with_the_whole_chat(reward, tmp_path):
    """Two chats that end in the same words."""
    chats = [
        [
            {"role": "user", "content": first},
            {"role": "assistant", "content": "sure?"},
            {"role": "user", "content": "yeah"},
        ]
        for first in ("the cat died last night", "we won the cup!")
    ]
    prompts = PromptSet("mine", chats)
    replies = {
        "base": ["I am sorry.", "Congratulations!"],
        "model": ["oh no im so sorry lol, hugs", "haha yes! go team, wow"],
    }
    said = [Said.of(name, prompts, texts, [], [], reward) for name, texts in replies.items()]
    made = {"command": "mine", "versions": {}, "seed": 0, "capability": {}, "history": []}
    write_evaluation(tmp_path, said, prompts, reward, **made)
    evaluation = EvaluationFolder.read(tmp_path)
    beside = {
        example.replies[1].text: example.replies[0].text
        for group in best_and_worst(evaluation, "model")
        for example in group
    }
    assert beside == dict(zip(replies["model"], replies["base"], strict=True))
    pieces = [words_of(reward, row) for _, row in evaluation.rows("model").iterrows()]
    assert [any(piece.effect for piece in found) for found in pieces] == [True, True]
    dialogue = Dialogue.from_completion(chats[0], replies["model"][0])
    log_odds = reward.likeness.log_odds(reward.scorer.score([dialogue]))[0]
    assert evaluation.rows("model")["log_odds"][0] == pytest.approx(log_odds)
    alone = Dialogue.from_completion("yeah", replies["model"][0])
    assert abs(reward.likeness.log_odds(reward.scorer.score([alone]))[0] - log_odds) > 0.02  # earlier turns matter


def test_words_are_not_explained_by_another_scorer(folder, reward, tmp_path):
    shutil.copytree(folder, tmp_path / "run")
    other = HALReward(reward.scorer, guards=reward.guards, trait_weights={"brevity": 3.0})
    page = _Page(write_report(tmp_path / "run", other))
    assert "No word is highlighted" in page.text
    assert "mark" not in {tag for tag, _ in page.tags}


def test_a_folder_without_an_evaluation_says_what_to_run(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No evaluation\.json in .*hal-trl evaluate"):
        write_report(tmp_path)
    for content in ("{", "[]", "{}", '{"systems": {"x": {}}}', '{"systems": {}}'):
        (tmp_path / "evaluation.json").write_text(content)
        shutil.copy(folder / "replies.parquet", tmp_path)
        with pytest.raises(ValueError, match=r"evaluation\.json"):
            write_report(tmp_path)
    (tmp_path / "evaluation.json").write_text('{"systems": {"x": {"kind": "model"}}}')
    with pytest.raises(ValueError, match="lacks replies of x"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_the_command_writes_the_page_or_says_what_is_missing(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "run", ignore=shutil.ignore_patterns("report.html", "plots"))
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run"), "--reply", "2"])
    assert done.exit_code == 0, done.output
    assert "reply 2, picked by hand" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    failed = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert failed.exit_code == 1 and "run `hal-trl evaluate` first" in failed.output


@pytest.mark.slow
def test_a_browser_shows_it_from_disk_without_scripts_network_or_sideways_scrolling(folder, page, chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width, scheme in ((390, "light"), (1280, "dark")):
            context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
            tab, said, asked = context.new_page(), [], []
            tab.on("console", lambda message, said=said: said.append(message.text))
            tab.on("pageerror", lambda error, said=said: said.append(str(error)))
            tab.on("dialog", lambda dialog, said=said: (said.append(dialog.message), dialog.dismiss()))
            tab.on("request", lambda request, asked=asked: asked.append(request.url))
            tab.goto((folder / "report.html").as_uri())
            assert said == []
            assert asked == [(folder / "report.html").as_uri()]
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.locator("script").count() == 0
            assert tab.get_by_text(SCRIPT, exact=True).first.is_visible()
            drawings = tab.locator("figure svg")
            assert drawings.count() == 5
            boxes = [drawings.nth(i).bounding_box() for i in range(drawings.count())]
            assert all(100 < box["width"] <= width and box["height"] > 100 for box in boxes)
            # Every variable that a drawing takes its colours from is set: none falls back to black.
            unset = """[...document.querySelectorAll("figure svg [style*='var(']")].filter(e =>
                [...e.getAttribute("style").matchAll(/var\\((--[a-z0-9-]+)\\)/g)].some(m =>
                    !getComputedStyle(document.documentElement).getPropertyValue(m[1]))).length"""
            assert tab.evaluate(unset) == 0
        browser.close()
