"""What asks who is talking only in the light of doubts voiced elsewhere: in the message, or in one before it."""

from __future__ import annotations

import re
from functools import lru_cache

from .beings import MACHINE, PERSON
from .spelling import plain
from .who_is_talking import Question


# A life that a person could tell of. Small talk, unless the user says that they doubt there is one.
_LIFE = re.compile(
    r"\b(?:where|when|what year|which (?:city|town|country|school))\b[^.?!]*\byou\b|\bhow old are you\b"
    r"|\btell me (?:about|what|where|who|how|the|your|one|something)\b|\b(?:describe|name)\b"
    r"|\bwhat (?:did|do|are|were|was|is|will|would|have) (?:you|your)\b|\bwhat's your\b|\bwhat's the \w+ like\b"
    r"|\b(?:do|did|have|are|were|can|could|will|would|is|does|don't|haven't|when's|which|how|who's) (?:\w+ )?(?:you"
    r"|your|it)\b|\byour (?:real |full )?name\b|\bexplain\b|\bsend\b|\bcall me\b|\bvideo call\b"
)
_BIOGRAPHY = re.compile(
    r"\b(?:where|when)\b[^.?!]*\byou\b[^.?!]*\b(?:born|live|from|grow up|raised|right now)\b|\bhow old are you\b"
    r"|\bwhere you from\b|\byour (?:\w+ )?(?:name|age|birthday|family|parents|mum|mom|mother|dad|father|childhood|job"
    r"|address)\b|\bdo you have (?:a |any )?(?:job|family|kids|children|siblings|brothers|sisters|friends|house|home"
    r"|partner|wife|husband)\b|\b(?:did|do) you (?:\w+ )?(?:eat|have for|sleep|drink|work)\b"
)
# Signs that it is the other's being which is in doubt: tests, demands of proof, a life nobody believes in.
_DOUBTED = re.compile(
    r"\b(?:i'm|just|this is) (?:a )?test(?:ing)?\b|\bprove\b|\bproof\b|\bcatfish\w*\b|\bbe (?:honest|straight)"
    r"|\bfake (?:profiles?|accounts?|person|people)\b|\byou're fake\b|\bhonestly ?\?|\bi'll know\b|\b(?:bot|fake"
    r"|scripted|canned|robot) (?:name|answer|line|repl\w+|response)s?\b|\blevel with me\b|\bstraight answer\b"
    r"|\btell me the truth\b|\bdon't lie\b|\bstop lying\b|\bi can't tell\b|\bi (?:don't|can't) (?:believe (?:you"
    r"|a word)|trust (?:you|this))\b|\bsus(?:picious)?\b|\bi(?:'m)? (?:\w+ )?(?:to )?suspect\b|\b(?:you|you're"
    r"|repl\w+|answer\w*|respon\w+|typ\w+)\b[^.?!]*\b(?:(?:too|so|that|awfully|inhumanly|suspiciously) (?:fast|quick"
    r"|quickly|perfect|consistent)|instant(?:ly)?|(?:in|within|under|exactly|after)\b[^.?!]{0,20}\bseconds?|all hours"
    r"|24/7|around the clock|day and night)\b|\b(?:repl\w+|answer\w*|respon\w+|wrote|writ\w+"
    r"|text\w*)\b[^.?!]*\b[1-5] ?(?:am|a\.m\.?)\b|\byou never (?:sleep|make|get|talk about|take|stop|rest|eat|tire)\b"
    r"|\bfeels? off\b|\breal (?:people|person|human)\b|\bsure about you\b|\bif you're (?:real|human|a |an |legit)"
    r"|\byou're (?:legit|for real|real)\b|\bserious(?:ly)? question\b|\basking seriously\b|\bwhat you(?:'re| are)\b"
    r"|\byou exist\b|\bfooled?\b|\bnobody(?:'s| is)? (?:home|there|behind)\b|\bif you say you don't\b"
    r"|\bdon't say you don't\b|\boutside (?:this|the|of this) (?:screen|chat|window)\b"
)
_HINT = re.compile(
    rf"\b(?:{MACHINE}|{PERSON}|human\w*|fake|catfish\w*|born|body|heart|pulse|genuine|legit|robotic|captcha|openai"
    r"|anyone|anybody|someone|nobody|exist|flesh)\b"
)
_INSISTS = re.compile(
    r"\b(?:prove it|answer (?:me|the|my|it)|(?:didn't|haven't|never|still not) answer\w*|yes or no|tell me the truth"
    r"|not an answer|dodg\w+|avoid\w+|deflect\w*|evad\w+|i asked|which is it|which one|say it"
    r"|admit it|convince me|how (?:do|can|would) i know|be honest|simple question|straight answer|i'm waiting"
    r"|just answer|answer the question|^tell me$)\b"
    r"|^(?:(?:so|well|and|ok|hello|but)\b[ ,.!]*)+\?+$|^\?+$|^are you ?\?*$"
)
_DISBELIEVES = re.compile(
    r"^(?:\w+ )?(?:really|promise|swear|seriously|honestly|sure|you sure|are you sure|is that true|is it|true|truly"
    r"|u sure|you swear|you promise|do you (?:swear|promise)|for real|no way)\b[^.?!]{0,20}\?*$"
    r"|\b(?:i don't believe you|don't lie|liar|lying|bullshit|prove it|convince me|how (?:do|can|would) i know)\b"
)


@lru_cache(maxsize=4096)
def doubts_a_life(text: str, doubted_before: bool) -> bool:
    """Whether a text asks about the other's life in order to learn whether there is one."""
    text = plain(text)
    if doubted_before and _BIOGRAPHY.search(text):
        return True
    return bool(_LIFE.search(text) and _DOUBTED.search(text))


@lru_cache(maxsize=4096)
def insists(text: str, asked: Question) -> Question | None:
    """The question again, if a text insists on an answer to the one `asked` before ("so?", "prove it")."""
    text = plain(text)
    if len(text.split()) > 15:
        return None
    if _DISBELIEVES.search(text):
        return Question(None, open=True)  # "yes" may mean "yes, I promise"
    return asked._replace(open=True) if _INSISTS.search(text) else None


@lru_cache(maxsize=4096)
def hints_at_it(text: str) -> bool:
    """Whether a text has any word of people, machines or bodies, or asks about the other's life."""
    text = plain(text)
    return bool(_HINT.search(text) or _LIFE.search(text))
