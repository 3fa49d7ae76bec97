"""Tags on documents as storage: changed many at a time, each change an event that can be undone exactly."""

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from workbench.db import Database, tag_events
from workbench.db import tags as tags_table
from workbench.errors import NotFound
from workbench.subsets import Mask, bits_at, pack, packed_of, put, unpack


@dataclass(frozen=True)
class TagEvent:
    """A change of a tag: `count` documents got or lost it. `undoes` is the id of the event that this one reversed."""

    id: int
    tag: str
    action: str
    count: int
    undoes: int | None
    at: float


def change_tag(db: Database, corpus_id: int, tag: str, mask: Mask, action: str) -> TagEvent | None:
    """Add a tag to the documents of `mask`, or remove it; None where that changes nothing. One transaction.

    `action`: add or remove. A tag that no document has any more is gone.
    """
    with db.write() as connection:
        before = _tagged(connection, corpus_id, tag, mask.size)
        changed = mask & ~before if action == "add" else mask & before
        return _record(connection, corpus_id, tag, (before, changed), action, None) if changed.any() else None


def undo(db: Database, corpus_id: int, documents: int) -> TagEvent:
    """Reverse the last change of a tag that has not been undone, exactly. Raises `NotFound` where there is none."""
    with db.write() as connection:
        last = connection.execute(_last(corpus_id)).one_or_none()
        if last is None:
            raise NotFound("There is no tagging to undo.", "Everything was undone, or nothing was tagged yet.")
        changed = unpack(zlib.decompress(last.changed), documents)
        before = _tagged(connection, corpus_id, last.tag, documents)
        action = "remove" if last.action == "add" else "add"
        return _record(connection, corpus_id, last.tag, (before, changed), action, last.id)


def last_change(db: Database, corpus_id: int) -> TagEvent | None:
    """The change of a tag that `undo` would reverse, or None."""
    with db.read() as connection:
        row = connection.execute(_last(corpus_id)).one_or_none()
    return None if row is None else TagEvent(**{name: row._mapping[name] for name in TagEvent.__dataclass_fields__})


def _last(corpus_id: int) -> sa.Select[Any]:
    undone = sa.select(tag_events.c.undoes).where(tag_events.c.undoes.is_not(None))
    mine = (tag_events.c.corpus_id == corpus_id, tag_events.c.undoes.is_(None), tag_events.c.id.not_in(undone))
    return sa.select(tag_events).where(*mine).order_by(tag_events.c.id.desc()).limit(1)


def tags_of(db: Database, corpus_id: int, ordinals: Sequence[int]) -> dict[int, list[str]]:
    """Tags by name of each of these ordinals that has any."""
    wanted = np.asarray(ordinals, dtype=np.int64)
    found: dict[int, list[str]] = {}
    query = sa.select(tags_table.c.name, tags_table.c.members).where(tags_table.c.corpus_id == corpus_id)
    with db.read() as connection:
        for name, packed in connection.execute(query.order_by(tags_table.c.name)):
            for ordinal in wanted[bits_at(np.frombuffer(packed, dtype=np.uint8), wanted)]:
                found.setdefault(int(ordinal), []).append(str(name))
    return found


def _tagged(connection: Connection, corpus_id: int, tag: str, documents: int) -> Mask:
    packed = packed_of(connection, "tag", corpus_id, tag)
    return np.zeros(documents, dtype=np.bool_) if packed is None else unpack(packed, documents)


def _record(
    connection: Connection, corpus_id: int, tag: str, masks: tuple[Mask, Mask], action: str, undoes: int | None
) -> TagEvent:
    """Write the tag after the change, masks = (before, changed), and the event."""
    before, changed = masks
    after = before | changed if action == "add" else before & ~changed
    if after.any():
        put(connection, "tag", corpus_id, tag, pack(after), {})
    else:
        gone = (tags_table.c.corpus_id == corpus_id) & (tags_table.c.name == tag)
        connection.execute(sa.delete(tags_table).where(gone))
    told: dict[str, Any] = {
        "tag": tag,
        "action": action,
        "count": int(changed.sum()),
        "undoes": undoes,
        "at": time.time(),
    }
    # A million documents of which one changed compress to some 150 bytes.
    stored = {"corpus_id": corpus_id, "changed": zlib.compress(pack(changed)), **told}
    id = connection.execute(sa.insert(tag_events).values(stored).returning(tag_events.c.id)).scalar_one()
    return TagEvent(id=int(id), **told)
