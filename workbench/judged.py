"""Judgments with the texts they are about, for exports: read in order, a million of them in flat memory."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from workbench.db import Database, queries

_QUERIES = 100  # queries whose judgments are read at once


class Judged(NamedTuple):
    """What one annotator said in one label set of a query and a document.

    `score` and `positive_score` are noted in its provenance, by a miner or from an imported file: of the document, and
    of the query's positives the lowest. `title` to `content_hash` are the document's now, None where the corpus has no
    such document or no texts were asked for; `judged_hash` is its content hash when it was judged.
    """

    query_id: str
    query: str
    query_image: str | None
    doc_id: str
    label_set: str
    relevance: int | None
    is_hard_negative: bool
    state: str
    score: float | None
    positive_score: float | None
    judged_hash: str
    title: str | None
    text: str | None
    image: str | None
    content_hash: str | None


_SAID = (
    "q.query_id, q.text, q.image, j.doc_id, j.label_set, j.relevance, j.is_hard_negative, j.state, "
    "CASE WHEN j.provenance <> '{}' THEN json_extract(j.provenance, '$.score') END, "
    "CASE WHEN j.provenance <> '{}' THEN json_extract(j.provenance, '$.positive_score') END, "
    "j.content_hash"
)


def judged(db: Database, query_set_id: int, label_sets: Sequence[str], corpus_id: int | None) -> Iterator[Judged]:
    """All that these label sets say, query after query in the set's order, then by document, label set, annotator.

    With the texts of the corpus, or without any where it is None. Memory is that of `_QUERIES` queries; each block is
    read in a transaction of its own.
    """
    texts = "NULL, NULL, NULL, NULL" if corpus_id is None else "d.title, d.text, d.image, d.content_hash"
    join = "" if corpus_id is None else "LEFT JOIN documents d ON d.corpus_id = :corpus AND d.doc_id = j.doc_id "
    statement = sa.text(
        f"SELECT {_SAID}, {texts} FROM queries q CROSS JOIN judgments j "
        f"ON j.query_set_id = q.query_set_id AND j.query_id = q.query_id {join}"
        "WHERE q.query_set_id = :query_set AND q.ordinal >= :start AND q.ordinal < :stop AND j.label_set IN :sets "
        "ORDER BY q.ordinal, j.doc_id, j.label_set, j.annotator"
    ).bindparams(sa.bindparam("sets", expanding=True))
    values = {"query_set": query_set_id, "sets": list(label_sets)}
    values |= {} if corpus_id is None else {"corpus": corpus_id}
    with db.read() as connection:
        last = sa.select(sa.func.max(queries.c.ordinal)).where(queries.c.query_set_id == query_set_id)
        total = (connection.execute(last).scalar() or 0) + 1
    for start in range(0, total, _QUERIES):
        with db.read() as connection:
            rows = connection.execute(statement, {**values, "start": start, "stop": start + _QUERIES}).all()
        yield from map(Judged._make, rows)
