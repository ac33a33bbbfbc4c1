"""Language models as trait scorers."""

from .llm_judge import LLMJudge


__all__ = ["LLMJudge"]
