"""HI²: inverted lists of clusters and of salient terms together (Zhang et al. 2023, arXiv 2210.05521).

Every document stands in the list of its nearest cluster and in those of its heaviest terms. A query looks into its
nearest clusters' lists and into those of all its terms; the union is scored by the stored vectors. Clusters are
k-means', terms those of a term-weight embedding: the paper's unsupervised form; its supervised one trains both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workbench.errors import BadInput
from workbench.indices.base import (
    NO_SETTINGS,
    Index,
    Indexed,
    Knobs,
    Queries,
    Selection,
    Takes,
    indexed_vectors,
    read_notes,
)
from workbench.indices.hybrid import HybridQueries, HybridVectors, check_hi2, sizes
from workbench.indices.verifying import exact_scores
from workbench.scoring import normalize_rows, top_k
from workbench.specs import IndexSpec
from workbench.types import Progress, Ranking, no_progress
from workbench.vectors import DenseVectors, save_array

_PARTS = ("centroids", "cluster_starts", "cluster_ordinals", "term_starts", "term_ordinals")
_SAMPLE = 256  # training vectors per cluster, as FAISS's own limit
Lists = tuple[NDArray[np.int64], NDArray[np.int32]]


@dataclass(frozen=True)
class Candidates:
    """The documents that a query's lists hold, ascending, and which kind of list holds each."""

    ordinals: NDArray[np.int64]
    by_cluster: NDArray[np.bool_]
    by_term: NDArray[np.bool_]


class Hi2Index(Index):
    """`HI2_CLUSTERSxTERMS`: so many clusters, and so many of the heaviest terms of each document.

    With `nprobe` = CLUSTERS every document is a candidate, and the result that of the exact index.
    """

    takes: ClassVar[Takes] = "hybrid"

    def __init__(self, parts: Mapping[str, NDArray[Any]], vectors: DenseVectors, notes: dict[str, Any]) -> None:
        self._parts, self._vectors, self._notes = parts, vectors, notes

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
        """As `Index.build`, over `HybridVectors`. Raises `BadInput` on more clusters than documents."""
        if not isinstance(vectors, HybridVectors):
            raise BadInput("HI² needs dense vectors and term weights of the same corpus.", "Encode it with BM25 too.")
        if len(vectors.dense) != len(vectors.terms):
            raise BadInput(
                f"There are {len(vectors.dense):,} vectors and {len(vectors.terms):,} rows of terms.",
                "Both must be of the same documents: encode the corpus again.",
            )
        clusters, terms = sizes(spec.factory)
        if len(vectors):
            check_hi2(spec.factory, len(vectors))
        total = 2 * len(vectors)
        centroids = _centroids(vectors.dense, clusters, spec)
        nearest = np.empty(len(vectors), dtype=np.int64)
        for start, block in vectors.dense.blocks():
            progress(start, total)
            nearest[start : start + len(block)] = _nearest(_scaled(block, spec.metric), centroids, spec.metric)
        cluster_lists = _lists(np.arange(len(vectors)), nearest, clusters)
        documents, held = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
        for start, rows in vectors.terms.blocks():
            progress(len(vectors) + start, total)
            owners, columns = heaviest(rows, terms)
            documents.append(owners + start)
            held.append(columns)
        term_lists = _lists(np.concatenate(documents), np.concatenate(held), vectors.terms.dim)
        progress(total, total)
        arrays: tuple[NDArray[Any], ...] = (centroids, *cluster_lists, *term_lists)
        parts = dict(zip(_PARTS, arrays, strict=True))
        notes = {
            "kind": "hi2",
            "faiss": faiss.__version__,
            "factory": spec.factory,
            "metric": spec.metric,
            "vectors": len(vectors),
            "dim": vectors.dim,
            "seed": spec.seed,
            "clusters": clusters,
            "terms_per_document": terms,
            "term_lists": int(np.count_nonzero(np.diff(term_lists[0]))),
        }
        return cls(parts, vectors.dense, notes)

    def _save(self, folder: Path) -> None:
        for name, array in self._parts.items():
            save_array(folder / f"{name}.npy", array)

    @classmethod
    def open(cls, folder: Path, vectors: Indexed | None = None) -> Self:
        """Open what `save` wrote over the dense vectors that were indexed, alone or with their terms."""
        notes = read_notes(folder)
        found = indexed_vectors(notes, vectors.dense if isinstance(vectors, HybridVectors) else vectors)
        parts = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _PARTS}
        return cls(parts, found, notes)

    def describe(self) -> dict[str, Any]:
        return {**self._notes, "settings": self.knobs(), "bytes": self.size_bytes, "disk_bytes": self.disk_bytes}

    @property
    def size_bytes(self) -> int:
        """Bytes of the lists and centroids; the vectors stay on disk."""
        return sum(int(array.nbytes) for array in self._parts.values())

    @property
    def disk_bytes(self) -> int:
        """Bytes of the vectors, of which each query reads those of its candidates."""
        return len(self) * self.dim * self._vectors.dtype.itemsize

    def knobs(self) -> Knobs:
        return {"nprobe": max(1, int(np.sqrt(self._notes["clusters"])))}

    def scored(self, queries: Queries, settings: Mapping[str, Any] = NO_SETTINGS) -> NDArray[np.int64] | None:
        """The size of each query's union of lists."""
        if not isinstance(queries, HybridQueries):
            raise TypeError(f"hybrid queries are wanted, not {type(queries).__name__}")
        return np.array([len(each.ordinals) for each in self.candidates(queries, settings)], np.int64)

    def candidates(self, queries: HybridQueries, settings: Mapping[str, Any] | None = None) -> list[Candidates]:
        """Per query, what its lists hold: len(ordinals) / len(index) is the share of documents that are scored."""
        self._check(queries, None)
        knobs = self._settings(settings or {})
        wanted = _scaled(queries.dense, self._notes["metric"])
        return [self._candidates(row, queries.terms[n], int(knobs["nprobe"])) for n, row in enumerate(wanted)]

    def _search(self, queries: Queries, k: int, knobs: Knobs, allowed: Selection) -> list[Ranking]:
        if not isinstance(queries, HybridQueries):
            raise TypeError(f"hybrid queries are wanted, not {type(queries).__name__}")
        found = []
        for row, each in zip(queries.dense, self.candidates(queries, knobs), strict=True):
            ordinals = each.ordinals if allowed is None else each.ordinals[allowed[each.ordinals]]
            found.append(top_k(exact_scores(self._vectors, ordinals, row, self._notes["metric"]), k, ordinals))
        return found

    def _candidates(self, query: NDArray[np.float32], terms: sparse.csr_matrix, nprobe: int) -> Candidates:
        centroids, starts, ordinals, term_starts, term_ordinals = (self._parts[name] for name in _PARTS)
        near = top_k(_closeness(query[None], centroids, self._notes["metric"])[0], nprobe).ordinals
        by_cluster = _union(starts, ordinals, near)
        by_term = _union(term_starts, term_ordinals, np.unique(terms.indices))
        every = np.union1d(by_cluster, by_term)
        return Candidates(every, np.isin(every, by_cluster), np.isin(every, by_term))


def heaviest(rows: sparse.csr_matrix, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """(row, column) of the `count` greatest positive weights of each row; equal ones go by column."""
    owners = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    kept = rows.data > 0
    owners, columns, weights = owners[kept], rows.indices[kept], rows.data[kept]
    order = np.lexsort((columns, -weights, owners))
    owners, columns = owners[order], columns[order]
    place = np.arange(owners.size) - np.searchsorted(owners, owners, side="left")
    return owners[place < count], columns[place < count]


def _centroids(vectors: DenseVectors, clusters: int, spec: IndexSpec) -> NDArray[np.float32]:
    """k-means of a seeded sample, spherical where directions are compared."""
    size = min(len(vectors), spec.train_limit, _SAMPLE * clusters)
    if not size:
        return np.empty((0, vectors.dim), np.float32)
    chosen = np.sort(np.random.default_rng(spec.seed).choice(len(vectors), size, replace=False))
    sample = _scaled(vectors.take(chosen), spec.metric)
    # FAISS warns below 39 vectors a cluster; with fewer the clusters are only smaller.
    kmeans = faiss.Kmeans(
        vectors.dim, clusters, niter=20, seed=spec.seed, spherical=spec.metric == "cosine", min_points_per_centroid=1
    )
    kmeans.train(np.ascontiguousarray(sample))
    centroids: NDArray[np.float32] = kmeans.centroids
    return centroids


def _scaled(rows: NDArray[np.floating], metric: str) -> NDArray[np.float32]:
    return normalize_rows(rows) if metric == "cosine" else np.ascontiguousarray(rows, dtype=np.float32)


def _closeness(rows: NDArray[np.float32], centroids: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """(rows, clusters): inner products, or for l2 the negative squared distance but for the row's own length."""
    products: NDArray[np.float32] = rows @ centroids.T
    return 2 * products - np.einsum("ij,ij->i", centroids, centroids) if metric == "l2" else products


def _nearest(rows: NDArray[np.float32], centroids: NDArray[np.float32], metric: str) -> NDArray[np.int64]:
    nearest: NDArray[np.int64] = np.argmax(_closeness(rows, centroids, metric), axis=1)
    return nearest


def _lists(ordinals: NDArray[np.int64], keys: NDArray[np.integer], count: int) -> Lists:
    """(starts (count + 1,), ordinals): the members of each key's list, ascending."""
    order = np.lexsort((ordinals, keys))
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(keys, minlength=count))])
    return starts.astype(np.int64), ordinals[order].astype(np.int32)


def _union(starts: NDArray[np.int64], ordinals: NDArray[np.int32], keys: NDArray[np.integer]) -> NDArray[np.int64]:
    found = [ordinals[starts[key] : starts[key + 1]] for key in keys]
    return np.unique(np.concatenate(found)).astype(np.int64) if found else np.empty(0, np.int64)
