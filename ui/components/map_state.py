"""What the map components are told for a view: addresses of bytes, and the few rows that are lit up."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from ui.components.map_chosen import SCORE, mask_query
from ui.components.map_view import MapView
from ui.components.point_map import hits, legend_state
from workbench.project import Project
from workbench.workflows import map as maps

ABOUT = 40
"""Characters of a query beside its star."""


def points_url(project: str, map: str, rest: str, **values: str) -> str:
    """An address under /points; empty values are left out."""
    kept = {name: value for name, value in values.items() if value}
    return f"/points/{quote(project, safe='')}/{quote(map, safe='')}/{rest}" + (f"?{urlencode(kept)}" if kept else "")


def source(project: str, map: str) -> str:
    return points_url(project, map, "points.bin")


def color_url(project: str, view: MapView) -> str:
    """The colouring of the left map, for both: their points travel in one order, so a class keeps its colour."""
    asked = {"q": view.query, "image": view.image} if view.color == SCORE else {}
    return points_url(project, view.map, f"color/{quote(view.color, safe=':')}.u8", **asked)


def mask_url(project: str, view: MapView) -> str:
    """Which documents pass the conditions; empty where there are none."""
    return points_url(project, view.map, "mask/filter.u8", **mask_query(view)) if view.narrowed else ""


def selection_url(project: str, view: MapView) -> str:
    """Which documents are selected; empty where none is."""
    if not view.shapes and not view.problem:
        return ""
    values = view.values()
    parts = ("sel", "problem", "with", "text", "filters")
    own = {name: values[name] for name in parts if name in values}
    if view.hidden:
        own |= {name: values[name] for name in ("hide", "color", "q", "image") if name in values}
    return points_url(project, view.map, "mask/chosen.u8", **own)


def base_state(project: Project, view: MapView, legend: "maps.Legend", map: str) -> dict[str, Any]:
    """All that a map shows beside hits and lines."""
    info = maps.get_map(project, map)
    return {
        "src": source(project.name, map),
        "color": color_url(project.name, view),
        "legend": legend_state(legend.kind, view.hidden),
        "mask": mask_url(project.name, view),
        "selection": selection_url(project.name, view),
        "labels": label_values(project, map),
        "card": points_url(project.name, map, "card/") + "{row}",
        "link": f"{project.name}/{info.corpus}",
        "alt": f"Map of {info.points:,} documents of {info.corpus} by {info.encoder}: near points are alike.",
    }


def label_values(project: Project, map: str) -> list[dict[str, Any]]:
    return [
        {"text": each.name, "x": each.x, "y": each.y, "size": each.size}
        for each in maps.cluster_labels(project, map)
        if each.size
    ]


def lit(found: "maps.MapSearch | None", text: str) -> dict[str, Any]:
    """Hits with their ranks and the query's star; nothing where nothing is asked."""
    if found is None:
        return {"highlight": [], "query": None}
    placed = found.query
    star = {"x": placed.x, "y": placed.y, "text": text[:ABOUT], "approximate": placed.approximate} if placed else None
    return {"highlight": hits([each.row for each in found.hits]), "query": star}


def lines(project: Project, map: str, ordinal: int, near: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """Lines from a document to its true neighbours."""
    start, *ends = maps.highlight(project, map, [ordinal, *(each for each, _ in near)])
    return {"path": {"from": start, "to": ends}}
