"""The application that all commands belong to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Mistakes a user can mend end in one line that says how; everything else keeps its traceback."""
    try:
        yield
    except (ImportError, MemoryError, OSError, ValueError) as error:
        typer.secho(f"Error: {error}", fg="red", err=True)
        raise typer.Exit(1) from error


@app.callback()
def main() -> None:
    """Make language models talk more like people, and measure it."""
