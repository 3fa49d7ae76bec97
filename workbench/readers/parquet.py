"""Parquet, streamed by record batches."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import BadInput
from workbench.readers.records import Record, RecordReader
from workbench.specs import ImportSpec
from workbench.types import SkippedRow

BATCH_ROWS = 512


class ParquetReader(RecordReader):
    """One Parquet file. Columns of bytes are left out with a warning. Raises `BadInput` on a damaged file."""

    name = "parquet"
    unit = "row"

    def __init__(self, path: Path, spec: ImportSpec) -> None:
        super().__init__(path, spec)
        try:
            with pq.ParquetFile(path) as file:
                self._schema: pa.Schema = file.schema_arrow
                self._rows: int = file.metadata.num_rows
        except (OSError, pa.ArrowException) as error:
            raise BadInput(
                f"“{path.name}” cannot be read as Parquet: {_first_line(error)}.", "Write it again."
            ) from error
        for field in self._schema:
            if field.name not in self.names:
                self.warn(f"The column “{field.name}” holds bytes ({field.type}) and was left out.")

    @cached_property
    def names(self) -> list[str]:
        return [field.name for field in self._schema if not _holds_bytes(field.type)]

    def _records(self) -> Iterator[Record | SkippedRow]:
        self.at, self.done, self.total = 0, 0, self._rows
        try:
            with pq.ParquetFile(self.path, pre_buffer=False) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=self.names):
                    for record in _as_records(batch):
                        self.at += 1
                        self.done = self.at
                        yield SkippedRow(self.where(self.at), record) if isinstance(record, str) else record
        except (OSError, pa.ArrowException) as error:
            raise BadInput(
                f"“{self.path.name}” is damaged after row {self.at:,}: {_first_line(error)}.", "Write it again."
            ) from error


def _as_records(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | str]:
    """The rows of a batch; for one that does not convert (bytes that are not UTF-8, dates out of range) the reason."""
    try:
        yield from batch.to_pylist()
    except ValueError:
        for number in range(batch.num_rows):
            try:
                yield batch.slice(number, 1).to_pylist()[0]
            except UnicodeDecodeError:
                yield "the text is not valid UTF-8"
            except ValueError as error:
                yield f"a value cannot be converted: {_first_line(error)}"


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(_holds_bytes(field.type) for field in kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_bytes(kind.value_type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
