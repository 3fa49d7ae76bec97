"""Image files, opened with care: only formats that Pillow itself decodes, within limits, told in a sentence if bad."""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps

from workbench.errors import BadInput

PIXEL_LIMIT = 64 * 2**20
"""Most pixels of an image. A small file can claim many more (a "bomb")."""
BYTE_LIMIT = 256 * 2**20
SIDE = 512
"""Longest side of a stored image in pixels."""
# Only formats with a decoder in Pillow itself: no vector formats, nothing that starts another program.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error)
READABLE = "Use a PNG, JPEG, WebP, GIF, BMP or TIFF file."
_REASON_LENGTH = 120


class UnusableImage(Exception):
    """Why a file cannot be used as an image, as the end of a sentence."""


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The image in a file; what goes wrong inside the block counts as damage. Raises `UnusableImage`."""
    try:
        size = path.stat().st_size
        if size == 0:
            raise UnusableImage("the image file is empty")
        if size > BYTE_LIMIT:
            raise UnusableImage(f"the image file has {size:,} bytes; the limit is {BYTE_LIMIT:,}")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > PIXEL_LIMIT:
                raise UnusableImage(
                    f"the image has {image.width} × {image.height} pixels; the limit is {PIXEL_LIMIT:,} in all"
                )
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusableImage(f"the image has too many pixels; the limit is {PIXEL_LIMIT:,}") from error
    except FileNotFoundError as error:
        raise UnusableImage("the image file is not there") from error
    except (*DAMAGE, zlib.error) as error:
        reason = " ".join(str(error).replace(str(path), path.name).split())
        cut = reason if len(reason) <= _REASON_LENGTH else reason[: _REASON_LENGTH - 1] + "…"
        raise UnusableImage(f"the image cannot be read: {cut}") from error


def read_image(path: Path) -> Image.Image:
    """The image as RGB, turned as its EXIF says, what is transparent on white; of an animation the first frame.

    Raises `BadInput` naming the file where it is no image, damaged or too large.
    """
    try:
        with opened(path) as image:
            turned = _levelled(ImageOps.exif_transpose(image))
            if not turned.has_transparency_data:
                return turned.convert("RGB")
            layer = turned.convert("RGBA")
            white = Image.new("RGBA", layer.size, "white")
            return Image.alpha_composite(white, layer).convert("RGB")
    except UnusableImage as error:
        raise BadInput(f"“{path.name}” cannot be used: {error}.", READABLE) from error


def shrunk(path: Path) -> bytes:
    """The image as WebP of at most `SIDE` pixels a side. Raises `UnusableImage`.

    Decoding it and writing it anew is the check: nothing of the source but its pixels is kept. An animation gives its
    first frame; the orientation in EXIF is applied.
    """
    with opened(path) as image:
        image.draft("RGB", (SIDE, SIDE))
        turned = _levelled(ImageOps.exif_transpose(image))
        small = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
        small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=85, method=2)
        return buffer.getvalue()


def named_kind(path: Path) -> str:
    """What a file that is no image of ours looks like, for the message: “an SVG drawing”, …; empty = unknown."""
    with path.open("rb") as handle:
        head = handle.read(512)
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"<svg", b"<?xml", b"<!DOCTYPE svg", b"<!--")):
        return "an SVG drawing" if b"<svg" in head.lower() else "an XML file"
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
            return "a HEIC photo"
        return "an AVIF image" if brand in (b"avif", b"avis") else "a video"
    return "a PDF file" if head.startswith(b"%PDF") else ""


def _levelled(image: Image.Image) -> Image.Image:
    """16-bit grey scaled by its own range to 8 bits, else everything above 255 turns white; others as they are."""
    if not image.mode.startswith(("I;16", "I", "F")):
        return image
    low, high = image.getextrema()
    span = (high - low) or 1  # type: ignore[operator]
    return image.convert("F").point(lambda value: (value - low) * 255 / span).convert("L")
