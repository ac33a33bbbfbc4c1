import os
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]


def test_the_example_runs_as_it_stands(tiny_chat_model, tmp_path):
    command = [sys.executable, str(ROOT / "examples" / "grpo_lora.py"), str(tiny_chat_model), "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "runs" / "grpo-lora" / "adapter" / "adapter_model.safetensors").is_file()


def test_the_example_is_short_enough_to_copy():
    code = [line for line in (ROOT / "examples" / "grpo_lora.py").read_text().splitlines() if line.strip()]
    assert len(code) <= 45


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["distil", "--help"]])
def test_the_command_line_explains_itself(arguments):
    command = [sys.executable, "-m", "hal_trl.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "COLUMNS": "120"})
    assert done.returncode == 0 and "Usage" in done.stdout
