"""CSV and TSV in UTF-8."""

import csv
import re
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

from workbench.errors import BadInput
from workbench.readers.base import TEXT_LIMIT, shorten
from workbench.readers.columns import KIND_ORDER, KNOWN_NAMES, Column, Kind, clean_name, parse_cell, text_kinds
from workbench.readers.lines import LINE_LIMIT, read_lines
from workbench.readers.records import SAMPLE_ROWS, Record, RecordReader
from workbench.specs import ImportSpec
from workbench.types import Document, Progress, Scalar, SkippedRow, no_progress

_NAME = re.compile(r"[^\W\d][\w.-]{0,39}")
_TOO_LONG = f"the line has more than {LINE_LIMIT:,} bytes"


class TableReader(RecordReader):
    """Rows of cells under a header. Cells are typed by their whole column, so a file is read twice.

    A row with another number of cells than the header is skipped; an empty cell is None; blank lines do not count.
    """

    def __init__(self, path: Path, spec: ImportSpec, *, allows_empty: bool = False) -> None:
        super().__init__(path, spec, allows_empty=allows_empty)
        self._kinds: dict[str, Kind] = {}

    @abstractmethod
    def _cells(self) -> Iterator[list[str] | SkippedRow]:
        """Rows, the header included; sets `at` to the line a row begins in, and `done`."""

    def _is_header(self, cells: list[str]) -> bool:
        return True

    def _begin(self) -> None:
        self.at, self.done, self.total = 0, 0, self.path.stat().st_size

    @cached_property
    def _first(self) -> list[str]:
        first = next(self._cells(), None)
        if not isinstance(first, list):
            reason = f": {first.reason}" if first else ""
            raise BadInput(f"The first line of “{self.path.name}” cannot be read{reason}.", "It must name the columns.")
        return first

    @cached_property
    def names(self) -> list[str]:
        names: list[str] = []
        has_header = self._is_header(self._first)
        for number, cell in enumerate(self._first, 1):
            name = clean_name(cell) if has_header and cell.strip() else f"column {number}"
            names.append(name if name not in names else f"{name} ({number})")
        return names

    def _rows(self) -> Iterator[list[str] | SkippedRow]:
        width, has_header = len(self.names), self._is_header(self._first)
        cells = self._cells()
        if has_header:
            next(cells)
        for row in cells:
            if isinstance(row, SkippedRow) or len(row) == width:
                yield row
            else:
                count = "1 cell" if len(row) == 1 else f"{len(row)} cells"
                yield SkippedRow(self.where(self.at), f"the row has {count} where the header has {width}")

    def _records(self) -> Iterator[Record | SkippedRow]:
        names = self.names
        for row in self._rows():
            yield row if isinstance(row, SkippedRow) else {n: c or None for n, c in zip(names, row, strict=True)}

    def _find_kinds(self, limit: int | None, progress: Progress = no_progress) -> dict[str, Kind]:
        """The narrowest kind that fits every cell of each column, in the first `limit` rows or all."""
        possible: list[frozenset[Kind]] = [frozenset(KIND_ORDER)] * len(self.names)
        undecided = list(range(len(possible)))
        filled = [False] * len(possible)
        for count, row in enumerate(islice(self._rows(), limit)):
            if count % 1000 == 0:
                progress(0, self.total)
            if isinstance(row, SkippedRow):
                continue
            for number in undecided:
                if cell := row[number].strip():
                    filled[number] = True
                    possible[number] &= text_kinds(cell)
            undecided = [number for number in undecided if len(possible[number]) > 1]
            if not undecided:
                break
        kinds: list[Kind] = [next(kind for kind in KIND_ORDER if kind in each) for each in possible]
        return {n: k if full else "text" for n, k, full in zip(self.names, kinds, filled, strict=True)}

    def check(self, progress: Progress = no_progress) -> None:
        """Find the columns' kinds, so that `read` has not to."""
        self._kinds = self._find_kinds(None, progress)

    def _read(self) -> Iterator[Document | SkippedRow]:
        self._kinds = self._kinds or self._find_kinds(self.limit)
        yield from super()._read()

    def _scalar(self, name: str, value: str | None) -> Scalar:
        return None if value is None else parse_cell(value, self._kinds[name])

    def columns(self) -> list[Column]:
        kinds = self._find_kinds(SAMPLE_ROWS)
        examples = {n: next((row[n] for row in self._sample if row[n]), "") for n in self.names}
        return [Column(name, kinds[name], shorten(examples[name], 100)) for name in self.names]


class CsvReader(TableReader):
    """Comma-separated (or ; or | or tab, whichever the header line has most), quoted with ", a header in row 1."""

    name = "csv"

    @cached_property
    def _delimiter(self) -> str:
        _, line = next(read_lines(self.path))
        return max(",;|\t", key=lambda mark: (line or b"").count(mark.encode()))

    def _cells(self) -> Iterator[list[str] | SkippedRow]:
        self._begin()
        # The csv module has one limit for the whole process; `read` checks each text against ours.
        csv.field_size_limit(max(csv.field_size_limit(), 2 * TEXT_LIMIT))
        too_long: list[bool] = []
        reader = csv.reader(self._decoded(too_long), delimiter=self._delimiter)
        while True:
            self.at = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield SkippedRow(self.where(self.at), f"the row is not valid CSV: {error}")
                continue
            if too_long:
                too_long.clear()
                yield SkippedRow(self.where(self.at), _TOO_LONG)
            elif cells:
                yield cells

    def _decoded(self, too_long: list[bool]) -> Iterator[str]:
        """Lines as text; bytes that are not UTF-8 stay in it as lone surrogates, for which `read` skips the row."""
        for size, raw in read_lines(self.path):
            self.done += size
            if raw is None:
                too_long.append(True)
            yield "\n" if raw is None else raw.decode("utf-8", "surrogateescape")


class TsvReader(TableReader):
    """Tab-separated, one row a line: quotes are text, but a cell that is quoted as a whole is unquoted.

    The first line is a header unless a cell is a number, empty or repeated (MS MARCO has none), and it has a name that
    is known, such as id or text, or only single words.
    """

    name = "tsv"

    def _is_header(self, cells: list[str]) -> bool:
        names = [cell.strip().lower() for cell in cells]
        if len(set(names)) < len(names) or not all(name and text_kinds(name) == {"text"} for name in names):
            return False
        return any(name in KNOWN_NAMES for name in names) or all(map(_NAME.fullmatch, names))

    def _cells(self) -> Iterator[list[str] | SkippedRow]:
        self._begin()
        for size, raw in read_lines(self.path):
            self.at += 1
            self.done += size
            if raw is None:
                yield SkippedRow(self.where(self.at), _TOO_LONG)
            elif raw.strip(b"\r\n"):
                line = raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
                yield [_unquoted(cell) for cell in line.split("\t")]


def _unquoted(cell: str) -> str:
    whole = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if whole else cell
