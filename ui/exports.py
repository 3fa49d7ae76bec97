"""The project's exported files, to fetch: named by what lies in its exports folder, never by a path."""

from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from ui.headers import NOT_KEPT
from workbench.errors import WorkbenchError
from workbench.workflows.exporting import find_export

if TYPE_CHECKING:
    from ui.session import Context


def add_exports(router: APIRouter, context: "Context") -> None:
    """`GET /exports/{project}/{name}`: the file as an attachment; 404 where there is no such project or export."""

    @router.get("/exports/{project}/{name}")
    def export(project: str, name: str) -> FileResponse:
        try:
            path = find_export(context.project(project), name)
        except WorkbenchError as error:
            raise HTTPException(404, str(error)) from error
        # As bytes to keep, never as a page to show: the file holds a corpus's text.
        return FileResponse(path, media_type="application/octet-stream", filename=name, headers=NOT_KEPT)
