"""`human_likeness` for `evaluate`; the measuring is in `hal_trl.evaluation.human_likeness`."""

import hal_trl.evaluation.human_likeness
import hal_trl.evaluation.reply_metric


class HumanLikeness(hal_trl.evaluation.reply_metric.ReplyMetric):
    """
    Args:
        predictions (`list` of `str` or chat messages): Replies; `None` where a model said nothing.
        prompts (`list` of `str` or chat messages, *optional*): One per reply.
        reward ([`HALReward`], *optional*, defaults to `HALReward()`): Scorer, score and guards that measure.

    Returns:
        `dict`: `n`; `p_human` (0-1), `log_odds` (nats) and `reward` (0-1), each with `_low` and `_high` (95 %);
        `degenerate` and `abstained` (shares, 0-1); `traits`: per trait id `mean` (1-5), `low`, `high`.
    """

    measure = staticmethod(hal_trl.evaluation.human_likeness.human_likeness)
    columns = ("predictions", "prompts")
