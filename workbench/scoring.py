"""Numeric kernels shared by indices and rerankers."""

import numpy as np
from numpy.typing import NDArray

from workbench.ragged import Ragged
from workbench.types import Ranking

PRODUCTS = 2**22
"""Inner products held at once by `maxsim`, 16 MB. Few and large matrix products: between many small ones the threads of
a BLAS wait for each other, on a busy machine for ten times as long as the arithmetic takes (measured)."""


def normalize_rows(matrix: NDArray[np.floating]) -> NDArray[np.float32]:
    """L2-normalised copy, (n, d) float32; a zero row stays zero."""
    rows = np.asarray(matrix, dtype=np.float32)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    norms[norms == 0] = 1.0
    normalized: NDArray[np.float32] = (rows / norms).astype(np.float32, copy=False)
    return normalized


def top_k(scores: NDArray[np.floating], k: int, ordinals: NDArray[np.integer] | None = None) -> Ranking:
    """The `k` best of `scores` (n,); `ordinals` (n,) name the entries, else their positions do.

    Ties at the cut are resolved by ordinal too, so the result does not depend on the selection algorithm.
    """
    ids = np.arange(scores.size) if ordinals is None else ordinals
    if k <= 0 or scores.size == 0:
        return Ranking(np.empty(0, np.int64), np.empty(0, np.float32))
    if k < scores.size:
        cut = np.partition(scores, scores.size - k)[scores.size - k]
        kept = np.flatnonzero(scores >= cut)
        scores, ids = scores[kept], ids[kept]
    return Ranking.of(ids, scores, k)


def maxsim(query: NDArray[np.float32], documents: Ragged, mean: bool = False) -> NDArray[np.float32]:
    """Late interaction (ColBERT, Khattab & Zaharia 2020): Σ_i max_j ⟨q_i, d_j⟩ for each document, (n,) float32.

    `query` (lq, d) float32, only its real tokens; rows of `documents` hold real tokens only, so that padding counts on
    neither side. `mean` divides by lq (BGE-M3, comparable between queries). A document without vectors scores −inf;
    a query without any scores 0 everywhere else. Memory: 16 MB of inner products, or those of one document.
    """
    wanted = np.ascontiguousarray(query, dtype=np.float32)
    scores = np.full(len(documents), -np.inf, dtype=np.float32)
    filled = np.flatnonzero(documents.lengths)
    starts, stops = documents.offsets[filled], documents.offsets[filled + 1]
    tokens, at = PRODUCTS // max(1, len(wanted)), 0
    while at < filled.size:
        # Rows without vectors lie nowhere, so the filled ones follow each other without a gap.
        until = max(at + 1, int(np.searchsorted(stops, starts[at] + tokens, side="right")))
        products = wanted @ documents.values[starts[at] : stops[until - 1]].T
        best = np.maximum.reduceat(products, starts[at:until] - starts[at], axis=1)
        scores[filled[at:until]] = best.sum(axis=0)
        at = until
    return scores / np.float32(len(wanted)) if mean and len(wanted) else scores
