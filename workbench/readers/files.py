"""A folder of text and Markdown files: one document a file."""

import codecs
import os
import re
from collections.abc import Iterator
from pathlib import Path

from workbench.readers import TEXT_SUFFIXES
from workbench.readers.base import TEXT_LIMIT, Reader
from workbench.readers.columns import Column
from workbench.types import Document, Scalar, SkippedRow

_MARKDOWN = frozenset({".md", ".markdown", ".rst"})
_HEADING = re.compile(
    r"\A\s*#{1,6}[ \t]+(?P<hash>[^\n]+?)[ \t]*#*[ \t]*(?:\n|\Z)|\A\s*(?P<line>[^\n]+)\n(?:=+|-+)[ \t]*(?:\n|\Z)"
)


def walk(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    """Files below `folder` with one of these suffixes, folder by folder in sorted order; hidden ones are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Path(place) / name


class TextsReader(Reader):
    """Text and Markdown files below a folder. The id is the relative path, the title the first heading or the name.

    UTF-8, or UTF-16 with a byte order mark; another file is skipped. A link that leads out of the folder is skipped.
    """

    name = "texts"
    unit = "file"
    needs_folder = True
    has_fields = False

    _current = ""

    def sources(self) -> list[Path]:
        return list(walk(self.path, TEXT_SUFFIXES))

    def columns(self) -> list[Column]:
        first = next(walk(self.path, TEXT_SUFFIXES), None)
        example = "" if first is None else first.relative_to(self.path).as_posix()
        size = "" if first is None else str(first.stat().st_size)
        return [Column("path", "text", example), Column("size", "integer", size)]

    def where(self, at: int) -> str:
        return self._current

    def _read(self) -> Iterator[Document | SkippedRow]:
        root = self.path.resolve()
        self.at, self.done, self.total = 0, 0, sum(1 for _ in walk(self.path, TEXT_SUFFIXES))
        for file in walk(self.path, TEXT_SUFFIXES):
            self.at += 1
            self.done = self.at
            self._current = file.relative_to(self.path).as_posix()
            if not file.resolve().is_relative_to(root):
                yield SkippedRow(self._current, "the link leads out of the folder")
                continue
            yield self._document(file)

    def _document(self, file: Path) -> Document | SkippedRow:
        try:
            size = file.stat().st_size
            if size > 4 * TEXT_LIMIT:
                return SkippedRow(self._current, f"the file has {size:,} bytes; the limit is {4 * TEXT_LIMIT:,}")
            text = decode(file.read_bytes())
        except UnicodeDecodeError as error:
            return SkippedRow(self._current, f"the text is not valid UTF-8 (byte {error.start + 1})")
        except OSError as error:
            return SkippedRow(self._current, f"the file cannot be read: {error.strerror}")
        title, text = split_heading(text) if file.suffix.lower() in _MARKDOWN else ("", text)
        kept = self.spec.metadata_fields
        metadata: dict[str, Scalar] = {"path": self._current, "size": size}
        chosen = {name: value for name, value in metadata.items() if kept is None or name in kept}
        if not text.strip() and not title:
            return SkippedRow(self._current, "the text is empty")
        return Document(self._current, text, title or file.stem, None, chosen)


def decode(data: bytes) -> str:
    """Text from UTF-8 (with or without a mark) or marked UTF-16. Raises `UnicodeDecodeError`."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    return data.decode("utf-8-sig")


def split_heading(text: str) -> tuple[str, str]:
    """(the heading that `text` begins with, the rest); ("", text) where it begins with none.

    >>> split_heading("# On bees\\nThey fly.")
    ('On bees', 'They fly.')
    """
    found = _HEADING.match(text.replace("\r\n", "\n") if "\r\n" in text[:4096] else text)
    if not found:
        return "", text
    rest = found.string[found.end() :]
    return (found["hash"] or found["line"]).strip(), rest.lstrip("\n")
