"""`HALTraitModel`: a local trait scorer that answers in a fraction of a millisecond."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from ..dialogue import Dialogue
from ..traits import HL32Q, LIKERT_MAX, LIKERT_MIN, TraitRatings, TraitSet
from .features import STYLE_NAMES, TextBatch, hashed_ngrams, style_statistics


class HALTraitConfig(PreTrainedConfig):
    """Configuration of a [`HALTraitModel`].

    Args:
        traits (`list[dict]`, *optional*, defaults to the 32 traits of `HL32Q`):
            The questionnaire, one `{"id", "statement", "group"}` per trait.
        n_buckets (`int`, *optional*, defaults to 32768): Buckets of the n-gram hash, a power of two.
        max_chars (`int`, *optional*, defaults to 5): Longest character n-gram of the target's turns.
        max_words (`int`, *optional*, defaults to 2): Longest word n-gram, of the target's turns and of the context.
        context_scale (`float`, *optional*, defaults to 0.5): Length of the context vector beside the reply's of about
        1. evidence (`float`, *optional*, defaults to 5.0):
            Added (squared) under the root when an n-gram vector is scaled to length one. A text of a few characters
            says little, so its vector stays short and its ratings near the average.
        style_limit (`float`, *optional*, defaults to 3.0):
            Standardised surface statistics are cut at plus and minus this: ten emoji count no more than people's
            three.
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
        **kwargs,
    ):
        self.traits = HL32Q.to_list() if traits is None else traits
        self.n_buckets = n_buckets
        self.max_chars = max_chars
        self.max_words = max_words
        self.context_scale = context_scale
        self.evidence = evidence
        self.style_limit = style_limit
        super().__init__(**kwargs)


class SparseText(NamedTuple):
    """Hashed n-grams of a batch in `embedding_bag` form: `weight[offset[i]:offset[i + 1]]` belongs to text `i`."""

    bucket: torch.Tensor
    weight: torch.Tensor
    offset: torch.Tensor


class TraitInputs(NamedTuple):
    """What [`HALTraitModel`] computes ratings from.

    Args:
        reply ([`SparseText`]): n-grams of the target's turns.
        context ([`SparseText`]): Word n-grams of everything else.
        style (`torch.Tensor` of shape `(n, len(STYLE_NAMES))`): Surface statistics, not yet standardised.
        turns (`torch.Tensor` of shape `(n,)`): Number of non-empty target turns, at least 1.
    """

    reply: SparseText
    context: SparseText
    style: torch.Tensor
    turns: torch.Tensor


class HALTraitModel(PreTrainedModel):
    """Rates dialogues on the traits of its config, from n-grams and surface statistics, with linear readouts.

    One table gives every n-gram bucket two rows of trait weights: one read for dialogues and one for single replies,
    blended by `1 / number of target turns`. A dialogue and one reply out of it look different (length, variety, how
    much can show at all), and trainers score single replies.

    Example:
        ```python
        >>> from hal_trl import Dialogue, HALTraitModel
        >>> from hal_trl.likeness import BUNDLED_SCORER
        >>> scorer = HALTraitModel.from_pretrained(BUNDLED_SCORER)
        >>> scorer.score([Dialogue.from_completion("what's up?", "nm just chillin lol")]).shape
        (1, 32)
        ```
    """

    config_class = HALTraitConfig
    base_model_prefix = "hal_traits"
    main_input_name = "style"
    _no_split_modules = ()

    def __init__(self, config: HALTraitConfig):
        super().__init__(config)
        n_traits, n_style = len(config.traits), len(STYLE_NAMES)
        self._traits = TraitSet.from_list(config.traits)
        # Persistent buffers and parameters only: transformers loads anything else as uninitialised memory.
        self.table = nn.Parameter(torch.zeros(config.n_buckets, 2 * n_traits))
        self.style_weight = nn.Parameter(torch.zeros(n_style, 2 * n_traits))
        self.bias = nn.Parameter(torch.full((2 * n_traits,), 3.0))
        self.register_buffer("reply_idf", torch.ones(config.n_buckets))
        self.register_buffer("context_idf", torch.ones(config.n_buckets))
        self.register_buffer("style_mean", torch.zeros(n_style))
        self.register_buffer("style_scale", torch.ones(n_style))
        self.post_init()
        self.eval()

    def _init_weights(self, module: nn.Module) -> None:
        """Zeros already say "no evidence, rate 3"; training fills them in."""

    @property
    def traits(self) -> TraitSet:
        """The traits rated, in the order of the columns of `score`."""
        return self._traits

    def featurize(self, dialogues: Sequence[Dialogue]) -> TraitInputs:
        """Inputs of `forward` for some dialogues."""
        config = self.config
        spoken = [[text for text in d.target_texts if text.strip()] or [""] for d in dialogues]
        replies = TextBatch.from_turns(spoken)
        contexts = TextBatch.from_turns([d.context_texts for d in dialogues])
        return TraitInputs(
            self._sparse(replies, self.reply_idf, config.max_chars, "reply"),
            self._sparse(contexts, self.context_idf, 0, "context"),
            torch.from_numpy(style_statistics(dialogues, replies)).float().to(self.device),
            torch.tensor([len(turns) for turns in spoken], dtype=torch.float32, device=self.device),
        )

    def _sparse(self, batch: TextBatch, idf: torch.Tensor, max_chars: int, field: str) -> SparseText:
        document, bucket, weight = hashed_ngrams(batch, self.config.n_buckets, max_chars, self.config.max_words, field)
        weight = weight * idf.cpu().numpy()[bucket]
        squares = np.bincount(document, weight**2, minlength=batch.size)
        weight /= np.sqrt(squares + self.config.evidence**2)[document]
        offset = np.searchsorted(document, np.arange(batch.size))
        arrays = (bucket, weight.astype(np.float32), offset)
        return SparseText(*(torch.from_numpy(array).to(self.device) for array in arrays))

    def standardize(self, style: torch.Tensor) -> torch.Tensor:
        """Surface statistics in units of people's and AI's spread, limited, on the scale of an n-gram vector."""
        limit = self.config.style_limit
        return ((style - self.style_mean) / self.style_scale).clamp(-limit, limit) / len(STYLE_NAMES) ** 0.5

    def forward(
        self, reply: SparseText, context: SparseText, style: torch.Tensor, turns: torch.Tensor
    ) -> torch.Tensor:
        """Ratings of shape `(n, len(traits))`, within 1-5, from the fields of [`TraitInputs`]."""
        both = self.bias + self.standardize(style) @ self.style_weight
        for text, scale in ((reply, 1.0), (context, self.config.context_scale)):
            both = both + scale * F.embedding_bag(
                text.bucket, self.table, text.offset, mode="sum", per_sample_weights=text.weight
            )
        of_dialogue, of_reply = both.chunk(2, dim=1)
        single = 1.0 / turns[:, None]
        return (single * of_reply + (1.0 - single) * of_dialogue).clamp(LIKERT_MIN, LIKERT_MAX)

    @torch.inference_mode()
    def score(self, dialogues: Sequence[Dialogue]) -> TraitRatings:
        """Rate the target speaker of each dialogue.

        Args:
            dialogues (`Sequence[Dialogue]`): What to rate; any number, any length.

        Returns:
            [`TraitRatings`] of shape `(n, len(traits))`, Likert 1-5, `nan` where the target says nothing at all.
        """
        if not len(dialogues):
            return TraitRatings(np.empty((0, len(self.traits))), self.traits)
        ratings = self(*self.featurize(dialogues)).cpu().double().numpy()
        ratings[[not any(text.strip() for text in d.target_texts) for d in dialogues]] = np.nan
        return TraitRatings(ratings, self.traits)

    def save_pretrained(self, save_directory: str | Path, **kwargs) -> None:
        """Write config and weights; the weights as half precision, which is what `round_weights` made of them."""
        state = {name: tensor.half().contiguous() for name, tensor in self.state_dict().items()}
        with _no_progress_bar():
            super().save_pretrained(save_directory, state_dict=state, **kwargs)

    @torch.no_grad()
    def round_weights(self) -> HALTraitModel:
        """Round every weight to half precision, so that a model scores the same before and after it is saved."""
        for tensor in self.state_dict().values():
            tensor.copy_(tensor.half())
        return self

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *args, **kwargs) -> HALTraitModel:
        """Load from a folder or a Hub repository, as any transformers model; strict where transformers is lenient.

        Raises:
            `FileNotFoundError`: if a folder given as a path does not exist.
            `ValueError`: if the weights are damaged or do not belong to the config.
        """
        folder = Path(pretrained_model_name_or_path)
        if not folder.exists() and (isinstance(pretrained_model_name_or_path, Path) or folder.is_absolute()):
            raise FileNotFoundError(f"No trait scorer at {folder}: the folder does not exist.")
        with_info = kwargs.pop("output_loading_info", False)
        kwargs.setdefault("dtype", torch.float32)  # stored as half, computed as float
        try:
            with _no_progress_bar():
                model, info = super().from_pretrained(
                    pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs
                )
        except OSError:
            raise  # not there, no network, no access: transformers says which
        except Exception as error:
            raise ValueError(_damaged(pretrained_model_name_or_path, error)) from error
        wrong = sorted({*info["missing_keys"], *info["unexpected_keys"], *map(str, info["mismatched_keys"])})
        if wrong:
            raise ValueError(
                _damaged(pretrained_model_name_or_path, f"keys missing, unknown or of another shape: {wrong}")
            )
        if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
            raise ValueError(_damaged(pretrained_model_name_or_path, "some weights are not finite"))
        return (model, info) if with_info else model


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Seven small tensors need no bar every time a reward is made."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _damaged(source: str | Path, reason: object) -> str:
    return (
        f"The trait scorer at {source} cannot be loaded ({reason}). Download it again, or reinstall hal-trl if "
        f"it is the "
        "bundled one."
    )


AutoConfig.register(HALTraitConfig.model_type, HALTraitConfig)
AutoModel.register(HALTraitConfig, HALTraitModel)
