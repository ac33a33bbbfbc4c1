"""The arena: its store, its rounds, what it says about votes. Its page is in test_arena_page.py."""

import json
import math
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal_trl.alignment.generate import generate_replies
from hal_trl.evaluation.arena import (
    Arena,
    System,
    UnansweredError,
    VotesError,
    VoteStore,
    arena_results,
    export_votes,
    load_systems,
    systems,
    visit,
)
from hal_trl.evaluation.arena.agreement import rater_agreement, reward_agreement
from hal_trl.evaluation.arena.sides import draw_sides
from hal_trl.evaluation.arena.views import conversation_html, results_html

from .arena_server import SYSTEMS
from .chat_server import Reply, chat_server


PROMPTS = ["hey, how was your day?", "any plans for the weekend?", "what did you have for lunch?"]


@pytest.fixture
def store(tmp_path):
    return VoteStore(tmp_path / "votes" / "votes.sqlite")


def likes(system: str, round, sure: str = "Certainly") -> str:
    return f"{sure} {'A' if round.system_a == system else 'B'}"


def votes_table(*rows: tuple[str, str, str, str, str]) -> pd.DataFrame:
    """Votes from (rater, item, A, B, choice)."""
    said = [{"role": "user", "content": "hey"}, {"role": "assistant", "content": "hi"}]
    return pd.DataFrame(
        [
            {"id": str(i), "started": "", "rater": rater, "item": item, "system_a": a, "system_b": b}
            | {"chat_a": said, "chat_b": said, "choice": choice, "voted": f"{i:03}"}
            for i, (rater, item, a, b, choice) in enumerate(rows)
        ]
    )


# What is stored


WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from hal_trl.evaluation.arena import VoteStore
store = VoteStore(sys.argv[1])
def one(i):
    begun = store.start(f"{sys.argv[2]}-{i}", [("x", "y"), ("x", "z"), ("y", "z")])
    chat = [{"role": "user", "content": f"{sys.argv[2]} {i} \\u20ac"}, {"role": "assistant", "content": "ok"}]
    store.say(begun, chat, chat)
    store.vote(begun.id, "Likely B")
with ThreadPoolExecutor(3) as pool:
    list(pool.map(one, range(15)))
"""


def test_two_processes_with_three_threads_each_lose_no_vote_and_keep_sides_balanced(tmp_path):
    path = tmp_path / "votes.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], cwd=Path(__file__).parents[1])
        for name in ("one", "two")
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    votes = VoteStore(path).votes()
    written = sorted((name, i) for name in ("one", "two") for i in range(15))
    assert sorted(votes["rater"]) == sorted(f"{name}-{i}" for name, i in written)
    assert {chat[0]["content"] for chat in votes["chat_b"]} == {f"{name} {i} €" for name, i in written}
    assert set(Counter(zip(votes["system_a"], votes["system_b"], strict=True)).values()) == {5}


def test_the_first_vote_counts_and_nothing_is_said_after_it(store):
    begun = store.start("ann", [("x", "y")])
    store.vote(begun.id, "Tie")
    assert store.vote(begun.id, "Certainly A").choice == "Tie"
    with pytest.raises(VotesError, match="another window"):
        store.say(begun, [{"role": "user", "content": "hi"}], [])
    with pytest.raises(ValueError, match="Certainly A, Likely A"):
        store.vote(begun.id, "A")
    with pytest.raises(ValueError, match="no such round"):
        store.vote("none", "Tie")


@pytest.mark.parametrize("damage", ["garbage", "cut", "foreign"])
def test_a_file_that_holds_no_votes_is_said_and_left_as_it_is(damage, tmp_path):
    path = tmp_path / "votes.sqlite"
    if damage == "garbage":
        path.write_bytes(b"not a database at all " * 500)
    elif damage == "foreign":
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE recipes (name TEXT)")
    else:
        filled = VoteStore(path)
        for _ in range(40):
            filled.vote(filled.start("ann " * 50, [("x", "y")]).id, "Tie")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = path.read_bytes()
    with pytest.raises(VotesError, match="database of something else" if damage == "foreign" else "damaged"):
        VoteStore(path)
    assert path.read_bytes() == before or damage == "foreign"  # SQLite may note its journal in a sound file's header
    if damage == "foreign":
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]


def test_a_locked_file_costs_a_rater_a_second_click_only(tmp_path):
    store = VoteStore(tmp_path / "votes.sqlite", timeout=0.1)
    arena = Arena(SYSTEMS, store)
    view = list(visit.sent(arena, visit.started(arena, "ann").kept, "hey"))[-1]
    with closing(sqlite3.connect(store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = visit.voted(arena, view.kept, "Tie")
        unsaid = list(visit.sent(arena, view.kept, "and you?"))[-1]
        with pytest.raises(VotesError, match="database is locked"):
            VoteStore(store.path, timeout=0.1)
    for fault in (refused, unsaid):
        assert "Nothing is lost" in fault.fault and fault.round == view.round
    assert unsaid.draft == "and you?" and store.votes().empty
    assert visit.voted(arena, refused.kept, "Tie").said and store.votes()["choice"].tolist() == ["Tie"]


def test_votes_taken_away_while_serving_are_an_error_not_an_empty_arena(store):
    shutil.rmtree(store.path.parent)
    with pytest.raises(VotesError, match="check that the file is there"):
        store.start("ann", [("x", "y")])
    assert not store.path.exists()


# Who is A


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_sides_and_pairs_are_balanced_whatever_is_drawn(seed, n_systems):
    pairs, past, rng = list(combinations("wxyz"[:n_systems], 2)), Counter(), random.Random(seed)
    for _ in range(20 * len(pairs)):
        past[draw_sides(pairs, past, rng)] += 1
    assert past == {side: 10 for a, b in pairs for side in ((a, b), (b, a))}


def test_nobody_can_tell_from_the_past_who_comes_next():
    """Within a block of ten, each system starts equally often, and after one round the next is nearly a coin again."""
    rng = random.Random(0)
    first, same = 0, 0
    for _ in range(2000):
        one = draw_sides([("x", "y")], {}, rng)
        two = draw_sides([("x", "y")], {one: 1}, rng)
        first, same = first + (one == ("x", "y")), same + (one == two)
    assert abs(first / 2000 - 0.5) < 0.05 and abs(same / 2000 - 4 / 9) < 0.05


# What a rater does


def test_a_chat_goes_on_after_a_restart_and_names_no_system(store):
    arena = Arena(SYSTEMS, store)
    view = list(visit.sent(arena, visit.started(arena, " ann ").kept, "hey"))[-1]
    again = visit.opened(Arena(SYSTEMS, VoteStore(store.path)), json.loads(json.dumps(view.kept)))
    assert again.round == view.round and again.rater == "ann" and len(again.round.chat_b) == 2
    assert set(view.kept) == {"rater", "round"} and not {"casual", "stiff"} & set(" ".join(view.kept.values()).split())
    page = conversation_html(view.round)
    assert "casual" not in page and "stiff" not in page and "lol yeah" in page
    # Nobody else's round, none of systems that are not served any more, nothing that a browser makes up.
    assert visit.opened(arena, {**view.kept, "rater": "bob"}).round.id != view.round.id
    others = Arena([SYSTEMS[0], System("new", len)], VoteStore(store.path))
    assert visit.opened(others, view.kept).round.id != view.round.id
    for rubbish in (None, [], {"rater": 3, "round": {}}, {"round": "' OR 1=1 --"}):
        assert visit.opened(arena, rubbish).round is None


def test_a_round_without_a_reply_cannot_be_voted_on_and_what_is_too_long_is_refused(store):
    arena = Arena(SYSTEMS, store)
    view = visit.started(arena, "")
    assert view.rater.startswith("anonymous ")
    assert visit.voted(arena, view.kept, "Tie").round == view.round and store.votes().empty
    long = list(visit.sent(arena, view.kept, "x" * 2001))[-1]
    assert "2000 characters" in long.fault and long.round == view.round and len(long.draft) == 2001
    assert len(list(visit.sent(arena, view.kept, "  "))) == 1
    for i in range(20):
        view = list(visit.sent(arena, view.kept, f"message {i}"))[-1]
    assert "Please vote" in list(visit.sent(arena, view.kept, "one more"))[-1].fault


def test_an_endpoint_that_dies_during_a_chat_leaves_the_session_and_the_turn_can_be_repeated(store, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-4711")
    dead = []
    pytest.importorskip("openai")

    def script(body, n):
        if dead:
            return Reply(reset=True) if dead[0] == "reset" else Reply("Traceback (most recent call last)", status=500)
        return Reply("<think>what to say</think>\nhey you \ud800")

    with chat_server(script) as server:
        served = load_systems([f"m@{server.url}"])
        arena = Arena([SYSTEMS[0], *served], store)
        view = list(visit.sent(arena, visit.started(arena, "ann").kept, "hey"))[-1]
        for fault in ("reset", "500"):
            dead[:] = [fault]
            waiting, failed = visit.sent(arena, view.kept, "still there?")
            assert waiting.waiting == "still there?" and waiting.round == view.round
            assert failed.fault == "One of the two did not answer. Nothing is lost: please try again."
            assert failed.round == view.round and failed.draft == "still there?"
        dead.clear()
        repeated = list(visit.sent(arena, failed.kept, failed.draft))[-1]
        asked = server.requests[-1]["messages"]
    assert not repeated.fault and len(repeated.round.chat_a) == 4
    assert {c[-1]["content"] for c in (repeated.round.chat_a, repeated.round.chat_b)} == {
        "hey you ?",
        "lol yeah, number 3 and im still here",
    }
    assert [message["role"] for message in asked] == ["user", "assistant", "user"] and len(asked) == 3
    assert server.authorizations == {"Bearer sk-secret-4711"}
    assert b"sk-secret" not in b"".join(path.read_bytes() for path in store.path.parent.iterdir())


def test_a_server_that_knows_only_the_old_name_of_the_limit_is_asked_with_it(store):
    pytest.importorskip("openai")
    with chat_server(
        lambda body, n: Reply("no such field", status=422) if "max_completion_tokens" in body else Reply("hi")
    ) as server:
        (served,) = load_systems([f"m@{server.url}"], max_new_tokens=7)
        assert served.reply([{"role": "user", "content": "hey"}]) == "hi"
    assert server.requests[-1]["max_tokens"] == 7


def test_raters_who_read_get_the_same_replies_each_once_also_after_a_restart(store):
    calls = Counter()

    def counted(chat):
        calls[chat[0]["content"]] += 1
        return f"reply {sum(calls.values())}"

    two = [SYSTEMS[0], System("counted", counted)]
    read = {}
    for rater in ("ann", "bob"):
        arena, read[rater] = Arena(two, VoteStore(store.path), PROMPTS), []
        while begun := arena.begin(rater):
            read[rater].append({begun.item, begun.chat_a[1]["content"], begun.chat_b[1]["content"]})
            store.vote(begun.id, "Tie")
        assert visit.started(arena, rater).said.startswith("You have judged everything")
    assert read["ann"] == read["bob"] and len(read["ann"]) == 3
    assert calls == dict.fromkeys(PROMPTS, 1)


def test_a_reply_to_read_that_does_not_come_can_be_asked_for_again(store):
    alive = []
    shaky = System("shaky", lambda chat: "fine" if alive else 1 / 0)
    arena = Arena([SYSTEMS[0], shaky], store, PROMPTS)
    view = visit.started(arena, "ann")
    assert view.retry and view.round is None and "ZeroDivision" not in view.fault
    with pytest.raises(UnansweredError):
        arena.begin("ann")
    alive.append(1)
    assert visit.opened(arena, view.kept).round.chat_a


# Systems


@pytest.fixture(scope="session")
def tiny_adapter(tiny_chat_model, tmp_path_factory):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "o_proj"], init_lora_weights=False)
    folder = tmp_path_factory.mktemp("adapter")
    get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_chat_model), config).save_pretrained(folder)
    return folder


def test_base_and_adapters_share_a_model_and_each_answers_as_it_would_alone(
    tiny_chat_model, tiny_adapter, tmp_path, monkeypatch
):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setattr(systems.secrets, "randbelow", lambda n: 0)
    other = tmp_path / "other+adapter"
    shutil.copytree(tiny_adapter, other)
    specs = [f"{tiny_chat_model}", f"{tiny_chat_model}+{tiny_adapter}"]
    base, adapted = load_systems(specs, max_new_tokens=12)
    chat = [{"role": "user", "content": "hey"}]
    tokenizer = AutoTokenizer.from_pretrained(tiny_chat_model)
    alone = AutoModelForCausalLM.from_pretrained(tiny_chat_model)
    expected = generate_replies(alone, tokenizer, [chat], 12)[0]
    expected_adapted = generate_replies(PeftModel.from_pretrained(alone, tiny_adapter), tokenizer, [chat], 12)[0]
    assert expected != expected_adapted
    assert [base.reply(chat), adapted.reply(chat), base.reply(chat)] == [expected, expected_adapted, expected]
    assert [base.name, adapted.name] == specs
    assert base.reply.func.__self__ is adapted.reply.func.__self__


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("BASE+/nowhere/adapter", FileNotFoundError, "No adapter at /nowhere/adapter"),
        ("BASE+BASE", FileNotFoundError, "no adapter_config.json"),
        ("/nowhere/base", FileNotFoundError, "No model at /nowhere/base"),
        ("BASE+MISFIT", ValueError, "does not fit its model"),
        ("BASE+", ValueError, "MODEL, MODEL"),
        ("http://127.0.0.1:1/v1", ValueError, "Name the model"),
        ("m@http://me:secret@127.0.0.1:1/v1", ValueError, "OPENAI_API_KEY"),
    ],
)
def test_what_cannot_be_loaded_is_said_at_the_start(spec, error, says, tiny_chat_model, tiny_adapter, tmp_path):
    misfit = tmp_path / "misfit"
    shutil.copytree(tiny_adapter, misfit)
    config = json.loads((misfit / "adapter_config.json").read_text())
    (misfit / "adapter_config.json").write_text(json.dumps({**config, "r": 8}))
    spec = spec.replace("MISFIT", str(misfit)).replace("BASE", str(tiny_chat_model))
    with pytest.raises(error, match=says) as raised:
        load_systems([str(tiny_chat_model), spec])
    assert "secret" not in str(raised.value)


def test_an_arena_of_one_is_refused(store):
    for given_systems in (SYSTEMS[:1], [SYSTEMS[0], SYSTEMS[0]]):
        with pytest.raises(ValueError, match="two or more different"):
            Arena(given_systems, store)


# What the votes say


def test_win_rates_ratings_and_pairs_follow_the_votes_whatever_the_sides():
    pytest.importorskip("krippendorff")
    rng, order, rows = random.Random(0), ["good", "fair", "poor"], []
    for i in range(60):
        a, b = rng.sample(order, 2)
        better, worse = "AB" if order.index(a) < order.index(b) else "BA"
        choices = (f"Certainly {better}", f"Likely {better}", "Tie", f"Likely {worse}")
        rows.append(("ann", str(i), a, b, choices[i % 4]))
    found = arena_results(votes_table(*rows))
    assert found.systems.index.tolist() == order
    for column in ("win_rate", "bradley_terry", "elo"):
        assert found.systems[column].is_monotonic_decreasing
    assert (found.systems["low"] < found.systems["win_rate"]).all() and found.votes == 60 and found.raters == 1
    assert found.systems[["wins", "ties", "losses"]].sum(axis=1).tolist() == found.systems["votes"].tolist()
    assert np.average(found.systems["win_rate"], weights=found.systems["votes"]) == pytest.approx(0.5)
    good = found.pairs.set_index(["system", "other"]).loc[("good", "poor")]
    assert good["win_rate"] > 0.5 and len(found.pairs) == 3


def test_a_system_that_always_wins_has_no_bradley_terry_and_the_page_says_why():
    pytest.importorskip("krippendorff")
    found = arena_results(votes_table(*[("ann", str(i), "x<y>", "z", "Certainly A") for i in range(3)]))
    assert math.isnan(found.systems["bradley_terry"].iloc[0]) and found.systems["elo"].iloc[0] > 1500
    page = results_html(found, None)
    assert "Collect more votes" in page and "x&lt;y&gt;" in page and "nan" not in page


def test_agreement_between_raters_is_about_systems_not_sides():
    krippendorff = pytest.importorskip("krippendorff")
    votes = votes_table(
        ("ann", "1", "x", "y", "Certainly A"),
        ("bob", "1", "y", "x", "Likely B"),
        ("ann", "2", "x", "y", "Likely B"),
        ("bob", "2", "x", "y", "Tie"),
        ("cyd", "2", "y", "x", "Certainly A"),
        ("cyd", "3", "y", "x", "Certainly A"),  # nobody else: no agreement to see
    )
    found = rater_agreement(votes)
    assert found.items == 2 and found.same == pytest.approx(2 / 4)  # 1: same; 2: ann-cyd same, two pairs not
    expected = krippendorff.alpha([[1, 0.25], [0.75, 0.5], [np.nan, 0]], level_of_measurement="ordinal")
    assert found.alpha == pytest.approx(expected)
    same = votes_table(*[(rater, item, "x", "y", "Tie") for rater in "ab" for item in "12"])
    assert rater_agreement(same).same == 1 and math.isnan(rater_agreement(same).alpha)
    assert rater_agreement(votes.tail(1)).items == 0


def test_agreement_with_halreward_leaves_ties_out_and_reads_each_conversation_once(store):
    arena = Arena(SYSTEMS, store)
    for i, prompt in enumerate(PROMPTS * 2):
        begun = arena.say(arena.begin("ann"), prompt)
        store.vote(begun.id, ["Tie", likes("stiff", begun)][i] if i < 2 else likes("casual", begun, "Likely"))
    known: dict[str, float] = {}
    found = reward_agreement(store.votes(), known=known)
    assert found.votes == 5 and found.same.value == pytest.approx(4 / 5) and len(known) == 6
    assert reward_agreement(store.votes(), reward=lambda *texts: 1 / 0, known=known) == found
    assert reward_agreement(store.votes().head(1)).same is None


def test_an_export_holds_every_vote_with_its_transcript_and_no_names(store, tmp_path):
    from datasets import load_from_disk

    arena = Arena(SYSTEMS, store)
    with pytest.raises(ValueError, match="no votes"):
        export_votes(store.votes(), tmp_path / "export")
    for rater, choice in [("Ann Smith", "Tie"), ("Bob", "Likely A"), ("Ann Smith", "Certainly B")]:
        begun = arena.say(arena.begin(rater), "hey \U0001f600 \x00")
        store.vote(arena.say(begun, "and you?").id, choice)
    votes = store.votes()
    for _ in range(2):  # the second replaces the first
        assert export_votes(votes, tmp_path / "export") == 3
    read = [
        pd.read_parquet(tmp_path / "export" / "votes.parquet"),
        load_from_disk(str(tmp_path / "export" / "dataset")).to_pandas(),
    ]
    for frame in read:
        assert frame["rater"].tolist() == ["rater 1", "rater 2", "rater 1"]
        rest = [column for column in votes if column not in ("rater", "chat_a", "chat_b")]
        pd.testing.assert_frame_equal(frame[rest], votes[rest], check_dtype=False)
        for side in ("chat_a", "chat_b"):
            assert [[dict(message) for message in chat] for chat in frame[side]] == votes[side].tolist()
    assert {path.name for path in (tmp_path / "export").iterdir()} == {"votes.parquet", "dataset"}


# What is shown


class _Seen(HTMLParser):
    def __init__(self, page: str):
        super().__init__()
        self.tags, self.text = Counter(), ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1

    def handle_data(self, data):
        self.text += data


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]))
    | st.sampled_from(["<script>x()</script>", "</p><img src=x onerror=y>"])
)
def test_any_text_is_shown_as_it_is_and_adds_no_markup(text):
    chat = [{"role": "user", "content": text}, {"role": "assistant", "content": text or "-"}]
    plain = [{"role": "user", "content": "-"}, {"role": "assistant", "content": "-"}]
    begun = visit.Round("i", "", "r", "i", "x", "y", chat, chat)
    seen = _Seen(conversation_html(begun))
    assert seen.tags == _Seen(conversation_html(visit.Round("i", "", "r", "i", "x", "y", plain, plain))).tags
    assert seen.text.count(text) >= 3
