"""Commands that measure: audit, evaluate, report, score, arena."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app, readable_errors


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
    policy_replies: Annotated[int, typer.Option(min=1, help="Replies to each of them, before and after.")] = 8,
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

    from ..rewards.audit import audit, import_reward, search_attack

    with readable_errors():
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
            from ..evaluation.policy_attack import PolicyRun, policy_attack

            run = PolicyRun(reward, model, policy_steps, seed, best_of, policy_prompts, policy_replies)
            trained = policy_attack(attacked, run, output / "policy" if policy_output is None else policy_output)
            print(f"\n{trained}")
            passed = passed and trained.passed
        if not passed:
            raise typer.Exit(2)


@app.command()
def evaluate(
    model: Annotated[
        str | None,
        typer.Option(help="Hub id or folder of the base model. Default: the adapter's, or SmolLM2-135M-Instruct."),
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
    from ..evaluation.evaluate_systems import EvaluationPlan, evaluate_systems
    from ..evaluation.evaluation_record import comparison_file
    from ..evaluation.evaluation_table import print_evaluation

    with readable_errors():
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
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of an evaluation, as hal-trl evaluate writes it.")],
    system: Annotated[
        str | None, typer.Option(help="Whose replies to show. Default: the first model beside the base.")
    ] = None,
    reply: Annotated[
        int | None,
        typer.Option(min=1, help="Number of the prompt whose reply to take apart. Default: one of median reward."),
    ] = None,
    scorer: Annotated[
        str | None, typer.Option(help="Folder or Hub id of the scorer that evaluate used, where it was another.")
    ] = None,
) -> None:
    """Make a page of an evaluation: report.html in its folder, to be opened from disk, and its figures in plots/."""
    from ..evaluation.report import write_report
    from ..rewards import HALReward

    with readable_errors():
        reward = HALReward.from_pretrained(scorer) if scorer else None
        print(f"Wrote {write_report(folder, reward, system, reply)}")


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
    from ..rewards import HALReward
    from ..rewards.corpus import score_corpus

    with readable_errors():
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
    from ..evaluation.arena import Arena, VoteStore, export_votes, load_systems, require_extra, serve

    with readable_errors():
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
