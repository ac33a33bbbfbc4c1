"""What goes to the Hub and comes from it: model cards written from plain results, one commit up, one commit down."""

from .adapter_card import figure_rows, render_adapter_card, trait_rows
from .figures import comparison, headline
from .markdown import render_card
from .provenance import PROVENANCE_FILE, describe_reward, provenance
from .push import push_adapter
from .repository import COMPARISON_FILE, EVALUATION_FILE, download, full_repo_id, read_json, upload
from .scorer_card import card_of_folder, render_scorer_card
from .weak_spots import weak_spots


__all__ = [
    "COMPARISON_FILE",
    "EVALUATION_FILE",
    "PROVENANCE_FILE",
    "card_of_folder",
    "comparison",
    "describe_reward",
    "download",
    "figure_rows",
    "full_repo_id",
    "headline",
    "provenance",
    "push_adapter",
    "read_json",
    "render_adapter_card",
    "render_card",
    "render_scorer_card",
    "trait_rows",
    "upload",
    "weak_spots",
]
