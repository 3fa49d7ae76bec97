"""A folder of images with an optional table of captions; and the check that each image passes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from workbench.errors import BadInput
from workbench.images import UnusableImage, shrunk
from workbench.readers import IMAGE_SUFFIXES
from workbench.readers.base import Reader
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
    """(the image as WebP of at most `images.SIDE` pixels a side, ""), or (b"", why it cannot be used)."""
    try:
        return shrunk(path), ""
    except UnusableImage as error:
        return b"", str(error)
