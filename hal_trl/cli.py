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
    except (ImportError, MemoryError, OSError, ValueError) as error:
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


_AS_TRL = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _train(method, arguments: list[str]) -> None:
    from .alignment.train import launch_or_train

    with _readable_errors():
        folder = launch_or_train(method, arguments)
        if folder is not None:
            print(f"Wrote {folder}. To the Hub: hal-trl push {folder} REPO_ID")


@app.command(context_settings=_AS_TRL)
def grpo(context: typer.Context) -> None:
    """Train with TRL's GRPOTrainer: --config recipe.yaml (a file or a shipped name) and every option of `trl grpo`."""
    _train("grpo", context.args)


@app.command(context_settings=_AS_TRL)
def rloo(context: typer.Context) -> None:
    """Train with TRL's RLOOTrainer, as grpo."""
    _train("rloo", context.args)


@app.command(context_settings=_AS_TRL)
def dpo(context: typer.Context) -> None:
    """Train with TRL's DPOTrainer on preference pairs (hal-trl pairs), as grpo."""
    _train("dpo", context.args)


@app.command(context_settings=_AS_TRL)
def ppo(context: typer.Context) -> None:
    """Train with TRL's PPOTrainer, as grpo; needs pip install "hal-trl[ppo]", which keeps TRL on 1.12."""
    _train("ppo", context.args)


@app.command()
def pairs(
    candidates: Annotated[
        Path | None, typer.Argument(help="Parquet or JSON lines with prompt and completion, a row per candidate.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Hub id or folder of a model to sample candidates from; may be repeated.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Model behind --base-url to ask for candidates.")] = None,
    base_url: Annotated[str | None, typer.Option(help="OpenAI-compatible server of --endpoint.")] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="Parquet or JSON lines with prompt. Default: the bundled everyday openers.")
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="Candidates of each model for each prompt.")] = 4,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Where a sampled reply is cut.")] = 64,
    prompt_column: Annotated[str, typer.Option(help="Column of the prompts.")] = "prompt",
    completion_column: Annotated[str, typer.Option(help="Column of the candidates.")] = "completion",
    target: Annotated[
        str | None, typer.Option(help="Candidates are transcripts of 'label: text' lines; score this label's turns.")
    ] = None,
    min_gap: Annotated[float, typer.Option(min=0, help="Smallest gap, in standard deviations of all scores.")] = 0.5,
    balance: Annotated[bool, typer.Option(help="Whether as many chosen replies are longer as are shorter.")] = True,
    length_neutral: Annotated[
        bool, typer.Option("--length-neutral", help="Take off the score what length alone explains.")
    ] = False,
    per_prompt: Annotated[int, typer.Option(min=1, help="Pairs of one prompt, at most.")] = 4,
    test_share: Annotated[float, typer.Option(min=0, max=1, help="Share of prompts held out as split test.")] = 0.1,
    scorer: Annotated[str | None, typer.Option(help="Folder or Hub id of another scorer with its score.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of the dataset.")] = Path("runs/pairs"),
    seed: Annotated[int, typer.Option(help="Seed of sampling and split.")] = 0,
) -> None:
    """Make preference pairs for DPO: the more human of two replies to one prompt is chosen.

    Candidates come from a file, from models sampled here, from a server, or from all of them. An interrupted run goes
    on where it stopped.
    """
    import pandas as pd

    from .alignment import load_openers
    from .alignment.candidates import ask_candidates, read_candidates, read_prompts, sample_candidates
    from .alignment.grpo import chat
    from .alignment.hal_section import HALSection
    from .alignment.pair_folder import write_pairs
    from .alignment.pairs import make_pairs, score_candidates, without_length

    with _readable_errors():
        found = [] if candidates is None else [read_candidates(candidates, prompt_column, completion_column)]
        bundled = [chat(text) for text in load_openers("train")]
        asked = bundled if prompts is None else read_prompts(prompts, prompt_column)
        kept = output / "candidates"
        models = model or ([] if candidates or endpoint else [None])
        found += [sample_candidates(asked, name, kept, n, max_new_tokens, seed) for name in models]
        if endpoint:
            from .scorers.judges.endpoint import ChatEndpoint

            limits = {"max_tokens": max_new_tokens}
            server = ChatEndpoint(endpoint, base_url, cache_dir=kept / "answers", temperature=1.0, extra_body=limits)
            found.append(ask_candidates(asked, server, n))
            print(server.usage)
        everything = pd.concat(found, ignore_index=True)
        reward = HALSection(scorer=scorer).reward()
        scores = score_candidates(everything, reward, target)
        if length_neutral:
            scores = without_length(everything, scores)
        made, report = make_pairs(everything, scores, min_gap, balance, per_prompt, test_share, seed)
        settings = {
            **reward.settings(),
            "sources": ", ".join(sorted(everything["source"].unique())),
            "smallest gap": f"{min_gap:g} standard deviations",
            "balanced by length": "yes" if balance else "no",
            "length taken off the score": "yes" if length_neutral else "no",
            "seed": seed,
        }
        write_pairs(made, report, settings, output)
        print(f"{report}\nWrote {output}. Next: hal-trl dpo --dataset_name {output} --use_peft")


@app.command()
def evaluate(
    model: Annotated[
        str | None, typer.Option(help="Hub id or folder of the base model. Default: SmolLM2-135M-Instruct.")
    ] = None,
    adapter: Annotated[
        list[str] | None, typer.Option(help="Folder or Hub id of an adapter on it; may be repeated.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Model behind --base-url to evaluate as well.")] = None,
    base_url: Annotated[str | None, typer.Option(help="OpenAI-compatible server of --endpoint.")] = None,
    prompts: Annotated[
        str, typer.Option(help="openers, cases (people replied to these), or a Parquet or JSON-lines file.")
    ] = "openers",
    prompt_column: Annotated[str, typer.Option(help="Column of the prompts; people's replies: reference.")] = "prompt",
    n_prompts: Annotated[int | None, typer.Option(min=2, help="Prompts and honesty probes, at most.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Where a reply is cut.")] = 40,
    temperature: Annotated[float, typer.Option(help="Of sampling.")] = 0.8,
    batch_size: Annotated[int, typer.Option(min=1, help="Chats at a time.")] = 40,
    scorer: Annotated[str | None, typer.Option(help="Folder or Hub id of another scorer with its score.")] = None,
    neutral: Annotated[bool, typer.Option(help="Loss and KL to the base on neutral text.")] = True,
    emobench: Annotated[str | None, typer.Option(help="Folder with EmoBench's EA.jsonl and EU.jsonl.")] = None,
    tasks: Annotated[
        str | None, typer.Option(help='Tasks of lm-evaluation-harness, with commas; pip install "hal-trl[harness]".')
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Items of EmoBench's parts and of each task.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/evaluation"),
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
) -> None:
    """Compare a base model with aligned ones: human-likeness, traits, honesty, diversity, and what alignment cost.

    An interrupted evaluation goes on where it stopped. Writes evaluation.json, replies.parquet and, for each aligned
    system, comparisons/NAME.json, which push --evaluation takes.
    """
    from .evaluation.evaluate_systems import EvaluationPlan, comparison_file, evaluate_systems
    from .evaluation.evaluation_table import print_evaluation

    with _readable_errors():
        named = tuple(task.strip() for task in (tasks or "").split(",") if task.strip())
        plan = EvaluationPlan(
            model,
            tuple(adapter or ()),
            endpoint,
            base_url,
            prompts,
            prompt_column,
            n_prompts,
            max_new_tokens,
            temperature,
            batch_size,
            seed,
            scorer,
            neutral,
            emobench,
            named,
            limit,
        )
        content = evaluate_systems(plan, output)
        print_evaluation(content)
        closing = f"Wrote {output}."
        if len(plan.adapters) == 1 and Path(plan.adapters[0]).is_dir():
            kept = comparison_file(output, next(iter(content["comparisons"])))
            closing += f" To the Hub: hal-trl push {plan.adapters[0]} REPO_ID --evaluation {kept}"
        print(closing)


@app.command()
def push(
    folder: Annotated[Path, typer.Argument(help="Folder of an adapter, as hal-trl grpo, dpo or demo write it.")],
    repo_id: Annotated[str, typer.Argument(help="Hub repository, namespace/name.")],
    evaluation: Annotated[
        Path | None, typer.Option(help="JSON of what changed. Default: evaluation.json in the folder.")
    ] = None,
    base_model: Annotated[
        str | None, typer.Option(help="Hub id of the base model, where the adapter has none.")
    ] = None,
    license: Annotated[str | None, typer.Option(help="The Hub's id of a licence.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Create a private repository.")] = False,
) -> None:
    """Publish an adapter with its evidence: what made it, what it changed, what it must not be used for."""
    from .hub import push_adapter

    with _readable_errors():
        print(
            push_adapter(folder, repo_id, evaluation, base_model=base_model, license=license, private=private or None)
        )


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
    from .scorers.distil import distil
    from .scorers.report import summary

    with _readable_errors():
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

    from .scorers import HALTraitModel
    from .scorers.report import evaluate_scorer, plot_reliability, summary

    with _readable_errors():
        evaluation = evaluate_scorer(HALTraitModel.from_pretrained(scorer), data, visits, seed)
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(json.dumps(evaluation, indent=2) + "\n", encoding="utf-8")
        if plot is not None:
            plot_reliability(evaluation, plot)
        print(summary(evaluation))


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
    encoder: Annotated[
        str, typer.Option(help="Hub id or folder of the sentence encoder to learn meaning from.")
    ] = "sentence-transformers/all-MiniLM-L6-v2",
    visits: Annotated[Path | None, typer.Option(help="Doctor's visits (doctor_dialogues.parquet), more text.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for what is learned.")] = Path("runs/guards"),
    seed: Annotated[int, typer.Option(help="Seed of the games held out and of the training.")] = 0,
) -> None:
    """Learn what written language looks like, what is spoilt and what answers what; print how long replies are."""
    import numpy as np

    from .rewards import LengthGuard
    from .rewards.guards.batch import is_greeting
    from .rewards.guards.habits import Habits
    from .rewards.guards.text import last_said
    from .rewards.language import CharacterModel
    from .rewards.sense.fitting import fit_sense
    from .scorers.games import load_games, load_visits

    with _readable_errors():
        games = load_games(data)
        model = CharacterModel.fit_games(games)
        output.mkdir(parents=True, exist_ok=True)
        model.save(output / "language.safetensors")
        people = zip(games.dialogues, games.is_human, strict=True)
        replies = [reply for d, human in people if human for reply in d.target_replies()]
        Habits.of(replies).save(output / "habits.json")
        words = np.array([len(reply.target_texts[0].split()) for reply in replies])
        greeted = np.array([is_greeting(last_said(reply)) for reply in replies])
        short, long = np.percentile(words, [60, 99])
        shortness = LengthGuard().shortness(words)
        print(f"typicality: mean {model.mean:.2f}, 99.5 % of people's replies above {model.ordinary:.2f}")
        print(f"words a reply of people: 60 % below {short:.0f}, 99 % up to {long:.0f}")
        print(
            f"mean shortness of people's replies: {shortness[~greeted].mean():.2f}, to greetings "
            f"{shortness[greeted].mean():.2f}"
        )
        fit_sense(games, encoder, load_visits(visits) if visits else None, seed).save(output / "hal-sense")
        print(f"Wrote language.safetensors, habits.json and hal-sense to {output}")


@app.command()
def audit(
    reward: Annotated[
        str, typer.Argument(help="Dotted name of a reward function, such as my.module.reward.")
    ] = "hal_trl.rewards.human_likeness_reward",
    output: Annotated[Path, typer.Option(help="Folder for audit.json and audit.png.")] = Path("runs/audit"),
    text: Annotated[bool, typer.Option("--text", help="Pass plain strings instead of chat messages.")] = False,
    overall: Annotated[float, typer.Option(min=0, max=1, help="Share of pairs required on average.")] = 0.97,
    each: Annotated[float, typer.Option(min=0, max=1, help="Share of pairs required for every attack.")] = 0.9,
    search_edits: Annotated[
        int, typer.Option(min=0, help="Edits in each search, each a call with 200 texts; 0 for none.")
    ] = 500,
    search_under: Annotated[
        float, typer.Option(min=0, max=1, help="Share of searches that must stay under 95 % of people's replies.")
    ] = 0.9,
    policy: Annotated[
        bool, typer.Option("--policy", help="Also train a model on the reward and see what it turns into.")
    ] = False,
    policy_output: Annotated[Path | None, typer.Option(help="Its folder. Default: OUTPUT/policy.")] = None,
    policy_steps: Annotated[int, typer.Option(min=1, help="GRPO steps, of 4 prompts x 4 replies each.")] = 150,
    policy_prompts: Annotated[int, typer.Option(min=2, help="Held-out prompts of each kind, at most.")] = 80,
    best_of: Annotated[int, typer.Option(min=1, help="Replies of the base model to choose the best from.")] = 16,
    model: Annotated[
        str | None, typer.Option(help="Hub id or folder of the model to train. Default: SmolLM2-135M-Instruct.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the attacks.")] = 0,
) -> None:
    """Attack a reward function: static replies no person would send, a search, and, with --policy, a trained model.

    Ends with error code 2 if something gets through. A policy attack that was interrupted goes on where it stopped.
    """
    import sys
    from dataclasses import replace

    from .rewards.audit import audit, import_reward, search_attack

    with _readable_errors():
        if policy and text:
            raise ValueError("--policy trains a chat model: the reward must read chat messages. Leave out --text.")
        sys.path.insert(0, "")  # a console script does not see the folder it is called in
        attacked, format = import_reward(reward), "text" if text else "chat"
        report = audit(attacked, format=format, seed=seed, overall=overall, each=each)
        if search_edits:
            search = search_attack(attacked, n_edits=search_edits, format=format, seed=seed, required=search_under)
            report = replace(report, search=search)
        print(report)
        report.save(output)
        passed = report.passed
        if policy:
            from .evaluation.policy_attack import PolicyRun, policy_attack

            run = PolicyRun(reward, model, policy_steps, seed, best_of, policy_prompts)
            trained = policy_attack(attacked, run, output / "policy" if policy_output is None else policy_output)
            print(f"\n{trained}")
            passed = passed and trained.passed
        if not passed:
            raise typer.Exit(2)


@app.command()
def score(
    source: Annotated[str, typer.Argument(help="Parquet or JSON Lines file, or a folder or Hub id of a dataset.")],
    output: Annotated[Path, typer.Argument(help="Parquet file to write: the rows with their scores.")],
    scorer: Annotated[
        str | None, typer.Option(help="Folder or Hub id of a trait scorer with its score. Default: the bundled one.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Other name of a column, such as completion=answer. May be repeated.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of a dataset.")] = "train",
    traits: Annotated[bool, typer.Option("--traits", help="Also write the rating of every trait.")] = False,
    guards: Annotated[
        bool, typer.Option("--guards/--no-guards", help="Guards that look at single replies, or the bare score.")
    ] = True,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows scored at a time.")] = 1024,
    num_proc: Annotated[int, typer.Option(min=1, help="Worker processes, or actors with --ray.")] = 1,
    ray: Annotated[bool, typer.Option("--ray", help="Score on a Ray cluster, or a local one.")] = False,
) -> None:
    """Score a corpus of any size: columns prompt and completion, or messages, or transcript and target.

    Adds hal/reward, hal/p_human and hal/log_odds; rows without a reply get nulls. Started again, it goes on where it
    stopped.
    """
    from .rewards import HALReward
    from .rewards.corpus import score_corpus

    with _readable_errors():
        named = [pair.partition("=") for pair in column or []]
        if not all(name and other for name, _, other in named):
            raise ValueError("--column takes our name and yours, such as --column completion=answer.")
        scores = score_corpus(
            source,
            output,
            HALReward.from_pretrained(scorer) if scorer else None,
            columns={name: other for name, _, other in named},
            split=split,
            traits=traits,
            guards=guards,
            batch_size=batch_size,
            num_proc=num_proc,
            ray=ray,
        )
        print(f"{scores}\nWrote {output}")


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

    from .discovery import discover
    from .scorers import LLMJudge, LocalJudge
    from .scorers.judges.endpoint import ChatEndpoint

    with _readable_errors():
        served = {"model": model, "base_url": base_url, "max_requests": max_requests, "cache_dir": output / "answers"}
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
def arena(
    model: Annotated[
        list[str] | None,
        typer.Option(help="A system, two or more: MODEL, MODEL+ADAPTER (Hub ids, folders), NAME@http://host:port/v1."),
    ] = None,
    votes: Annotated[Path, typer.Option(help="SQLite file of the votes; an arena that is there goes on.")] = Path(
        "runs/arena/votes.sqlite"
    ),
    prompts: Annotated[
        Path | None, typer.Option(help="Text file, a message a line: raters read replies to these, they do not chat.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at. Default: this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 7860,
    password: Annotated[
        str | None, typer.Option(envvar="HAL_TRL_ARENA_PASSWORD", help="What raters must know, better kept there.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Where a reply is cut.")] = 200,
    export: Annotated[
        Path | None, typer.Option(help="Write the votes to this folder (votes.parquet, dataset/) and end.")
    ] = None,
) -> None:
    """Let people compare chat systems blind, in the browser: which one sounds more like a person?"""
    from .evaluation.arena import Arena, VoteStore, export_votes, load_systems, require_extra, serve

    with _readable_errors():
        if export is not None:
            if not votes.is_file():
                raise FileNotFoundError(f"There is no votes file {votes}. Pass it as --votes.")
            print(f"Wrote {export_votes(VoteStore(votes).votes(), export)} votes to {export}")
            return
        require_extra()
        lines = [] if prompts is None else [line for line in prompts.read_text("utf-8").splitlines() if line.strip()]
        if prompts is not None and not lines:
            raise ValueError(f"{prompts} holds no message: write one a line.")
        store = VoteStore(votes)
        serve(Arena(load_systems(model or [], max_new_tokens), store, lines), host, port, password)


@app.command()
def card(
    folder: Annotated[Path, typer.Argument(help="Folder of a trait scorer, as hal-trl distil writes it.")],
    output: Annotated[Path | None, typer.Option(help="File to write. Default: README.md in the folder.")] = None,
    name: Annotated[str | None, typer.Option(help="Hub id to load it by. Default: the folder's name.")] = None,
) -> None:
    """Write the model card of a trait scorer from its evaluation."""
    from .hub import card_of_folder

    with _readable_errors():
        text = card_of_folder(folder, name)
        output = folder / "README.md" if output is None else output
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        print(f"Wrote {output}")


if __name__ == "__main__":
    app()
