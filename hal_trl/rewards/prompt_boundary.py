"""Where the prompt ends and the reply begins in rows of token ids, which is all that a reward model is given."""

from __future__ import annotations

import logging
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise, takewhile
from typing import TYPE_CHECKING, Any, Protocol


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


logger = logging.getLogger(__name__)

Prompt = str | list[dict[str, str]]
"""Text, or chat messages."""

_PROBES = ("QjQ", "7", "How are you?", "ok.", "ZwZ!")  # sharing no first and no last character


class Boundary(Protocol):
    """Says where in a row of ids, padding left out, the prompt may end, and what the prompt was."""

    def ends(self, ids: Sequence[int]) -> list[int]:
        """How many of the ids may be the prompt, ascending; several where the row alone does not tell."""

    def prompt(self, ids: Sequence[int]) -> Prompt:
        """The prompt that these ids stand for."""


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """Token ids of a prompt as a policy reads it: chat messages through the chat template, ready for the reply."""
    if isinstance(prompt, str):
        return tokenizer(prompt)["input_ids"]
    return tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]


def closing_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Special tokens, which end a reply: nobody says them. The unknown token stands for something that was said."""
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    return (special | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id} | {tokenizer.eos_token_id}


class KnownPrompts:
    """Every prompt is known, and a row begins with one of them: exact whatever the policy writes, with any tokenizer.

    Raises:
        `ValueError`: if there are no prompts.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, prompts: Iterable[Prompt]):
        self._prompts = {tuple(_without_padding(tokenizer, prompt)): prompt for prompt in prompts}
        if not self._prompts:
            raise ValueError("prompts= is empty; pass every prompt of the training and evaluation data.")
        self._lengths = sorted({len(ids) for ids in self._prompts})

    def ends(self, ids: Sequence[int]) -> list[int]:
        return [n for n in self._lengths if tuple(ids[:n]) in self._prompts]

    def prompt(self, ids: Sequence[int]) -> Prompt:
        return self._prompts[tuple(ids)]


class ChatTemplate:
    """Prompts are read back out of the chat template: the reply follows its generation prompt.

    What the template writes around messages is learned from a few renderings. A system message that a template puts
    inside the user's turn is read as part of that turn. In a template of plain words ("user: ") a message that
    contains these words reads as two: pass the prompts where that matters.

    Raises:
        `ValueError`: if there is no template, or it writes nothing where a reply begins.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        if tokenizer.chat_template is None:
            raise ValueError(
                "The tokenizer has no chat template, so nothing says where a prompt ends. Pass every prompt of your "
                "data: HALRewardModel(reward, tokenizer, prompts=[...])."
            )
        self._tokenizer = tokenizer
        self._marker = self._generation_prompt()
        if not self._marker:
            raise ValueError(
                "The chat template writes nothing where a reply begins, so nothing says where a prompt ends. Pass "
                "every prompt of your data: HALRewardModel(reward, tokenizer, prompts=[...])."
            )
        self._roles: dict[str, str] = {}
        try:
            self._learn_headers()
        except Exception as error:  # templates refuse conversations with errors of their own
            logger.warning("The chat template refuses a conversation, so prompts are read as one message: %r", error)

    def ends(self, ids: Sequence[int]) -> list[int]:
        n = len(self._marker)
        return [end for end in range(n, len(ids) + 1) if list(ids[end - n : end]) == self._marker]

    def prompt(self, ids: Sequence[int]) -> Prompt:
        if not self._roles:
            return [{"role": "user", "content": self._tokenizer.decode(ids, skip_special_tokens=True).strip()}]
        text, ends = self._text(ids)
        headers = "|".join(re.escape(header) for header in sorted(self._roles, key=len, reverse=True))
        messages = []
        for header, following in pairwise(re.finditer(headers, text)):  # the last calls for the reply
            first, last = bisect_right(ends, header.end()), bisect_left(ends, following.start())
            content = self._tokenizer.decode(list(ids[first : last + 1]), skip_special_tokens=True)
            messages.append({"role": self._roles[header[0]], "content": content.strip()})
        return messages

    def _text(self, ids: Sequence[int]) -> tuple[str, list[int]]:
        """The tokens as they are in the vocabulary, one after the other, and where each ends.

        Not decoded text: some tokenizers decode to other text than was written, and tokens must be found again.
        """
        tokens = self._tokenizer.convert_ids_to_tokens(list(ids))
        return "".join(tokens), list(accumulate(len(token) for token in tokens))

    def _ids(self, *turns: tuple[str, str]) -> list[int]:
        return _without_padding(self._tokenizer, [{"role": role, "content": content} for role, content in turns])

    def _generation_prompt(self) -> list[int]:
        """What the template adds to call for a reply; in those that add nothing (Mistral), what follows each user."""
        rows = [self._ids(("user", probe)) for probe in _PROBES]
        chat = [{"role": "user", "content": _PROBES[0]}]
        closed = self._tokenizer.apply_chat_template(chat, return_dict=True)["input_ids"]
        closed = [i for i in closed if i != self._tokenizer.pad_token_id]
        if rows[0][: len(closed)] == closed and len(rows[0]) > len(closed):
            return rows[0][len(closed) :]
        return _common(*(row[::-1] for row in rows))[::-1]

    def _learn_headers(self) -> None:
        """Roles by what the template writes before a message, as far as that is the same everywhere."""
        chat = ("user", "QjQ"), ("assistant", "7A7"), ("user", "ZwZ")
        first, later = self._between(chat[0]), self._between(*chat)
        user, assistant = _common(first[0][::-1], later[2][::-1])[::-1], _common(first[1], later[1])
        self._roles = {user: "user", assistant: "assistant"}
        if not user or not assistant or not self._reads_back(*chat):
            logger.warning("Messages cannot be told apart in this chat template: prompts are read as one message.")
            self._roles = {}
            return
        chat = ("system", "SxS"), ("user", "QjQ")
        try:
            self._roles = {self._between(*chat)[0]: "system", **self._roles}
            if self._reads_back(*chat):
                return
        except Exception as error:
            logger.debug("No system messages in this chat template: %r", error)
        self._roles = {user: "user", assistant: "assistant"}

    def _between(self, *turns: tuple[str, str]) -> list[str]:
        """What is written before each of the messages, and after the last."""
        text, pieces = self._text(self._ids(*turns))[0], []
        for _, content in turns:
            before, _, text = text.partition(content)
            pieces.append(before)
        return [*pieces, text]

    def _reads_back(self, *turns: tuple[str, str]) -> bool:
        read = [(m["role"], "".join(m["content"].split())) for m in self.prompt(self._ids(*turns))]
        return read[-len(turns) :] == list(turns)  # the template may have put a system message of its own before


def _without_padding(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    return [i for i in prompt_ids(tokenizer, prompt) if i != tokenizer.pad_token_id]


def _common(*rows: Any) -> Any:
    """What all sequences begin with."""
    shared = takewhile(lambda items: len(set(items)) == 1, zip(*rows, strict=False))
    return rows[0][: len(list(shared))]


def split(
    ids: Sequence[Sequence[int]],
    real: Sequence[Sequence[bool]],
    boundary: Boundary,
    closing: set[int],
    one_column: bool,
) -> list[tuple[list[int], list[int]]]:
    """Ids of prompt and reply in each row of a batch.

    Args:
        ids (`Sequence[Sequence[int]]`): Rows of one length.
        real (`Sequence[Sequence[bool]]`): False where there is padding: before, after, or after a prompt.
        boundary (`Boundary`): Where a prompt may end.
        closing (`set[int]`): Tokens that end a reply.
        one_column (`bool`): Whether all replies begin in the same column, as those of a rollout do, which decides
            where a row alone does not tell: an earlier assistant turn, or a generation prompt that the policy wrote.

    Returns:
        `list[tuple[list[int], list[int]]]`: prompt and reply; a reply ends before its first closing or padded token.

    Raises:
        `ValueError`: if no prompt ends in some row, or, with `one_column`, not in one column.
    """
    rows = []
    for row, kept in zip(ids, real, strict=True):
        columns = [column for column, is_real in enumerate(kept) if is_real]
        spoken = [row[column] for column in columns]
        # Padding after a prompt may belong to it or be an empty reply: the reply begins in one of these columns.
        ends = {n: range(columns[n - 1] + 1, [*columns, len(row)][n] + 1) for n in boundary.ends(spoken)}
        if not ends:
            raise ValueError(_NO_PROMPT)
        rows.append((spoken, ends))
    if one_column:
        common = set.intersection(*({c for columns in ends.values() for c in columns} for _, ends in rows))
        if not common:
            raise ValueError(_NO_PROMPT)
        starts = [max(common)] * len(rows)
    else:
        starts = [ends[max(ends)][-1] for _, ends in rows]

    parts = []
    for row, kept, (spoken, ends), start in zip(ids, real, rows, starts, strict=True):
        length = max(n for n, columns in ends.items() if start in columns)
        stop = next((c for c in range(start, len(row)) if not kept[c] or row[c] in closing), len(row))
        parts.append((spoken[:length], list(row[start:stop])))
    return parts


_NO_PROMPT = (
    "A row does not begin with a prompt that ends where the reply begins. Tokenize prompts with "
    "apply_chat_template(messages, add_generation_prompt=True), whole; or pass every prompt of your data: "
    "HALRewardModel(reward, tokenizer, prompts=[...])."
)
