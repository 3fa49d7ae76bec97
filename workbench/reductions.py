"""Vectors that are not one dense row a document, made so for a map: truncated SVD, or means of tokens.

Truncated SVD here is block power iteration on AᵀA (Halko, Martinsson, Tropp, SIAM Review 2011, algorithm 4.4 with
orthonormalisation at each step): every pass reads A once, block by block, so no more than one block of A and a
(terms, dim) basis are held.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.scoring import normalize_rows
from workbench.types import Progress, no_progress
from workbench.vectors import MultiVectors, SparseVectors

if TYPE_CHECKING:
    from scipy import sparse

Floats = NDArray[np.float32]
OVERSAMPLED = 16
PASSES = 4
"""Reads of the vectors while the basis is looked for; one more makes the rows."""


@dataclass(frozen=True)
class Reduced:
    """`rows` (n, dim) float32, in ordinal order. `told`: what was done, in words that a manifest keeps.

    `kept`: share of the rows' squared length that `rows` still has, 0 … 1; 1 for means.
    """

    rows: Floats
    told: str
    kept: float = 1.0


def reduce_sparse(vectors: SparseVectors, dim: int = 128, seed: int = 0, progress: Progress = no_progress) -> Reduced:
    """Truncated SVD (not centred, as in latent semantic analysis) of rows scaled to length 1.

    Fewer dimensions where there are fewer documents or terms. A row of zeros stays zero. `progress` counts documents
    over all passes; raises what it raises.
    """
    count, terms = len(vectors), vectors.dim
    dim = min(dim, count, terms)
    width = min(dim + OVERSAMPLED, count, terms)
    total = (PASSES + 1) * count
    basis = np.linalg.qr(np.random.default_rng(seed).standard_normal((terms, width)))[0].astype(np.float32)
    for done in range(PASSES):
        image = np.zeros((terms, width), np.float32)
        for start, block in unit_blocks(vectors):
            image += block.T @ (block @ basis)
            progress(done * count + start, total)
        basis = np.linalg.qr(image)[0].astype(np.float32)
    rows = np.empty((count, width), np.float32)
    squares = 0.0
    for start, block in unit_blocks(vectors):
        rows[start : start + block.shape[0]] = block @ basis
        squares += float(block.multiply(block).sum())
        progress(PASSES * count + start, total)
    # Turned so that the columns are the singular directions, the strongest first.
    products = rows.T.astype(np.float64) @ rows.astype(np.float64)
    values, directions = np.linalg.eigh(products)
    strongest = np.argsort(values)[::-1][:dim]
    rows = rows @ signed(directions[:, strongest]).astype(np.float32)
    kept = float(np.square(rows, dtype=np.float64).sum() / squares) if squares else 1.0
    return Reduced(rows, f"truncated SVD of {terms:,} terms to {dim} dimensions", min(1.0, kept))


def reduce_multi(vectors: MultiVectors, progress: Progress = no_progress) -> Reduced:
    """The mean of each document's token vectors, each scaled to length 1 first; a zero row where there are none."""
    count = len(vectors)
    rows = np.zeros((count, vectors.dim), np.float32)
    for start, block in vectors.blocks():
        filled = np.flatnonzero(block.lengths)
        sums = np.add.reduceat(normalize_rows(block.values), block.offsets[filled], axis=0) if filled.size else 0
        rows[start + filled] = sums / block.lengths[filled, None] if filled.size else 0
        progress(start, count)
    return Reduced(rows, f"mean of each document's token vectors ({vectors.dim} dimensions)")


def unit_blocks(vectors: SparseVectors) -> "Iterator[tuple[int, sparse.csr_matrix]]":
    """(first ordinal, rows scaled to length 1), block by block."""
    from scipy import sparse

    for start, block in vectors.blocks():
        lengths = np.sqrt(np.asarray(block.multiply(block).sum(axis=1), np.float64)).ravel()
        lengths[lengths == 0] = 1.0
        yield start, sparse.csr_matrix(sparse.diags(1 / lengths) @ block, dtype=np.float32)


def signed(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns turned so that the largest entry of each is positive: a direction has no sign of its own."""
    largest = np.abs(directions).argmax(axis=0)
    signs = np.sign(directions[largest, np.arange(directions.shape[1])])
    turned: NDArray[np.float64] = directions * np.where(signs == 0, 1, signs)
    return turned
