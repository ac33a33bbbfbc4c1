"""`python -m hal_trl.cli`."""

from . import app


app()
