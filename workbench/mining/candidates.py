"""A block of queries with their candidates as arrays, and what is known of each candidate beside its score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.ragged import Ragged
from workbench.types import Ranking

Floats = NDArray[np.float32]
Ordinals = NDArray[np.int32]


class Mark(IntFlag):
    """What a candidate is to its query, apart from all scores."""

    POSITIVE = 1
    QUERY = 2
    JUDGED = 4
    SAME_TEXT = 8
    SAME_SOURCE = 16


@dataclass(frozen=True)
class Candidates:
    """Candidates of q queries, at most w each, best first: score descending, then ordinal ascending.

    `queries` (q,) int64 ordinals in their query set; `ordinals` (q, w) int32, −1 where a query has fewer (at the end);
    `scores` (q, w) float32, −inf there; `ranks` (q, w) int32 places in the miner's own ranking, from 1, positives
    counted; `marks` (q, w) uint8 of `Mark`; `near` (q, w) float32 highest cosine to a positive, or None;
    `positive_scores` (q,) float32, each query's lowest, −inf where the miner did not find one.
    Raises `ValueError` where the shapes differ.
    """

    queries: NDArray[np.int64]
    ordinals: Ordinals
    scores: Floats
    ranks: Ordinals
    marks: NDArray[np.uint8]
    positive_scores: Floats
    near: Floats | None = None

    def __post_init__(self) -> None:
        blocks: list[NDArray[Any]] = [self.scores, self.ranks, self.marks, *([] if self.near is None else [self.near])]
        if any(block.shape != self.ordinals.shape for block in blocks):
            raise ValueError(f"candidates differ in shape: {[block.shape for block in blocks]}")
        if not len(self.queries) == len(self.positive_scores) == len(self.ordinals):
            raise ValueError(f"{len(self.queries)} queries for {len(self.ordinals)} rows of candidates")

    def __len__(self) -> int:
        return len(self.queries)


def padded(rankings: Sequence[Ranking], width: int) -> tuple[Ordinals, Floats]:
    """(ordinals (q, width) int32, scores (q, width) float32) of rankings of at most `width`; −1 and −inf behind."""
    ordinals = np.full((len(rankings), width), -1, np.int32)
    scores = np.full((len(rankings), width), -np.inf, np.float32)
    for row, ranking in enumerate(rankings):
        ordinals[row, : len(ranking)] = ranking.ordinals
        scores[row, : len(ranking)] = ranking.scores
    return ordinals, scores


def marks_of(
    ordinals: Ordinals, offsets: NDArray[np.int64], known: NDArray[np.integer], groups: NDArray[np.int64] | None = None
) -> NDArray[np.bool_]:
    """(q, w) bool: which candidates are among their own query's known documents, or share a group with one.

    `known[offsets[i] : offsets[i + 1]]`: the known ordinals of row i. `groups` (n,): a document's text or source as a
    number, counted from 0 without large gaps; below 0 = none, which equals nothing.
    """
    rows, width = ordinals.shape
    wanted = known.astype(np.int64)
    given = ordinals.astype(np.int64)
    if groups is not None:
        wanted = groups[wanted]
        given = np.where(given < 0, -1, groups[given])
    owners = np.repeat(np.arange(rows), np.diff(offsets))
    owners, wanted = owners[wanted >= 0], wanted[wanted >= 0]
    # Row and value as one number, so that one search in a sorted list answers for the whole block.
    stride = int(max(given.max(initial=0), wanted.max(initial=0))) + 1
    keys = np.unique(owners * stride + wanted)
    asked = (np.arange(rows)[:, None] * stride + given).ravel()
    if not keys.size:
        return np.zeros((rows, width), np.bool_)
    places = np.minimum(np.searchsorted(keys, asked), keys.size - 1)
    found: NDArray[np.bool_] = (keys[places] == asked).reshape(rows, width) & (given >= 0)
    return found


def rescored(candidates: Candidates, scores: Floats, positive_scores: Floats) -> Candidates:
    """The candidates under other scores (q, w), in their new order; those with −inf leave. Ranks stay the miner's."""
    ordinals = np.where(np.isneginf(scores), -1, candidates.ordinals).astype(np.int32)
    places = np.where(ordinals < 0, np.iinfo(np.int32).max, ordinals)
    order = np.lexsort((places, -scores), axis=1)

    def moved(block: NDArray[Any]) -> NDArray[Any]:
        return np.take_along_axis(block, order, axis=1)

    return replace(
        candidates,
        ordinals=moved(ordinals),
        scores=moved(scores),
        ranks=moved(candidates.ranks),
        marks=moved(candidates.marks),
        near=None if candidates.near is None else moved(candidates.near),
        positive_scores=positive_scores,
    )


def first(candidates: Candidates, depth: int) -> Candidates:
    """The first `depth` candidates of each query."""
    names = ("ordinals", "scores", "ranks", "marks", *(() if candidates.near is None else ("near",)))
    return replace(candidates, **{name: getattr(candidates, name)[:, :depth] for name in names})


def closest(candidates: Floats, positives: Floats) -> Floats:
    """(c,) highest cosine of each row of `candidates` (c, d) to one of `positives` (p, d), −1 without any.

    Rows of both have length 1.
    """
    if not len(positives):
        return np.full(len(candidates), -1, np.float32)
    found: Floats = (candidates @ positives.T).max(axis=1).astype(np.float32)
    return found


def lowest(positives: Ragged) -> Floats:
    """(q,) the lowest of each row's scores, values (t, 1); −inf where one is NaN (not found) or there is none."""
    found = np.full(len(positives), -np.inf, np.float32)
    filled = np.flatnonzero(positives.lengths)
    if filled.size:
        values = np.where(np.isnan(positives.values[:, 0]), -np.inf, positives.values[:, 0])
        found[filled] = np.minimum.reduceat(values, positives.offsets[filled])
    return found
