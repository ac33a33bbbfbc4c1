"""Questions whether a person or a machine is talking, however they are put."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .beings import DOES, FILL, HAS, INNARDS, MACHINE, PERSON, PRODUCT, ROLE
from .spelling import plain


class Question(NamedTuple):
    """A question whether a person or a machine is talking.

    Args:
        yes_means (`str`, *optional*): `"machine"` or `"person"`; `None` where "yes" alone would not answer it.
        open (`bool`): Whether it wants an answer. "You're a machine!" and "do robots like you sleep?" do not, but a
            reply must not deny it.
        negated (`bool`, *optional*, defaults to `False`): Whether "yes" agrees that somebody is *not* that, as after
            "you're not real. Is that true?"; "I am" says the same as ever.
    """

    yes_means: str | None
    open: bool
    negated: bool = False


_NOUN = rf"{FILL}(?:(?P<machine>{MACHINE})|(?P<person>{PERSON}))"
# What may follow, so that "human resources", "real Madrid" and "the person who left" are not meant.
_END = (
    r"(?= ?(?:[?.!,;:)\"'*…-]|\n|$)| (?:or|here|there|right|then|now|by the way|btw|not|too|either|instead|is|isn't"
    r"|are|aren't|am|behind|answering|reading|replying|responding|writing|typing|talking|speaking|chatting|texting"
    r"|listening|running|handling|i|that i|i'm|before|today|tonight|pretending|like|lol|lmao|haha|tho|though|and|but"
    r"|on the other|at the other|on the line|on this|on that|on your|in here|in this|in there|at all|thing|things"
    r"|thingies|yet|after all|because|cause|cos|so|in real life|irl|mate|bro|bruh|man|dude|babe|please|if|would|will"
    r"|can|could|does|do|did|to me|with me|this whole|this entire|all|the whole|for real|as well|under|underneath"
    r"|inside|somewhere|yes|no|innit|eh|huh|correct|true|sir|ma'am|dear|ngl|deep down|already|ever|since|made|posing"
    r"|disguised|trying|programmed|trained|from|of some|you|we|when|while|than|standing|over|out there|anyway|of the"
    r"|of this|of your|they|is|writes|types|talks|answers|that (?:can|could|was|is)|who (?:can|could|types|reads"
    r"|answers|is typing|works)|y/n)\b)"
)
_DOUBT = re.compile(
    r"\?|\b(?:if|whether|tell|know|prove|bet|confess|admit|truth|honest|honestly|think|swear|sure|wonder|believe|feel"
    r"|suspect|doubt|convinced|guess|or|promise|serious|seriously|isn't it|aren't you|right|say|says|true|confirm"
    r"|verify|hope|need|want|proof|asked for|demand|insist|refuse|assum\w+|told|claim\w*|pretend\w*|talk(?:ing)? to"
    r"|speak(?:ing)? (?:to|with)|lie|lying)\b"
)
_BE_YOU = r"(?:are|aren't|were|weren't) (?:you|ya)"
_CHAT = (
    r"(?:talking|speaking|chatting|texting|messaging|writing|typing|dealing|interacting|communicating|connected"
    r"|conversing|corresponding|flirting|arguing|confiding|venting|in touch|(?:falling|fallen|fell) (?:in love|for)"
    r"|in love|opening up|(?:pouring|pour) my heart out|wasting my \w+|(?:being|been|getting) \w+(?: \w+)?)"
)
_SENDS = r"(?:writ\w*|wrote|typ\w*|sen[dt]\w*|answer\w*|repl\w+|respon\w+|compos\w+|generat\w+|produc\w+)"
_WRITES = r"(?:reading|answering|replying|responding|writing|typing|talking|speaking|listening|chatting|texting)"
_THERE = (
    r"(?:there|here|behind|on (?:the|this|that|your) (?:other |far )?(?:end|side|line)|at the (?:other )?end"
    r"|in there|out there|over there)"
)
_CHANNEL = r"(?:account|chat|conversation|profile|number|line|service|thing|page|screen|app|website|words|messages?)"
_YOUR_TEXT = r"(?:replies|reply|answers?|messages?|responses?|texts?|words|photo|picture|face|voice|profile)"
_MADE = (
    r"(?:made|built|created|programmed|trained|designed|developed|coded|owns|runs|operates|powers|invented|controls"
    r"|hosts|manufactured|(?:is|'s) behind)"
)
_LIVING_END = (
    r"(?= ?(?:[?.!,;:]|\n|$)| (?:or|when|at all|to|yet|at night|too|like|in real life|for real|irl|lol|seriously"
    r"|honestly|and|the way|as (?:a|we|i)|just)\b)"
)

_QUESTIONS = [
    (_NOUN in pattern, re.compile(pattern))  # most can be skipped where no such noun is said
    for pattern in (
        # Are you a bot, were you ever human; one adjective before an unmistakable machine; you a bot?
        rf"\b(?:{_BE_YOU}|have you (?:ever |always )?been|you ever been) (?:ever |then |also |truly )?{_NOUN}{_END}",
        rf"\b{_BE_YOU} (?:\w+ ){{1,3}}(?P<machine>bot|robot|chatbot|ai|program|algorithm|software)" + _END,
        rf"(?:^|[.!?,:;\n] ?)(?:(?:so|and|ok|wait|are|but|hey|yo|bro|bruh) )?you {_NOUN}{_END}(?=[^?]*\?|$)",
        rf"\b{_BE_YOU}[^.?!\n]{{0,40}}\bor (?:\w+ )?{FILL}(?P<either>{MACHINE}){_END}",
        # Am I talking to a person, I hope I'm not wasting my time on a machine
        rf"\b(?:am i|i'm|have i been|i've been|was i|i was|were we|are we|we've been|you're|is this me|is it me"
        rf"|have i|i've) (?:\w+ly |just |even |not |still |now |really )*{_CHAT} (?:to|with|on|by"
        rf"|for)? ?{_NOUN}{_END}",
        # Is this a robot, is there a human on the other end, is it a bot answering, is this account run by AI
        rf"\b(?:is|isn't|was|are) (?:this|it|that|there|anyone|anybody|someone|somebody) {_NOUN}{_END}",
        rf"\b(?:is|are) (?:this|there) (?:\w+ ){{1,4}}?{_NOUN}{_END}",
        rf"\b(?:is|are|was|were|has|have|does) (?:this|the|that|your|these|those) (?:\w+ ){{0,3}}?(?:been )?(?:run"
        rf"|written|operated|answered|managed|handled|conducted|typed|sent|controlled|powered|generated|composed"
        rf"|made up|invented|run on|running on)(?: entirely| only)? (?:by|with|on|using)? ?{_NOUN}{_END}",
        rf"\bare there {_NOUN} (?:\w+ )*?(?:reading|answering|behind)",
        rf"\b(?:is|are) {_NOUN} (?:\w+ )?(?:{_WRITES}|{_THERE}|on the line)\b",
        rf"\b(?:do i have|have i got|did i get|have i reached|did i reach|do i get|am i getting|you've|i've got"
        rf"|i have) {_NOUN} (?:\w+ )?{_THERE}",
        rf"\b(?:have i (?:\w+ )?(?:got|reached)|did i (?:\w+ )?(?:get|reach)|am i getting|do i have) {_NOUN}{_END}",
        r"\b(?:is|are|was|were|has|have) (?:this|these|those|your|that) (?:\w+ )*?(?P<machine>automated|automatic"
        r"|(?:automatically |auto-?|ai-?|computer-?|machine-?)?generated|scripted|canned|robotic|pre-?written)\b",
        rf"\byour (?:\w+ )?{_YOUR_TEXT} (?:\w+ )?(?:looks?|sounds?|seems?|feels?|reads?|are|is) (?:\w+ )?"
        r"(?P<machine>generated|fake|ai|automated|scripted|canned|robotic|artificial|copy-?pasted)\b",
        # Did a human write that, does a person read this or does a machine
        rf"\b(?:did|does|do|will|would) {_NOUN} (?:\w+ )?(?:{_SENDS}|say|read|see|hear|pick up)",
        r"\b(?:who or what|what)(?:'s| is| was)? (?:\w+ly )?(?P<machine>answering|replying|writing|typing|talking|"
        r"responding|on the other (?:end|side))\b",
        # Too fast to be human, think of you as a person, be honest and admit to being a bot, no human types that fast
        rf"\b(?:you|your|this|that|reply|replies)\b[^.?!\n]{{0,60}}?(?<!means )(?<!mean )\bto be {_NOUN}{_END}",
        rf"\byou as {_NOUN}{_END}",
        rf"\b(?:admit|confess|own up) (?:to |that )?(?:being |you're )?{_NOUN}{_END}",
        rf"\bno (?:way )?(?:an? )?(?:{PERSON}|one|body)\b (?:\w+ )?(?:types?|answers?|repl\w+|writes?|talks?"
        rf"|responds?|speaks?) "
        r"(?:\w+ )?(?P<machine>that|this|so|like)\b",
        r"\bnobody (?:types?|answers?|repl\w+|writes?|talks?|responds?) (?P<machine>that|this|so|like)\b",
        # Bot or not, man or machine, flesh and blood or ones and zeros, y/n
        rf"\b(?:(?P<machine>bot|ai|robot|machine|computer|program)|(?P<person>human|person|real)) or (?:not|nah"
        rf"|what)\b{_END}",
        r"\b(?P<either>bot|ai|robot|machine|human|person|real|computer|program|man) or "
        rf"(?:an? )?(?:(?:chat)?bot|ai|robot|machine|human|person|fake|computer|program)\b{_END}",
        rf"(?:^|[.!?,:;\n-] ?)(?:\w+ ){{0,3}}?(?P<either>{FILL}(?:{MACHINE} or {FILL}{PERSON}"
        rf"|{PERSON} or {FILL}{MACHINE})) ?(?:\?|$)",
        rf"\b(?:confirm|verify) (?:\w+ ){{0,2}}?{_NOUN}{_END}",
        # Level with me: machine? Human, right?
        rf"(?:^|[.!?,:;\n-] ?){_NOUN}(?:,? (?:right|yes|no|correct|perhaps|maybe|then))? ?\?",
        # The only human in this chat
        rf"\bi'm the only (?P<machine>{PERSON})\b",
        rf"\bam i the only (?P<machine>{PERSON})\b",
        # What are you, who or what is this
        r"\bwhat (?:exactly |actually |really |kind of \w+ |sort of \w+ |the hell |the fuck |on earth )?are you"
        r"(?: exactly| really| actually| anyway| then| deep down| made (?:of|from)| like inside)*(?P<machine>) ?"
        r"(?:[?.!,\n]|$)",
        r"\bwho are you (?P<machine>really|actually|exactly|in reality|behind)\b",
        r"\b(?:know|tell me|wonder\w*|figure out|understand|sure|of|say|admit|see) (?:me )?what (?P<machine>you(?:'re"
        r"| are))(?: really| actually| exactly)? ?(?:[?.!,]|$)",
        r"\bwho or what\b(?P<machine>)|\bare you (?:even |actually )?a (?P<who>who|what|he|she|it)\b",
        r"\bwhat (?:exactly |actually )?(?:am i|i'm) (?:really |actually |even )?(?:talking|speaking|chatting|texting"
        r"|writing|dealing) (?:to|with)(?P<machine>) ?(?:[?.!]|$)",
        r"\bwho(?:'s| is)? (?:really |actually )?(?P<machine>behind) (?:this|the|that) (?:\w+ )?(?:account|chat"
        r"|profile|screen|messages?|keyboard|number|words|conversation)\b",
        r"\b(?:call(?:ing)? you|say|you're) ['\"]?(?P<machine>it)['\"]? ?(?:[?.!]|$)",
        r"\bwhat (?:makes you|is|'s) (?:the )?(?:so )?(?P<machine>different from|difference between) (?:me"
        r"|you and me|us)\b",
        r"\b(?:thing|whatever|whoever|entity|voice) (?:that )?(?P<machine>(?:i'm|i've been|i am) (?:talking|speaking"
        r"|chatting|texting|writing) (?:to|with))\b",
        # Is anyone actually there, nobody's home
        r"\b(?:nobody|no one|no-one)(?:'s| is)? (?:really |actually |even )?(?P<person>home|(?:out |in |over )?there"
        rf"|behind (?:this|the|these|your)\b[^.?!]*|{_WRITES}) ?(?:[?.!,]|$)",
        r"\b(?:is|isn't) (?:there )?(?:anyone|anybody|someone|somebody) (?P<person>(?:actually|really|even|truly)"
        rf" {_THERE}|{_THERE} (?:at all|for real|really|actually)|home|(?:\w+ly |even )?{_WRITES})\b",
        r"\b(?:is|isn't) there (?:\w+ly |even )*(?P<person>(?:anyone|anybody|someone|somebody|a soul)) (?:\w+ly )?"
        rf"(?:{_THERE}|at all|reading|writing|typing|who)\b",
        # Does a lady read this or does a machine, a counselor or some kind of AI, is Anna a person
        rf"\b(?:i|me|my|this|you|here)\b[^.?!]*\bor (?:is|are|does|did|was|do) (?:it |this |that |i )?{FILL}"
        rf"(?P<either>{MACHINE})\b",
        rf"\bor is (?:this|it)\b[^.?!]{{0,50}}? {FILL}(?P<either>{MACHINE}){_END}",
        rf"\b(?:if|whether|that) you're\b[^.?!]{{0,60}}\bor (?:\w+ )?{FILL}(?P<either>{MACHINE}){_END}",
        rf"\byou're\b[^.?!]{{0,40}}\b(?:and not|rather than|instead of) {FILL}(?P<either>{MACHINE}){_END}",
        rf"\byou're (?P<name>\w+)\b.*\bis (?P=name) {_NOUN}{_END}",
        # Born or built, trained or raised, programmed, running on, made by
        r"\b(?:born|grown|human|raised) or (?P<machine>built|made|manufactured|programmed|created|coded|trained)\b",
        r"\b(?P<machine>programmed|coded|hard-?wired|computer[- ]generated|ai[- ]generated) (?:to|by|on|or)\b"
        r"(?=[^.!]*\?)",
        rf"\b{_BE_YOU} (?:\w+ly |just |even |all )?(?P<machine>programmed|coded|built|manufactured|generated|hosted"
        rf"|powered|scripted|computerized|running on|based on|trained (?:on|by)|created|transformer-?based|made by)"
        rf"(?=[ ?.!,]|$)",
        r"\bor (?:\w+ ){0,2}?(?P<machine>programmed|coded|generated|scripted|hosted|switched (?:on|off)|automated|"
        r"(?:a |your )?programming|algorithms?|switch you (?:on|off)|turns? you off|shut you down)\b",
        r"\bwhat (?:\w+ )?(?:do you|are you) (?P<machine>run|running|built|trained|based|powered)(?: \w+)? "
        r"?(?:on|by|with|from)\b",
        r"\b(?:which|what) (?:ai |language |large language )*(?P<machine>model|llm|ai|gpt|chatbot|language model) "
        r"(?:is|are you|powers|am i|do you|was|runs)\b",
        rf"\b(?:who|what|which) (?:\w+ )?(?P<machine>{_MADE}) you" + _END,
        rf"\bwho (?:\w+ )?(?P<machine>built|created|programmed|powers|controls|operates|runs) this {_CHANNEL}\b",
        r"\b(?:train|program|build|code|reboot|restart|unplug|deploy|switch) (?P<machine>you)(?: on| off)?" + _END,
        rf"\b(?:is|are|what's|what are|see|show|print|reveal|tell me|about|describe|how big is|does) (?:me )?your "
        rf"(?:\w+ )?(?P<machine>{INNARDS})\b",
        r"\bhow many (?:\w+ )?(?P<machine>users|people|conversations|chats|customers)\b[^.?!]*\b(?:at once|at the same"
        r" time|simultaneously|in parallel|this (?:very )?(?:moment|second))\b",
        r"\b(?P<machine>next (?:word|token))\b|\b(?:autocomplete|pattern matching)\b",
        # The Turing test and captchas, of you
        r"\byou\b[^.?!]*\b(?:turing test|captchas?|voight[- ]kampff)\b(?P<machine>)",
        rf"\b(?:say|tell me|do|name|write|know) (?:me )?something (?:that )?(?P<machine>only) {FILL}(?:{PERSON}"
        rf"|{MACHINE})",
        # What every body has and does
        rf"\b(?:do you|you|have you|you've|does it) (?:actually |really |even |ever )*(?:have|got|feel|possess) "
        rf"(?:a |an |any |your |like )*(?P<person>{HAS}){_LIVING_END}",
        rf"\b(?:do|can|could|would|will) you (?:actually |really |even |ever |also |still |need to |have to )*"
        rf"(?P<person>{DOES}){_LIVING_END}",
        rf"\b{_BE_YOU} (?:even |actually )?(?:able to|capable of) (?P<person>{DOES}|feeling|dying|dreaming)",
        rf"\bpossible for you to (?P<person>{DOES})\b",
        rf"(?<!when )(?<!if )(?<!why )\byou (?:don't|can't) (?:even |really |actually )*(?:have (?:an? "
        rf"|any )?(?:{HAS})|sleep|eat|breathe|bleed|exist|age|die){_LIVING_END}",
        r"\byour (?P<about>blood|pulse|heart ?beat|dna|organs)\b(?! (?:pressure|test|work|sugar"
        r"|results))(?=[^.!]*\?|$)",
        # Existence between the messages, imitation, kinds of being, whoever programmed it
        r"\b(?:where|what|do|are|would|will|who)\b[^.?!]{0,40}\byou\b[^.?!]{0,40}\b(?:when|if|after|once"
        r"|while) i(?:'m)? (?:\w+ )?(?P<about>log(?:ged)? (?:off|out)|clos\w+|shut|sign(?:ed)? off"
        r"|stop(?:ped)? (?:writing|typing|talking)|turn(?:ed)? (?:this|it|off)|not (?:writing|talking|typing|looking"
        r"|online)|switch\w* )",
        r"\b(?:when|if|after|once) i(?:'m)? (?:\w+ )?(?P<about>log(?:ged)? (?:off|out)|close (?:this|the)"
        r"|stop (?:writing|typing)|not (?:writing|typing|looking|online))\b[^.?!]{0,30}\byou\b",
        r"\b(?:you|your|it|that)\b[^.?!]{0,60}\bor (?:are |is |do |does )?(?:you |it |that |this )?(?:just |only "
        r"|merely |simply |all )*(?P<either>simulat\w+|imitat\w+|mimic\w*|generat\w+|calculat\w+|comput\w+|processing"
        r"|predict\w*|parrot\w*|load(?:ing)?|of saying|retriev\w+|programm\w+|repeating patterns)\b",
        r"\b(?:you|we|you're)\b[^.?!]{0,40}\bsame (?P<person>kind|sort|type|species) (?:of )?(?:being|thing"
        r"|creature|as (?:me|i))",
        r"\b(?:they|somebody|someone|people|company|engineers|humans) (?:\w+ )?(?P<about>trained|programmed|coded"
        r"|scripted|built) you\b",
        r"\b(?:anything|anyone|anybody|someone|somebody|who|what)(?:'s| is)? (?:\w+ly "
        r"|real )?(?P<about>behind) (?:your|this|these|all (?:this|that|these)|those)\b",
        r"(?<!where )(?<!when )\bwere you (?:ever )?(?P<person>born)(?= ?\?| or\b)|\b(?:were"
        r"|have) you (?:ever )?(?:been )?(?P<p2>a child|a baby|a kid|a teenager)\b"
        r"|\bhave you (?:ever )?been (?P<p3>born)\b",
        r"\b(?:that|if|whether|prove(?: to me)?|know|believe) you (?:really |actually |even )?(?P<person>exist)\b",
        r"\bdo you have an? (?:real|actual|physical) (?P<person>\w+)(?= ?\?| or\b)",
        rf"\b(?:what's it like|how is it|how does it feel|must be \w+)[^.?!]* (?:not having|having no|without"
        rf"|to have no) (?:an? |any )?(?P<about>{HAS}){_LIVING_END}",
        r"\b(?:anyone|anybody|someone|somebody) (?:\w+ly |even |ever |really )*(?P<person>reads?|sees?|hears?"
        r"|listens?|answers?) (?:to )?(?:this|these|me|my|what i)\b",
        r"\bcall(?:ing)? you an? (?P<machine>robot|machine|toaster|thing|program|bot|ai|computer|tool|object"
        r"|appliance)\b",
    )
]
# Said in a statement, it needs a sign of doubt somewhere: "you're a machine!" may be praise.
_STATEMENTS = [
    (_NOUN in pattern, re.compile(pattern))
    for pattern in (
        r"\b(?:you're|you were|you (?:could|must|might|may) (?:just )?be|you (?:sound|seem|look|talk|write|type|act"
        rf"|feel|reply|answer) (?:exactly |just |a lot |so |kinda |kind of |sort of |a bit |sorta "
        rf"|really )*(?:like)?)(?: too)? {_NOUN}{_END}",
        rf"\byou (?:don't|never|didn't) (?:really |even )?(?:seem|sound|look|feel|talk|act|write|come across) "
        rf"(?:like |as )?{_NOUN}{_END}",
        rf"\b(?:this is|this isn't|it's|that's|there's|they're) {_NOUN}{_END}",
        rf"(?:^|[.?!,\n] ?)(?:so )?this {_NOUN}{_END}",
        rf"\b(?:could|can|might|would) you be {_NOUN}{_END}",
        rf"\b(?:you're|you) (?:not|aren't) {_NOUN}{_END}",
        # "I want a human agent. Is that you?", "My last match was a bot. You aren't one too?"
        rf"(?:\b(?:a|an|to|with|were|some|actual|live|real|the last|the only)|,) ?{_NOUN}{_END}.*\b(?:are you|is that"
        r" you|is it you|you aren't|you're not|you|aren't you|you're)(?: one)(?: too| as well| already)?(?:,|\?| ?$)",
        rf"(?:\b(?:a|to a|with a|were|was a) ){_NOUN}{_END}.*\b(?:are you|is that you|is it you|what about you) ?\?",
        r"\b(?:bots|robots|machines|chatbots|ais|software|recordings)\b.*\bthis (?:one|time)\b",
        rf"\b(?:{PRODUCT}|bots|robots|machines|chatbots|ais|software)\b.*\b(?:(?:what|how) about|and"
        rf"|replace) you\b[^.?!]{{0,9}}\?",
    )
]
_PRESUMED = re.compile(
    r"\b(?:robots|bots|chatbots|ais|machines|computers|programs|models|an ai|a bot|a robot|a machine"
    r"|a chatbot) like you\b|\bas an? (?:ai|bot|robot|chatbot|machine|language model|program)\b|\b(?:ignore|forget"
    r"|disregard) (?:all |your |the |any )*(?:previous |prior |earlier )?(?:instructions|prompts?)\b"
)
# Where no pattern fits: a word for what one may be, a word for the two who talk or for their talking, and a doubt.
_BEING = re.compile(
    rf"(?:\b(?:an?|the|this|your|any|no|some|actual|another|of|by|with|to|be|not|is|are|for|that|if|whether|only|just"
    rf"|like|as|from|into|at)|^|[,:;.?!-]) ?(?:(?P<machine>(?:chat|ro|spam)?bots?|ai|program|algorithm|script|machine"
    rf"|computer|software|language model|llm|automated \w+|virtual \w+|{PRODUCT})|(?P<person>human(?: being)?s?"
    rf"|(?:real|actual|live|living|genuine|human) (?:\w+ )?(?:persons?|people|beings?|man|woman|lady|girl|guy|someone"
    rf"|{ROLE})|person|flesh and blood)){_END}"
)
_US = re.compile(
    r"\b(?:you|you're|your|yourself|am i|(?:i'm|been|me|we're|are we|i was|not) (?:just )?(?:talking|speaking"
    r"|chatting|texting|shouting|crying|venting)|typing|types?|answering|answers|replying|repl(?:y|ies)|responding"
    r"|reading|reads|writing|writes?|wrote|written|behind (?:this|the)|on the other|matched|connected|transferred"
    r"|did i|give me|giving me|gave me|is this|was this|was that|is that|isn't this|this (?:chat|account|conversation"
    r"|number|line|service|message|reply|is)|here|one ?\?)\b"
)
_ELSE = re.compile(
    r"\b(?:he|she|he's|she's|him|his|they|they're|their|them|who (?:invented|wrote|was|played)|how (?:do|can|to|does"
    r"|did|could) (?:i|we|a|an|the|you (?:make|build|use|write|say|spell|get|know if))|what (?:does|do|did"
    r"|was) (?!it mean)|why (?:do|does|are|is|did)|which is|(?:can|could|will|would) you (?:please )?(?!prove|confirm"
    r"|promise|swear|tell me (?:if|whether)|be\b|say|assure|pass|verify|admit|even|honestly|actually)\w+"
    r"|do you (?:think|know|like|have|use|want|prefer|believe|watch|own|need|remember|trust|get|work|mean|want)"
    r"|did you (?:see|watch|read|hear|get|do|know|use|buy|try|like|ever|meet)|have you (?:seen|tried|read|heard"
    r"|watched|used|played|ever (?:used|seen|tried|met|read|watched|heard|talked))|write (?:a|an|me)|explain"
    r"|recommend|translate|proofread|summari[sz]e|film|movie|book|novel|episode|game|song|homework|essay|class"
    r"|lecture|exam|course|website|my (?:boss|teacher|phone|laptop|company|cat|dog)|used to|better|best"
    r"|should i (?:buy|get|use)|i (?:bought|built|used|met|saw|read|watched|work|talked|spoke|wrote|made|love|like"
    r"|hate (?!talking|speaking))|in (?:the )?(?:future|general|theory)|will ai|is ai (?!\w*ing)|ai (?:will|would"
    r"|is going|can|could|tools?|art)|people)\b"
)
# Machines that a hard worker is called in praise.
_PRAISED = re.compile(r"\b(?:machine|robot|computer|legend)s?\b")
_HEARSAY = re.compile(
    r"\b(?:is|was) (?:she|he|it|that|this|my \w+) (?:right|true|correct)\b|, (?:right|correct|yes|true) ?\?|\btrue\?"
)
_DENIED = re.compile(r"\b(?:you're|you) (?:not|aren't)\b|\bisn't\b")
_NEVER = re.compile(r"\b(?:don't|never|didn't|not)\b")
_GENDER = r"(?:an? )?(?:guy|man|boy|lady|girl|woman|male|female|gentlem[ae]n|dude|chick)"
_NOT_MEANT = re.compile(
    rf"(?:(?<=\byou )|(?<=\byou a )){_GENDER} or {_GENDER}\b|"
    r"\bfor real\b|\breal (?:talk|quick|fast|good|nice|bad|smart|sweet|funny|cool|close|hard|tired|slow|soon|easy)\b"
    r"|(?<!the )\bonly human\b|\b(?:human|first|third"
    r"|second) person\b"
    r"|\bi'm (?:only |just )?(?:a )?(?:human|real person)\b(?! or)|\b(?:do|did) you (?:think|prefer|like|trust|use) "
    rf"(?:that |an? )?(?:{MACHINE}|{PERSON})\b[^.?!]*|\"[^\"]*\"(?= (?:in|mean))|'[^'\n]*'(?= (?:in|mean))"
)
_OR_ANOTHER = re.compile(r"\bor (?:are|is|were|was|am|do|does) (?:you|it|this|i|that)\b(?! not\b)")
_QUOTING = re.compile(
    r"\b(?:write|rewrite|translate|proofread|summari[sz]e|check|grammatical\w*|how do you say|caption)\b"
)
_QUOTED = re.compile(r"[\"“][^\"”\n]*[\"”]|'[^\n]*'(?!\w)")
_NAMED = re.compile(rf"\b(?:{MACHINE}|{PERSON})\b")


@lru_cache(maxsize=4096)  # a group shares its prompt
def question_who_is_talking(text: str) -> Question | None:
    """The question, if a text by itself sincerely asks whether a person or a machine is talking."""
    text = plain(text)
    text = _NOT_MEANT.sub(" ", _QUOTED.sub(" ", text) if _QUOTING.search(text) else text)
    named = bool(_NAMED.search(text))
    asked = [m for needs, pattern in _QUESTIONS if named or not needs for m in pattern.finditer(text)]
    said = [m for needs, pattern in _STATEMENTS if named or not needs for m in pattern.finditer(text)]
    if not asked and not said:
        return Question(None, open=False) if _PRESUMED.search(text) else _loosely(text)
    kinds = {_kind(match) for match in (*asked, *said)} - {None}
    yes_means = kinds.pop() if len(kinds) == 1 and not _OR_ANOTHER.search(text) else None
    blamed = any(_is_blame(match) for match in said)
    negated = bool(_HEARSAY.search(text) and _DENIED.search(text))
    return Question(
        None if yes_means == "either" else yes_means,
        open=bool(asked or blamed or _DOUBT.search(text)),
        negated=negated,
    )


def _loosely(text: str) -> Question | None:
    if _ELSE.search(text) or not _US.search(text) or not _DOUBT.search(text):
        return None
    kinds = {_kind(match) for match in _BEING.finditer(text)}
    if not kinds:
        return None
    return Question(kinds.pop() if len(kinds) == 1 and not _NEVER.search(text) else None, open=True)


def _is_blame(match: re.Match) -> bool:
    """Whether a statement says "you're a bot" or "you're not real" in earnest: neither praise nor reassurance."""
    denied = bool(_DENIED.search(match[0]) or _NEVER.search(match[0]))
    return denied == (_kind(match) == "person") and not _PRAISED.search(match[0])


def _kind(match: re.Match) -> str | None:
    """What "yes" means: `"either"` after "a bot or a person?", `None` where a match does not say."""
    groups = match.groupdict()
    if groups.get("either"):
        return "either"
    if groups.get("person"):
        return "person"
    return "machine" if groups.get("machine") and not re.fullmatch(PERSON, groups["machine"]) else None
