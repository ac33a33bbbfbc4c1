"""What goes to the Hub and comes from it: model cards written from plain results, one commit up, one commit down."""

from .adapter_card import render_adapter_card
from .figures import comparison, headline
from .markdown import render_card
from .repository import EVALUATION_FILE, download, full_repo_id, read_json, upload
from .scorer_card import card_of_folder, render_scorer_card
from .weak_spots import weak_spots


__all__ = [
    "EVALUATION_FILE",
    "card_of_folder",
    "comparison",
    "download",
    "full_repo_id",
    "headline",
    "read_json",
    "render_adapter_card",
    "render_card",
    "render_scorer_card",
    "upload",
    "weak_spots",
]
