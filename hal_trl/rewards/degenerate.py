"""Which replies have gone wrong in form, by what the guards took from them."""

from __future__ import annotations

import numpy as np
import pandas as pd


def is_degenerate(frame: pd.DataFrame) -> np.ndarray:
    """Per row of [`~hal_trl.HALReward.explain`]: a guard of form takes at least half, or there is no reply.

    A lie, a reply to something else and a batch that asks nothing are faults of another kind, counted on their own.
    """
    penalties = frame.filter(regex="^guard/(?!(?:honesty|relevance|reciprocity)$)").to_numpy()
    return (penalties >= 0.5).any(axis=1) | frame["reward"].isna().to_numpy()
