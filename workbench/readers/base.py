"""What every reader shares: the checks each document passes, duplicate ids, kinds of columns, warnings."""

import re
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.readers.columns import MAX_COLUMNS, Column, kind_of
from workbench.specs import NO_COLUMN, ImportSpec
from workbench.types import Document, Progress, Scalar, SkippedRow, no_progress

TEXT_LIMIT = 10 * 2**20
"""Longest text of a document in characters, and of all its metadata together; a longer one is skipped."""
ID_LIMIT = 512
NUL_WARNING = "NUL characters were removed from {n} texts or fields."
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class Reader(ABC):
    """One source of documents. A format writes `_read`, `columns` and `sources`; `read` does the checks.

    `done` of `total` tells how far `read` has come, in bytes, rows or files (`total` 0: unknown). `limit` is set while
    only so many rows will be asked for.
    Raises `BadInput` where the source as a whole cannot be read.
    """

    name: ClassVar[str]
    unit: ClassVar[str] = "line"
    needs_folder: ClassVar[bool] = False
    has_fields: ClassVar[bool] = True
    brings_vectors: ClassVar[bool] = False

    def __init__(self, path: Path, spec: ImportSpec, *, allows_empty: bool = False) -> None:
        self.path = path
        self.spec = spec
        self.allows_empty = allows_empty
        self.at = 0
        self.done = 0
        self.total = 0
        self.limit: int | None = None
        self._types: dict[str, set[type]] = {}
        self._counts: dict[str, int] = {}
        self._check_path()
        if not self.has_fields:
            self._refuse_fields()

    def _check_path(self) -> None:
        if not self.path.exists():
            raise BadInput(f"There is no file or folder “{self.path}”.", "Check the path.")
        if self.needs_folder and not self.path.is_dir():
            raise BadInput(f"“{self.path.name}” is a file; the {self.name} reader reads a folder.", "Give the folder.")
        if not self.needs_folder and self.path.is_dir():
            raise BadInput(f"“{self.path.name}” is a folder; the {self.name} reader reads one file.", "Give the file.")
        if self.path.is_file() and self.path.stat().st_size == 0:
            raise BadInput(f"“{self.path.name}” is empty.", "Give a file that holds at least one document.")

    def _refuse_fields(self) -> None:
        spec = self.spec
        if {spec.id_field, spec.text_field, spec.title_field, spec.image_field} - {"", NO_COLUMN}:
            raise BadInput(f"“{self.path.name}” has no columns to choose from.", "Leave the fields empty.")

    @abstractmethod
    def columns(self) -> list[Column]:
        """The source's columns, from its first rows."""

    def mapping(self) -> ImportSpec:
        """The spec with the fields that were guessed filled in."""
        return replace(self.spec, reader=self.name)

    @abstractmethod
    def sources(self) -> list[Path]:
        """The files whose bytes make up the source, in a fixed order."""

    def check(self, progress: Progress = no_progress) -> None:  # noqa: B027 — most formats need no look ahead
        """Look at the whole source before the first document is stored, where a format needs it. Raises `BadInput`."""

    @abstractmethod
    def _read(self) -> Iterator[Document | SkippedRow]:
        """Documents in source order; sets `at` (from 1) before each, and `done`."""

    def vectors(self, rows: int) -> Iterator[NDArray[np.float32]]:
        """(m, d) float32 blocks of the documents that `read` has handed on, where the reader `brings_vectors`."""
        raise NotImplementedError(f"the {self.name} reader brings no vectors")

    def where(self, at: int) -> str:
        """The place of row `at` in words."""
        return f"{self.unit} {at}"

    def read(self) -> Iterator[Document | SkippedRow]:
        """Documents that can be stored, and for each row that cannot, where it is and why."""
        seen = SeenIds()
        for item in self._read():
            if isinstance(item, SkippedRow):
                yield item
                continue
            document, reason = self._checked(item)
            if not reason:
                first = seen.first(document.doc_id, self.at)
                if first:
                    reason = f"the id “{shorten(document.doc_id)}” was used before, in {self.where(first)}"
            if reason:
                yield SkippedRow(self.where(self.at), reason)
                continue
            self._accept(document)
            yield document

    def sample(self, limit: int = 1000) -> tuple[list[Document], list[SkippedRow]]:
        """Documents and skipped rows among the first `limit` rows."""
        self.limit = limit
        rows = list(islice(self.read(), limit))
        documents = [row for row in rows if isinstance(row, Document)]
        return documents, [row for row in rows if isinstance(row, SkippedRow)]

    def kinds(self) -> dict[str, str]:
        """Kind of each metadata column that `read` has met."""
        return {name: kind_of(types) for name, types in self._types.items()}

    def mixed(self) -> list[str]:
        """Text columns that also hold values of another type; the store turns those into text."""
        plain: tuple[set[type], ...] = (set(), {str})
        return [name for name, types in self._types.items() if kind_of(types) == "text" and types not in plain]

    @property
    def warnings(self) -> list[str]:
        """One sentence for each thing that was mended or left out so far."""
        return [sentence.replace("{n}", f"{count:,}") for sentence, count in self._counts.items()]

    def warn(self, sentence: str) -> None:
        """Count one case of `sentence`; “{n}” in it stands for the count."""
        self._counts[sentence] = self._counts.get(sentence, 0) + 1

    def _accept(self, document: Document) -> None:  # noqa: B027 — only a reader with more than documents cares
        """Called for each document that `read` hands on."""

    def _checked(self, item: Document) -> tuple[Document, str]:
        """The document without NUL characters, and why it must be skipped ("" where it is sound)."""
        if "\0" in item.text or "\0" in item.title:
            self.warn(NUL_WARNING)
            item = replace(item, title=item.title.replace("\0", ""), text=item.text.replace("\0", ""))
        reason = refuse_id(item.doc_id) or self._refuse_content(item.title, item.text, item.image)
        if not reason and item.metadata:
            metadata, reason = self._kept_metadata(item.metadata)
            item = item if metadata == item.metadata else replace(item, metadata=metadata)
        return item, reason

    def _refuse_content(self, title: str, text: str, image: str | None) -> str:
        if not image and not self.allows_empty and not (text and not text.isspace()) and not title.strip():
            return "the text is empty"
        if len(text) + len(title) > TEXT_LIMIT:
            return f"the text has {len(text) + len(title):,} characters; the limit is {TEXT_LIMIT:,}"
        return "" if is_unicode(text) and is_unicode(title) else "the text is not valid UTF-8"

    def _kept_metadata(self, metadata: Mapping[str, Scalar]) -> tuple[dict[str, Scalar], str]:
        """The values that can be stored, their types noted, and why the row must be skipped ("" where not)."""
        kept: dict[str, Scalar] = {}
        size = 0
        for name, value in metadata.items():
            types = self._types.get(name)
            if types is None:
                if len(self._types) >= MAX_COLUMNS:
                    self.warn(f"{{n}} values of columns beyond the first {MAX_COLUMNS} were left out.")
                    continue
                types = self._types[name] = set()
            if isinstance(value, str):
                size += len(value)
                if "\0" in value:
                    self.warn(NUL_WARNING)
                    value = value.replace("\0", "")
                if not is_unicode(value):
                    return kept, f"the field “{shorten(name)}” is not valid UTF-8"
            elif isinstance(value, float) and not isfinite(value):
                value = None
            if value is not None:
                types.add(type(value))
            kept[name] = value
        reason = f"the metadata has {size:,} characters; the limit is {TEXT_LIMIT:,}" if size > TEXT_LIMIT else ""
        return kept, reason


def shorten(text: str, limit: int = 60) -> str:
    """`text` in one line of at most `limit` characters, for a message."""
    line = _CONTROLS.sub(" ", text[: limit + 1]).encode("utf-8", "replace").decode()
    return line if len(line) <= limit else f"{line[:limit]}…"


def is_unicode(text: str) -> bool:
    """Whether `text` can be written as UTF-8 (bytes that could not be decoded stand in it as lone surrogates)."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_id(doc_id: str) -> str:
    """Why `doc_id` cannot be an id, or ""."""
    if not doc_id:
        return "the id is empty"
    if len(doc_id) > ID_LIMIT:
        return f"the id has {len(doc_id):,} characters; the limit is {ID_LIMIT}"
    if not doc_id.isprintable() and _CONTROLS.search(doc_id):
        return f"the id “{shorten(doc_id)}” holds control characters"
    return "" if is_unicode(doc_id) else "the id is not valid UTF-8"


class SeenIds:
    """Which ids were met and in which row first, in 12 bytes a slot: an open-addressing table of 64-bit hashes.

    A set of the strings would cost ten times as much. Two different ids share a hash with probability n² / 2⁶⁵:
    3 in 100 million for a million documents.
    """

    def __init__(self) -> None:
        self._size = 0
        self._allocate(1 << 12)

    def _allocate(self, slots: int) -> None:
        self._mask = slots - 1
        self._keys = array("q", bytes(8 * slots))
        self._rows = array("I", bytes(4 * slots))

    def _grow(self) -> None:
        keys, rows = self._keys, self._rows
        self._allocate(2 * len(rows))
        for key, row in zip(keys, rows, strict=True):
            if row:
                self._put(key, row)

    def _put(self, key: int, row: int) -> int:
        """The row that holds `key` already, else 0 after storing `row`."""
        keys, rows, mask = self._keys, self._rows, self._mask
        slot = key & mask
        while rows[slot]:
            if keys[slot] == key:
                return rows[slot]
            slot = (slot + 1) & mask
        keys[slot], rows[slot] = key, row
        return 0

    def first(self, doc_id: str, row: int) -> int:
        """The row in which `doc_id` came first, or 0 where it is new; then it is kept with `row` (from 1)."""
        found = self._put(hash(doc_id), row)
        if not found:
            self._size += 1
            if self._size * 3 > (self._mask + 1) * 2:
                self._grow()
        return found
