"""A folder of images with an optional table of captions; and the check that each image passes."""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps

from workbench.errors import BadInput
from workbench.readers import IMAGE_SUFFIXES
from workbench.readers.base import Reader, shorten
from workbench.readers.columns import Column
from workbench.readers.files import walk
from workbench.readers.jsonl import JsonlReader
from workbench.readers.records import RecordReader
from workbench.readers.tables import CsvReader, TsvReader
from workbench.specs import ImportSpec
from workbench.types import Document, SkippedRow

CAPTION_TABLES: dict[str, type[RecordReader]] = {
    f"{stem}.{suffix}": reader
    for stem in ("captions", "metadata", "labels")
    for suffix, reader in (("csv", CsvReader), ("tsv", TsvReader), ("jsonl", JsonlReader))
}
PIXEL_LIMIT = 64 * 2**20
"""Most pixels of an image. A small file can claim many more (a "bomb")."""
BYTE_LIMIT = 256 * 2**20
SIDE = 512
"""Longest side of a stored image in pixels."""
# Only formats with a decoder in Pillow itself: no vector formats, nothing that starts another program.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError)


class ImagesReader(Reader):
    """Images below a folder. Rows of captions.csv (.tsv, .jsonl; or metadata.*, labels.*) come first, in its order.

    The table needs a column with the file's path relative to the folder. Without an id column the id is that path.
    """

    name = "images"
    unit = "file"
    needs_folder = True

    def __init__(self, path: Path, spec: ImportSpec) -> None:
        super().__init__(path, spec)
        self._current = ""
        self._table = self._open_table()

    def _open_table(self) -> RecordReader | None:
        found = next((name for name in CAPTION_TABLES if (self.path / name).is_file()), None)
        if found is None:
            self._refuse_fields()
            return None
        kept = self.spec.metadata_fields
        columns = None if kept is None else tuple(name for name in kept if name != "path")
        table = CAPTION_TABLES[found](self.path / found, replace(self.spec, reader="", metadata_fields=columns))
        if table.fields.image is None:
            raise BadInput(
                f"“{found}” has no column with the images' files.", "Name one “file”, or choose the image column."
            )
        return table

    def sources(self) -> list[Path]:
        table = [self._table.path] if self._table else []
        return table + list(walk(self.path, IMAGE_SUFFIXES))

    def columns(self) -> list[Column]:
        first = next(walk(self.path, IMAGE_SUFFIXES), None)
        example = "" if first is None else first.relative_to(self.path).as_posix()
        return [Column("path", "text", example), *(self._table.columns() if self._table else [])]

    def mapping(self) -> ImportSpec:
        spec = self._table.mapping() if self._table else self.spec
        return replace(spec, reader=self.name, metadata_fields=self.spec.metadata_fields)

    def where(self, at: int) -> str:
        if self._table is not None and at <= self._table.at:
            return f"{self._table.path.name} {self._table.where(at)}"
        return self._current

    def _read(self) -> Iterator[Document | SkippedRow]:
        root = self.path.resolve()
        named: set[str] = set()
        self.at, self.done, self.total = 0, 0, sum(1 for _ in walk(self.path, IMAGE_SUFFIXES))
        for item in self._captioned(root):
            if isinstance(item, Document):
                named.add(item.metadata["path"])  # type: ignore[arg-type]
                self.done = len(named)
            yield item
        for file in walk(self.path, IMAGE_SUFFIXES):
            name = file.relative_to(self.path).as_posix()
            if name in named:
                continue
            self.at += 1
            self.done += 1
            self._current = name
            if file.resolve().is_relative_to(root):
                yield self._document(name, Document("", image=str(file.resolve())))
            else:
                yield SkippedRow(name, "the link leads out of the folder")

    def _captioned(self, root: Path) -> Iterator[Document | SkippedRow]:
        """The rows of the table."""
        if self._table is None:
            return
        table = self._table
        for item in table._read():
            self.at = table.at
            if isinstance(item, SkippedRow):
                yield SkippedRow(self.where(self.at), item.reason)
            elif item.image is None:
                yield SkippedRow(self.where(self.at), "the row names no image")
            else:
                name = Path(item.image).relative_to(root).as_posix()
                yield self._document(name, item if table.fields.id else replace(item, doc_id=""))

    def _document(self, name: str, item: Document) -> Document:
        kept = self.spec.metadata_fields
        path = {"path": name} if kept is None or "path" in kept else {}
        return replace(item, doc_id=item.doc_id or name, metadata={**path, **item.metadata})


def shrink_image(path: Path) -> tuple[bytes, str]:
    """(the image as WebP of at most `SIDE` pixels a side, ""), or (b"", why it cannot be used).

    Decoding it and writing it anew is the check: nothing of the source but its pixels is kept. An animation gives its
    first frame; the orientation in EXIF is applied.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            return b"", "the image file is empty"
        if size > BYTE_LIMIT:
            return b"", f"the image file has {size:,} bytes; the limit is {BYTE_LIMIT:,}"
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > PIXEL_LIMIT:
                return b"", f"the image has {image.width} × {image.height} pixels; the limit is {PIXEL_LIMIT:,} in all"
            return _webp(image), ""
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return b"", f"the image has too many pixels; the limit is {PIXEL_LIMIT:,}"
    except FileNotFoundError:
        return b"", "the image file is not there"
    except (*_DAMAGE, struct.error, zlib.error) as error:
        return b"", f"the image cannot be read: {shorten(str(error).replace(str(path), path.name), 120)}"


def _webp(image: Image.Image) -> bytes:
    image.draft("RGB", (SIDE, SIDE))
    turned = ImageOps.exif_transpose(image)
    mode = "RGBA" if turned.has_transparency_data else "RGB"
    if turned.mode.startswith(("I;16", "I", "F")):
        # 16-bit grey: scale by its own range, else everything above 255 turns white.
        low, high = turned.getextrema()
        span = (high - low) or 1  # type: ignore[operator]
        turned = turned.convert("F").point(lambda value: (value - low) * 255 / span).convert("L")
    small = turned.convert(mode)
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=85, method=2)
    return buffer.getvalue()
