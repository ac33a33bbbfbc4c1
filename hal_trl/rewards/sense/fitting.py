"""Teach a [`SenseModel`] what is spoilt, and what answers what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from ...dialogue import Dialogue
from ...scorers.games import Games, Visits
from ...scorers.rows import folds_of
from .model import N_OTHERS, NATURAL_LAYERS, Quantiles, Reading, SenseModel
from .packing import rounded
from .relevance import relevance
from .spoil import Spoiler


EXCHANGES_FILE = Path(__file__).parent / "exchanges.json"

_SPOILT_FORMS = 2  # of each text
_OWN_FORMS = 8  # of the exchanges written for this project: few, and far from what the games are about
_NATURAL_EPOCHS, _NATURAL_BATCH = 6, 256
_ANSWER_BATCH, _READ_TOGETHER = 256, 128
_CHATTED, _OWN_ROUNDS = 24_000, 3  # pairs of the chats, of 59,000; times the few exchanges come
_HEAD_RATE, _UPPER_RATE = 1e-3, 5e-5
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Lessons:
    """What a [`SenseModel`] learns from.

    Args:
        texts (`list[str]`): Messages as people and AIs write them.
        own (`list[str]`): Messages of the exchanges written for this project.
        pairs (`list[list[tuple[str, str]]]`): Prompts and the replies to them, by source: what is learned is to tell a
            reply from others of the same source, so that nobody learns the sources' styles.
    """

    texts: list[str]
    own: list[str]
    pairs: list[list[tuple[str, str]]]

    @classmethod
    def of(
        cls, games: Games, visits: Visits | None, use: np.ndarray, chats: Sequence[tuple[str, str]] = ()
    ) -> Lessons:
        """What answers what in the games `use` (mask of shape `(n,)`), chats, doctor's visits and our exchanges."""
        chosen = [dialogue for dialogue, wanted in zip(games.dialogues, use, strict=True) if wanted]
        own = load_exchanges()
        visiting = [] if visits is None else [dialogue for dialogue in visits.dialogues if _english(dialogue)]
        spoken = [pair for dialogue in visiting for pair in _pairs(dialogue) if len(pair[1].split()) <= 20]
        sentences = [s for _, reply in spoken for s in _SENTENCE_END.split(reply) if len(s.split()) >= 3]
        rng = np.random.default_rng(0)
        texts = [turn.text for dialogue in chosen for turn in dialogue.turns if turn.text.strip()]
        texts += [sentences[i] for i in rng.permutation(len(sentences))[: len(texts) // 3]]
        pairs = [pair for dialogue in chosen for pair in _pairs(dialogue)]
        visited = [spoken[i] for i in rng.permutation(len(spoken))[: len(pairs) // 6]]
        chatted = [chats[i] for i in rng.permutation(len(chats))[:_CHATTED]]
        return cls(texts, [text for pair in own for text in pair], [pairs, visited, chatted, *[own] * _OWN_ROUNDS])


def load_exchanges() -> list[tuple[str, str]]:
    """Everyday messages and a reply to each, written for this project."""
    return [(pair["prompt"], pair["reply"]) for pair in json.loads(EXCHANGES_FILE.read_text(encoding="utf-8"))]


def fit_sense(
    games: Games,
    encoder: str,
    visits: Visits | None = None,
    chats: Sequence[tuple[str, str]] = (),
    seed: int = 0,
) -> SenseModel:
    """Train on four fifths of the games, and read off the last fifth what people's replies show; half an hour.

    Args:
        games ([`~hal_trl.scorers.games.Games`]): Turing games.
        encoder (`str`): Folder or Hub id of all-MiniLM-L6-v2 or another BERT-like sentence encoder.
        visits ([`~hal_trl.scorers.games.Visits`], *optional*): Doctor's visits, for more English.
        chats (`Sequence[tuple[str, str]]`, *optional*): What [`load_chats`] reads, for more of what answers what.
        seed (`int`, *optional*, defaults to 0): Of everything random.
    """
    torch.manual_seed(seed)
    held_out = held_out_games(games, seed)
    lessons = Lessons.of(games, visits, ~held_out, chats)
    model = SenseModel.from_encoder(encoder)
    teach_natural(model, lessons, seed)
    teach_answers(model, lessons, seed)
    model.requires_grad_(False)
    others = np.random.default_rng(seed).choice([prompt for prompt, _ in load_exchanges()], N_OTHERS, replace=False)
    model.others.copy_(model.read(others.tolist()).meaning)
    model.people = people_show(model, games, held_out)
    return model


def held_out_games(games: Games, seed: int = 0) -> np.ndarray:
    """The games, one fifth, that a bundled [`SenseModel`] did not learn from; mask of shape `(n,)`."""
    return folds_of(games.game_id, seed) == 0


def people_show(model: SenseModel, games: Games, use: np.ndarray) -> dict[str, Quantiles]:
    """Quantiles of what a model says of people's replies in the games `use`."""
    people = games.is_human & use
    replies = [r for d, wanted in zip(games.dialogues, people, strict=True) if wanted for r in d.target_replies()]
    answering = relevance(model, replies)
    return {
        "natural": Quantiles.of(model.natural([reply.target_texts[0] for reply in replies])),
        "answers": Quantiles.of(answering[np.isfinite(answering)]),
    }


def teach_natural(model: SenseModel, lessons: Lessons, seed: int = 0) -> None:
    """Every text against spoilt forms of itself, so that nothing but the damage tells them apart."""
    make, rng = Spoiler([*lessons.texts, *lessons.own], seed), np.random.default_rng(seed)
    forms = [*((text, _SPOILT_FORMS) for text in lessons.texts), *((text, _OWN_FORMS) for text in lessons.own)]
    couples = [(_retyped(text, rng), make(text)) for text, n in forms for _ in range(n)]
    couples = [(whole, spoilt) for whole, spoilt in couples if spoilt is not None]
    whole, spoilt = (_read(model, texts).form for texts in zip(*couples, strict=True))
    model.form_mean.copy_(torch.cat([whole, spoilt]).mean(dim=0))
    model.form_scale.copy_(torch.cat([whole, spoilt]).std(dim=0) + 1e-5)
    optimizer = torch.optim.AdamW(model.natural_head.parameters(), 5e-4, weight_decay=0.05)
    model.natural_head.train()
    for _ in tqdm(range(_NATURAL_EPOCHS), desc="natural", unit="epoch"):
        for rows in torch.randperm(len(whole)).split(_NATURAL_BATCH):
            good, bad = model.well_formed(whole[rows]), model.well_formed(spoilt[rows])
            _step(optimizer, F.softplus(-good).mean() + F.softplus(bad).mean() + F.softplus(bad - good).mean())
    model.natural_head.eval()


def teach_answers(model: SenseModel, lessons: Lessons, seed: int = 0) -> None:
    """In a batch of pairs of one source, every reply against every prompt; once through.

    The encoder learns, too, in the layers above those that [`SenseModel.natural`] looks at.
    """
    torch.manual_seed(seed)
    upper = model.encoder.encoder.layer[max(NATURAL_LAYERS) :].requires_grad_(True)
    heads = (model.of_prompt, model.of_reply, model.match_head)
    parameters = [model.slope, *(parameter for head in heads for parameter in head.parameters())]
    groups = [{"params": parameters, "lr": _HEAD_RATE}, {"params": list(upper.parameters()), "lr": _UPPER_RATE}]
    batches = [
        [source[i] for i in rows]
        for source in lessons.pairs
        if source
        for rows in torch.randperm(len(source)).split(_ANSWER_BATCH)
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (0.15 * len(batches) + 1), 1 - step / (len(batches) + 1))
    )
    for head in heads:
        head.train()
    for k in tqdm(torch.randperm(len(batches)), desc="answers", unit="batch"):
        prompts, replies = zip(*batches[k], strict=True)
        asked, said = _meanings(model, [*prompts, *replies]).chunk(2)
        _step(optimizer, _mistaken(model, asked, said), upper.parameters())
        schedule.step()
    for head in heads:
        head.eval()
    upper.requires_grad_(False)
    upper.load_state_dict({name: rounded(name, tensor) for name, tensor in upper.state_dict().items()})
    model.forget()


def _mistaken(model: SenseModel, asked: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
    """The loss of a batch whose replies belong to its prompts, one each."""
    odds = model.match(asked[:, None], said[None])
    with torch.no_grad():
        same = (asked @ asked.T > 0.97) | (said @ said.T > 0.97)  # "hi" answers every "hello"
    own = torch.eye(len(odds), dtype=torch.bool)
    odds = odds.masked_fill(same & ~own, -1e4)
    right = torch.arange(len(odds))
    ranked = F.cross_entropy(odds, right) + F.cross_entropy(odds.T, right)
    return 0.5 * ranked + F.softplus(-odds[own]).mean() + F.softplus(odds[~own & ~same]).mean()


def _meanings(model: SenseModel, texts: Sequence[str]) -> torch.Tensor:
    """Unit vectors to learn from, read in groups of like length; shape `(n, hidden)`."""
    rows = model.tokenize(texts)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    parts = [order[k : k + _READ_TOGETHER] for k in range(0, len(order), _READ_TOGETHER)]
    meaning = torch.cat([model.encode([rows[i] for i in part]).meaning for part in parts])
    return meaning[torch.argsort(torch.tensor(order))]


def _read(model: SenseModel, texts: Sequence[str]) -> Reading:
    parts = [model.read(texts[i : i + 2048]) for i in tqdm(range(0, len(texts), 2048), desc="reading", unit="batch")]
    return Reading(*(torch.cat(values).clone() for values in zip(*parts, strict=True)))


def _pairs(dialogue: Dialogue) -> Iterator[tuple[str, str]]:
    for before, after in pairwise(dialogue.turns):
        if before.speaker != after.speaker and before.text.strip() and after.text.strip():
            yield before.text, after.text


def _english(dialogue: Dialogue) -> bool:
    return sum(not turn.text.isascii() for turn in dialogue.turns) < len(dialogue.turns) / 4


def _retyped(text: str, rng: np.random.Generator) -> str:
    """People type the same thing with and without marks, and now and then wrong: none of it is damage."""
    if rng.random() < 0.25:
        text = text.rstrip(".!")
    words = text.split()
    if words and rng.random() < 0.15:
        i = int(rng.integers(len(words)))
        if len(words[i]) > 3:
            j = int(rng.integers(len(words[i]) - 1))
            words[i] = words[i][:j] + words[i][j + 1] + words[i][j] + words[i][j + 2 :]
        text = " ".join(words)
    return text


def _step(optimizer: torch.optim.Optimizer, loss: torch.Tensor, careful: Iterable[nn.Parameter] = ()) -> None:
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(careful, 1.0)
    optimizer.step()
