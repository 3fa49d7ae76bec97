"""Rankings of many queries beside their judgments, as arrays.

Documents are ordinals; −1 is no document (the rest of a short ranking), and documents that the corpus does not have are
−2, −3, … The order of a ranking is that of its array: ties are settled before (ours by ordinal, an imported run's by
document id descending, as trec_eval settles them), and no measure looks at scores.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NONE = -1
UNJUDGED = np.int32(np.iinfo(np.int32).min)
EMPTY = np.int32(UNJUDGED + 1)

Documents = NDArray[np.integer]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Qrels:
    """Judged pairs of the queries 0 … `rows` − 1, sorted by query: `documents` (n,), `relevance` (n,), any integers.

    `starts` (rows + 1,): where each query's begin.
    """

    starts: NDArray[np.int64]
    documents: NDArray[np.int64]
    relevance: NDArray[np.int32]

    @classmethod
    def of(cls, queries: Documents, documents: Documents, relevance: Documents, rows: int) -> "Qrels":
        """From pairs in any order; a pair given twice keeps the later."""
        queries = np.asarray(queries, np.int64)
        order = np.lexsort((np.arange(len(queries)), documents, queries))
        asked, found = queries[order], np.asarray(documents, np.int64)[order]
        last = np.ones(len(order), np.bool_)
        last[:-1] = (asked[1:] != asked[:-1]) | (found[1:] != found[:-1])
        starts = np.searchsorted(asked[last], np.arange(rows + 1))
        return cls(starts, found[last], np.asarray(relevance, np.int32)[order][last])

    @property
    def rows(self) -> int:
        return len(self.starts) - 1

    @property
    def judged_queries(self) -> NDArray[np.int64]:
        """The queries with at least one judgment: the ones that means are over."""
        return np.flatnonzero(np.diff(self.starts))

    @property
    def highest(self) -> int:
        """The highest relevance of all, at least 1."""
        return max(1, int(self.relevance.max(initial=1)))


@dataclass(frozen=True)
class Judged:
    """Rankings of q queries with what the judgments say.

    `grades` (q, k) int32: the relevance of each place, `UNJUDGED`, or `EMPTY` behind the end of a ranking.
    `relevances`: all judgments of these queries, one after the other; `owners`: whose they are, 0 … q − 1, sorted.
    """

    grades: NDArray[np.int32]
    relevances: NDArray[np.int32]
    owners: NDArray[np.int64]
    highest: int = 1

    @property
    def queries(self) -> int:
        return len(self.grades)

    def top(self, cutoff: int | None) -> NDArray[np.int32]:
        """(q, ≤ cutoff) grades of the first places."""
        return self.grades[:, :cutoff]

    def relevant(self, least: int) -> NDArray[np.int64]:
        """(q,) how many documents were judged with at least this relevance, found or not."""
        return np.bincount(self.owners[self.relevances >= least], minlength=self.queries)


def judge(documents: Documents, qrels: Qrels, rows: NDArray[np.int64]) -> Judged:
    """What `qrels` say of the rankings `documents` (q, k) of the queries `rows` (q,)."""
    lowest = min(int(documents.min(initial=0)), int(qrels.documents.min(initial=0)))
    highest = max(int(documents.max(initial=0)), int(qrels.documents.max(initial=0)))
    # One table for all queries, filled and emptied for each: quicker than searching sorted pairs.
    table = np.full(highest - lowest + 1, UNJUDGED, np.int32)
    grades = np.empty(documents.shape, np.int32)
    spans = [slice(int(qrels.starts[row]), int(qrels.starts[row + 1])) for row in rows]
    places = documents.astype(np.int64) - lowest
    for number, span in enumerate(spans):
        own = qrels.documents[span] - lowest
        table[own] = qrels.relevance[span]
        grades[number] = table[places[number]]
        table[own] = UNJUDGED
    grades[documents == NONE] = EMPTY
    sizes = np.array([span.stop - span.start for span in spans], np.int64)
    relevances = np.concatenate([qrels.relevance[span] for span in spans]) if spans else np.empty(0, np.int32)
    return Judged(grades, relevances, np.repeat(np.arange(len(rows)), sizes), qrels.highest)


def without_own(documents: Documents, own: NDArray[np.integer]) -> Documents:
    """The rankings without the document `own` (q,) of each query (`NONE`: it has none); those behind it move up."""
    return _kept(documents, (documents != np.asarray(own)[:, None]) | (documents == NONE))


def rolled_up(documents: Documents, parents: NDArray[np.integer]) -> Documents:
    """Rankings of parents: each document's, by its best place, which is that of the highest score.

    `parents` (corpus,): the parent's number of each ordinal. Documents that the corpus lacks stay as they are.
    """
    owners = np.where(documents >= 0, np.asarray(parents, np.int64)[np.maximum(documents, 0)], documents)
    order = np.argsort(owners, axis=1, kind="stable")
    sorted_owners = np.take_along_axis(owners, order, axis=1)
    first = np.ones(owners.shape, np.bool_)
    first[:, 1:] = sorted_owners[:, 1:] != sorted_owners[:, :-1]
    kept = np.empty_like(first)
    np.put_along_axis(kept, order, first, axis=1)
    return _kept(owners, kept)


def _kept(documents: Documents, kept: NDArray[np.bool_]) -> Documents:
    """The documents kept, moved to the front of their rows."""
    order = np.argsort(~kept, axis=1, kind="stable")
    moved = np.take_along_axis(np.where(kept, documents, NONE), order, axis=1)
    return moved
