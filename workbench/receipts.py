"""Receipts: a browser numbers what it writes, so that what it sends again because the answer was lost counts once."""

import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection

from workbench.db import settings

PREFIX = "writes of "
_KEPT = 30 * 86_400.0  # seconds; a browser that comes back later has nothing left to send


@dataclass(frozen=True)
class Receipt:
    """Write `number` (from 1, rising) of `client`, one opened page."""

    client: str
    number: int


def first_time(connection: Connection, receipt: Receipt | None) -> bool:
    """Note the write in the caller's transaction. Off where the client's write of this number was stored before."""
    if receipt is None:
        return True
    name = PREFIX + receipt.client
    last = connection.execute(sa.select(settings.c.value).where(settings.c.name == name)).scalar()
    if last is None:
        forget(connection)
    elif last["number"] >= receipt.number:
        return False
    row = {"name": name, "value": {"number": receipt.number, "at": time.time()}}
    statement = insert(settings).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": row["value"]}))
    return True


def forget(connection: Connection) -> None:
    """Remove what clients left that were not heard of for a month."""
    at = settings.c.value["at"].as_float()
    old = settings.c.name.startswith(PREFIX, autoescape=True) & (at < time.time() - _KEPT)
    connection.execute(sa.delete(settings).where(old))
