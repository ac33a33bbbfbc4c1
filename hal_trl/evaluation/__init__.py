"""Measuring what alignment changed."""

from .comparison import Comparison, compare
from .replies import generate_replies


__all__ = ["Comparison", "compare", "generate_replies"]
