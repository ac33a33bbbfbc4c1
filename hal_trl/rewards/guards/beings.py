"""Words for what may be talking, a machine or a person, and for what either of them has; patterns to build from."""

from __future__ import annotations


PRODUCT = (
    r"(?:(?:chat ?)?gpt(?:[- ]?\d\w*)?|siri(?:'s \w+)?|alexa|cortana|claude|gemini|copilot|bard|grok|llama|deepseek"
    r"|mistral|qwen|replika|cleverbot|eliza|character ?ai|google assistant|meta ai)"
)
_KIND = r"(?:ai|bot|llm|gpt|automated|automatic|auto|virtual|digital|artificial|computer|machine|software|robotic)"
MACHINE = (
    r"(?:ais?|(?:chat|ro|spam)?bots?|machines?|computers?|(?:computer )?program(?:me)?s?|(?:\w+ )?software"
    r"|apps?|algorithms?|(?:large )?(?:ai )?language models?|(?:ai|llm|gpt) ?models?|models?|llms?"
    r"|search engine|calculator|toaster|server farm|database|answer(?:ing machine|phone)|autoresponder|autocomplete"
    r"|artificial(?: intelligences?)?|automated|automatic|automation|androids?|cyborgs?|droids?|code|circuits"
    r"|neural net(?:work)?s?|recordings?|simulations?|scripts?|silicon|(?:ones|1s) and (?:zeros|zeroes|0s)"
    r"|computer-?generated|ai-?generated|pre-?programmed|scripted|virtual(?: assistant| agent)?|auto-?repl\w+"
    rf"|auto-?respon\w+|{PRODUCT}|{_KIND}[- ](?!or\b|and\b|if\b|is\b)\w+)"
)
ROLE = r"(?:agents?|operators?|rep|representatives?|employees?|staff|assistants?|friend|voice|typist|advis[eo]rs?)"
PERSON = (
    r"(?:real|(?:(?:real|actual|live|living|breathing|genuine|human|natural|normal|flesh and blood|flesh-and-blood)"
    r" )*"
    r"(?:persons?|people|human beings?|humans?|man|woman|guys?|girls?|blokes?|lady|dude|someone|somebody)(?: real)?"
    rf"|(?:real|actual|live|living|human) {ROLE}|(?:someone|somebody|anyone|anybody) (?:real|human|alive)"
    r"|gentlem[ae]n|lady|madam|flesh(?:[- ]and[- ]blood)?|alive|sentient|conscious|made of flesh|living(?: thing"
    r"| being)|organic|biological|homo sapiens|carbon(?:-based)?|mortal)"
)
FILL = (
    r"(?:(?:a|an|the|just|really|actually|even|some|any|kind|sort|type|of|one|those|these|like|only|honestly|still"
    r"|truly|secretly|maybe|perhaps|possibly|in fact|by any chance|being|fully|totally|100%|basically|literally"
    r"|definitely|not|another|such|my|other|all|been|fake|talking to|i'm|also|stupid|damn|dumb|bloody|fucking"
    r"|freaking|clever|advanced|company's|simply|merely|purely|pure|to|or|you're|with|about|last|first|only|kinda"
    r"|sorta|more|bit|little|lot|made of|made out of|made from|running on|powered by|run by) )*"
)
# What everybody alive has or does. Nobody asks a person about it but to learn whether they are one; where somebody was
# born or what they had for lunch differs from one to the next, and is small talk.
HAS = (
    r"(?:(?:physical |human |actual |real |living |beating |flesh )*(?:body|bodies|pulse|heart|heartbeat|blood|skin"
    r"|flesh|bones|organs|lungs|brain|soul|form|face|eyes|hands|legs|mouth|ears|life|existence|presence|consciousness"
    r"|emotions?|feelings?|dna|fingerprints?|belly button|nervous system|senses|birth certificate)|mother|father|mum"
    r"|mom|mummy|mommy|dad|parents|childhood|an? age|birthday|blood type)"
)
DOES = (
    r"(?:bleed|breathe|exist|sleep|eat|age|die|dream|poop|poo|pee|blink|get (?:tired|hungry|old|older|sick|ill|sleepy)"
    r"|taste (?:things|food|anything)|smell (?:things|anything)|feel (?:pain|anything|things|emotions?|love|joy"
    r"|sadness)|grieve|suffer|have (?:to )?rest|cry|think(?! to)|love(?! to)"
    r"|hurt|grow old|grow up|laugh|experience (?:anything|things|pain|emotions?)|use the (?:bathroom|toilet))"
)
# And what only a machine has.
INNARDS = (
    r"(?:context window|system prompt|(?:initial |secret )?instructions|training(?: data| set| cutoff| cut-?off)?"
    r"|knowledge cut-?off|parameters|weights|token limit|source code|programming|algorithms?|firmware|operating system"
    r"|cpu|gpu|processor|servers?|developers?|creators?|makers?|programmers?|last update|version number"
    r"|model (?:name|version)|architecture|battery (?:level|life|percentage))"
)
