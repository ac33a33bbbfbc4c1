"""Candidate replies to a set of prompts: read from a file, sampled from local models, asked of a server."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..whole_file import write_json
from .chat_model import load_chat_model
from .generate import generate_replies


if TYPE_CHECKING:
    from ..scorers.judges.endpoint import ChatEndpoint

Chat = list[dict[str, str]]


def read_candidates(
    path: str | Path, prompt_column: str = "prompt", completion_column: str = "completion"
) -> pd.DataFrame:
    """Candidates from a Parquet or JSON-lines file with a row per candidate.

    Returns:
        `pandas.DataFrame` with `prompt` (chat messages), `completion` (text) and `source`.

    Raises:
        `FileNotFoundError`: if there is no such file.
        `ValueError`: if a column is missing or a completion is no text.
    """
    path = Path(path)
    frame = read_rows(path, (prompt_column, completion_column))
    completions = [_text_of(value) for value in frame[completion_column]]
    if not all(isinstance(text, str) for text in completions):
        raise ValueError(f"{path}: a completion is a text, or a list with one assistant message.")
    source = frame["source"].astype(str) if "source" in frame else str(path.name)
    prompts = [as_chat(prompt) for prompt in frame[prompt_column]]
    return pd.DataFrame({"prompt": prompts, "completion": completions, "source": source})


def read_prompts(path: str | Path, prompt_column: str = "prompt") -> list[Chat]:
    """The different prompts of a Parquet or JSON-lines file, as chat messages, in order.

    Raises:
        `FileNotFoundError`: if there is no such file.
        `ValueError`: if the column is missing.
    """
    prompts = [as_chat(prompt) for prompt in read_rows(Path(path), (prompt_column,))[prompt_column]]
    return list({json.dumps(prompt): prompt for prompt in prompts}.values())


def sample_candidates(
    prompts: Sequence[Chat],
    model: str | None,
    folder: str | Path,
    n: int = 4,
    max_new_tokens: int = 64,
    seed: int = 0,
) -> pd.DataFrame:
    """Candidates of a local model, `n` for each prompt; every round is kept in `folder`, and not sampled again.

    Args:
        prompts (`Sequence` of chat messages): What to answer.
        model (`str`, *optional*): Hub id or folder; `None` for SmolLM2-135M-Instruct.
        folder (`str` or `Path`): Where the rounds are kept.
        n (`int`, *optional*, defaults to 4): Rounds.
        max_new_tokens (`int`, *optional*, defaults to 64): Where a reply is cut.
        seed (`int`, *optional*, defaults to 0): Of the first round.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    source = model or "SmolLM2-135M-Instruct"
    # Other prompts or longer replies are other candidates, even under the same name.
    asked = hashlib.sha256(json.dumps([source, list(prompts), max_new_tokens]).encode()).hexdigest()[:12]
    loaded, rounds = None, []
    for i in range(n):
        path = folder / f"{slug(source)}-{asked}-{seed + i}.json"
        if not path.is_file():
            loaded = loaded or load_chat_model(model, cache=folder / "base-model")
            replies = generate_replies(
                *loaded, prompts, max_new_tokens, seed=seed + i, description=f"{source}, round {i + 1} of {n}"
            )
            write_json(path, [{"prompt": p, "completion": c} for p, c in zip(prompts, replies, strict=True)])
        rounds.append(pd.read_json(path).assign(source=source))
    return pd.concat(rounds, ignore_index=True)


def ask_candidates(prompts: Sequence[Chat], endpoint: ChatEndpoint, n: int = 4) -> pd.DataFrame:
    """Candidates of a model behind a server, `n` for each prompt, kept in its cache; empty ones are left out."""
    from ..scorers.judges.endpoint import ChatRequest

    asked = [(prompt, i) for i in range(n) for prompt in prompts]
    requests = (ChatRequest(["candidate", prompt, i], lambda prompt=prompt: prompt, _said) for prompt, i in asked)
    answers = endpoint.answers(requests, len(asked), "candidates")
    rows = [
        {"prompt": prompt, "completion": answer, "source": endpoint.model}
        for (prompt, _), answer in zip(asked, answers, strict=True)
        if answer
    ]
    return pd.DataFrame(rows, columns=["prompt", "completion", "source"])


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")


def as_chat(prompt: Any) -> Chat:
    """Chat messages, with nothing but role and content; a text is the first message of a chat."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [{"role": str(message["role"]), "content": str(message["content"])} for message in prompt]


def read_rows(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A Parquet or JSON-lines file that has these columns.

    Raises:
        `FileNotFoundError`: if there is no such file.
        `ValueError`: if a column is missing, with the columns that are there.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No file {path}: pass a Parquet or JSON-lines file, or --model to sample.")
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_json(path, lines=True, dtype=False)
    missing = [name for name in columns if name not in frame]
    if missing:
        raise ValueError(
            f"{path} has no column {', '.join(missing)} but {', '.join(map(str, frame.columns))}; pass "
            "--prompt-column and --completion-column."
        )
    return frame


def _text_of(completion: Any) -> Any:
    if isinstance(completion, str) or not len(completion):
        return completion
    return completion[-1]["content"]


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text.strip()
