"""What every index offers. A subclass writes `build`, `_save`, `open`, `describe`, `size_bytes` and `_search`."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.errors import BadInput, NotFound
from workbench.indices.hybrid import HybridQueries, HybridVectors
from workbench.ragged import Ragged
from workbench.specs import IndexSpec
from workbench.types import Progress, Ranking, no_progress
from workbench.vectors import AnyVectors, DenseVectors, write_durably

NOTES = "index.json"
NO_SETTINGS: Mapping[str, Any] = {}

Takes = Literal["dense", "sparse", "multi", "hybrid"]
Queries: TypeAlias = NDArray[np.float32] | sparse.csr_matrix | Ragged | HybridQueries
"""(q, dim) float32: an array for a dense index, CSR for a sparse one, q ragged rows for one of token vectors, array and
CSR for one of vectors and terms."""
Indexed: TypeAlias = AnyVectors | HybridVectors
"""What an index is built over."""
Selection: TypeAlias = NDArray[np.bool_] | None
Knobs: TypeAlias = dict[str, int | float]


class Index(ABC):
    """Searchable vectors of one corpus: row *i* is document ordinal *i*, every score is higher-is-better.

    Scores: cosine and dot as they are, L2 as the negative Euclidean distance. Equal scores come in ordinal order.
    An index does not change once built, so threads may search it at once.
    """

    takes: ClassVar[Takes] = "dense"
    """The form of its vectors and queries: an encoder's `output`."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Components of a query; 0 where the corpus is empty."""

    @abstractmethod
    def __len__(self) -> int:
        """Documents."""

    @classmethod
    @abstractmethod
    def build(
        cls,
        vectors: Indexed,
        spec: IndexSpec,
        progress: Progress = no_progress,
        folder: Path | None = None,
    ) -> Self:
        """Build over all of `vectors`, which are streamed. Large parts are written to `folder` where one is given.

        Raises `BadInput` before the work starts where `spec` does not fit the vectors, and what `progress` raises.
        """

    def save(self, folder: Path) -> None:
        """Write the index into `folder`; its notes come last, so a folder without them was never finished."""
        folder.mkdir(parents=True, exist_ok=True)
        self._save(folder)
        write_durably(folder / NOTES, json.dumps(self.describe(), indent=1).encode())

    @abstractmethod
    def _save(self, folder: Path) -> None: ...

    @classmethod
    @abstractmethod
    def open(cls, folder: Path, vectors: Indexed | None = None) -> Self:
        """Open what `save` wrote, memory-mapped where possible. `vectors` is the embedding that was indexed."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What was applied: library versions, metric, seed, counts."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes it holds, in memory or mapped."""

    def knobs(self) -> Knobs:
        """The search settings that have a meaning here, with their defaults."""
        return {}

    def scored(self, queries: Queries, settings: Mapping[str, Any] = NO_SETTINGS) -> NDArray[np.int64] | None:
        """(q,) how many documents (or their codes) each query is compared with; None where the index cannot say."""
        return None

    def calibration(self) -> NDArray[np.float32] | None:
        """(2, d): the lowest value and the width that 8-bit codes of each dimension were trained to hold; else None."""
        return None

    def search(
        self, queries: Queries, k: int, settings: Mapping[str, Any] = NO_SETTINGS, allowed: Selection = None
    ) -> list[Ranking]:
        """One `Ranking` of at most `k` documents per row of `queries` (q, dim), the same whatever the batch.

        `allowed` (n,) keeps documents: a dense index then returns exactly min(k, allowed) of them, a sparse one those
        that share a term with the query, one of token vectors those that have any, HI² those that its lists hold.
        Raises `BadInput` on a dimension, mask or setting that does not fit.
        """
        self._check(queries, allowed)
        knobs = self._settings(settings)
        if k <= 0 or len(self) == 0 or (allowed is not None and not allowed.any()):
            none = Ranking(np.empty(0, np.int64), np.empty(0, np.float32))
            return [none] * int(queries.shape[0])
        if queries.shape[0] == 0:
            return []
        return self._search(queries, min(k, len(self)), knobs, None if allowed is None or allowed.all() else allowed)

    @abstractmethod
    def _search(self, queries: Queries, k: int, knobs: Knobs, allowed: Selection) -> list[Ranking]:
        """`search` after the checks: there are queries and documents, 1 ≤ k ≤ n, `knobs` is complete."""

    def _settings(self, settings: Mapping[str, Any]) -> Knobs:
        known = self.knobs()
        given = {name: value for name, value in settings.items() if value is not None}
        for name, value in given.items():
            if name not in known:
                hint = f"It takes: {', '.join(known)}." if known else "It takes no search settings."
                raise BadInput(f"The search setting “{name}” does not apply to this index.", hint)
            if not isinstance(value, int | float) or isinstance(value, bool) or value < 1:
                raise BadInput(f"The search setting {name} is “{value}”.", "It must be a number of at least 1.")
        return known | given

    def _check(self, queries: Queries, allowed: Selection) -> None:
        if form_of(queries) != self.takes:
            raise BadInput(f"This index takes {self.takes} queries.", "Use the encoder that made its embedding.")
        if len(queries.shape) != 2 or (len(self) and queries.shape[0] and queries.shape[1] != self.dim):
            raise BadInput(
                f"The queries have the shape {queries.shape}, the index has {self.dim} dimensions.",
                "Use the encoder that made its embedding.",
            )
        if not np.isfinite(stored_values(queries)).all():
            raise BadInput("The query's vector has NaN or infinite values.", "Encode it with float32.")
        if allowed is not None and allowed.shape != (len(self),):
            raise BadInput(f"The filter covers {allowed.shape[0]} documents, the index {len(self)}.", "Index again.")


def form_of(queries: Queries) -> Takes:
    """Which of the three forms these vectors have."""
    if isinstance(queries, Ragged):
        return "multi"
    if isinstance(queries, HybridQueries):
        return "hybrid"
    return "sparse" if sparse.issparse(queries) else "dense"


def stored_values(queries: Queries) -> NDArray[np.float32]:
    """All numbers that the vectors hold."""
    if isinstance(queries, Ragged):
        return queries.values
    if isinstance(queries, HybridQueries):
        return queries.dense
    values: NDArray[np.float32] = np.asarray(queries.data if sparse.issparse(queries) else queries)
    return values


def read_notes(folder: Path) -> dict[str, Any]:
    """The notes `save` left. Raises `NotFound` where the folder holds no finished index."""
    path = folder / NOTES
    if not path.is_file():
        raise NotFound(f"There is no finished index in “{folder.name}”.", "Build it again.")
    notes: dict[str, Any] = json.loads(path.read_text())
    return notes


def dense_only(vectors: Indexed | None) -> DenseVectors:
    """`vectors`. Raises `BadInput` where there are none or they are not dense."""
    if not isinstance(vectors, DenseVectors):
        raise BadInput("This index needs dense vectors.", "Sparse embeddings are searched by the inverted index.")
    return vectors


def indexed_vectors(notes: Mapping[str, Any], vectors: Indexed | None) -> DenseVectors:
    """`vectors`. Raises `BadInput` without them, or where they are not those that `notes` were made for."""
    found = dense_only(vectors)
    if len(found) != notes["vectors"] or found.dim != notes["dim"]:
        raise BadInput(
            f"The index was made for {notes['vectors']} × {notes['dim']} vectors, not {len(found)} × {found.dim}.",
            "Build it again.",
        )
    return found
