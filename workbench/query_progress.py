"""How far each annotator is with each query of a set. The database keeps these counts itself, by triggers."""

from dataclasses import dataclass

import sqlalchemy as sa

from workbench.db import Database
from workbench.db import query_progress as table


@dataclass(frozen=True, slots=True)
class QueryProgress:
    """Of one query, what one annotator said: `said` documents, of them `later` put off; `flagged` with a note or as
    unrateable."""

    query_id: str
    annotator: str
    said: int
    later: int
    flagged: int


def listed(
    db: Database, query_set_id: int, label_set: str, annotator: str | None = None, query_id: str | None = None
) -> list[QueryProgress]:
    """Who said how much of which query in a label set (one annotator's, of one query); no order. Never counts
    judgments: as quick with a million of them."""
    query = sa.select(*(table.c[name] for name in QueryProgress.__dataclass_fields__)).where(
        table.c.query_set_id == query_set_id, table.c.label_set == label_set
    )
    query = query if annotator is None else query.where(table.c.annotator == annotator)
    query = query if query_id is None else query.where(table.c.query_id == query_id)
    with db.read() as connection:
        return [QueryProgress(*row) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class PersonProgress:
    """How far an annotator is: queries begun, of them done, and documents spoken of."""

    annotator: str
    begun: int
    done: int
    said: int


def people(db: Database, query_set_id: int, label_set: str, enough: int) -> tuple[list[PersonProgress], int]:
    """(each annotator's progress by name, queries that anybody began). Done: `enough` said and none put off."""
    own = (table.c.query_set_id == query_set_id, table.c.label_set == label_set)
    is_done = (table.c.said >= enough) & (table.c.later == 0)
    done = sa.func.sum(sa.case((is_done, 1), else_=0))
    name = table.c.annotator
    query = sa.select(name, sa.func.count(), done, sa.func.sum(table.c.said)).where(*own).group_by(name).order_by(name)
    begun = sa.select(sa.func.count(sa.distinct(table.c.query_id))).where(*own)
    with db.read() as connection:
        found = [PersonProgress(*row) for row in connection.execute(query)]
        return found, int(connection.execute(begun).scalar_one())
