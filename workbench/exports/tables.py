"""Rows → a CSV, JSONL or Parquet file, block by block; nothing of it is there until it is whole."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from workbench.errors import BadInput
from workbench.exports.staged import staged

Value = str | int | float | bool | list[str] | list[int] | list[float] | None
Row = Sequence[Value]
CSV_SAFETY = (
    "A text that begins with = + - @, a tab or a line end, also after spaces, has a single quote (') before it, so "
    "that no spreadsheet runs it as a formula. Numbers are written as they are."
)
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


class TableWriter(Protocol):
    """Takes rows in the order of the columns."""

    def write(self, rows: Sequence[Row]) -> None: ...

    def close(self) -> None: ...


class CsvWriter:
    """RFC 4180, UTF-8, with a header; lists joined by “; ”; see `CSV_SAFETY`."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file)
        self._rows.writerow([harmless(name) for name in columns])

    def write(self, rows: Sequence[Row]) -> None:
        self._rows.writerows([[_cell(value) for value in row] for row in rows])

    def close(self) -> None:
        self._file.close()


class JsonlWriter:
    """One JSON object a line, UTF-8."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._names = list(columns)
        self._encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

    def write(self, rows: Sequence[Row]) -> None:
        self._file.write("".join(self._encode(dict(zip(self._names, row, strict=True))) + "\n" for row in rows))

    def close(self) -> None:
        self._file.close()


class ParquetWriter:
    """One row group a block; the columns' kinds become int64, float64, bool, string and lists of them."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(), "tags": pa.list_(pa.string())}
        kinds |= {"integers": pa.list_(pa.int64()), "numbers": pa.list_(pa.float64())}
        self._kinds = list(columns.values())
        self._schema = pa.schema([(name, kinds.get(kind, pa.string())) for name, kind in columns.items()])
        self._table = pa.Table.from_arrays
        self._array = pa.array
        self._writer = pq.ParquetWriter(path, self._schema)

    def write(self, rows: Sequence[Row]) -> None:
        arrays = []
        for number, (field, kind) in enumerate(zip(self._schema, self._kinds, strict=True)):
            values = [row[number] for row in rows]
            if kind == "number":
                values = [None if value is None else float(value) for value in values]  # type: ignore[arg-type]
            arrays.append(self._array(values, type=field.type))
        self._writer.write_table(self._table(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


FORMATS: Mapping[str, type[CsvWriter | JsonlWriter | ParquetWriter]] = {
    "csv": CsvWriter,
    "jsonl": JsonlWriter,
    "parquet": ParquetWriter,
}


@contextmanager
def table_writer(path: Path, format: str, columns: Mapping[str, str]) -> Iterator[TableWriter]:
    """A writer of `path`, which is replaced when the block ends and untouched where it fails.

    `columns`: name → integer, number, boolean, text, tags (texts), integers or numbers. Raises `BadInput` on the
    format, `WorkbenchError` where the disk refuses.
    """
    if format not in FORMATS:
        raise BadInput(f"Documents cannot be written as “{format[:40]}”.", f"Choose one of: {', '.join(FORMATS)}.")
    with staged(path.name) as files:
        writer = FORMATS[format](files.aside(path), columns)
        try:
            yield writer
        finally:
            writer.close()


def harmless(text: str) -> str:
    """`text` as a spreadsheet shows it and never runs it; see `CSV_SAFETY`."""
    if text[:1] in ("\t", "\r", "\n") or text.lstrip().startswith(_FORMULA):
        return f"'{text}"
    return text


def _cell(value: Value) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return harmless("; ".join(map(str, value)))
    return harmless(value) if isinstance(value, str) else value
