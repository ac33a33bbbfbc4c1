"""`hal-trl`: the package on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Mistakes a user can mend end in one line that says how; everything else keeps its traceback."""
    try:
        yield
    except (FileNotFoundError, FileExistsError, ValueError, ImportError) as error:
        typer.secho(f"Error: {error}", fg="red", err=True)
        raise typer.Exit(1) from error


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Make language models talk more like people, and measure it."""


@app.command()
def demo(
    model: Annotated[
        str | None, typer.Option(help="Hub id or folder of a chat model. Default: SmolLM2-135M-Instruct, from PyPI.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="GRPO steps, of 4 prompts x 4 replies each.")] = 30,
    seed: Annotated[int, typer.Option(help="Seed of everything that is sampled.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/demo"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --output where it stopped.")] = False,
) -> None:
    """Align a small chat model with GRPO + LoRA and show what changed on held-out prompts."""
    from .demo import DemoRun, run_demo

    with _readable_errors():
        run_demo(DemoRun(model, steps, seed), output, resume)


@app.command()
def distil(
    data: Annotated[Path, typer.Argument(help="Rated games, a Parquet file such as turing_games.parquet.")],
    output: Annotated[Path, typer.Option(help="Folder for weights, score and figures.")] = Path(
        "runs/hal-traits-mini"
    ),
    contrast: Annotated[Path | None, typer.Option(help="Replies of another AI, from hal-trl contrast.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the cross-validation folds.")] = 0,
) -> None:
    """Train a local trait scorer and its score from judges' ratings, and cross-validate both by game."""
    from .scorers.distil import distil, summary

    with _readable_errors():
        print(summary(distil(data, output, contrast, seed)))


@app.command()
def contrast(
    data: Annotated[Path, typer.Argument(help="Games, a Parquet file such as turing_games.parquet.")],
    output: Annotated[Path, typer.Option(help="JSON file to write.")] = Path("runs/contrast.json"),
    n: Annotated[int, typer.Option("-n", min=1, help="How many replies.")] = 480,
    seed: Annotated[int, typer.Option(help="Seed of questions and sampling.")] = 0,
) -> None:
    """Let SmolLM2-135M-Instruct answer questions of the games: what a score should not take for a person."""
    from .contrast import sample_contrast
    from .scorers.games import load_games

    with _readable_errors():
        sample_contrast(load_games(data), output, n, seed)


@app.command()
def fit_guards(
    data: Annotated[Path, typer.Argument(help="Games, a Parquet file such as turing_games.parquet.")],
    output: Annotated[Path, typer.Option(help="Safetensors file to write.")] = Path("runs/language.safetensors"),
) -> None:
    """Learn what written language looks like from people's turns, and print how long their replies are."""
    import numpy as np

    from .rewards import LengthGuard
    from .rewards.language import CharacterModel
    from .scorers.games import load_games

    with _readable_errors():
        games = load_games(data)
        model = CharacterModel.fit_games(games)
        output.parent.mkdir(parents=True, exist_ok=True)
        model.save(output)
        people = zip(games.dialogues, games.is_human, strict=True)
        words = np.array([len(t.split()) for d, human in people if human for t in d.target_texts if t.strip()])
        short, long = np.percentile(words, [60, 99])
        print(f"typicality: mean {model.mean:.2f}, 99.5 % of people's replies above {model.ordinary:.2f}")
        print(f"words a reply of people: 60 % below {short:.0f}, 99 % up to {long:.0f}")
        print(f"mean shortness of people's replies: {LengthGuard().shortness(words).mean():.2f}")


if __name__ == "__main__":
    app()
