"""`AsyncHALReward`: a reward that waits for a judge while the trainer's other rewards go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from .hal_reward import HALReward


class AsyncHALReward(HALReward):
    """[`HALReward`] as a coroutine, for a scorer that waits on a server, such as [`LLMJudge`].

    TRL (>= 1.14) awaits all its asynchronous rewards together, so that a judge costs a step the time of the slowest
    one, not the sum. The arguments are those of `HALReward`.

    Example:
        ```python
        >>> from hal_trl import HALReward, HumanLikenessScore, LLMJudge
        >>> from hal_trl.rewards import AsyncHALReward
        >>> corrected = HumanLikenessScore.from_profile("corrected")
        >>> judge = LLMJudge("my-judge", base_url="http://127.0.0.1:8000/v1")
        >>> rewards = [HALReward(), AsyncHALReward(judge, corrected, name="judge")]
        ```
    """

    async def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns) -> list[float | None]:
        """As [`HALReward.__call__`], to be awaited."""
        return await asyncio.to_thread(super().__call__, prompts, completions, **columns)
