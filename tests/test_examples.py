import os
import subprocess
import sys
from pathlib import Path

import pytest

from .preferences import write_preferences


ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["grpo_lora", "rloo_lora", "dpo_qlora"])
def test_an_example_runs_as_it_stands(name, tiny_chat_model, tmp_path):
    pairs = [str(write_preferences(tmp_path / "pairs"))] if name.startswith("dpo") else []
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *pairs, str(tiny_chat_model), "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "runs" / name.replace("_", "-") / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_enough_to_copy(path):
    assert len([line for line in path.read_text().splitlines() if line.strip()]) <= 50


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["distil", "--help"]])
def test_the_command_line_explains_itself(arguments):
    command = [sys.executable, "-m", "hal_trl.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "COLUMNS": "120"})
    assert done.returncode == 0 and "Usage" in done.stdout
