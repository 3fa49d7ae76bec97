"""The exact scan: every document compared with every query, in blocks.

Block products are float32 matrix products, whose last bits depend on the shape of the batch. So they only choose
candidates, with a margin above their rounding error; the candidates are scored again in float64, one document at a
time. The result is that of sorting all float64 scores, and does not depend on blocks, batches or copies of a document.
"""

from collections.abc import Iterator
from typing import Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from workbench.scoring import normalize_rows
from workbench.types import Ranking

BLOCK = 16384
QUERY_BATCH = 256
FEW_QUERIES = 3
SPARSE_FILTER = 4
"""A filter that keeps less than 1 document in so many is gathered instead of scanned past."""

Floats = NDArray[np.float32]
Ordinals = NDArray[np.int64]


class Rows(Protocol):
    """Where vectors come from: `DenseVectors`, or an array."""

    @property
    def dim(self) -> int: ...
    def __len__(self) -> int: ...
    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, Floats]]: ...
    def take(self, ordinals: NDArray[np.integer]) -> Floats: ...


class ArrayRows:
    """Rows of one (n, d) float32 array, in memory or mapped."""

    def __init__(self, array: Floats) -> None:
        self.array = array

    @property
    def dim(self) -> int:
        return int(self.array.shape[1])

    def __len__(self) -> int:
        return len(self.array)

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, Floats]]:
        for start in range(0, len(self.array), size):
            yield start, self.array[start : start + size]

    def take(self, ordinals: NDArray[np.integer]) -> Floats:
        rows: Floats = self.array[ordinals]
        return rows


class UnitRows:
    """Other rows, scaled to length 1 as they are read."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @property
    def dim(self) -> int:
        return self._rows.dim

    def __len__(self) -> int:
        return len(self._rows)

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, Floats]]:
        for start, block in self._rows.blocks(size):
            yield start, normalize_rows(block)

    def take(self, ordinals: NDArray[np.integer]) -> Floats:
        return normalize_rows(self._rows.take(ordinals))


class Scanner:
    """Searches rows by `metric`: cosine (of rows that have length 1), dot, or l2 (negative Euclidean distance)."""

    def __init__(self, rows: Rows, metric: str) -> None:
        self._rows = rows
        self._l2 = metric == "l2"
        self._squares = np.ones(0 if metric == "cosine" else len(rows), dtype=np.float32)
        if metric != "cosine":
            for start, block in rows.blocks(BLOCK):
                self._squares[start : start + len(block)] = np.einsum("ij,ij->i", block, block)
        self._longest = float(np.sqrt(self._squares.max(initial=1.0 if metric == "cosine" else 0.0)))

    def search(self, queries: Floats, k: int, allowed: NDArray[np.bool_] | None = None) -> list[Ranking]:
        """One ranking per row of `queries` (q, d) of exactly min(k, allowed) documents; q, k ≥ 1."""
        shortlists = [Shortlist(k, margin) for margin in self._margins(queries)]
        for ordinals, block in self._pieces(allowed):
            for at in range(0, len(queries), QUERY_BATCH):
                products = _products(queries[at : at + QUERY_BATCH], block)
                if self._l2:
                    products = 2 * products - self._squares[ordinals]
                for shortlist, row in zip(shortlists[at : at + QUERY_BATCH], products, strict=True):
                    shortlist.add(ordinals, row)
        return [self._rank(query, each.ordinals, k) for query, each in zip(queries, shortlists, strict=True)]

    def _pieces(self, allowed: NDArray[np.bool_] | None) -> Iterator[tuple[Ordinals, Floats]]:
        """(ordinals (m,), rows (m, d)) of the allowed documents, block by block."""
        kept = None if allowed is None else np.flatnonzero(allowed)
        if kept is not None and kept.size * SPARSE_FILTER < len(self._rows):
            for at in range(0, kept.size, BLOCK):
                yield kept[at : at + BLOCK], self._rows.take(kept[at : at + BLOCK])
            return
        for start, block in self._rows.blocks(BLOCK):
            ordinals = np.arange(start, start + len(block))
            if allowed is None:
                yield ordinals, block
            elif (mask := allowed[start : start + len(block)]).any():
                yield ordinals[mask], block[mask]

    def _margins(self, queries: Floats) -> list[float]:
        """Per query, more than twice the rounding error of a float32 product of d terms (Higham: d · 2⁻²⁴ · |q| · |x|).

        Also more than float32 scores need to differ, so that documents whose final scores tie are all candidates.
        """
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
        scale = (lengths + self._longest) ** 2 if self._l2 else lengths * self._longest
        return [float(each) for each in (self._rows.dim + 8) * 2.0**-22 * scale]

    def _rank(self, query: Floats, ordinals: Ordinals, k: int) -> Ranking:
        scores = np.empty(ordinals.size, dtype=np.float32)
        exact = query.astype(np.float64)
        for at in range(0, ordinals.size, BLOCK):
            rows = self._rows.take(ordinals[at : at + BLOCK]).astype(np.float64)
            if self._l2:
                rows -= exact
                values = -np.sqrt(np.einsum("ij,ij->i", rows, rows))
            else:
                values = np.einsum("ij,j->i", rows, exact)
            scores[at : at + BLOCK] = values
        return Ranking.of(ordinals, scores, k)


def _products(queries: Floats, block: Floats) -> Floats:
    """Inner products, (q, m).

    A matrix product of few rows is bound by memory, and its threads only wait for each other on a busy machine: FAISS's
    kernel takes 5 ms of one core for 100k × 384, OpenBLAS 12 ms of two (and FAISS's flat index 13 ms).
    """
    if len(queries) > FEW_QUERIES:
        return queries @ block.T
    products = np.empty((len(queries), len(block)), dtype=np.float32)
    rows = np.ascontiguousarray(block)
    for query, row in zip(np.ascontiguousarray(queries), products, strict=True):
        pointers = (faiss.swig_ptr(each) for each in (row, query, rows))
        faiss.fvec_inner_products_ny(*pointers, rows.shape[1], len(rows))
    return products


class Shortlist:
    """The documents that can still be among a query's `k` best, by scores within `margin` / 2 of the true ones."""

    def __init__(self, k: int, margin: float) -> None:
        self._k = k
        self._margin = margin
        self._floor = -np.inf
        self.ordinals: Ordinals = np.empty(0, np.int64)
        self._scores: Floats = np.empty(0, np.float32)

    def add(self, ordinals: Ordinals, scores: Floats) -> None:
        """Take in a block's approximate `scores` (m,)."""
        if self._floor == -np.inf:
            self._raise_floor(scores)
        kept = np.flatnonzero(scores >= self._floor)
        self.ordinals = np.concatenate([self.ordinals, ordinals[kept]])
        self._scores = np.concatenate([self._scores, scores[kept]])
        self._raise_floor(self._scores)
        staying = self._scores >= self._floor
        self.ordinals, self._scores = self.ordinals[staying], self._scores[staying]

    def _raise_floor(self, scores: Floats) -> None:
        """None of the k best can lie more than the margin below the k-th best of any of the scores."""
        if scores.size >= self._k:
            best = np.partition(scores, scores.size - self._k)[scores.size - self._k]
            self._floor = max(self._floor, float(best) - self._margin)
