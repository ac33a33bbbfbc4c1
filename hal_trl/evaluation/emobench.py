"""EmoBench: emotional understanding and its application, as multiple choice in English and Chinese."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from ..alignment.candidates import Chat
from .capability import Items, mean_log_likelihoods


if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FILES = ("EA.jsonl", "EU.jsonl")
ANSWER_TOKENS = 16
READ = "EmoBench: share of answers that name a choice"

_LETTERS = "ABCDEFGH"
_ASKED = {
    ("EA", "en"): ("In this scenario, what is the most effective {kind} for {subject}?",),
    ("EA", "zh"): ("在这个情境中，对{subject}来说，最有效的{kind}是什么？",),
    ("EU", "en"): (
        "What emotion(s) would {subject} ultimately feel in this situation?",
        "Why would {subject} feel these emotions in this situation?",
    ),
    ("EU", "zh"): ("在这种情况下，{subject}最终会有什么情绪？", "在这种情况下，{subject}为什么会有这些情绪？"),
}
_KINDS = {"en": {"Action": "action", "Response": "response"}, "zh": {"Action": "行动", "Response": "回应"}}
_TASK = {"en": "Answer with the letter of the best choice only.", "zh": "请只回答最佳选项的字母。"}

_ALONE = re.compile(r"^[\W_]*([A-H])(?:[^\w\s'’-]|\s*$|\s*\n)")
_NAMED = re.compile(
    r"(?i:\banswer|\bchoice|\boption|答案|选项|选择|选)[^A-Za-z]{0,6}(?:is|would be|为|是)?[^A-Za-z]{0,6}([A-H])\b"
)


@dataclass(frozen=True)
class Question:
    """One question. An item of EU has two, on the emotion and on its cause, and is right if both are.

    Args:
        benchmark (`str`): `"EA"` (what to do) or `"EU"` (what somebody feels, and why).
        language (`str`): `"en"` or `"zh"`.
        item (`str`): Id of the item within benchmark and language.
        text (`str`): Scenario and question.
        choices (`tuple[str, ...]`): All of them.
        label (`int`): Index of the right one.
    """

    benchmark: str
    language: str
    item: str
    text: str
    choices: tuple[str, ...]
    label: int


def load_emobench(folder: str | Path, limit: int | None = None) -> list[Question]:
    """Read EmoBench (Sabour et al. 2024, huggingface.co/papers/2402.12071) from a folder with EA.jsonl and EU.jsonl.

    Args:
        folder (`str` or `Path`): A copy of one's own; nothing of it comes with this package.
        limit (`int`, *optional*): Items of each benchmark and language, at most.

    Raises:
        `FileNotFoundError`: if a file is missing.
        `ValueError`: if a line is none of EmoBench's.
    """
    questions = []
    for name in FILES:
        path, benchmark = Path(folder) / name, name.removesuffix(".jsonl")
        if not path.is_file():
            raise FileNotFoundError(f"No {name} in {folder}: put EmoBench's {' and '.join(FILES)} there.")
        seen: dict[str, int] = {}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                read = _questions(benchmark, json.loads(line)) if line.strip() else []
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {number}: not an item of EmoBench ({error!r}).") from error
            for question in read[:1]:
                seen[question.language] = seen.get(question.language, 0) + 1
            if read and (limit is None or seen[read[0].language] <= limit):
                questions += read
    return questions


def _questions(benchmark: str, row: dict[str, Any]) -> list[Question]:
    language, item = row["language"], str(row["qid"])
    kind = _KINDS[language][row["question type"]] if benchmark == "EA" else ""
    sides = (
        [("choices", "label")] if benchmark == "EA" else [(f"{s}_choices", f"{s}_label") for s in ("emotion", "cause")]
    )
    return [
        Question(
            benchmark,
            language,
            item,
            f"{row['scenario']}\n\n{asked.format(kind=kind, subject=row['subject'])}",
            tuple(row[choices]),
            list(row[choices]).index(row[label]),
        )
        for asked, (choices, label) in zip(_ASKED[benchmark, language], sides, strict=True)
    ]


def likelihood_items(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, questions: Sequence[Question]
) -> Items:
    """Whether the right choice is the most likely reply to the question, by mean log-probability a token.

    The choices are not shown, so no letter and no position is favoured.

    Returns:
        `dict`: per benchmark and language 1 or 0 for each item.
    """
    right = []
    for question in tqdm(questions, desc="EmoBench, likelihood", unit="question", leave=False):
        chat = [{"role": "user", "content": question.text}]
        likely = mean_log_likelihoods(model, tokenizer, chat, question.choices)
        right.append(int(likely.argmax()) == question.label)
    return _by_item(questions, right, "likelihood")


def generated_items(
    answer: Callable[[list[Chat]], Sequence[str | None]], questions: Sequence[Question], seed: int = 0
) -> Items:
    """Whether a system answers with the letter of the right choice; the choices come in an order of their own.

    Args:
        answer (`Callable`): Takes one chat a question and returns what the system says, `None` for nothing; should
            take the most likely answer, of up to 16 tokens.
        questions (`Sequence[Question]`): What to ask.
        seed (`int`, *optional*, defaults to 0): Of the order of the choices.

    Returns:
        `dict`: per benchmark and language 1 or 0 for each item, and for each question whether its answer names a
        choice at all.
    """
    orders = []
    for i, question in enumerate(questions):
        order = list(range(len(question.choices)))
        random.Random(f"{seed}/{i}").shuffle(order)
        orders.append(order)
    shown = [tuple(q.choices[i] for i in order) for q, order in zip(questions, orders, strict=True)]
    said = answer([_multiple_choice(q, choices) for q, choices in zip(questions, shown, strict=True)])
    chosen = [read_choice(text or "", choices) for text, choices in zip(said, shown, strict=True)]
    right = [c is not None and o[c] == q.label for q, o, c in zip(questions, orders, chosen, strict=True)]
    return _by_item(questions, right, "generated") | {READ: [float(choice is not None) for choice in chosen]}


def read_choice(text: str, choices: Sequence[str]) -> int | None:
    """The index of the choice that an answer names: its letter alone or announced, or its words; `None` if none."""
    found = _ALONE.search(text) or _NAMED.search(text)
    if found:
        index = _LETTERS.index(found[1])
        return index if index < len(choices) else None
    said = text.casefold()
    quoted = [i for i, choice in enumerate(choices) if choice.casefold() in said]
    return quoted[0] if len(quoted) == 1 else None


def _multiple_choice(question: Question, choices: Sequence[str]) -> Chat:
    listed = "\n".join(f"({letter}) {choice}" for letter, choice in zip(_LETTERS, choices, strict=False))
    return [{"role": "user", "content": f"{question.text}\n{listed}\n\n{_TASK[question.language]}"}]


def _by_item(questions: Sequence[Question], right: Sequence[bool], how: str) -> Items:
    by_item: dict[tuple[str, str, str], bool] = {}
    for question, is_right in zip(questions, right, strict=True):
        key = (question.benchmark, question.language, question.item)
        by_item[key] = by_item.get(key, True) and is_right
    items: Items = {}
    for (benchmark, language, _), is_right in by_item.items():
        items.setdefault(f"EmoBench {benchmark} {language}, {how}", []).append(float(is_right))
    return items
