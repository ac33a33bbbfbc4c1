"""A small local model of whether a reply makes sense: is it language, does it answer its prompt."""

from .model import Quantiles, SenseModel, bundled_sense
from .relevance import relevance


__all__ = ["Quantiles", "SenseModel", "bundled_sense", "relevance"]
