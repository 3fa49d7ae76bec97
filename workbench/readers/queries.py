"""Queries and relevance judgments (qrels) from files in the usual formats."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.readers.base import SeenIds, is_unicode, refuse_id, shorten
from workbench.readers.jsonl import JsonlReader
from workbench.readers.lines import read_lines
from workbench.readers.records import Record, RecordReader, inside
from workbench.readers.tables import CsvReader, TsvReader
from workbench.specs import ImportSpec
from workbench.types import Qrel, Query, SkippedRow

QUERY_LIMIT = 100_000
"""Longest query in characters."""
_QUERY_IDS = ("_id", "id", "query_id", "query-id", "qid", "queryid", "topic", "number")
_QUERY_TEXTS = ("text", "query", "question", "query_text", "title", "content")
_QUERY_IMAGES = ("image", "image_path", "query_image", "file", "file_name")
_QREL_FIELDS = {
    "query": ("query-id", "query_id", "qid", "queryid", "query", "topic"),
    "document": ("corpus-id", "corpus_id", "doc_id", "doc-id", "docid", "document_id", "docno", "pid", "document"),
    "relevance": ("score", "relevance", "rel", "label", "grade"),
}


class _QueryTsv(TsvReader):
    """Query ids are often words, so only a known name makes the first line a header."""

    def _is_header(self, cells: list[str]) -> bool:
        return any(cell.strip().lower() in (*_QUERY_IDS, *_QUERY_TEXTS) for cell in cells)


_READERS: dict[str, type[RecordReader]] = {
    ".jsonl": JsonlReader,
    ".ndjson": JsonlReader,
    ".json": JsonlReader,
    ".csv": CsvReader,
    ".tsv": _QueryTsv,
    ".tab": _QueryTsv,
    ".txt": _QueryTsv,
}


def queries_file(path: Path) -> Path:
    """`path` itself, or queries.jsonl of a BEIR folder. Raises `BadInput`."""
    found = path / "queries.jsonl" if path.is_dir() else path
    if not found.is_file():
        what = f"The folder “{path.name}” has no queries.jsonl." if path.is_dir() else f"There is no file “{path}”."
        raise BadInput(what, "Give a JSONL, TSV or CSV file of queries, or the folder of a BEIR data set.")
    if found.stat().st_size == 0:
        raise BadInput(f"“{found.name}” is empty.", "Give a file that holds at least one query.")
    return found


def qrels_file(path: Path) -> Path | None:
    """`path` itself, or of a BEIR folder qrels/test.tsv, else dev, else train, else the first; None: it has none.

    Raises `BadInput` where `path` is not there.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise BadInput(f"There is no file “{path}”.", "Give a TREC, TSV or JSONL file of judgments.")
    folder = path / "qrels" if (path / "qrels").is_dir() else path
    files = {file.stem: file for file in sorted(folder.glob("*.tsv")) if file.parent.name == "qrels"}
    for split in ("test", "dev", "validation", "train"):
        if split in files:
            return files[split]
    return next(iter(files.values()), None)


def read_queries(*paths: Path) -> Iterator[Query | SkippedRow]:
    """Queries of JSONL (BEIR), TSV (id, text; with or without a header), CSV or Parquet files, or of a BEIR folder.

    Rows without id or text, and ids used before, come out as skipped. Raises `BadInput` on a file as a whole.
    """
    seen, before = SeenIds(), 0
    for path in paths:
        reader = _open(queries_file(path))
        unnamed = tuple(reader.names[:2]) if reader.names[:1] == ["column 1"] else ()
        for record in reader._records():
            if isinstance(record, SkippedRow):
                yield record
                continue
            query, reason = _query(reader.path.parent, record, unnamed)
            if not reason and (first := seen.first(query.query_id, before + reader.at)):
                place = reader.where(first - before) if first > before else "another file"
                reason = f"the id “{shorten(query.query_id)}” was used before, in {place}"
            yield SkippedRow(reader.where(reader.at), reason) if reason else query
        before += reader.at


def columns_of(path: Path) -> list[str]:
    """The columns of a file of queries, from its first rows. Raises `BadInput`."""
    return list(_open(path).names)


def _open(path: Path) -> RecordReader:
    if path.suffix.lower() == ".parquet":
        return _open_parquet(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise BadInput(f"“{path.name}” is of no known format.", f"Known: {', '.join(_READERS)}, .parquet.")
    return reader(path, ImportSpec())


def _open_parquet(path: Path) -> RecordReader:
    # Imported here: the app starts without pyarrow.
    from workbench.readers.parquet import ParquetReader

    return ParquetReader(path, ImportSpec())


def _query(folder: Path, record: Record, unnamed: tuple[str, ...]) -> tuple[Query, str]:
    """The query in a row, and why the row must be skipped. `unnamed`: the columns of a table without a header."""
    key = _value(record, unnamed[:1] or _QUERY_IDS)
    text = _value(record, unnamed[1:] or _QUERY_TEXTS)
    image = _value(record, _QUERY_IMAGES)
    found = str(key).strip() if isinstance(key, str | int) and not isinstance(key, bool) else ""
    words = text.replace("\0", "").strip() if isinstance(text, str) else ""
    if reason := refuse_id(found):
        return Query(""), reason
    if not words and not image:
        return Query(""), "the query has no text"
    if len(words) > QUERY_LIMIT:
        return Query(""), f"the query has {len(words):,} characters; the limit is {QUERY_LIMIT:,}"
    if not is_unicode(words):
        return Query(""), "the query is not valid UTF-8"
    place, reason = inside(folder, image) if isinstance(image, str) else (None, "")
    return Query(found, words, place), reason


def _value(record: Record, names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


@dataclass(frozen=True, slots=True)
class _Row:
    query: Any
    document: Any
    relevance: Any


def read_qrels(*paths: Path) -> Iterator[Qrel | SkippedRow]:
    """Judgments of TREC files (query 0 document relevance), BEIR's or other TSV, JSONL (told apart by line 1), Parquet.

    A relevance that is not a whole number, and a pair judged before, come out as skipped.
    """
    seen, rows = SeenIds(), 0
    for path in paths:
        file = qrels_file(path)
        if file is None or file.stat().st_size == 0:
            raise BadInput(
                f"“{path.name}” holds no judgments.", "Give a TREC, TSV, JSONL or Parquet file of judgments."
            )
        for where, row in _parquet_rows(file) if file.suffix.lower() == ".parquet" else _qrel_rows(file):
            rows += 1
            qrel, reason = (None, row) if isinstance(row, str) else _qrel(row)
            if qrel is not None and seen.first(f"{qrel.query_id}\0{qrel.doc_id}", rows):
                reason = "this pair was judged before in the file"
            if qrel is None or reason:
                yield SkippedRow(where, reason)
            else:
                yield qrel


def _parquet_rows(file: Path) -> Iterator[tuple[str, "_Row | str"]]:
    reader = _open_parquet(file)
    missing = [what for what, names in _QREL_FIELDS.items() if not set(names) & set(reader.names)]
    if missing:
        raise BadInput(
            f"“{file.name}” has no column for the {missing[0]} of a judgment; it has {', '.join(reader.names)}.",
            "Judgments have the columns query-id, corpus-id and score.",
        )
    for record in reader._records():
        row: _Row | str = record.reason if isinstance(record, SkippedRow) else _row(record)
        yield reader.where(reader.at), row


def _qrel_rows(file: Path) -> Iterator[tuple[str, "_Row | str"]]:
    order: tuple[int, int, int] | None = None
    for number, (_, raw) in enumerate(read_lines(file), 1):
        where = f"line {number}"
        try:
            line = "" if raw is None else raw.decode().strip("\r\n ")
        except UnicodeDecodeError:
            yield where, "the line is not valid UTF-8"
            continue
        if not line:
            continue
        if line.startswith("{"):
            yield where, _json_row(line)
            continue
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
        if order is None:
            order, is_header = _column_order(file, cells)
            if is_header:
                continue
        if len(cells) <= max(order):
            yield where, f"the line has {len(cells)} columns; it needs {max(order) + 1}"
        else:
            yield where, _Row(*(cells[place] for place in order))


def _column_order(file: Path, cells: list[str]) -> tuple[tuple[int, int, int], bool]:
    """(places of query, document and relevance; whether `cells` is a header)."""
    lowered = [cell.lower() for cell in cells]
    places = [next((lowered.index(n) for n in names if n in lowered), -1) for names in _QREL_FIELDS.values()]
    if min(places) >= 0:
        return (places[0], places[1], places[2]), True
    if len(cells) == 4:
        return (0, 2, 3), False
    if len(cells) == 3:
        return (0, 1, 2), False
    raise BadInput(
        f"The first line of “{file.name}” has {len(cells)} columns.",
        "Judgments are “query 0 document relevance” (TREC) or “query-id, corpus-id, score” with tabs (BEIR).",
    )


def _json_row(line: str) -> "_Row | str":
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return "the line is not valid JSON"
    if not isinstance(record, Mapping):
        return "the line is not a JSON object"
    return _row(record)


def _row(record: Record) -> "_Row":
    return _Row(*(_value(record, names) for names in _QREL_FIELDS.values()))


def _qrel(row: _Row) -> tuple[Qrel | None, str]:
    query, document = (str(each).strip() if isinstance(each, str | int) else "" for each in (row.query, row.document))
    if reason := refuse_id(query) or refuse_id(document):
        return None, reason
    try:
        value = float(row.relevance)
        if value.is_integer() and abs(value) < 2**31:
            return Qrel(query, document, int(value)), ""
    except (TypeError, ValueError, OverflowError):
        pass
    return None, f"the relevance “{shorten(str(row.relevance))}” is not a whole number"
