"""Statements that mean the same, found together: sentence embeddings, UMAP, HDBSCAN."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd


ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
_FEWEST = 30


def cluster_statements(
    statements: Sequence[str],
    encoder: str | Path = ENCODER,
    seed: int = 0,
    min_cluster_size: int | None = None,
) -> pd.DataFrame:
    """Cluster short texts by meaning; the same input and seed give the same clusters.

    Sentence embeddings, two dimensions by UMAP on their cosine distances, and the leaves of HDBSCAN's tree in this
    plane, so that a plot shows what was clustered.

    Args:
        statements (`Sequence[str]`): At least 30 different texts. Repeated ones are laid out once.
        encoder (`str` or `Path`, *optional*, defaults to `"sentence-transformers/all-MiniLM-L6-v2"`):
            Hub id or folder of a sentence-transformers model.
        seed (`int`, *optional*, defaults to 0): Of UMAP.
        min_cluster_size (`int`, *optional*, defaults to `sqrt(n) / 5`, at least 3):
            Different statements that a cluster has at least, or times that one is repeated.

    Returns:
        `pandas.DataFrame` with a row per statement, in their order: `statement`, `cluster` (numbered from 0, the
        largest first; -1 in none), `rank` (0 for the statement nearest to its cluster's mean embedding, then 1, 2,
        ...; -1 in none), `x` and `y` (the plane).

    Raises:
        `ImportError`: without the extra `discovery`.
        `ValueError`: for too few statements, or if they do not fall into clusters.

    Example:
        ```python
        >>> from hal_trl.discovery import cluster_statements
        >>> clusters = cluster_statements(statements)  # doctest: +SKIP
        >>> clusters.query("rank == 0").set_index("cluster")["statement"]  # doctest: +SKIP
        ```
    """
    # Equal sentences are a tie that rounding decides, and UMAP would lay them out otherwise each time.
    distinct, which = np.unique(np.array(statements, dtype=object), return_inverse=True)
    if len(distinct) < _FEWEST:
        raise ValueError(f"{len(distinct)} different statements are too few to cluster; find at least {_FEWEST}.")
    embeddings = embed_sentences(distinct, encoder)
    points = _plane(embeddings, seed)
    size = max(3, round(len(distinct) ** 0.5 / 5)) if min_cluster_size is None else min_cluster_size
    clusters = _leaves(points, np.bincount(which), size)
    if clusters.max() < 1:
        raise ValueError(
            f"The {len(statements)} statements fall into no clusters of {size} or more: all are alike, or each stands "
            "alone. Give more pairs or other statements, or write the questionnaire (traits.json) by hand."
        )
    embeddings, points, clusters = embeddings[which], points[which], clusters[which]
    rank = np.full(len(clusters), -1)
    for cluster in range(clusters.max() + 1):
        members = np.flatnonzero(clusters == cluster)
        nearness = embeddings[members] @ embeddings[members].mean(axis=0)
        rank[members[np.argsort(-nearness.round(6), kind="stable")]] = np.arange(len(members))
    return pd.DataFrame(
        {"statement": list(statements), "cluster": clusters, "rank": rank, "x": points[:, 0], "y": points[:, 1]}
    )


def embed_sentences(sentences: Sequence[str], encoder: str | Path = ENCODER) -> np.ndarray:
    """Sentence embeddings of length 1, shape `(n, d)`.

    Raises:
        `ImportError`: without the extra `discovery`.
        `ValueError`: if the encoder does not load.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise _missing("sentence-transformers") from error
    try:
        model = SentenceTransformer(str(encoder), trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"The encoder {str(encoder)!r} does not load ({error}); give a folder or Hub id.") from error
    return model.encode(list(sentences), normalize_embeddings=True, show_progress_bar=len(sentences) > 1000)


def _plane(embeddings: np.ndarray, seed: int) -> np.ndarray:
    try:
        from umap import UMAP
    except ImportError as error:
        raise _missing("umap-learn") from error
    reducer = UMAP(
        n_neighbors=min(15, len(embeddings) - 1), min_dist=0.0, metric="cosine", random_state=seed, n_jobs=1
    )
    with warnings.catch_warnings():
        # Identical statements can leave the graph in pieces, which UMAP lays out one by one.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        return reducer.fit_transform(embeddings).astype(np.float64)


def _leaves(points: np.ndarray, counts: np.ndarray, size: int) -> np.ndarray:
    """Cluster number per point, the largest first. The leaves of the tree: its stable branches may hold everything."""
    from sklearn.cluster import HDBSCAN

    found = HDBSCAN(min_cluster_size=size, cluster_selection_method="leaf", copy=True).fit_predict(points)
    repeated = np.flatnonzero((found < 0) & (counts >= size))  # a sentence that is said often is a cluster by itself
    found[repeated] = found.max() + 1 + np.arange(len(repeated))
    sizes = np.bincount(found[found >= 0], weights=counts[found >= 0], minlength=1)
    number = np.full(len(sizes) + 1, -1)
    number[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return number[found]


def _missing(package: str) -> ImportError:
    return ImportError(f'Clustering statements needs {package}: pip install "hal-trl[discovery]"')
