"""The files the pages load, by name, and the addresses of media: nothing else of the machine is reachable by URL."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import quote

FOLDER = Path(__file__).resolve().parents[2] / "assets"
ASSETS = {
    "style.css": "text/css",
    "results.css": "text/css",
    "test_sets.css": "text/css",
    "results.mjs": "text/javascript",
    "compare.css": "text/css",
    "compare.mjs": "text/javascript",
    "panels.css": "text/css",
    "panels.mjs": "text/javascript",
    "blind.css": "text/css",
    "blind.mjs": "text/javascript",
    "export_labels.css": "text/css",
    "lab.css": "text/css",
    "label.css": "text/css",
    "label.mjs": "text/javascript",
    "label_dialogs.mjs": "text/javascript",
    "label_guard.mjs": "text/javascript",
    "label_hand.mjs": "text/javascript",
    "label_outbox.mjs": "text/javascript",
    "mine.css": "text/css",
    "mine.mjs": "text/javascript",
    "review.css": "text/css",
    "review.mjs": "text/javascript",
    "evaluate_charts.css": "text/css",
    "evaluate.css": "text/css",
    "evaluate.mjs": "text/javascript",
    "judging.css": "text/css",
    "judging.mjs": "text/javascript",
    "judging_saver.mjs": "text/javascript",
    "judging_view.mjs": "text/javascript",
    "lab_encoder.css": "text/css",
    "lab_encoder.mjs": "text/javascript",
    "map.css": "text/css",
    "map_3d.css": "text/css",
    "map_3d.mjs": "text/javascript",
    "map.mjs": "text/javascript",
    "map_bus.mjs": "text/javascript",
    "map_camera.mjs": "text/javascript",
    "map_card.mjs": "text/javascript",
    "map_colors.mjs": "text/javascript",
    "map_component.mjs": "text/javascript",
    "map_flat.mjs": "text/javascript",
    "map_frames.mjs": "text/javascript",
    "map_gl.mjs": "text/javascript",
    "map_grid.mjs": "text/javascript",
    "map_overlay.mjs": "text/javascript",
    "map_page.css": "text/css",
    "map_page.mjs": "text/javascript",
    "map_pointer.mjs": "text/javascript",
    "map_toolbar.mjs": "text/javascript",
    "search_map.css": "text/css",
    "search_map.mjs": "text/javascript",
}

Size = Literal["thumb", "view"]


@cache
def asset_url(name: str) -> str:
    """Address of an asset, with its content's hash: it may be kept for ever. Raises `KeyError` on an unknown name."""
    if name not in ASSETS:
        raise KeyError(name)
    digest = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]
    return f"/wb-assets/{name}?v={digest}"


def media_url(project: str, corpus_id: int, ordinal: int, size: Size = "thumb") -> str:
    """Address of a document's image, re-encoded by our own route."""
    return f"/media/{quote(project, safe='')}/{int(corpus_id)}/{int(ordinal)}" + (
        "?size=view" if size == "view" else ""
    )
