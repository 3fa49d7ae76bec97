"""Addresses of a map's points, colours and masks: bytes by project and map, kept where they never change."""

import json
import logging
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import JSONResponse

from ui.components.assets import media_url
from ui.components.filters_text import read_filters
from ui.headers import KEPT, NOT_KEPT
from ui.session import Context
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.types import Content
from workbench.workflows import images
from workbench.workflows import map as maps

logger = logging.getLogger("workbench.ui")

PLAIN = "application/octet-stream"
MOST_TEXT = 4000
"""Characters of a query, a filter or a list of shapes in an address."""


def add_points(router: APIRouter, context: Context) -> None:
    """The routes under /points. Every id is looked up in the project's own tables; none becomes part of a path.

    A refusal is JSON {"message", "hint"}: 404 for what is not there, 400 for what cannot be used.
    """

    @router.get("/points/{project}/{map}/points.bin")
    def points(project: str, map: str) -> Response:
        return answered(context, project, lambda opened: binary(maps.points(opened, map), KEPT))

    @router.get("/points/{project}/{map}/color/{name:path}.u8")
    def colour(project: str, map: str, name: str, q: str = "", image: str = "") -> Response:
        def make(opened: Project) -> Response:
            found, _ = coloured(opened, map, name, q, image)
            return binary(found, KEPT if maps.is_constant(name) else NOT_KEPT)

        return answered(context, project, make)

    @router.get("/points/{project}/{map}/color/{name:path}.json")
    def legend(project: str, map: str, name: str, q: str = "", image: str = "") -> Response:
        def make(opened: Project) -> Response:
            _, found = coloured(opened, map, name, q, image)
            return JSONResponse(maps.legend_values(found), headers=KEPT if maps.is_constant(name) else NOT_KEPT)

        return answered(context, project, make)

    @router.get("/points/{project}/{map}/mask/filter.u8")
    def mask(project: str, map: str, filters: str = "", text: str = "") -> Response:
        def make(opened: Project) -> Response:
            check_length(filters, text)
            chosen = read_filters(filters)
            if filters and len(chosen) != entries_in(filters):
                raise BadInput("The filter in the address cannot be read.", "Choose it on the page again.")
            found, count = maps.mask(opened, map, chosen, text)
            # Tags and subsets are filters too, and they change.
            return binary(found, {**NOT_KEPT, "X-Count": str(count)})

        return answered(context, project, make)

    @router.get("/points/{project}/{map}/card/{row}")
    def card(project: str, map: str, row: int) -> Response:
        def make(opened: Project) -> Response:
            found = maps.card(opened, map, row)
            image = media_url(project, found.corpus_id, found.ordinal) if found.has_image else ""
            shown = {"ordinal": found.ordinal, "title": found.title, "text": found.text, "image": image}
            return JSONResponse({**shown, "facts": [list(each) for each in found.facts]}, headers=NOT_KEPT)

        return answered(context, project, make)

    @router.get("/points/{project}/{map}/labels.json")
    def labels(project: str, map: str) -> Response:
        def make(opened: Project) -> Response:
            found = [
                {"cluster": each.cluster, "x": each.x, "y": each.y, "text": each.name, "size": each.size}
                | {"color": each.color}
                for each in maps.cluster_labels(opened, map)
            ]
            return JSONResponse({"labels": found}, headers=NOT_KEPT)

        return answered(context, project, make)


def coloured(project: Project, map: str, name: str, q: str, image: str) -> tuple[bytes, "maps.Legend"]:
    """A colouring by its name; “score” is that of the query in the address. Raises `BadInput`, `NotFound`."""
    check_length(name, q, image)
    if name != "score":
        return maps.colouring(project, map, name)
    picture = images.query_image(project, image) if image else None
    return maps.score_colouring(project, map, Content(q, picture))


def answered(context: Context, project: str, make: Callable[[Project], Response]) -> Response:
    """What `make` answers for the project, or why not."""
    try:
        return make(context.project(project))
    except BadInput as error:
        return refusal(error, 400)
    except WorkbenchError as error:
        return refusal(error, 404)
    except (OverflowError, ValueError) as error:
        logger.info("an address of a map could not be read: %s", error)
        raise HTTPException(400) from error


def refusal(error: WorkbenchError, status: int) -> Response:
    return JSONResponse({"message": error.message, "hint": error.hint}, status, headers=NOT_KEPT)


def binary(content: bytes, headers: dict[str, str]) -> Response:
    return Response(content, media_type=PLAIN, headers=headers)


def check_length(*texts: str) -> None:
    if any(len(text) > MOST_TEXT for text in texts):
        raise BadInput("The address is too long to be read.", f"Use at most {MOST_TEXT:,} characters.")


def entries_in(filters: str) -> int:
    """How many filters a text claims to hold; −1 where it is no list."""
    try:
        found: Any = json.loads(filters)
    except ValueError:
        return -1
    return len(found) if isinstance(found, list) else -1
