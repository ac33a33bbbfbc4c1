"""Trait discovery: from dialogues of people and AI, side by side, to a questionnaire with weights."""

from .clusters import cluster_statements
from .discover import Discovery, discover
from .pairs import Pairs, load_pairs


__all__ = ["Discovery", "Pairs", "cluster_statements", "discover", "load_pairs"]
