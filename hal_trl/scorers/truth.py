"""Whether a row is a person's, however a table writes it."""

from __future__ import annotations

import numpy as np
import pandas as pd


_MEANING = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def read_truth(column: pd.Series, where: object) -> np.ndarray:
    """`is_human` as booleans, shape `(n,)`; also from 0 and 1, and from text, in which "false" is not true.

    Args:
        column (`pandas.Series`): The values.
        where (`Any`): Names the table in the error.

    Raises:
        `ValueError`: if a value is neither true nor false.
    """
    found = column.astype(object).map(lambda value: _MEANING.get(str(value).strip().lower()))
    unclear = column[found.isna()].unique()
    if len(unclear):
        shown = ", ".join(repr(value) for value in unclear[:5])
        raise ValueError(f"{where}: is_human must be true or false (or 1 or 0); it holds {shown}.")
    return found.to_numpy(dtype=bool)
