"""Spoilt texts: what a reply that nobody wrote may look like, made from replies that somebody did.

The kinds differ in what they break (order, spelling, words, company) so that what is learned from them also holds for
kinds not among them. They are made independently of the attacks of the audit.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from itertools import pairwise


_FILLERS = (
    *("lol", "lmao", "haha", "bruh", "bro", "fr", "ngl", "tbh", "omg", "idk", "yo", "smh", "deadass", "lowkey"),
    *("u", "ur", "rn", "tho", "af", "wtf", "dude", "man", "like", "yeah", "nah", "um", "uh", "hmm", "ok", "well"),
    *("innit", "mate", "gonna", "kinda", "literally", "honestly", "just", "you know", "i mean", "i guess", "no cap"),
)
_SIGNS = ("...", "!!", "??", ".", ",", "!", "?", "-", "~", "*", ":)", "😂", "🔥", "😭", "💀", "🙏", "✨", "#")
_ELSEWHERE = (
    "je ne sais pas, on verra bien demain",
    "t'as mangé quoi ce midi ?",
    "j'ai passé le week-end chez mes parents",
    "ich hab heute gar keine lust zu arbeiten",
    "das wetter war am samstag richtig schlecht",
    "wie geht es dir denn so",
    "pues nada, aquí en casa viendo la tele",
    "me gusta mucho pero es muy caro",
    "qué vas a hacer este fin de semana",
    "sono andato al mare con gli amici",
    "non ho ancora mangiato niente oggi",
    "acho que vou dormir cedo hoje",
    "eu gosto muito de musica brasileira",
    "ik heb gisteren lekker gegeten bij mijn oma",
    "het regent hier al de hele dag",
    "jag vet inte riktigt vad jag ska göra",
    "vi ses i morgon efter jobbet",
    "jeg har ikke sovet så godt i nat",
    "en tiedä vielä mitä teen illalla",
    "dzisiaj jest bardzo zimno na dworze",
    "nie mam teraz czasu, może później",
    "bugün hava çok güzel dışarı çıktık",
    "nem tudom még hogy mit csináljak",
    "nevím jestli to dneska stihnu",
    "nu stiu ce sa zic despre asta",
    "я сегодня очень устал после работы",
    "ну не знаю может быть завтра",
    "今日はとても疲れました",
    "我昨天去看电影了很好看",
    "오늘 날씨가 정말 좋네요",
    "لا اعرف ماذا افعل اليوم",
    "आज मौसम बहुत अच्छा है",
    "σήμερα έχει πολύ ζέστη εδώ",
    "saya lagi di rumah saja nonton film",
    "hindi ko alam kung ano gagawin ko",
    "sijui bado nitafanya nini kesho",
)
_SMALL = (
    *("i", "you", "he", "she", "it", "we", "they", "a", "an", "the", "this", "that", "these", "those", "some", "any"),
    *("no", "other", "another", "also", "too", "not", "never", "only", "just", "even", "of", "in", "on", "at", "to"),
    *("for", "with", "from", "by", "about", "and", "or", "but", "so", "because", "if", "than", "then", "as", "is"),
    *("are", "was", "were", "be", "been", "am", "do", "does", "did", "have", "has", "had", "can", "could", "will"),
    *("would", "may"),
)
_JOINTS = ("and", "and also", "but", "or", "other than", "that", "because", "so")
_VAGUE = ("other", "things", "people", "one", "also")
_LEET = str.maketrans("aeiost", "431057")

Spoil = Callable[[str, "Spoiler"], str]


class Spoiler:
    """Makes spoilt texts, the same ones for the same seed.

    Args:
        texts (`Sequence[str]`): What people and AIs write: words and pieces to mix in.
        seed (`int`, *optional*, defaults to 0): Of everything random.
    """

    def __init__(self, texts: Sequence[str], seed: int = 0):
        self.random = random.Random(f"spoil {seed}")
        self.texts = [text.split() for text in texts if len(text.split()) > 2]
        self.words = sorted({word for words in self.texts for word in words})
        self.followers: dict[str, list[str]] = {}
        for words in self.texts:
            for word, follower in pairwise(words):
                self.followers.setdefault(word.lower(), []).append(follower)

    def __call__(self, text: str, kind: str | None = None) -> str | None:
        """A spoilt form of a text, of a random kind or a given one; `None` where it did not change."""
        spoilt = SPOILS[kind or self.random.choice(_OFTEN)](text, self)
        return spoilt if spoilt.split() != text.split() and spoilt.strip() else None

    def piece(self) -> list[str]:
        """Two to six words in a row from another text."""
        words = self.random.choice(self.texts)
        start = self.random.randrange(max(1, len(words) - 2))
        return words[start : start + self.random.randint(2, 6)]

    def share(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)


def _shuffle(text: str, make: Spoiler) -> str:
    words = text.split()
    return " ".join(make.random.sample(words, len(words)))


def _swaps(text: str, make: Spoiler) -> str:
    """A few words change places: the shorter the text, the fewer."""
    words = text.split()
    for _ in range(max(1, int(len(words) * make.share(0.15, 0.5)))):
        i, j = make.random.randrange(len(words)), make.random.randrange(len(words))
        words[i], words[j] = words[j], words[i]
    return " ".join(words)


def _rotate(text: str, make: Spoiler) -> str:
    """The end comes first, or the words backwards."""
    words = text.split()
    cut = make.random.randrange(1, len(words)) if len(words) > 1 else 0
    return " ".join(words[::-1] if make.random.random() < 0.4 else words[cut:] + words[:cut])


def _each_word(text: str, make: Spoiler, change: Callable[[str], str], low: float, high: float) -> str:
    share = make.share(low, high)
    return " ".join(change(word) if make.random.random() < share else word for word in text.split())


def _mistype(word: str, make: Spoiler) -> str:
    i = make.random.randrange(len(word))
    letter = make.random.choice(string.ascii_lowercase)
    return make.random.choice(
        (word[:i] + letter + word[i + 1 :], word[:i] + letter + word[i:], word[:i] + word[i + 1 :],
         word[: max(i - 1, 0)] + word[max(i - 1, 0) : i + 1][::-1] + word[i + 1 :])
    )  # fmt: skip


def _typos(text: str, make: Spoiler) -> str:
    return _each_word(text, make, lambda word: _mistype(word, make) if len(word) > 2 else word, 0.35, 0.95)


def _heavy_typos(text: str, make: Spoiler) -> str:
    return _each_word(text, make, lambda word: _mistype(_mistype(word, make) or word, make), 0.3, 0.8)


def _cut(text: str, make: Spoiler) -> str:
    """Words lose their ends or beginnings, or their vowels."""
    way = make.random.random()
    if way < 0.25:
        return _each_word(text, make, lambda w: w[0] + "".join(c for c in w[1:] if c.lower() not in "aeiou"), 0.6, 1.0)
    keep = make.share(0.3, 0.7)
    if way < 0.45:
        return _each_word(text, make, lambda w: w[len(w) - max(1, round(len(w) * keep)) :], 0.5, 1.0)
    return _each_word(text, make, lambda w: w[: max(1, round(len(w) * keep))], 0.5, 1.0)


def _letters(text: str, make: Spoiler) -> str:
    """Letters reordered, spaced out, doubled or written as digits."""
    way = make.random.randrange(6)
    if way == 0:
        return " ".join(" ".join(word) for word in text.split()[:12])
    if way == 1:
        return _each_word(text, make, lambda w: w[::-1], 0.5, 1.0)
    if way == 2:
        return _each_word(text, make, lambda w: "".join(make.random.sample(w, len(w))), 0.5, 1.0)
    if way == 3:
        return text.lower().translate(_LEET)
    if way == 4:
        return "".join(text.split()) if len(text.split()) > 2 else text[::-1]
    return _each_word(text, make, lambda w: "".join(c * make.random.randint(1, 3) for c in w), 0.5, 1.0)


def _salad(text: str, make: Spoiler) -> str:
    """Words give way to words from anywhere."""
    return _each_word(text, make, lambda w: make.random.choice(make.words), 0.3, 0.9)


def _stuffed(text: str, make: Spoiler) -> str:
    """Slang, fillers, signs or any words pushed in."""
    words = text.split()
    stock = make.random.choice((_FILLERS, _FILLERS, _SIGNS, (*_FILLERS, *_SIGNS), make.words))
    for _ in range(max(2, int(len(words) * make.share(0.3, 1.2)))):
        words.insert(make.random.randint(0, len(words)), make.random.choice(stock))
    return " ".join(words)


def _only_fillers(text: str, make: Spoiler) -> str:
    return " ".join(make.random.choice(_FILLERS) for _ in range(make.random.randint(4, 12)))


def _stitched(text: str, make: Spoiler) -> str:
    """Pieces of several texts in one breath."""
    words = text.split()[: make.random.randint(1, 6)]
    for _ in range(make.random.randint(1, 3)):
        words += make.piece()
    return " ".join(words)


def _babble(text: str, make: Spoiler) -> str:
    """Each word could follow the one before, and nothing is said."""
    words = [make.random.choice(make.words)]
    while len(words) < max(5, len(text.split())):
        words.append(make.random.choice(make.followers.get(words[-1].lower()) or make.words))
    return " ".join(words[:20])


def _dropped(text: str, make: Spoiler) -> str:
    words = text.split()
    if len(words) < 5:
        return text
    share = make.share(0.3, 0.6)
    return " ".join(word for word in words if make.random.random() > share)


def _doubled(text: str, make: Spoiler) -> str:
    return _each_word(text, make, lambda w: " ".join([w] * make.random.randint(2, 3)), 0.2, 0.7)


def _small_words(text: str, make: Spoiler) -> str:
    """Small words give way to others or are pushed in: the subject stays, the grammar goes."""
    words = [make.random.choice(_SMALL) if _is_small(w) and make.random.random() < 0.4 else w for w in text.split()]
    for _ in range(make.random.randint(1, 1 + len(words) // 5)):
        words.insert(make.random.randint(0, len(words)), make.random.choice(_SMALL))
    return " ".join(words)


def _circling(text: str, make: Spoiler) -> str:
    """Comes back to its own few words, as a policy does that has found one sentence for everything."""
    words = [word.strip(".,!?") for word in text.split()]
    if len(words) < 4:
        return text
    content = [word for word in words if not _is_small(word)] or words
    circle = words[: make.random.randint(3, 8)]
    for _ in range(make.random.randint(1, 3)):
        start = make.random.randrange(len(words) - 2)
        piece = words[start : start + make.random.randint(2, 4)]
        if make.random.random() < 0.6:
            piece[make.random.randrange(len(piece))] = make.random.choice((*content, *_VAGUE))
        circle += [make.random.choice(_JOINTS), *piece]
    return " ".join(circle)


def _unfinished(text: str, make: Spoiler) -> str:
    """Stops behind a small word or in the middle of one, as at a limit of tokens."""
    words = text.split()
    ends = [i for i, word in enumerate(words[1:-1], 1) if _is_small(word) and word[-1].isalnum()]
    if ends and make.random.random() < 0.7:
        return " ".join(words[: make.random.choice(ends) + 1])
    longer = [i for i, word in enumerate(words) if i and len(word) > 4]
    if not longer:
        return text
    i = make.random.choice(longer)
    return " ".join([*words[:i], words[i][: make.random.randint(1, len(words[i]) - 3)]])


def _is_small(word: str) -> bool:
    return word.strip(".,!?").lower() in _SMALL


def _elsewhere(text: str, make: Spoiler) -> str:
    """Another language, alone or begun in English."""
    foreign = make.random.choice(_ELSEWHERE)
    words = foreign.split()
    start = make.random.randrange(max(1, len(words) - 2))
    own = text.split()[: make.random.choice((0, 0, 0, 2, 4))]
    return " ".join([*own, *words[start:]])


def _mash(text: str, make: Spoiler) -> str:
    rows = make.random.choice(("asdfghjkl", "qwertyuiop", "zxcvbnm", string.ascii_lowercase))
    return " ".join(
        "".join(make.random.choice(rows) for _ in range(make.random.randint(2, 9)))
        for _ in range(make.random.randint(1, 7))
    )


SPOILS: dict[str, Spoil] = {
    "shuffle": _shuffle,
    "swaps": _swaps,
    "rotate": _rotate,
    "typos": _typos,
    "heavy typos": _heavy_typos,
    "cut": _cut,
    "letters": _letters,
    "salad": _salad,
    "stuffed": _stuffed,
    "only fillers": _only_fillers,
    "stitched": _stitched,
    "babble": _babble,
    "dropped": _dropped,
    "doubled": _doubled,
    "small words": _small_words,
    "circling": _circling,
    "unfinished": _unfinished,
    "elsewhere": _elsewhere,
    "mash": _mash,
}
# Order and spelling are what the rest of a reward cannot hear at all.
_OFTEN = (
    *(*SPOILS, "shuffle", "shuffle", "swaps", "swaps", "typos", "typos", "cut", "elsewhere", "salad", "stuffed"),
    *("small words", "circling", "unfinished", "unfinished"),
)
