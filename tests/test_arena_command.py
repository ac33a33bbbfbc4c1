"""`hal-trl arena` as it is typed."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from hal_trl.cli import app
from hal_trl.evaluation.arena import VoteStore


def arena(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["arena", *map(str, arguments)])
    return found.exit_code, found.output


def test_export_writes_the_votes_and_needs_no_model(tmp_path):
    store = VoteStore(tmp_path / "votes.sqlite")
    store.vote(store.start("ann", [("x", "y")]).id, "Likely B")
    code, output = arena("--votes", store.path, "--export", tmp_path / "export")
    assert code == 0 and "Wrote 1 votes" in output
    assert pd.read_parquet(tmp_path / "export" / "votes.parquet")["choice"].tolist() == ["Likely B"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--export", "out", "--votes", "none.sqlite"], "There is no votes file"),
        (["--votes", "garbage.sqlite"], "damaged or no votes file"),
        (["--model", "TINY", "--model", "TINY+adapter"], "No adapter at adapter"),
        (["--model", "TINY"], "two or more different systems"),
        (["--prompts", "none.txt"], "none.txt"),
    ],
)
def test_mistakes_end_in_one_line_that_says_what_is_wrong(arguments, says, tiny_chat_model, tmp_path, monkeypatch):
    pytest.importorskip("gradio", reason='pip install "hal-trl[arena]"')
    pytest.importorskip("krippendorff", reason='pip install "hal-trl[arena]"')
    monkeypatch.chdir(tmp_path)
    (tmp_path / "garbage.sqlite").write_bytes(b"no database " * 1000)
    code, output = arena(*[argument.replace("TINY", str(tiny_chat_model)) for argument in arguments])
    assert code == 1 and says in output and "Traceback" not in output
    assert "Error" in output.splitlines()[-1]
