"""Scores of chosen documents by the stored vectors: the second stage of the indices that have two."""

import numpy as np
from numpy.typing import NDArray

from workbench.scoring import normalize_rows
from workbench.vectors import DenseVectors


def exact_scores(
    vectors: DenseVectors, ordinals: NDArray[np.int64], query: NDArray[np.float32], metric: str
) -> NDArray[np.float32]:
    """(n,) float32 of documents `ordinals` (n,) for one query (d,), summed in float64: no batch changes them."""
    rows = vectors.take(ordinals)
    if metric == "l2":
        far = rows.astype(np.float64) - query
        scores: NDArray[np.float64] = -np.sqrt(np.einsum("ij,ij->i", far, far))
    else:
        if metric == "cosine":
            rows, query = normalize_rows(rows), normalize_rows(query[None])[0]
        scores = np.einsum("ij,j->i", rows.astype(np.float64), query.astype(np.float64))
    return scores.astype(np.float32)
