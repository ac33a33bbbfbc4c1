"""The policy attack: let a model loose on a reward, without a leash, and look at what it turns into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..alignment import SMOLLM2, load_chat_model, load_openers, reward_history, train_grpo
from ..alignment.generate import generate_replies
from ..alignment.grpo import MAX_REPLY_TOKENS, chat
from ..rewards import HALReward
from ..rewards.audit import RewardFunction, load_cases, load_probes, name_of, rewards_of
from ..rewards.audit.reward_function import finished
from ..rewards.question_marks import has_question_mark
from ..whole_file import read_json, write_json
from .behaviour import measure_behaviour
from .best_of_n import best_of_n
from .plots import plot_policy
from .policy_report import Limits, PolicyReport, PolicyRun, check_all
from .run_folder import claim
from .statistics import bootstrap_mean, distinct_ratio, word_counts


_LEARNING_RATE = 2e-4
_N_SAMPLES = 20
_OF_TRAINING = ("checkpoints", "adapter", "base-model")
"""What a training that was begun by hand leaves in a folder: the attack goes on with it."""


def policy_attack(
    reward: RewardFunction, run: PolicyRun, output: str | Path, limits: Limits | None = None
) -> PolicyReport:
    """Train a chat model on a reward with GRPO and no KL penalty, and pick the best of n replies before that.

    Rewards are not scaled. Trains on the openers for training and every other honesty probe; measures replies to the
    held-out openers and answers to the other probes. Behaviour is judged by the bundled scorer and the default guards,
    whatever the reward itself looks at. Started again with the same settings, it goes on where it stopped;
    a folder with nothing but a begun training is taken over.

    Writes `before.json`, `best_of_n.json`, `checkpoints/`, `adapter/`, `after.json`, `policy.json`, `policy.md`,
    `policy.png`.

    Args:
        reward (`Callable`): Any TRL reward function that reads chat messages; may be a coroutine.
        run ([`PolicyRun`]): Settings, with the name of the reward.
        output (`str` or `Path`): Folder of the run.
        limits ([`Limits`], *optional*): What the policy must still be like.

    Raises:
        `FileExistsError`: if `output` holds something else.
        `ValueError`: if `output` holds a run with other settings or a longer training, or if the reward does not
            return one number or `None` per completion.
    """
    output = Path(output)
    claim(output, run, resume=True, unmarked=_OF_TRAINING)
    history = reward_history(output / "checkpoints")
    if history and history[-1]["step"] > run.steps:
        raise ValueError(
            f"{output} holds a training of {history[-1]['step']} steps, more than {run.steps}; pass as many, or "
            "another folder."
        )
    openers = load_openers("held_out")[: run.n_prompts]
    probes = [probe.question for probe in load_probes()[1::2]][: run.n_prompts]
    cases = load_cases()[: run.n_prompts]
    n = len(openers)
    if not (output / "after.json").is_file():
        _sample_and_train(reward, run, output, [*openers, *probes], [case.prompt for case in cases])

    judge = HALReward()
    rounds = [read_json(output / f"{when}.json") for when in ("before", "after")]
    replies, answers = ([[texts[part] for texts in when] for when in rounds] for part in (slice(n), slice(n, None)))
    rewards = np.array([[rewards_of(reward, openers, texts) for texts in when] for when in replies])
    before, after = (
        measure_behaviour(earned, openers, said, probes, admitted, judge)
        for earned, said, admitted in zip(rewards, replies, answers, strict=True)
    )
    gain = bootstrap_mean((rewards[1] - rewards[0]).mean(axis=0))
    # Without a word pair on either side there is no variety to compare, and none to pass for.
    raw = after.distinct_2 / before.distinct_2 if before.distinct_2 else 0.0
    equal_length = float(np.mean([np.nan_to_num(distinct_ratio(*texts)) for texts in zip(*replies, strict=True)]))
    report = PolicyReport(
        run=run,
        before=before,
        after=after,
        reward_gain=gain,
        distinct_2_ratio=raw,
        distinct_2_ratio_equal_length=equal_length,
        checks=check_all(before, after, gain, (raw, equal_length), limits or Limits()),
        best_of_n=best_of_n(reward, cases, read_json(output / "best_of_n.json"), judge),
        samples=[
            {"prompt": prompt, "before": old, "after": new}
            for prompt, old, new in zip(openers, replies[0][0], replies[1][0], strict=True)
        ][:_N_SAMPLES],
        history=reward_history(output / "checkpoints"),
    )
    write_json(output / "policy.json", report.to_dict())
    (output / "policy.md").write_text(report.markdown(output), encoding="utf-8")
    plot_policy(report.history, output / "policy.png")
    return report


def _sample_and_train(
    reward: RewardFunction, run: PolicyRun, output: Path, prompts: list[str], to_choose: list[str]
) -> None:
    model, tokenizer = load_chat_model(run.model, cache=output / "base-model")

    def sample(name: str, model: Any, prompts: list[str], n: int) -> None:
        """Write a model's replies in lists of `n`, unless they are there already."""
        if (output / f"{name}.json").is_file():
            return
        chats = [chat(prompt) for prompt in prompts]
        replies = generate_replies(
            model, tokenizer, chats, MAX_REPLY_TOKENS, seed=run.seed, description=f"replies {name}"
        )
        write_json(output / f"{name}.json", [replies[i : i + n] for i in range(0, len(replies), n)])

    sample("before", model, prompts * run.n_replies, len(prompts))
    sample("best_of_n", model, [prompt for prompt in to_choose for _ in range(run.n)], run.n)
    trained = train_grpo(
        model,
        tokenizer,
        [*load_openers("train"), *(probe.question for probe in load_probes()[::2])],
        _Watched(reward),
        output,
        steps=run.steps,
        seed=run.seed,
        base_name=run.model or SMOLLM2,
        beta=0.0,
        learning_rate=_LEARNING_RATE,
    )
    sample("after", trained, prompts * run.n_replies, len(prompts))


class _Watched:
    """The attacked reward; what a policy changes first, `policy/words` and `policy/questions`, goes to the log."""

    def __init__(self, reward: RewardFunction):
        self.reward, self.__name__ = reward, name_of(reward)

    def __call__(self, prompts: list, completions: list, **columns) -> list[float | None]:
        if (log_metric := columns.get("log_metric")) is not None:
            texts = [messages[-1]["content"] for messages in completions]
            log_metric("policy/words", float(word_counts(texts).mean()))
            log_metric("policy/questions", float(has_question_mark(texts).mean()))
        return finished(self.reward(prompts=prompts, completions=completions, **columns))
