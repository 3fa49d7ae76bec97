"""The jobs' file: our two tables beside DBOS's own, and the engine that both use."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from workbench.errors import WorkbenchError
from workbench.locks import locked

SCHEMA_VERSION = 1

metadata = sa.MetaData()


def _column(name: str, kind: Any, default: Any = ..., **options: Any) -> sa.Column[Any]:
    """A column that is never NULL unless `default` is None."""
    if default is not ...:
        options["default"] = default
    return sa.Column(name, kind, nullable=default is None, **options)


job = sa.Table(
    "job",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("kind", sa.Text),
    _column("project", sa.Text),
    _column("title", sa.Text),
    _column("arguments", sa.JSON),
    _column("state", sa.Text, "queued", index=True),
    # Whose worker runs it; "auto" until there is a worker. `asked` is what the person chose.
    _column("device", sa.Text),
    _column("asked", sa.Text),
    _column("priority", sa.Integer),
    _column("created_at", sa.Float, index=True),
    _column("started_at", sa.Float, None),
    _column("finished_at", sa.Float, None),
    _column("done", sa.Integer, 0),
    _column("total", sa.Integer, 0),
    _column("rate", sa.Float, None),
    _column("eta", sa.Float, None),
    _column("message", sa.Text, ""),
    _column("error", sa.Text, ""),
    _column("hint", sa.Text, ""),
    _column("result", sa.JSON(none_as_null=True), None),
    # Counts every start and never goes back: a late writer of an older attempt is told by it and refused.
    _column("attempts", sa.Integer, 0),
    # Starts since the last retry that ended by the death of a process: the poison limit.
    _column("deaths", sa.Integer, 0),
    # How often it was queued, and so the id of its DBOS workflow: "<job>.<runs>".
    _column("runs", sa.Integer, 1),
    _column("cancel", sa.Boolean, False),
    _column("worker", sa.Text, ""),
    _column("log", sa.Text, ""),
)

worker = sa.Table(
    "worker",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("device", sa.Text),
    _column("pid", sa.Integer),
    _column("host", sa.Text),
    _column("started_at", sa.Float),
    _column("beat_at", sa.Float),
    _column("expires_at", sa.Float),
    # When another worker last took over this one's jobs; 0 = never.
    _column("reaped", sa.Float, 0.0),
)


def make_engine(path: Path) -> sa.Engine:
    """An engine on the jobs' file, fit to be handed to DBOS: WAL, synchronous NORMAL, 30 s busy timeout.

    sqlite3's IMMEDIATE mode takes the write lock before the first change, as DBOS does on engines it makes itself.
    """
    url = sa.URL.create("sqlite", database=str(path))
    engine = sa.create_engine(url, pool_size=8, max_overflow=24, json_serializer=to_json)

    @sa.event.listens_for(engine, "connect")
    def _on_connect(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = "IMMEDIATE"
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            raw.execute(f"PRAGMA {pragma}")

    return engine


def open_engine(path: Path) -> sa.Engine:
    """The engine, with our tables made where they are missing. Raises `WorkbenchError` on a newer file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = make_engine(path)
    # Two processes that switch one new file to WAL at once do not wait for each other: let one do it.
    with locked(path.parent / "setup.lock"), engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if found > SCHEMA_VERSION:
            raise WorkbenchError(
                f"The jobs file {path} was made by a newer version ({found}).", "Update the workbench."
            )
        if found < SCHEMA_VERSION:
            metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.commit()
    return engine


def to_json(value: Any) -> str:
    """JSON of `value`, with paths and NumPy numbers as plain ones. Raises `TypeError` on anything else."""
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


@contextmanager
def write(engine: sa.Engine) -> Iterator[Connection]:
    """A transaction that holds the write lock from its start, so that what it reads is still so when it writes."""
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()
