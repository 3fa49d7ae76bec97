"""Judging by people: every change is kept with what was before, and can be undone and redone without limit.

The entries of one call are one change: undoing takes all of them back. Each annotator has a line of changes of their
own in each label set; a new change ends what could be redone.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from workbench import corpora, label_sets
from workbench.db import WRITE_BATCH, Database
from workbench.db import judgment_events as events
from workbench.db import judgments as table
from workbench.errors import BadInput, NotFound
from workbench.judgments import Entry, Pair, known_queries, upsert, values_of
from workbench.query_sets import QuerySetInfo
from workbench.receipts import Receipt, first_time

_KEPT = ("relevance", "is_hard_negative", "state", "note", "source", "provenance", "content_hash", "updated_at")
_SAID = ("relevance", "is_hard_negative", "state", "note")


@dataclass(frozen=True)
class Owner:
    """Whose judgments: an annotator's in a label set of a query set. `kind`: of the label set, if it is new."""

    info: QuerySetInfo
    label_set: str = label_sets.PEOPLE
    annotator: str = "me"
    kind: label_sets.Kind = "person"

    def of(self, rows: sa.Table) -> tuple[Any, ...]:
        """The conditions that choose its rows in the table of judgments or of events."""
        return (
            rows.c.query_set_id == self.info.id,
            rows.c.label_set == self.label_set,
            rows.c.annotator == self.annotator,
        )

    @property
    def columns(self) -> dict[str, Any]:
        return {"query_set_id": self.info.id, "label_set": self.label_set, "annotator": self.annotator}


@dataclass(frozen=True)
class Recorded:
    """A change: its number, and how many judgments changed; `same` ones were so already. Nothing changed: number 0."""

    change: int
    changed: int
    same: int


@dataclass(frozen=True)
class Undone:
    """What an undo or redo put back, and the pairs it left because somebody changed them since."""

    pairs: list[Pair]
    conflicts: list[Pair]


def record(db: Database, owner: Owner, entries: Sequence[Entry], receipt: Receipt | None = None) -> Recorded:
    """Store what a person said of at most `WRITE_BATCH` pairs: one transaction, one change to undo.

    `receipt`: a write that was stored before under the same one changes nothing.

    Raises `BadInput` on too many, on a query the set lacks, on a document the corpus lacks, on a label set that is not
    people's.
    """
    if len(entries) > WRITE_BATCH:
        raise BadInput(
            f"{len(entries):,} judgments at once are too many.", f"Judge at most {WRITE_BATCH:,} in one step."
        )
    wanted = {(entry.query_id, entry.doc_id): entry for entry in entries}
    hashes = _checked(db, owner.info, list(wanted.values()))
    with db.write() as connection:
        label_sets.ensure(connection, owner.info.id, owner.label_set, owner.kind)
        if not first_time(connection, receipt):
            return Recorded(0, 0, len(wanted))
        before = _rows(connection, owner, list(wanted))
        after = {
            key: None if entry.verdict is None else {"source": "person", **values_of(entry, hashes[entry.doc_id])}
            for key, entry in wanted.items()
        }
        moved = [key for key in wanted if not _same(before.get(key), after[key])]
        if not moved:
            return Recorded(0, 0, len(wanted))
        connection.execute(sa.update(events).where(*owner.of(events), events.c.status == "undone").values(status="old"))
        change = (
            connection.execute(sa.select(sa.func.max(events.c.change)).where(*owner.of(events))).scalar() or 0
        ) + 1
        _write(connection, owner, {key: after[key] for key in moved})
        connection.execute(
            sa.insert(events), [_event(owner, key, before.get(key), after[key], change) for key in moved]
        )
    return Recorded(change, len(moved), len(wanted) - len(moved))


def undo(db: Database, owner: Owner, receipt: Receipt | None = None) -> Undone:
    """Take the owner's last change back. Raises `NotFound` where there is none left."""
    return _step(db, owner, "done", "undone", receipt)


def redo(db: Database, owner: Owner, receipt: Receipt | None = None) -> Undone:
    """Make the change again that was undone last. Raises `NotFound` where there is none."""
    return _step(db, owner, "undone", "done", receipt)


def _step(
    db: Database, owner: Owner, old: Literal["done", "undone"], new: Literal["done", "undone"], receipt: Receipt | None
) -> Undone:
    pick = sa.func.max if old == "done" else sa.func.min
    now, then = ("after", "before") if old == "done" else ("before", "after")
    own = (*owner.of(events), events.c.status == old)
    with db.write() as connection:
        if not first_time(connection, receipt):
            return Undone([], [])
        # Change 0 was written before changes had numbers: its events cannot be told apart.
        change = connection.execute(sa.select(pick(events.c.change)).where(*own, events.c.change > 0)).scalar()
        if change is None:
            what = "undo" if old == "done" else "redo"
            raise NotFound(
                f"There is nothing to {what}.", "Every change of yours here has been taken that way already."
            )
        rows = connection.execute(sa.select(events).where(*own, events.c.change == change)).mappings().all()
        current = _rows(connection, owner, [(row["query_id"], row["doc_id"]) for row in rows])
        moved: dict[tuple[str, str], Mapping[str, Any] | None] = {}
        conflicts: list[Pair] = []
        for row in rows:
            key = Pair(row["query_id"], row["doc_id"])
            if _same(current.get(key), row[now]):
                moved[key] = row[then]
            else:
                conflicts.append(key)
        _write(connection, owner, moved)
        connection.execute(sa.update(events).where(*own, events.c.change == change).values(status=new))
    return Undone([Pair(*key) for key in moved], conflicts)


def _checked(db: Database, info: QuerySetInfo, entries: Sequence[Entry]) -> dict[str, str]:
    """The content hash of each document. Raises `BadInput` naming the first that is not known."""
    known = corpora.hashes_of(db, corpora.find(db, info.corpus).id, (entry.doc_id for entry in entries))
    unknown = [entry.doc_id for entry in entries if entry.doc_id not in known and entry.verdict is not None]
    if unknown:
        more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
        raise BadInput(
            f"The corpus “{info.corpus}” has no document “{unknown[0]}”{more}.", "Nothing was judged; look at the ids."
        )
    wanted = {entry.query_id for entry in entries}
    lost = sorted(wanted - known_queries(db, info.id, wanted))
    if lost:
        raise BadInput(f"The query set “{info.name}” has no query “{lost[0]}”.", "Nothing was judged; look at the ids.")
    return {doc_id: content for doc_id, (_, content) in known.items()}


def _rows(
    connection: Connection, owner: Owner, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    query = sa.select(table).where(*owner.of(table), table.c.query_id.in_({query_id for query_id, _ in keys}))
    query = query.where(table.c.doc_id.in_({doc_id for _, doc_id in keys}))
    rows = connection.execute(query).mappings()
    return {(row["query_id"], row["doc_id"]): {name: row[name] for name in _KEPT} for row in rows}


def _same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(one[name] == other[name] for name in _SAID)


def _write(connection: Connection, owner: Owner, values: Mapping[tuple[str, str], Mapping[str, Any] | None]) -> None:
    kept = []
    for (query_id, doc_id), row in values.items():
        key = {"query_id": query_id, "doc_id": doc_id}
        if row is None:
            own = (*owner.of(table), table.c.query_id == query_id, table.c.doc_id == doc_id)
            connection.execute(sa.delete(table).where(*own))
        else:
            kept.append({**owner.columns, **key, **{name: row[name] for name in _KEPT}})
    if kept:
        connection.execute(upsert(), kept)


def _event(
    owner: Owner,
    key: tuple[str, str],
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    change: int,
) -> dict[str, Any]:
    def kept(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return None if row is None else {name: row[name] for name in _KEPT}

    fixed = {"query_id": key[0], "doc_id": key[1], "change": change, "status": "done", "at": time.time()}
    return {**owner.columns, **fixed, "before": kept(before), "after": kept(after)}
