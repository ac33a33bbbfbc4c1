"""`HALTraitConfig`: what a `HALTraitModel` is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transformers import PreTrainedConfig

from ..traits import HL32Q


class HALTraitConfig(PreTrainedConfig):
    """Configuration of a [`HALTraitModel`].

    Args:
        traits (`list[dict]`, *optional*, defaults to the 32 traits of `HL32Q`):
            The questionnaire, one `{"id", "statement", "group"}` per trait.
        n_buckets (`int`, *optional*, defaults to 32768): Buckets of the n-gram hash.
        max_chars (`int`, *optional*, defaults to 5): Longest character n-gram of the target's turns.
        max_words (`int`, *optional*, defaults to 2): Longest word n-gram, of the target's turns and of the context.
        context_scale (`float`, *optional*, defaults to 0.5): Length of the context vector beside the reply's of about
            1.
        evidence (`float`, *optional*, defaults to 5.0):
            Added (squared) under the root when an n-gram vector is scaled to length one. A text of a few characters
            says little, so its vector stays short and its ratings near the average.
        style_limit (`float`, *optional*, defaults to 3.0):
            Standardised surface statistics are cut at plus and minus this: ten emoji count no more than people's
            three.
        n_word_buckets (`int`, *optional*, defaults to 0):
            Buckets of a table for single words, learned in the vector space of an encoder, so that a word that was
            never rated is read like its neighbours. 0 for none.
        encoder (`dict`, *optional*): Config of a transformer encoder inside the model; `None` for none.
        encoder_layers (`Sequence[int]`, *optional*, defaults to `()`): Hidden states that are pooled.
        n_centers (`int`, *optional*, defaults to 0): Radial basis functions on the pooled states.
    """

    model_type = "hal_traits"

    def __init__(
        self,
        traits: list[dict[str, str]] | None = None,
        n_buckets: int = 2**15,
        max_chars: int = 5,
        max_words: int = 2,
        context_scale: float = 0.5,
        evidence: float = 5.0,
        style_limit: float = 3.0,
        n_word_buckets: int = 0,
        encoder: Mapping[str, object] | None = None,
        encoder_layers: Sequence[int] = (),
        n_centers: int = 0,
        **kwargs,
    ):
        self.traits = HL32Q.to_list() if traits is None else traits
        self.n_buckets = n_buckets
        self.max_chars = max_chars
        self.max_words = max_words
        self.context_scale = context_scale
        self.evidence = evidence
        self.style_limit = style_limit
        self.n_word_buckets = n_word_buckets
        self.encoder = None if encoder is None else dict(encoder)
        self.encoder_layers = list(encoder_layers)
        self.n_centers = n_centers
        super().__init__(**kwargs)
