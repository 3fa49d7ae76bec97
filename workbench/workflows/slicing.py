"""Means over parts of the queries: by the length of the query, by metadata or subset of its relevant documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench import corpora, query_sets
from workbench.db import documents, queries
from workbench.errors import BadInput
from workbench.filters import field_value
from workbench.project import Project
from workbench.types import Filter
from workbench.workflows.evaluating import Judgments

if TYPE_CHECKING:
    from workbench.workflows.evaluate import Evaluation

LENGTHS = ((1, 3), (4, 7), (8, 15), (16, 31), (32, 10**9))
MOST = 30
NO_VALUE = "no value"
_LOOKUP = 900


@dataclass(frozen=True)
class Slice:
    """A part of the judged queries: run → measure → mean over it. `places` (queries,) in `Evaluation.query_ids`."""

    name: str
    queries: int
    means: dict[str, dict[str, float]]
    places: NDArray[np.int64]


def slices(project: Project, evaluation: "Evaluation", by: str) -> list[Slice]:
    """The measures on parts of the queries.

    `by` “length”: words of the query. “metadata:COLUMN”: the values that its relevant documents have; a query with two
    values counts in both; the `MOST` most frequent. “subset:NAME”: whether one of its relevant documents is in a subset
    of the corpus. Raises `BadInput` or `NotFound` where `by` names none of these.
    """
    kind, _, name = by.partition(":")
    if kind == "length":
        parts = _by_length(project, evaluation)
    elif kind == "metadata" and name:
        parts = _by_metadata(project, evaluation, name)
    elif kind == "subset" and name:
        parts = _by_subset(project, evaluation, name)
    else:
        raise BadInput(f"Queries are not sliced by “{by}”.", "Use length, metadata:COLUMN or subset:NAME.")
    return [_slice(evaluation, name, places) for name, places in parts.items() if places.size]


def _slice(evaluation: "Evaluation", name: str, places: NDArray[np.int64]) -> Slice:
    means = {
        each.run.name: {measure: float(values[places].mean()) for measure, values in each.values.items()}
        for each in evaluation.runs
    }
    return Slice(name, int(places.size), means, places)


def _by_length(project: Project, evaluation: "Evaluation") -> dict[str, NDArray[np.int64]]:
    info = query_sets.find(project.db, evaluation.query_set)
    query = sa.select(queries.c.text).where(queries.c.query_set_id == info.id).order_by(queries.c.ordinal)
    with project.db.read() as connection:
        words = np.array([len(text.split()) for text in connection.execute(query).scalars()], np.int64)
    own = words[evaluation.rows] if evaluation.rows.size else words[:0]
    named = {"no text": np.flatnonzero(own == 0)}
    for low, high in LENGTHS:
        name = f"{low} words or more" if high == LENGTHS[-1][1] else f"{low} to {high} words"
        named[name] = np.flatnonzero((own >= low) & (own <= high))
    return named


def _positives(project: Project, evaluation: "Evaluation") -> tuple[NDArray[np.int64], list[str]]:
    """(place of the query, document id) of every relevant pair."""
    judgments = Judgments(project, evaluation.query_set, evaluation.label_sets, evaluation.options)
    settled = judgments.settled
    relevant = np.flatnonzero(settled.relevance > 0)
    places = np.searchsorted(evaluation.rows, settled.queries[relevant])
    return places, [settled.documents[each] for each in relevant]


def _by_metadata(project: Project, evaluation: "Evaluation", column: str) -> dict[str, NDArray[np.int64]]:
    corpus = corpora.find(project.db, query_sets.find(project.db, evaluation.query_set).corpus)
    places, ids = _positives(project, evaluation)
    found = _values(project, corpus.id, corpus.columns, column, ids)
    parts: dict[str, set[int]] = {}
    for place, doc_id in zip(places.tolist(), ids, strict=True):
        parts.setdefault(found.get(doc_id, NO_VALUE), set()).add(place)
    most = sorted(parts.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST]
    return {name: np.array(sorted(members), np.int64) for name, members in most}


def _values(
    project: Project, corpus_id: int, columns: Mapping[str, str], column: str, ids: list[str]
) -> dict[str, str]:
    """Value of the column of each of these documents that has one. Raises `BadInput` on the column."""
    value = field_value(dict(columns), column)
    wanted = list(dict.fromkeys(ids))
    found: dict[str, str] = {}
    query = sa.select(documents.c.doc_id, value).where(documents.c.corpus_id == corpus_id)
    with project.db.read() as connection:
        for start in range(0, len(wanted), _LOOKUP):
            some = documents.c.doc_id.in_(wanted[start : start + _LOOKUP])
            found |= {doc_id: str(each) for doc_id, each in connection.execute(query.where(some)) if each is not None}
    return found


def _by_subset(project: Project, evaluation: "Evaluation", subset: str) -> dict[str, NDArray[np.int64]]:
    corpus = corpora.find(project.db, query_sets.find(project.db, evaluation.query_set).corpus)
    mask = corpora.filter_mask(project.db, corpus.id, [Filter("@subset", "in", subset)])
    places, ids = _positives(project, evaluation)
    known = corpora.ordinals_of(project.db, corpus.id, ids)
    inside = {place for place, each in zip(places.tolist(), ids, strict=True) if each in known and mask[known[each]]}
    members = np.array(sorted(inside), np.int64)
    others = np.setdiff1d(np.arange(len(evaluation.query_ids)), members)
    return {f"in {subset}": members, f"not in {subset}": others}
