"""Results as JSON, which knows no `nan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd


def json_form(value: Any) -> Any:
    """Dataclasses as dicts, tables as dicts of rows, numbers as Python's, and `None` for what is not finite."""
    if is_dataclass(value):
        return {field.name: json_form(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, pd.DataFrame):
        return json_form(value.to_dict("index"))
    if isinstance(value, Mapping):
        return {str(key): json_form(entry) for key, entry in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return json_form(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [json_form(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
