"""What the browser may send as a file: the picture of a query, from our own pages only, of limited size."""

import tempfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from ui.components.figures import size
from ui.handlers import explain
from ui.session import Context
from workbench.errors import BadInput, WorkbenchError

MAX_BYTES = 20 << 20
PLAIN = "application/octet-stream"


def add_query_images(router: APIRouter, context: Context) -> None:
    """`POST /query-image/{project}` with the file as the body → {"id"}; on refusal {"message", "hint"} and 4xx."""

    @router.post("/query-image/{project}")
    async def query_image(project: str, request: Request) -> JSONResponse:
        check_origin(request)
        try:
            body = await read_limited(request, MAX_BYTES)
            image = await run_in_threadpool(store, context, project, body)
        except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
            message, hint = explain(error)
            status = 400 if isinstance(error, WorkbenchError) else 500
            return JSONResponse({"message": message, "hint": hint}, status)
        return JSONResponse({"id": image})


def check_origin(request: Request) -> None:
    """Refuse (403) what another site's page sends: a body of this type needs its leave first, which we never give."""
    origin = request.headers.get("origin", "")
    own = origin.partition("://")[2] == request.headers.get("host", "")
    fetched = request.headers.get("sec-fetch-site", "same-origin")
    if (origin and not own) or fetched != "same-origin" or request.headers.get("content-type") != PLAIN:
        raise HTTPException(403)


async def read_limited(request: Request, limit: int) -> bytes:
    """The body. Raises `BadInput` beyond `limit` bytes, without reading on, and on an empty one."""
    parts: list[bytes] = []
    received = 0
    async for part in request.stream():
        received += len(part)
        if received > limit:
            raise BadInput(f"The picture is larger than {size(limit)}.", "Save it smaller, and try again.")
        parts.append(part)
    if not received:
        raise BadInput("The picture is an empty file.", "Choose another.")
    return b"".join(parts)


def store(context: Context, project: str, body: bytes) -> Any:
    """The id under which the project keeps the picture. Raises `BadInput` where the bytes are none."""
    from workbench.workflows.images import store_query_image

    opened = context.project(project)
    # No suffix: what a file is, its first bytes say.
    with tempfile.TemporaryDirectory(prefix="wb-query-") as folder:
        path = Path(folder, "picture")
        path.write_bytes(body)
        return store_query_image(opened, path)
