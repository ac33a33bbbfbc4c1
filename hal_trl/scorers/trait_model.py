"""`HALTraitModel`: a local trait scorer that answers in a fraction of a millisecond."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from ..dialogue import Dialogue
from ..hub import EVALUATION_FILE, card_of_folder, download, full_repo_id, read_json, upload
from ..likeness import FILE_NAME as LIKENESS_FILE
from ..likeness import HumanLikenessScore
from ..traits import LIKERT_MAX, LIKERT_MIN, TraitRatings, TraitSet
from .encoder import embed
from .features import Field, TextBatch, hashed_ngrams
from .style import STYLE_NAMES, style_statistics
from .trait_config import HALTraitConfig


if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

_HUB_ARGUMENTS = ("revision", "token", "cache_dir", "local_files_only", "force_download")
_PUSH_ARGUMENTS = ("repo_id", "private", "token", "revision", "commit_message", "create_pr")


WORD_FIELD = "word"
EQUATING_POINTS = 33
_AT_ONCE = 512  # dialogues; more would not fit the processor's cache, and take half as long again


class SparseText(NamedTuple):
    """Hashed n-grams of a batch in `embedding_bag` form: `weight[offset[i]:offset[i + 1]]` belongs to text `i`."""

    bucket: torch.Tensor
    weight: torch.Tensor
    offset: torch.Tensor


class TraitInputs(NamedTuple):
    """What [`HALTraitModel`] computes ratings from.

    Args:
        ngrams ([`SparseText`]): Of the target's turns in each dialogue, and after them those (of words only) of what
            else was said, once where several dialogues share it.
        heard (`torch.Tensor` of shape `(n,)`): Which of these contexts is that of each dialogue.
        words ([`SparseText`]): Single words of the target's turns; empty without a table for them.
        style (`torch.Tensor` of shape `(n, len(STYLE_NAMES))`): Surface statistics, not yet standardised.
        states (`torch.Tensor` of shape `(n, d)`): Pooled states of the encoder; `d` is 0 without one.
        turns (`torch.Tensor` of shape `(n,)`): Number of non-empty target turns, at least 1.
    """

    ngrams: SparseText
    heard: torch.Tensor
    words: SparseText
    style: torch.Tensor
    states: torch.Tensor
    turns: torch.Tensor

    def to(self, device: torch.device) -> TraitInputs:
        """The same on another device."""

        def moved(part: SparseText | torch.Tensor) -> SparseText | torch.Tensor:
            return SparseText(*map(moved, part)) if isinstance(part, SparseText) else part.to(device)

        return TraitInputs(*map(moved, self))


class HALTraitModel(PreTrainedModel):
    """Rates dialogues on the traits of its config, with linear readouts of features of the text.

    The features: hashed n-grams and surface statistics, both aware of case and punctuation; with `n_word_buckets`,
    single words; with an `encoder`, radial basis functions of its pooled hidden states. Every feature has two rows of
    trait weights, one read for dialogues and one for single replies, blended by `1 / number of target turns`. A
    dialogue and one reply out of it look different (length, variety, how much can show at all), and trainers score
    single replies.

    On some traits what is read of a dialogue goes through a rising curve that gives ratings the spread the teacher's
    have (equipercentile equating): least squares alone would rate all near the average. Single replies go through a
    straight line instead, in which no difference is lost.

    A scorer carries the score that was fitted on its ratings and the figures it reached, and saves, loads and
    publishes them with its weights: `likeness` ([`HumanLikenessScore`], `None` on a new model) and `evaluation`
    (`dict`, the content of `evaluation.json`, `None` if nothing was measured).

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
        likert = torch.linspace(LIKERT_MIN, LIKERT_MAX, EQUATING_POINTS).repeat(n_traits, 1)
        self.register_buffer("equate_from", likert.clone())
        self.register_buffer("equate_to", likert)
        self.register_buffer("equate_line", torch.stack([torch.ones(n_traits), torch.zeros(n_traits)]))
        if config.n_word_buckets:
            self.word_table = nn.Parameter(torch.zeros(config.n_word_buckets, 2 * n_traits))
            self.register_buffer("word_idf", torch.ones(config.n_word_buckets))
        self.encoder: PreTrainedModel | None = None
        self.tokenizer: PreTrainedTokenizerBase | None = None
        if config.encoder is not None:
            options = dict(config.encoder)
            self.encoder = AutoModel.from_config(AutoConfig.for_model(options.pop("model_type"), **options))
            self.encoder.requires_grad_(False)
            n_states = (len(config.encoder_layers) + 1) * self.encoder.config.hidden_size
            self.center_weight = nn.Parameter(torch.zeros(config.n_centers, 2 * n_traits))
            self.register_buffer("centers", torch.zeros(config.n_centers, n_states))
            self.register_buffer("state_mean", torch.zeros(n_states))
            self.register_buffer("state_scale", torch.ones(n_states))
        self.likeness: HumanLikenessScore | None = None
        self.evaluation: dict[str, object] | None = None
        self.commit: str | None = None  # of the Hub repository it was loaded from
        self.post_init()
        self.eval()

    def _init_weights(self, module: nn.Module) -> None:
        """Zeros already say "no evidence, rate 3"; training fills them in."""

    @property
    def traits(self) -> TraitSet:
        """The traits rated, in the order of the columns of `score`."""
        return self._traits

    def featurize(self, dialogues: Sequence[Dialogue], states: torch.Tensor | None = None) -> TraitInputs:
        """Inputs of `forward` for some dialogues; `states` are the encoder's, where they are known already."""
        config, device = self.config, self.device
        spoken = [[text for text in d.target_texts if text.strip()] or [""] for d in dialogues]
        asked = [d.context_texts for d in dialogues]
        place = {context: i for i, context in enumerate(dict.fromkeys(asked))}  # a group shares its prompt
        heard = np.array([place[context] for context in asked])
        replies, contexts = TextBatch.from_turns([*spoken, *place]).split(len(spoken))
        if states is None:
            states = torch.zeros(len(dialogues), 0)
            if self.encoder is not None:
                states = embed(self.encoder, self._the_tokenizer(), dialogues, config.encoder_layers)
        ngrams, words = self._ngrams(replies, contexts)
        inputs = TraitInputs(
            ngrams,
            torch.from_numpy(heard),
            words,
            torch.from_numpy(style_statistics(replies, contexts, heard)).float(),
            states,
            torch.tensor([len(turns) for turns in spoken], dtype=torch.float32),
        )
        return inputs if device.type == "cpu" else inputs.to(device)

    def _ngrams(self, replies: TextBatch, contexts: TextBatch) -> tuple[SparseText, SparseText]:
        """Weighted n-grams of replies, then contexts, and the single words of the replies."""
        config = self.config
        fields = [
            (replies, Field("reply", config.n_buckets, config.max_chars, config.max_words), self.reply_idf),
            (contexts, Field("context", config.n_buckets, 0, config.max_words), self.context_idf),
        ]
        if config.n_word_buckets:
            fields.append((replies, Field(WORD_FIELD, config.n_word_buckets, 0, 1), self.word_idf))
        document, bucket, count = hashed_ngrams(*[(batch, field) for batch, field, _ in fields])
        n_texts = np.cumsum([0, *(batch.size for batch, _, _ in fields)])
        offset = np.searchsorted(document, np.arange(n_texts[-1] + 1))
        parts = [slice(*offset[n_texts[i : i + 2]]) for i in range(len(fields))]
        weight = np.concatenate(
            [idf.cpu().numpy()[bucket[part]] for (_, _, idf), part in zip(fields, parts, strict=True)]
        )
        several = np.flatnonzero(count > 1)
        weight[several] *= 1.0 + np.log(count[several])
        squares = np.add.reduceat(np.append(weight * weight, np.float32(0)), offset[:-1])
        squares[offset[1:] == offset[:-1]] = 0
        weight /= np.sqrt(squares + np.float32(config.evidence**2))[document]
        end = parts[1].stop  # of what the contexts have; the words come after it
        ngrams = bucket[:end], weight[:end], offset[: n_texts[2]]
        words = bucket[end:], weight[end:], offset[n_texts[2] : -1] - end
        return SparseText(*map(torch.from_numpy, ngrams)), SparseText(*map(torch.from_numpy, words))

    def _the_tokenizer(self) -> PreTrainedTokenizerBase:
        if self.tokenizer is None:
            raise ValueError("This scorer's encoder has no tokenizer; load the model with from_pretrained.")
        return self.tokenizer

    def standardize(self, style: torch.Tensor) -> torch.Tensor:
        """Surface statistics in units of people's and AI's spread, limited, on the scale of an n-gram vector."""
        limit = self.config.style_limit
        return ((style - self.style_mean) / self.style_scale).clamp(-limit, limit) / len(STYLE_NAMES) ** 0.5

    def near_centers(self, states: torch.Tensor) -> torch.Tensor:
        """Radial basis functions `exp(-distance^2)` of pooled states, shape `(n, n_centers)`."""
        points = (states - self.state_mean) / self.state_scale / states.shape[1] ** 0.5
        return torch.exp(-torch.cdist(points, self.centers).square())

    def forward(
        self,
        ngrams: SparseText,
        heard: torch.Tensor,
        words: SparseText,
        style: torch.Tensor,
        states: torch.Tensor,
        turns: torch.Tensor,
    ) -> torch.Tensor:
        """Ratings of shape `(n, len(traits))`, within 1-5, from the fields of [`TraitInputs`]."""
        inputs, is_single = TraitInputs(ngrams, heard, words, style, states, turns), turns == 1
        if is_single.all():  # as from a trainer: what is read for dialogues is not needed
            return self.equate(self._readings(inputs, of_replies=True), is_single)
        of_dialogue, of_reply = self._readings(inputs).chunk(2, dim=1)
        single = 1.0 / turns[:, None]
        return self.equate(single * of_reply + (1.0 - single) * of_dialogue, is_single)

    def _readings(self, inputs: TraitInputs, of_replies: bool = False) -> torch.Tensor:
        """Shape `(n, 2 * len(traits))`, for dialogues and for replies, or with `of_replies` the second half."""
        first = len(self.traits) if of_replies else 0

        def bag(text: SparseText, table: torch.Tensor) -> torch.Tensor:
            if of_replies:  # in a table of half rows, those for replies are the odd ones
                text, table = text._replace(bucket=(2 * text.bucket).add_(1)), table.view(-1, first)
            return F.embedding_bag(text.bucket, table, text.offset, mode="sum", per_sample_weights=text.weight)

        # Not addmm, whose sums are rounded otherwise for other batch sizes: equal replies would not tie.
        readings = self.bias[first:] + self.standardize(inputs.style) @ self.style_weight[:, first:]
        of_ngrams, n = bag(inputs.ngrams, self.table), len(inputs.style)
        readings = readings + of_ngrams[:n] + self.config.context_scale * of_ngrams[n:][inputs.heard]
        if self.config.n_word_buckets:
            readings = readings + bag(inputs.words, self.word_table)
        if self.encoder is not None:
            readings = readings + self.near_centers(inputs.states) @ self.center_weight[:, first:]
        return readings

    def equate(self, readings: torch.Tensor, is_single: torch.Tensor) -> torch.Tensor:
        """Ratings for what was read off, shape `(n, len(traits))`; `is_single` of shape `(n,)` marks replies.

        The curves for dialogues run straight from point to point and are flat outside.
        """
        straight = (self.equate_line[0] * readings + self.equate_line[1]).clamp(LIKERT_MIN, LIKERT_MAX)
        if is_single.all():
            return straight
        columns = readings.T.contiguous()
        right = torch.searchsorted(self.equate_from, columns).clamp(1, EQUATING_POINTS - 1)
        x0, x1 = self.equate_from.gather(1, right - 1), self.equate_from.gather(1, right)
        y0, y1 = self.equate_to.gather(1, right - 1), self.equate_to.gather(1, right)
        share = ((columns - x0) / (x1 - x0).clamp_min(1e-6)).clamp(0, 1)
        curved = (y0 + share * (y1 - y0)).T.clamp(LIKERT_MIN, LIKERT_MAX)
        return torch.where(is_single[:, None], straight, curved)

    @torch.inference_mode()
    def score(self, dialogues: Sequence[Dialogue], states: torch.Tensor | None = None) -> TraitRatings:
        """Rate the target speaker of each dialogue.

        Args:
            dialogues (`Sequence[Dialogue]`): What to rate; any number, any length.
            states (`torch.Tensor`, *optional*): Pooled states of the encoder, where they are known already.

        Returns:
            [`TraitRatings`] of shape `(n, len(traits))`, Likert 1-5, `nan` where the target says nothing at all.
        """
        ratings = np.empty((len(dialogues), len(self.traits)))
        for start in range(0, len(dialogues), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            inputs = self.featurize(dialogues[part], states if states is None else states[part])
            ratings[part] = self(*inputs).cpu()
        silent = [not any(map(str.strip, d.target_texts)) for d in dialogues]
        ratings[np.array(silent, dtype=bool)] = np.nan
        return TraitRatings(ratings, self.traits)

    def save_pretrained(self, save_directory: str | Path, push_to_hub: bool = False, **kwargs) -> None:
        """Write config and weights, and beside them the score and the evaluation, if the model has them.

        The weights go out as half precision, which is what `round_weights` made of them.

        Args:
            save_directory (`str` or `Path`): Folder, made if need be.
            push_to_hub (`bool`, *optional*, defaults to `False`):
                Also [`~HALTraitModel.push_to_hub`], to `repo_id` or the folder's name.
            kwargs: Of `push_to_hub`, or as for any transformers model.
        """
        folder = Path(save_directory)
        push = {name: kwargs.pop(name) for name in _PUSH_ARGUMENTS if name in kwargs}
        state = {name: tensor.half().contiguous() for name, tensor in self.state_dict().items()}
        with _no_progress_bar():
            super().save_pretrained(folder, state_dict=state, **kwargs)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)
        if self.likeness is not None:
            self.likeness.save_pretrained(folder)
        if self.evaluation is not None:
            (folder / EVALUATION_FILE).write_text(json.dumps(self.evaluation, indent=2) + "\n", encoding="utf-8")
        if push_to_hub:
            self.push_to_hub(push.pop("repo_id", folder.name), **push)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        commit_message: str = "Upload scorer, score, evaluation and card",
        create_pr: bool = False,
    ) -> CommitInfo:
        """Publish weights, score, evaluation and a model card written from the evaluation, in one commit.

        `HALReward.from_pretrained(repo_id)` then needs nothing else.

        Args:
            repo_id (`str`): `namespace/name`; a name alone belongs to the user of the token.
            private (`bool`, *optional*): Visibility of a new repository. `True` also refuses an existing public one.
            token (`str` or `bool`, *optional*, defaults to the one of `hf auth login`): Needs the right to write.
            revision (`str`, *optional*, defaults to `"main"`): Branch to commit to; created if it does not exist.
            commit_message (`str`, *optional*): First line of the commit.
            create_pr (`bool`, *optional*, defaults to `False`): Open a pull request instead of committing.

        Returns:
            `huggingface_hub.CommitInfo`: a string, the URL of the commit, with `oid`, `pr_url`...

        Raises:
            `ValueError`: if the model has no score or no evaluation, or `private=True` and the repository is public.
            `OSError`: if the Hub says no, with its reason.
        """
        if self.likeness is None:
            raise ValueError(
                f"Not pushed to {repo_id}: a scorer without its score is no reward. Set model.likeness to the "
                "HumanLikenessScore that was fitted on its ratings, or load a folder that `hal-trl distil` wrote."
            )
        lacking = [section for section in ("agreement", "told_apart") if not (self.evaluation or {}).get(section)]
        if lacking:
            raise ValueError(
                f"Not pushed to {repo_id}: its card would state nothing measured (missing: {', '.join(lacking)}). Set "
                "model.evaluation to the figures of `hal-trl distil`, or load a folder that it wrote."
            )
        repo_id = full_repo_id(repo_id, token)
        with TemporaryDirectory() as name:
            folder = Path(name)
            self.save_pretrained(folder)
            # Not transformers' push_to_hub: it would put an empty card of its own in the place of this one.
            (folder / "README.md").write_text(card_of_folder(folder, repo_id), encoding="utf-8")
            return upload(
                folder,
                repo_id,
                commit_message=commit_message,
                private=private,
                token=token,
                revision=revision,
                create_pr=create_pr,
            )

    def __reduce__(self):
        # By content: an encoder that was used once carries hooks that do not pickle, and trainers pickle rewards.
        return _rebuild, (self.config, self.state_dict(), self.tokenizer, self.likeness, self.evaluation)

    @torch.no_grad()
    def round_weights(self) -> HALTraitModel:
        """Round every weight to half precision, so that a model scores the same before and after it is saved."""
        for tensor in self.state_dict().values():
            tensor.copy_(tensor.half())
        return self

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *args, **kwargs) -> HALTraitModel:
        """Load from a folder or a Hub repository, as any transformers model; strict where transformers is lenient.

        Score and evaluation come along where they lie beside the weights; from the Hub, everything is of one commit.

        Args:
            pretrained_model_name_or_path (`str` or `Path`): Folder or Hub repository id.
            kwargs: `revision`, `token`, `cache_dir`, `local_files_only`, `force_download` and `subfolder` say where
                from; the rest is as for any transformers model.

        Raises:
            `FileNotFoundError`: if there is no such folder and this is no repository id.
            `OSError`: if the Hub says no, with its reason.
            `ValueError`: if weights, score or evaluation are damaged, or the weights do not belong to the config.
        """
        source = pretrained_model_name_or_path
        hub = {name: kwargs.pop(name) for name in _HUB_ARGUMENTS if name in kwargs}
        folder, commit = Path(source), None
        if not folder.is_dir():
            if isinstance(source, Path) or folder.is_absolute():
                raise FileNotFoundError(f"No trait scorer at {folder}: the folder does not exist.")
            folder = download(source, **hub)
            commit = folder.name
        folder /= kwargs.pop("subfolder", None) or ""
        with_info = kwargs.pop("output_loading_info", False)
        kwargs.setdefault("dtype", torch.float32)  # stored as half, computed as float
        kwargs["use_safetensors"] = True  # transformers would fall back to a pickle
        try:
            with _no_progress_bar():
                model, info = super().from_pretrained(folder, *args, output_loading_info=True, **kwargs)
        except OSError:
            raise  # not there, no access: transformers says which
        except Exception as error:
            raise ValueError(_damaged(source, error)) from error
        wrong = sorted({*info["missing_keys"], *info["unexpected_keys"], *map(str, info["mismatched_keys"])})
        if wrong:
            raise ValueError(_damaged(source, f"keys missing, unknown or of another shape: {wrong}"))
        if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
            raise ValueError(_damaged(source, "some weights are not finite"))
        model.name_or_path = model.config.name_or_path = str(source)  # not a folder of the cache
        model.commit = commit
        if model.encoder is not None:
            model.tokenizer = AutoTokenizer.from_pretrained(folder)
        if (folder / LIKENESS_FILE).is_file():
            model.likeness = HumanLikenessScore.from_pretrained(folder)
        if (folder / EVALUATION_FILE).is_file():
            model.evaluation = read_json(folder / EVALUATION_FILE)
        return (model, info) if with_info else model


def _rebuild(config: HALTraitConfig, state: dict, tokenizer, likeness, evaluation) -> HALTraitModel:
    model = HALTraitModel(config)
    model.load_state_dict(state)
    model.tokenizer, model.likeness, model.evaluation = tokenizer, likeness, evaluation
    return model


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
        "it is the bundled one."
    )


AutoConfig.register(HALTraitConfig.model_type, HALTraitConfig)
AutoModel.register(HALTraitConfig, HALTraitModel)
