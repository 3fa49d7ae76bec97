"""The project's exported files, to fetch: named by what lies in its exports folder, never by a path."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse, StreamingResponse

from ui.headers import NOT_KEPT
from workbench.errors import WorkbenchError
from workbench.workflows.exporting import find_export

if TYPE_CHECKING:
    from ui.session import Context

_BLOCK = 2**20


def add_exports(router: APIRouter, context: "Context") -> None:
    """`GET /exports/{project}/{name}`: a file as an attachment, a folder as a ZIP archive; 404 for anything else."""

    @router.get("/exports/{project}/{name}")
    def export(project: str, name: str) -> Response:
        try:
            path = find_export(context.project(project), name)
        except WorkbenchError as error:
            raise HTTPException(404, str(error)) from error
        if path.is_dir():
            headers = NOT_KEPT | {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.zip"}
            return StreamingResponse(zipped(path), media_type="application/zip", headers=headers)
        # As bytes to keep, never as a page to show: the file holds a corpus's text.
        return FileResponse(path, media_type="application/octet-stream", filename=name, headers=NOT_KEPT)


def zipped(folder: Path) -> Iterator[bytes]:
    """A ZIP archive of a folder in parts, as it is made: memory stays flat. Links and unfinished files are left out."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:  # type: ignore[arg-type]
        for root, folders, files in os.walk(folder):
            folders.sort()
            for name in sorted(files):
                path = Path(root, name)
                if path.is_symlink() or name.startswith("."):
                    continue
                inside = Path(folder.name, path.relative_to(folder)).as_posix()
                entry = zipfile.ZipInfo.from_file(path, inside, strict_timestamps=False)
                entry.compress_type = zipfile.ZIP_DEFLATED
                with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                    while block := source.read(_BLOCK):
                        target.write(block)
                        yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """Takes what is written, for somebody else to take away; it cannot be turned back."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._held += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        found = bytes(self._held)
        self._held.clear()
        return found
