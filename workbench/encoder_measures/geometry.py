"""Alignment and uniformity of vectors of length 1 (Wang & Isola 2020), and the scores of pairs."""

import numpy as np
from numpy.typing import NDArray

from workbench.scoring import normalize_rows

Floats = NDArray[np.float32]


def pair_scores(first: Floats, second: Floats, metric: str) -> Floats:
    """(n,) the score of each row of (n, d) with its row of (n, d): cosine, inner product, or the negative distance."""
    if metric == "cosine":
        first, second = normalize_rows(first), normalize_rows(second)
    if metric == "l2":
        distances: Floats = -np.linalg.norm(first - second, axis=1).astype(np.float32)
        return distances
    products: Floats = np.einsum("ij,ij->i", first, second)
    return products


def alignment(queries: Floats, positives: Floats) -> float | None:
    """E‖q − d⁺‖² over pairs of rows, each scaled to length 1: 0 … 4, lower is closer. None without pairs."""
    if not len(queries):
        return None
    apart = normalize_rows(queries).astype(np.float64) - normalize_rows(positives)
    return float((apart**2).sum(axis=1).mean())


def uniformity(vectors: Floats) -> float | None:
    """log E exp(−2‖x − y‖²) over all pairs of different rows, each scaled to length 1: lower is more evenly spread.

    0 where all are the same; about −4 where there is no direction they prefer. None below two rows.
    """
    if len(vectors) < 2:
        return None
    rows = normalize_rows(vectors).astype(np.float64)
    lengths = (rows**2).sum(axis=1)
    squares = np.maximum(lengths[:, None] + lengths - 2 * rows @ rows.T, 0)
    upper = np.triu_indices(len(rows), 1)
    return float(np.log(np.exp(-2 * squares[upper]).mean()))
