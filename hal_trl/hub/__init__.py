"""What goes to the Hub: model cards written from plain results."""

from .adapter_card import render_adapter_card


__all__ = ["render_adapter_card"]
