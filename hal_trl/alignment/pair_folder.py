"""Preference pairs as a folder that `datasets.load_dataset` and `hal-trl dpo` read, with a card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from ..hub import render_card
from ..whole_file import draft_of, read_json, write_json
from .pairs import PairReport


_SETTINGS_FILE = "pairs.json"


def write_pairs(pairs: pd.DataFrame, report: PairReport, settings: Mapping[str, object], folder: str | Path) -> None:
    """Write `data/<split>-<hash>.parquet`, `README.md` and, for `hal.json` of what is trained on them, `pairs.json`.

    The hash is of the content: `datasets` keeps what it has read of a folder under the folder's and the files' names,
    and would give the pairs of before for new ones under the same names.

    Args:
        pairs (`pandas.DataFrame`): As [`~hal_trl.alignment.pairs.make_pairs`] returns it.
        report ([`~hal_trl.alignment.pairs.PairReport`]): Its figures, for the card.
        settings (`Mapping`): What else made the pairs, for the card and for `pairs.json`.
        folder (`str` or `Path`): Where to.
    """
    from huggingface_hub import DatasetCardData

    folder = Path(folder)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    splits = [split for split in ("train", "test") if (pairs["split"] == split).any()]
    digest = hashlib.sha256(pairs.to_json(orient="records").encode()).hexdigest()[:12]
    names = {split: f"data/{split}-{digest}.parquet" for split in splits}
    for split, name in names.items():
        with draft_of(folder / name) as draft:
            pairs[pairs["split"] == split].drop(columns="split").to_parquet(draft, index=False)
    for path in (folder / "data").glob("*.parquet"):
        if f"data/{path.name}" not in names.values():
            path.unlink()  # of a run before
    files = [{"split": split, "path": name} for split, name in names.items()]
    data = DatasetCardData(
        language="en",
        task_categories=["text-generation"],
        tags=["hal_trl", "trl", "dpo", "preference", "human-likeness"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    figures = {
        name.replace("_", " "): f"{figure:.3f}" if isinstance(figure, float) else figure
        for name, figure in asdict(report).items()
    }
    figures |= {f"pairs in {split}": int((pairs["split"] == split).sum()) for split in splits}
    card = render_card(data, "pairs_card.md", name=folder.name, figures=figures, settings=settings)
    (folder / "README.md").write_text(card, encoding="utf-8")
    write_json(folder / _SETTINGS_FILE, dict(settings))


def pair_settings(folder: str | Path) -> dict[str, object] | None:
    """What made the pairs in a folder of [`write_pairs`], the reward that chose among them; `None` for other data."""
    path = Path(folder) / _SETTINGS_FILE
    return read_json(path) if path.is_file() else None
