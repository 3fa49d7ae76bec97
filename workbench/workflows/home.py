"""Home: what a project holds, at a glance."""

import os
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from workbench import corpora
from workbench.db import artifacts, label_sets, query_progress, query_sets, runs
from workbench.project import Project
from workbench.workflows.index import INVERTED


@dataclass(frozen=True)
class Overview:
    """A project's figures. `documents` counts the newest version of each corpus; `bytes` is what it takes on disk.

    `judged`: pairs that people spoke of; imported and mined ones are not counted.
    """

    name: str
    corpora: list[str]
    documents: int
    embeddings: int
    indices: int
    query_sets: int
    maps: int
    judged: int
    runs: int
    bytes: int
    changed_at: float


def overview(project: Project) -> Overview:
    """What the project holds."""
    newest = corpora.newest(project.db)
    with project.db.read() as connection:
        # The inverted index of sparse vectors comes with its embedding: nobody built it.
        chosen = sa.select(artifacts.c.kind, sa.func.count()).where(artifacts.c.name != INVERTED)
        kinds = chosen.group_by(artifacts.c.kind)
        made = {kind: int(number) for kind, number in connection.execute(kinds)}
        sets = connection.execute(sa.select(sa.func.count()).select_from(query_sets)).scalar_one()
        ran = connection.execute(sa.select(sa.func.count()).select_from(runs)).scalar_one()
        people = (label_sets.c.name == query_progress.c.label_set) & (
            label_sets.c.query_set_id == query_progress.c.query_set_id
        )
        said = sa.select(sa.func.sum(query_progress.c.said)).join(label_sets, people)
        judged = connection.execute(said.where(label_sets.c.kind == "person")).scalar() or 0
    return Overview(
        name=project.name,
        corpora=sorted(info.name for info in newest),
        documents=sum(info.documents for info in newest),
        embeddings=made.get("embedding", 0),
        indices=made.get("index", 0),
        query_sets=int(sets),
        maps=made.get("map", 0),
        judged=int(judged),
        runs=int(ran),
        bytes=tree_bytes(project.folder),
        changed_at=changed_at(project.db.path),
    )


def changed_at(database: Path) -> float:
    """When a database was last written, in Unix seconds: fresh changes are in its -wal file alone."""
    files = (database, database.with_name(f"{database.name}-wal"))
    return max(path.stat().st_mtime for path in files if path.exists())


def tree_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`; a file that goes away meanwhile counts nothing. Links are not followed."""
    total, open_folders = 0, [str(folder)]
    while open_folders:
        try:
            with os.scandir(open_folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        open_folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
    return total
