"""Subsets and tags follow their documents, by id, to another version of the corpus."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench.db import Database
from workbench.subsets import FIELDS, TABLES, Kind, bits_at, count_bits, pack, put
from workbench.types import Progress, no_progress

_BLOCK = 20_000  # ordinals carried over at once; a multiple of 8


@dataclass(frozen=True)
class Carried:
    """A set that went to another version: `kept` documents are there too, `lost` are not."""

    kind: Kind
    name: str
    kept: int
    lost: int

    @property
    def told(self) -> str:
        """A sentence for the report of an import."""
        total = self.kept + self.lost
        return f"The {self.kind} “{self.name}” keeps {self.kept:,} of {total:,} documents; the others are gone."


def carry(db: Database, old_id: int, new_id: int, documents: int, progress: Progress = no_progress) -> list[Carried]:
    """Copy subsets and tags of one version to another that has `documents`, by document id; streamed.

    A set whose name the other version has already stays as it is there. The old version keeps its own.
    """
    moving: list[tuple[Kind, Any, bytearray]] = []
    with db.read() as connection:
        for kind, table in TABLES.items():
            there = sa.select(table.c.name).where(table.c.corpus_id == new_id)
            query = sa.select(table).where(table.c.corpus_id == old_id, table.c.name.not_in(there))
            moving += [(FIELDS[f"@{kind}"], row, bytearray()) for row in connection.execute(query.order_by("name"))]
    if not moving:
        return []
    for start in range(0, documents, _BLOCK):
        progress(start, documents)
        came_from = _came_from(db, old_id, new_id, start, min(start + _BLOCK, documents))
        for _, row, packed in moving:
            packed += pack(bits_at(np.frombuffer(row.members, dtype=np.uint8), came_from))
    carried = []
    for kind, row, packed in moving:
        with db.write() as connection:
            put(connection, kind, new_id, row.name, bytes(packed), row.source)
        kept = count_bits(packed)
        # Not row.count, which is a method of every row.
        carried.append(Carried(kind, row.name, kept, int(row._mapping["count"]) - kept))
    return carried


def _came_from(db: Database, old_id: int, new_id: int, start: int, stop: int) -> NDArray[np.int64]:
    """(stop − start,) old ordinal of each document of the new version, −1 = it is new."""
    words = sa.text(
        "SELECT n.ordinal, o.ordinal FROM documents n JOIN documents o ON o.corpus_id = :old AND o.doc_id = n.doc_id "
        "WHERE n.corpus_id = :new AND n.ordinal >= :start AND n.ordinal < :stop"
    )
    found = np.full(stop - start, -1, dtype=np.int64)
    with db.read() as connection:
        values = {"old": old_id, "new": new_id, "start": start, "stop": stop}
        for new, old in connection.execute(words, values):
            found[new - start] = old
    return found
