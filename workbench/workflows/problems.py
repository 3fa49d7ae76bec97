"""Problems of a corpus as lists: duplicates, outliers, hubs, labels their neighbours disagree with.

Each list holds groups of documents, the worst first, with one number a group. Exact duplicates come from the
database; the others from arrays that a map keeps (one value a document, in ordinal order).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench import corpora
from workbench.corpora import CorpusInfo
from workbench.db import documents as table
from workbench.errors import BadInput
from workbench.project import Project
from workbench.subsets import NamedSet
from workbench.types import Graph, Progress, no_progress
from workbench.vectors import DenseVectors
from workbench.workflows.encode import find_embedding
from workbench.workflows.index import open_vectors
from workbench.workflows.map_colours import column_keys
from workbench.workflows.map_data import corpus_of, find_map, open_map
from workbench.workflows.subsets import create_subset

LIMIT = 1000
"""Documents of a list that ranks all of them (outliers, hubs): where it ends is arbitrary, so it is short."""
FAR = 3.0
"""Robust deviations from which a document is an outlier."""
FEW = 5
"""Outliers that are listed though none stands out."""
MOST_SHARE = 10
"""At most one document in so many is listed as an outlier."""
NEAR = 0.95
"""Cosine from which two documents count as near duplicates."""
_BLOCK = 50_000
Values = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Group:
    """Documents that belong together in a list, and their number (see `Problem.measure`)."""

    ordinals: list[int]
    value: float


@dataclass(frozen=True)
class Problem:
    """A list of groups of documents, the worst group first.

    `count`: documents in the list. `ordinals` (count,) int64, group after group; `starts` (groups + 1,) int64, where
    each begins; `values` (groups,) float64, what `measure` names. `explanation` is for a person.
    """

    kind: str
    title: str
    explanation: str
    measure: str
    ordinals: NDArray[np.int64]
    starts: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def count(self) -> int:
        return int(self.ordinals.size)

    def __len__(self) -> int:
        """How many groups."""
        return int(self.values.size)

    def groups(self, offset: int = 0, limit: int = 50) -> list[Group]:
        """Groups `offset` … of the list."""
        chosen = range(min(offset, len(self)), min(offset + limit, len(self)))
        bounds = ((int(self.starts[g]), int(self.starts[g + 1]), float(self.values[g])) for g in chosen)
        return [Group(self.ordinals[start:stop].tolist(), value) for start, stop, value in bounds]

    def redundant(self) -> NDArray[np.int64]:
        """All but the first document of each group: what could go so that one of each is left. Empty for singles."""
        kept = np.zeros(self.count, dtype=np.bool_)
        kept[self.starts[:-1]] = True
        return self.ordinals[~kept]


def exact_duplicates(project: Project, corpus: str | int, progress: Progress = no_progress) -> Problem:
    """Documents with the same title, text and image; the largest groups first, each in ordinal order.

    Compared by the 128-bit content hashes of the database, which are read in blocks: some 50 bytes a document.
    """
    info = corpora.find(project.db, corpus)
    hashes = content_hashes(project, info, progress)
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    new = (np.diff(hashes[order], axis=0) != 0).any(axis=1)
    group = np.empty(info.documents, dtype=np.int64)
    group[order] = np.concatenate([[0], np.cumsum(new)])
    sizes = np.bincount(group)
    return _grouped(
        group,
        sizes,
        "exact-duplicates",
        "Exact duplicates",
        "Documents whose title, text and image are the same to the letter. A search shows each of them, and a "
        "judgment of one says nothing of the others.",
    )


def near_duplicates(groups: NDArray[np.integer[Any]], threshold: float | None) -> Problem:
    """Groups of documents that are nearly the same; the largest first.

    `groups` (n,): a group's number for each ordinal, the same for the members of one group, −1 for none.
    `threshold`: the cosine from which two were linked, None where only identical vectors were.
    """
    linked = "of the same vector" if threshold is None else f"linked by a cosine of {threshold:g} or more"
    known = np.asarray(groups)
    inside = np.flatnonzero(known >= 0)
    _, group, sizes = np.unique(known[inside], return_inverse=True, return_counts=True)
    return _grouped(
        group.reshape(-1),
        sizes,
        "near-duplicates",
        "Near duplicates",
        f"Documents {linked} in the space of the encoder, also through others: the first and the last of a large group "
        "may differ. Exact duplicates are among them.",
        inside,
    )


def outliers(outlierness: Values, limit: int = LIMIT, what: str = "outlierness") -> Problem:
    """The documents whose outlierness, (n,) values, stands out; in descending order, NaN left out.

    Above the median by more than `FAR` robust deviations, 1.4826 · median |x − median| (Hampel 1974), of ln x: the
    values are ratios. At least the `FEW` largest, so that there is something to look at, and never more than a tenth
    of the documents or `limit`.
    """
    given = np.asarray(outlierness, dtype=np.float64)
    if given.ndim != 1:
        raise BadInput("One number for each document is wanted.", "Make the map again.")
    values = np.log(np.maximum(given[~np.isnan(given)], np.finfo(np.float32).tiny))
    middle = float(np.median(values)) if values.size else 0.0
    line = float(np.exp(middle + FAR * 1.4826 * float(np.median(np.abs(values - middle))))) if values.size else 0.0
    most = min(limit, given.size // MOST_SHARE)
    # Equal values are no outliers, though the line comes back from its logarithm a hair lower.
    beyond = int(np.count_nonzero(given > line * (1 + 1e-6)))
    count = min(most, max(FEW, beyond))
    told = f"{beyond:,} lie beyond {line:.2f}, {FAR:g} robust deviations above the middle"
    cut = (
        "; the farthest are listed"
        if beyond > count
        else f"; the {count:,} farthest are listed"
        if beyond < count
        else ""
    )
    return _ranked(
        given,
        count,
        "outliers",
        "Outliers",
        "Documents far from their nearest neighbours in the space of the encoder, against how far these lie from "
        f"theirs: odd ones, broken ones, or the only ones of their topic. {told}{cut}.",
        what,
    )


def hubs(occurrences: Values, k: int, limit: int = LIMIT) -> Problem:
    """Documents that are among the `k` nearest of many others: N_k above its mean plus two standard deviations.

    `occurrences` (n,): N_k. The mean of N_k is k by its definition (Radovanović et al., JMLR 2010).
    """
    counts = np.asarray(occurrences, dtype=np.float64)
    line = counts.mean() + 2 * counts.std() if counts.size else 0.0
    return _ranked(
        np.where(counts > line, counts, np.nan),
        limit,
        "hubs",
        "Hubs",
        f"Documents among the {k} nearest neighbours of unusually many others (more than {line:.1f}; the mean is "
        f"{counts.mean() if counts.size else 0:.1f}). They turn up for queries that are not about them.",
        f"N_{k}",
    )


def label_disagreement(disagreement: Values, label: str, limit: int = LIMIT, least: float = 0.5) -> Problem:
    """Documents most of whose neighbours have another value of the column `label`.

    `disagreement` (n,): the share of its neighbours with another value, 0 … 1, NaN = it has none. From `least` on.
    """
    shares = np.asarray(disagreement, dtype=np.float64)
    return _ranked(
        np.where(shares >= least, shares, np.nan),
        limit,
        "label-disagreement",
        f"“{label}” differs from the neighbours'",
        f"Documents for which {least:.0%} or more of the nearest neighbours have another “{label}”: mislabelled, at "
        "a border, or something that the encoder does not see.",
        "share of neighbours",
    )


def problems_of_map(project: Project, map: str, label: str = "", cosine: float = NEAR) -> list[Problem]:
    """All lists for the corpus of a map, in the space it was made of; `label` names a metadata column, "" = none.

    Nothing is searched again: the map keeps its neighbours. Raises `NotFound` on the map, `BadInput` on the column.
    """
    artifact = find_map(project, map)
    data, info = open_map(artifact), corpus_of(project, artifact)
    return [exact_duplicates(project, info.id), *_problems_of(project, info, data.graph, label, cosine)]


def problems_of_embedding(
    project: Project, corpus: str, encoder: str, label: str = "", k: int = 15, progress: Progress = no_progress
) -> list[Problem]:
    """The same without a map, from the neighbours in a dense embedding. Raises `NotFound`, `BadInput`."""
    from workbench.neighbourhoods import neighbour_graph

    info = corpora.find(project.db, corpus)
    embedding = find_embedding(project, info, encoder)
    vectors = open_vectors(embedding)
    if not isinstance(vectors, DenseVectors):
        raise BadInput(f"“{embedding.name}” has no dense vectors.", "Make a map of it: that reduces them first.")
    metric = "l2" if embedding.manifest.get("similarity") == "euclidean" else "cosine"
    graph = neighbour_graph(vectors, k, metric, progress=progress)
    return [exact_duplicates(project, info.id), *_problems_of(project, info, graph, label, NEAR)]


def _problems_of(project: Project, info: CorpusInfo, graph: Graph, label: str, cosine: float) -> list[Problem]:
    """What follows from the neighbours alone; an empty list is told as well as a full one."""
    # FAISS stays out of the app until somebody asks.
    from workbench import neighbourhoods as near

    by_cosine = graph.metric == "cosine"
    groups = near.duplicate_groups(graph, 1 - cosine if by_cosine else near.TINY)
    found = [
        near_duplicates(groups, cosine if by_cosine else None),
        outliers(near.outlierness(graph)),
        hubs(near.occurrences(graph), graph.k),
    ]
    if label:
        if label not in info.columns:
            raise BadInput(
                f"“{info.name}” has no column “{label[:80]}”.", f"Columns: {', '.join(info.columns) or 'none'}."
            )
        keys = column_keys(project, info, label)
        found.append(label_disagreement(near.label_disagreement(graph, keys), label))
    return found


def subset_from_problem(
    project: Project, corpus: str | int, name: str, problem: Problem, *, redundant: bool = False
) -> NamedSet:
    """Keep a list as a subset: all its documents, or (`redundant`) all but the first of each group.

    Raises `BadInput` where that is nothing or the name is taken.
    """
    chosen = problem.redundant() if redundant else problem.ordinals
    source: Mapping[str, Any] = {"how": "problem", "kind": problem.kind, "redundant": redundant}
    return create_subset(project, corpus, name, chosen, source)


def content_hashes(project: Project, info: CorpusInfo, progress: Progress = no_progress) -> NDArray[np.uint64]:
    """(n, 2) uint64: the content hash of each document, read in blocks."""
    hashes = np.empty((info.documents, 2), dtype=np.uint64)
    for start in range(0, info.documents, _BLOCK):
        progress(start, info.documents)
        some = (table.c.ordinal >= start, table.c.ordinal < start + _BLOCK)
        query = sa.select(table.c.content_hash).where(table.c.corpus_id == info.id, *some).order_by(table.c.ordinal)
        with project.db.read() as connection:
            digits = "".join(connection.execute(query).scalars())
        hashes[start : start + _BLOCK] = np.frombuffer(bytes.fromhex(digits), dtype=">u8").reshape(-1, 2)
    return hashes


def _grouped(
    group: NDArray[np.integer[Any]],
    sizes: NDArray[np.integer[Any]],
    kind: str,
    title: str,
    explanation: str,
    ordinals: NDArray[np.int64] | None = None,
) -> Problem:
    """The groups of two or more, the largest first, then by first ordinal. `group` (m,) numbers, `sizes` by number."""
    rows = np.flatnonzero(sizes[group] > 1)
    own = rows if ordinals is None else ordinals[rows]
    chosen = group[rows]
    first = np.full(sizes.size, np.iinfo(np.int64).max)
    np.minimum.at(first, chosen, own)
    order = np.lexsort((own, first[chosen], -sizes[chosen]))
    sorted_groups = chosen[order]
    begins = np.flatnonzero(np.diff(sorted_groups, prepend=-1))
    starts = np.append(begins, order.size).astype(np.int64)
    values = sizes[sorted_groups[begins]].astype(np.float64)
    return Problem(kind, title, explanation, "documents", own[order].astype(np.int64), starts, values)


def _ranked(values: NDArray[np.float64], limit: int, kind: str, title: str, explanation: str, measure: str) -> Problem:
    """Single documents by descending value, then ordinal; those without a value are left out."""
    if values.ndim != 1:
        raise BadInput("One number for each document is wanted.", "Make the map again.")
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.lexsort((known, -values[known]))][:limit]
    return Problem(kind, title, explanation, measure, order.astype(np.int64), np.arange(order.size + 1), values[order])
