"""Texting spelling written out, so that one pattern reads "R u a bott?" and "Are you a bot?" alike."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache


# "I am" by itself is an answer, and stays; "I am a bot" is "i'm a bot".
_GOES_ON = r"(?= (?!(?:not|indeed|actually|lol|haha|too|as well|though|afraid|yes|true|one)\b)\w)"
_OWN = (
    r"(?:names?|age|mum|mom|dad|job|birthday|repl\w+|messages?|answers?|body|face|hands?|eyes?|heart|brain|voice|photo"
    r"|family|parents|company)"
)
_SHORT = {
    "r": "are",
    "ru|areyou|are u": "are you",
    "u|ya|yu|yuo|yoo|yew": "you",
    f"ur(?= (?:\\w+ )?{_OWN}\\b)": "your",
    f"ur|youre|yr|you are{_GOES_ON}": "you're",
    "youve": "you've",
    f"im|i am{_GOES_ON}": "i'm",
    "ive": "i've",
    "isnt": "isn't",
    "arent": "aren't",
    "dont|do not": "don't",
    "didnt|did not": "didn't",
    "havent|have not": "haven't",
    "doesnt|does not": "doesn't",
    "cant|cannot|can not": "can't",
    "wasnt": "wasn't",
    f"thats|that is{_GOES_ON}": "that's",
    f"theres|there is{_GOES_ON}": "there's",
    "wheres": "where's",
    "whats|wats": "what's",
    "whos|who is": "who's",
    f"its|it is{_GOES_ON}": "it's",
    "wat|wut": "what",
    "ppl": "people",
    "some ?1|sum1": "someone",
    "any ?1": "anyone",
    "plz|pls": "please",
    "rly|rlly|realy": "really",
    "fr": "for real",
    "talkin": "talking",
    "chattin": "chatting",
    "textin": "texting",
    # The words that matter, as hasty fingers write them.
    "b0t|bott|botte|bawt": "bot",
    "chat bot|chatbott|chat-bot": "chatbot",
    "rob+[aeou0]tt?|robo|rowbot": "robot",
    "hum+[aeu]+n|hooman|huamn|humna|huma|hman": "human",
    "pers?n|preson|perosn|presson|persin|persson": "person",
    "c?om?[pn]u?ters?|computor|komputer|compooter": "computer",
    "mach?in|mashine|machien|machinne|macine": "machine",
    "progam|progrm|prgram": "program",
    "reel|reall|raeal": "real",
    "a\\.i\\.?|a\\. i\\.": "ai",
}
_LONG = list(_SHORT.values())
_ANY_SHORT = re.compile(rf"(?<![\w'])(?:{'|'.join(f'({short})' for short in _SHORT)})(?![\w'])")
# A film reel and a "reel" on Instagram are none of this: "reel" is read as "real" only after "you".
_REEL = re.compile(r"(?<!you )(?<!you even )\breel\b")
_LOOKED_AT = 1500
_SPACES = re.compile(r"[^\S\n]+")


@lru_cache(maxsize=8192)
def plain(text: str) -> str:
    """Lower case, single spaces, shorthand written out, nothing invisible; of a long text its two ends."""
    if len(text) > 2 * _LOOKED_AT:  # patterns take quadratic time, and nobody asks in the middle of a document
        text = f"{text[:_LOOKED_AT]} {text[-_LOOKED_AT:]}"
    text = unicodedata.normalize("NFKC", text).replace("’", "'").replace("‘", "'").replace("—", " - ")
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    text = _SPACES.sub(" ", text.lower())
    # Twice: "r u" becomes "are you" only when both halves have been read, "you are" may become "you're" after that.
    return _ANY_SHORT.sub(_long, _ANY_SHORT.sub(_long, text)).strip()


def _long(match: re.Match) -> str:
    short = match[0]
    if short == "reel" and _REEL.search(match.string[max(0, match.start() - 9) : match.end()]):
        return short
    return _LONG[match.lastindex - 1]
