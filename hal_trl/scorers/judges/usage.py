"""What asking a model has taken so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Usage:
    """What an endpoint has been asked so far.

    Args:
        requests (`int`): Requests sent, repeated ones included.
        answered (`int`), cached (`int`), failed (`int`): Questions with a new answer, with one that was there already
            (kept from before, or to the same question in the same call), and without a usable one.
        prompt_tokens (`int`), completion_tokens (`int`): As the server counts them.
    """

    requests: int = 0
    answered: int = 0
    cached: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def cost(self, prices: tuple[float, float]) -> float:
        """In the currency of `prices`, which are per million prompt and completion tokens."""
        return (self.prompt_tokens * prices[0] + self.completion_tokens * prices[1]) / 1e6

    def __str__(self) -> str:
        return (
            f"{self.answered} answered, {self.cached} kept from before, {self.failed} without a usable answer; "
            f"{self.requests} requests, {self.prompt_tokens} + {self.completion_tokens} tokens"
        )
