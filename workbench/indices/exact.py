"""Exact search over the stored vectors themselves: nothing to build."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workbench.indices.base import (
    NO_SETTINGS,
    Index,
    Indexed,
    Knobs,
    Queries,
    Selection,
    dense_only,
    indexed_vectors,
    read_notes,
)
from workbench.indices.scan import ArrayRows, Rows, Scanner, UnitRows
from workbench.scoring import normalize_rows
from workbench.specs import IndexSpec
from workbench.types import Progress, Ranking, no_progress
from workbench.vectors import DenseVectors

CACHE_BYTES = 512 * 2**20


class ExactIndex(Index):
    """Compares a query with every vector. Ties at the cut go by ordinal too.

    Keeps one float32 copy in memory, scaled for the metric, where it fits into `cache_bytes`; otherwise reads the
    memory-mapped shards at every search.
    """

    def __init__(self, vectors: DenseVectors, metric: str, cache_bytes: int = CACHE_BYTES) -> None:
        self._vectors = vectors
        self._metric = metric
        rows: Rows = UnitRows(vectors) if metric == "cosine" else vectors
        self._cached = 4 * len(vectors) * vectors.dim <= cache_bytes
        if self._cached:
            copy = np.empty((len(vectors), vectors.dim), dtype=np.float32)
            for start, block in rows.blocks():
                copy[start : start + len(block)] = block
            rows = ArrayRows(copy)
        self._scanner = Scanner(rows, metric)

    @property
    def dim(self) -> int:
        return self._vectors.dim

    def __len__(self) -> int:
        return len(self._vectors)

    @classmethod
    def build(
        cls,
        vectors: Indexed,
        spec: IndexSpec,
        progress: Progress = no_progress,
        folder: Path | None = None,
    ) -> Self:
        """As `Index.build`; `spec` gives the metric only."""
        found = dense_only(vectors)
        progress(0, len(found))
        index = cls(found, spec.metric)
        progress(len(found), len(found))
        return index

    def _save(self, folder: Path) -> None:
        """The vectors are the index: only the notes are kept."""

    @classmethod
    def open(cls, folder: Path, vectors: Indexed | None = None) -> Self:
        """Open over `vectors`. Raises `BadInput` without them, or where they are not those that were indexed."""
        notes = read_notes(folder)
        return cls(indexed_vectors(notes, vectors), notes["metric"])

    def describe(self) -> dict[str, Any]:
        return {"kind": "exact", "metric": self._metric, "vectors": len(self), "dim": self.dim}

    @property
    def size_bytes(self) -> int:
        width = 4 if self._cached else self._vectors.dtype.itemsize
        return len(self) * self.dim * width

    def scored(self, queries: Queries, settings: Mapping[str, Any] = NO_SETTINGS) -> NDArray[np.int64] | None:
        """All of them."""
        return np.full(int(queries.shape[0]), len(self), np.int64)

    def _search(self, queries: Queries, k: int, knobs: Knobs, allowed: Selection) -> list[Ranking]:
        wanted = np.ascontiguousarray(queries, dtype=np.float32)
        return self._scanner.search(normalize_rows(wanted) if self._metric == "cosine" else wanted, k, allowed)
