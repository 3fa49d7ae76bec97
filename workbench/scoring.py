"""Numeric kernels shared by indices and rerankers."""

import numpy as np
from numpy.typing import NDArray

from workbench.types import Ranking


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
