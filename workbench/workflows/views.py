"""What people keep: pipelines by name, and views of a page under a short id that stays."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from workbench.db import saved_views as table
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.registry import unknown_name
from workbench.specs import PipelineSpec, Spec, canonical_json, fingerprint

PIPELINE = "pipeline"
"""The page of saved pipelines: they belong to no one page."""
ID_LENGTH = 8
_STATE_LIMIT = 2**20
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class SavedView:
    """Something kept. `id` is 8 hex digits of the fingerprint of page and state: the same view has the same id.
    `created_at`: Unix seconds of the first time it was saved."""

    id: str
    page: str
    name: str
    state: dict[str, Any]
    created_at: float

    @property
    def pipeline(self) -> PipelineSpec:
        """The pipeline of a saved pipeline. Raises `BadInput` where this is something else."""
        return PipelineSpec.from_dict(self.state.get("pipeline", {}))

    @property
    def corpus(self) -> str:
        """The corpus a pipeline was saved for; empty: for any."""
        return str(self.state.get("corpus", ""))


_COLUMNS = [table.c[item.name] for item in fields(SavedView)]


def save_pipeline(project: Project, name: str, pipeline: PipelineSpec, corpus: str = "") -> SavedView:
    """Keep a pipeline under `name`, in place of another of that name; one that is kept already gets the new name.

    Views hold their pipelines themselves, so replacing one changes no link. Raises `BadInput` on the name.
    """
    name = checked_name(name)
    if not name:
        raise BadInput("The pipeline has no name.", "Give it one, for example “BM25 + MiniLM”.")
    state = {"pipeline": pipeline.to_dict(), "corpus": corpus}
    with project.db.write() as connection:
        saved = _save(connection, PIPELINE, name, state)
        others = (table.c.page == PIPELINE) & (table.c.name == name) & (table.c.id != saved.id)
        connection.execute(sa.delete(table).where(others))
    return saved


def list_pipelines(project: Project, corpus: str = "") -> list[SavedView]:
    """The saved pipelines by name: all, or those saved for `corpus` (its name, without a version) or for any."""
    saved = sorted(list_views(project, PIPELINE), key=lambda view: (view.name.casefold(), view.name))
    return [view for view in saved if not corpus or view.corpus in ("", corpus)]


def get_pipeline(project: Project, name: str) -> PipelineSpec:
    """The pipeline saved under `name`. Raises `NotFound` listing the names."""
    known = {view.name: view for view in list_pipelines(project)}
    if name not in known:
        raise unknown_name("saved pipeline", name, known)
    return known[name].pipeline


def save_view(project: Project, page: str, name: str, state: Mapping[str, Any]) -> SavedView:
    """Keep a view of a page; its link stays good when another is saved under the same name.

    The same state saved again is the same view: a new name replaces the old one, an empty name leaves it. Raises
    `BadInput` on a name or a state that cannot be kept.
    """
    with project.db.write() as connection:
        return _save(connection, page, checked_name(name), state)


def get_view(project: Project, id: str) -> SavedView:
    """Raises `NotFound`."""
    with project.db.read() as connection:
        found = _find(connection, id)
    if found is None:
        raise NotFound(
            f"There is no saved view “{id[:24]}” in the project “{project.name}”.",
            "It was deleted, or the link belongs to another project.",
        )
    return found


def list_views(project: Project, page: str) -> list[SavedView]:
    """The saved views of a page, the newest first."""
    query = sa.select(*_COLUMNS).where(table.c.page == page).order_by(table.c.created_at.desc(), table.c.id)
    with project.db.read() as connection:
        return [SavedView(**row._mapping) for row in connection.execute(query)]


def rename_view(project: Project, id: str, name: str) -> SavedView:
    """Raises `NotFound`, or `BadInput` on the name."""
    view = get_view(project, id)
    if view.page == PIPELINE:
        return save_pipeline(project, name, view.pipeline, view.corpus)
    return save_view(project, view.page, name, view.state)


def delete_view(project: Project, id: str) -> None:
    """Delete a saved view or pipeline. Raises `NotFound`."""
    view = get_view(project, id)
    with project.db.write() as connection:
        connection.execute(sa.delete(table).where(table.c.id == view.id))


def pipeline_key(pipeline: PipelineSpec) -> str:
    """Fingerprint of what a pipeline does: fields left at their default do not count, nor whether 60 was written 60.0.

    So votes for a pipeline stay votes for it when a later version of the workbench adds a field.
    """
    return fingerprint("pipeline", _essence(pipeline))


def checked_name(name: str) -> str:
    """`name` as one line without outer spaces; empty is allowed. Raises `BadInput`."""
    name = name.strip()
    if len(name) > 120:
        raise BadInput(f"The name “{name[:40]}…” has {len(name)} characters.", "Use at most 120.")
    if _CONTROL.search(name):
        raise BadInput("The name holds characters that cannot be seen.", "Write it on one line, in plain text.")
    return name


def _save(connection: Connection, page: str, name: str, state: Mapping[str, Any]) -> SavedView:
    kept = _checked_state(state)
    whole = fingerprint(page, kept)
    for length in range(ID_LENGTH, len(whole) + 1):
        found = _find(connection, whole[:length])
        if found is None:
            view = SavedView(whole[:length], page, name, kept, time.time())
            connection.execute(sa.insert(table).values(**view.__dict__))
            return view
        # Two states may share their first 32 bits: the later one gets a longer id.
        if found.page == page and found.state == kept:
            break
    else:
        raise RuntimeError(f"the fingerprint {whole} stands for two states")
    if not name or name == found.name:
        return found
    connection.execute(sa.update(table).where(table.c.id == found.id).values(name=name))
    return SavedView(**{**found.__dict__, "name": name})


def _find(connection: Connection, id: str) -> SavedView | None:
    row = connection.execute(sa.select(*_COLUMNS).where(table.c.id == id)).one_or_none()
    return None if row is None else SavedView(**row._mapping)


def _checked_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """`state` as it will be read back: plain JSON of at most 1 MB."""
    try:
        text = canonical_json(state)
    except (TypeError, ValueError) as error:
        raise BadInput(f"The view cannot be kept: {error}.", "A state is plain JSON.") from error
    if len(text) > _STATE_LIMIT:
        raise BadInput(f"The view takes {len(text):,} characters.", "Keep fewer queries in it; 1 MB is the most.")
    kept: dict[str, Any] = json.loads(text)
    return kept


def _essence(value: Any) -> Any:
    if isinstance(value, Spec):
        own = ((item, getattr(value, item.name)) for item in fields(value))
        parts = {item.name: _essence(each) for item, each in own if each != item.default}
        return {name: part for name, part in parts.items() if part not in ({}, [], None)}
    if isinstance(value, Mapping):
        return {str(name): _essence(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_essence(each) for each in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
