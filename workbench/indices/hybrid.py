"""Vectors and terms of one corpus side by side: what an index of both takes, and the string that names it."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.errors import BadInput
from workbench.vectors import DenseVectors, SparseVectors

PATTERN = re.compile(r"HI2_(\d+)x(\d+)")
EXAMPLE = "HI2_256x15"


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

    def __getitem__(self, rows: slice) -> "HybridQueries":
        return HybridQueries(self.dense[rows], self.terms[rows])


def sizes(factory: str) -> tuple[int, int]:
    """(clusters, terms of each document). Raises `BadInput` on another string."""
    match = PATTERN.fullmatch(factory.strip())
    if match is None or not (int(match[1]) and int(match[2])):
        raise BadInput(f"“{factory}” is no HI² index.", f"For example {EXAMPLE}: 256 clusters, 15 terms a document.")
    return int(match[1]), int(match[2])


def check_hi2(factory: str, documents: int) -> None:
    """Raise `BadInput` where there are more clusters than documents."""
    clusters, _ = sizes(factory)
    if clusters > documents:
        raise BadInput(
            f"{clusters:,} clusters are more than the {documents:,} documents.", f"Use at most {documents:,}."
        )
