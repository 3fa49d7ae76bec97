"""UMAP's two preparations (McInnes, Healy, Melville 2018), as umap-learn computes them: memberships and the curve.

Written out in NumPy because umap-learn compiles its own for four seconds in each process, longer than a small map
takes; the tests hold them equal to umap-learn's `fuzzy_simplicial_set` and `find_ab_params`.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.types import Graph

if TYPE_CHECKING:
    from scipy import sparse

ROUNDS = 64
CLOSE = 1e-5
LEAST = 1e-3
"""A scale is at least this share of the mean distance, so that duplicates do not make it 0."""


def memberships(graph: Graph) -> "sparse.csr_matrix":
    """Symmetric (n, n) float32 CSR: how surely each two documents belong together, 0 … 1, by the fuzzy union.

    From i to its neighbour j: exp(−max(0, d − ρ) / σ), ρ the least distance above 0, σ such that they sum to
    log2(k + 1); a + b − ab joins both directions.
    """
    from scipy import sparse

    count, k = graph.indices.shape
    distances = graph.distances.astype(np.float64)
    rho = np.where(distances > 0, distances, np.inf).min(axis=1, initial=np.inf)
    rho[np.isinf(rho)] = 0
    beyond = np.maximum(distances - rho[:, None], 0)
    sigma = _scales(beyond, np.log2(k + 1))
    # umap-learn's means count the document itself, at distance 0.
    means = distances.sum(axis=1) / (k + 1)
    overall = means.mean() if count else 0.0
    sigma = np.maximum(sigma, LEAST * np.where(rho > 0, means, overall))
    weights = np.where(beyond == 0, 1.0, np.exp(-beyond / np.maximum(sigma, np.finfo(np.float64).tiny)[:, None]))
    pointers = np.arange(count + 1) * k
    data = (weights.astype(np.float32).ravel(), graph.indices.ravel(), pointers)
    one_way = sparse.csr_matrix(data, shape=(count, count))
    other_way = one_way.T.tocsr()
    joined: sparse.csr_matrix = (one_way + other_way - one_way.multiply(other_way)).tocsr()
    joined.eliminate_zeros()
    return joined


def _scales(beyond: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """(n,) σ with Σ exp(−beyond / σ) = target, by bisection; where there is none, as far as 64 rounds go."""
    count = len(beyond)
    low, high, middle = np.zeros(count), np.full(count, np.inf), np.ones(count)
    open_rows = np.arange(count)
    for _ in range(ROUNDS):
        scale = np.maximum(middle[open_rows], np.finfo(np.float64).tiny)[:, None]
        excess = np.exp(-beyond[open_rows] / scale).sum(axis=1) - target
        open_rows, excess = open_rows[np.abs(excess) >= CLOSE], excess[np.abs(excess) >= CLOSE]
        if not open_rows.size:
            break
        above, below = open_rows[excess > 0], open_rows[excess <= 0]
        high[above] = middle[above]
        low[below] = middle[below]
        bounded = np.isfinite(high[open_rows])
        halved, doubled = open_rows[bounded], open_rows[~bounded]
        middle[halved] = (low[halved] + high[halved]) / 2
        middle[doubled] *= 2
    return middle


def curve(min_dist: float) -> tuple[np.float32, np.float32]:
    """a and b of 1 / (1 + a·d^2b), fitted to 1 up to `min_dist` and exp(min_dist − d) beyond, over 0 … 3."""
    from scipy.optimize import curve_fit

    spots = np.linspace(0, 3, 300)
    wanted = np.where(spots < min_dist, 1.0, np.exp(min_dist - spots))
    (a, b), _ = curve_fit(lambda x, a, b: 1.0 / (1.0 + a * x ** (2 * b)), spots, wanted)
    return np.float32(a), np.float32(b)
