"""Exact late interaction over stored token vectors: nothing to build."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.indices.base import Index, Indexed, Knobs, Queries, Selection, Takes, read_notes
from workbench.indices.scan import Shortlist
from workbench.ragged import Ragged
from workbench.scoring import maxsim
from workbench.specs import IndexSpec
from workbench.types import Progress, Ranking, no_progress
from workbench.vectors import MultiVectors

CACHE_BYTES = 512 * 2**20
BLOCK_TOKENS = 65536
MEAN = "meanmaxsim"
SPARSE_FILTER = 4
"""A filter that keeps less than 1 document in so many is gathered instead of scanned past."""


class MaxSimIndex(Index):
    """Compares a query with every document by MaxSim: Σ over its tokens of the best inner product in the document.

    With the factory “meanmaxsim” divided by the query's tokens, as BGE-M3 does; else “maxsim”. The spec's metric makes
    no difference: pairs of vectors are compared by dot. Documents without vectors are never returned. Block products
    in float32 only choose candidates, with a margin above their rounding error; those are scored again in float64, one
    document at a time, so that the result does not depend on blocks, filters or copies of a document.
    """

    takes: ClassVar[Takes] = "multi"

    def __init__(self, vectors: MultiVectors, mean: bool = False, cache_bytes: int = CACHE_BYTES) -> None:
        """Keeps one float32 copy in memory where it fits into `cache_bytes`; else reads the mapped shards each time."""
        self._vectors = vectors
        self._mean = mean
        self._blocks: list[tuple[int, Ragged]] = []
        self._longest = 0.0
        fits = 4 * vectors.tokens * vectors.dim <= cache_bytes
        for start, block in vectors.blocks(BLOCK_TOKENS):
            squares = np.einsum("ij,ij->i", block.values, block.values)
            self._longest = max(self._longest, float(np.sqrt(squares.max(initial=0.0))))
            if fits:
                self._blocks.append((start, block))
        self._filled = vectors.lengths > 0

    @property
    def dim(self) -> int:
        return self._vectors.dim

    def __len__(self) -> int:
        return len(self._vectors)

    @classmethod
    def build(
        cls, vectors: Indexed, spec: IndexSpec, progress: Progress = no_progress, folder: Path | None = None
    ) -> Self:
        """As `Index.build`; of `spec` the factory says whether scores are sums or means."""
        found = _multi(vectors)
        progress(0, len(found))
        index = cls(found, mean=spec.factory == MEAN)
        progress(len(found), len(found))
        return index

    def _save(self, folder: Path) -> None:
        """The vectors are the index: only the notes are kept."""

    @classmethod
    def open(cls, folder: Path, vectors: Indexed | None = None) -> Self:
        """Open over `vectors`. Raises `BadInput` without them, or where they are not those that were indexed."""
        notes = read_notes(folder)
        found = _multi(vectors)
        if (len(found), found.dim, found.tokens) != (notes["vectors"], notes["dim"], notes["tokens"]):
            raise BadInput(
                f"The index was made for {notes['vectors']} documents of {notes['tokens']} vectors, "
                f"not {len(found)} of {found.tokens}.",
                "Build it again.",
            )
        return cls(found, mean=notes["metric"] == MEAN)

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "maxsim",
            "metric": MEAN if self._mean else "maxsim",
            "vectors": len(self),
            "dim": self.dim,
            "tokens": self._vectors.tokens,
        }

    @property
    def size_bytes(self) -> int:
        width = 4 if self._blocks else self._vectors.dtype.itemsize
        return self._vectors.tokens * self.dim * width

    def _search(self, queries: Queries, k: int, knobs: Knobs, allowed: Selection) -> list[Ranking]:
        if not isinstance(queries, Ragged):
            raise TypeError("token vectors are needed")
        wanted = [np.ascontiguousarray(query, dtype=np.float32) for query in queries]
        kept = self._filled if allowed is None else allowed & self._filled
        shortlists = [Shortlist(k, self._margin(query)) for query in wanted]
        for ordinals, block in self._pieces(kept):
            for query, shortlist in zip(wanted, shortlists, strict=True):
                if len(query):
                    shortlist.add(ordinals, maxsim(query, block))
        return [self._rank(query, each.ordinals, k) for query, each in zip(wanted, shortlists, strict=True)]

    def _pieces(self, kept: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], Ragged]]:
        """(ordinals (m,), their m rows) of the documents kept, block by block."""
        chosen = np.flatnonzero(kept)
        if chosen.size * SPARSE_FILTER < len(self):
            for part in np.array_split(chosen, 1 + chosen.size // 512):
                yield part, self._vectors.take(part)
            return
        for start, block in self._blocks or self._vectors.blocks(BLOCK_TOKENS):
            ordinals = np.flatnonzero(kept[start : start + len(block)])
            if ordinals.size:
                yield start + ordinals, block if ordinals.size == len(block) else block.take(ordinals)

    def _margin(self, query: NDArray[np.float32]) -> float:
        """More than twice the rounding error of a float32 score (Higham: (d + lq) · 2⁻²⁴ · Σ|q_i| · |d_j| at most)."""
        lengths = np.linalg.norm(query.astype(np.float64), axis=1)
        return float((self.dim + len(query) + 8) * 2.0**-22 * lengths.sum() * self._longest)

    def _rank(self, query: NDArray[np.float32], ordinals: NDArray[np.int64], k: int) -> Ranking:
        exact = query.astype(np.float64)
        scores = np.empty(ordinals.size, dtype=np.float32)
        for at, ordinal in enumerate(ordinals):
            row = self._vectors.row(int(ordinal)).astype(np.float64)
            # Not by BLAS, whose threads would wait for each other over a product this small.
            scores[at] = np.einsum("td,qd->tq", row, exact).max(axis=0).sum()
        if self._mean:
            scores /= max(1, len(query))
        return Ranking.of(ordinals, scores, k)


def _multi(vectors: Indexed | None) -> MultiVectors:
    if not isinstance(vectors, MultiVectors):
        raise BadInput("The MaxSim index needs multi vectors.", "Use an encoder that makes one vector per token.")
    return vectors
