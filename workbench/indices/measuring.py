"""What an index gives and what it costs: recall against the exact search, latency, throughput, the Pareto front.

Recall counts as ann-benchmarks does: a document that was found is a hit where its own exact score reaches the k-th true
one less a tolerance, so equally good documents may stand for each other. Their tolerance is a distance of 1e-3; scores
of dot products have no fixed scale, so here it is `TOLERANCE` times the size of the k-th true score.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from workbench.indices.base import Index, Queries
from workbench.indices.hi2 import Hi2Index
from workbench.indices.hybrid import HybridQueries
from workbench.indices.verifying import exact_scores
from workbench.ragged import Ragged
from workbench.types import Ranking
from workbench.vectors import DenseVectors

TOLERANCE = 1e-3
NONE = -1
"""The ordinal of a place that no document took."""
WARM = 3
"""Queries asked before the clock starts: the first ones read pages of a mapped index from disk."""
HELD = ("none", "cluster", "term", "both")
"""Which lists of HI² held a document, by code."""

Floats = NDArray[np.float32]
Ordinals = NDArray[np.int64]


@dataclass(frozen=True)
class Timed:
    """`rankings` of q queries, `milliseconds` (q,) of each alone, `together` seconds for all of them at once."""

    rankings: list[Ranking]
    milliseconds: NDArray[np.float64]
    together: float


def measure(index: Index, queries: Queries, k: int, settings: Mapping[str, Any]) -> Timed:
    """Ask each of `queries` alone on one thread, then all at once on every core."""
    count, rows = int(queries.shape[0]), _sliced(queries)
    threads = faiss.omp_get_max_threads()
    rankings, spent = [], np.empty(count)
    try:
        faiss.omp_set_num_threads(1)
        with threadpool_limits(1):
            index.search(rows(0, min(WARM, count)), k, settings)
            for row in range(count):
                one = rows(row, row + 1)
                started = time.perf_counter()
                found = index.search(one, k, settings)
                spent[row] = 1000 * (time.perf_counter() - started)
                rankings += found
    finally:
        faiss.omp_set_num_threads(threads)
    return Timed(rankings, spent, _together(index, queries, k, settings))


def _together(index: Index, queries: Queries, k: int, settings: Mapping[str, Any]) -> float:
    """Seconds for all queries at once, shared among as many threads as there are cores."""
    count = int(queries.shape[0])
    bounds = np.linspace(0, count, min(os.cpu_count() or 1, count) + 1).astype(int)
    rows = _sliced(queries)
    parts = [rows(start, stop) for start, stop in pairwise(bounds)]
    # One thread a part: those of the BLAS and of FAISS would only get in each other's way.
    with threadpool_limits(1), ThreadPoolExecutor(len(parts)) as pool:
        started = time.perf_counter()
        list(pool.map(lambda part: index.search(part, k, settings), parts))
        return time.perf_counter() - started


def _sliced(queries: Queries) -> Callable[[int, int], Queries]:
    """Some of the queries, from start to stop. Raises `TypeError` on token vectors, which have no index to measure."""
    if isinstance(queries, Ragged):
        raise TypeError("token vectors are searched exactly: there is nothing to measure")
    return lambda start, stop: queries[start:stop]


def padded(rankings: Sequence[Ranking], own: Ordinals, k: int) -> Ordinals:
    """(q, k) ordinals of the first k of each ranking without its `own` (q,) document; `NONE` where there are fewer."""
    table = np.full((len(rankings), k), NONE, np.int64)
    for row, each in enumerate(rankings):
        kept = each.ordinals[each.ordinals != own[row]][:k]
        table[row, : kept.size] = kept
    return table


def true_scores(vectors: DenseVectors, found: Ordinals, queries: Floats, metric: str) -> Floats:
    """(q, k) exact scores of the documents in `found` (q, k), −inf at `NONE`."""
    scores = np.full(found.shape, -np.inf, np.float32)
    for row, query in enumerate(queries):
        there = found[row] != NONE
        scores[row, there] = exact_scores(vectors, found[row, there], query, metric)
    return scores


def recalls(scores: Floats, truth: Floats) -> NDArray[np.float64]:
    """(q,) recall of what was found, by its exact `scores` (q, k), against the scores of the `truth` (q, k).

    Both are −inf where there is no document. A query to which no document can be an answer has a recall of 1.
    """
    found = np.empty(len(truth))
    for row, best in enumerate(truth):
        wanted = int(np.isfinite(best).sum())
        least = best[wanted - 1] if wanted else np.float32(0)
        hits = int((scores[row] >= least - TOLERANCE * abs(least)).sum())
        found[row] = min(hits, wanted) / wanted if wanted else 1.0
    return found


def pareto(recall: Sequence[float], cost: Sequence[float]) -> list[bool]:
    """Which points no other one beats: at least as much recall for at most the cost, and one of the two better."""
    points = list(zip(recall, cost, strict=True))
    return [
        not any(other[0] >= point[0] and other[1] <= point[1] and other != point for other in points)
        for point in points
    ]


def held_by(index: Index, queries: Queries, found: Ordinals, settings: Mapping[str, Any]) -> NDArray[np.int8] | None:
    """(q, k) which lists held each document that was found, as positions in `HELD`; None where an index has no such."""
    if not isinstance(index, Hi2Index) or not isinstance(queries, HybridQueries):
        return None
    codes = np.zeros(found.shape, np.int8)
    for row, each in enumerate(index.candidates(queries, settings)):
        there = np.flatnonzero(np.isin(found[row], each.ordinals))
        at = np.searchsorted(each.ordinals, found[row, there])
        codes[row, there] = each.by_cluster[at] + 2 * each.by_term[at]
    return codes
