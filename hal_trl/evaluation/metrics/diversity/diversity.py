"""`diversity` for `evaluate`; the measuring is in `hal_trl.evaluation.diversity`."""

import hal_trl.evaluation.diversity
import hal_trl.evaluation.reply_metric


class Diversity(hal_trl.evaluation.reply_metric.ReplyMetric):
    """
    Args:
        predictions (`list` of `str` or chat messages): Replies; `None` where a model said nothing.
        prompts (`list` of `str` or chat messages, *optional*, defaults to a different one per reply): One per reply.

    Returns:
        `dict`: `n`; `distinct_1`, `distinct_2`, `distinct_3`, `self_bleu`, `repeated` and `abstained` (all 0-1);
        `words` a reply.
    """

    measure = staticmethod(hal_trl.evaluation.diversity.diversity)
    columns = ("predictions", "prompts")
