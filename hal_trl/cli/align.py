"""Commands that align a model: demo, grpo, rloo, dpo, ppo, pairs, push."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import app, readable_errors


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
    from ..demo import DemoRun, run_demo

    with readable_errors():
        run_demo(DemoRun(model, steps, seed), output, resume)


_AS_TRL = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _train(method, arguments: list[str]) -> None:
    from ..alignment.train import launch_or_train

    with readable_errors():
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
    """Train with TRL's PPOTrainer, as grpo; needs pip install "hal-trl\\[ppo]", which keeps TRL on 1.12."""
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

    from ..alignment import load_openers
    from ..alignment.candidates import ask_candidates, read_candidates, read_prompts, sample_candidates
    from ..alignment.grpo import chat
    from ..alignment.hal_section import HALSection
    from ..alignment.pair_folder import write_pairs
    from ..alignment.pairs import make_pairs, score_candidates, without_length

    with readable_errors():
        found = [] if candidates is None else [read_candidates(candidates, prompt_column, completion_column)]
        bundled = [chat(text) for text in load_openers("train")]
        asked = bundled if prompts is None else read_prompts(prompts, prompt_column)
        kept = output / "candidates"
        models = model or ([] if candidates or endpoint else [None])
        found += [sample_candidates(asked, name, kept, n, max_new_tokens, seed) for name in models]
        if endpoint:
            from ..scorers.judges.endpoint import ChatEndpoint

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
def push(
    folder: Annotated[Path, typer.Argument(help="Folder of an adapter, as hal-trl grpo, dpo or demo write it.")],
    repo_id: Annotated[str, typer.Argument(help="Hub repository, namespace/name.")],
    evaluation: Annotated[
        Path | None, typer.Option(help="JSON of what changed. Default: comparison.json in the folder.")
    ] = None,
    base_model: Annotated[
        str | None, typer.Option(help="Hub id of the base model, where the adapter has none.")
    ] = None,
    license: Annotated[str | None, typer.Option(help="The Hub's id of a licence.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Create a private repository.")] = False,
) -> None:
    """Publish an adapter with its evidence: what made it, what it changed, what it must not be used for."""
    from ..hub import push_adapter

    with readable_errors():
        print(
            push_adapter(folder, repo_id, evaluation, base_model=base_model, license=license, private=private or None)
        )
