"""One SQLite database per project: tables, engine (WAL), short write transactions, embedded schema steps."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from workbench.errors import WorkbenchError

WRITE_BATCH = 2000
"""Rows of one bulk-insert transaction at most: keeps a label write under 20 ms beside an import."""

metadata = sa.MetaData()


def _column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=options.pop("nullable", False), **options)


def _key(name: str = "id") -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, primary_key=True)


def _owner(name: str, table: str) -> sa.Column[Any]:
    return sa.Column(name, sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, index=True)


corpora = sa.Table(
    "corpora",
    metadata,
    _key(),
    _column("name", sa.Text),
    _column("version", sa.Integer),
    _column("fingerprint", sa.Text),
    _column("source", sa.Text),
    _column("source_fingerprint", sa.Text),
    _column("spec", sa.JSON),
    _column("columns", sa.JSON),
    _column("documents", sa.Integer),
    _column("has_images", sa.Boolean),
    _column("created_at", sa.Float),
    _column("report", sa.JSON),
    sa.UniqueConstraint("name", "version"),
)
documents = sa.Table(
    "documents",
    metadata,
    _key(),
    sa.Column("corpus_id", sa.ForeignKey("corpora.id", ondelete="CASCADE"), nullable=False),
    _column("ordinal", sa.Integer),
    _column("doc_id", sa.Text),
    _column("title", sa.Text),
    _column("text", sa.Text),
    _column("image", sa.Text, nullable=True),
    _column("metadata", sa.Text),
    _column("content_hash", sa.Text),
    sa.UniqueConstraint("corpus_id", "ordinal"),
    sa.UniqueConstraint("corpus_id", "doc_id"),
)
query_sets = sa.Table(
    "query_sets",
    metadata,
    _key(),
    _column("name", sa.Text, unique=True),
    _owner("corpus_id", "corpora"),
    _column("source", sa.Text),
    _column("created_at", sa.Float),
    _column("report", sa.JSON),
)
queries = sa.Table(
    "queries",
    metadata,
    _key(),
    sa.Column("query_set_id", sa.ForeignKey("query_sets.id", ondelete="CASCADE"), nullable=False),
    _column("ordinal", sa.Integer),
    _column("query_id", sa.Text),
    _column("text", sa.Text),
    _column("image", sa.Text, nullable=True),
    sa.UniqueConstraint("query_set_id", "ordinal"),
    sa.UniqueConstraint("query_set_id", "query_id"),
)
judgments = sa.Table(
    "judgments",
    metadata,
    _key(),
    sa.Column("query_set_id", sa.ForeignKey("query_sets.id", ondelete="CASCADE"), nullable=False),
    _column("query_id", sa.Text),
    _column("doc_id", sa.Text),
    _column("label_set", sa.Text),
    _column("annotator", sa.Text),
    _column("relevance", sa.Integer, nullable=True),
    _column("is_hard_negative", sa.Boolean),
    _column("note", sa.Text),
    _column("source", sa.Text),
    _column("content_hash", sa.Text),
    _column("updated_at", sa.Float),
    _column("state", sa.Text, server_default="judged"),
    _column("provenance", sa.JSON, server_default="{}"),
    sa.UniqueConstraint("query_set_id", "query_id", "doc_id", "label_set", "annotator"),
)
judgment_events = sa.Table(
    "judgment_events",
    metadata,
    _key(),
    sa.Column("query_set_id", sa.ForeignKey("query_sets.id", ondelete="CASCADE"), nullable=False, index=True),
    _column("query_id", sa.Text),
    _column("doc_id", sa.Text),
    _column("label_set", sa.Text),
    _column("annotator", sa.Text),
    _column("before", sa.JSON, nullable=True),
    _column("after", sa.JSON, nullable=True),
    _column("at", sa.Float),
    _column("change", sa.Integer, server_default="0"),
    _column("status", sa.Text, server_default="done"),
    sa.Index("ix_judgment_events_change", "query_set_id", "label_set", "annotator", "status", "change"),
)
query_progress = sa.Table(
    "query_progress",
    metadata,
    sa.Column("query_set_id", sa.ForeignKey("query_sets.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("label_set", sa.Text, primary_key=True),
    sa.Column("annotator", sa.Text, primary_key=True),
    sa.Column("query_id", sa.Text, primary_key=True),
    _column("said", sa.Integer),
    _column("later", sa.Integer),
    _column("flagged", sa.Integer),
)
"""Kept by triggers on `judgments` (migration 0005)."""
label_sets = sa.Table(
    "label_sets",
    metadata,
    _key(),
    sa.Column("query_set_id", sa.ForeignKey("query_sets.id", ondelete="CASCADE"), nullable=False),
    _column("name", sa.Text),
    _column("kind", sa.Text),
    _column("spec", sa.JSON),
    _column("created_at", sa.Float),
    sa.CheckConstraint("kind IN ('qrels', 'person', 'proposed', 'imported', 'final')", name="kind"),
    sa.UniqueConstraint("query_set_id", "name"),
)
artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("kind", sa.Text, index=True),
    _column("name", sa.Text),
    sa.Column("corpus_id", sa.ForeignKey("corpora.id", ondelete="CASCADE"), nullable=True, index=True),
    _column("spec", sa.JSON),
    _column("inputs", sa.JSON),
    _column("manifest", sa.JSON),
    _column("bytes", sa.Integer),
    _column("created_at", sa.Float),
)
runs = sa.Table(
    "runs",
    metadata,
    _key(),
    _column("name", sa.Text, unique=True),
    _owner("query_set_id", "query_sets"),
    _owner("artifact_id", "artifacts"),
    _column("created_at", sa.Float),
    sa.UniqueConstraint("query_set_id", "artifact_id"),
)
saved_views = sa.Table(
    "saved_views",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("page", sa.Text),
    _column("name", sa.Text),
    _column("state", sa.JSON),
    _column("created_at", sa.Float),
)
votes = sa.Table(
    "votes",
    metadata,
    _key(),
    _column("session", sa.Text),
    _column("number", sa.Integer),
    _owner("corpus_id", "corpora"),
    _column("query", sa.Text),
    _column("query_image", sa.Text, nullable=True),
    _column("left", sa.JSON),
    _column("right", sa.JSON),
    _column("left_key", sa.Text),
    _column("right_key", sa.Text),
    _column("choice", sa.Text),
    _column("annotator", sa.Text),
    _column("at", sa.Float),
    sa.CheckConstraint("choice IN ('left', 'right', 'tie', 'bad')", name="choice"),
    sa.UniqueConstraint("session", "number"),
)


def _document_sets(name: str) -> sa.Table:
    """A table of named sets of a corpus's documents, one bit a document."""
    return sa.Table(
        name,
        metadata,
        _key(),
        sa.Column("corpus_id", sa.ForeignKey("corpora.id", ondelete="CASCADE"), nullable=False),
        _column("name", sa.Text),
        _column("members", sa.LargeBinary),
        _column("count", sa.Integer),
        _column("content_hash", sa.Text),
        _column("source", sa.JSON),
        _column("created_at", sa.Float),
        sa.UniqueConstraint("corpus_id", "name"),
    )


subsets = _document_sets("subsets")
tags = _document_sets("tags")
tag_events = sa.Table(
    "tag_events",
    metadata,
    _key(),
    _owner("corpus_id", "corpora"),
    _column("tag", sa.Text),
    _column("action", sa.Text),
    _column("changed", sa.LargeBinary),
    _column("count", sa.Integer),
    _column("undoes", sa.Integer, nullable=True, unique=True),
    _column("at", sa.Float),
    sa.CheckConstraint("action IN ('add', 'remove')", name="action"),
)
settings = sa.Table(
    "settings",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    _column("value", sa.JSON),
)


def make_engine(path: Path) -> sa.Engine:
    """An engine on one SQLite file, set up as measured best for one writer beside readers and a worker.

    WAL, synchronous NORMAL, 30 s busy timeout, foreign keys on. Transactions begin by hand (see `Database`), because
    a deferred transaction that turns into a writer fails at once with "database is locked".
    """
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _on_connect(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
            raw.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        if connection.get_execution_options().get("immediate", False):
            take_write_lock(connection)
        else:
            connection.exec_driver_sql("BEGIN DEFERRED")

    return engine


def take_write_lock(connection: Connection) -> None:
    """Begin an immediate transaction, asking for the lock every millisecond for up to 30 s.

    SQLite's own waiting sleeps up to 100 ms between two tries, and an import that writes again after a few wins each
    time. Measured beside one at full speed, p99 of a label write: 105 to 180 ms that way, 12 to 82 ms this way.
    """
    raw = connection.connection.driver_connection
    if not isinstance(raw, sqlite3.Connection):
        raise TypeError(f"an SQLite connection is wanted, not {type(raw).__name__}")
    end = time.monotonic() + 30
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < end:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                    break
            else:
                return
            time.sleep(0.001)
    finally:
        raw.execute("PRAGMA busy_timeout=30000")
    # Once more through SQLAlchemy, for the error as its callers know it.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class Database:
    """The project's database. Raises `WorkbenchError` on a file that is damaged or from a newer version."""

    def __init__(self, path: Path) -> None:
        from workbench.migrations import upgrade

        self.path = path
        self.engine = make_engine(path)
        try:
            with self.write() as connection:
                upgrade(connection)
        except sa.exc.DatabaseError as error:
            self.engine.dispose()
            raise WorkbenchError(
                f"The database {path.name} of “{path.parent.name}” cannot be read: {error.orig}.",
                "Put a copy from a backup in its place.",
            ) from error
        except WorkbenchError:
            self.engine.dispose()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the database."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """An immediate transaction: keep it short, at most `WRITE_BATCH` rows, no model work inside."""
        with self.engine.connect().execution_options(immediate=True) as connection, connection.begin():
            yield connection

    def backup(self, target: Path) -> None:
        """Write one consistent copy of the database to `target`, also while others write."""
        with sqlite3.connect(self.path) as source, sqlite3.connect(target) as copy:
            source.backup(copy)
        source.close()
        copy.close()

    def close(self) -> None:
        self.engine.dispose()
