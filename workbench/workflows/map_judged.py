"""What people judged, on a map: the marks of a query of a query set, and finding that query by its words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from workbench import corpora, query_sets
from workbench.db import judgments, label_sets, queries
from workbench.errors import NotFound
from workbench.project import Project
from workbench.query_sets import QuerySetInfo
from workbench.workflows.images import store_query_image
from workbench.workflows.map_data import corpus_of, find_map, open_map


@dataclass(frozen=True)
class JudgedMarks:
    """Rows of the documents that people judged for a query. `grades`: row → relevance of the positives.

    `missing`: judged documents that the map's version of the corpus does not have.
    """

    positives: list[int] = field(default_factory=list)
    negatives: list[int] = field(default_factory=list)
    hard_negatives: list[int] = field(default_factory=list)
    grades: Mapping[int, int] = field(default_factory=dict)
    missing: int = 0

    def __len__(self) -> int:
        """How many documents have a mark."""
        return len(self.positives) + len(self.negatives) + len(self.hard_negatives)


@dataclass(frozen=True)
class KnownQuery:
    """A query of a query set. `judged`: how many documents were judged for it; `image`: its picture, below `media`."""

    query_set: str
    query_id: str
    text: str
    judged: int
    image: str = ""


def told_of(query_set: QuerySetInfo) -> sa.ColumnElement[bool]:
    """The rows of `judgments` in which somebody said something of a query of the set.

    Neither what was put off counts nor what a miner proposed and nobody has looked at.
    """
    own = (label_sets.c.query_set_id == query_set.id, label_sets.c.kind == "proposed")
    proposed = sa.select(label_sets.c.name).where(*own)
    said = judgments.c.relevance.is_not(None) | judgments.c.is_hard_negative
    return (judgments.c.query_set_id == query_set.id) & said & judgments.c.label_set.not_in(proposed)


def judged_marks(project: Project, map: str, query_set: str, query_id: str) -> JudgedMarks:
    """The judged documents of a query: relevant ones, hard negatives, and those judged not relevant.

    Of several label sets or annotators: relevant where anyone says so, with the highest grade; a hard negative where
    anyone says so and nobody calls it relevant. What a miner proposed is no judgment. Raises `NotFound`.
    """
    artifact = find_map(project, map)
    data, info = open_map(artifact), corpus_of(project, artifact)
    known = set_of_map(project, map, query_set)
    query = sa.select(judgments.c.doc_id, judgments.c.relevance, judgments.c.is_hard_negative).where(
        told_of(known), judgments.c.query_id == query_id
    )
    with project.db.read() as connection:
        rows = connection.execute(query).all()
    grades: dict[str, int] = {}
    for doc_id, relevance, _ in rows:
        grades[doc_id] = max(grades.get(doc_id, 0), relevance or 0)
    hard = {row.doc_id for row in rows if row.is_hard_negative and grades[row.doc_id] <= 0}
    places = {key: int(data.rows[n]) for key, n in corpora.ordinals_of(project.db, info.id, grades).items()}
    return JudgedMarks(
        positives=sorted(row for key, row in places.items() if grades[key] > 0),
        negatives=sorted(row for key, row in places.items() if grades[key] <= 0 and key not in hard),
        hard_negatives=sorted(row for key, row in places.items() if key in hard),
        grades={row: grades[key] for key, row in places.items() if grades[key] > 0},
        missing=len(grades) - len(places),
    )


def set_of_map(project: Project, map: str, query_set: str) -> QuerySetInfo:
    """A query set of the map's corpus. Raises `NotFound`."""
    info, known = corpus_of(project, find_map(project, map)), query_sets.find(project.db, query_set)
    if known.corpus != info.name:
        raise NotFound(f"The query set “{query_set}” belongs to “{known.corpus}”.", f"This map shows “{info.name}”.")
    return known


def query_sets_of_map(project: Project, map: str) -> list[str]:
    """The names of the query sets of the map's corpus. Raises `NotFound`."""
    info = corpus_of(project, find_map(project, map))
    return [each.name for each in query_sets.listed(project.db, info.name)]


def known_query(project: Project, map: str, query_set: str, query_id: str) -> KnownQuery:
    """A query by its id. Raises `NotFound`."""
    known = set_of_map(project, map, query_set)
    found = found_queries(project, known, queries.c.query_id == query_id, 1)
    if not found:
        raise NotFound(f"The query set “{query_set}” has no query “{query_id[:60]}”.", "Choose one of its list.")
    return found[0]


def queries_with_words(
    project: Project, map: str, query_set: str, words: str = "", limit: int = 20
) -> list[KnownQuery]:
    """Queries of a set whose id is `words` or whose text holds them, the one with that id first. Raises `NotFound`."""
    known, words = set_of_map(project, map, query_set), words.strip()
    held = queries.c.text.icontains(words, autoescape=True) | (queries.c.query_id == words)
    found = found_queries(project, known, held if words else sa.true(), limit)
    return sorted(found, key=lambda each: each.query_id != words)


def queries_with_text(project: Project, map: str, text: str) -> list[KnownQuery]:
    """The queries of the corpus's sets whose text is this one, the most judged first. Raises `NotFound`."""
    text = text.strip()
    if not text:
        return []
    info = corpus_of(project, find_map(project, map))
    found: list[KnownQuery] = []
    for each in query_sets.listed(project.db, info.name):
        found += found_queries(project, each, sa.func.trim(queries.c.text) == text, 1)
    return sorted(found, key=lambda each: (-each.judged, each.query_set))


def found_queries(project: Project, known: QuerySetInfo, some: Any, limit: int) -> list[KnownQuery]:
    """Those queries of a set, in the order of its file."""
    number = sa.func.count(sa.distinct(judgments.c.doc_id))
    counted = (
        sa.select(number)
        .where(told_of(known), judgments.c.query_id == queries.c.query_id)
        .correlate(queries)
        .scalar_subquery()
    )
    query = (
        sa.select(queries.c.query_id, queries.c.text, counted.label("judged"), queries.c.image)
        .where(queries.c.query_set_id == known.id, some)
        .order_by(queries.c.ordinal)
        .limit(limit)
    )
    with project.db.read() as connection:
        rows = connection.execute(query).all()
    return [KnownQuery(known.name, row.query_id, row.text, row.judged, row.image or "") for row in rows]


def picture_of(project: Project, query: KnownQuery) -> str:
    """The id of a query's picture as searches take it; "" where it has none. Raises `BadInput` where it is gone."""
    return store_query_image(project, project.media / query.image) if query.image else ""
