"""Query sets: queries with the judgments that came with them; an unfinished one leaves nothing."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from workbench import label_sets
from workbench.corpora import hashes_of
from workbench.db import WRITE_BATCH, Database, judgment_events, judgments, queries, query_progress, query_sets
from workbench.db import corpora as corpora_table
from workbench.errors import BadInput, NotFound
from workbench.locks import locked
from workbench.registry import unknown_name
from workbench.types import Qrel, Query

QRELS = "qrels"
"""Label set and annotator of imported judgments."""
LISTED = 1000
"""Unknown ids that a draft lists; the others are only counted."""
_UNFINISHED = -1.0  # `created_at` of a query set that is being imported


@dataclass(frozen=True)
class QuerySetInfo:
    """A query set; `corpus` is the name of the corpus it belongs to, whatever its version."""

    id: int
    name: str
    corpus: str
    corpus_id: int
    queries: int
    judgments: int
    source: str
    created_at: float
    report: dict[str, Any]


def listed(db: Database, corpus: str | None = None) -> list[QuerySetInfo]:
    """The query sets (of the corpus with this name), by name."""
    return _infos(db) if corpus is None else _infos(db, corpora_table.c.name == corpus)


def _infos(db: Database, *chosen: Any) -> list[QuerySetInfo]:
    counts = [
        sa.select(total).where(table.c.query_set_id == query_sets.c.id).scalar_subquery().label(name)
        for table, total, name in (
            (queries, sa.func.count(queries.c.id), "queries"),
            # Not by counting: a million judgments take a third of a second, at every key that judges.
            (query_progress, sa.func.coalesce(sa.func.sum(query_progress.c.said), 0), "judgments"),
        )
    ]
    query = (
        sa.select(
            query_sets.c.id,
            query_sets.c.name,
            corpora_table.c.name.label("corpus"),
            query_sets.c.corpus_id,
            *counts,
            query_sets.c.source,
            query_sets.c.created_at,
            query_sets.c.report,
        )
        .join(corpora_table, corpora_table.c.id == query_sets.c.corpus_id)
        .where(query_sets.c.created_at != _UNFINISHED, *chosen)
        .order_by(query_sets.c.name)
    )
    with db.read() as connection:
        return [QuerySetInfo(**row._mapping) for row in connection.execute(query)]


def find(db: Database, name: str) -> QuerySetInfo:
    """The query set called `name`. Raises `NotFound` listing the choices."""
    found = _infos(db, query_sets.c.name == name)
    if not found:
        raise unknown_name("query set", name, [info.name for info in listed(db)])
    return found[0]


def page(db: Database, query_set_id: int, offset: int, limit: int) -> list[Query]:
    """Queries `offset` … of a set in the order of their file."""
    query = (
        sa.select(queries.c.query_id, queries.c.text, queries.c.image)
        .where(queries.c.query_set_id == query_set_id, queries.c.ordinal >= offset)
        .order_by(queries.c.ordinal)
        .limit(limit)
    )
    with db.read() as connection:
        return [Query(*row) for row in connection.execute(query)]


def with_ids(db: Database, query_set_id: int, query_ids: Sequence[str]) -> dict[str, Query]:
    """Those of a set's queries that have these ids, some hundreds at most, by id."""
    query = sa.select(queries.c.query_id, queries.c.text, queries.c.image)
    query = query.where(queries.c.query_set_id == query_set_id, queries.c.query_id.in_(query_ids))
    with db.read() as connection:
        return {row.query_id: Query(*row) for row in connection.execute(query)}


def ids(db: Database, query_set_id: int) -> list[str]:
    """The ids of a set's queries in the order of their file."""
    query = sa.select(queries.c.query_id).where(queries.c.query_set_id == query_set_id).order_by(queries.c.ordinal)
    with db.read() as connection:
        return list(connection.execute(query).scalars())


def at_places(db: Database, query_set_id: int, places: Sequence[int]) -> dict[int, Query]:
    """The queries at these places of a set (at most some thousands) by their place."""
    columns = (queries.c.ordinal, queries.c.query_id, queries.c.text, queries.c.image)
    query = sa.select(*columns).where(queries.c.query_set_id == query_set_id, queries.c.ordinal.in_(places))
    with db.read() as connection:
        return {row[0]: Query(*row[1:]) for row in connection.execute(query)}


def placed(db: Database, info: QuerySetInfo, query_id: str) -> tuple[int, Query]:
    """(place in its set, query) of a query. Raises `NotFound`."""
    columns = (queries.c.ordinal, queries.c.query_id, queries.c.text, queries.c.image)
    query = sa.select(*columns).where(queries.c.query_set_id == info.id, queries.c.query_id == query_id)
    with db.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"The query set “{info.name}” has no query “{query_id[:80]}”.", "Choose one of its queue.")
    return int(row[0]), Query(*row[1:])


def judged(db: Database, query_set_id: int, query_id: str) -> dict[str, int]:
    """The imported judgments of a query: document id → relevance."""
    own = (judgments.c.query_set_id == query_set_id, judgments.c.query_id == query_id)
    query = sa.select(judgments.c.doc_id, judgments.c.relevance).where(*own, judgments.c.label_set == QRELS)
    with db.read() as connection:
        return {str(doc_id): int(relevance) for doc_id, relevance in connection.execute(query)}


def id_of_text(db: Database, query_set_id: int, text: str) -> str | None:
    """The id of the set's first query of this very text without a picture, or None."""
    same = (queries.c.query_set_id == query_set_id, queries.c.text == text, queries.c.image.is_(None))
    query = sa.select(queries.c.query_id).where(*same).order_by(queries.c.ordinal).limit(1)
    with db.read() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else str(found)


def ensure(db: Database, name: str, corpus_id: int, source: str) -> QuerySetInfo:
    """The query set called `name`, started empty where there is none yet."""
    values = {"name": name, "corpus_id": corpus_id, "source": source, "created_at": time.time(), "report": {}}
    with db.write() as connection:
        connection.execute(insert(query_sets).values(values).on_conflict_do_nothing(index_elements=["name"]))
    return find(db, name)


def append(db: Database, query_set_id: int, batch: Sequence[Query]) -> int:
    """Add queries after the last one of a set; those whose id it has already are left as they are. How many are new."""
    last = sa.select(sa.func.coalesce(sa.func.max(queries.c.ordinal), -1)).where(queries.c.query_set_id == query_set_id)
    own = sa.select(queries.c.query_id).where(queries.c.query_set_id == query_set_id)
    with db.write() as connection:
        known = set(connection.execute(own.where(queries.c.query_id.in_({each.query_id for each in batch}))).scalars())
        new = list({each.query_id: each for each in batch if each.query_id not in known}.values())
        start = connection.execute(last).scalar_one() + 1
        rows = [
            {
                "query_set_id": query_set_id,
                "ordinal": n,
                "query_id": each.query_id,
                "text": each.text,
                "image": each.image,
            }
            for n, each in enumerate(new, start)
        ]
        if rows:
            connection.execute(sa.insert(queries), rows)
    return len(rows)


class QuerySetDraft:
    """A query set being written. Made by `begin`."""

    def __init__(self, db: Database, query_set_id: int, corpus_id: int, media: Path) -> None:
        self.id = query_set_id
        self.media = media / f"queries-{query_set_id}"
        self.queries = 0
        self.judgments = 0
        self.unknown_documents = 0
        self.unknown_queries = 0
        self.unknown_document_ids: dict[str, None] = {}
        self.unknown_query_ids: dict[str, None] = {}
        self._db = db
        self._corpus_id = corpus_id

    def append_queries(self, batch: Sequence[Query]) -> None:
        """Store at most `WRITE_BATCH` queries."""
        rows = [
            {
                "query_set_id": self.id,
                "ordinal": ordinal,
                "query_id": query.query_id,
                "text": query.text,
                "image": query.image,
            }
            for ordinal, query in enumerate(batch, self.queries)
        ]
        if rows:
            with self._db.write() as connection:
                connection.execute(sa.insert(queries), rows)
        self.queries += len(rows)

    def append_qrels(self, batch: Sequence[Qrel], source: str) -> None:
        """Store at most `WRITE_BATCH` judgments; those of unknown queries are only counted.

        One of a document that the corpus lacks is kept: measures count it as relevant and not found.
        """
        known = self._known_queries({qrel.query_id for qrel in batch})
        hashes = hashes_of(self._db, self._corpus_id, (qrel.doc_id for qrel in batch))
        fixed = {
            "query_set_id": self.id,
            "label_set": QRELS,
            "annotator": QRELS,
            "is_hard_negative": False,
            "note": "",
            "source": source,
            "updated_at": time.time(),
        }
        rows: list[Mapping[str, Any]] = []
        for qrel in batch:
            if qrel.query_id not in known:
                self.unknown_queries += 1
                if len(self.unknown_query_ids) < LISTED:
                    self.unknown_query_ids[qrel.query_id] = None
                continue
            if qrel.doc_id not in hashes:
                self.unknown_documents += 1
                if len(self.unknown_document_ids) < LISTED:
                    self.unknown_document_ids[qrel.doc_id] = None
            _, content = hashes.get(qrel.doc_id, (-1, ""))
            judged = {"query_id": qrel.query_id, "doc_id": qrel.doc_id, "relevance": qrel.relevance}
            rows.append({**fixed, **judged, "content_hash": content})
        if rows:
            with self._db.write() as connection:
                label_sets.ensure(connection, self.id, QRELS, "qrels")
                connection.execute(sa.insert(judgments), rows)
        self.judgments += len(rows)

    def _known_queries(self, wanted: set[str]) -> set[str]:
        some = queries.c.query_id.in_(wanted)
        with self._db.read() as connection:
            chosen = sa.select(queries.c.query_id).where(queries.c.query_set_id == self.id, some)
            return set(connection.execute(chosen).scalars())

    def finish(self, report: Mapping[str, Any]) -> None:
        """Make the query set visible."""
        values = {"report": dict(report), "created_at": time.time()}
        with self._db.write() as connection:
            connection.execute(sa.update(query_sets).where(query_sets.c.id == self.id).values(values))


@contextmanager
def begin(db: Database, media: Path, name: str, corpus_id: int, source: str) -> Iterator[QuerySetDraft]:
    """Start a query set. Unless `finish` was called when the block ends, all of it is removed.

    Raises `BadInput` where there is one with this name.
    """
    with ExitStack() as stack:
        with locked(media / ".queries.lock"):
            discard_unfinished(db, media)
            query_set_id = _insert(db, name, corpus_id, source)
            stack.callback(_lock(media, query_set_id).unlink, missing_ok=True)
            stack.enter_context(locked(_lock(media, query_set_id)))
        try:
            yield QuerySetDraft(db, query_set_id, corpus_id, media)
        finally:
            if query_set_id in _unfinished(db):
                # Where the disk is full even this can fail; then the next import does it.
                with suppress(OSError, sa.exc.OperationalError):
                    delete(db, media, query_set_id)


def _insert(db: Database, name: str, corpus_id: int, source: str) -> int:
    values = {"name": name, "corpus_id": corpus_id, "source": source, "created_at": _UNFINISHED, "report": {}}
    try:
        with db.write() as connection:
            result = connection.execute(sa.insert(query_sets).values(values).returning(query_sets.c.id))
            return int(result.scalar_one())
    except sa.exc.IntegrityError as error:
        raise BadInput(
            f"There is already a query set called “{name}”.", "Choose another name, or delete it first."
        ) from error


def delete(db: Database, media: Path, query_set_id: int) -> None:
    """Remove a query set with its judgments and runs, in short transactions."""
    for table in (judgments, judgment_events, queries):
        some = sa.select(table.c.id).where(table.c.query_set_id == query_set_id).limit(WRITE_BATCH)
        gone = WRITE_BATCH
        while gone == WRITE_BATCH:
            with db.write() as connection:
                gone = connection.execute(sa.delete(table).where(table.c.id.in_(some))).rowcount
    with db.write() as connection:
        connection.execute(sa.delete(query_sets).where(query_sets.c.id == query_set_id))
    shutil.rmtree(media / f"queries-{query_set_id}", ignore_errors=True)


def discard_unfinished(db: Database, media: Path) -> None:
    """Remove what imports whose process is gone have left; where that fails, it stays hidden until the next time."""
    for query_set_id in _unfinished(db):
        with locked(_lock(media, query_set_id), wait=False) as held:
            if held:
                with suppress(OSError, sa.exc.OperationalError):
                    delete(db, media, query_set_id)


def _unfinished(db: Database) -> list[int]:
    with db.read() as connection:
        query = sa.select(query_sets.c.id).where(query_sets.c.created_at == _UNFINISHED)
        return list(connection.execute(query).scalars())


def _lock(media: Path, query_set_id: int) -> Path:
    return media / f".queries-{query_set_id}.lock"
