"""Later documents: their nearest neighbours among earlier ones, and a neighbour graph carried to a newer set.

Both stream: a block of documents is compared with a block of those asked about (`faiss.knn`, exact), so nothing but
the answers is held. Where that would be more than `MOST_PAIRS` comparisons, an HNSW graph is searched, as in `graphs`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.neighbourhoods import graphs
from workbench.types import Graph, Progress, no_progress
from workbench.vectors import DenseVectors

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
MOST_PAIRS = 20_000_000_000
"""Comparisons of an exact search: some minutes on two cores at 384 dimensions."""
BLOCK = 16_384


def nearest_among(
    vectors: DenseVectors,
    asking: tuple[DenseVectors, NDArray[np.integer]],
    k: int,
    metric: str = "cosine",
    seed: int = 0,
    progress: Progress = no_progress,
) -> Graph:
    """The `k` nearest documents of `vectors` for each of `asking`: (m, k), nearest first, ties by ordinal.

    `asking`: other vectors of the same space, and which m of them ask. Nothing is left out: an equal document comes
    first. Raises `BadInput` on NaN, infinity and another metric. `progress` counts those that asked.
    """
    graphs._check_metric(metric)
    others, rows = asking
    k = max(0, min(k, len(vectors)))
    if len(vectors) * len(rows) > MOST_PAIRS and len(vectors) > graphs.EXACT_UP_TO:
        return _by_hnsw(vectors, (others, rows), k, metric, seed, progress)
    return _search(vectors, None, others, rows, k, metric, progress)


def grown_graph(
    vectors: DenseVectors, old: Graph, came_from: Ids, k: int, seed: int = 0, progress: Progress = no_progress
) -> Graph:
    """The `k` nearest others of every document of a newer set, from the graph of an older one.

    `came_from` (n,): the older ordinal whose vector a document has, −1 where it is new. A document that keeps all its
    neighbours is only compared with the new ones; one that lost some, and a new one, with all. Where that is most of
    them, the graph is searched afresh. Equal to `neighbour_graph` where `old` is exact, but for ties at the k-th.
    """
    count = len(vectors)
    k = max(0, min(k, count - 1))
    carried = np.full(len(old), -1, np.int64)
    heirs = np.flatnonzero(came_from >= 0)[::-1]
    # Of several documents with one older vector the first inherits; the others are new to its neighbours.
    carried[came_from[heirs]] = heirs
    known = np.zeros(count, np.bool_)
    known[carried[carried >= 0]] = True
    stays = np.flatnonzero(known)
    near = old.first(k).indices[came_from[stays]].astype(np.int64)
    near = np.where(near >= 0, carried[near], -1)
    whole = (near >= 0).all(axis=1) & (near.shape[1] == k)
    fresh = np.setdiff1d(np.arange(count), stays[whole])
    if 2 * fresh.size > count or fresh.size * count > MOST_PAIRS:
        return graphs.neighbour_graph(vectors, k, old.metric, seed, progress)
    indices, distances = np.empty((count, k), np.int32), np.empty((count, k), np.float32)
    total, kept = fresh.size + int(whole.sum()), stays[whole]
    found = _search(vectors, None, vectors, fresh, k + 1, old.metric, lambda done, _: progress(done, total))
    own = found.indices == fresh[:, None]
    # Of k + 1 or more identical documents the one that asks may be missing: then the last is dropped.
    far = np.where(own, np.float32(np.inf), found.distances)
    distances[fresh], indices[fresh] = graphs._nearest_of(far, found.indices.astype(np.int64), k)
    added = np.flatnonzero(~known)
    later = _search(vectors, added, vectors, kept, k, old.metric, lambda done, _: progress(fresh.size + done, total))
    both = np.hstack([old.first(k).distances[came_from[kept]], later.distances])
    distances[kept], indices[kept] = graphs._nearest_of(both, np.hstack([near[whole], later.indices]), k)
    progress(total, total)
    return Graph(indices, distances, old.metric, old.method, old.recall)


def _search(
    vectors: DenseVectors, among: Ids | None, others: DenseVectors, rows: Any, k: int, metric: str, progress: Progress
) -> Graph:
    """The `k` nearest of `vectors`, or of those `among` them, for the `rows` of `others`; exact, by streaming."""
    import faiss

    measure = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
    size = len(vectors) if among is None else among.size
    k = min(k, size)
    indices, distances = np.full((len(rows), k), -1, np.int32), np.full((len(rows), k), np.inf, np.float32)
    for at in range(0, len(rows) if k else 0, graphs.ROWS):
        progress(at, len(rows))
        part = slice(at, at + graphs.ROWS)
        asked = graphs._prepared(others.take(rows[part]), metric)
        best, owners = np.full((len(asked), k), np.inf, np.float32), np.full((len(asked), k), -1, np.int64)
        for ids, block in _blocks(vectors, among):
            scores, places = faiss.knn(asked, graphs._prepared(block, metric), min(k, len(ids)), metric=measure)
            far = 1 - scores if metric == "cosine" else scores
            best, owners = graphs._nearest_of(np.hstack([best, far]), np.hstack([owners, ids[places]]), k)
        distances[part], indices[part] = graphs._nearest_of(_measured(vectors, asked, owners, metric), owners, k)
    return Graph(indices, distances, metric)


def _blocks(vectors: DenseVectors, among: Ids | None) -> Iterator[tuple[Ids, Floats]]:
    if among is None:
        for start, block in vectors.blocks(BLOCK):
            yield np.arange(start, start + len(block)), block
        return
    for at in range(0, among.size, BLOCK):
        yield among[at : at + BLOCK], vectors.take(among[at : at + BLOCK])


def _measured(vectors: DenseVectors, asked: Floats, owners: Ids, metric: str) -> Floats:
    """Distances (m, k), from differences: products round by as much as near duplicates differ."""
    distances = np.empty(owners.shape, np.float32)
    for at in range(0, len(owners), graphs.GATHERED):
        part = slice(at, at + graphs.GATHERED)
        rows = graphs._prepared(vectors.take(owners[part].ravel()), metric).reshape(*owners[part].shape, -1)
        distances[part] = graphs._measured(asked[part, None], rows, metric == "cosine")
    return distances


def _by_hnsw(
    vectors: DenseVectors, asking: tuple[DenseVectors, Any], k: int, metric: str, seed: int, progress: Progress
) -> Graph:
    """The same from an approximate graph, whose recall was measured; rows that found too few are searched exactly."""
    others, rows = asking
    index = graphs._empty_index(vectors.dim, metric, seed, exact=False)
    graphs._fill(index, vectors, metric, lambda done, total: progress(0, len(rows)), one_thread=False)
    effort, recall = graphs._tune(index, vectors, k, metric, seed)
    indices, distances = np.empty((len(rows), k), np.int32), np.empty((len(rows), k), np.float32)
    for at in range(0, len(rows), graphs.ROWS):
        progress(at, len(rows))
        part = slice(at, at + graphs.ROWS)
        asked = graphs._prepared(others.take(rows[part]), metric)
        owners = graphs._search(index, asked, k, effort)
        short = np.flatnonzero((owners < 0).any(axis=1))
        if short.size:
            owners[short] = _search(vectors, None, others, rows[part][short], k, metric, no_progress).indices
        distances[part], indices[part] = graphs._nearest_of(_measured(vectors, asked, owners, metric), owners, k)
    return Graph(indices, distances, metric, f"HNSW{graphs.LINKS}, efSearch {effort}", recall)
