"""Judgments as storage: what an annotator says of a query and a document; read in order, written in bulk.

Keyed by (query set, query, document, label set, annotator), with the document's content hash, so that they survive a
re-import. What people change one by one goes through `workbench.judging_log`, where every change can be undone.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Literal, NamedTuple, get_args

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from workbench import corpora
from workbench.db import WRITE_BATCH, Database, queries
from workbench.db import judgments as table
from workbench.errors import BadInput
from workbench.label_sets import find as find_label_set
from workbench.query_sets import QuerySetInfo

State = Literal["judged", "skipped", "unrateable", "later"]
STATES: tuple[State, ...] = get_args(State)
GRADES = range(4)
"""The grades people give; 1 and above is relevant. Imported judgments may hold any integer."""
_QUERIES = 500  # queries whose judgments are read at once


class Pair(NamedTuple):
    """A query and a document, by their ids outside."""

    query_id: str
    doc_id: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a pair. A hard negative has relevance 0; only the state "judged" has a relevance."""

    relevance: int | None = None
    is_hard_negative: bool = False
    state: State = "judged"
    note: str = ""

    @property
    def is_positive(self) -> bool:
        return self.relevance is not None and self.relevance > 0

    @property
    def is_negative(self) -> bool:
        """Judged not relevant, hard negatives included."""
        return self.relevance is not None and self.relevance <= 0


@dataclass(frozen=True, slots=True)
class Judgment:
    """A verdict with who gave it, when, and the content hash of the document it was given of.

    `source`: "person", "mined", or the file it came from. `provenance`: of a mined one its miner, rank, score, …
    """

    query_id: str
    doc_id: str
    verdict: Verdict
    label_set: str
    annotator: str
    source: str
    provenance: Mapping[str, Any]
    content_hash: str
    updated_at: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A verdict to be stored of a pair; None takes back what the annotator said."""

    query_id: str
    doc_id: str
    verdict: Verdict | None
    provenance: Mapping[str, Any] = field(default_factory=dict)


_COLUMNS = [
    table.c[name]
    for name in (
        "query_id", "doc_id", "relevance", "is_hard_negative", "state", "note",
        "label_set", "annotator", "source", "provenance", "content_hash", "updated_at",
    )
]  # fmt: skip


def judgment(row: Sequence[Any]) -> Judgment:
    """A judgment from a row of `_COLUMNS`."""
    query_id, doc_id, relevance, is_hard_negative, state, note, *rest = row
    return Judgment(query_id, doc_id, Verdict(relevance, is_hard_negative, state, note), *rest)


def of_query(
    db: Database, query_set_id: int, query_id: str, label_set: str | None = None, annotator: str | None = None
) -> list[Judgment]:
    """The judgments of a query (in one label set, by one annotator), by document id, label set, annotator."""
    query = (
        sa.select(*_COLUMNS)
        .where(table.c.query_set_id == query_set_id, table.c.query_id == query_id)
        .order_by(table.c.doc_id, table.c.label_set, table.c.annotator)
    )
    query = query if label_set is None else query.where(table.c.label_set == label_set)
    query = query if annotator is None else query.where(table.c.annotator == annotator)
    with db.read() as connection:
        return [judgment(row) for row in connection.execute(query)]


def stream(db: Database, query_set_id: int, label_sets: Sequence[str] | None = None) -> Iterator[Judgment]:
    """All judgments of a query set (or of these label sets), query after query in the set's order, then by document id.

    Memory is that of `_QUERIES` queries' judgments; each block is read in a transaction of its own.
    """
    query = (
        sa.select(*_COLUMNS)
        .select_from(queries)
        .join(table, (table.c.query_set_id == queries.c.query_set_id) & (table.c.query_id == queries.c.query_id))
        .where(queries.c.query_set_id == query_set_id, queries.c.ordinal >= sa.bindparam("start"))
        .where(queries.c.ordinal < sa.bindparam("stop"))
        .order_by(queries.c.ordinal, table.c.doc_id, table.c.label_set, table.c.annotator)
    )
    query = query if label_sets is None else query.where(table.c.label_set.in_(label_sets))
    with db.read() as connection:
        last = sa.select(sa.func.max(queries.c.ordinal)).where(queries.c.query_set_id == query_set_id)
        total = (connection.execute(last).scalar() or 0) + 1
    for start in range(0, total, _QUERIES):
        with db.read() as connection:
            rows = connection.execute(query, {"start": start, "stop": start + _QUERIES}).all()
        yield from map(judgment, rows)


@dataclass(frozen=True)
class Stored:
    """What a bulk write did: judgments written, and those naming a query the set does not have (left out)."""

    judgments: int
    unknown_queries: int


def store(db: Database, info: QuerySetInfo, label_set: str, annotator: str, entries: Iterable[Entry]) -> Stored:
    """Write mined or imported judgments, `WRITE_BATCH` a transaction, without a log: deleting the set takes them back.

    One given twice keeps the later. Raises `NotFound` on the label set, `BadInput` where it is people's own: what a
    person said is never overwritten.
    """
    known = find_label_set(db, info.id, label_set)
    if known.kind in ("person", "final"):
        raise BadInput(
            f"“{label_set}” holds people's judgments; mined or imported ones do not go into it.",
            "Choose another name for the label set.",
        )
    source = "mined" if known.kind == "proposed" else str(known.spec.get("source", known.kind))
    corpus_id = corpora.find(db, info.corpus).id
    written = unknown = 0
    stream_of = iter(entries)
    while batch := list(islice(stream_of, WRITE_BATCH)):
        hashes = corpora.hashes_of(db, corpus_id, (entry.doc_id for entry in batch))
        ours = known_queries(db, info.id, {entry.query_id for entry in batch})
        fixed = {"query_set_id": info.id, "label_set": label_set, "annotator": annotator, "source": source}
        rows = {
            (entry.query_id, entry.doc_id): {**fixed, **values_of(entry, hashes.get(entry.doc_id, (-1, ""))[1])}
            for entry in batch
            if entry.query_id in ours and entry.verdict is not None
        }
        unknown += sum(entry.query_id not in ours for entry in batch)
        if rows:
            put(db, list(rows.values()))
        written += len(rows)
    return Stored(written, unknown)


def values_of(entry: Entry, content_hash: str) -> dict[str, Any]:
    """The columns of an entry that has a verdict."""
    if entry.verdict is None:
        raise ValueError("an entry without a verdict has no columns")
    return {
        "query_id": entry.query_id,
        "doc_id": entry.doc_id,
        **asdict(entry.verdict),
        "provenance": dict(entry.provenance),
        "content_hash": content_hash,
        "updated_at": time.time(),
    }


KEY = ("query_set_id", "query_id", "doc_id", "label_set", "annotator")


def put(db: Database, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert or replace at most `WRITE_BATCH` rows of the table in one transaction."""
    with db.write() as connection:
        connection.execute(upsert(), list(rows))


def upsert() -> Any:
    """The statement that inserts a judgment or replaces the one with its key."""
    statement = insert(table)
    changed = {column.name: column for column in statement.excluded if column.name not in (*KEY, "id")}
    return statement.on_conflict_do_update(index_elements=KEY, set_=changed)


def known_queries(db: Database, query_set_id: int, wanted: set[str]) -> set[str]:
    """Those of `wanted` that are query ids of the set; at most some thousands at once."""
    query = sa.select(queries.c.query_id).where(queries.c.query_set_id == query_set_id, queries.c.query_id.in_(wanted))
    with db.read() as connection:
        return set(connection.execute(query).scalars())


@dataclass(frozen=True)
class Counts:
    """How many documents of a query are judged as what; `later` and the like are not judged."""

    relevant: int = 0
    not_relevant: int = 0
    hard_negatives: int = 0
    skipped: int = 0
    unrateable: int = 0
    later: int = 0

    @property
    def judged(self) -> int:
        return self.relevant + self.not_relevant + self.hard_negatives


def counts(db: Database, query_set_id: int, label_set: str, annotator: str | None = None) -> dict[str, Counts]:
    """Query id → its counts in a label set, by one annotator or all of them; queries without any are not there."""

    def number(condition: Any) -> Any:
        return sa.func.sum(sa.case((condition, 1), else_=0))

    hard, grade = table.c.is_hard_negative, table.c.relevance
    query = (
        sa.select(
            table.c.query_id,
            number(grade > 0),
            number((grade <= 0) & ~hard),
            number(hard),
            *(number(table.c.state == state) for state in STATES[1:]),
        )
        .where(table.c.query_set_id == query_set_id, table.c.label_set == label_set)
        .group_by(table.c.query_id)
    )
    query = query if annotator is None else query.where(table.c.annotator == annotator)
    with db.read() as connection:
        return {row[0]: Counts(*row[1:]) for row in connection.execute(query)}


@dataclass(frozen=True)
class Orphans:
    """Judgments whose document is gone from the corpus, and those whose document's text has changed since."""

    missing: list[Pair]
    changed: list[Pair]


def orphans(db: Database, info: QuerySetInfo) -> Orphans:
    """What a re-import did to the judgments: pairs by query and document, each once. Streamed."""
    corpus_id = corpora.find(db, info.corpus).id
    missing: dict[Pair, None] = {}
    changed: dict[Pair, None] = {}
    rows = stream(db, info.id)
    while batch := list(islice(rows, WRITE_BATCH)):
        hashes = corpora.hashes_of(db, corpus_id, (row.doc_id for row in batch))
        for row in batch:
            now = hashes.get(row.doc_id)
            if now is None:
                missing[Pair(row.query_id, row.doc_id)] = None
            elif row.content_hash and row.content_hash != now[1]:
                changed[Pair(row.query_id, row.doc_id)] = None
    return Orphans(list(missing), list(changed))
