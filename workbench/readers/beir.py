"""The corpus of a test set's folder, as BEIR, MTEB or AIR-Bench lay it out; `layouts` says which files that are."""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from workbench.errors import BadInput
from workbench.readers.jsonl import JsonlReader
from workbench.readers.layouts import corpus_files
from workbench.readers.parquet import ParquetReader
from workbench.readers.records import Record, RecordReader
from workbench.readers.tables import TsvReader
from workbench.specs import ImportSpec
from workbench.types import SkippedRow

_READERS: dict[str, type[RecordReader]] = {".parquet": ParquetReader, ".tsv": TsvReader}


class BeirReader(RecordReader):
    """Documents of corpus.jsonl, or of a corpus in one or several Parquet or JSONL files, in the order of their names.

    Raises `BadInput` where the folder has no corpus.
    """

    name = "beir"
    needs_folder = True

    def __init__(self, path: Path, spec: ImportSpec) -> None:
        super().__init__(path, spec)
        files = corpus_files(path)
        for file in files:
            if file.stat().st_size == 0:
                raise BadInput(f"{file.name} is empty.", "Give a file that holds at least one document.")
        self._parts = [_READERS.get(file.suffix.lower(), JsonlReader)(file, spec) for file in files]
        self._starts: list[int] = [0]
        # Images are relative to the corpus file, and messages name it.
        self.path = files[0]

    def sources(self) -> list[Path]:
        return [part.path for part in self._parts]

    @cached_property
    def names(self) -> list[str]:
        return list(dict.fromkeys(name for part in self._parts for name in part.names))

    @property
    def warnings(self) -> list[str]:
        told = [each for part in self._parts for each in part.warnings]
        return list(dict.fromkeys([*told, *super().warnings]))

    def where(self, at: int) -> str:
        """The row's place in its file; the file's name too where there are several."""
        number = bisect_right(self._starts, at - 1) - 1
        part = self._parts[number]
        place = part.where(at - self._starts[number])
        return place if len(self._parts) == 1 else f"{part.path.name} {place}"

    def _records(self) -> Iterator[Record | SkippedRow]:
        self.at, self.done, self._starts = 0, 0, [0]
        self.total = sum(part.path.stat().st_size for part in self._parts)
        finished = rows = 0
        for part in self._parts:
            size = part.path.stat().st_size
            for record in part._records():
                self.at = rows + part.at
                self.done = finished + size * part.done // max(part.total, 1)
                yield SkippedRow(self.where(self.at), record.reason) if isinstance(record, SkippedRow) else record
            finished, rows = finished + size, rows + part.at
            self._starts.append(rows)
