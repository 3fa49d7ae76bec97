"""Which documents are meant: those that pass the conditions, those of the legend's classes, those selected."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ui.components.filters_text import filters_text
from ui.components.map_view import MapView
from workbench.project import Project
from workbench.types import Content
from workbench.workflows import images
from workbench.workflows import map as maps

Mask = NDArray[np.bool_]
SCORE = "score"


@dataclass(frozen=True)
class Chosen:
    """Masks by ordinal. `passing`: not dimmed by words and filters; `seen`: nor by the legend; `selected` of these."""

    passing: Mask
    seen: Mask
    selected: Mask

    @property
    def ordinals(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.selected)


def chosen(project: Project, view: MapView) -> Chosen:
    """What is shown and what is selected on a map. Raises `NotFound`, `BadInput`."""
    passing = maps.passing(project, view.map, view.filters, view.text)
    seen = passing & ~switched_off(project, view) if view.hidden else passing
    selected = np.zeros_like(passing)
    if view.problem:
        selected[maps.problem(project, view.map, view.problem).ordinals] = True
    for shape in () if view.problem else view.shapes:
        map = view.other if shape.get("second") and view.other else view.map
        selected[maps.members(project, map, shape["polygon"])] = shape["step"] == "add"
    return Chosen(passing, seen, selected & seen)


def colours(project: Project, view: MapView) -> tuple[NDArray[np.uint8], maps.Legend]:
    """(u8[n] in the wire's order, what they mean) of the colouring that is chosen. Raises `NotFound`, `BadInput`."""
    if view.color == SCORE:
        found, legend = maps.score_colouring(project, view.map, asked(project, view))
    else:
        found, legend = maps.colouring(project, view.map, view.color)
    return np.frombuffer(found, np.uint8), legend


def asked(project: Project, view: MapView) -> Content:
    """The query as models read it. Raises `NotFound` where its picture is gone."""
    return Content(view.query, images.query_image(project, view.image) if view.image else None)


def switched_off(project: Project, view: MapView) -> Mask:
    """By ordinal: documents of classes that the legend has switched off."""
    found, _ = colours(project, view)
    off = np.zeros(found.size, np.bool_)
    rows = np.flatnonzero(np.isin(found, np.array(view.hidden, np.uint8)))
    off[maps.ordinals_at(project, view.map, rows.tolist())] = True
    return off


def counted(project: Project, view: MapView, mask: Mask) -> Mapping[int, int]:
    """How many documents of a mask each colour has."""
    found, _ = colours(project, view)
    rows = maps.highlight(project, view.map, np.flatnonzero(mask).tolist())
    counts = np.bincount(found[rows], minlength=256)
    return {int(colour): int(counts[colour]) for colour in np.flatnonzero(counts)}


def mask_query(view: MapView) -> dict[str, str]:
    """The conditions as parameters of the route that serves the mask; empty where nothing is dimmed."""
    found = {"text": view.text, "filters": filters_text(view.filters) if view.filters else ""}
    return {name: value for name, value in found.items() if value}
