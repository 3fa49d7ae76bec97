"""The values that pass between the parts: plain, frozen, without behaviour that needs a library."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scalar = str | int | float | bool | None
Modality = Literal["text", "image"]
Progress = Callable[[int, int], None]
"""`progress(done, total)`: report and, in the same call, stop (raises `Cancelled`). `total` 0 = unknown."""


def no_progress(done: int, total: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document. `image` is a path: of the source file from a reader, relative to `media/` once stored."""

    doc_id: str
    text: str = ""
    title: str = ""
    image: str | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    ordinal: int = -1

    @property
    def content(self) -> str:
        """What a text encoder reads: title and text, as BEIR and FlagEmbedding join them."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Content:
    """What a model reads of a query or document: a text, an image file, or both.

    `image_weight`, 0 … 1, is the image's share where both are given; None: the model's own way of joining them.
    """

    text: str = ""
    image: Path | None = None
    image_weight: float | None = None

    @property
    def modalities(self) -> frozenset[Modality]:
        """Which of the two it has."""
        found: set[Modality] = set()
        if self.text.strip():
            found.add("text")
        if self.image is not None:
            found.add("image")
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Query:
    query_id: str
    text: str = ""
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Qrel:
    query_id: str
    doc_id: str
    relevance: int


class TrainingDocument(NamedTuple):
    """A judged document as training files hold it. `relevance` above 0: a positive. `image` is a path.

    `score` is what a reranker or miner gave it, None where there is none. A tuple: files hold millions of them.
    """

    doc_id: str
    text: str = ""
    relevance: int = 0
    is_hard_negative: bool = False
    score: float | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingGroup:
    """A query with its judged documents. Ids that a file lacks are ""."""

    query: Query
    positives: tuple[TrainingDocument, ...] = ()
    negatives: tuple[TrainingDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A source row that could not be read: where (line, record or file) and why."""

    where: str
    reason: str


@dataclass(frozen=True)
class Ranking:
    """Documents of one corpus for one query, best first.

    `ordinals` (n,) int64, `scores` (n,) float32, higher is better; ties in ordinal order.
    Raises `ValueError` where the two differ in length or the order is broken.
    """

    ordinals: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.ordinals.shape != self.scores.shape or self.ordinals.ndim != 1:
            raise ValueError(f"ordinals {self.ordinals.shape} and scores {self.scores.shape} do not fit together")
        drops = np.diff(self.scores)
        if np.any(drops > 0) or np.any((drops == 0) & (np.diff(self.ordinals) <= 0)):
            raise ValueError("a ranking is sorted by score descending, then ordinal ascending")

    @classmethod
    def of(cls, ordinals: NDArray[np.integer], scores: NDArray[np.floating], k: int | None = None) -> "Ranking":
        """Sort by score descending, then ordinal ascending; drop ordinals below 0 (FAISS's "none"); keep `k`."""
        kept = np.asarray(ordinals) >= 0
        ids = np.asarray(ordinals)[kept].astype(np.int64)
        values = np.asarray(scores)[kept].astype(np.float32)
        order = np.lexsort((ids, -values))[:k]
        return cls(ids[order], values[order])

    def __len__(self) -> int:
        return int(self.ordinals.size)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a hit stood after one stage of a pipeline. `rank` counts from 1."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result, with its standing after each stage by the stage's name."""

    rank: int
    score: float
    document: Document
    stages: Mapping[str, Stage]


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on a metadata column: `op` is one of = != < <= > >= in contains."""

    field: str
    op: str
    value: Scalar | tuple[Scalar, ...]


@dataclass(frozen=True)
class Graph:
    """The k nearest documents of each of n points, nearest first, ties in ordinal order; never the point itself.

    `indices` (n, k) int32, `distances` (n, k) float32: 1 − cosine for the metric cosine, Euclidean for l2.
    `recall`: share of the true neighbours that were found, measured on a sample; 1 where the search was exact.
    Raises `ValueError` where the two differ in shape.
    """

    indices: NDArray[np.int32]
    distances: NDArray[np.float32]
    metric: str = "cosine"
    method: str = "exact"
    recall: float = 1.0

    def __post_init__(self) -> None:
        if self.indices.shape != self.distances.shape or self.indices.ndim != 2:
            raise ValueError(f"indices {self.indices.shape} and distances {self.distances.shape} do not fit together")

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def k(self) -> int:
        return int(self.indices.shape[1])

    def first(self, k: int) -> "Graph":
        """The same with at most `k` neighbours a point."""
        return replace(self, indices=self.indices[:, :k], distances=self.distances[:, :k])
