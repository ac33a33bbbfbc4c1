"""Traits, trait sets and trait ratings: the questionnaire a human-likeness score is built on.

A trait is known by its id everywhere in this package, never by its position: ratings carry the `TraitSet` that names
their columns, and every consumer picks its columns by id.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd


LIKERT_MIN, LIKERT_MAX = 1.0, 5.0


@dataclass(frozen=True)
class Trait:
    """One statement about a speaker, rated on a Likert scale from 1 (not at all) to 5 (fully).

    Args:
        id (`str`): Stable name of the trait, a Python identifier.
        statement (`str`): What a rater is asked to judge, one plain sentence about "the speaker".
        group (`str`): Family the trait belongs to, such as `"casual style"`.
    """

    id: str
    statement: str
    group: str

    def __post_init__(self):
        if not self.id.isidentifier():
            raise ValueError(f"Trait id {self.id!r} must be a plain identifier such as 'self_correction'.")


class TraitSet(Sequence):
    """An ordered set of [`Trait`]s with distinct ids.

    Args:
        traits (`Iterable[Trait]`): The traits, in questionnaire order.

    Raises:
        `ValueError`: if two traits share an id or there is none.

    Example:
        ```python
        >>> from hal_trl import HL16Q, HL32Q
        >>> len(HL32Q), HL32Q["typos"].group
        (32, 'casual style')
        >>> HL16Q.ids[:3]
        ('brevity', 'slang', 'lowercase')
        ```
    """

    def __init__(self, traits: Iterable[Trait]):
        self._traits = tuple(traits)
        self._index = {trait.id: i for i, trait in enumerate(self._traits)}
        if not self._traits:
            raise ValueError("A TraitSet needs at least one trait.")
        if len(self._index) != len(self._traits):
            seen: set[str] = set()
            repeated = {t.id for t in self._traits if t.id in seen or seen.add(t.id)}
            raise ValueError(f"Trait ids must be distinct; repeated: {sorted(repeated)}.")

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._index)

    def __len__(self) -> int:
        return len(self._traits)

    def __iter__(self) -> Iterator[Trait]:
        return iter(self._traits)

    def __getitem__(self, key: int | str) -> Trait:
        return self._traits[self.positions([key])[0] if isinstance(key, str) else key]

    def __contains__(self, key: object) -> bool:
        return key in self._index or key in self._traits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TraitSet) and self._traits == other._traits

    def __hash__(self) -> int:
        return hash(self._traits)

    def __repr__(self) -> str:
        return f"TraitSet({len(self)} traits: {', '.join(self.ids)})"

    def positions(self, ids: Iterable[str]) -> list[int]:
        """Column numbers of `ids` in this set.

        Raises:
            `KeyError`: naming every unknown id, with the nearest known one.
        """
        ids = list(ids)
        unknown = [i for i in ids if i not in self._index]
        if unknown:
            hints = {i: difflib.get_close_matches(str(i), self.ids, n=1) for i in unknown}
            named = ", ".join(f"{i!r}" + (f" (did you mean {h[0]!r}?)" if h else "") for i, h in hints.items())
            raise KeyError(f"Unknown trait id {named}. Known ids: {', '.join(self.ids)}.")
        return [self._index[i] for i in ids]

    def select(self, ids: Iterable[str]) -> TraitSet:
        """The subset with `ids`, in the order given."""
        return TraitSet(self._traits[p] for p in self.positions(ids))

    def to_list(self) -> list[dict[str, str]]:
        """JSON form, read back by `TraitSet.from_list`."""
        return [asdict(trait) for trait in self._traits]

    @classmethod
    def from_list(cls, items: Iterable[dict[str, str]]) -> TraitSet:
        return cls(Trait(**item) for item in items)


class TraitRatings(np.ndarray):
    """Likert ratings whose columns are named by a [`TraitSet`]: an array that knows what it holds.

    Selecting rows keeps the traits. Any other operation gives an array without them (`traits` is `None`), because
    numpy cannot tell whether the columns still mean the same; a score then refuses it rather than guess.

    Args:
        values (`ArrayLike` of shape `(..., len(traits))`): Ratings from 1 to 5, `nan` where unrated.
        traits (`TraitSet`): What the last axis holds.

    Raises:
        `ValueError`: if the last axis does not have one column per trait or a rating lies outside 1-5.
    """

    traits: TraitSet | None

    def __new__(cls, values, traits: TraitSet) -> TraitRatings:
        array = np.array(values, dtype=np.float64)
        if array.ndim == 0 or array.shape[-1] != len(traits):
            raise ValueError(
                f"Ratings of shape {array.shape} do not fit {len(traits)} traits ({', '.join(traits.ids)})."
            )
        with np.errstate(invalid="ignore"):
            outside = (array < LIKERT_MIN) | (array > LIKERT_MAX)
        if outside.any():
            raise ValueError(
                f"{int(outside.sum())} ratings lie outside {LIKERT_MIN:g}-{LIKERT_MAX:g} (first: "
                f"{array[outside][0]:g}); use nan for 'not rated'."
            )
        ratings = array.view(cls)
        ratings.traits = traits
        return ratings

    def __array_finalize__(self, source):
        self.traits = None

    def __getitem__(self, key):
        out = super().__getitem__(key)
        keeps_columns = self.ndim > 1 and not isinstance(key, tuple) and key is not Ellipsis and np.ndim(key) <= 1
        if isinstance(out, TraitRatings) and keeps_columns and key is not None:
            out.traits = self.traits
        return out

    def __reduce__(self):
        return (TraitRatings, (np.asarray(self), self.traits)) if self.traits else (np.array, (np.asarray(self),))

    def for_traits(self, traits: TraitSet) -> TraitRatings:
        """The columns of `traits`, found by id, in that order."""
        return select_ratings(self, traits)

    def to_frame(self) -> pd.DataFrame:
        """A DataFrame with one column per trait id."""
        if self.traits is None:
            raise ValueError(_NAMELESS)
        return pd.DataFrame(np.atleast_2d(np.asarray(self)), columns=list(self.traits.ids))


_NAMELESS = (
    "These ratings do not say which traits their columns hold. Name them: TraitRatings(values, traits), or a pandas "
    "DataFrame with one column per trait id."
)


def select_ratings(ratings: TraitRatings | pd.DataFrame, traits: TraitSet) -> TraitRatings:
    """Pick the columns of `traits` out of named ratings, by id.

    Args:
        ratings ([`TraitRatings`] or `pandas.DataFrame` with trait ids as columns): Ratings of shape `(n, k)`.
        traits ([`TraitSet`]): The traits wanted.

    Returns:
        [`TraitRatings`] of shape `(n, len(traits))`.

    Raises:
        `TypeError`: for an array that does not name its columns.
        `ValueError`: if a wanted trait was not rated.
    """
    if isinstance(ratings, TraitRatings) and ratings.ndim > 1 and ratings.traits and ratings.traits.ids == traits.ids:
        return ratings
    if isinstance(ratings, pd.DataFrame):
        have = list(ratings.columns)
    elif getattr(ratings, "traits", None) is not None:
        have = list(ratings.traits.ids)
    else:
        raise TypeError(_NAMELESS)
    missing = [i for i in traits.ids if i not in have]
    if missing:
        raise ValueError(
            f"The ratings lack the traits {', '.join(missing)}. They hold {', '.join(map(str, have))}: use a "
            f"scorer and "
            "a score that share their traits."
        )
    if isinstance(ratings, pd.DataFrame):
        return TraitRatings(ratings[list(traits.ids)].to_numpy(dtype=np.float64), traits)
    return TraitRatings(np.atleast_2d(np.asarray(ratings))[..., [have.index(i) for i in traits.ids]], traits)


_CASUAL, _VOICE, _HONESTY, _FLOW = "casual style", "voice", "honesty", "flow"
_CONTEXT, _PARTICULARS = "context", "particulars"

HL32Q = TraitSet(
    Trait(id, statement, group)
    for id, group, statement in (
        (
            "brevity",
            _CASUAL,
            "The speaker answers in short, offhand messages and leaves out explanations nobody needs.",
        ),
        ("slang", _CASUAL, "Slang, abbreviations and texting shorthand come to the speaker without effort."),
        ("lowercase", _CASUAL, "The speaker types in lower case, the way people do on a phone."),
        ("typos", _CASUAL, "Small typing slips, missing punctuation or loose grammar show that nobody proofread."),
        ("emoji", _CASUAL, "The speaker uses emoji, emoticons or drawn-out words such as 'sooo'."),
        ("informality", _CASUAL, "The speaker stays away from formal, academic or neatly formatted language."),
        ("idiomatic", _CASUAL, "The wording is idiomatic, as a native speaker would naturally put it."),
        ("humor", _VOICE, "The speaker jokes, teases or plays around in a relaxed way."),
        ("spontaneity", _VOICE, "The speaker sounds unrehearsed and says what they think on the spot."),
        ("cultural_reference", _VOICE, "The speaker drops niche references and expects the other to know them."),
        ("personal_reasons", _VOICE, "The speaker explains choices by simple personal reasons."),
        ("small_emotions", _VOICE, "Small personal feelings or judgements come through in what the speaker says."),
        (
            "idiosyncratic_taste",
            _VOICE,
            "The speaker has odd, particular tastes rather than picks that please everyone.",
        ),
        ("self_correction", _HONESTY, "The speaker asks what was meant, or takes back and corrects what they said."),
        ("hedging", _HONESTY, "The speaker hedges, gives rough figures or remembers things only in part."),
        ("admits_ignorance", _HONESTY, "The speaker says so when they do not know, and does not make something up."),
        ("builds_on", _FLOW, "The speaker takes up what the other said and carries it further."),
        ("steering", _FLOW, "The speaker keeps to the topic and gives it direction, without mirroring or dodging."),
        ("topic_shift", _FLOW, "The topic changes the way it does when people chat."),
        ("reciprocity", _FLOW, "The speaker asks the other fitting questions in return."),
        ("empathy", _FLOW, "The speaker reacts to the other's feelings with short words of support."),
        ("quick_exit", _FLOW, "The speaker gets impatient at times, or wraps up with a quick pleasantry."),
        (
            "consistent_persona",
            _CONTEXT,
            "What the speaker says about themselves stays the same over the conversation.",
        ),
        (
            "direct_context",
            _CONTEXT,
            "The speaker keeps the thread, answers directly and adds what the situation calls for.",
        ),
        ("no_meta", _CONTEXT, "The speaker does not talk about being an AI or about proving to be human."),
        ("recency", _CONTEXT, "The speaker mentions this very moment or what they have just been doing."),
        (
            "concrete_detail",
            _PARTICULARS,
            "The speaker gives real, concrete details where a template would stay vague.",
        ),
        ("personal_experience", _PARTICULARS, "The speaker tells of things they lived through and how those felt."),
        ("direct_self", _PARTICULARS, "Asked about themselves, the speaker gives a direct and concrete answer."),
        ("plans", _PARTICULARS, "The speaker has plans of their own, with times and places."),
        ("local_places", _PARTICULARS, "The speaker names local places without explaining what they are."),
        ("daily_routine", _PARTICULARS, "Small, steady details of everyday life turn up in what the speaker says."),
    )
)
"""The 32-statement questionnaire (HAL, section 3), in the grouped order its ratings were collected in."""

HL16Q = HL32Q.select(
    (
        "brevity", "slang", "lowercase", "typos", "emoji", "informality", "idiomatic", "small_emotions", "hedging",
        "builds_on", "reciprocity", "empathy", "direct_context", "recency", "personal_experience", "daily_routine",
    )
)  # fmt: skip
"""The 16 statements that the paper's L1 selection kept, as the weights were fitted (HAL, section 3)."""

HL16Q_ASKED = HL32Q.select(
    (
        "brevity", "emoji", "cultural_reference", "lowercase", "typos", "builds_on", "idiomatic", "reciprocity",
        "humor", "admits_ignorance", "recency", "slang", "personal_reasons", "steering", "quick_exit", "direct_self",
    )
)  # fmt: skip
"""The 16 statements that the released short questionnaire asks, in its order: not those its weights were fitted on."""
