"""`turing_pairwise` for `evaluate`; the measuring is in `hal_trl.evaluation.turing_pairwise`."""

import hal_trl.evaluation.reply_metric
import hal_trl.evaluation.turing_pairwise


class TuringPairwise(hal_trl.evaluation.reply_metric.ReplyMetric):
    """
    Args:
        predictions (`list` of `str` or chat messages): The model's replies; `None` where it said nothing.
        references (`list` of `str` or chat messages): People's replies to the same prompts.
        prompts (`list` of `str` or chat messages, *optional*): One per pair.
        reward ([`HALReward`], *optional*, defaults to `HALReward()`): Scorer, score and guards that judge.

    Returns:
        `dict`: `n` pairs; `win_rate` and `win_rate_unguarded` (0-1, 0.5 is indistinguishable), each with `_low` and
        `_high` (95 %); `ties` and `abstained` (shares, 0-1).
    """

    measure = staticmethod(hal_trl.evaluation.turing_pairwise.turing_pairwise)
    columns = ("predictions", "references", "prompts")
