"""The k-nearest-neighbour graph of an embedding, through FAISS.

Up to `EXACT_UP_TO` documents the graph is exact. Above, an HNSW graph is searched, and its recall is measured against
the exact neighbours of a seeded sample: the effort is doubled until it reaches `WANTED_RECALL`, and what was reached
stands in `Graph.recall`. Up to `ONE_THREAD_UP_TO` documents it is built by one thread and so is the same each time.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.scoring import normalize_rows
from workbench.types import Graph, Progress, no_progress
from workbench.vectors import DenseVectors

Floats = NDArray[np.float32]
EXACT_UP_TO = 30_000
ONE_THREAD_UP_TO = 200_000
WANTED_RECALL = 0.95
SAMPLE = 400
LINKS, BUILD_EFFORT, MOST_EFFORT = 16, 64, 512
ROWS = 2048
"""Rows added or searched between two looks at whether the person cancelled."""
GATHERED = 256
"""Rows whose found neighbours are fetched at once: 256 × 16 × 384 floats are 6 MB."""
METRICS = ("cosine", "l2")


def neighbour_graph(
    vectors: DenseVectors, k: int, metric: str = "cosine", seed: int = 0, progress: Progress = no_progress
) -> Graph:
    """The `k` nearest other documents of every document, at most n − 1. `metric`: cosine or l2.

    An inner product is no distance (a document need not be nearest to itself), so embeddings compared by dot are mapped
    by cosine. Raises `BadInput` on NaN or infinity and on another metric. `progress` counts rows, 0 … 2n.
    """
    _check_metric(metric)
    count = len(vectors)
    k = max(0, min(k, count - 1))
    if k == 0:
        return Graph(np.empty((count, 0), np.int32), np.empty((count, 0), np.float32), metric)
    exact = count <= EXACT_UP_TO
    index = _empty_index(vectors.dim, metric, seed, exact)
    _fill(index, vectors, metric, progress, one_thread=not exact and count <= ONE_THREAD_UP_TO)
    effort, recall = (0, 1.0) if exact else _tune(index, vectors, k, metric, seed)
    indices, distances = np.empty((count, k), np.int32), np.empty((count, k), np.float32)
    for start, block in vectors.blocks(ROWS):
        progress(count + start, 2 * count)
        own = np.arange(start, start + len(block))
        rows = slice(start, start + len(block))
        indices[rows], distances[rows] = _others(index, _prepared(block, metric), own, k, effort)
    _complete(indices, distances, vectors, metric)
    progress(2 * count, 2 * count)
    return Graph(indices, distances, metric, "exact" if exact else f"HNSW{LINKS}, efSearch {effort}", recall)


def nearest(vectors: DenseVectors, queries: Floats, k: int, metric: str = "cosine") -> Graph:
    """The `k` nearest documents of each of the `queries` (m, d), exact, by one pass over the stored vectors.

    Nothing is left out: where a query is the vector of a document, that document comes first.
    """
    _check_metric(metric)
    wanted = _prepared(queries, metric)
    k = max(0, min(k, len(vectors)))
    best = np.full((len(wanted), k), np.inf, np.float32)
    owners = np.full((len(wanted), k), -1, np.int64)
    for start, block in vectors.blocks():
        distances = distances_between(wanted, block, metric)
        ids = np.broadcast_to(np.arange(start, start + len(block)), distances.shape)
        best, owners = _nearest_of(np.hstack([best, distances]), np.hstack([owners, ids]), k)
    return Graph(owners.astype(np.int32), best, metric)


def distances_between(queries: Floats, documents: Floats, metric: str) -> Floats:
    """(q, m) distances: 1 − cosine, 0 … 2, or Euclidean."""
    if metric == "cosine":
        cosines: Floats = normalize_rows(queries) @ normalize_rows(documents).T
        return _from_cosines(cosines)
    # Not |q|² + |d|² − 2qd: its rounding errors are as large as the distances of near duplicates.
    found = np.empty((len(queries), len(documents)), np.float32)
    for number, query in enumerate(queries):
        found[number] = np.linalg.norm(documents - query, axis=1)
    return found


def _from_cosines(cosines: Floats) -> Floats:
    found: Floats = np.clip(1 - cosines, 0, 2)
    return found


def _check_metric(metric: str) -> None:
    if metric not in METRICS:
        raise BadInput(f"A map cannot compare by “{metric}”.", "Choose cosine or l2.")


def _prepared(block: Floats, metric: str) -> Floats:
    """Rows as FAISS compares them. Raises `BadInput` on NaN or infinity."""
    if not np.isfinite(block).all():
        raise BadInput("The vectors hold NaN or infinite values.", "Encode the corpus again, with float32.")
    return normalize_rows(block) if metric == "cosine" else np.ascontiguousarray(block, dtype=np.float32)


def _empty_index(dim: int, metric: str, seed: int, exact: bool) -> Any:
    # FAISS is imported where it is used: the pages read these statistics, and start without it.
    import faiss

    measure = faiss.METRIC_INNER_PRODUCT if metric == "cosine" else faiss.METRIC_L2
    if exact:
        return faiss.IndexFlat(dim, measure)
    index = faiss.IndexHNSWFlat(dim, LINKS, measure)
    index.hnsw.efConstruction = BUILD_EFFORT
    index.hnsw.rng = faiss.RandomGenerator(seed)
    return index


def _fill(index: Any, vectors: DenseVectors, metric: str, progress: Progress, one_thread: bool) -> None:
    import faiss

    threads = faiss.omp_get_max_threads()
    try:
        if one_thread:
            faiss.omp_set_num_threads(1)
        for start, block in vectors.blocks(ROWS):
            progress(start, 2 * len(vectors))
            index.add(_prepared(block, metric))
    finally:
        faiss.omp_set_num_threads(threads)


def _search(index: Any, queries: Floats, k: int, effort: int) -> NDArray[np.int64]:
    """Ordinals (m, k) of what FAISS found; −1 where that was too few."""
    import faiss

    settings = faiss.SearchParametersHNSW(efSearch=effort) if effort else None
    found: NDArray[np.int64] = index.search(queries, k, params=settings)[1]
    return found


def _stored(index: Any) -> Floats:
    """The (n, d) vectors that FAISS holds, as a view."""
    import faiss

    flat = faiss.downcast_index(index.storage if hasattr(index, "storage") else index)
    found: Floats = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)
    return found


def _measured(queries: Floats, found: Floats, unit: bool) -> Floats:
    """Distances (m, k) between (m, 1, d) and (m, k, d). `unit`: rows of length 1 or 0, by cosine."""
    differences = found - queries
    squares: Floats = np.einsum("mkd,mkd->mk", differences, differences)
    if not unit:
        lengths: Floats = np.sqrt(squares)
        return lengths
    # |a − b|² / 2 = 1 − a·b for lengths 1; each zero vector takes 1/2 from it.
    zeros = (~queries.any(axis=2)).astype(np.float32) + (~found.any(axis=2)).astype(np.float32)
    distances: Floats = ((squares + zeros) / 2).astype(np.float32)
    return distances


def _others(
    index: Any, queries: Floats, own: NDArray[np.integer], k: int, effort: int
) -> tuple[NDArray[np.int32], Floats]:
    """The `k` found nearest of `queries`, which are the documents `own`, without these."""
    import faiss

    ids = _search(index, queries, k + 1, effort)
    # Measured again from the differences: FAISS's own figures come from products, whose rounding is as large as the
    # distance of near duplicates.
    rows, distances = _stored(index), np.empty(ids.shape, np.float32)
    unit = index.metric_type == faiss.METRIC_INNER_PRODUCT
    for at in range(0, len(ids), GATHERED):
        part = slice(at, at + GATHERED)
        distances[part] = _measured(queries[part, None], rows[ids[part]], unit)
    # Of k + 1 or more identical documents FAISS may leave out the one that asks; then the last one is dropped.
    gone = (ids == own[:, None]) | (ids < 0)
    best, owners = _nearest_of(np.where(gone, np.float32(np.inf), distances), np.where(gone, -1, ids), k)
    return owners.astype(np.int32), best


def _tune(index: Any, vectors: DenseVectors, k: int, metric: str, seed: int) -> tuple[int, float]:
    """The least effort that reaches the wanted recall on a sample, and the recall it reached there."""
    sample = np.sort(np.random.default_rng(seed).choice(len(vectors), min(SAMPLE, len(vectors)), replace=False))
    queries = _prepared(vectors.take(sample), metric)
    truth = _exact_others(vectors, sample, k, metric)[0]
    effort = max(32, 2 * k)
    while True:
        found = _others(index, queries, sample, k, effort)[0]
        recall = float(np.mean([np.isin(row, true).mean() for row, true in zip(found, truth, strict=True)]))
        if recall >= WANTED_RECALL or effort >= MOST_EFFORT:
            return effort, recall
        effort *= 2


def _nearest_of(distances: Floats, ids: NDArray[np.int64], k: int) -> tuple[Floats, NDArray[np.int64]]:
    """The `k` smallest of each row, distance ascending, then ordinal ascending."""
    if k < distances.shape[1]:
        # All that tie with the k-th stay in the race, so that ordinals decide and not the selection.
        cut = np.partition(distances, k - 1, axis=1)[:, k - 1 : k] if k else np.full((len(distances), 1), -1)
        width = max(k, int((distances <= cut).sum(axis=1).max(initial=0)))
        if width < distances.shape[1]:
            chosen = np.argpartition(distances, width - 1, axis=1)[:, :width] if width else np.empty((len(ids), 0), int)
            distances, ids = np.take_along_axis(distances, chosen, 1), np.take_along_axis(ids, chosen, 1)
    order = np.lexsort((ids, distances), axis=1)[:, :k]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(ids, order, 1)


def _exact_others(
    vectors: DenseVectors, rows: NDArray[np.integer], k: int, metric: str
) -> tuple[NDArray[np.int32], Floats]:
    """Exact neighbours of a few documents, themselves left out."""
    found = nearest(vectors, vectors.take(rows), k + 1, metric)
    distances = np.where(found.indices == rows[:, None], np.inf, found.distances).astype(np.float32)
    best, owners = _nearest_of(distances, found.indices.astype(np.int64), k)
    return owners.astype(np.int32), best


def _complete(indices: NDArray[np.int32], distances: Floats, vectors: DenseVectors, metric: str) -> None:
    """Search the rows again, exactly, where HNSW found fewer than k."""
    short = np.flatnonzero((indices < 0).any(axis=1))
    for at in range(0, short.size, SAMPLE):
        rows = short[at : at + SAMPLE]
        indices[rows], distances[rows] = _exact_others(vectors, rows, indices.shape[1], metric)
