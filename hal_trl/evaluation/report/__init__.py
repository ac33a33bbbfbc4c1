"""One HTML page, with its plots, of what an evaluation found: `hal-trl report`."""

from .report import write_report


__all__ = ["write_report"]
