"""Features of all training rows and ridge regressions on them, in the dual: rows are few, features many."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import linalg, sparse
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..dialogue import Dialogue
from ..traits import TraitSet
from .encoder import embed, load_encoder, vocabulary, word_vectors
from .features import Field, TextBatch, hashed_ngrams
from .rows import Rows
from .trait_config import HALTraitConfig
from .trait_model import WORD_FIELD, HALTraitModel, SparseText


# Shares of the kernel beside the n-grams' 1, and sizes; chosen on the cross-validation that is reported, among a
# handful of values around which the figures hardly move.
_WORD_SHARE, _CENTER_SHARE = 0.5, 2.0
_WORD_BUCKETS, _CENTERS = 24_000, 1024
_BLOCK = 1024


@dataclass(frozen=True)
class EncodedRows:
    """What an encoder says of the rows, known before anything is fitted.

    Args:
        encoder (`PreTrainedModel`), tokenizer (`PreTrainedTokenizerBase`), layers (`tuple[int, ...]`): The encoder.
        states (`torch.Tensor` of shape `(n, d)`): Pooled states of every row.
        words (`list[str]`): Words with a vector, the ones of the rows first.
        vectors (`np.ndarray` of shape `(len(words), hidden)`): Their vectors.
    """

    encoder: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    layers: tuple[int, ...]
    states: torch.Tensor
    words: list[str]
    vectors: np.ndarray

    @classmethod
    def of(cls, rows: Rows, name: str, hub_id: str | None = None) -> EncodedRows:
        encoder, tokenizer, layers = load_encoder(name)
        # Where it came from, for the card; but not the path of a folder on this machine.
        encoder.config._name_or_path = hub_id or ("" if Path(name).exists() else name)
        words = list(dict.fromkeys([*_words_in(rows.dialogues), *vocabulary(tokenizer)]))
        states = embed(encoder, tokenizer, rows.dialogues, layers, progress=True)
        return cls(encoder, tokenizer, layers, states, words, word_vectors(encoder, tokenizer, words, layers[1]))


def _words_in(dialogues: Sequence[Dialogue]) -> list[str]:
    """Case-folded words of the dialogues, the most frequent first."""
    counts: Counter[str] = Counter()
    for dialogue in dialogues:
        for turn in dialogue.turns:
            counts.update(re.findall(r"[a-z0-9'À-῿]+|[^\sa-z0-9']", turn.text.lower().replace("’", "'")))
    return [word for word, _ in counts.most_common()]


class Features:
    """A model with everything but its readouts, and what the readouts will read in each row.

    Frequencies, spreads and centres come from the rows `use`; ratings and labels play no part.
    """

    def __init__(
        self,
        rows: Rows,
        use: np.ndarray,
        encoded: EncodedRows | None,
        inside: bool,
        sibling: Features | None = None,
    ):
        """`inside`: the encoder goes into the model; otherwise only its word vectors do, as a table.

        `sibling`: features of the same rows and the same `use`; what does not depend on the encoder is taken from it.
        """
        known = np.flatnonzero(use)
        self.model = _blank_model(rows.traits, encoded, inside, n_centers=min(_CENTERS, len(known) // 4))
        inputs = self.model.featurize(rows.dialogues, encoded.states if inside else None)
        self._set_statistics(inputs, known)
        inputs = self.model.featurize(rows.dialogues, encoded.states if inside else None)
        config, n = self.model.config, len(rows)
        if sibling is None:
            ngrams = _matrix(inputs.ngrams, config.n_buckets)
            ngrams = ngrams[:n] + config.context_scale * ngrams[n:][inputs.heard.numpy()]
            style = sparse.csr_matrix(self.model.standardize(inputs.style).numpy())
            self.sparse = sparse.hstack([ngrams, style]).tocsr().astype(np.float32)
            self._sparse_products = _products(self.sparse)
        else:
            self.sparse, self._sparse_products = sibling.sparse, sibling._sparse_products
        self.dense, self._fold = np.zeros((n, 0), dtype=np.float32), np.zeros((0, 0), dtype=np.float32)
        if config.n_word_buckets:
            vectors = _vectors_by_bucket(encoded, config.n_word_buckets)
            self._add_dense(_matrix(inputs.words, config.n_word_buckets) @ vectors, vectors, known)
        if inside:
            self._set_centers(encoded.states[known])
            near = self.model.near_centers(encoded.states).numpy()
            between = torch.exp(-torch.cdist(self.model.centers, self.model.centers).square()).double().numpy()
            values, directions = np.linalg.eigh(between + 1e-4 * np.eye(len(between)))
            whiten = (directions / np.sqrt(np.maximum(values, 1e-4))).astype(np.float32)
            self.dense = np.hstack([self.dense, near @ whiten * _CENTER_SHARE**0.5])
            self._fold = whiten * _CENTER_SHARE**0.5
        self.kernel = self._sparse_products + self.dense @ self.dense.T

    def _set_statistics(self, inputs, known: np.ndarray) -> None:
        """Inverse document frequencies and the spread of the surface statistics."""
        n, ngrams = len(inputs.style), _matrix(inputs.ngrams, self.model.config.n_buckets)
        texts = [
            (self.model.reply_idf, ngrams[known]),
            (self.model.context_idf, ngrams[n:][inputs.heard.numpy()[known]]),
        ]
        if self.model.config.n_word_buckets:
            texts.append((self.model.word_idf, _matrix(inputs.words, self.model.config.n_word_buckets)[known]))
        for idf, matrix in texts:
            frequency = torch.from_numpy(np.asarray((matrix > 0).sum(axis=0)).ravel())
            idf.copy_(torch.log((1 + len(known)) / (1 + frequency)) + 1)
        self.model.style_mean.copy_(inputs.style[known].mean(dim=0))
        self.model.style_scale.copy_(inputs.style[known].std(dim=0).clamp_min(1e-3))
        self.model.round_weights()

    def _add_dense(self, values: np.ndarray, vectors: np.ndarray, known: np.ndarray) -> None:
        scale = (_WORD_SHARE / values[known].var(axis=0).sum()) ** 0.5
        self.dense, self._fold = (values * scale).astype(np.float32), (vectors * scale).astype(np.float32)

    def _set_centers(self, states: torch.Tensor) -> None:
        from sklearn.cluster import MiniBatchKMeans

        self.model.state_mean.copy_(states.mean(dim=0))
        self.model.state_scale.copy_(states.std(dim=0).clamp_min(1e-3))
        self.model.round_weights()
        points = (states - self.model.state_mean) / self.model.state_scale / states.shape[1] ** 0.5
        n_centers = len(self.model.centers)
        means = MiniBatchKMeans(n_centers, n_init=1, max_iter=5, batch_size=2048, random_state=0).fit(points.numpy())
        self.model.centers.copy_(torch.from_numpy(means.cluster_centers_))
        self.model.round_weights()

    def ridge(self, train: np.ndarray, targets: np.ndarray, alpha: float | np.ndarray) -> Readout:
        """Fit `targets` (of the rows `train`); a row's `alpha` is large where it should count little."""
        weight = 1.0 / np.broadcast_to(np.asarray(alpha, dtype=np.float64), len(train))
        share = weight / weight.sum()
        kernel = self.kernel[np.ix_(train, train)].astype(np.float64)
        mean = kernel @ share
        kernel -= mean[:, None]
        kernel -= mean - share @ mean
        kernel[np.diag_indices_from(kernel)] += 1.0 / weight
        center = share @ targets
        dual = linalg.solve(kernel, targets - center, assume_a="pos", overwrite_a=True, check_finite=False)
        dual -= share[:, None] * dual.sum(axis=0)
        return Readout(train, dual, center - mean @ dual)

    def read(self, readout: Readout, rows: np.ndarray) -> np.ndarray:
        """What a readout says of some rows, shape `(len(rows), n_traits)`."""
        return self.kernel[np.ix_(rows, readout.train)] @ readout.dual + readout.intercept

    @torch.no_grad()
    def model_with(self, of_dialogue: Readout, of_reply: Readout) -> HALTraitModel:
        """The model with both readouts as weights, rounded as it will be stored."""
        model, config = self.model, self.model.config
        n_traits, n_buckets = len(model.traits), config.n_buckets
        for number, readout in enumerate((of_dialogue, of_reply)):
            columns = slice(number * n_traits, (number + 1) * n_traits)
            weights = self.sparse[readout.train].T @ readout.dual
            model.table[:, columns] = torch.from_numpy(weights[:n_buckets])
            model.style_weight[:, columns] = torch.from_numpy(weights[n_buckets:])
            model.bias[columns] = torch.from_numpy(readout.intercept)
            if self._fold.size:
                folded = torch.from_numpy(self._fold @ (self.dense[readout.train].T @ readout.dual))
                (model.word_table if config.n_word_buckets else model.center_weight)[:, columns] = folded.float()
        return model.round_weights()


@dataclass(frozen=True)
class Readout:
    """A fitted ridge regression: one dual coefficient per training row and trait."""

    train: np.ndarray
    dual: np.ndarray
    intercept: np.ndarray


def _blank_model(traits: TraitSet, encoded: EncodedRows | None, inside: bool, n_centers: int) -> HALTraitModel:
    asked = traits.to_list()
    if encoded is None or not inside:
        return HALTraitModel(HALTraitConfig(asked, n_word_buckets=0 if encoded is None else _WORD_BUCKETS))
    inner = encoded.encoder.config
    config = HALTraitConfig(
        asked,
        encoder={**inner.to_diff_dict(), "model_type": inner.model_type, "_name_or_path": inner._name_or_path},
        encoder_layers=encoded.layers,
        n_centers=n_centers,
    )
    model = HALTraitModel(config)
    model.encoder, model.tokenizer = encoded.encoder, encoded.tokenizer
    return model


def _matrix(text: SparseText, n_buckets: int) -> sparse.csr_matrix:
    """One row a text, shape `(n, n_buckets)`."""
    ends = np.append(text.offset.numpy(), len(text.bucket))
    return sparse.csr_matrix((text.weight.numpy(), text.bucket.numpy(), ends), shape=(len(text.offset), n_buckets))


def _products(rows: sparse.csr_matrix) -> np.ndarray:
    """Inner products of all rows, shape `(n, n)`."""
    products = np.empty((rows.shape[0],) * 2, dtype=np.float32)
    for start in range(0, rows.shape[0], _BLOCK):
        block = slice(start, start + _BLOCK)
        below = rows[start:]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            below = torch.sparse_csr_tensor(
                torch.from_numpy(below.indptr.astype(np.int64)),
                torch.from_numpy(below.indices.astype(np.int64)),
                torch.from_numpy(below.data),
                size=below.shape,
                check_invariants=False,
            )
        products[start:, block] = (below @ torch.from_numpy(rows[block].toarray()).T.contiguous()).numpy()
        products[block, start:] = products[start:, block].T
    return products


def _vectors_by_bucket(encoded: EncodedRows, n_buckets: int) -> np.ndarray:
    """The vector of each bucket of the word table: that of the most frequent word that falls into it."""
    alone = TextBatch.from_turns([[word] for word in encoded.words])
    document, bucket, count = hashed_ngrams((alone, Field(WORD_FIELD, n_buckets, 0, 1)))
    vectors = np.zeros((n_buckets, encoded.vectors.shape[1]), dtype=np.float32)
    single = np.bincount(document, count, minlength=len(encoded.words))[document] == 1
    for word, place in zip(document[single][::-1], bucket[single][::-1], strict=True):
        vectors[place] = encoded.vectors[word]
    return vectors
