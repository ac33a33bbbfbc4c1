"""Preference pairs: who is chosen, what length may not decide, and the dataset that comes out."""

import json

import numpy as np
import pandas as pd
import pytest
from datasets import load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from hal_trl import Dialogue
from hal_trl.alignment.candidates import ask_candidates, read_candidates, sample_candidates
from hal_trl.alignment.pair_folder import write_pairs
from hal_trl.alignment.pairs import make_pairs, without_length
from hal_trl.cli import app

from .chat_server import Reply, chat_server


def candidates(n_prompts=40, per_prompt=4, seed=0, brevity=1.0):
    """Random texts whose score falls with their length, `brevity` being how much of it that is."""
    rng = np.random.default_rng(seed)
    rows, scores = [], []
    for prompt in range(n_prompts):
        for reply in range(per_prompt):
            words = int(rng.integers(1, 30))
            text = " ".join(f"w{prompt}.{reply}.{i}" for i in range(words))
            rows.append({"prompt": [{"role": "user", "content": f"prompt {prompt}"}], "completion": text})
            scores.append(-brevity * np.log1p(words) + rng.normal())
    return pd.DataFrame(rows), np.array(scores)


def n_words(messages):
    return len(messages[0]["content"].split())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0, 2), st.booleans())
def test_the_chosen_reply_scores_higher_by_more_than_the_gap_and_prompts_stay_in_one_split(seed, min_gap, balance):
    frame, scores = candidates(seed=seed)
    try:
        pairs, report = make_pairs(frame, scores, min_gap=min_gap, balance=balance, seed=seed)
    except ValueError as error:
        assert "lower --min-gap" in str(error) or "--no-balance" in str(error)
        return
    assert (pairs["score_chosen"] - pairs["score_rejected"] > report.min_gap).all()
    assert report.min_gap == pytest.approx(min_gap * scores.std())
    prompts = pairs["prompt"].map(json.dumps)
    assert not set(prompts[pairs["split"] == "train"]) & set(prompts[pairs["split"] == "test"])
    assert prompts.value_counts().max() <= 4 and len(pairs) == report.kept


def test_length_alone_does_not_decide_balanced_pairs():
    frame, scores = candidates(n_prompts=200)
    _, raw = make_pairs(frame, scores, balance=False)
    pairs, report = make_pairs(frame, scores)
    assert raw.length_correlation_after < -0.4 and raw.chosen_longer_after < 0.4
    assert abs(report.length_correlation_after) < 0.1
    longer = pairs["chosen"].map(n_words) - pairs["rejected"].map(n_words)
    assert (longer > 0).sum() == pytest.approx((longer < 0).sum(), rel=0.1)


def test_length_can_be_taken_off_the_score_instead():
    frame, scores = candidates(n_prompts=200)
    neutral = without_length(frame, scores)
    _, report = make_pairs(frame, neutral, balance=False)
    assert abs(report.length_correlation_after) < 0.1 < report.kept


def test_repetitions_and_what_cannot_be_read_are_left_out_and_counted():
    frame, scores = candidates(n_prompts=10, brevity=0)
    twice = pd.concat([frame, frame.iloc[:5]], ignore_index=True)
    pairs, report = make_pairs(twice, np.r_[scores, scores[:5]], balance=False)
    assert report.duplicates == 5 and len(pairs) == make_pairs(frame, scores, balance=False)[1].kept
    scores[:4] = np.nan  # all of the first prompt
    pairs, report = make_pairs(frame, scores, balance=False)
    assert report.unreadable == 4 and "prompt 0" not in {prompt[0]["content"] for prompt in pairs["prompt"]}


@pytest.mark.parametrize(
    ("texts", "scores", "message"),
    [
        (["a"], [0.0], "at least two different ones"),
        (["a", "b c"], [1.0, 1.0], "lower --min-gap"),
        (["a", "b c"], [1.0, 0.0], "the shorter ones.*--no-balance"),
    ],
)
def test_candidates_that_make_no_pair_say_what_to_change(texts, scores, message):
    frame = pd.DataFrame({"prompt": [[{"role": "user", "content": "hi"}]] * len(texts), "completion": texts})
    with pytest.raises(ValueError, match=message):
        make_pairs(frame, np.array(scores))


def test_the_folder_loads_as_a_dataset_with_uniform_rows_and_states_its_figures(tmp_path):
    frame, scores = candidates(n_prompts=60)
    frame.loc[0, "completion"] = "<script>alert(1)</script>"
    pairs, report = make_pairs(frame, scores)
    write_pairs(pairs, report, {"sources": "a | b <i>"}, tmp_path / "pairs")
    loaded = load_dataset(str(tmp_path / "pairs"))
    assert {name: len(split) for name, split in loaded.items()} == pairs["split"].value_counts().to_dict()
    row = loaded["train"][0]
    assert [set(message) for column in ("prompt", "chosen", "rejected") for message in row[column]] == [
        {"role", "content"}
    ] * 3
    card = (tmp_path / "pairs" / "README.md").read_text()
    assert f"| kept | {report.kept} |" in card and f"{report.length_correlation_before:.3f}" in card
    assert "must not be passed off as a person" in card and "<i>" not in card


def test_new_pairs_in_the_same_folder_are_the_ones_that_load(tmp_path):
    for n in (40, 20):
        pairs, report = make_pairs(*candidates(n_prompts=n))
        write_pairs(pairs, report, {}, tmp_path / "pairs")
        assert sum(map(len, load_dataset(str(tmp_path / "pairs")).values())) == len(pairs)


def test_the_command_makes_pairs_of_transcripts(reward, tmp_path):
    casual, stiff = "P: ya it hurts a bit lol\nD: where", "P: Indeed, Doctor, I am experiencing discomfort.\nD: where"
    both = [(i, f"{text} {i}") for i in range(6) for text in (casual, stiff)]
    rows = [{"question": f"visit {i}", "answer": text} for i, text in both]
    pd.DataFrame(rows).to_json(tmp_path / "c.jsonl", orient="records", lines=True)
    columns = ["--prompt-column", "question", "--completion-column", "answer", "--target", "P", "--no-balance"]
    done = CliRunner().invoke(app, ["pairs", str(tmp_path / "c.jsonl"), *columns, "--output", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    rows = [row for split in load_dataset(str(tmp_path / "out")).values() for row in split]
    assert len(rows) == 6 and "6 kept" in done.output
    for row in rows:
        texts = [row["chosen"][0]["content"], row["rejected"][0]["content"]]
        replies = [Dialogue.from_transcript(text, target="P") for text in texts]
        high, low = reward.likeness.log_odds(reward.scorer.score(replies))
        assert high > low and texts[0][-1] == texts[1][-1]


@pytest.mark.parametrize(
    ("rows", "message"), [([{"text": "a"}], "no column prompt, completion but text"), (None, "No file")]
)
def test_files_that_cannot_be_read_are_named(rows, message, tmp_path):
    if rows:
        pd.DataFrame(rows).to_json(tmp_path / "c.jsonl", orient="records", lines=True)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_candidates(tmp_path / "c.jsonl")


def test_sampled_candidates_are_kept_and_not_sampled_again(tiny_chat_model, tmp_path):
    prompts = [[{"role": "user", "content": text}] for text in ("hi", "so?")]
    once = sample_candidates(prompts, str(tiny_chat_model), tmp_path, n=2, max_new_tokens=6)
    assert len(once) == 4 and len(list(tmp_path.glob("*.json"))) == 2
    rounds = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    more = sample_candidates(prompts, str(tiny_chat_model), tmp_path, n=3, max_new_tokens=6)
    assert len(more) == 6 and more[:4].equals(once)
    assert all(path.stat().st_mtime_ns == time for path, time in rounds.items())


def test_other_prompts_or_longer_replies_are_sampled_anew(tiny_chat_model, tmp_path):
    def sampled(*texts, tokens=6):
        prompts = [[{"role": "user", "content": text}] for text in texts]
        return sample_candidates(prompts, str(tiny_chat_model), tmp_path, n=1, max_new_tokens=tokens)

    once, others, longer = sampled("hi", "so?"), sampled("hey", "and?"), sampled("hi", "so?", tokens=12)
    assert [prompt[0]["content"] for prompt in others["prompt"]] == ["hey", "and?"]
    assert longer["completion"].str.len().max() > once["completion"].str.len().max()


def test_a_server_is_asked_for_candidates_once(tmp_path):
    from hal_trl.scorers.judges.endpoint import ChatEndpoint

    prompts = [[{"role": "user", "content": text}] for text in ("hi", "so?")]
    with chat_server(lambda body, n: Reply(f"reply to {body['messages'][-1]['content']}")) as server:
        for _ in range(2):
            endpoint = ChatEndpoint("scripted", server.url, cache_dir=tmp_path)
            frame = ask_candidates(prompts, endpoint, n=2)
        assert len(server.requests) == 4
    assert sorted(frame["completion"]) == ["reply to hi", "reply to hi", "reply to so?", "reply to so?"]
