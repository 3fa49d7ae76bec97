"""What stands beside a map for a view: the open document, the first of a selection, or the hits of the query."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from ui.components import map_panel as panels
from ui.components.column_editor import pipeline_label
from ui.components.map_chosen import Chosen, asked
from ui.components.map_rail import problem_title
from ui.components.map_state import lines
from ui.components.map_view import MapView
from ui.components.results import Frame
from workbench.project import Project
from workbench.workflows import corpus as corpora
from workbench.workflows import map as maps
from workbench.workflows import search as searching

MEASURED = MappingProxyType({"cosine": "1 − cosine", "l2": "Euclidean distance"})
NO_LINES = MappingProxyType({"from": -1, "to": []})
Near = Sequence[tuple[int, float]]


def frame_of(project: Project, view: MapView) -> tuple["maps.MapInfo", Frame]:
    info = maps.get_map(project, view.map)
    corpus = corpora.get_corpus(project, info.corpus_id)
    return info, Frame(project.name, corpus.id, corpus.has_images)


def document_markup(project: Project, view: MapView, near: Near) -> str:
    """The open document and its true neighbours in the space of the left map."""
    info, frame = frame_of(project, view)
    document = corpora.get_document(project, frame.corpus_id, view.pick)
    found = [(corpora.get_document(project, frame.corpus_id, ordinal), far) for ordinal, far in near]
    encoders = [info.encoder, *(each.encoder for each in searching.systems(project, info.corpus))]
    told = f"{info.encoder}, by {MEASURED.get(info.metric, info.metric)}"
    if info.reduction:
        told += ", in the reduced space"
    return panels.document_side(document, frame, list(dict.fromkeys(encoders)), found, told)


def members_markup(project: Project, view: MapView, found: Chosen) -> str:
    """The first documents of the selection."""
    _, frame = frame_of(project, view)
    # A list of problems keeps its own order, the worst first.
    listed = maps.problem(project, view.map, view.problem) if view.problem else None
    ranked = found.ordinals if listed is None else listed.ordinals
    ordinals = ranked[found.selected[ranked]]
    first = [corpora.get_document(project, frame.corpus_id, int(each)) for each in ordinals[: panels.LISTED]]
    title = problem_title(view.problem) if view.problem else "Selection"
    told = "" if listed is None else listed.explanation
    return panels.members_side(title, first, len(ordinals), frame, told)


def hits_markup(project: Project, view: MapView, found: "maps.MapSearch") -> str:
    _, frame = frame_of(project, view)
    placed = "★ marks the query's approximate place" if found.query else f"the query is not on the map: {found.told}"
    label = pipeline_label(view.column.pipeline) if view.column else ""
    return panels.hits_side(found.result.hits, frame, view.query, label, placed)


def searched(project: Project, view: MapView, map: str) -> "maps.MapSearch":
    """The query through the pipeline, on one of the maps. Raises as `workflows.search.search`."""
    if view.column is None:
        raise ValueError("a view that asks has a pipeline")
    return maps.search_map(project, map, asked(project, view), view.column.pipeline, view.k, view.filters)


def path_of(project: Project, map: str, view: MapView, near: Near) -> dict[str, Any]:
    """The lines from the open document on one map; on both they go to the neighbours of the left map's space."""
    return lines(project, map, view.pick, near) if view.pick >= 0 else {"path": dict(NO_LINES)}


def failed(markup: str) -> str:
    """An error in place of the hits; `markup` is escaped."""
    return panels.framed("Not searched", f"<section>{markup}</section>")
