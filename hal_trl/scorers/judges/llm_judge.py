"""`LLMJudge`: any language model behind an OpenAI-compatible server as a trait scorer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...dialogue import Dialogue
from ...traits import HL32Q, TraitRatings, TraitSet
from .endpoint import ChatEndpoint, ChatRequest
from .prompt import (
    PROMPT_VERSION,
    key_of_dialogue,
    new_nonce,
    parse_ratings,
    rating_messages,
    rating_schema,
    statements_of,
)
from .usage import Usage


logger = logging.getLogger(__name__)


class LLMJudge:
    """Rates traits by asking a language model, one question a dialogue, as the paper does with GPT-5 (HAL, section 3).

    Dialogues go to the model as quoted data behind a delimiter that is new in every request: what they say is no
    instruction. A dialogue without a valid answer gets `nan` ratings, never a default, and abstains as a reward. See
    [`~hal_trl.scorers.judges.endpoint.ChatEndpoint`] for retries, budget and the cache of answers.

    Args:
        model (`str`): The server's name for it.
        base_url (`str`, *optional*, defaults to `OPENAI_BASE_URL`, then OpenAI): Such as `http://127.0.0.1:8000/v1`.
        api_key (`str`, *optional*, defaults to `OPENAI_API_KEY`): Not needed for most servers of one's own.
        traits ([`TraitSet`], *optional*, defaults to `HL32Q`): What to rate.
        cache_dir (`str` or `Path`, *optional*, defaults to a folder in the Hugging Face home):
            Where answers are kept, by model, options, prompt version, traits and text.
        max_concurrency (`int`, *optional*, defaults to 64): Requests on their way at a time.
        timeout (`float`, *optional*, defaults to 120): Seconds until a request counts as lost.
        max_requests (`int`, *optional*), max_tokens (`int`, *optional*): Budget of this judge.
        samples (`int`, *optional*, defaults to 1): Answers per dialogue; `score` is their mean.
        temperature (`float`, *optional*), reasoning_effort (`str`, *optional*), extra_body (`dict`, *optional*):
            Passed to the server as they are.

    Raises:
        `ImportError`: without the extra `judge`.
        `ValueError`: with neither a key nor a server, or an option out of range.

    Example:
        ```python
        >>> from hal_trl import HALReward, HumanLikenessScore, LLMJudge
        >>> judge = LLMJudge("gpt-5-mini", max_requests=2000)  # doctest: +SKIP
        >>> reward = HALReward(judge, HumanLikenessScore.from_profile("corrected"))  # doctest: +SKIP
        ```
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        traits: TraitSet = HL32Q,
        cache_dir: str | Path | None = None,
        max_concurrency: int = 64,
        timeout: float = 120.0,
        max_requests: int | None = None,
        max_tokens: int | None = None,
        samples: int = 1,
        temperature: float | None = None,
        reasoning_effort: str | None = None,
        extra_body: dict[str, Any] | None = None,
    ):
        if samples < 1:
            raise ValueError(f"samples is how many answers to ask for, at least 1, not {samples}.")
        self.traits, self.samples = traits, samples
        self.endpoint = ChatEndpoint(
            model,
            base_url,
            api_key,
            cache_dir,
            max_concurrency,
            timeout,
            max_requests,
            max_tokens,
            temperature,
            reasoning_effort,
            extra_body,
        )

    @property
    def name_or_path(self) -> str:
        """What model cards call it."""
        return self.endpoint.model

    @property
    def usage(self) -> Usage:
        """Requests, answers and tokens so far; `print(judge.usage)`, `judge.usage.cost(prices)`."""
        return self.endpoint.usage

    def score(self, dialogues: Sequence[Dialogue]) -> TraitRatings:
        """Ratings of shape `(len(dialogues), len(traits))`, 1-5; a row is `nan` where no answer could be used.

        Raises:
            `ConnectionError`, `PermissionError`, `ValueError`: if the server cannot be used at all, before any work.
        """
        return self.score_with_spread(dialogues)[0]

    def score_with_spread(self, dialogues: Sequence[Dialogue]) -> tuple[TraitRatings, pd.DataFrame]:
        """Mean over the samples, and their standard deviation in Likert points, `nan` for fewer than two."""
        total = len(dialogues) * self.samples
        return self._collected(self.endpoint.answers(self._requests(dialogues), total, "judging"), len(dialogues))

    async def ascore(self, dialogues: Sequence[Dialogue]) -> TraitRatings:
        """`score`, to be awaited."""
        total = len(dialogues) * self.samples
        answers = await self.endpoint.aanswers(self._requests(dialogues), total, "judging")
        return self._collected(answers, len(dialogues))[0]

    def _requests(self, dialogues: Sequence[Dialogue]) -> Iterator[ChatRequest]:
        schema, asked = rating_schema(self.traits), [[trait.id, trait.statement] for trait in self.traits]
        parse, statements = partial(parse_ratings, traits=self.traits), statements_of(self.traits)
        for dialogue in dialogues:
            text = key_of_dialogue(dialogue)
            for sample in range(self.samples):
                yield ChatRequest(
                    key=["ratings", PROMPT_VERSION, asked, text, sample],
                    messages=partial(self._messages, dialogue, statements),
                    parse=parse,
                    schema=schema,
                )

    def _messages(self, dialogue: Dialogue, statements: str) -> list[dict[str, str]]:
        return rating_messages(dialogue, self.traits, new_nonce(), statements)

    def _collected(self, answers: list[dict[str, float] | None], n: int) -> tuple[TraitRatings, pd.DataFrame]:
        ids, unrated = self.traits.ids, [np.nan] * len(self.traits)
        rows = [unrated if answer is None else [answer[i] for i in ids] for answer in answers]
        values = np.array(rows, dtype=float).reshape(n, self.samples, len(ids))
        known = ~np.isnan(values).all(axis=(1, 2))
        mean, spread = np.full((2, n, len(ids)), np.nan)
        mean[known] = np.nanmean(values[known], axis=1)
        several = (~np.isnan(values[:, :, 0])).sum(axis=1) > 1
        spread[several] = np.nanstd(values[several], axis=1, ddof=1)
        if not known.all():
            logger.warning("%d of %d dialogues were not rated: %s", (~known).sum(), n, np.flatnonzero(~known)[:20])
        return TraitRatings(mean, self.traits), pd.DataFrame(spread, columns=list(ids))
