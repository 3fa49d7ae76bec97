"""Projects: a folder each, in a workspace folder; paths and the database, no logic."""

import re
import shutil
from functools import cached_property
from pathlib import Path

from workbench import ingest, query_sets
from workbench.artifacts import ArtifactStore
from workbench.db import Database
from workbench.errors import BadInput, NotFound
from workbench.registry import unknown_name

_NAME = re.compile(r"[\w][\w .-]{0,63}", re.UNICODE)


def check_name(kind: str, name: str) -> str:
    """`name` without outer spaces, fit to be a folder's name. Raises `BadInput`."""
    name = name.strip()
    if not _NAME.fullmatch(name) or ".." in name or name.endswith("."):
        raise BadInput(
            f"“{name[:80]}” cannot be the name of a {kind}.",
            "Use up to 64 letters, digits, spaces, “.”, “-” or “_”, beginning with a letter or digit.",
        )
    return name


class Project:
    """A folder with `project.db`, `artifacts/`, `media/`, `exports/` and `logs/`; readable without this program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.media = folder / "media"
        self.exports = folder / "exports"
        self.logs = folder / "logs"

    @classmethod
    def create(cls, folder: Path) -> "Project":
        """Make a new project. Raises `BadInput` where the folder is already there."""
        if folder.exists():
            raise BadInput(f"There is already a project called “{folder.name}”.", "Choose another name.")
        for name in ("artifacts", "media", "exports", "logs"):
            (folder / name).mkdir(parents=True)
        project = cls(folder)
        _ = project.db
        return project

    @classmethod
    def open(cls, folder: Path) -> "Project":
        """Open a project: bring its schema up to date, remove what a killed import has left.

        Raises `NotFound`, or `WorkbenchError` from `Database`.
        """
        if not (folder / "project.db").is_file():
            raise NotFound(f"There is no project in the folder “{folder.name}”.", "Create it first.")
        for name in ("artifacts", "media", "exports", "logs"):
            (folder / name).mkdir(exist_ok=True)
        project = cls(folder)
        ingest.discard_unfinished(project.db, project.media)
        query_sets.discard_unfinished(project.db, project.media)
        return project

    @cached_property
    def db(self) -> Database:
        return Database(self.folder / "project.db")

    @cached_property
    def artifacts(self) -> ArtifactStore:
        return ArtifactStore(self.db, self.folder / "artifacts")

    def close(self) -> None:
        self.db.close()


class Workspace:
    """A folder of projects, with the jobs' file beside them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()
        self.jobs_file = self.folder / ".workbench" / "jobs.db"

    def projects(self) -> list[str]:
        """Names of the projects, sorted."""
        if not self.folder.is_dir():
            return []
        return sorted(path.parent.name for path in self.folder.glob("*/project.db"))

    def create(self, name: str) -> Project:
        return Project.create(self._path(name))

    def open(self, name: str) -> Project:
        """Raises `NotFound` naming the projects there are."""
        path = self._path(name)
        if not (path / "project.db").is_file():
            raise unknown_name("project", path.name, self.projects())
        return Project.open(path)

    def copy(self, name: str, new: str) -> Project:
        """Copy a project, its database as one consistent state, under a new name."""
        source, target = self.open(name), self._path(new)
        if target.exists():
            raise BadInput(f"There is already a project called “{target.name}”.", "Choose another name.")
        aside = target.with_name(f".{target.name}.partial")
        shutil.rmtree(aside, ignore_errors=True)
        skip = shutil.ignore_patterns("project.db*", "*.partial", "logs")
        shutil.copytree(source.folder, aside, ignore=skip)
        source.db.backup(aside / "project.db")
        source.close()
        aside.rename(target)
        return self.open(target.name)

    def delete(self, name: str) -> None:
        """Remove a project and all its files. Raises `NotFound`."""
        project = self.open(name)
        project.close()
        # Renamed first: a half-deleted project must not open again.
        doomed = project.folder.with_name(f".{project.name}.deleted")
        shutil.rmtree(doomed, ignore_errors=True)
        project.folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / check_name("project", name)
