"""Readers of tables: rows of named values become documents by a mapping that is guessed and can be changed."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.readers.base import Reader, shorten
from workbench.readers.columns import Column, Fields, as_scalar, clean_name, guess_fields, kind_of
from workbench.specs import NO_COLUMN, ImportSpec
from workbench.types import Document, Scalar, SkippedRow

Record = Mapping[str, Any]
SAMPLE_ROWS = 200
SAMPLE_SIZE = 16 * 2**20
"""Characters in the sample: rows may be of 10 MB each."""
LOOK_AT_ROWS = 100_000
"""Rows that are looked at for a sample, where many are unsound."""
_PLAIN = frozenset((str, bool, type(None)))


class RecordReader(Reader):
    """A reader whose source is a table. A format writes `_records`, `sources`, and sets `at` and `done` in it."""

    @abstractmethod
    def _records(self) -> Iterator[Record | SkippedRow]:
        """Rows in source order."""

    def sources(self) -> list[Path]:
        return [self.path]

    @cached_property
    def _sample(self) -> list[Record]:
        rows: list[Record] = []
        size = 0
        for row in islice(self._records(), LOOK_AT_ROWS):
            if not isinstance(row, SkippedRow):
                rows.append(row)
                size += sum(len(value) for value in row.values() if isinstance(value, str))
            if len(rows) == SAMPLE_ROWS or size > SAMPLE_SIZE:
                break
        self.at = self.done = 0
        return rows

    @cached_property
    def names(self) -> list[str]:
        """Names of the columns in the sample, in order of appearance."""
        return list(dict.fromkeys(name for row in self._sample for name in row))

    def columns(self) -> list[Column]:
        found = []
        for name in self.names:
            values = [row[name] for row in self._sample if row.get(name) is not None]
            kind = kind_of(type(as_scalar(value)) for value in values) if values else "text"
            found.append(Column(name, kind, shorten(str(as_scalar(values[0])), 100) if values else ""))
        return found

    @cached_property
    def fields(self) -> Fields:
        """The columns that hold id, text, title and image: as the spec says, else guessed.

        Raises `BadInput` where the spec names a column that is not there, or none can be the text.
        """
        spec = self.spec
        named = (spec.id_field, spec.text_field, spec.title_field, spec.image_field, *(spec.metadata_fields or ()))
        for name in set(named) - {"", NO_COLUMN}:
            if self.names and name not in self.names:
                raise BadInput(f"“{self.path.name}” has no column “{name}”.", f"Columns: {', '.join(self.names)}.")
        taken = set(named[:4])
        guessed = guess_fields([name for name in self.names if name not in taken], self._sample)
        fields = Fields(
            chosen(spec.id_field, guessed.id),
            chosen(spec.text_field, guessed.text),
            chosen(spec.title_field, guessed.title),
            chosen(spec.image_field, guessed.image),
        )
        if self._sample and not self.allows_empty and not (fields.text or fields.title or fields.image):
            raise BadInput(
                f"“{self.path.name}” has no column that could be the text.",
                f"Choose the text column; there are: {', '.join(self.names)}.",
            )
        return fields

    def mapping(self) -> ImportSpec:
        fields = self.fields
        return replace(
            super().mapping(),
            id_field=fields.id or NO_COLUMN,
            text_field=fields.text or NO_COLUMN,
            title_field=fields.title or NO_COLUMN,
            image_field=fields.image or NO_COLUMN,
        )

    def _read(self) -> Iterator[Document | SkippedRow]:
        fields = self.fields
        kept = self.spec.metadata_fields
        used = {fields.id, fields.text, fields.title, fields.image}
        names: dict[str, str] = {}
        scalar = self._scalar
        for record in self._records():
            if isinstance(record, SkippedRow):
                yield record
                continue
            key = str(self.at) if fields.id is None else self._key(record.get(fields.id))
            if key is None:
                yield SkippedRow(self.where(self.at), f"the field “{fields.id}” holds no id")
                continue
            metadata: dict[str, Scalar] = {}
            for name, value in record.items():
                if name in used or (kept is not None and name not in kept):
                    continue
                clean = names.get(name) or names.setdefault(name, clean_name(name))
                metadata[clean] = scalar(name, value)
            image: str | None = None
            if fields.image is not None and record.get(fields.image):
                image, reason = self._image(record[fields.image])
                if reason:
                    yield SkippedRow(self.where(self.at), reason)
                    continue
            title = self._text(record.get(fields.title)) if fields.title else ""
            text = self._text(record.get(fields.text)) if fields.text else ""
            yield Document(key, text, title, image, metadata)

    def _scalar(self, name: str, value: Any) -> Scalar:
        """A metadata value as it is stored."""
        return value if type(value) in _PLAIN else as_scalar(value)

    @staticmethod
    def _key(value: Any) -> str | None:
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None

    @staticmethod
    def _text(value: Any) -> str:
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return "\n".join(value)
        return json.dumps(value, ensure_ascii=False, default=str)

    def _image(self, value: Any) -> tuple[str | None, str]:
        """The image's path as text and why it cannot be used ("" where it can)."""
        if not isinstance(value, str):
            return None, "the image is not a path"
        return inside(self.path.parent, value)


def inside(folder: Path, name: str) -> tuple[str | None, str]:
    """The path of file `name` below `folder`, and why it is refused: outside of the folder, or not there."""
    root = folder.resolve()
    try:
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            return None, f"the image “{shorten(name)}” lies outside of the folder “{root.name}”"
        if not path.is_file():
            return None, f"there is no image “{shorten(name)}” in the folder “{root.name}”"
    except (OSError, ValueError):
        # A name that no file system takes: too long, or with a NUL.
        return None, f"“{shorten(name)}” cannot be the path of an image"
    return str(path), ""


def chosen(name: str, guessed: str | None) -> str | None:
    """The column of a role: the one named, none where `NO_COLUMN` is named, else the guess."""
    return None if name == NO_COLUMN else name or guessed
