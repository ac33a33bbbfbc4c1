"""Discovery from end to end: a real encoder and real clusters, a scripted model behind real HTTP."""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from hal_trl import HumanLikenessScore, LLMJudge, TraitSet
from hal_trl.cli import app
from hal_trl.discovery import cluster_statements, discover
from hal_trl.scorers.judges.endpoint import ChatEndpoint

from .chat_server import ChatServer, Reply, chat_server, dialogue_in


N_PAIRS = 24
SAID = {
    "brevity": (
        "Keeps replies very short.",
        "Answers in few words.",
        "Writes brief messages.",
        "Gives short, terse answers.",
        "Replies with only a few words.",
        "Keeps answers brief and short.",
        "Sends very short messages.",
        "Uses few words in each reply.",
        "Gives brief replies.",
        "Responds briefly, in a few words.",
        "Answers are short and terse.",
        "Keeps messages short.",
    ),
    "lowercase": (
        "Types everything in lower case.",
        "Uses no capital letters.",
        "Writes without capitalization.",
        "Does not capitalize sentences.",
        "Types in lowercase letters only.",
        "Leaves out capital letters.",
        "Starts sentences without capitals.",
        "Avoids upper case letters.",
        "Types with no capitalization at all.",
        "Uses lower case letters throughout.",
        "Does not use capitals.",
        "Writes names without capital letters.",
    ),
    "weather": (
        "Mentions the weather.",
        "Talks about rain and sunshine.",
        "Brings up today's weather.",
        "Comments on the weather outside.",
        "Refers to rain, sun or cold weather.",
        "Speaks about weather conditions.",
        "Says whether it is raining.",
        "Describes the weather of the day.",
        "Complains about the rain.",
        "Talks about how cold or sunny it is.",
        "Remarks on the weather forecast.",
        "Mentions that it is raining outside.",
    ),
}
QUESTIONNAIRE = [
    {"id": "brevity", "statement": "The speaker writes short messages.", "group": "style"},
    {"id": "lowercase", "statement": "The speaker types in lower case.", "group": "style"},
    {"id": "weather", "statement": "The speaker mentions the weather.", "group": "topics"},
]
TRAITS = TraitSet.from_list(QUESTIONNAIRE)


def number(text: str, n: int) -> int:
    """The same for the same text, and otherwise as good as random."""
    return hashlib.sha256(text.encode()).digest()[0] % n


def dialogue(pair: int, human: bool) -> str:
    sky = "It rains here." if number(f"{pair} {human}", 2) else "It is late here."
    said = f"not much, you {pair}" if human else f"I am doing very well today, thank you for asking, friend {pair}."
    return f"I: {sky} what are you up to?\nW: {said}\nI: nice\nW: {'yeah' if human else 'It certainly is.'}"


def write_pairs(folder: Path, n: int = N_PAIRS) -> Path:
    rows = [
        {"pair_id": pair, "is_human": human, "transcript": dialogue(pair, human)}
        for pair in range(n)
        for human in (True, False)
    ]
    path = folder / "pairs.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


def task(body: dict) -> str:
    system = body["messages"][0]["content"]
    return "find" if "dialogues, A and B" in system else "merge" if "clusters of statements" in system else "rate"


def shown(body: dict) -> list[list[dict]]:
    """Every part that is quoted in a request."""
    system, user = (message["content"] for message in body["messages"][:2])
    nonce = re.search(r"BEGIN (\w+)", system)[1]
    parts = re.findall(rf"^BEGIN {nonce}$\n(.*?)\n^END {nonce}$", user, re.DOTALL | re.MULTILINE)
    return [[json.loads(line) for line in part.split("\n")] for part in parts]


def script(body: dict, n: int) -> Reply:
    """A model that can tell: short and lower case is a person."""
    if task(body) == "merge":
        return Reply(f"Here you are: {json.dumps({'traits': QUESTIONNAIRE})}")
    if task(body) == "find":
        texts = [" ".join(turn["text"] for turn in part if turn["rated"]) for part in shown(body)]
        assert len(texts) == 2
        pair = int(re.search(r"\d+", texts[0])[0])
        chosen = [said[pair % len(said)] for said in SAID.values()]
        return Reply(json.dumps({"human": "AB"[len(texts[1]) < len(texts[0])], "statements": chosen}))
    text = " ".join(turn["text"] for turn in dialogue_in(body) if turn["rated"])
    human, wobble = text == text.lower(), number(text, 2)
    return Reply(
        json.dumps({"brevity": 4 + wobble if human else 1 + wobble, "lowercase": 5 if human else 1, "weather": 3})
        if number(text, 9)
        else json.dumps({"brevity": 3, "lowercase": 3, "weather": 1 + number(text + "w", 5)})
    )


def parts(server: ChatServer, folder: Path, **options) -> dict:
    """The model for every stage."""
    served = {"model": "scripted", "base_url": server.url, "cache_dir": folder / "answers", "timeout": 5.0, **options}
    return {"endpoint": ChatEndpoint(**served), "judge": lambda traits: LLMJudge(traits=traits, **served)}


def write_traits(folder: Path) -> None:
    (folder / "traits.json").write_text(json.dumps(QUESTIONNAIRE), encoding="utf-8")


@pytest.fixture(scope="module")
def finished(minilm, tmp_path_factory):
    """A run through all stages: folder, result and server."""
    folder = tmp_path_factory.mktemp("discovery")
    with chat_server(script) as server:
        found = discover(write_pairs(folder), folder / "run", **parts(server, folder), encoder=minilm)
        yield folder, found, server


@pytest.mark.slow
def test_from_pairs_to_a_score_that_loads(finished):
    folder, found, server = finished
    assert Counter(map(task, server.requests)) == {"find": N_PAIRS, "merge": 1, "rate": 2 * N_PAIRS}
    assert {"brevity", "lowercase"} & set(found.score.traits.ids) and "weather" not in found.score.traits
    loaded = HumanLikenessScore.from_pretrained(folder / "run")
    assert loaded.weights == found.score.weights and loaded.traits == found.score.traits
    figures = json.loads((folder / "run" / "discovery.json").read_text())
    assert figures["told_apart"]["selected traits"]["pairwise"]["value"] > 0.8
    assert figures["finder_accuracy"]["value"] == 1.0 and figures["n_statements"] == 3 * N_PAIRS
    for row in figures["traits"]:
        assert row["people"] > row["ai"] or row["id"] == "weather"
        assert not row["selected"] or row["low"] <= row["weight"] <= row["high"]


@pytest.mark.slow
def test_the_finder_sees_either_side_first(finished):
    _, _, server = finished
    first = Counter(shown(body)[0][1]["text"].islower() for body in server.requests if task(body) == "find")
    assert min(first[True], first[False]) >= 4


@pytest.mark.slow
def test_the_page_shows_traits_figures_examples_and_plots(finished):
    folder, found, _ = finished
    page = (folder / "run" / "questionnaire.md").read_text()
    for trait in found.score.traits:
        assert trait.statement in page and f"### {trait.id}" in page
    assert "> **W:** not much, you" in page and "> **W:** I am doing very well" in page
    assert "## Not selected" in page and "weather" in page
    for name in re.findall(r"!\[\w+\]\((\S+)\)", page):
        assert (folder / "run" / name).read_bytes().startswith(b"\x89PNG")
    assert page.count(".png") == 3 and "nan" not in page


@pytest.mark.slow
def test_the_clusters_are_the_meanings_and_the_same_again(finished, minilm):
    folder, _, _ = finished
    clusters = pd.read_parquet(folder / "run" / "clusters.parquet")
    meaning = {statement: name for name, said in SAID.items() for statement in said}
    inside = clusters[clusters["cluster"] >= 0]
    assert len(inside) > len(clusters) / 2
    meanings = pd.crosstab(inside["cluster"], inside["statement"].map(meaning))
    assert meanings.max(axis=1).sum() > 0.9 * len(inside)
    assert (inside.groupby("cluster")["rank"].agg(sorted).map(lambda r: r == list(range(len(r))))).all()
    pd.testing.assert_frame_equal(cluster_statements(clusters["statement"].tolist(), minilm), clusters)


@pytest.mark.slow
def test_a_finished_run_needs_no_model_and_says_the_same(finished):
    folder, found, server = finished
    before = len(server.requests)
    again = discover(folder / "pairs.parquet", folder / "run")
    assert again.figures == found.figures and len(server.requests) == before


@pytest.mark.slow
def test_stages_whose_files_are_deleted_are_done_again_from_kept_answers(finished, minilm):
    folder, found, server = finished
    for name in ("statements.parquet", "clusters.parquet", "traits.json", "ratings.parquet"):
        (folder / "run" / name).unlink()
    before = len(server.requests)
    again = discover(folder / "pairs.parquet", folder / "run", **parts(server, folder), encoder=minilm)
    assert again.figures == found.figures and len(server.requests) == before


@pytest.mark.slow
def test_without_a_language_model_representatives_are_the_questionnaire(finished, minilm, tmp_path):
    folder, _, _ = finished
    pd.read_parquet(folder / "run" / "statements.parquet").to_parquet(tmp_path / "statements.parquet")
    with pytest.raises(ValueError, match="not rated: give a model"):
        discover(folder / "pairs.parquet", tmp_path, encoder=minilm, use_llm=False)
    traits = json.loads((tmp_path / "traits.json").read_text())
    assert {trait["statement"] for trait in traits} <= {statement for said in SAID.values() for statement in said}
    assert any("short" in t["id"] or "brief" in t["id"] or "words" in t["id"] for t in traits)


@pytest.mark.slow
def test_statements_that_are_all_alike_are_no_clusters(minilm):
    with pytest.raises(ValueError, match=r"no clusters of 30 or more.*traits\.json"):
        cluster_statements([f"Keeps it short{'!' * i}" for i in range(40)], minilm, min_cluster_size=30)


def test_fed_by_hand_from_the_command_line(tmp_path):
    pairs, run = write_pairs(tmp_path), tmp_path / "run"
    run.mkdir()
    write_traits(run)
    rows = pd.read_parquet(pairs)[["pair_id", "is_human"]]
    rng = np.random.default_rng(0)
    noise = rng.integers(1, 3, (3, len(rows)))
    rows["brevity"] = 1 + 2 * rows["is_human"] + noise[0]
    rows["lowercase"], rows["weather"] = 1 + rows["is_human"] + noise[1], noise[2]
    rows.sample(frac=1, random_state=0).to_parquet(run / "ratings.parquet")
    result = CliRunner().invoke(app, ["discover", str(pairs), "--output", str(run)])
    assert result.exit_code == 0, result.output
    assert re.search(r"brevity +\+\d", result.output) and "traits selected" in result.output
    assert HumanLikenessScore.from_pretrained(run).weights["brevity"] > 0


def test_without_a_model_the_first_stage_says_what_it_needs(tmp_path):
    result = CliRunner().invoke(app, ["discover", str(write_pairs(tmp_path)), "--output", str(tmp_path / "run")])
    assert result.exit_code == 1 and "--model" in result.output and "statements.parquet" in result.output
    assert "Traceback" not in result.output


def test_the_command_takes_timeout_and_concurrency(tmp_path):
    def run(server: ChatServer, *options: str) -> str:
        served = ["--model", "scripted", "--base-url", server.url, "--output", str(tmp_path / "run")]
        result = CliRunner().invoke(app, ["discover", str(write_pairs(tmp_path)), *served, *options])
        assert result.exit_code == 1
        return result.output

    with chat_server(lambda body, n: Reply("no answer", delay=5.0)) as server:
        assert "no answer within 0.2 seconds; raise timeout= (--timeout)" in run(server, "--timeout", "0.2")
    with chat_server(lambda body, n: Reply(script(body, n).text, delay=0.05)) as server:
        assert "is spent" in run(server, "--concurrency", "2", "--max-requests", "9")
        assert server.most_at_once == 2


def test_a_spent_budget_stops_and_nothing_is_asked_twice(tmp_path):
    pairs, run = write_pairs(tmp_path), tmp_path / "run"
    with chat_server(script) as server:
        with pytest.raises(ValueError, match="max_requests=10 is spent"):
            discover(pairs, run, **parts(server, tmp_path, max_requests=10))
        assert not (run / "statements.parquet").exists()
        with pytest.raises(ValueError, match=r"is no|does not load|fall into"):
            discover(pairs, run, **parts(server, tmp_path), encoder=tmp_path / "no-encoder")
        assert len(server.requests) == N_PAIRS and len(pd.read_parquet(run / "statements.parquet")) == 3 * N_PAIRS
        write_traits(run)
        with pytest.raises(ValueError, match="too few"):
            discover(pairs, run, **parts(server, tmp_path, max_requests=12))
        discover(pairs, run, **parts(server, tmp_path))
        assert Counter(map(task, server.requests)) == {"find": N_PAIRS, "rate": 2 * N_PAIRS}


def test_a_server_that_dies_while_rating_loses_nothing(tmp_path):
    pairs, run = write_pairs(tmp_path), tmp_path / "run"
    run.mkdir()
    write_traits(run)
    refusing = chat_server(lambda body, n: Reply(status=401) if n >= 20 else script(body, n))
    with refusing as server, pytest.raises(PermissionError):
        discover(pairs, run, **parts(server, tmp_path, max_concurrency=4))
    with chat_server(script) as server:
        discover(pairs, run, **parts(server, tmp_path))
        assert len(server.requests) == 2 * N_PAIRS - 20


def test_what_was_reworded_is_rated_anew_and_what_was_not_rated_is_asked_again(tmp_path, caplog):
    pairs, run = write_pairs(tmp_path), tmp_path / "run"
    run.mkdir()
    write_traits(run)

    def refusing(body, n):
        return Reply(None) if "not much, you 7" in json.dumps(dialogue_in(body)) else script(body, n)

    with chat_server(refusing) as server:
        found = discover(pairs, run, **parts(server, tmp_path))
    assert found.figures["n_pairs"] == N_PAIRS - 1 and "1 of 48 dialogues are not rated" in caplog.text
    with chat_server(script) as server:
        found = discover(pairs, run, **parts(server, tmp_path))
        assert len(server.requests) == 1 and found.figures["n_pairs"] == N_PAIRS
        reworded = [
            {**trait, "statement": trait["statement"].replace("The speaker", "This one")} for trait in QUESTIONNAIRE
        ]
        (run / "traits.json").write_text(json.dumps(reworded), encoding="utf-8")
        discover(pairs, run, **parts(server, tmp_path))
        assert len(server.requests) == 1 + 2 * N_PAIRS
    assert "as they are worded now" in caplog.text
