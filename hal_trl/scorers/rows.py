"""Training rows: dialogues, the single replies in them, and texts whose label or ratings teach something more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..dialogue import Dialogue, Turn
from ..traits import LIKERT_MAX, LIKERT_MIN
from .games import Games, Visits


_DIALOGUE, _REPLY, _CONTRAST, _VISIT, _RETYPED = range(5)
_TEACHER_SHARE = 0.4  # the rest is what the other judges say of the teacher: one judge's noise is not worth learning
_RIDGE_JUDGES = 300.0


class Rows:
    """The dialogues of some games, every single reply in them, contrast replies, doctor's visits, retyped dialogues.

    A single reply is labelled as its dialogue is. A contrast reply is an AI's, not rated, and belongs to the game
    whose question it answers. A visit is rated on some of the traits and is by an AI that was told to be a patient:
    it teaches ratings, not the label. A retyped dialogue is that of an AI with its words typed carelessly, and comes
    for contrast replies, too: typing makes nobody a person.

    Args:
        games ([`~hal_trl.scorers.games.Games`]): The games.
        contrast (`Sequence` of `(game_id, Dialogue)`): Replies of another AI.
        visits ([`~hal_trl.scorers.games.Visits`], *optional*): Rated doctor's visits.
    """

    def __init__(self, games: Games, contrast: Sequence[tuple[int, Dialogue]] = (), visits: Visits | None = None):
        replies = [(i, reply) for i, dialogue in enumerate(games.dialogues) for reply in dialogue.target_replies()]
        source = np.array([*range(len(games.dialogues)), *(i for i, _ in replies)])
        machines = np.flatnonzero(~games.is_human)
        others = [(game, text) for game, reply in contrast for text in (reply, retyped(reply))]
        groups = {
            _DIALOGUE: games.dialogues,
            _REPLY: [reply for _, reply in replies],
            _CONTRAST: [reply for _, reply in others],
            _VISIT: [] if visits is None else visits.dialogues,
            _RETYPED: [retyped(games.dialogues[i]) for i in machines],
        }
        self.dialogues: list[Dialogue] = [dialogue for group in groups.values() for dialogue in group]
        kind = np.repeat(list(groups), [len(group) for group in groups.values()])
        self.is_dialogue, self.is_reply = kind == _DIALOGUE, kind == _REPLY
        self.is_contrast, self.is_visit, self.is_retyped = kind == _CONTRAST, kind == _VISIT, kind == _RETYPED
        n = len(source)
        # Folds keep a group together. Visits get names no game has.
        self.group = np.array(
            [
                *(str(game) for game in games.game_id[source]),
                *(str(game) for game, _ in others),
                *(() if visits is None else (f"visit {prompt}" for prompt in visits.prompt_id)),
                *(str(game) for game in games.game_id[machines]),
            ]
        )
        self.is_human = np.append(games.is_human[source], np.full(len(kind) - n, False))
        self.ai_model = np.append(games.ai_model[source], np.full(len(kind) - n, None))
        of_game = dict(zip(games.game_id.tolist(), games.ai_model, strict=True))
        self.ai_model[kind == _CONTRAST] = [of_game.get(game) for game, _ in others]
        self.ai_model[kind == _RETYPED] = games.ai_model[machines]
        self.traits = games.traits
        self.targets = np.full((len(kind), len(self.traits)), np.nan)
        self.targets[:n] = consensus(games)[source]
        self.teacher = np.full((len(kind), len(self.traits)), np.nan)
        self.teacher[: len(games.dialogues)] = np.asarray(games.ratings[games.teacher])
        if visits is not None:
            columns = self.traits.positions(visits.ratings.traits.ids)
            self.targets[np.ix_(kind == _VISIT, columns)] = np.asarray(visits.ratings)
            self.teacher[np.ix_(kind == _VISIT, columns)] = np.asarray(visits.ratings)
        self.rated = ~np.isnan(self.targets).any(axis=1)
        spoken = [[text for text in d.target_texts if text.strip()] for d in self.dialogues]
        self.n_turns = np.array([max(1, len(texts)) for texts in spoken])
        self.n_words = np.array([sum(len(text.split()) for text in texts) for texts in spoken])

    def __len__(self) -> int:
        return len(self.dialogues)


_FINAL_MARK = re.compile(r"[.!]+(?=\s|$)")


def retyped(dialogue: Dialogue) -> Dialogue:
    """The dialogue with the target's words in lower case, without apostrophes and closing marks."""
    return replace(
        dialogue,
        turns=tuple(
            Turn(turn.speaker, _FINAL_MARK.sub("", turn.text.lower()).replace("'", "").replace("’", ""))
            if rated
            else turn
            for turn, rated in zip(dialogue.turns, dialogue.rated, strict=True)
        ),
    )


def consensus(games: Games) -> np.ndarray:
    """Ratings to learn, shape `(n, n_traits)`: the teacher's, mixed with what the other judges make one expect of it.

    The expectation is a ridge regression of the teacher's ratings on all other judges' ratings of the same game,
    fitted on other games, so that a rating is never explained by itself.
    """
    from sklearn.linear_model import Ridge

    teacher = np.asarray(games.ratings[games.teacher])
    others = [np.asarray(ratings) for judge, ratings in games.ratings.items() if judge != games.teacher]
    if not others:
        return teacher
    judged = np.hstack(others)
    both = np.flatnonzero(~np.isnan(judged).any(axis=1) & games.rated)
    fold = folds_of(games.game_id, seed=55)
    if len(np.unique(fold[both])) < 2:
        return teacher
    inputs = (judged - judged[both].mean(axis=0)) / (judged[both].std(axis=0) + 1e-6)
    targets = teacher.copy()
    for k in np.unique(fold[both]):
        train, test = both[fold[both] != k], both[fold[both] == k]
        expected = Ridge(alpha=_RIDGE_JUDGES).fit(inputs[train], teacher[train]).predict(inputs[test])
        expected = np.clip(expected, LIKERT_MIN, LIKERT_MAX)
        targets[test] = _TEACHER_SHARE * teacher[test] + (1 - _TEACHER_SHARE) * expected
    return targets


N_FOLDS = 5


def folds_of(group: np.ndarray, seed: int) -> np.ndarray:
    """Fold number per row, 0 to 4; rows of one group share theirs."""
    names, index = np.unique(group, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(names))[index] % N_FOLDS
