"""The systems under evaluation: a base model, adapters on it, a model behind a server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..alignment import SMOLLM2, load_chat_model
from ..alignment.adapter import adapter_folder, check_base, load_adapter, take_off
from ..alignment.candidates import Chat, slug


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from ..scorers.judges.endpoint import ChatEndpoint


PEOPLE = "people"


@dataclass(frozen=True)
class System:
    """One system.

    Args:
        name (`str`): What a report calls it, different from all others.
        kind (`str`): `"base"`, `"adapter"` or `"endpoint"`.
        source (`str`): Where it is: Hub id, folder, or the server's name for it.
        fingerprint (`str`): Of what it is, as far as it can be known: the hash of an adapter's weights, the server.
    """

    name: str
    kind: Literal["base", "adapter", "endpoint"]
    source: str
    fingerprint: str


def find_systems(
    model: str | None = None,
    adapters: Sequence[str] = (),
    endpoint: str | None = None,
    base_url: str | None = None,
) -> list[System]:
    """The systems by name, the base model first: the last part of each, or as many of its last parts as it takes.

    Args:
        model (`str`, *optional*, defaults to SmolLM2-135M-Instruct): Hub id or folder of the base model.
        adapters (`Sequence[str]`, *optional*): Folders or Hub ids.
        endpoint (`str`, *optional*), base_url (`str`, *optional*): A served model and its OpenAI-compatible server.

    Raises:
        `FileNotFoundError`: if an adapter is missing.
        `ValueError`: if an adapter names another base model, or a system is given twice.
    """
    base = model or SMOLLM2
    found = [("base", base, base)]
    for source in adapters:
        folder = adapter_folder(source)
        check_base(folder, base)
        weights = hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()[:16]
        found.append(("adapter", source, weights))
    if endpoint is not None:
        found.append(("endpoint", endpoint, base_url or ""))
    names = _names([source for _, source, _ in found])
    return [System(name, *entry) for name, entry in zip(names, found, strict=True)]


def _names(sources: Sequence[str]) -> list[str]:
    parts = [[part for part in source.split("/") if part not in ("", ".", "~")] for source in sources]
    for n in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-n:]) for part in parts]
        if len({slug(name).casefold() for name in [*names, PEOPLE]}) > len(names):
            return names
    raise ValueError(f"A system is given twice, or called {PEOPLE}: {', '.join(sources)}.")


class LocalModels:
    """One base model in memory, loaded when it is first needed, with one adapter at a time on it.

    Args:
        base (`str`): What it is called.
        model (`str`, *optional*, defaults to SmolLM2-135M-Instruct): Hub id or folder.
        cache (`Path`): Keeps the unpacked SmolLM2.
    """

    def __init__(self, base: str, model: str | None, cache: Path):
        self.base, self.model, self.cache = base, model, cache
        self._loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase] | None = None

    @contextmanager
    def running(self, system: System) -> Iterator[tuple[PreTrainedModel, PreTrainedTokenizerBase]]:
        """The system as a model with its tokenizer, in evaluation mode.

        Raises:
            `ValueError`: if an adapter does not fit the model.
        """
        if self._loaded is None:
            self._loaded = load_chat_model(self.model, cache=self.cache)
        model, tokenizer = self._loaded
        model.eval()
        if system.kind == "base":
            yield model, tokenizer
            return
        adapted = load_adapter(model, system.source, self.base)
        try:
            yield adapted, tokenizer
        finally:
            take_off(adapted)


def ask(endpoint: ChatEndpoint, chats: Sequence[Chat], description: str) -> list[str | None]:
    """What a served model says to each chat, kept in the endpoint's cache; `None` where it gave no answer."""
    from ..scorers.judges.endpoint import ChatRequest

    requests = (
        ChatRequest(["evaluate", messages], lambda messages=messages: messages, str.strip) for messages in chats
    )
    return endpoint.answers(requests, len(chats), description)
