"""The app's own addresses: assets by a fixed list of names, and images of documents by project, corpus and ordinal."""

import logging
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse

from ui.components.assets import ASSETS, FOLDER, Size
from ui.components.thumbnails import BadImage, Thumbnails
from ui.evaluate_routes import add_evaluations
from ui.exports import add_exports
from ui.headers import IMAGE_POLICY, KEPT, NOT_KEPT
from ui.judging_routes import add_judging
from ui.label_routes import add_labelling
from ui.map_routes import add_map_page
from ui.point_routes import add_points
from ui.review_routes import add_reviewing
from ui.session import Context
from ui.space_routes import add_spaces
from ui.uploads import add_query_images
from workbench.errors import WorkbenchError
from workbench.workflows import corpus as corpora
from workbench.workflows import images

logger = logging.getLogger("workbench.ui")

PLACEHOLDER = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96" viewBox="0 0 96 96" fill="#808080">'
    '<rect width="96" height="96" fill-opacity=".15"/>'
    '<path d="M24 66 42 42l12 14 8-10 12 20z" fill-opacity=".45"/>'
    '<text x="48" y="84" font-family="sans-serif" font-size="9" text-anchor="middle">unreadable image</text></svg>'
)


def build_router(context: Context) -> APIRouter:
    """Routes that hand out files: nothing the client sends becomes part of a path."""
    router = APIRouter()
    thumbnails = Thumbnails()
    add_query_images(router, context)
    add_exports(router, context)
    add_points(router, context)
    add_map_page(router, context)
    add_labelling(router, context)
    add_reviewing(router, context)
    add_judging(router, context)
    add_spaces(router, context)
    add_evaluations(router, context)

    # Not /assets: there Gradio serves its own files.
    @router.get("/wb-assets/{name}")
    def asset(name: str, v: str = "") -> FileResponse:
        if name not in ASSETS:
            raise HTTPException(404)
        # With its hash in the address a file never changes; without, the browser asks again.
        cache = "public, max-age=31536000, immutable" if v else "no-cache"
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": cache}
        return FileResponse(FOLDER / name, media_type=ASSETS[name], headers=headers)

    @router.get("/media/{project}/{corpus_id}/{ordinal}")
    def media(project: str, corpus_id: int, ordinal: int, size: Size = "thumb") -> Response:
        path = image_file(context, project, corpus_id, ordinal)
        try:
            made = thumbnails.get((project, corpus_id, ordinal, size, str(path)), path, size)
        except BadImage as error:
            logger.info("image %d of corpus %d cannot be shown: %s", ordinal, corpus_id, error)
            return Response(PLACEHOLDER, media_type="image/svg+xml", headers=NOT_KEPT | IMAGE_POLICY)
        return Response(made, media_type="image/webp", headers=KEPT | IMAGE_POLICY)

    @router.get("/media-query/{project}/{id}")
    def query_media(project: str, id: str, size: Literal["thumb", "view", "full"] = "thumb") -> Response:
        path = query_file(context, project, id)
        shown: Size = "thumb" if size == "thumb" else "view"
        try:
            made = thumbnails.get((project, id, shown), path, shown)
        except BadImage as error:
            logger.info("query image %s cannot be shown: %s", id, error)
            return Response(PLACEHOLDER, media_type="image/svg+xml", headers=NOT_KEPT | IMAGE_POLICY)
        return Response(made, media_type="image/webp", headers=KEPT | IMAGE_POLICY)

    return router


def query_file(context: Context, project: str, id: str) -> Path:
    """The kept picture of a query. Raises 404 where there is no such project or picture."""
    try:
        return images.query_image(context.project(project), id)
    except WorkbenchError as error:
        raise HTTPException(404, str(error)) from error


def image_file(context: Context, project: str, corpus_id: int, ordinal: int) -> Path:
    """The stored image of a document. Raises 404 where there is no such project, corpus, document or image."""
    try:
        opened = context.project(project)
        path = corpora.image_path(opened, corpus_id, ordinal)
    except (WorkbenchError, OverflowError) as error:
        raise HTTPException(404, str(error)) from error
    if path is None or not path.resolve().is_relative_to(opened.media.resolve()):
        raise HTTPException(404)
    return path
