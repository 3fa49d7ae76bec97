"""Exact search over sparse vectors: for each term, the documents that hold it and their weights."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.errors import BadInput
from workbench.indices.base import Index, Indexed, Knobs, Queries, Selection, Takes, read_notes
from workbench.scoring import top_k
from workbench.specs import IndexSpec
from workbench.types import Progress, Ranking, no_progress
from workbench.vectors import SparseVectors, save_array

PARTS = {"starts": np.int64, "ordinals": np.int32, "weights": np.float32}


class InvertedIndex(Index):
    """Scores are inner products, whatever the spec's metric; documents that share no term are never returned.

    `starts` (terms + 1,) int64 bounds each term's postings in `ordinals` and `weights` (nnz,), ascending by ordinal.
    """

    takes: ClassVar[Takes] = "sparse"

    def __init__(self, parts: dict[str, NDArray[Any]], documents: int) -> None:
        self._starts, self._ordinals, self._weights = (parts[name] for name in PARTS)
        self._documents = documents

    @property
    def dim(self) -> int:
        return int(self._starts.size) - 1

    def __len__(self) -> int:
        return self._documents

    @classmethod
    def build(
        cls,
        vectors: Indexed,
        spec: IndexSpec,
        progress: Progress = no_progress,
        folder: Path | None = None,
    ) -> Self:
        """As `Index.build`, in two passes: count each term's postings, then put each in its place."""
        if not isinstance(vectors, SparseVectors):
            raise BadInput("The inverted index needs sparse vectors.", "Dense embeddings take a FAISS factory string.")
        total = 2 * len(vectors)
        counts = np.zeros(vectors.dim, dtype=np.int64)
        for start, block in vectors.blocks():
            progress(start, total)
            counts += np.bincount(block.indices, minlength=vectors.dim)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        ordinals, weights = (_allocate(folder, name, int(starts[-1])) for name in ("ordinals", "weights"))
        free = starts[:-1].copy()
        for start, block in vectors.blocks():
            progress(len(vectors) + start, total)
            places, owners = _places(block, free)
            ordinals[places] = start + owners
            weights[places] = block.data
            free += np.bincount(block.indices, minlength=vectors.dim)
        progress(total, total)
        return cls({"starts": starts, "ordinals": ordinals, "weights": weights}, len(vectors))

    def _save(self, folder: Path) -> None:
        for name, array in zip(PARTS, (self._starts, self._ordinals, self._weights), strict=True):
            if isinstance(array, np.memmap) and Path(str(array.filename)) == folder.resolve() / f"{name}.npy":
                array.flush()
            else:
                save_array(folder / f"{name}.npy", array)

    @classmethod
    def open(cls, folder: Path, vectors: Indexed | None = None) -> Self:
        """Open what `save` wrote, memory-mapped; `vectors` is not needed."""
        notes = read_notes(folder)
        parts = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in PARTS}
        return cls(parts, notes["vectors"])

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "inverted",
            "metric": "dot",
            "vectors": self._documents,
            "dim": self.dim,
            "postings": int(self._ordinals.size),
            "bytes": self.size_bytes,
        }

    @property
    def size_bytes(self) -> int:
        return int(self._starts.nbytes + self._ordinals.nbytes + self._weights.nbytes)

    def _search(self, queries: Queries, k: int, knobs: Knobs, allowed: Selection) -> list[Ranking]:
        rows = sparse.csr_matrix(queries, copy=True)
        # One order of addition, however the caller's terms are ordered or repeated.
        rows.sum_duplicates()
        return [self._rank(rows.indices[a:b], rows.data[a:b], k, allowed) for a, b in _spans(rows.indptr)]

    def _rank(self, terms: NDArray[Any], weights: NDArray[Any], k: int, allowed: Selection) -> Ranking:
        spans = [slice(int(self._starts[term]), int(self._starts[term + 1])) for term in terms]
        if not spans:
            return Ranking(np.empty(0, np.int64), np.empty(0, np.float32))
        found = np.concatenate([self._ordinals[span] for span in spans])
        parts = [
            np.float64(weight) * self._weights[span].astype(np.float64)
            for weight, span in zip(weights, spans, strict=True)
        ]
        scores = np.bincount(found, np.concatenate(parts), minlength=self._documents).astype(np.float32)
        if allowed is not None:
            scores[~allowed] = 0.0
        hits = np.flatnonzero(scores)
        return top_k(scores[hits], k, hits)


def _allocate(folder: Path | None, name: str, size: int) -> NDArray[Any]:
    """Room for one part: a memory-mapped `.npy` in `folder`, else memory. numpy cannot map an empty file."""
    if folder is None or size == 0:
        return np.empty(size, dtype=PARTS[name])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / f"{name}.npy"
    array = np.lib.format.open_memmap(path, mode="w+", dtype=PARTS[name], shape=(size,))
    with path.open("r+b") as handle:
        # A map of space that the disk lacks would end the process with SIGBUS; this raises OSError instead.
        os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
    return array


def _places(block: sparse.csr_matrix, free: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(place in the postings, row within the block) of each stored value of `block`, in its order."""
    owners = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    order = np.argsort(block.indices, kind="stable")
    terms = block.indices[order]
    first = np.searchsorted(terms, terms, side="left")
    places = np.empty(terms.size, dtype=np.int64)
    places[order] = free[terms] + np.arange(terms.size) - first
    return places, owners


def _spans(indptr: NDArray[np.integer]) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for a, b in pairwise(indptr)]
