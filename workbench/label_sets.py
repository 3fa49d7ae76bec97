"""Label sets: the named sets of judgments that a query set has, and who made them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from workbench.db import WRITE_BATCH, Database, judgment_events, judgments
from workbench.db import label_sets as table
from workbench.errors import BadInput
from workbench.registry import unknown_name

Kind = Literal["qrels", "person", "proposed", "imported", "final"]
"""Who made it: it came with the queries, people, mining, a training file, adjudication."""
PEOPLE = "labels"
"""The label set that people judge into unless they choose another."""


@dataclass(frozen=True)
class LabelSetInfo:
    """A label set; `spec` says how it was made (the file, the mining rules)."""

    id: int
    name: str
    kind: Kind
    spec: dict[str, Any]
    created_at: float


def listed(db: Database, query_set_id: int) -> list[LabelSetInfo]:
    """The label sets of a query set, oldest first."""
    query = (
        sa.select(table.c.id, table.c.name, table.c.kind, table.c.spec, table.c.created_at)
        .where(table.c.query_set_id == query_set_id)
        .order_by(table.c.created_at, table.c.id)
    )
    with db.read() as connection:
        return [LabelSetInfo(**row._mapping) for row in connection.execute(query)]


def sizes(db: Database, query_set_id: int) -> dict[str, int]:
    """Label set → its judgments, of all annotators; one pass over the query set's judgments."""
    name = judgments.c.label_set
    query = sa.select(name, sa.func.count()).where(judgments.c.query_set_id == query_set_id).group_by(name)
    with db.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def annotators(db: Database, query_set_id: int, label_set: str) -> dict[str, int]:
    """Annotator → how many pairs they spoke of in a label set, by name."""
    own = (judgments.c.query_set_id == query_set_id, judgments.c.label_set == label_set)
    query = sa.select(judgments.c.annotator, sa.func.count()).where(*own).group_by(judgments.c.annotator)
    with db.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query.order_by(judgments.c.annotator))}


def find(db: Database, query_set_id: int, name: str) -> LabelSetInfo:
    """The label set called `name`. Raises `NotFound` listing the choices."""
    known = {info.name: info for info in listed(db, query_set_id)}
    if name not in known:
        raise unknown_name("label set", name, known)
    return known[name]


def make(db: Database, query_set_id: int, name: str, kind: Kind, spec: Mapping[str, Any]) -> None:
    """Start a label set. Raises `BadInput` where the query set has one with this name."""
    try:
        with db.write() as connection:
            connection.execute(sa.insert(table).values(_row(query_set_id, name, kind, spec)))
    except sa.exc.IntegrityError as error:
        raise BadInput(
            f"There is already a label set called “{name}”.", "Choose another name, or delete it first."
        ) from error


def describe(db: Database, query_set_id: int, name: str, spec: Mapping[str, Any]) -> None:
    """Replace what is kept of how a label set was made."""
    own = (table.c.query_set_id == query_set_id, table.c.name == name)
    with db.write() as connection:
        connection.execute(sa.update(table).where(*own).values(spec=dict(spec)))


def ensure(connection: Connection, query_set_id: int, name: str, kind: Kind) -> None:
    """Start the label set if there is none of this name. Raises `BadInput` where there is one of another kind."""
    own = (table.c.query_set_id == query_set_id, table.c.name == name)
    known = connection.execute(sa.select(table.c.kind).where(*own)).scalar()
    if known is None:
        connection.execute(sa.insert(table).values(_row(query_set_id, name, kind, {})))
    elif known != kind:
        raise BadInput(
            f"The label set “{name}” is of the kind “{known}”; judgments of the kind “{kind}” do not go into it.",
            "Choose another label set.",
        )


def amend(db: Database, query_set_id: int, name: str, changes: Mapping[str, Any]) -> None:
    """Add to the spec of people's label set `name`, made if not there. Raises `BadInput` on another kind."""
    own = (table.c.query_set_id == query_set_id, table.c.name == name)
    with db.write() as connection:
        ensure(connection, query_set_id, name, "person")
        spec = connection.execute(sa.select(table.c.spec).where(*own)).scalar_one()
        connection.execute(sa.update(table).where(*own).values(spec={**spec, **changes}))


def delete(db: Database, query_set_id: int, name: str) -> int:
    """Remove a label set with its judgments and their history, in short transactions; how many judgments it had.

    Raises `NotFound`.
    """
    found, removed = find(db, query_set_id, name), 0
    for rows in (judgments, judgment_events):
        own = (rows.c.query_set_id == query_set_id, rows.c.label_set == name)
        some = sa.select(rows.c.id).where(*own).limit(WRITE_BATCH)
        gone = WRITE_BATCH
        while gone == WRITE_BATCH:
            with db.write() as connection:
                gone = connection.execute(sa.delete(rows).where(rows.c.id.in_(some))).rowcount
            removed += gone if rows is judgments else 0
    with db.write() as connection:
        connection.execute(sa.delete(table).where(table.c.id == found.id))
    return removed


def _row(query_set_id: int, name: str, kind: Kind, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "query_set_id": query_set_id,
        "name": name,
        "kind": kind,
        "spec": dict(spec),
        "created_at": time.time(),
    }
