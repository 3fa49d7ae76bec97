"""Addresses of what goes with a map's points: their documents in order, a third coordinate, and the script that draws
it. plotly's own script comes from the installed package: nothing is fetched from outside."""

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse

from ui.components.map_3d import plotly_file
from ui.headers import KEPT, NOT_KEPT
from ui.point_routes import answered, binary
from ui.session import Context
from workbench.workflows import map_space


def add_spaces(router: APIRouter, context: Context) -> None:
    """The routes; refusals as in `point_routes`."""

    @router.get("/points/{project}/{map}/order.u32")
    def order(project: str, map: str) -> Response:
        """u32[n], little-endian: the document of each row."""
        return answered(context, project, lambda opened: binary(map_space.row_documents(opened, map), KEPT))

    @router.get("/points/{project}/{map}/space.bin")
    def space(project: str, map: str) -> Response:
        # Not kept for ever: after the coordinates were deleted they may be made again, otherwise.
        return answered(context, project, lambda opened: binary(map_space.space_points(opened, map), NOT_KEPT))

    @router.get("/wb-plotly/plotly.min.js")
    def script(v: str = "") -> FileResponse:
        path = plotly_file()
        if path is None:
            raise HTTPException(404, "plotly is not installed.")
        cache = "public, max-age=31536000, immutable" if v else "no-cache"
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": cache}
        return FileResponse(path, media_type="text/javascript", headers=headers)
