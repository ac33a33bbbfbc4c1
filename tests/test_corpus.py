import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from hal_trl import Dialogue, HALReward
from hal_trl.alignment import load_openers
from hal_trl.cli import app
from hal_trl.rewards import default_guards
from hal_trl.rewards.corpus import score_corpus


PROMPTS = ["what are you up to?", "how was your weekend?", "seen any good films?", "did you eat yet?", "hi"]
REPLIES = [
    "not much, just got in and put the kettle on",
    "As an AI I do not have weekends, but I would be happy to help you plan yours!",
    "yeah that one with the lighthouse, slept badly after",
    "ok ok ok ok ok ok",
    "",
]
SCORES = ["hal/reward", "hal/p_human", "hal/log_odds"]


def chat(role: str, content) -> list[dict]:
    return [{"role": role, "content": content}]


def write_jsonl(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, n: int, seed: int = 0, **columns) -> Path:
    """`n` prompts and replies, drawn from the openers."""
    openers, rng = load_openers("train"), np.random.default_rng(seed)
    prompts, completions = rng.choice(openers, size=(2, n)).tolist()
    pq.write_table(pa.table({"prompt": prompts, "completion": completions, **columns}), path)
    return path


@pytest.fixture(scope="module")
def expected():
    """What the reward, called directly, says of all replies at once."""
    row_wise = HALReward(guards=[g for g in default_guards() if not getattr(g, "across_batch", False)])
    table = row_wise.explain(PROMPTS, REPLIES)
    ratings = row_wise.scorer.score([Dialogue.from_completion(*pair) for pair in zip(PROMPTS, REPLIES, strict=True)])
    return table[["reward", "p_human", "log_odds"]].to_numpy(), np.asarray(ratings)


@pytest.mark.parametrize("layout", ["texts", "chat", "messages", "mixed content"])
def test_a_row_gets_what_the_reward_says_whatever_stands_beside_it(layout, reward, expected, tmp_path):
    pairs = list(zip(PROMPTS, REPLIES, strict=True))
    if layout == "texts":
        source = tmp_path / "in.parquet"
        pq.write_table(pa.table({"n": range(5), "prompt": PROMPTS, "completion": REPLIES}), source)
    elif layout == "chat":
        rows = [
            {"prompt": chat("user", p), "completion": chat("assistant", c), "n": i} for i, (p, c) in enumerate(pairs)
        ]
        source = write_jsonl(tmp_path / "in.jsonl", rows)
    else:
        after = chat("user", "what an odd thing to say")  # nothing that comes after the reply counts
        rows = [
            {"messages": chat("user", prompt) + chat("assistant", completion) + after, "n": n}
            for n, (prompt, completion) in enumerate(pairs)
        ]
        if layout == "mixed content":
            rows[0]["messages"][1]["content"] = [{"type": "text", "text": REPLIES[0]}]
        source = write_jsonl(tmp_path / "in.jsonl", rows)
    scores = score_corpus(source, tmp_path / "out.parquet", reward, traits=True, batch_size=2)
    scored = pd.read_parquet(tmp_path / "out.parquet")
    assert scored["n"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(scored[SCORES].astype(float), expected[0], atol=1e-6)
    traits = scored[[f"hal/{i}" for i in reward.scorer.traits.ids]]
    np.testing.assert_allclose(traits.astype(float), expected[1], atol=1e-5)
    assert (scores.rows, scores.abstained) == (5, 0)
    assert scores.reward == pytest.approx(expected[0][:, 0].mean())


def test_a_transcript_is_rated_as_a_whole(reward, tmp_path):
    text = "I: hey where are you from\nW: sf but i live in la now\nI: nice\nW: ya its warm lol"
    rows = [
        {"transcript": text, "target": "W"},
        {"transcript": text, "target": "I"},
        {"transcript": "W:", "target": "I"},
    ]
    score_corpus(write_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.parquet", reward)
    scored = pd.read_parquet(tmp_path / "out.parquet")
    ratings = reward.scorer.score([Dialogue.from_transcript(text, speaker) for speaker in "WI"])
    np.testing.assert_allclose(scored["hal/p_human"][:2], reward.likeness.probability(ratings))
    assert scored[SCORES].iloc[2].isna().all()


def test_rows_without_a_reply_get_nulls_and_are_counted(reward, tmp_path, caplog):
    rows = [
        {"messages": chat("user", "hi") + chat("assistant", "hey you")},
        {"messages": chat("user", "hi") + chat("assistant", "<think>they greet me, so")},
        {"messages": chat("user", "hi")},
        {"messages": None},
        {"messages": chat("user", "hi") + chat("assistant", 7)},
        {"messages": chat("user", "hi") + chat("assistant", "")},
    ]
    scores = score_corpus(
        write_jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out.parquet", reward, traits=True, guards=False
    )
    scored = pd.read_parquet(tmp_path / "out.parquet")
    added = [name for name in scored if name.startswith("hal/")]
    assert len(added) == 3 + 32
    assert scored[added].notna().all(axis=1).tolist() == [True, False, False, False, False, False]
    assert scored[added].iloc[1:5].isna().all(axis=None)
    assert scored["hal/reward"].iloc[5] == 0  # nothing said is a reply, and cannot be rated
    assert scores.abstained == 4 and "4 abstained (66.7%)" in str(scores)
    assert "1 rows cannot be read" in caplog.text


def test_columns_that_are_not_there_are_named_and_may_have_other_names(reward, tmp_path):
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"question": PROMPTS, "answer": REPLIES}), source)
    with pytest.raises(ValueError, match="columns question, answer; wanted prompt and completion or messages or"):
        score_corpus(source, tmp_path / "out.parquet", reward)
    with pytest.raises(ValueError, match="not answer"):
        score_corpus(source, tmp_path / "out.parquet", reward, columns={"answer": "completion"})
    names = {"prompt": "question", "completion": "answer"}
    score_corpus(source, tmp_path / "out.parquet", reward, columns=names, guards=False)
    with pytest.raises(ValueError, match="scored"):
        score_corpus(tmp_path / "out.parquet", tmp_path / "again.parquet", reward, columns=names)
    with pytest.raises(FileExistsError):
        score_corpus(source, tmp_path / "out.parquet", reward)
    with pytest.raises(FileNotFoundError):
        score_corpus(tmp_path / "nothing.parquet", tmp_path / "again.parquet", reward)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


def test_the_command_line_scores_a_file_and_says_what_is_wrong(tmp_path):
    source, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"prompt": PROMPTS, "answer": REPLIES}), source)
    command = ["score", str(source), str(output), "--no-guards"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1 and "--column completion=answer" in done.output
    done = CliRunner().invoke(app, [*command, "--column", "completion=answer", "--traits"])
    assert done.exit_code == 0 and "5 rows: mean reward" in done.output
    assert "hal/brevity" in pq.read_schema(output).names


class Interruptible:
    """The bundled scorer, until somebody presses Ctrl+C."""

    calls_left = scored = 0

    def __init__(self, scorer):
        self.scorer, self.traits, self.likeness = scorer, scorer.traits, scorer.likeness

    def score(self, dialogues):
        if not Interruptible.calls_left:
            raise KeyboardInterrupt
        Interruptible.calls_left -= 1
        Interruptible.scored += len(dialogues)
        return self.scorer.score(dialogues)


@pytest.fixture
def interrupted(reward, tmp_path):
    """Three of five batches are done."""
    source = write_parquet(tmp_path / "in.parquet", 100)
    Interruptible.calls_left = 3
    with pytest.raises(KeyboardInterrupt):
        score_corpus(
            source, tmp_path / "out.parquet", HALReward(Interruptible(reward.scorer), guards=[]), batch_size=20
        )
    Interruptible.calls_left, Interruptible.scored = 5, 0
    assert not (tmp_path / "out.parquet").exists()
    return HALReward(Interruptible(reward.scorer), guards=[]), source, tmp_path / "out.parquet"


def test_an_interrupted_run_scores_only_what_is_missing(interrupted, reward, tmp_path):
    bare, source, output = interrupted
    score_corpus(source, output, bare, batch_size=30)
    assert Interruptible.scored == 40
    score_corpus(source, tmp_path / "whole.parquet", reward, guards=False)
    whole, resumed = pq.read_table(tmp_path / "whole.parquet"), pq.read_table(output)
    assert resumed.select(["prompt", "completion"]) == whole.select(["prompt", "completion"])
    np.testing.assert_allclose(resumed["hal/log_odds"], whole["hal/log_odds"], atol=1e-5)
    assert not list(tmp_path.glob("*.parts"))


def test_an_interrupted_run_does_not_go_on_with_another_input_or_other_settings(interrupted, tmp_path):
    bare, source, output = interrupted
    with pytest.raises(ValueError, match=r"differed in: traits\. Delete that folder"):
        score_corpus(source, output, bare, traits=True)
    with pytest.raises(ValueError, match="differed in: reward, weights"):
        score_corpus(source, output, HALReward(bare.scorer, guards=[], trait_weights={"typos": 0}))
    write_parquet(source, 100, seed=1)
    with pytest.raises(ValueError, match="differed in: input"):
        score_corpus(source, output, bare)


def run_script(*arguments: object, **options) -> subprocess.Popen:
    """`score_corpus` in a process of its own, which prints the most memory it had, in MiB."""
    script = Path(options.pop("folder")) / "script.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from hal_trl.rewards.corpus import score_corpus\n"
        "if __name__ == '__main__':\n"
        "    batch_size, num_proc = int(sys.argv[3]), int(sys.argv[4])\n"
        "    score_corpus(*sys.argv[1:3], guards=False, batch_size=batch_size, num_proc=num_proc)\n"
        "    status = dict(line.split(':', 1) for line in Path('/proc/self/status').read_text().splitlines())\n"
        "    print(int(status['VmHWM'].split()[0]) // 1024)\n"  # ru_maxrss would count what the parent had
    )
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)


def wait_for(condition, process: subprocess.Popen, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)


def test_a_killed_run_that_is_started_again_writes_the_same_file(tmp_path):
    source, output = write_parquet(tmp_path / "in.parquet", 8_000), tmp_path / "out.parquet"
    parts = tmp_path / "out.parquet.parts"
    process = run_script(source, output, 40, 1, folder=tmp_path)
    wait_for(lambda: len(list(parts.glob("0*.parquet"))) >= 5, process)
    process.kill()
    process.wait()
    done = len(list(parts.glob("0*.parquet")))
    assert 5 <= done < 200 and not output.exists()
    score_corpus(source, output, batch_size=40, guards=False)
    score_corpus(source, tmp_path / "whole.parquet", batch_size=40, guards=False)
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.slow  # three processes import torch
def test_workers_write_what_one_process_writes_and_end_when_it_is_killed(tmp_path):
    source, output = write_parquet(tmp_path / "in.parquet", 20_000), tmp_path / "out.parquet"
    process = run_script(source, output, 100, 2, folder=tmp_path, start_new_session=True)
    wait_for(lambda: list(tmp_path.glob("*.parts/0*.parquet")), process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while _is_alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _is_alive(process.pid)
    assert run_script(source, output, 100, 2, folder=tmp_path).wait() == 0
    score_corpus(source, tmp_path / "whole.parquet", batch_size=100, guards=False)
    ours, whole = pq.read_table(output), pq.read_table(tmp_path / "whole.parquet")
    assert ours.select(["prompt", "completion"]) == whole.select(["prompt", "completion"])
    np.testing.assert_allclose(ours["hal/log_odds"], whole["hal/log_odds"], atol=1e-5)


def _is_alive(group: int) -> bool:
    """Whether a process of that group is there still."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow  # two processes import torch
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_corpus(tmp_path):
    peaks = []
    for n in (2_000, 8_000):  # of 20 kB each: 40 and 160 MB
        source = write_parquet(tmp_path / f"{n}.parquet", n, note=["x" * 20_000] * n)
        process = run_script(source, tmp_path / f"{n}-scored.parquet", 200, 1, folder=tmp_path)
        peaks.append(int(process.communicate(timeout=300)[0]))
    assert abs(peaks[1] - peaks[0]) < 40


def test_ray_is_an_extra(monkeypatch, reward, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"hal-trl\[ray\]"):
        score_corpus(write_parquet(tmp_path / "in.parquet", 1), tmp_path / "out.parquet", reward, ray=True)


@pytest.mark.slow
def test_a_ray_cluster_writes_what_one_process_writes(reward, tmp_path):
    ray = pytest.importorskip("ray", reason='pip install "hal-trl[ray]"')
    source = write_parquet(tmp_path / "in.parquet", 5_000)
    ray.init(num_cpus=3, include_dashboard=False, object_store_memory=200 * 2**20)
    try:
        options = {"guards": False, "traits": True, "batch_size": 500}
        score_corpus(source, tmp_path / "ray.parquet", reward, ray=True, num_proc=2, **options)
    finally:
        ray.shutdown()
    score_corpus(source, tmp_path / "whole.parquet", reward, **options)
    ours, whole = pq.read_table(tmp_path / "ray.parquet"), pq.read_table(tmp_path / "whole.parquet")
    assert ours.schema.equals(whole.schema, check_metadata=True)
    assert ours.select(["prompt", "completion"]) == whole.select(["prompt", "completion"])
    for name in [name for name in whole.column_names if name.startswith("hal/")]:
        np.testing.assert_allclose(ours[name], whole[name], atol=1e-5)
