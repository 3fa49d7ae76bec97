"""The address of which documents are selected on the Map page, as bytes."""

from dataclasses import replace

import numpy as np
from fastapi import APIRouter, Request, Response

from ui.components.map_chosen import chosen
from ui.components.map_view import read_map_view
from ui.point_routes import NOT_KEPT, answered, binary, check_length
from ui.session import Context
from workbench.errors import BadInput
from workbench.project import Project
from workbench.workflows import map as maps

LONGEST = 60_000
"""Characters of an address: a selection of many shapes is long."""


def add_map_page(router: APIRouter, context: Context) -> None:
    """The route; refusals as in `point_routes`."""

    @router.get("/points/{project}/{map}/mask/chosen.u8")
    def chosen_mask(project: str, map: str, request: Request) -> Response:
        def make(opened: Project) -> Response:
            if len(request.url.query) > LONGEST:
                raise BadInput("The selection is too long for an address.", "Clear it, and draw fewer shapes.")
            check_length(map)
            view = replace(read_map_view(dict(request.query_params)), map=map)
            found = chosen(opened, view)
            rows = maps.highlight(opened, map, found.ordinals.tolist())
            mask = np.zeros(found.selected.size, np.uint8)
            mask[rows] = 1
            return binary(mask.tobytes(), {**NOT_KEPT, "X-Count": str(len(rows))})

        return answered(context, project, make)
