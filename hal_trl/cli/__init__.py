"""`hal-trl`: the package on the command line."""

from . import align, measure, scorer  # noqa: F401  (each registers its commands)
from .app import app


__all__ = ["app"]
