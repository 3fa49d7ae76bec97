"""Images of documents, re-encoded small: whatever a corpus brings, the browser gets a WebP of ours or a placeholder."""

import io
import logging
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path
from threading import Lock

from PIL import Image, ImageOps

from ui.components.assets import Size

logger = logging.getLogger("workbench.ui")

EDGE: dict[Size, int] = {"thumb": 320, "view": 1600}
MAX_PIXELS = 80_000_000
MAX_BYTES = 100_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
CACHE_BYTES = 64_000_000


class BadImage(Exception):
    """A file that cannot be shown, and why."""


def thumbnail(path: Path, edge: int) -> bytes:
    """`path` as WebP, fitted into `edge` × `edge` pixels, turned as its EXIF says. Raises `BadImage`."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadImage(f"larger than {MAX_BYTES:,} bytes")
        with Image.open(path, formats=FORMATS) as image:
            # The size is known before any pixel is decoded.
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(f"{image.width} × {image.height} pixels")
            image.draft("RGB", (edge, edge))
            image.thumbnail((edge, edge))
            upright = ImageOps.exif_transpose(image)
            mode = "RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB"
            target = io.BytesIO()
            upright.convert(mode).save(target, "WEBP", quality=82, method=2)
    except (OSError, ValueError, SyntaxError, ArithmeticError, EOFError, Image.DecompressionBombError) as error:
        raise BadImage(str(error)) from error
    return target.getvalue()


class Thumbnails:
    """The last used thumbnails in memory, at most `limit` bytes."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Hashable, path: Path, size: Size) -> bytes:
        """The picture called `key`, made from `path` on first use. Raises `BadImage`."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = thumbnail(path, EDGE[size])
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._bytes += len(made)
            while self._bytes > self._limit:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return made
