"""Images: the pictures people search with, kept by what is in them; and the pictures of documents."""

import hashlib
import re
from pathlib import Path

from workbench.errors import BadInput, NotFound
from workbench.images import READABLE, UnusableImage, named_kind, shrunk
from workbench.project import Project
from workbench.vectors import write_durably
from workbench.workflows.corpus import image_path

FOLDER = "queries"
_ID = re.compile(r"[0-9a-f]{32}")


def store_query_image(project: Project, path: Path) -> str:
    """Keep the image in the file `path` for searches; returns its id, 32 hex digits of the hash of what is kept.

    It is made as an import makes images of documents, so that a picture of the corpus is found as itself; the same
    picture has the same id. Of an animation the first frame is kept. Raises `BadInput` where it is no usable image.
    """
    path = Path(path).expanduser()
    try:
        data = shrunk(path)
    except UnusableImage as error:
        kind = named_kind(path) if path.is_file() else ""
        if kind:
            raise BadInput(
                f"The picture cannot be used: it is {kind}.", f"{READABLE} Save or export it as one."
            ) from error
        raise BadInput(f"The picture cannot be used: {error}.", READABLE) from error
    id = hashlib.sha256(data).hexdigest()[:32]
    target = project.media / FOLDER / f"{id}.webp"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_file():
        write_durably(target, data)
    return id


def query_image(project: Project, id: str) -> Path:
    """The file of a kept query image. Raises `NotFound`; nothing but an id becomes part of a path."""
    path = project.media / FOLDER / f"{id}.webp"
    if not _ID.fullmatch(id) or not path.is_file():
        raise NotFound("The picture of this query is not here.", "Choose it again.")
    return path


def document_image(project: Project, corpus: str | int, ordinal: int) -> Path:
    """The stored image of a document, for a search with it. Raises `NotFound` where it has none."""
    path = image_path(project, corpus, ordinal)
    if path is None or not path.is_file():
        raise NotFound("This document has no image.", "Search with one that has.")
    return path
