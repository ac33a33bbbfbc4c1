"""`trait_shift` for `evaluate`; the measuring is in `hal_trl.evaluation.trait_shift`."""

import hal_trl.evaluation.reply_metric
import hal_trl.evaluation.trait_shift


class TraitShift(hal_trl.evaluation.reply_metric.ReplyMetric):
    """
    Args:
        predictions (`list` of `str` or chat messages): Replies after; `None` where a model said nothing.
        references (`list` of `str` or chat messages): Replies before, to the same prompts.
        prompts (`list` of `str` or chat messages, *optional*): One per pair.
        reward ([`HALReward`], *optional*, defaults to `HALReward()`): Its scorer and score measure.

    Returns:
        `dict`: `n` pairs; `gain`, `gain_by_length`, `gain_beyond_length` (nats) and `words`, each with `_low` and
        `_high` (95 %); `length_share`; `abstained` (share, 0-1); `traits`: per trait id `difference` (-4 to 4), `low`,
        `high`, `cliffs_delta` (-1 to 1), `p`, `p_adjusted`.
    """

    measure = staticmethod(hal_trl.evaluation.trait_shift.trait_shift)
    columns = ("predictions", "references", "prompts")
