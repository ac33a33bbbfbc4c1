"""A blind comparison of chat systems by people: votes, page, results, export (`pip install "hal-trl[arena]"`)."""

from .export import export_votes
from .page import require_extra
from .results import ArenaResults, arena_results
from .rounds import Arena
from .serve import serve
from .systems import System, UnansweredError, load_systems
from .votes import CHOICES, Round, VotesError, VoteStore


__all__ = [
    "CHOICES",
    "Arena",
    "ArenaResults",
    "Round",
    "System",
    "UnansweredError",
    "VoteStore",
    "VotesError",
    "arena_results",
    "export_votes",
    "load_systems",
    "require_extra",
    "serve",
]
