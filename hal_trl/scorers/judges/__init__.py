"""Language models as trait scorers."""

from .llm_judge import LLMJudge
from .local_judge import LocalJudge


__all__ = ["LLMJudge", "LocalJudge"]
