"""Ready-made vectors: .npy arrays with the documents' ids, or whole documents, in a file beside them."""

import json
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.readers.base import Reader
from workbench.readers.columns import Column
from workbench.readers.jsonl import JsonlReader
from workbench.readers.lines import read_lines
from workbench.readers.records import RecordReader
from workbench.readers.tables import CsvReader, TsvReader
from workbench.specs import ImportSpec
from workbench.types import Document, Progress, SkippedRow, no_progress

_TABLES: dict[str, type[RecordReader]] = {".jsonl": JsonlReader, ".csv": CsvReader, ".tsv": TsvReader}
_LISTS = (".txt", ".json")
_BLOCK = 16384


class VectorsReader(Reader):
    """Row *i* of the array belongs to document *i* of the file beside it.

    `path` is one .npy file, or a folder with one or more (taken in the order of their names). The documents stand in
    NAME.ids.txt, NAME.txt, ids.txt or documents.txt (an id a line; for .json a list; .jsonl, .csv and .tsv have
    columns and may bring texts), where NAME.npy is the array. Raises `BadInput` where the two do not fit together, a
    value is NaN or infinite, the arrays differ in dimension, or an array holds Python objects (pickle).
    """

    name = "vectors"
    unit = "row"
    brings_vectors = True

    def __init__(self, path: Path, spec: ImportSpec) -> None:
        super().__init__(path, spec, allows_empty=True)
        files = sorted(path.glob("*.npy")) if path.is_dir() else [path]
        if not files:
            raise BadInput(f"The folder “{path.name}” has no .npy file.", "Give the folder or the file of the vectors.")
        self._files = files
        self._parts = [open_array(file) for file in files]
        self._check_dimensions()
        self._starts = np.cumsum([0] + [len(part) for part in self._parts])
        self._ids = self._find_ids()
        self._table = self._open_table()
        self._kept = array("q")

    @property
    def dim(self) -> int:
        return int(self._parts[0].shape[1])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def _check_path(self) -> None:
        if not self.path.is_dir():
            super()._check_path()

    def _check_dimensions(self) -> None:
        for file, part in zip(self._files, self._parts, strict=True):
            if part.shape[1] != self.dim:
                raise BadInput(
                    f"“{file.name}” has vectors of {part.shape[1]} values, “{self._files[0].name}” of {self.dim}.",
                    "All vectors of a corpus must have the same dimension.",
                )

    def _find_ids(self) -> Path:
        folder = self._files[0].parent
        stems = [f"{self._files[0].stem}.ids", self._files[0].stem, "ids", "documents", "corpus", "texts"]
        for stem in stems:
            for suffix in (*_LISTS, *_TABLES):
                if (folder / f"{stem}{suffix}").is_file():
                    return folder / f"{stem}{suffix}"
        raise BadInput(
            f"There is no file with the documents' ids beside “{self._files[0].name}”.",
            f"Put {self._files[0].stem}.ids.txt there, one id a line, or {self._files[0].stem}.jsonl with the texts.",
        )

    def _open_table(self) -> RecordReader | None:
        suffix = self._ids.suffix.lower()
        if suffix in _TABLES:
            return _TABLES[suffix](self._ids, replace(self.spec, reader=""), allows_empty=True)
        self._refuse_fields()
        return None

    def sources(self) -> list[Path]:
        return [*self._files, self._ids]

    def columns(self) -> list[Column]:
        return self._table.columns() if self._table else [Column("id", "text", "")]

    def mapping(self) -> ImportSpec:
        return replace(self._table.mapping() if self._table else self.spec, reader=self.name)

    def check(self, progress: Progress = no_progress) -> None:
        """Read everything once: as many documents as vectors, and each value finite in float32."""
        rows = sum(1 for _ in (self._table._records() if self._table else self._listed()))
        if rows != len(self):
            raise self._mismatch(f"{rows:,}")
        for file, part in zip(self._files, self._parts, strict=True):
            for start in range(0, len(part), _BLOCK):
                progress(0, len(self))
                bad = np.flatnonzero(~np.isfinite(_float32(part[start : start + _BLOCK])).all(axis=1))
                if bad.size:
                    raise BadInput(
                        f"“{file.name}” holds NaN or infinite values, first in row {start + int(bad[0]) + 1:,}.",
                        "Encode these documents again, or leave them out.",
                    )

    def _mismatch(self, rows: str) -> BadInput:
        return BadInput(
            f"“{self._ids.name}” names {rows} documents, but there are {len(self):,} vectors.",
            "Row i of the vectors must belong to document i.",
        )

    def _read(self) -> Iterator[Document | SkippedRow]:
        self.at, self.done, self.total = 0, 0, len(self)
        self._kept = array("q")
        for item in self._table._read() if self._table else self._listed():
            self.at += 1
            self.done = self.at
            if self.at > len(self):
                raise self._mismatch(f"more than {len(self):,}")
            yield item
        if self.at < len(self):
            raise self._mismatch(f"{self.at:,}")

    def _listed(self) -> Iterator[Document | SkippedRow]:
        """Documents that are no more than an id."""
        if self._ids.suffix.lower() == ".json":
            for value in _json_list(self._ids):
                yield Document("" if isinstance(value, bool) else str(value).strip())
            return
        for number, (_, raw) in enumerate(read_lines(self._ids), 1):
            try:
                yield Document((raw or b"").decode().strip())
            except UnicodeDecodeError:
                yield SkippedRow(f"line {number}", "the id is not valid UTF-8")

    def _accept(self, document: Document) -> None:
        self._kept.append(self.at - 1)

    def vectors(self, rows: int) -> Iterator[NDArray[np.float32]]:
        """(m, d) float32 blocks of at most `rows`, for the documents that `read` has handed on, in their order."""
        kept = np.frombuffer(self._kept, dtype=np.int64) if self._kept else np.empty(0, np.int64)
        for start in range(0, kept.size, rows):
            wanted = kept[start : start + rows]
            block = np.empty((wanted.size, self.dim), np.float32)
            owner = np.searchsorted(self._starts, wanted, side="right") - 1
            for number in np.unique(owner):
                chosen = owner == number
                block[chosen] = _float32(self._parts[number][wanted[chosen] - self._starts[number]])
            yield block


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    # A float64 beyond float32's range becomes infinite here, which `check` refuses.
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32)


def _json_list(path: Path) -> list[str | int]:
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadInput(f"“{path.name}” is not valid JSON.", "It must be a list of ids.") from error
    if not isinstance(values, list) or not all(isinstance(value, str | int) for value in values):
        raise BadInput(f"“{path.name}” is not a list of ids.", 'For example ["a", "b"].')
    return values


def open_array(path: Path) -> NDArray[Any]:
    """A (n, d) array of numbers, memory-mapped. Raises `BadInput` on pickled objects, damage, another shape."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        objects = "object" in str(error).lower() or "pickle" in str(error).lower()
        what = (
            "holds Python objects, which can run code when they are loaded" if objects else "is not a sound .npy file"
        )
        raise BadInput(f"“{path.name}” {what}.", "Save a plain float array with numpy.save.") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "fiu" or not values.size:
        shape = getattr(values, "shape", ())
        kind = getattr(values, "dtype", "unknown")
        raise BadInput(
            f"“{path.name}” has the shape {shape} and the type {kind}.",
            "It must be documents × dimensions, of numbers.",
        )
    return values
