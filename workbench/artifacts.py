"""Costly results: one folder each, named by the hash of everything that made it, written aside and renamed."""

import json
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench import __version__
from workbench.db import Database
from workbench.db import artifacts as table
from workbench.errors import BadInput, NotFound
from workbench.specs import canonical_json, fingerprint
from workbench.vectors import write_durably

FORMAT_VERSION = 1
KINDS = ("embedding", "index", "map", "space", "run", "model", "candidates", "suspects", "lab", "lab-encoder")


@dataclass(frozen=True)
class Artifact:
    """A finished result. `manifest` records what was applied; `folder` holds arrays, never pickles."""

    id: str
    kind: str
    name: str
    corpus_id: int | None
    spec: Mapping[str, Any]
    inputs: Sequence[str]
    manifest: Mapping[str, Any]
    bytes: int
    created_at: float
    folder: Path


class Draft:
    """An artifact being made in `folder` (ends in `.partial`); what an earlier attempt left there is still there.

    `existing` is the finished artifact where the same one was made before: then there is nothing to do.
    """

    def __init__(self, store: "ArtifactStore", row: dict[str, Any]) -> None:
        self.id: str = row["id"]
        self._store = store
        self._row = row
        self._final: Path = store.root / row["kind"] / self.id
        self.folder = self._final.with_name(f"{self.id}.partial")
        self.existing = store.find(self.id)
        if self.existing is None:
            # A folder that was renamed but never registered (killed in between) is a whole result: keep it.
            if self._final.exists() and not self.folder.exists():
                self._final.rename(self.folder)
            self.folder.mkdir(parents=True, exist_ok=True)

    def commit(self, manifest: Mapping[str, Any]) -> Artifact:
        """Write the manifest, rename the folder into place, register it. The same artifact made twice is one."""
        recorded = {
            "format": FORMAT_VERSION,
            "id": self.id,
            "kind": self._row["kind"],
            "name": self._row["name"],
            "spec": self._row["spec"],
            "inputs": self._row["inputs"],
            "workbench": __version__,
            "python": platform.python_version(),
            **manifest,
        }
        write_durably(self.folder / "manifest.json", json.dumps(recorded, indent=1, ensure_ascii=False).encode())
        if self._final.exists():
            shutil.rmtree(self.folder)
        else:
            self.folder.rename(self._final)
        return self._store.register(self._row, recorded, folder_bytes(self._final))

    def discard(self) -> None:
        """Remove what was written so far."""
        shutil.rmtree(self.folder, ignore_errors=True)


class ArtifactStore:
    """The artifacts of one project: rows in the database, folders under `root`/<kind>/<id>."""

    def __init__(self, db: Database, root: Path) -> None:
        self._db = db
        self.root = root

    def begin(
        self,
        kind: str,
        name: str,
        spec: Mapping[str, Any],
        inputs: Sequence[str],
        corpus_id: int | None = None,
    ) -> Draft:
        """Start, or take up again, the artifact that `spec` and `inputs` determine. Raises `BadInput` on its kind."""
        if kind not in KINDS:
            raise BadInput(f"There is no artifact kind “{kind}”.", f"Kinds: {', '.join(KINDS)}.")
        plain = json.loads(canonical_json(spec))
        row = {
            "id": fingerprint(FORMAT_VERSION, kind, plain, list(inputs)),
            "kind": kind,
            "name": name,
            "corpus_id": corpus_id,
            "spec": plain,
            "inputs": list(inputs),
        }
        return Draft(self, row)

    def register(self, row: Mapping[str, Any], manifest: Mapping[str, Any], size: int) -> Artifact:
        """Record a finished folder; one that is recorded already stays as it is."""
        with self._db.write() as connection:
            values = {**row, "manifest": manifest, "bytes": size, "created_at": time.time()}
            connection.execute(sa.insert(table).prefix_with("OR IGNORE"), values)
        return self.get(row["id"])

    def find(self, id: str) -> Artifact | None:
        """The finished artifact `id`, or None; also None where its folder is gone."""
        with self._db.read() as connection:
            row = connection.execute(sa.select(table).where(table.c.id == id)).one_or_none()
        artifact = None if row is None else self._artifact(row)
        return artifact if artifact is not None and artifact.folder.is_dir() else None

    def get(self, id: str) -> Artifact:
        """The finished artifact `id`. Raises `NotFound`."""
        found = self.find(id)
        if found is None:
            raise NotFound(f"There is no artifact “{id}” in this project.", "Make it again.")
        return found

    def list(self, kind: str, corpus_id: int | None = None, name: str | None = None) -> list[Artifact]:
        """Finished artifacts of a kind, newest first."""
        query = sa.select(table).where(table.c.kind == kind).order_by(table.c.created_at.desc(), table.c.id)
        if corpus_id is not None:
            query = query.where(table.c.corpus_id == corpus_id)
        if name is not None:
            query = query.where(table.c.name == name)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return [artifact for artifact in map(self._artifact, rows) if artifact.folder.is_dir()]

    def delete(self, id: str) -> None:
        """Remove an artifact: its row first, then its folder. Raises `NotFound`."""
        artifact = self.get(id)
        with self._db.write() as connection:
            connection.execute(sa.delete(table).where(table.c.id == id))
        shutil.rmtree(artifact.folder, ignore_errors=True)

    def _artifact(self, row: Any) -> Artifact:
        values = row._asdict()
        return Artifact(**values, folder=self.root / values["kind"] / values["id"])


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
