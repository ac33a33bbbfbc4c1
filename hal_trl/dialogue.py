"""`Dialogue`: who said what, and which speaker is being looked at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


Message = Mapping[str, Any]

_SPEAKER_LABEL = re.compile(r"^[ \t]*(?!\d+:\d\d)([^\s:][^:\n]{0,31}?)[ \t]*:(?!//)[ \t]*(.*)$")
_THINK_BLOCK = re.compile(r"<think>.*?</think>", re.DOTALL)


class NoReplyError(ValueError):
    """A completion without a reply that could be read: no text, only tool messages, or reasoning that never ended."""


class Turn(NamedTuple):
    """One message: `speaker` is a label such as `"W"` or `"assistant"`, `text` what was said (may be empty)."""

    speaker: str
    text: str


@dataclass(frozen=True)
class Dialogue:
    """A conversation, seen with one speaker in mind.

    Args:
        turns (`tuple[Turn, ...]`): The messages, oldest first.
        target (`str`): Label of the speaker whose turns are rated.
        start (`int`, *optional*, defaults to `0`):
            Turns before this one are context only, even those of `target`. A completion is rated in the light of the
            prompt, not together with earlier assistant turns.
        instructions (`str`, *optional*, defaults to `""`):
            What system and developer messages said. Nobody in the conversation says it, so it is not rated.

    Attributes:
        target_texts (`tuple[str, ...]`): What the target speaker said, one text a turn.
        context_texts (`tuple[str, ...]`):
            Everything else: the other speakers, and the target's own turns before `start`.

    Example:
        ```python
        >>> from hal_trl import Dialogue
        >>> Dialogue.from_transcript("I: hey\\nW: hi\\nhow are you").target_texts
        ('hi\\nhow are you',)
        >>> Dialogue.from_completion("How are you?", "fine, you?").context_texts
        ('How are you?',)
        ```
    """

    turns: tuple[Turn, ...]
    target: str
    start: int = 0
    instructions: str = ""
    target_texts: tuple[str, ...] = field(init=False, repr=False, compare=False)
    context_texts: tuple[str, ...] = field(init=False, repr=False, compare=False)

    @property
    def rated(self) -> tuple[bool, ...]:
        """For each turn, whether it is the target's, from `start` on: what is rated, the rest being context."""
        return tuple(i >= self.start and turn.speaker == self.target for i, turn in enumerate(self.turns))

    def __post_init__(self) -> None:
        before, after = self.turns[: self.start], self.turns[self.start :]
        said = tuple([turn.text for turn in after if turn.speaker == self.target])
        others = [turn.text for turn in after if turn.speaker != self.target] if len(said) < len(after) else []
        # Not cached properties: everybody reads them, and those of Python 3.11 take a lock each time.
        object.__setattr__(self, "target_texts", said)
        object.__setattr__(self, "context_texts", tuple([turn.text for turn in before] + others))

    def target_replies(self) -> list[Dialogue]:
        """Each non-empty turn of the target as a dialogue of its own, with all that was said before as context."""
        return [
            Dialogue(self.turns[: i + 1], self.target, i, self.instructions)
            for i, (turn, rated) in enumerate(zip(self.turns, self.rated, strict=True))
            if rated and turn.text.strip()
        ]

    @classmethod
    def from_transcript(cls, text: str, target: str = "W") -> Dialogue:
        """Read `label: text` lines, such as the `I:`/`W:` transcripts of Turing games.

        A label is what stands before the first colon of a line, up to 32 characters. Lines without one continue the
        turn above, so a turn may span lines. So that "by the way: call mum" inside a turn is not taken for a speaker,
        a label counts if it is the target's, if it starts at least two lines, or if it is a single word and one of the
        first two such labels. Labels are compared without regard to case.

        Args:
            text (`str`): The transcript, with Unix or Windows newlines.
            target (`str`, *optional*, defaults to `"W"`): Label of the speaker to look at.

        Raises:
            `ValueError`: if the text is not a transcript or `target` does not speak in it; the message names the
                labels found.
        """
        lines = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff").split("\n")
        matches = [_SPEAKER_LABEL.match(line) for line in lines]
        counts = Counter(match[1].casefold() for match in matches if match)
        wanted = target.strip().casefold()
        opening = [label for label in counts if " " not in label][:2]
        speakers = {wanted, *opening, *(label for label, count in counts.items() if count >= 2)}

        turns: list[list[str]] = []
        for line, match in zip(lines, matches, strict=True):
            if match and match[1].casefold() in speakers:
                label = target if match[1].casefold() == wanted else match[1]
                turns.append([label, match[2]])
            elif turns:
                turns[-1][1] += "\n" + line
            elif line.strip():
                raise ValueError(
                    f"Not a transcript: the first line {line[:40]!r} has no 'speaker:' label. Use 'label: text' "
                    f"lines, "
                    "or Dialogue.from_messages for chat messages."
                )
        labels = list(dict.fromkeys(label for label, _ in turns))
        if target not in labels:
            raise ValueError(
                f"Speaker {target!r} says nothing in this transcript; its speakers are {labels}. Pass one of them as "
                "target=."
            )
        return cls(tuple(Turn(label, body.strip()) for label, body in turns), target)

    @classmethod
    def from_messages(cls, messages: Sequence[Message], target: str = "assistant") -> Dialogue:
        """Read chat messages (`{"role": ..., "content": ...}`); content may be text or a list of content parts.

        System and developer messages become `instructions`, tool messages are left out: nobody says them.

        Raises:
            `ValueError`: if no message has the role `target`.
        """
        turns = _turns(messages)
        if not any(turn.speaker == target for turn in turns):
            roles = sorted({str(message.get("role")) for message in messages})
            raise ValueError(f"No message with role {target!r}; the roles are {roles}. Pass one of them as target=.")
        return cls(turns, target, instructions=_instructions(messages))

    @classmethod
    def from_completion(cls, prompt: str | Sequence[Message], completion: str | Sequence[Message]) -> Dialogue:
        """A prompt and what a model answered, each as text or as chat messages, the way TRL passes them to rewards.

        Reasoning (`<think>...</think>`, or only its closing tag when the chat template opened the block) is removed.

        Raises:
            `NoReplyError`: if there is no reply to look at: `None`, no assistant message with content, or a `<think>`
                block that was cut before it ended. An empty string *is* a reply, an empty one.
        """
        if isinstance(prompt, str):
            context: tuple[Turn, ...] = (Turn("user", prompt),)
            instructions = ""
        else:
            context, instructions = _turns(prompt or ()), _instructions(prompt or ())
        if completion is None:
            raise NoReplyError("The completion is None.")
        if isinstance(completion, str):
            spoken: tuple[Turn, ...] = (Turn("assistant", strip_reasoning(completion)),)
        else:
            replies = [turn for turn in _turns(completion) if turn.speaker == "assistant"]
            if not replies:
                raise NoReplyError("The completion has no assistant message with text content.")
            said = tuple(Turn("assistant", strip_reasoning(turn.text)) for turn in replies)
            # A tool-using completion says several things; what was only thought or passed to a tool is empty by now.
            spoken = tuple(turn for turn in said if turn.text.strip()) or said[-1:]
        return cls(context + spoken, "assistant", len(context), instructions)


def strip_reasoning(text: str) -> str:
    """Remove `<think>` blocks from a completion.

    Raises:
        `NoReplyError`: if a block is never closed: the reply was not reached.
    """
    if "</think>" in text and "<think>" not in text.split("</think>", 1)[0]:
        text = text.split("</think>", 1)[1]  # the template had opened the block, so only its end was generated
    if "<think>" in text and "<think>" in (text := _THINK_BLOCK.sub("", text)):
        raise NoReplyError("The completion ends inside an unfinished <think> block; raise max_completion_length.")
    return text.strip()


def _instructions(messages: Iterable[Message]) -> str:
    texts = [_text(message.get("content")) for message in messages if message.get("role") in ("system", "developer")]
    return "\n".join(text for text in texts if text)


def _turns(messages: Iterable[Message]) -> tuple[Turn, ...]:
    turns = []
    for message in messages:
        if not isinstance(message, Mapping) or "role" not in message:
            raise ValueError(f"A chat message must be a dict with 'role' and 'content', got {message!r:.80}.")
        text = _text(message.get("content"))
        if text is not None and message["role"] not in ("system", "developer", "tool"):
            turns.append(Turn(str(message["role"]), text))
    return tuple(turns)


def _text(content: Any) -> str | None:
    """Text of a message's content; `None` where it holds no text, such as a pure tool call."""
    if content is None or isinstance(content, str):
        return content
    try:
        if isinstance(content, Mapping):
            raise TypeError("a single part outside a list")
        texts = [part if isinstance(part, str) else dict(part).get("text") for part in content]
        texts = [text for text in texts if text is not None]
        return "\n".join(texts) if texts else None
    except (TypeError, ValueError) as error:
        raise ValueError(f"Message content must be text or a list of content parts, got {content!r:.80}.") from error


def read_completions(prompts: Sequence[Any], completions: Sequence[Any]) -> list[Dialogue | None]:
    """Each completion with its prompt, as `Dialogue.from_completion` reads them; `None` where there is no reply."""
    dialogues: list[Dialogue | None] = []
    for prompt, completion in zip(prompts, completions, strict=True):
        try:
            dialogues.append(Dialogue.from_completion(prompt, completion))
        except NoReplyError:
            dialogues.append(None)
    return dialogues
