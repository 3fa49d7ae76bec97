"""What a neighbour graph says of each document: hubs, outliers, duplicates, labels that disagree, other graphs."""

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.types import Graph

Floats = NDArray[np.float32]
TINY = 1e-6
"""Distances up to here count as none."""


def occurrences(graph: Graph, count: int | None = None) -> NDArray[np.int32]:
    """N_k (n,) int32: among the k neighbours of how many documents each stands. Hubs have many, orphans none."""
    size = len(graph) if count is None else count
    return np.bincount(graph.indices.ravel(), minlength=size).astype(np.int32)


def outlierness(graph: Graph) -> Floats:
    """(n,) float32: m(i) / mean of m(j) over i's neighbours j, where m is the mean distance to the k neighbours.

    The simplified local outlier factor of Schubert, Zimek and Kriegel (2014), with the mean distance for the k-th.
    1 = as close as its neighbours are, 2 = twice as far. Distances below 1e-6 count as 1e-6; without neighbours 1.
    """
    if graph.k == 0:
        return np.ones(len(graph), np.float32)
    spread = np.maximum(graph.distances.mean(axis=1), TINY)
    factors: Floats = spread / spread[graph.indices].mean(axis=1)
    return factors.astype(np.float32)


def duplicate_groups(graph: Graph, distance: float) -> NDArray[np.int32]:
    """(n,) int32: the group of documents joined by steps of at most `distance`, −1 where alone.

    For the metric cosine, `distance` = 1 − the threshold. Groups count from 0 in the order of their first document.
    A document's steps go to its k neighbours only.
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    count = len(graph)
    heads, places = np.nonzero(graph.distances <= distance)
    tails = graph.indices[heads, places]
    links = sparse.csr_matrix((np.ones(heads.size, np.int8), (heads, tails)), shape=(count, count))
    parts = csgraph.connected_components(links, directed=False)[1] if count else np.empty(0, np.int32)
    sizes = np.bincount(parts, minlength=1)
    groups = np.full(count, -1, np.int32)
    together = np.flatnonzero(sizes[parts] > 1) if count else np.empty(0, np.int64)
    _, firsts, names = np.unique(parts[together], return_index=True, return_inverse=True)
    groups[together] = np.argsort(np.argsort(firsts))[names]
    return groups


def label_disagreement(graph: Graph, labels: NDArray[np.integer]) -> Floats:
    """(n,) float32: the share of a document's labelled neighbours that have another label than it.

    `labels` (n,) codes, below 0 = no label. NaN where the document or all of its neighbours have none.
    """
    around = labels[graph.indices]
    known = around >= 0
    others = (known & (around != labels[:, None])).sum(axis=1)
    total = known.sum(axis=1)
    shares = np.full(len(graph), np.nan, np.float32)
    asked = (labels >= 0) & (total > 0)
    shares[asked] = others[asked] / total[asked]
    return shares


def neighbour_overlap(first: Graph, second: Graph, k: int) -> Floats:
    """Overlap@k (n,) float32: the share of a document's k nearest that both graphs hold. 1 where k is 0.

    k is at most the smaller graph's. Raises `BadInput` where the graphs are of different numbers of documents.
    """
    if len(first) != len(second):
        raise BadInput(
            f"One map has {len(first)} documents and the other {len(second)}.", "Compare maps of the same corpus."
        )
    k = min(k, first.k, second.k)
    if k <= 0:
        return np.ones(len(first), np.float32)
    both = np.sort(np.hstack([first.indices[:, :k], second.indices[:, :k]]), axis=1)
    shared = (both[:, 1:] == both[:, :-1]).sum(axis=1)
    shares: Floats = (shared / np.float32(k)).astype(np.float32)
    return shares
