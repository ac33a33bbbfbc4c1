"""A small local model of whether a reply makes sense: is it language, does it answer its prompt."""

from .model import Quantiles, SenseModel, bundled_sense


__all__ = ["Quantiles", "SenseModel", "bundled_sense"]
