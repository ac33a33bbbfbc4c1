"""A report: one HTML file that opens from disk, and its figures as PNG and SVG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...hub.figures import value
from ...whole_file import draft_of
from .evaluation_folder import EvaluationFolder
from .examples import best_and_worst, shortened
from .explained import Explained, explain_reply
from .figure import inline_svg, new_figure, save, styled
from .findings import Summary, number, summarise
from .plots import plot_distributions, plot_length, plot_shift, plot_training, plot_waterfall
from .tables import Table, capability_table, guard_table, provenance, system_table, trait_table


if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

    from ...rewards import HALReward

REPORT_FILE, PLOTS_FOLDER = "report.html", "plots"


def write_report(
    folder: str | Path, reward: HALReward | None = None, system: str | None = None, reply: int | None = None
) -> Path:
    """Write `report.html` and `plots/` into a folder of `hal-trl evaluate`.

    The page needs no network and runs no script; what models and people wrote is text in it, never markup.

    Args:
        folder (`str` or `Path`): With `evaluation.json` and `replies.parquet`.
        reward ([`HALReward`], *optional*, defaults to `HALReward()`): The reward of the evaluation; rates one reply
            anew to find the words it hangs on. Where it gives that reply another score than the evaluation, no word
            is highlighted and the page says so.
        system (`str`, *optional*, defaults to the first model beside the base): Whose replies are shown.
        reply (`int`, *optional*, defaults to the one with the median reward): Which of its replies is taken apart: the
            number of the prompt, from 1.

    Returns:
        `Path`: of `report.html`.

    Raises:
        `FileNotFoundError`: if there is no evaluation in the folder.
        `ImportError`: if matplotlib is not installed.
        `ValueError`: if the evaluation cannot be read, or has no such system or reply.

    Example:
        ```python
        >>> from hal_trl.evaluation.report import write_report
        >>> write_report("runs/x")  # doctest: +SKIP
        PosixPath('runs/x/report.html')
        ```
    """
    folder = Path(folder)
    evaluation = EvaluationFolder.read(folder)
    if system is not None and system not in evaluation.order:
        raise ValueError(f"There is no system {system!r} in {folder}; choose one of {', '.join(evaluation.order)}.")
    new_figure(1.0)  # says at once if matplotlib is missing
    (folder / PLOTS_FOLDER).mkdir(exist_ok=True)
    page = _page(evaluation, _Plates(folder / PLOTS_FOLDER), reward, system, reply)
    with draft_of(folder / REPORT_FILE) as draft:
        draft.write_text(page, encoding="utf-8", errors="replace")
    return folder / REPORT_FILE


@dataclass(frozen=True)
class Plate:
    """A figure in the page: its number and the drawing."""

    number: int
    svg: Markup


class _Plates:
    """Saves figures and counts them."""

    def __init__(self, folder: Path):
        self.folder, self.count = folder, 0

    def add(self, name: str, description: str, draw: Any, *args: Any) -> Plate | None:
        import matplotlib

        with matplotlib.rc_context(styled()):
            figure: Figure | None = draw(*args)
            if figure is None:
                return None
            self.count += 1
            save(figure, self.folder, name)
            return Plate(self.count, inline_svg(figure, name, description))


def _page(
    evaluation: EvaluationFolder, plates: _Plates, reward: HALReward | None, system: str | None, reply: int | None
) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(number=number, shortened=shortened)
    summaries = summarise(evaluation)
    model = system or summaries[0].model
    best, worst = best_and_worst(evaluation, model)
    explained = explain_reply(evaluation, model, reward, reply)
    return environment.get_template("report.html.j2").render(
        style=(Path(__file__).parent / "style.css").read_text(encoding="utf-8"),
        base=evaluation.base,
        heading=_heading(evaluation, summaries),
        summaries=summaries,
        model=model,
        honesty=str(evaluation.section("reward").get("honesty guard", "")),
        systems=system_table(evaluation),
        guards=guard_table(evaluation),
        capability=capability_table(evaluation),
        provenance=provenance(evaluation),
        best=best,
        worst=worst,
        explained=explained,
        # Figures are numbered in this order, which is that of the page.
        distributions=plates.add("distributions", _scores(evaluation), plot_distributions, evaluation),
        shifts=[_shift(evaluation, plates, name, i) for i, name in enumerate(_shifted(evaluation), 1)],
        waterfall=explained and plates.add("waterfall", _steps(explained), plot_waterfall, explained.waterfall),
        length=plates.add("length", "Words a reply against log-odds, one panel per system.", plot_length, evaluation),
        training=plates.add("training", "Curves over training steps.", plot_training, evaluation.section("history")),
    )


def _heading(evaluation: EvaluationFolder, summaries: list[Summary]) -> str:
    if len(summaries) == 1:
        return summaries[0].headline
    return f"Human-likeness of {len(summaries)} models" + (f" against {evaluation.base}" if evaluation.models else "")


def _shifted(evaluation: EvaluationFolder) -> list[str]:
    shifts = evaluation.section("shifts")
    return [name for name in evaluation.models if (shifts.get(name) or {}).get("traits")]


def _shift(evaluation: EvaluationFolder, plates: _Plates, model: str, i: int) -> tuple[str, Plate, Table]:
    table = trait_table(evaluation, model)
    most = ", ".join(f"{row.name} {row.cells[0][0]}" for row in table.rows[:5])
    description = f"Change of each trait from {evaluation.base} to {model}; the largest effects: {most}."
    plate = plates.add("shift" if i == 1 else f"shift-{i}", description, plot_shift, evaluation, model)
    return model, plate, table


def _scores(evaluation: EvaluationFolder) -> str:
    means = (
        f"{name} {number(value(evaluation.rows(name)['log_odds'].mean()))} and "
        f"{number(value(evaluation.rows(name)['reward'].mean()))}"
        for name in evaluation.order
    )
    return f"Histograms per system; mean log-odds and mean reward: {'; '.join(means)}."


def _steps(explained: Explained) -> str:
    steps = ", ".join(f"{name} {number(step, signed=True)}" for name, step in explained.waterfall.steps)
    start, total = (number(x, signed=True) for x in (explained.waterfall.start, explained.waterfall.total))
    return f"From {start} for an average person, {steps}, to {total} for this reply."
