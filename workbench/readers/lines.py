"""Lines of a text file as bytes: numbered, of bounded length, with the format's common troubles named."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import BadInput
from workbench.readers.base import TEXT_LIMIT

LINE_LIMIT = 6 * TEXT_LIMIT + 2**20
"""Longest line in bytes: a text at its limit, every character escaped."""
_OTHER = {
    codecs.BOM_UTF16_LE: "is UTF-16 text",
    codecs.BOM_UTF16_BE: "is UTF-16 text",
    b"\x1f\x8b": "is compressed (gzip)",
    b"PK\x03\x04": "is a zip archive or a spreadsheet",
    b"\x28\xb5\x2f\xfd": "is compressed (zstd)",
    b"BZh": "is compressed (bzip2)",
    b"PAR1": "is a Parquet file",
}


def read_lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """(bytes of this line, the line without a byte order mark, or None where it is longer than `LINE_LIMIT`).

    Raises `BadInput` where the file is not UTF-8 text at all: UTF-16, compressed.
    """
    with path.open("rb") as handle:
        first = handle.readline(LINE_LIMIT)
        for mark, what in _OTHER.items():
            if first.startswith(mark):
                raise BadInput(f"“{path.name}” {what}.", "Unpack it or save it as UTF-8 text, then try again.")
        line = first
        bom = len(codecs.BOM_UTF8) if first.startswith(codecs.BOM_UTF8) else 0
        while line:
            size = len(line)
            if size >= LINE_LIMIT and not line.endswith(b"\n"):
                while (rest := handle.readline(LINE_LIMIT)) and not rest.endswith(b"\n"):
                    size += len(rest)
                yield size + len(rest), None
            else:
                yield size, line[bom:] if bom else line
            bom = 0
            line = handle.readline(LINE_LIMIT)
