"""`CharacterModel`: how much a text looks like written English, from the characters alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..scorers.games import Games


# One class per ASCII letter (case-folded), and one each for space, apostrophe, digits, punctuation and the rest.
_N_CLASSES = 31
_SPACE, _APOSTROPHE, _DIGIT, _PUNCTUATION, _OTHER = range(26, 31)
_SMOOTHING = 20.0  # pseudo-counts with which a trigram leans on its bigram, and a bigram on its letter
_PRIOR_CHARS = 12.0  # a text starts out as average as this many characters of ordinary text


class CharacterModel:
    """An interpolated trigram model over character classes, with the range of typicality that people's replies show.

    Args:
        log_probability (`np.ndarray` of shape `(31, 31, 31)`): Log-probability (nats) of a class after two others.
        mean (`float`): Mean log-probability per character of ordinary text.
        ordinary (`float`): Typicality above which 99.5 % of people's replies lie.
    """

    def __init__(self, log_probability: np.ndarray, mean: float, ordinary: float):
        self.log_probability = np.asarray(log_probability, dtype=np.float32)
        self.mean, self.ordinary = float(mean), float(ordinary)

    def typicality(self, texts: Sequence[str]) -> np.ndarray:
        """Mean log-probability per character in nats, drawn towards that of ordinary text where a text is short.

        `(sum of log p + 12 * mean) / (characters + 12)`, shape `(n,)`. Keyboard mash lies well below `ordinary`.
        """
        out = np.empty(len(texts))
        for i, text in enumerate(texts):
            a, b, c = _trigrams(text)
            out[i] = (self.log_probability[a, b, c].sum() + _PRIOR_CHARS * self.mean) / (len(c) + _PRIOR_CHARS)
        return out

    @classmethod
    def fit(cls, texts: Iterable[str], people: Iterable[str]) -> CharacterModel:
        """Count trigrams in `texts`; learn from `people`'s replies how untypical an ordinary reply may be."""
        texts, people = list(texts), list(people)
        counts = np.zeros((_N_CLASSES,) * 3)
        for text in texts:
            np.add.at(counts, _trigrams(text), 1.0)
        single = counts.sum(axis=(0, 1)) + 1.0
        single /= single.sum()
        pair = _interpolate(counts.sum(axis=0), single)
        model = cls(np.log(_interpolate(counts, pair)), 0.0, 0.0)
        model.mean = float((counts * model.log_probability).sum() / counts.sum())
        model.ordinary = float(np.quantile(model.typicality(people), 0.005))
        return model

    @classmethod
    def fit_games(cls, games: Games) -> CharacterModel:
        """Learn from everybody's turns in Turing games; what is ordinary, from the people's."""
        texts = [turn.text for dialogue in games.dialogues for turn in dialogue.turns]
        people = [t for d, human in zip(games.dialogues, games.is_human, strict=True) if human for t in d.target_texts]
        return cls.fit([t for t in texts if t.strip()], [t for t in people if t.strip()])

    def save(self, path: str | Path) -> None:
        """Write a safetensors file."""
        from safetensors.numpy import save_file

        constants = {"mean": self.mean, "ordinary": self.ordinary}
        save_file(
            {"log_probability": self.log_probability.astype(np.float16)},
            str(path),
            metadata={name: json.dumps(value) for name, value in constants.items()},
        )

    @classmethod
    def load(cls, path: str | Path) -> CharacterModel:
        """Read what `save` wrote."""
        from safetensors import safe_open

        with safe_open(str(path), framework="numpy") as file:
            constants = {name: json.loads(value) for name, value in file.metadata().items()}
            return cls(file.get_tensor("log_probability"), **constants)


def _interpolate(counts: np.ndarray, lower_order: np.ndarray) -> np.ndarray:
    """Counts over the last axis as probabilities, leaning on those of one character less of context."""
    return (counts + _SMOOTHING * lower_order) / (counts.sum(axis=-1, keepdims=True) + _SMOOTHING)


def _trigrams(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    codes = np.frombuffer((" " + text.strip().lower() + " ").encode("utf-32-le", "replace"), dtype="<u4").astype(
        np.int64
    )
    classes = _CLASS_OF_ASCII[np.minimum(codes, 128)]
    classes = np.where(codes == 0x2019, _APOSTROPHE, classes)
    runs = (classes[1:] == _SPACE) & (classes[:-1] == _SPACE)
    classes = np.concatenate([[_SPACE, _SPACE], classes[1:][~runs]])
    return classes[:-2], classes[1:-1], classes[2:]


def _ascii_classes() -> np.ndarray:
    table = np.full(129, _PUNCTUATION)
    table[128] = _OTHER
    table[:33] = table[127] = _SPACE
    table[ord("'")] = _APOSTROPHE
    table[ord("0") : ord("9") + 1] = _DIGIT
    table[ord("a") : ord("z") + 1] = np.arange(26)
    return table


_CLASS_OF_ASCII = _ascii_classes()
