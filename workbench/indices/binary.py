"""One bit a dimension: the sign. 32 times smaller than float32; the order is coarse, so it is best verified."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.indices.base import NO_SETTINGS, Index, Indexed, Knobs, Queries, Selection, dense_only, read_notes
from workbench.scoring import top_k
from workbench.specs import IndexSpec
from workbench.types import Progress, Ranking, no_progress
from workbench.vectors import save_array

BINARY = "Binary"
_FILE = "words.npy"
_WORD = 64


class BinaryIndex(Index):
    """Signs of the vectors, compared by Hamming distance. Score: 1 − 2 · distance / dim, in −1 … 1.

    A component above 0 is a 1 (sentence-transformers' "ubinary"). `words` (n, ⌈dim / 64⌉) uint64.
    """

    def __init__(self, words: NDArray[np.uint64], dim: int, metric: str) -> None:
        self._words, self._dim, self._metric = words, dim, metric

    @property
    def dim(self) -> int:
        return self._dim

    def __len__(self) -> int:
        return len(self._words)

    @classmethod
    def build(
        cls,
        vectors: Indexed,
        spec: IndexSpec,
        progress: Progress = no_progress,
        folder: Path | None = None,
    ) -> Self:
        """As `Index.build`. Raises `BadInput` for Euclidean distances, which signs say nothing of."""
        found = dense_only(vectors)
        if spec.metric == "l2":
            raise BadInput(
                "Binary codes keep directions only, and this encoder compares by Euclidean distance.", "Choose SQ8."
            )
        words = np.zeros((len(found), -(-max(found.dim, 1) // _WORD)), dtype=np.uint64)
        for start, block in found.blocks():
            progress(start, len(found))
            words[start : start + len(block)] = signs(block)
        progress(len(found), len(found))
        return cls(words, found.dim, spec.metric)

    def _save(self, folder: Path) -> None:
        save_array(folder / _FILE, self._words)

    @classmethod
    def open(cls, folder: Path, vectors: Indexed | None = None) -> Self:
        """Open what `save` wrote, memory-mapped; `vectors` is not needed."""
        notes = read_notes(folder)
        return cls(np.load(folder / _FILE, mmap_mode="r", allow_pickle=False), notes["dim"], notes["metric"])

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "binary",
            "factory": BINARY,
            "metric": self._metric,
            "vectors": len(self),
            "dim": self._dim,
            "bytes": self.size_bytes,
        }

    @property
    def size_bytes(self) -> int:
        return int(self._words.nbytes)

    def scored(self, queries: Queries, settings: Mapping[str, Any] = NO_SETTINGS) -> NDArray[np.int64] | None:
        """All of them."""
        return np.full(int(queries.shape[0]), len(self), np.int64)

    def _search(self, queries: Queries, k: int, knobs: Knobs, allowed: Selection) -> list[Ranking]:
        kept = None if allowed is None else np.flatnonzero(allowed)
        words = self._words if kept is None else self._words[kept]
        return [self._rank(row, words, k, kept) for row in signs(np.asarray(queries))]

    def _rank(
        self, query: NDArray[np.uint64], words: NDArray[np.uint64], k: int, kept: NDArray[np.int64] | None
    ) -> Ranking:
        differ = np.zeros(len(words), dtype=np.int32)
        for column, word in enumerate(query):
            differ += np.bitwise_count(words[:, column] ^ word)
        return top_k((1 - differ.astype(np.float32) * 2 / self._dim), k, kept)


def signs(rows: NDArray[np.floating]) -> NDArray[np.uint64]:
    """(n, ⌈d / 64⌉) uint64 of rows (n, d): bit by bit whether a component is above 0, filled up with zeros."""
    width = -(-max(rows.shape[1], 1) // _WORD) * _WORD
    bits = np.zeros((len(rows), width), dtype=bool)
    bits[:, : rows.shape[1]] = rows > 0
    words: NDArray[np.uint64] = np.packbits(bits, axis=1).view(np.uint64)
    return words
