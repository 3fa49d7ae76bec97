"""Writing corpora: documents in short transactions, with their full-text entries; an unfinished one leaves nothing.

A corpus that is being written (or deleted) has `UNFINISHED` documents and a lock file that its process holds. Whoever
opens the project next removes the rows of an unfinished corpus whose lock is free.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench import carrying
from workbench.corpora import UNFINISHED, CorpusInfo, find, finished
from workbench.db import Database, query_sets, votes
from workbench.db import corpora as corpora_table
from workbench.db import documents as table
from workbench.locks import locked
from workbench.specs import fingerprint
from workbench.types import Document, Progress, no_progress

BATCH = 500
"""Documents of one transaction, full-text entries included: about 10 ms, so a label written beside it waits little."""
MERGE_EVERY = 64
_MERGE_PAGES = 100
_CACHE_KB = 65536
_COMPARE = 20_000
_INSERT = (
    "INSERT INTO documents (corpus_id, ordinal, doc_id, title, text, image, metadata, content_hash) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INDEX = (
    "INSERT INTO documents_fts (rowid, title, text) "
    "SELECT id, title, text FROM documents WHERE corpus_id = ? AND ordinal >= ? AND ordinal < ?"
)
_UNINDEX = (
    "INSERT INTO documents_fts (documents_fts, rowid, title, text) "
    "SELECT 'delete', id, title, text FROM documents WHERE corpus_id = ? AND ordinal >= ? AND ordinal < ?"
)
_DELETE = "DELETE FROM documents WHERE corpus_id = ? AND ordinal >= ? AND ordinal < ?"
# Full-text segments are merged here, 64 at a time in small steps, not by FTS5 inside the inserts: each entry is
# rewritten about twice instead of five times for a million documents, and no single insert stalls.
_FTS_SETTINGS = {"automerge": 0, "crisismerge": 512, "usermerge": 16, "hashsize": 16 * 2**20}


def content_hash(document: Document) -> str:
    """32 hex digits of what a person judges: title, text and image, not the metadata."""
    parts = f"{document.title}\x1f{document.text}\x1f{Path(document.image).name if document.image else ''}"
    return hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Changes:
    """How a new version differs from the one before: documents by id; `moved` have another ordinal."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    metadata: int = 0
    moved: int = 0

    def __bool__(self) -> bool:
        return any((self.added, self.removed, self.changed, self.metadata, self.moved))


class CorpusDraft:
    """A corpus being written: `append` documents in order, then `finish`. Made by `begin`."""

    def __init__(self, db: Database, corpus_id: int, media: Path) -> None:
        self.id = corpus_id
        with db.read() as connection:
            row = connection.execute(sa.select(corpora_table).where(corpora_table.c.id == corpus_id)).one()
        self.name: str = row.name
        self.version: int = row.version
        self.source_fingerprint: str = row.source_fingerprint
        self.media = media / str(corpus_id)
        self.documents = 0
        self.has_images = False
        self._db = db
        self._digest = hashlib.sha256()
        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
        self._batches = 0
        self._writer = Writer(db)

    def append(self, batch: Sequence[Document]) -> None:
        """Store at most `BATCH` documents and their full-text entries in one transaction."""
        if not batch:
            return
        rows = []
        start = self.documents
        for ordinal, each in enumerate(batch, start):
            metadata = self._encode(each.metadata) if each.metadata else "{}"
            rows.append(
                (self.id, ordinal, each.doc_id, each.title, each.text, each.image, metadata, content_hash(each))
            )
            self.has_images = self.has_images or each.image is not None
        self._digest.update("".join(f"{row[2]}\x1f{row[7]}\x1e" for row in rows).encode())
        self._writer.run((_INSERT, rows), (_INDEX, (self.id, start, start + len(rows))))
        self.documents += len(rows)
        self._batches += 1
        if self._batches % MERGE_EVERY == 0:
            self._writer.merge()

    def turn_to_text(self, columns: Sequence[str]) -> None:
        """Make every value of these columns text, where a column turned out to be mixed."""
        for column in columns:
            path = f'$."{column}"'
            words = (
                "UPDATE documents SET metadata = json_set(metadata, ?, CASE json_type(metadata, ?) WHEN 'true' "
                "THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(json_extract(metadata, ?) AS TEXT) END) "
                "WHERE corpus_id = ? AND ordinal >= ? AND ordinal < ? "
                "AND json_type(metadata, ?) IN ('true', 'false', 'integer', 'real')"
            )
            for start in range(0, self.documents, BATCH):
                self._writer.run((words, (path, path, path, self.id, start, start + BATCH, path)))

    def compare(self, old: CorpusInfo, progress: Progress = no_progress) -> Changes:
        """How the draft differs from `old`, counted by the database in ranges of ordinals."""
        words = sa.text(
            "SELECT count(*), sum(o.id IS NULL), sum(o.content_hash <> n.content_hash), "
            "sum(o.content_hash = n.content_hash AND o.metadata <> n.metadata), sum(o.ordinal <> n.ordinal) "
            "FROM documents n LEFT JOIN documents o ON o.corpus_id = :old AND o.doc_id = n.doc_id "
            "WHERE n.corpus_id = :new AND n.ordinal >= :start AND n.ordinal < :stop"
        )
        sums = [0] * 5
        for start in range(0, self.documents, _COMPARE):
            progress(start, self.documents)
            with self._db.read() as connection:
                values = {"old": old.id, "new": self.id, "start": start, "stop": start + _COMPARE}
                row = connection.execute(words, values).one()
            sums = [total + int(value or 0) for total, value in zip(sums, row, strict=True)]
        count, added, changed, metadata, moved = sums
        return Changes(added, old.documents - (count - added), changed, metadata, moved)

    def carry(self, old: CorpusInfo, progress: Progress = no_progress) -> list[carrying.Carried]:
        """Take the subsets and tags of the version before along, by document id; call before `finish`."""
        return carrying.carry(self._db, old.id, self.id, self.documents, progress)

    def finish(self, columns: Mapping[str, str], report: Mapping[str, Any]) -> CorpusInfo:
        """Make the corpus visible; query sets of an older version move to this one."""
        self._writer.merge()
        values = {
            "documents": self.documents,
            "fingerprint": self.fingerprint(),
            "columns": dict(columns),
            "has_images": self.has_images,
            "report": dict(report),
        }
        with self._db.write() as connection:
            connection.execute(sa.update(corpora_table).where(corpora_table.c.id == self.id).values(values))
            name = sa.select(corpora_table.c.name).where(corpora_table.c.id == self.id).scalar_subquery()
            older = sa.select(corpora_table.c.id).where(corpora_table.c.name == name)
            connection.execute(sa.update(query_sets).where(query_sets.c.corpus_id.in_(older)).values(corpus_id=self.id))
        return find(self._db, self.id)

    def fingerprint(self) -> str:
        """Hash of ids and contents in order, and of the corpus's own name and version: artifacts belong to one."""
        return fingerprint(self.name, self.version, self._digest.hexdigest())

    def close(self) -> None:
        self._writer.close()


class Writer:
    """One connection for bulk writes, with a larger page cache while it lasts."""

    def __init__(self, db: Database) -> None:
        self._connection = db.engine.connect().execution_options(immediate=True)
        self._raw("PRAGMA cache_size = -" + str(_CACHE_KB))
        self.run(
            *(("INSERT INTO documents_fts (documents_fts, rank) VALUES (?, ?)", each) for each in _FTS_SETTINGS.items())
        )

    def _raw(self, words: str) -> None:
        driver = self._connection.connection.driver_connection
        if driver is not None:
            driver.execute(words).close()

    def run(self, *steps: tuple[str, Any]) -> None:
        """Run statements with their parameters (a list: many times) in one immediate transaction."""
        with self._connection.begin():
            for words, parameters in steps:
                self._connection.exec_driver_sql(words, parameters)

    def merge(self) -> None:
        """Merge full-text segments in short transactions until there is nothing worth merging."""
        while True:
            with self._connection.begin():
                before = self._changes()
                self._connection.exec_driver_sql(
                    "INSERT INTO documents_fts (documents_fts, rank) VALUES ('merge', ?)", (_MERGE_PAGES,)
                )
                # As FTS5's documentation says: less than two changes means that nothing was merged.
                if self._changes() - before < 2:
                    return

    def _changes(self) -> int:
        return int(self._connection.exec_driver_sql("SELECT total_changes()").scalar_one())

    def close(self) -> None:
        if not self._connection.closed:
            self._raw("PRAGMA cache_size = -2000")
            self._connection.close()


@contextmanager
def begin(db: Database, media: Path, row: Mapping[str, Any]) -> Iterator[CorpusDraft]:
    """Start a new version of a corpus. Unless `finish` was called when the block ends, all of it is removed.

    `row`: name, source, source_fingerprint and spec as plain JSON.
    """
    with ExitStack() as stack:
        # Under the gate, nobody can take the new row for one whose process is gone.
        with locked(_gate(media)):
            corpus_id = _insert_row(db, row)
            stack.callback(_lock(media, corpus_id).unlink, missing_ok=True)
            stack.enter_context(locked(_lock(media, corpus_id)))
        draft = CorpusDraft(db, corpus_id, media)
        try:
            yield draft
        finally:
            draft.close()
            if is_unfinished(db, corpus_id):
                # Where the disk is full even this can fail; then the next opening of the project does it.
                with suppress(OSError, sa.exc.OperationalError):
                    _remove(db, media, corpus_id)


def _insert_row(db: Database, row: Mapping[str, Any]) -> int:
    with db.write() as connection:
        known = sa.select(sa.func.max(corpora_table.c.version)).where(corpora_table.c.name == row["name"])
        version = (connection.execute(known).scalar_one() or 0) + 1
        empty = {"fingerprint": "", "columns": {}, "report": {}, "has_images": False, "documents": UNFINISHED}
        values = {**row, **empty, "version": version, "created_at": time.time()}
        result = connection.execute(sa.insert(corpora_table).values(values).returning(corpora_table.c.id))
        return int(result.scalar_one())


def is_unfinished(db: Database, corpus_id: int) -> bool:
    """Whether the corpus is there but not whole."""
    with db.read() as connection:
        query = sa.select(corpora_table.c.documents).where(corpora_table.c.id == corpus_id)
        return connection.execute(query).scalar_one_or_none() == UNFINISHED


def delete(db: Database, media: Path, corpus: CorpusInfo, progress: Progress = no_progress) -> None:
    """Remove one version of a corpus. Its query sets and votes move to the newest version left, or go with the last.

    So do its subsets and tags, where that version has none of the same name.
    """
    others = [info for info in finished(db, corpus.name) if info.id != corpus.id]
    if others:
        carrying.carry(db, corpus.id, others[0].id, others[0].documents, progress)
    with locked(_lock(media, corpus.id)):
        with db.write() as connection:
            hidden = sa.update(corpora_table).where(corpora_table.c.id == corpus.id).values(documents=UNFINISHED)
            connection.execute(hidden)
            if others:
                for owned in (query_sets, votes):
                    mine = owned.c.corpus_id == corpus.id
                    connection.execute(sa.update(owned).where(mine).values(corpus_id=others[0].id))
        _remove(db, media, corpus.id, progress)
    _lock(media, corpus.id).unlink(missing_ok=True)


def discard_unfinished(db: Database, media: Path) -> int:
    """Remove what imports (or deletions) whose process is gone have left; returns how many corpora.

    Where even that fails (a full disk), what is left stays hidden until the next time.
    """
    with db.read() as connection:
        query = sa.select(corpora_table.c.id).where(corpora_table.c.documents == UNFINISHED)
        left = list(connection.execute(query).scalars())
    removed = 0
    for corpus_id in left:
        with ExitStack() as stack:
            with locked(_gate(media)):
                held = stack.enter_context(locked(_lock(media, corpus_id), wait=False))
            if not held or not is_unfinished(db, corpus_id):
                continue
            with suppress(OSError, sa.exc.OperationalError):
                _remove(db, media, corpus_id)
                removed += 1
        _lock(media, corpus_id).unlink(missing_ok=True)
    return removed


def _remove(db: Database, media: Path, corpus_id: int, progress: Progress = no_progress) -> None:
    """Delete the documents in short transactions, then the corpus with all that refers to it, then its images."""
    with db.read() as connection:
        last = connection.execute(sa.select(sa.func.max(table.c.ordinal)).where(table.c.corpus_id == corpus_id))
        stop = int(last.scalar_one_or_none() or 0) + 1
    writer = Writer(db)
    try:
        for number, start in enumerate(range(0, stop, BATCH), 1):
            span = (corpus_id, start, start + BATCH)
            writer.run((_UNINDEX, span), (_DELETE, span))
            if number % MERGE_EVERY == 0:
                writer.merge()
            progress(min(start + BATCH, stop), stop)
        writer.merge()
    finally:
        writer.close()
    with db.write() as connection:
        connection.execute(sa.delete(corpora_table).where(corpora_table.c.id == corpus_id))
    shutil.rmtree(media / str(corpus_id), ignore_errors=True)


def _gate(media: Path) -> Path:
    return media / ".corpora.lock"


def _lock(media: Path, corpus_id: int) -> Path:
    return media / f".corpus-{corpus_id}.lock"
