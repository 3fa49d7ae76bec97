"""Named sets of a corpus's documents: subsets and tags. One bit an ordinal, packed little-endian, in one row each.

A set belongs to one version of a corpus. A million documents take 125 kB, so that saving a selection or tagging
everything is one short write, whole or not at all. Tags change in `workbench.tags`; `workbench.carrying` takes sets
to another version.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from workbench.db import Database
from workbench.db import subsets as subsets_table
from workbench.db import tags as tags_table
from workbench.errors import BadInput, NotFound
from workbench.registry import unknown_name
from workbench.specs import fingerprint
from workbench.types import Filter

Kind = Literal["subset", "tag"]
Mask = NDArray[np.bool_]
FIELDS: Mapping[str, Kind] = {"@subset": "subset", "@tag": "tag"}
"""Fields of filters that mean a set, and its kind."""
TABLES: Mapping[str, sa.Table] = {"subset": subsets_table, "tag": tags_table}


@dataclass(frozen=True)
class NamedSet:
    """A subset or tag without its members. `content_hash` follows the members; `source` says how it came about."""

    id: int
    corpus_id: int
    name: str
    count: int
    content_hash: str
    source: dict[str, Any]
    created_at: float


def pack(mask: Mask) -> bytes:
    """(n,) bool → ⌈n/8⌉ bytes; bit i % 8 of byte i // 8 is ordinal i."""
    return np.packbits(mask, bitorder="little").tobytes()


def unpack(members: bytes, documents: int) -> Mask:
    """(documents,) bool; the reverse of `pack`."""
    return np.unpackbits(np.frombuffer(members, dtype=np.uint8), count=documents, bitorder="little").astype(np.bool_)


_INFO = tuple(NamedSet.__dataclass_fields__)


def listed(db: Database, kind: Kind, corpus_id: int) -> list[NamedSet]:
    """The sets of a kind that a version of a corpus has, by name."""
    table = TABLES[kind]
    query = sa.select(*(table.c[name] for name in _INFO)).where(table.c.corpus_id == corpus_id)
    with db.read() as connection:
        found = [NamedSet(**row._mapping) for row in connection.execute(query)]
    return sorted(found, key=lambda each: (each.name.casefold(), each.name))


def find(db: Database, kind: Kind, corpus_id: int, name: str) -> NamedSet:
    """The set called `name`. Raises `NotFound` listing the choices."""
    known = {each.name: each for each in listed(db, kind, corpus_id)}
    if name not in known:
        raise unknown_name(kind, name, known)
    return known[name]


def members(db: Database, kind: Kind, corpus_id: int, name: str, documents: int) -> Mask:
    """(documents,) bool: which ordinals are in the set. Raises `NotFound` listing the choices."""
    with db.read() as connection:
        packed = packed_of(connection, kind, corpus_id, name)
    if packed is None:
        find(db, kind, corpus_id, name)
        raise NotFound(f"The {kind} “{name}” was deleted just now.", "Reload the page.")
    return unpack(packed, documents)


def save(
    db: Database, corpus_id: int, name: str, mask: Mask, source: Mapping[str, Any], *, replace: bool = False
) -> NamedSet:
    """Keep a subset. Raises `BadInput` where the name is taken, unless it may `replace` that one."""
    with db.write() as connection:
        if not replace and packed_of(connection, "subset", corpus_id, name) is not None:
            raise _taken(name)
        put(connection, "subset", corpus_id, name, pack(mask), source)
    return find(db, "subset", corpus_id, name)


def rename(db: Database, corpus_id: int, name: str, new: str) -> NamedSet:
    """Rename a subset. Raises `NotFound`, or `BadInput` where the new name is taken."""
    found = find(db, "subset", corpus_id, name)
    try:
        with db.write() as connection:
            connection.execute(sa.update(subsets_table).where(subsets_table.c.id == found.id).values(name=new))
    except sa.exc.IntegrityError as error:
        raise _taken(new) from error
    return find(db, "subset", corpus_id, new)


def delete(db: Database, corpus_id: int, name: str) -> None:
    """Delete a subset; its documents stay. Raises `NotFound`."""
    found = find(db, "subset", corpus_id, name)
    with db.write() as connection:
        connection.execute(sa.delete(subsets_table).where(subsets_table.c.id == found.id))


def names_of(item: Filter) -> tuple[str, ...]:
    """The names of sets that a filter on @subset or @tag asks for."""
    given = item.value if isinstance(item.value, tuple | list) else (item.value,)
    return tuple(str(each) for each in given)


def require(db: Database, corpus_id: int, filters: Sequence[Filter]) -> None:
    """Raise `NotFound`, listing the choices, where a filter names a subset or tag that the corpus lacks."""
    for item in filters:
        if item.field in FIELDS:
            kind = FIELDS[item.field]
            known = {each.name for each in listed(db, kind, corpus_id)}
            for name in names_of(item):
                if name not in known:
                    raise unknown_name(kind, name, known)


def passing(db: Database, corpus_id: int, filters: Sequence[Filter], documents: int) -> Mask:
    """(documents,) bool: which pass filters that are all on sets; from the bits alone, no document is read.

    Raises `NotFound` listing the choices.
    """
    mask = np.ones(documents, dtype=np.bool_)
    for item in filters:
        among = np.zeros(documents, dtype=np.bool_)
        for name in names_of(item):
            among |= members(db, FIELDS[item.field], corpus_id, name, documents)
        mask &= ~among if item.op == "!=" else among
    return mask


def filters_key(db: Database, corpus_id: int, filters: Sequence[Filter]) -> str:
    """Fingerprint of what the filters let through in this corpus: it changes when a subset or tag they name does."""
    return fingerprint([[each.field, each.op, each.value, _states(db, corpus_id, each)] for each in filters])


def _states(db: Database, corpus_id: int, item: Filter) -> list[str]:
    if item.field not in FIELDS:
        return []
    table = TABLES[FIELDS[item.field]]
    query = sa.select(table.c.name, table.c.content_hash).where(
        table.c.corpus_id == corpus_id, table.c.name.in_(names_of(item))
    )
    with db.read() as connection:
        return sorted(f"{name}\x1f{content}" for name, content in connection.execute(query))


def bits_at(packed: NDArray[np.uint8], ordinals: NDArray[np.int64]) -> Mask:
    """Which of these ordinals are set; those outside, −1 among them, are not."""
    inside = (ordinals >= 0) & (ordinals < 8 * packed.size)
    safe = np.where(inside, ordinals, 0)
    if not packed.size:
        return inside
    found: Mask = inside & ((packed[safe >> 3] >> (safe & 7).astype(np.uint8)) & 1).astype(np.bool_)
    return found


def count_bits(packed: bytes | bytearray) -> int:
    return int(np.unpackbits(np.frombuffer(packed, dtype=np.uint8)).sum())


def packed_of(connection: Connection, kind: Kind, corpus_id: int, name: str) -> bytes | None:
    table = TABLES[kind]
    query = sa.select(table.c.members).where(table.c.corpus_id == corpus_id, table.c.name == name)
    found: bytes | None = connection.execute(query).scalar_one_or_none()
    return found


def put(
    connection: Connection, kind: Kind, corpus_id: int, name: str, packed: bytes, source: Mapping[str, Any]
) -> None:
    """Write a set in place of one of the same name."""
    table = TABLES[kind]
    connection.execute(sa.delete(table).where(table.c.corpus_id == corpus_id, table.c.name == name))
    values = {
        "corpus_id": corpus_id,
        "name": name,
        "members": packed,
        "count": count_bits(packed),
        "content_hash": hashlib.blake2b(packed, digest_size=16).hexdigest(),
        "source": dict(source),
        "created_at": time.time(),
    }
    connection.execute(sa.insert(table), values)


def _taken(name: str) -> BadInput:
    return BadInput(f"There is already a subset called “{name}”.", "Choose another name, or delete it first.")
