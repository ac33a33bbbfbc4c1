"""Commands that make a scorer: discover, distil, evaluate-scorer, card, contrast, fit-guards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app, readable_errors


@app.command()
def discover(
    pairs: Annotated[
        Path, typer.Argument(help="Parquet file with pair_id (or game_id), is_human and transcript, two rows a pair.")
    ],
    model: Annotated[
        str | None, typer.Option(help="Model that finds, merges and rates, as its server calls it.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible server. Default: OPENAI_BASE_URL, then OpenAI.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="Hub id or folder of a model that rates on this machine instead.")
    ] = None,
    no_llm: Annotated[
        bool, typer.Option("--no-llm", help="Take each cluster's most central statement as a trait.")
    ] = False,
    encoder: Annotated[
        str, typer.Option(help="Hub id or folder of a sentence-transformers model.")
    ] = "sentence-transformers/all-MiniLM-L6-v2",
    target: Annotated[
        str | None, typer.Option(help="Label of the speaker to look at. Default: the column target, else W.")
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option(min=1, help="Requests to the server, at most, finding and rating each.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds until a request to the server counts as lost.")] = 120.0,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests on their way to the server at a time.")] = 64,
    output: Annotated[Path, typer.Option(help="Folder of the run; stages whose file is there are not done again.")] = (
        Path("runs/discovery")
    ),
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
) -> None:
    """Name the traits that tell people from AI in your own dialogues, rate them, and learn their weights.

    Writes statements.parquet, clusters.parquet, traits.json, ratings.parquet (each may also be put there by hand),
    then likeness.json, questionnaire.md and plots. `hal-trl distil OUTPUT/ratings.parquet --traits OUTPUT/traits.json`
    makes a local scorer of the ratings.
    """
    from functools import partial

    from ..discovery import discover
    from ..scorers import LLMJudge, LocalJudge
    from ..scorers.judges.endpoint import ChatEndpoint

    with readable_errors():
        served = {
            "model": model,
            "base_url": base_url,
            "max_requests": max_requests,
            "timeout": timeout,
            "max_concurrency": concurrency,
            "cache_dir": output / "answers",
        }
        endpoint = ChatEndpoint(**served) if model else None
        rating = partial(LLMJudge, **served) if model else None
        if judge:
            rating = partial(LocalJudge, judge)
        found = discover(
            pairs,
            output,
            endpoint,
            None if rating is None else lambda traits: rating(traits=traits),
            encoder,
            not no_llm,
            target,
            seed,
        )
        print(f"{found}\nWrote {output}")


@app.command()
def distil(
    data: Annotated[Path, typer.Argument(help="Rated games, a Parquet file such as turing_games.parquet.")],
    output: Annotated[Path, typer.Option(help="Folder for the scorers' folders.")] = Path("runs"),
    encoder: Annotated[
        str, typer.Option(help="Hub id or folder of a transformer encoder, or none.")
    ] = "sentence-transformers/all-MiniLM-L6-v2",
    encoder_id: Annotated[
        str | None, typer.Option(help="Hub id that the model card names, where --encoder is a folder.")
    ] = None,
    contrast: Annotated[Path | None, typer.Option(help="Replies of another AI, from hal-trl contrast.")] = None,
    visits: Annotated[Path | None, typer.Option(help="Rated doctor's visits (doctor_dialogues.parquet).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the cross-validation folds.")] = 0,
    traits: Annotated[
        Path | None, typer.Option(help="Questionnaire of the ratings: traits.json of hal-trl discover.")
    ] = None,
) -> None:
    """Train local trait scorers and their scores from judges' ratings, and put them through the evaluation protocol.

    Writes hal-traits-mini and, with an encoder, hal-traits-minilm. Started again, it goes on where it stopped.
    """
    from ..scorers.distil import distil
    from ..scorers.report import summary

    with readable_errors():
        evaluations = distil(
            data, output, None if encoder == "none" else encoder, encoder_id, contrast, visits, seed, traits
        )
        for name, evaluation in evaluations.items():
            print(f"\n{name}\n{summary(evaluation)}")


@app.command()
def evaluate_scorer(
    scorer: Annotated[str, typer.Argument(help="Folder or Hub id of a trait scorer.")],
    data: Annotated[Path, typer.Argument(help="Rated games it has not seen, a Parquet file.")],
    visits: Annotated[Path | None, typer.Option(help="Rated doctor's visits, a Parquet file.")] = None,
    output: Annotated[Path | None, typer.Option(help="JSON file for all figures.")] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG file for the reliability plot.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the cross-validation folds.")] = 0,
) -> None:
    """Put a trait scorer through the evaluation protocol, beside judges, interrogators and simple classifiers."""
    import json

    from ..scorers import HALTraitModel
    from ..scorers.report import evaluate_scorer, plot_reliability, summary

    with readable_errors():
        evaluation = evaluate_scorer(HALTraitModel.from_pretrained(scorer), data, visits, seed)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(json.dumps(evaluation, indent=2) + "\n", encoding="utf-8")
        if plot is not None:
            plot_reliability(evaluation, plot)
        print(summary(evaluation))


@app.command()
def card(
    folder: Annotated[Path, typer.Argument(help="Folder of a trait scorer, as hal-trl distil writes it.")],
    output: Annotated[Path | None, typer.Option(help="File to write. Default: README.md in the folder.")] = None,
    name: Annotated[str | None, typer.Option(help="Hub id to load it by. Default: the folder's name.")] = None,
) -> None:
    """Write the model card of a trait scorer from its evaluation."""
    from ..hub import card_of_folder

    with readable_errors():
        text = card_of_folder(folder, name)
        output = folder / "README.md" if output is None else output
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        print(f"Wrote {output}")


@app.command()
def contrast(
    data: Annotated[Path, typer.Argument(help="Games, a Parquet file such as turing_games.parquet.")],
    output: Annotated[Path, typer.Option(help="JSON file to write.")] = Path("runs/contrast.json"),
    n: Annotated[int, typer.Option("-n", min=1, help="How many replies.")] = 480,
    seed: Annotated[int, typer.Option(help="Seed of questions and sampling.")] = 0,
) -> None:
    """Let SmolLM2-135M-Instruct answer questions of the games: what a score should not take for a person."""
    from ..contrast import sample_contrast
    from ..scorers.games import load_games

    with readable_errors():
        sample_contrast(load_games(data), output, n, seed)


@app.command()
def fit_guards(
    data: Annotated[Path, typer.Argument(help="Games, a Parquet file such as turing_games.parquet.")],
    encoder: Annotated[
        str, typer.Option(help="Hub id or folder of the sentence encoder to learn meaning from.")
    ] = "sentence-transformers/all-MiniLM-L6-v2",
    visits: Annotated[Path | None, typer.Option(help="Doctor's visits (doctor_dialogues.parquet), more text.")] = None,
    chats: Annotated[
        Path | None, typer.Option(help="People's chats: dataset.json of the package chitchat-dataset.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for what is learned.")] = Path("runs/guards"),
    seed: Annotated[int, typer.Option(help="Seed of the games held out and of the training.")] = 0,
) -> None:
    """Learn what written language looks like, what is spoilt and what answers what; print how long replies are."""
    import numpy as np

    from ..rewards import LengthGuard
    from ..rewards.guards.batch import is_greeting
    from ..rewards.guards.habits import Habits
    from ..rewards.guards.text import last_said
    from ..rewards.language import CharacterModel
    from ..rewards.sense.chats import load_chats
    from ..rewards.sense.fitting import fit_sense
    from ..scorers.games import load_games, load_visits

    with readable_errors():
        games, people_chat = load_games(data), load_chats(chats) if chats else []
        model = CharacterModel.fit_games(games)
        output.mkdir(parents=True, exist_ok=True)
        model.save(output / "language.safetensors")
        people = zip(games.dialogues, games.is_human, strict=True)
        replies = [reply for d, human in people if human for reply in d.target_replies()]
        Habits.of(replies).save(output / "habits.json")
        words = np.array([len(reply.target_texts[0].split()) for reply in replies])
        greeted = np.array([is_greeting(last_said(reply)) for reply in replies])
        short, longish, long = np.percentile(words, [60, 90, 99])
        guard = LengthGuard()
        shortness, longness = guard.shortness(words), guard.longness(words)
        print(f"typicality: mean {model.mean:.2f}, 99.5 % of people's replies above {model.ordinary:.2f}")
        print(f"words a reply of people: 60 % below {short:.0f}, 90 % up to {longish:.0f}, 99 % to {long:.0f}")
        print(
            f"mean shortness of people's replies: {shortness[~greeted].mean():.2f}, to greetings "
            f"{shortness[greeted].mean():.2f}; mean longness: {longness.mean():.2f}"
        )
        sense = fit_sense(games, encoder, load_visits(visits) if visits else None, people_chat, seed)
        sense.save(output / "hal-sense")
        print(f"Wrote language.safetensors, habits.json and hal-sense to {output}")
