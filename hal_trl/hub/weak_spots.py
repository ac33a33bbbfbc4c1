"""What a scorer is bad at, read off its evaluation: nobody types the limits of a model card."""

from __future__ import annotations

from collections.abc import Mapping

from .figures import comparison, pairwise, value, written


_WEAK_SPEARMAN = 0.5
_WEAK_CALIBRATION = 0.1

_PARTS = {
    "agreement": "agreement with the judges",
    "told_apart": "telling people from AI",
    "leave_one_ai_out": "AIs unseen in training",
    "leave_one_style_out": "prompt styles unseen in training",
    "calibration": "calibration of P(human)",
    "doctor_dialogues": "talk other than the games'",
    "reference": "other scorers to compare with",
}


def weak_spots(evaluation: Mapping[str, object]) -> list[str]:
    """Every weak spot in the figures, one plain sentence each; what was not measured is named last.

    Args:
        evaluation (`Mapping`): Content of an `evaluation.json`; any section may be absent.
    """
    spots = [
        *_unseen(evaluation.get("leave_one_ai_out"), "AIs"),
        *_unseen(evaluation.get("leave_one_style_out"), "prompt styles"),
        *_told_apart(evaluation.get("told_apart") or {}),
        *_traits(evaluation),
        *_calibration(evaluation.get("calibration") or {}),
        *_outdone(evaluation),
    ]
    missing = [name for part, name in _PARTS.items() if not evaluation.get(part)]
    if missing:
        spots.append(f"Not measured: {', '.join(missing)}.")
    return spots


def _unseen(rows: Mapping[str, Mapping[str, object]] | None, what: str) -> list[str]:
    told = pairwise(rows)
    if not told:
        return []
    worst = min(told, key=told.get)
    mean = sum(told.values()) / len(told)
    spots = [
        f"Of the {what} that were in no training game, {worst} is told from people worst: "
        f"{written(rows[worst]['pairwise'])} of pairs (mean over {len(told)}: {mean:.3f})."
    ]
    chance = [f"{name} {told[name]:.3f}" for name in sorted(told, key=told.get) if told[name] < 0.5]
    if chance:
        spots.append(f"{what[0].upper()}{what[1:]} taken for people more often than people are: {', '.join(chance)}.")
    return spots


def _told_apart(rows: Mapping[str, Mapping[str, object]]) -> list[str]:
    told, spots = pairwise(rows), []
    if "unrated games" in told and "rated games" in told and told["unrated games"] < told["rated games"]:
        spots.append(
            f"Games that the judges did not rate are harder: {written(rows['unrated games']['pairwise'])} of pairs, "
            f"against {written(rows['rated games']['pairwise'])} with ratings."
        )
    if "single replies" in told and "all games" in told and told["single replies"] < told["all games"]:
        spots.append(
            "Single replies are told apart less reliably than whole dialogues: "
            f"{written(rows['single replies']['pairwise'])} of pairs against {written(rows['all games']['pairwise'])}."
        )
    contrast = (rows.get("contrast replies") or {}).get("auc")
    if value(contrast) is not None:
        spots.append(
            f"Replies of an AI unlike those of the games are told from people's with an AUC of {written(contrast)}."
        )
    return spots


def _traits(evaluation: Mapping[str, object]) -> list[str]:
    agreement, spots = evaluation.get("agreement") or {}, []
    spearman = {trait: value(row.get("spearman")) for trait, row in (agreement.get("per_trait") or {}).items()}
    weak = {trait: number for trait, number in spearman.items() if number is not None and number < _WEAK_SPEARMAN}
    if weak:
        listed = ", ".join(f"{trait} {weak[trait]:.2f}" for trait in sorted(weak, key=weak.get))
        spots.append(
            f"Traits on which it agrees with the judge only loosely (Spearman below {_WEAK_SPEARMAN}): {listed}."
        )
    there, here = (
        value((evaluation.get("doctor_dialogues") or {}).get("spearman")),
        value(agreement.get("spearman_hl16q")),
    )
    if there is not None and here is not None and there < here:
        spots.append(
            f"On other talk than the games (generated doctor's visits) the agreement falls from {here:.3f} to "
            f"{written(evaluation['doctor_dialogues']['spearman'])}."
        )
    return spots


def _calibration(calibration: Mapping[str, object]) -> list[str]:
    off = [
        f"{row['predicted']:.2f} where {row['observed']:.2f} are people's (n = {row['n']:,})"
        for row in calibration.get("reliability") or []
        if value(row.get("predicted")) is not None
        and value(row.get("observed")) is not None
        and abs(row["predicted"] - row["observed"]) > _WEAK_CALIBRATION
    ]
    return [f"P(human) is off by more than {_WEAK_CALIBRATION}: it says {'; '.join(off)}."] if off else []


def _outdone(evaluation: Mapping[str, object]) -> list[str]:
    names, (own, *others) = comparison(evaluation)
    better = []
    for i, name in enumerate(names, start=1):
        rivals = [row for row in others if row[i] is not None and own[i] is not None and row[i] > own[i]]
        if rivals:
            best = max(rivals, key=lambda row: row[i])
            better.append(f"{name} ({best[0]} {best[i]:.3f}, here {own[i]:.3f})")
    return [f"Something else is better at: {'; '.join(better)}."] if better else []
