"""Vectors and terms of one corpus side by side: what an index of both takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.vectors import DenseVectors, SparseVectors


@dataclass(frozen=True)
class HybridVectors:
    """The dense vectors of a corpus and its term weights (BM25's, or learned ones), row by row the same documents."""

    dense: DenseVectors
    terms: SparseVectors

    @property
    def dim(self) -> int:
        return self.dense.dim

    def __len__(self) -> int:
        return len(self.dense)


@dataclass(frozen=True)
class HybridQueries:
    """q queries: dense (q, d) float32, and which terms they hold, `terms` (q, vocabulary) CSR."""

    dense: NDArray[np.float32]
    terms: sparse.csr_matrix

    @property
    def shape(self) -> tuple[int, int]:
        return self.dense.shape[0], self.dense.shape[1]
