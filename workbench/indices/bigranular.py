"""Codes in memory choose candidates, the vectors on disk score them: bi-granular retrieval.

After BiDR (Xiao et al. 2022, arXiv 2201.05409): a light representation of every document is held in memory, the full
one is read for the candidates only. Its sparse embeddings are trained; here they are codes of the stored vectors.
"""

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
from workbench.indices.binary import BINARY, BinaryIndex
from workbench.indices.faiss_index import FaissIndex
from workbench.indices.verifying import exact_scores
from workbench.scoring import top_k
from workbench.specs import IndexSpec
from workbench.types import Progress, Ranking, no_progress
from workbench.vectors import DenseVectors

VERIFY = ",Verify"
"""What a factory string of this kind ends with: the codes stand before it."""
FACTOR = 10.0


class BiGranularIndex(Index):
    """`CODES,Verify`: the k · `k_factor` best by CODES, ordered by the stored vectors, which stay on disk.

    CODES is “Binary” or a FAISS factory string. Only what the candidates need is read of the vectors.
    """

    def __init__(self, codes: Index, vectors: DenseVectors, spec: IndexSpec) -> None:
        self._codes, self._vectors, self._factory, self._metric = codes, vectors, spec.factory, spec.metric

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
        """As `Index.build`; builds the codes, the vectors stay where they are."""
        found = dense_only(vectors)
        return cls(_kind(spec.factory).build(found, codes_spec(spec), progress, folder), found, spec)

    def _save(self, folder: Path) -> None:
        self._codes.save(folder / "codes")

    @classmethod
    def open(cls, folder: Path, vectors: Indexed | None = None) -> Self:
        """Open over `vectors`. Raises `BadInput` without them, or where they are not those that were indexed."""
        notes = read_notes(folder)
        found = indexed_vectors(notes, vectors)
        codes = _kind(notes["factory"]).open(folder / "codes", found)
        return cls(codes, found, IndexSpec(factory=notes["factory"], metric=notes["metric"]))

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "bi-granular",
            "factory": self._factory,
            "metric": self._metric,
            "vectors": len(self),
            "dim": self.dim,
            "codes": self._codes.describe(),
            "settings": self.knobs(),
            "bytes": self.size_bytes,
            "disk_bytes": self.disk_bytes,
        }

    @property
    def size_bytes(self) -> int:
        """Bytes of the codes: what is held in memory."""
        return self._codes.size_bytes

    @property
    def disk_bytes(self) -> int:
        """Bytes of the vectors, of which each query reads those of its candidates."""
        return len(self) * self.dim * self._vectors.dtype.itemsize

    def knobs(self) -> Knobs:
        return {**self._codes.knobs(), "k_factor": FACTOR}

    def scored(self, queries: Queries, settings: Mapping[str, Any] = NO_SETTINGS) -> NDArray[np.int64] | None:
        """By their codes; k · `k_factor` of them are then scored again."""
        return self._codes.scored(queries, self._own(self._settings(settings)))

    def calibration(self) -> NDArray[np.float32] | None:
        return self._codes.calibration()

    def _own(self, knobs: Knobs) -> Knobs:
        """Those of the settings that the codes know."""
        return {name: value for name, value in knobs.items() if name in self._codes.knobs()}

    def _search(self, queries: Queries, k: int, knobs: Knobs, allowed: Selection) -> list[Ranking]:
        wanted = np.ascontiguousarray(queries, dtype=np.float32)
        fetched = int(np.ceil(k * float(knobs["k_factor"])))
        candidates = self._codes.search(wanted, fetched, self._own(knobs), allowed)
        return [self._verified(row, each.ordinals, k) for row, each in zip(wanted, candidates, strict=True)]

    def _verified(self, query: NDArray[np.float32], ordinals: NDArray[np.int64], k: int) -> Ranking:
        """The candidates in the order of the stored vectors, scored one by one: the batch changes nothing."""
        return top_k(exact_scores(self._vectors, ordinals, query, self._metric), k, ordinals)


def codes_spec(spec: IndexSpec) -> IndexSpec:
    """The spec of the codes alone."""
    values = spec.to_dict() | {"factory": spec.factory.removesuffix(VERIFY)}
    return IndexSpec.from_dict(values)


def _kind(factory: str) -> type[Index]:
    return BinaryIndex if factory.removesuffix(VERIFY) == BINARY else FaissIndex
