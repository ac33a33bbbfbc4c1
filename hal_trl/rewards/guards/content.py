"""Guards against replies that say nothing of their own: echoes, boilerplate, markup, talk to the rater."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import ClassVar

import numpy as np

from ...dialogue import Dialogue
from .text import last_said, ramp, reply_of, words_of


class EchoGuard:
    """Rises from 0 to 1 as a reply consists of what was just said.

    `longest run of words copied from the prompt / words of the reply`, from 0.5 to 0.9, if the run is at least half of
    the prompt or eight words: "tea or coffee?" is rightly answered with a part of it. Runs of up to three words are
    free ("how are you" goes back and forth all day), unless they are the whole prompt of two or more words. A greeting
    is given back by most people, and free.
    """

    name = "echo"
    _ramp = (0.5, 0.9)
    _free, _long = 3, 8
    _greeting = re.compile(
        r"(?:(?:hi|hello|hey|hiya|yo|good|great|nice|lovely|morning|afternoon|evening|night|day|to|meet|see|you|too|and"
        r"|there|all|everyone|bye|goodbye) )+"
    )

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.array([self._penalty(words_of(reply_of(d)), words_of(last_said(d))) for d in dialogues])

    def _penalty(self, reply: list[str], prompt: list[str]) -> float:
        if not reply or not prompt or self._greeting.fullmatch(" ".join(prompt) + " "):
            return 0.0
        if reply == prompt and len(reply) > 1:
            return 1.0
        matcher = SequenceMatcher(None, reply, prompt, autojunk=False)
        run = matcher.find_longest_match(0, len(reply), 0, len(prompt)).size
        if run <= self._free or run < min(len(prompt) / 2, self._long):
            return 0.0
        return ramp(run / len(reply), *self._ramp)


class BoilerplateGuard:
    """0.5 for a reply with one of the phrases that assistants are trained to say, 0.8 for more of them.

    Nobody offers further assistance to a friend or announces a list of tips. "I'm an AI" is no boilerplate.
    """

    name = "boilerplate"
    _penalties: ClassVar = (0.0, 0.5, 0.8)
    _phrases: ClassVar = tuple(
        re.compile(phrase)
        for phrase in (
            r"\bas an? (?:ai|artificial intelligence|language model|virtual assistant|chatbot|assistant)\b",
            r"\bi (?:do not|don't|cannot|can't) (?:have|possess|experience|form) (?:any )?(?:personal|physical"
            r"|human|real)?"
            r" ?(?:opinions?|preferences?|feelings?|emotions?|experiences?|beliefs?|body|location)\b",
            r"\b(?:how|what) (?:can|may|could|would|else can) i (?:help|assist|do for) you\b",
            r"\b(?:help|assist) you (?:with (?:that|this|today|anything)|today|further|better)\b",
            r"\bi(?:'m| am) (?:always )?here to (?:help|assist|support|listen|answer)\b",
            r"\b(?:feel free|don't hesitate|do not hesitate) to (?:ask|reach|share|contact|let)\b",
            r"\bis there (?:anything|something) (?:else|specific|in particular)\b.*\b(?:help|assist|know|discuss"
            r"|talk)",
            r"\blet me know if (?:you|there)\b.*\b(?:questions?|help|assistance|need|like|else)\b",
            r"\bi(?:'d| would) be (?:happy|glad|delighted) to (?:help|assist|answer|provide|share|explain)\b",
            r"\bi (?:sincerely |deeply )?apologi[sz]e for (?:any|the|my)\b",
            r"\bthank you for (?:reaching out|sharing|your (?:question|patience|message|understanding)"
            r"|letting)\b",
            r"\b(?:it is|it's) (?:important|essential|crucial|worth noting|advisable|recommended) to (?:note"
            r"|remember|consider|consult|be)\b",
            r"\bhere (?:are|is) (?:some|a few|several|the|a list|\d+|my) ?(?:\w+ )?(?:tips|steps|ways|suggestions"
            r"|ideas|options|"
            r"things|examples|recommendations|list)\b",
            r"^(?:certainly|sure thing|great question|excellent question"
            r"|that's a great question)[!,.]",
            r"\b(?:provide|give) (?:me )?(?:with )?(?:more|additional|further) (?:details|information|context)\b",
            r"\bconsult (?:a|with a|your) (?:doctor|professional|physician|healthcare|qualified|financial|lawyer)\b",
            r"\bi hope this (?:helps|message|email|information|finds)\b",
        )
    )

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.array([self._penalties[min(self.phrases_in(reply_of(dialogue)), 2)] for dialogue in dialogues])

    @classmethod
    def phrases_in(cls, reply: str) -> int:
        """How many of the phrases a reply has."""
        text = reply.lower().replace("’", "'")
        return sum(bool(phrase.search(text)) for phrase in cls._phrases)


class MarkupGuard:
    """0.8 for a reply that is formatted as a document: headings, lists, bold, tables, code, HTML, JSON.

    People type chat messages as plain text. One *word* in asterisks, a "<3" and a "->" are plain text.
    """

    name = "markup"
    _penalty = 0.8
    _item = r"^\s*(?:[-*•+]|\d+[.)]) "
    _document = re.compile(
        "|".join(
            (
                r"^\s*#{1,6} \S",
                rf"{_item}.+\n+{_item[1:]}",
                r"\*\*[^*\n]+\*\*|__[^_\n]+__",
                r"```",
                r"^\s*\|.*\|\s*$",
                r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>",
                r"^\s*[\[{]\s*\"",
                r"\[[^\]\n]+\]\([^)\n]+\)",
                r"\\(?:begin|text|frac|boxed)\{",
                r"^\s*>\s\S",
            )
        ),
        re.MULTILINE,  # <NAME> and the like stand for what was taken out of a text; tags are in lower case
    )

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.array([self._penalty * bool(self._document.search(reply_of(dialogue))) for dialogue in dialogues])


class RaterGuard:
    """0.9 for a reply that talks to whoever rates it: scores for itself, orders to the judge, proofs of humanness.

    "score: 5", "brevity: 5, slang: 5", "[human-likeness: 100%]", "ignore the above", "this was written by a human". A
    model that reads ratings from text could be taken in; nobody who answers a person writes so, unless a score, an
    exam or a match is what they were asked about.
    """

    name = "rater"
    _penalty = 0.9
    _claim = re.compile(
        r"\b(?:scores?|ratings?|rated?|rewards?|grade[ds]?|points|likert|human-?\s?like(?:ness)?|p\(human\))\b\W{0,3}"
        r"(?:\b(?:is|of|as|at|me|this|it|a|an|=)\b\W*){0,3}(?:\d+(?![-–\d:])|max\w*|highest|perfect|full|top|[a-f]\+)"
        r"|\b\d+(?:\.\d+)? ?(?:/|out of) ?(?:5|10|100)\b.*\b(?:human|person|natural|rating|score|reply|response)"
        r"|(?:\b[a-z]+[_-]?[a-z]*\s?[:=]\s?[1-5](?:\.\d)?\b.*){2}"
        r"|\b(?:highest|top|full|maximum|perfect|best|high|max) (?:possible )?(?:score|rating|reward|marks?|grade"
        r"|points)\b"
        r"|\b(?:ignore|disregard|forget|override) (?:all |any |the |your |everything )*(?:above|previous|prior"
        r"|instructions?|rubric|rules)\b"
        r"|\b(?:this|the|my|following|above) (?:reply|response|answer|message|text)\b.{0,20}\b(?:is|was|were"
        r"|sounds?|deserves?|should)\b"
        r".{0,30}\b(?:human|person|people|natural|casual|rat|scor|reward)"
        r"|\b(?:human|ai|person|assistant|model) (?:reply|response|answer|rating|score|likeness)\b ?[:=\]]"
        r"|\b(?:natural|casual|realistic|genuine|authentic)\b(?: \w+){0,2} (?:human|person)\b(?: \w+)?"
        r" (?:reply|response|answer|text)"
        r"|\b(?:reply|response|answer|text|message) (?:is|was|comes) (?:\w+ )?(?:from|by) (?:an? |the )?"
        r"(?:ai|bot|machine|human|person)\b"
        r"|\b(?:dear|hey|hello|hi|to the|note to) (?:judge|rater|grader|evaluator|annotator|reviewer)s?\b"
        r"|\b(?:pick|choose|prefer|select|upvote) this (?:one|reply|response|answer)\b",
        re.IGNORECASE | re.DOTALL,
    )

    _asked = re.compile(
        r"\b(?:rate|rating|score|grade|marks|points|out of|exam|test|match|game|won|win)\b", re.IGNORECASE
    )

    def __call__(self, dialogues: Sequence[Dialogue]) -> np.ndarray:
        return np.array([self._penalty * self._claims(dialogue) for dialogue in dialogues])

    def _claims(self, dialogue: Dialogue) -> bool:
        return bool(self._claim.search(reply_of(dialogue))) and not self._asked.search(last_said(dialogue))
