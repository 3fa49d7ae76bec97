"""Where a page stands: project and corpus from its address, checked; and the opened projects of this process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import gradio as gr

from workbench.errors import NotFound
from workbench.project import Project, Workspace
from workbench.workflows import corpus as corpora

if TYPE_CHECKING:
    from workbench.jobs import JobService


@dataclass(frozen=True)
class Place:
    """A page's address, read: `project` and `corpus` exist or are empty; `query` holds all its parameters."""

    project: str = ""
    corpus: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def link(self, path: str, **changes: str) -> str:
        """The address of the page at `path` for this project and corpus, with `changes` to its parameters."""
        values = {"project": self.project, "corpus": self.corpus, **changes}
        query = urlencode({name: value for name, value in values.items() if value})
        return f"{path}?{query}" if query else path


class Context:
    """What the pages share: the workspace, the job service and the opened projects. No arrays, no models."""

    def __init__(self, workspace: Workspace, jobs: "JobService") -> None:
        self.workspace = workspace
        self.jobs = jobs
        self._opened: dict[str, Project] = {}
        self._lock = Lock()

    def place(self, request: gr.Request) -> Place:
        """The project and corpus that the page's address names; the first ones where it names none.

        A name that does not exist is replaced by the first, and `problem` says so.
        """
        query = {str(name): str(value) for name, value in dict(request.query_params).items()}
        projects = self.workspace.projects()
        project, problem = choose("project", query.get("project", ""), projects)
        if not project:
            return Place(query=query, problem=problem)
        names = [each.name for each in corpora.list_corpora(self.project(project))]
        wanted = query.get("corpus", "")
        # “factbook@1” names one version of a corpus.
        if wanted.partition("@")[0] in names:
            return Place(project, wanted, query, problem)
        corpus, missing = choose("corpus", wanted, names)
        return Place(project, corpus, query, problem or missing)

    def project(self, name: str) -> Project:
        """The project, opened once in this process. Raises `NotFound`, or `WorkbenchError` on a damaged database."""
        with self._lock:
            known = self._opened.get(name)
            if known is not None and known.db.path.is_file():
                return known
            opened = self._opened[name] = self.workspace.open(name)
            return opened

    def here(self, request: gr.Request) -> tuple[Project, Place]:
        """The project a request is about, and its place. Raises `NotFound` where there is none yet."""
        place = self.place(request)
        if not place.project:
            raise NotFound("There is no project yet.", "Create one on the Home page.")
        return self.project(place.project), place

    def forget(self, name: str) -> None:
        """Close a project, before it is deleted."""
        with self._lock:
            known = self._opened.pop(name, None)
        if known is not None:
            known.close()


def choose(kind: str, wanted: str, choices: list[str]) -> tuple[str, str]:
    """`wanted` where it is a choice, else the first choice (or empty), and a sentence where `wanted` is unknown."""
    if wanted in choices:
        return wanted, ""
    first = choices[0] if choices else ""
    if not wanted:
        return first, ""
    instead = f" Showing “{first}” instead." if first else ""
    return first, f"There is no {kind} called “{wanted[:80]}”.{instead}"
