"""Runs: the rankings of one pipeline (or of an imported file) for a query set, and the measures kept beside them.

A run is an artifact: shards of `ordinals` (q, k) int32 and scores (`values`, (q, k) float32), row i for query i of the
set, −1 behind the end of a ranking. Documents that the corpus does not have are −2, −3, …, listed in `unknown.json`.
"""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench.artifacts import Artifact, ArtifactStore
from workbench.db import Database, query_sets
from workbench.db import runs as table
from workbench.errors import BadInput, NotFound
from workbench.registry import unknown_name
from workbench.types import Ranking
from workbench.vectors import ShardFolder, save_array, write_durably

NONE = -1
UNKNOWN = "unknown.json"
MEASURES = "measures"
STATES = 16


@dataclass(frozen=True)
class RunInfo:
    """A run: its name, its query set, and the artifact that holds it."""

    id: int
    name: str
    query_set: str
    query_set_id: int
    artifact: Artifact

    @property
    def manifest(self) -> dict[str, Any]:
        return dict(self.artifact.manifest)

    @property
    def is_imported(self) -> bool:
        """Whether it came from a file, so that no pipeline is known."""
        return "pipeline" not in self.artifact.spec


class Block(NamedTuple):
    """Rankings of the queries `start` … : `ordinals` and `scores` (q, k)."""

    start: int
    ordinals: NDArray[np.int32]
    scores: NDArray[np.float32]


def add(db: Database, name: str, query_set_id: int, artifact_id: str) -> int:
    """The id of the run of this artifact; a new one where there is none, its name numbered where it is taken."""
    own = (table.c.query_set_id == query_set_id, table.c.artifact_id == artifact_id)
    with db.write() as connection:
        known = connection.execute(sa.select(table.c.id).where(*own)).scalar()
        if known is not None:
            return int(known)
        taken = set(connection.execute(sa.select(table.c.name)).scalars())
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name}-{number}"
        values = {"name": free, "query_set_id": query_set_id, "artifact_id": artifact_id, "created_at": time.time()}
        return int(connection.execute(sa.insert(table).values(values).returning(table.c.id)).scalar_one())


def listed(db: Database, store: ArtifactStore, query_set_id: int | None = None) -> list[RunInfo]:
    """The runs (of a query set), newest first; those whose folder is gone are left out."""
    query = _rows().order_by(table.c.created_at.desc(), table.c.id.desc())
    if query_set_id is not None:
        query = query.where(table.c.query_set_id == query_set_id)
    with db.read() as connection:
        rows = connection.execute(query).all()
    artifacts = {each.id: each for each in store.list("run")}
    return [_info(row, artifacts[row.artifact_id]) for row in rows if row.artifact_id in artifacts]


def find(db: Database, store: ArtifactStore, run: str | int) -> RunInfo:
    """The run with this name or number. Raises `NotFound` listing the names."""
    by_number = isinstance(run, int)
    with db.read() as connection:
        row = connection.execute(_rows().where((table.c.id if by_number else table.c.name) == run)).one_or_none()
    if row is None and isinstance(run, str) and run.isdecimal():
        return find(db, store, int(run))
    if row is None:
        raise unknown_name("run", str(run), [each.name for each in listed(db, store)])
    return _info(row, store.get(row.artifact_id))


def _info(row: Any, artifact: Artifact) -> RunInfo:
    return RunInfo(row.id, row.name, row.query_set, row.query_set_id, artifact)


def _rows() -> Any:
    own = (table.c.id, table.c.name, table.c.query_set_id, table.c.artifact_id)
    columns = (*own, query_sets.c.name.label("query_set"))
    return sa.select(*columns).join(query_sets, query_sets.c.id == table.c.query_set_id)


def rename(db: Database, run_id: int, name: str) -> None:
    """Raises `BadInput` where the name is taken."""
    try:
        with db.write() as connection:
            connection.execute(sa.update(table).where(table.c.id == run_id).values(name=name))
    except sa.exc.IntegrityError as error:
        raise BadInput(f"There is already a run called “{name}”.", "Choose another name.") from error


def delete(db: Database, store: ArtifactStore, info: RunInfo) -> None:
    """Remove a run, with its rankings unless another query set's run has the same."""
    with db.write() as connection:
        connection.execute(sa.delete(table).where(table.c.id == info.id))
        others = connection.execute(sa.select(table.c.id).where(table.c.artifact_id == info.artifact.id)).first()
    if others is None:
        store.delete(info.artifact.id)


def write_block(folder: Path, number: int, block: Block, milliseconds: NDArray[np.float64]) -> None:
    """Finish the block `number` of a run that is being made. `milliseconds`: what each step took."""
    arrays: dict[str, NDArray[Any]] = {
        "ordinals": block.ordinals,
        "values": block.scores,
        "milliseconds": milliseconds,
    }
    ShardFolder(folder).write(number, arrays, len(block.ordinals))


def finished(folder: Path) -> tuple[int, int, NDArray[np.float64]]:
    """(blocks finished, queries in them, what their steps took together)."""
    shards = ShardFolder(folder)
    done = shards.finished()
    spent = [np.asarray(shards.load(each, "milliseconds"), np.float64) for each in done]
    return len(done), sum(each.rows for each in done), np.sum(spent, axis=0) if spent else np.zeros(0)


def blocks(folder: Path) -> Iterator[Block]:
    """A run's rankings, block by block in the order of the queries, memory-mapped."""
    shards, start = ShardFolder(folder), 0
    for shard in shards.finished():
        yield Block(start, shards.load(shard, "ordinals"), shards.load(shard, "values"))
        start += shard.rows


def ranking(folder: Path, row: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(ordinals, scores) of query `row`, best first. Raises `NotFound` where the run does not reach so far."""
    for block in blocks(folder):
        at = row - block.start
        if 0 <= at < len(block.ordinals):
            kept = block.ordinals[at] != NONE
            return np.asarray(block.ordinals[at][kept], np.int64), np.asarray(block.scores[at][kept])
    raise NotFound(f"The run has no ranking of query number {row + 1}.", "Run it again: the query set has grown.")


def padded(rankings: list[Ranking], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """(ordinals (q, k), scores (q, k)) of rankings that may be shorter."""
    ordinals = np.full((len(rankings), k), NONE, np.int32)
    scores = np.zeros((len(rankings), k), np.float32)
    for row, each in enumerate(rankings):
        ordinals[row, : len(each)] = each.ordinals[:k]
        scores[row, : len(each)] = each.scores[:k]
    return ordinals, scores


def unknown_documents(folder: Path) -> list[str]:
    """Ids that the corpus does not have; the n-th stands as −2 − n in the rankings."""
    path = folder / UNKNOWN
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else []


def keep_measures(folder: Path, key: str, name: str, values: NDArray[np.float64]) -> None:
    """Keep an array of measures under `key`, which says of what judgments they are."""
    place = folder / MEASURES / key
    place.mkdir(parents=True, exist_ok=True)
    save_array(place / f"{name}.npy", values)


def kept_measures(folder: Path, key: str, name: str) -> NDArray[np.float64] | None:
    """The array that was kept, or None."""
    path = folder / MEASURES / key / f"{name}.npy"
    if not path.is_file():
        return None
    values: NDArray[np.float64] = np.load(path, allow_pickle=False)
    return values


def keep_note(folder: Path, key: str, note: dict[str, Any]) -> None:
    """Keep what is to be told of the judgments under `key`; of other states only the latest `STATES` stay."""
    place = folder / MEASURES / key
    place.mkdir(parents=True, exist_ok=True)
    write_durably(place / "note.json", json.dumps(note, ensure_ascii=False).encode())
    others = sorted((folder / MEASURES).iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
    for each in others[STATES:]:
        shutil.rmtree(each, ignore_errors=True)


def kept_note(folder: Path, key: str) -> dict[str, Any] | None:
    path = folder / MEASURES / key / "note.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
