"""How far a map can be trusted: trustworthiness and continuity (Venna and Kaski 2001), for each point and as a number.

    trust(i)      = 1 − 2 / (k (2n − 3k − 1)) · Σ max(0, r(i, j) − k)   over the k nearest j of i on the map,
                    r = the rank of j among i's neighbours in the original space;
    continuity(i) = the same with map and original space exchanged.

The number for the map is the mean, which is scikit-learn's `trustworthiness`. 1 = no false neighbour (trust), no lost
neighbour (continuity). Ranks are exact up to `EXACT` documents. Above, the rank of j is exact where j stands in the
neighbour graph (or among `WIDE` on the map), else 1 + n · (share of `MARKS` random documents that are nearer); the
number is then within about 0.001.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.scoring import normalize_rows
from workbench.types import Graph, Progress, no_progress
from workbench.vectors import DenseVectors

Floats = NDArray[np.float32]
Numbers = NDArray[np.floating]
Ids = NDArray[np.integer]
EXACT = 2048
MARKS = 1024
WIDE = 64
ROWS = 512


@dataclass(frozen=True)
class Honesty:
    """`trust`, `continuity` (n,) float32 for each document; the means of both; over k neighbours.

    `sampled`: how many documents ranks were estimated from, 0 where they are exact.
    """

    trust: Floats
    continuity: Floats
    trustworthiness: float
    mean_continuity: float
    k: int
    sampled: int


def measure_honesty(
    vectors: DenseVectors, graph: Graph, xy: Floats, k: int = 15, seed: int = 0, progress: Progress = no_progress
) -> Honesty:
    """Compare a map `xy` (n, 2 or 3) with the vectors it shows and their neighbour `graph`.

    k is at most the graph's and less than n / 2 (where the formula holds); fewer than 3 documents are trusted fully.
    Raises `BadInput` where the parts do not fit together.
    """
    count = len(vectors)
    if len(graph) != count or xy.ndim != 2 or len(xy) != count:
        raise BadInput(f"The map or the neighbours belong to another corpus than these {count} vectors.")
    k = min(k, graph.k, (count - 1) // 2)
    if k < 1:
        ones = np.ones(count, np.float32)
        return Honesty(ones, ones.copy(), 1.0, 1.0, 0, 0)
    exact = count <= EXACT
    marks = np.arange(count)
    if not exact:
        marks = np.sort(np.random.default_rng(seed).choice(count, MARKS, replace=False))
    precision = np.float64 if exact else np.float32
    true = _Space(vectors, marks, graph.metric, precision)
    shown = _Space(_Plane(xy), marks, "l2", np.float64)
    near = _map_neighbours(xy, k if exact else max(k, min(WIDE, count - 1)))
    known = graph.indices
    scale, lost = 2 / (k * (2 * count - 3 * k - 1)), np.empty((2, count))
    for start in range(0, count, ROWS):
        progress(start, count)
        rows = np.arange(start, min(start + ROWS, count))
        lost[0, rows] = _penalties(true, rows, near[rows, :k], known[rows], k, exact)
        lost[1, rows] = _penalties(shown, rows, known[rows, :k], near[rows], k, exact)
    progress(count, count)
    trust, continuity = 1 - scale * lost
    return Honesty(
        trust.astype(np.float32),
        continuity.astype(np.float32),
        float(trust.mean()),
        float(continuity.mean()),
        k,
        0 if exact else MARKS,
    )


def trustworthiness(vectors: DenseVectors, graph: Graph, xy: Floats, k: int = 15) -> float:
    """scikit-learn's `trustworthiness` for these vectors, estimated above 2,048 documents."""
    return measure_honesty(vectors, graph, xy, k).trustworthiness


class _Plane:
    """Positions as vectors."""

    def __init__(self, xy: Floats) -> None:
        self._xy = xy

    def __len__(self) -> int:
        return len(self._xy)

    def take(self, ordinals: Ids) -> Floats:
        found: Floats = self._xy[ordinals]
        return found


class _Space:
    """A space in which distances are asked, and the documents in it that ranks are counted with."""

    def __init__(self, rows: DenseVectors | _Plane, marks: Ids, metric: str, precision: type[np.floating]) -> None:
        self._rows, self._metric, self._precision = rows, metric, precision
        self.marks = marks
        self._marked = self.take(marks)
        self._squares = np.einsum("ij,ij->i", self._marked, self._marked)
        self.count = len(rows)

    def take(self, ordinals: Ids) -> Numbers:
        rows = self._rows.take(ordinals)
        if self._metric != "cosine":
            return rows.astype(self._precision)
        if self._precision == np.float32:
            return normalize_rows(rows)
        wide = rows.astype(np.float64)
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        return wide / np.where(lengths == 0, 1, lengths)

    def to_marks(self, ordinals: Ids) -> Numbers:
        """(m, marks) what orders documents as their distance does: −a·b, or |a − b|²."""
        rows = self.take(ordinals)
        products: Numbers = rows @ self._marked.T
        if self._metric == "cosine":
            opposite: Numbers = np.negative(products)
            return opposite
        squares: Numbers = np.einsum("ij,ij->i", rows, rows)
        found: Numbers = squares[:, None] - 2 * products + self._squares
        return found

    def between(self, ordinals: Ids, others: Ids) -> Numbers:
        """(m, k) the same from (m,) documents to (m, k) others."""
        rows = self.take(ordinals)
        found = self.take(others.ravel()).reshape(*others.shape, rows.shape[1])
        products: Numbers = np.einsum("mkd,md->mk", found, rows)
        if self._metric == "cosine":
            opposite: Numbers = np.negative(products)
            return opposite
        squares: Numbers = np.einsum("ij,ij->i", rows, rows)
        distances: Numbers = squares[:, None] - 2 * products + np.einsum("mkd,mkd->mk", found, found)
        return distances


def _penalties(space: _Space, rows: Ids, judged: Ids, known: Ids, k: int, exact: bool) -> NDArray[np.float64]:
    """(m,) Σ max(0, rank − k) in `space` of the documents `judged` (m, k); `known` (m, K): the nearest there."""
    to_marks = space.to_marks(rows)
    if exact:
        values = np.take_along_axis(to_marks, judged, axis=1)
        own = space.marks[None] == rows[:, None]
        to_marks = np.where(own, -np.inf, to_marks)
        # With itself in front, the rank of a document is the number of those nearer.
        return _beyond(_nearer(to_marks, values), k)
    places = (judged[:, :, None] == known[:, None, :]).argmax(axis=2) + 1
    inside = (judged[:, :, None] == known[:, None, :]).any(axis=2)
    share = _nearer(to_marks, space.between(rows, judged)) / len(space.marks)
    guessed = np.maximum(1 + share * space.count, known.shape[1] + 1)
    return _beyond(np.where(inside, places, guessed), k)


def _beyond(ranks: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.maximum(ranks - k, 0).sum(axis=1)
    return found


def _nearer(to_marks: Numbers, values: Numbers) -> NDArray[np.float64]:
    """(m, k) how many of `to_marks` (m, s) are less than each of `values` (m, k)."""
    counts = [np.count_nonzero(to_marks < column[:, None], axis=1) for column in values.T]
    return np.stack(counts, axis=1).astype(np.float64)


def _map_neighbours(xy: Floats, k: int) -> NDArray[np.int64]:
    """(n, k) the nearest others on the map."""
    from scipy.spatial import cKDTree

    count = len(xy)
    found = cKDTree(xy).query(xy, k=min(k + 1, count))[1]
    own = found == np.arange(count)[:, None]
    # Where more than k share one place, a point may be missing from its own list: then the last one goes.
    own[~own.any(axis=1), -1] = True
    others: NDArray[np.int64] = found[~own].reshape(count, -1)
    return others
