"""The Parquet file of a stage: read with the columns that it must have, or refused with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from .pairs import with_pair_id


def read_stage(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The table in `path`; the released data call `pair_id` `game_id`.

    Raises:
        `ValueError`: if it is no Parquet file or lacks a column.
    """
    try:
        frame = with_pair_id(pd.read_parquet(path))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} is no Parquet file ({error}). Delete it, and its stage is done again from the answers that were "
            "kept; or put another there."
        ) from error
    missing = [c for c in columns if c not in frame]
    if missing:
        raise ValueError(f"{path} lacks the columns {missing}; it has {list(frame.columns)}.")
    return frame
