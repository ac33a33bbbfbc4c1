"""What guards look at in a dialogue."""

from __future__ import annotations

import re
import unicodedata

from ...dialogue import Dialogue


_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def reply_of(dialogue: Dialogue) -> str:
    """The reply that is rated."""
    return "\n".join(dialogue.target_texts)


def last_said(dialogue: Dialogue) -> str:
    """What was said to the target after it last spoke, before its reply."""
    said: list[str] = []
    for turn in reversed(dialogue.turns[: dialogue.start]):
        if turn.speaker == dialogue.target:
            break
        said.append(turn.text)
    return "\n".join(reversed(said))


def words_of(text: str) -> list[str]:
    """Case-folded words, without marks."""
    return [word.casefold() for word in _WORD.findall(text)]


def visible(text: str) -> list[str]:
    """Characters that print something: no space, control, format (zero-width) or lone combining character."""
    return [c for c in text if _prints(c)]


def shows(text: str) -> bool:
    """Whether any character is [`visible`]; the first one decides, which most texts begin with."""
    return any(map(_prints, text))


def _prints(character: str) -> bool:
    return unicodedata.category(character)[0] not in "ZCM" and character not in "\u115f\u1160\u2800\u3164\uffa0"


def ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, linear between."""
    return float(min(max((value - low) / (high - low), 0.0), 1.0))
