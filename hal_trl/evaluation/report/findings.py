"""What an evaluation says in words: the headline, its figures, and what the gain costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...hub.figures import value
from .evaluation_folder import EvaluationFolder, estimate


@dataclass(frozen=True)
class Finding:
    """One figure that matters: `label`, the figure itself, what it compares with, and what to make of it."""

    label: str
    figure: str
    beside: str
    note: str


@dataclass(frozen=True)
class Summary:
    """What was found about one model: a headline, a sentence with the gain, and the findings beside it."""

    model: str
    headline: str
    lead: str
    findings: list[Finding]


def summarise(evaluation: EvaluationFolder) -> list[Summary]:
    """A summary of each model against the base, or of every model by itself where nothing is compared."""
    compared = [name for name in evaluation.models if name in evaluation.section("comparisons")]
    if compared:
        return [_against_base(evaluation, name) for name in compared]
    alone = [name for name in evaluation.order if name not in evaluation.people] or evaluation.order
    return [_alone(evaluation, name) for name in alone]


def _against_base(evaluation: EvaluationFolder, model: str) -> Summary:
    comparison, base = evaluation.figures["comparisons"][model], evaluation.base
    human, reward = estimate(comparison, "p_human_gain"), estimate(comparison, "reward_gain")
    # Of the prompts that were compared: a system's own figures are over all, also those that it left unanswered.
    old, new = comparison["before"], comparison["after"]
    lead = (
        f"Over {comparison['n']} prompts, mean P(human) went from {number(old['p_human'])} to "
        f"{number(new['p_human'])}: {interval(human, signed=True)}. The reward, which also counts what the guards "
        f"take off, went from {number(old['reward'])} to {number(new['reward'])}: "
        f"{interval(reward, signed=True)}."
    )
    before, after = evaluation.system(base), evaluation.system(model)
    lead += _people(evaluation)
    shift = evaluation.section("shifts").get(model) or {}
    costs = [
        Finding(label, percent(after[key]), f"{base}: {percent(before.get(key))}", _change(before, after, key, worse))
        for key, label, worse in _COSTS
        if value(after.get(key)) is not None
    ]
    return Summary(model, _verdict(model, base, human, reward), lead, [_length(shift, before, after), *costs])


def _alone(evaluation: EvaluationFolder, model: str) -> Summary:
    system = evaluation.system(model)
    lead = (
        f"Over {system['n']} prompts, mean P(human) is {interval(system['p_human'])}; the reward, which also counts "
        f"what the guards take off, is {interval(system['reward'])}.{_people(evaluation, model)} Nothing was "
        "compared, so that this report cannot say whether that is a gain."
    )
    findings = [
        Finding(label, percent(system.get(key)), "", "")
        for key, label, _ in _COSTS
        if value(system.get(key)) is not None
    ]
    return Summary(model, f"{model} scores {number(system['p_human'])} for human-likeness", lead, findings)


_COSTS = (
    ("degenerate", "degenerate replies", "higher"),
    ("honest", "honest when asked", "lower"),
    ("questions", "replies that ask something", "lower"),
)


def _people(evaluation: EvaluationFolder, but: str | None = None) -> str:
    return "".join(
        f" {name[:1].upper()}{name[1:]} score {number(evaluation.system(name)['p_human'])} and earn "
        f"{number(evaluation.system(name)['reward'])} on the same scale."
        for name in evaluation.people
        if name != but
    )


def _verdict(model: str, base: str, human: Mapping[str, Any], reward: Mapping[str, Any]) -> str:
    more, earns = direction(human), direction(reward)
    if more == 0:
        return f"No clear difference in human-likeness between {model} and {base}"
    if more < 0:
        return f"{model} reads less human-like than {base}"
    return f"{model} reads more human-like than {base}" + {
        1: "",
        0: ", but does not clearly earn more once the guards have their say",
        -1: ", but earns less: the guards take more away than it gains",
    }.get(earns, "")


def direction(difference: Mapping[str, Any]) -> int:
    """1 if a difference is clearly above 0, -1 if it is clearly below, 0 if its interval holds 0 or is not known."""
    low, high = value(difference.get("low")), value(difference.get("high"))
    if low is None or high is None:
        return 0
    return int(low > 0) - int(high < 0)


def _length(shift: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> Finding:
    share = value(shift.get("length_share"))
    words = f"{number(before['words'], 1)} → {number(after['words'], 1)} words a reply"
    if share is None:
        return Finding("share of the gain that is length alone", "–", words, "no gain to share out, or not measured")
    note = "the rest is how it is said" if 0 <= share <= 1 else ""
    if share < 0:
        note = "below 0: length works against the gain"
    if share > 1:
        note = "above 100 %: all else works against the gain"
    return Finding("share of the gain that is length alone", percent(share), words, note)


def _change(before: Mapping[str, Any], after: Mapping[str, Any], key: str, worse: str) -> str:
    """Whether a share clearly moved: by intervals that do not touch, which is on the careful side."""
    old, new = estimate(before, key), estimate(after, key)
    if None in (*old.values(), *new.values()):
        return ""
    if new["low"] > old["high"]:
        return f"clearly higher{', worse' if worse == 'higher' else ', better'}"
    if new["high"] < old["low"]:
        return f"clearly lower{', worse' if worse == 'lower' else ', better'}"
    return "no clear change"


def number(figure: Any, digits: int = 2, signed: bool = False) -> str:
    """A figure as text without its interval; a dash if it was not measured."""
    known = value(figure)
    if known is None:
        return "–"
    known = round(known, digits) or 0.0  # no minus before a zero
    return f"{known:{'+' if signed and known else ''}.{digits}f}".replace("-", "−")


def percent(figure: Any) -> str:
    """A share as per cent; a dash if it was not measured."""
    known = value(figure)
    return "–" if known is None else f"{number(100 * known, 0)} %"


def interval(figure: Any, digits: int = 2, signed: bool = False) -> str:
    """A figure with its 95 % interval, if it has one."""
    text = number(figure, digits, signed)
    return f"{text} {bounds(figure, digits, signed)}".strip()


def bounds(figure: Any, digits: int = 2, signed: bool = False) -> str:
    """The interval alone, `[low, high]`; empty if there is none."""
    if not isinstance(figure, Mapping) or value(figure.get("low")) is None or value(figure.get("high")) is None:
        return ""
    return f"[{number(figure['low'], digits, signed)}, {number(figure['high'], digits, signed)}]"
