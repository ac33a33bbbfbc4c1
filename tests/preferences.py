"""Preference data on disk, as `hal-trl dpo` reads it."""

import json
from pathlib import Path


def write_preferences(folder: Path, n: int = 8) -> Path:
    """A folder with a `train` split of `n` pairs in TRL's chat format."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "prompt": [{"role": "user", "content": f"hi, number {i}"}],
            "chosen": [{"role": "assistant", "content": "hey, you all right?"}],
            "rejected": [{"role": "assistant", "content": "Hello! How may I assist you today?"}],
        }
        for i in range(n)
    ]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder
