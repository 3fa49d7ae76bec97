"""Reading corpora: which there are, their documents by ordinal or id, pages of them, masks of those that match."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench.db import Database
from workbench.db import corpora as corpora_table
from workbench.db import documents as table
from workbench.errors import BadInput, NotFound
from workbench.filters import conditions, field_value
from workbench.registry import unknown_name
from workbench.subsets import FIELDS, passing, require
from workbench.types import Content, Document, Filter, Scalar

UNFINISHED = -1
"""`corpora.documents` of a corpus that is being imported or deleted; no list shows it."""
_LOOKUP = 500


@dataclass(frozen=True)
class CorpusInfo:
    """One version of a corpus. `columns`: metadata column → integer, number, boolean or text."""

    id: int
    name: str
    version: int
    documents: int
    fingerprint: str
    source: str
    columns: dict[str, str]
    has_images: bool
    created_at: float
    report: dict[str, Any]

    @property
    def label(self) -> str:
        """Name and version, as `find` takes it."""
        return f"{self.name}@{self.version}"


_INFO = [corpora_table.c[name] for name in CorpusInfo.__dataclass_fields__]


def _info(row: Any) -> CorpusInfo:
    return CorpusInfo(**row._mapping)


def finished(db: Database, name: str | None = None) -> list[CorpusInfo]:
    """Every version of every corpus (or of one), by name, newest version first."""
    query = sa.select(*_INFO).where(corpora_table.c.documents != UNFINISHED)
    if name is not None:
        query = query.where(corpora_table.c.name == name)
    with db.read() as connection:
        return [_info(row) for row in connection.execute(query.order_by("name", corpora_table.c.version.desc()))]


def newest(db: Database) -> list[CorpusInfo]:
    """The newest version of each corpus, by name."""
    found: dict[str, CorpusInfo] = {}
    for info in finished(db):
        found.setdefault(info.name, info)
    return list(found.values())


def find(db: Database, corpus: str | int) -> CorpusInfo:
    """The corpus with this id, name (its newest version) or “name@version”. Raises `NotFound` listing the choices."""
    if isinstance(corpus, int):
        query = sa.select(*_INFO).where(corpora_table.c.id == corpus, corpora_table.c.documents != UNFINISHED)
        with db.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound(f"There is no corpus with the number {corpus} in this project.")
        return _info(row)
    name, _, version = corpus.partition("@")
    versions = finished(db, name)
    if not versions:
        raise unknown_name("corpus", name, [info.name for info in newest(db)])
    if not version:
        return versions[0]
    for info in versions:
        if str(info.version) == version:
            return info
    numbers = ", ".join(str(info.version) for info in reversed(versions))
    raise NotFound(f"The corpus “{name}” has no version “{version}”.", f"Versions: {numbers}.")


_DOCUMENT = [table.c[name] for name in ("doc_id", "text", "title", "image", "metadata", "ordinal")]


def _document(row: Any) -> Document:
    doc_id, text, title, image, metadata, ordinal = row
    return Document(doc_id, text, title, image, json.loads(metadata), ordinal)


def texts(db: Database, corpus_id: int, start: int, stop: int) -> list[str]:
    """`Document.content` of the ordinals `start` … `stop` − 1, in order."""
    return [each.text for each in contents(db, Path(), corpus_id, start, stop)]


def contents(db: Database, media: Path, corpus_id: int, start: int, stop: int) -> list[Content]:
    """What an encoder reads of the ordinals `start` … `stop` − 1, in order; images lie in the folder `media`."""
    query = (
        sa.select(table.c.title, table.c.text, table.c.image)
        .where(table.c.corpus_id == corpus_id, table.c.ordinal >= start, table.c.ordinal < stop)
        .order_by(table.c.ordinal)
    )
    with db.read() as connection:
        return [
            Content(f"{title} {text}".strip(), media / image if image else None)
            for title, text, image in connection.execute(query)
        ]


def documents(db: Database, corpus_id: int, ordinals: Iterable[int]) -> list[Document]:
    """The documents with these ordinals, in the order asked. Raises `NotFound` on one that is not there."""
    wanted = [int(ordinal) for ordinal in ordinals]
    found: dict[int, Document] = {}
    with db.read() as connection:
        for start in range(0, len(wanted), _LOOKUP):
            some = table.c.ordinal.in_(wanted[start : start + _LOOKUP])
            for row in connection.execute(sa.select(*_DOCUMENT).where(table.c.corpus_id == corpus_id, some)):
                found[row.ordinal] = _document(row)
    for ordinal in wanted:
        if ordinal not in found:
            raise NotFound(f"There is no document number {ordinal} in the corpus.")
    return [found[ordinal] for ordinal in wanted]


def document(db: Database, corpus: CorpusInfo, key: int | str) -> Document:
    """A document by ordinal (int) or id (str). Raises `NotFound`."""
    column = table.c.doc_id if isinstance(key, str) else table.c.ordinal
    try:
        with db.read() as connection:
            query = sa.select(*_DOCUMENT).where(table.c.corpus_id == corpus.id, column == key)
            row = connection.execute(query).one_or_none()
    except OverflowError:
        row = None
    if row is None:
        what = f"called “{key[:80]}”" if isinstance(key, str) else f"number {key}"
        raise NotFound(f"There is no document {what} in “{corpus.name}”.", f"It has {corpus.documents:,} documents.")
    return _document(row)


def ordinals_of(db: Database, corpus_id: int, doc_ids: Iterable[str]) -> dict[str, int]:
    """Ordinal of each of these ids that the corpus has."""
    return {key: ordinal for key, (ordinal, _) in hashes_of(db, corpus_id, doc_ids).items()}


def hashes_of(db: Database, corpus_id: int, doc_ids: Iterable[str]) -> dict[str, tuple[int, str]]:
    """(ordinal, content hash) of each of these ids that the corpus has."""
    wanted = list(dict.fromkeys(doc_ids))
    found: dict[str, tuple[int, str]] = {}
    query = sa.select(table.c.doc_id, table.c.ordinal, table.c.content_hash).where(table.c.corpus_id == corpus_id)
    with db.read() as connection:
        for start in range(0, len(wanted), _LOOKUP):
            for row in connection.execute(query.where(table.c.doc_id.in_(wanted[start : start + _LOOKUP]))):
                found[row.doc_id] = (row.ordinal, row.content_hash)
    return found


def doc_ids(db: Database, corpus_id: int, start: int, stop: int) -> list[str]:
    """Ids of the ordinals `start` … `stop` − 1, in order."""
    query = (
        sa.select(table.c.doc_id)
        .where(table.c.corpus_id == corpus_id, table.c.ordinal >= start, table.c.ordinal < stop)
        .order_by(table.c.ordinal)
    )
    with db.read() as connection:
        return list(connection.execute(query).scalars())


def ids_of(db: Database, corpus_id: int, ordinals: Iterable[int]) -> dict[int, str]:
    """Id of each of these ordinals that the corpus has."""
    wanted = list(dict.fromkeys(int(ordinal) for ordinal in ordinals))
    found: dict[int, str] = {}
    query = sa.select(table.c.ordinal, table.c.doc_id).where(table.c.corpus_id == corpus_id)
    with db.read() as connection:
        for start in range(0, len(wanted), _LOOKUP):
            for row in connection.execute(query.where(table.c.ordinal.in_(wanted[start : start + _LOOKUP]))):
                found[row.ordinal] = row.doc_id
    return found


def filter_mask(db: Database, corpus_id: int, filters: Sequence[Filter] = (), text: str = "") -> NDArray[np.bool_]:
    """(documents,) bool: which ordinals pass every filter and contain every word. Raises `BadInput`, `NotFound`."""
    corpus = find(db, corpus_id)
    require(db, corpus.id, filters)
    chosen = conditions(corpus.id, corpus.columns, filters, text)
    if not text.strip() and all(each.field in FIELDS for each in filters):
        return passing(db, corpus.id, filters, corpus.documents)
    mask = np.zeros(corpus.documents, dtype=np.bool_)
    query = sa.select(table.c.ordinal).where(*chosen)
    with db.read() as connection:
        for block in connection.execute(query).scalars().partitions(10_000):
            mask[np.fromiter(block, dtype=np.int64, count=len(block))] = True
    return mask


def page(
    db: Database, corpus: CorpusInfo, where: tuple[Sequence[Filter], str], offset: int, limit: int
) -> tuple[list[Document], int]:
    """(documents `offset` … of those that pass `where` = (filters, text), in ordinal order; how many pass)."""
    if offset < 0 or limit < 0:
        raise BadInput("A page begins at 0 or later and holds 0 or more documents.")
    filters, text = where
    require(db, corpus.id, filters)
    chosen = conditions(corpus.id, corpus.columns, filters, text)
    with db.read() as connection:
        if len(chosen) == 1:
            total = corpus.documents
            chosen.append(table.c.ordinal >= offset)
            rows = connection.execute(sa.select(*_DOCUMENT).where(*chosen).order_by(table.c.ordinal).limit(limit))
        else:
            total = connection.execute(sa.select(sa.func.count()).select_from(table).where(*chosen)).scalar_one()
            query = sa.select(*_DOCUMENT).where(*chosen).order_by(table.c.ordinal)
            rows = connection.execute(query.offset(offset).limit(limit))
        return [_document(row) for row in rows], int(total)


def values(db: Database, corpus: CorpusInfo, column: str, limit: int) -> list[tuple[Scalar, int]]:
    """The most frequent values of a column with their counts, most frequent first. Raises `BadInput` on its name."""
    value = field_value(corpus.columns, column).label("value")
    count = sa.func.count().label("n")
    query = (
        sa.select(value, count)
        .where(table.c.corpus_id == corpus.id)
        .group_by("value")
        .order_by(sa.desc("n"), "value")
        .limit(limit)
    )
    with db.read() as connection:
        rows = connection.execute(query).all()
    kinds: Mapping[str, str] = corpus.columns
    is_boolean = kinds.get(column) == "boolean"
    return [(bool(row.value) if is_boolean and row.value is not None else row.value, int(row.n)) for row in rows]
