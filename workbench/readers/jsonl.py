"""JSON Lines: one object a line."""

import json
from collections.abc import Iterator
from typing import Any

from workbench.errors import BadInput
from workbench.readers.base import shorten
from workbench.readers.lines import LINE_LIMIT, read_lines
from workbench.readers.records import Record, RecordReader
from workbench.types import SkippedRow


class JsonlReader(RecordReader):
    """JSON Lines in UTF-8; a row that is not UTF-8 or not an object is skipped. BEIR's `metadata` object is unfolded.

    Raises `BadInput` on a file that is one JSON array.
    """

    name = "jsonl"

    def _records(self) -> Iterator[Record | SkippedRow]:
        self.at, self.done, self.total = 0, 0, self.path.stat().st_size
        decode = json.JSONDecoder().decode
        for size, raw in read_lines(self.path):
            self.at += 1
            self.done += size
            if raw is None:
                yield SkippedRow(self.where(self.at), f"the line has more than {LINE_LIMIT:,} bytes")
                continue
            try:
                record = decode(raw.decode())
            except (ValueError, RecursionError) as error:
                if raw.strip():
                    self._refuse_array(raw)
                    yield SkippedRow(self.where(self.at), _reason(error))
                continue
            if type(record) is not dict:
                self._refuse_array(raw)
                yield SkippedRow(self.where(self.at), f"the line is not a JSON object but {shorten(repr(record))}")
                continue
            yield _unfolded(record) if type(record.get("metadata")) is dict else record

    def _refuse_array(self, raw: bytes) -> None:
        if self.at == 1 and raw.lstrip().startswith(b"["):
            raise BadInput(
                f"“{self.path.name}” is one JSON array.", "Write one object a line (JSON Lines), then try again."
            )


def _unfolded(record: dict[str, Any]) -> Record:
    """The record with the entries of its `metadata` object as columns; its own columns win."""
    own = {name: value for name, value in record.items() if name != "metadata"}
    return {**record["metadata"], **own}


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"the line is not valid UTF-8 (byte {error.start + 1}); save the file as UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"the line is not valid JSON: {error.msg} (column {error.colno})"
    return "the line is not valid JSON: nested too deeply or a number too long"
