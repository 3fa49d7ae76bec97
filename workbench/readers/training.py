"""Training files → queries with their judged documents: FlagEmbedding, sentence-transformers, CSV, qrels.

A format is told by its columns. FlagEmbedding: `pos` and `neg`. sentence-transformers, where the order of the columns
counts: (anchor, document, label), (anchor, documents, labels), (anchor, positive, negative …). A flat table names
query, document and relevance, as `csv` exports do. Qrels (TREC, BEIR) hold ids only.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.readers.base import TEXT_LIMIT, is_unicode, refuse_id, shorten
from workbench.readers.jsonl import JsonlReader
from workbench.readers.parquet import ParquetReader
from workbench.readers.queries import QUERY_LIMIT, read_qrels
from workbench.readers.records import Record, RecordReader
from workbench.readers.tables import CsvReader
from workbench.specs import ImportSpec
from workbench.types import Query, SkippedRow, TrainingDocument, TrainingGroup

FORMATS = ("flagembedding", "flagembedding-reranker", "st-triplet", "st-ntuple", "st-pair", "st-list", "csv", "trec")
_TARGETS = ("label", "labels", "score", "scores")
_QUERY_IDS = ("query_id", "query-id", "qid")
_DOC_IDS = ("doc_id", "corpus-id", "corpus_id", "docid", "doc-id")
_GRADES = ("relevance", "score", "label", "grade")
_QRELS = (".qrels", ".qrel", ".trec")
_IMAGES = re.compile(r"(^|_)images?($|_)")
_READERS: dict[str, type[RecordReader]] = {
    ".jsonl": JsonlReader, ".ndjson": JsonlReader, ".json": JsonlReader, ".parquet": ParquetReader,
    ".pq": ParquetReader, ".csv": CsvReader,
}  # fmt: skip


class _Unfit(Exception):
    """Why a row is skipped."""


class TrainingReader:
    """One training file. `format` is the one named, else the one its columns show.

    `at` is the line of the row that came out last. Images are not read: `images` counts those that the rows so far
    name, in the columns `image_columns`. Raises `BadInput` where the file as a whole cannot be read or is of
    no known format.
    """

    def __init__(self, path: Path, format: str = "") -> None:
        if format and format not in FORMATS:
            raise BadInput(f"There is no training format “{format[:40]}”.", f"Choose one of: {', '.join(FORMATS)}.")
        self.path = path
        self.at = self.images = 0
        reader = None if path.is_dir() or format == "trec" else _READERS.get(path.suffix.lower())
        self._records = None if reader is None else reader(path, ImportSpec())
        self.format = format or ("trec" if self._records is None else _guess(self._records))
        self._parse = self._parser()
        names = [] if self._records is None else self._records.names
        self.image_columns = [name for name in names if _IMAGES.search(name.lower())]

    def read(self) -> Iterator[TrainingGroup | SkippedRow]:
        """The rows in order; one that is not sound comes out as skipped, with its line and the reason."""
        if self._records is None:
            for qrel in read_qrels(self.path):
                self.at += 1
                yield qrel if isinstance(qrel, SkippedRow) else _of_qrel(qrel.query_id, qrel.doc_id, qrel.relevance)
            return
        for record in self._records._records():
            self.at = self._records.at
            if isinstance(record, SkippedRow):
                yield record
                continue
            try:
                group = self._parse(record)
            except _Unfit as error:
                yield SkippedRow(self.where, str(error))
                continue
            self.images += sum([_named(record.get(name)) for name in self.image_columns])
            yield group

    @property
    def certain(self) -> bool:
        """Whether name and columns leave no doubt that this is a training file: any table may be read as one."""
        if self._records is None:
            return self.path.suffix.lower() in _QRELS
        names = self._records.names
        return not self.format.startswith("st-") or "anchor" in names or {"positive", "negative"} <= set(names)

    @property
    def progress(self) -> tuple[int, int]:
        """(bytes or rows read, of how many; 0: unknown)."""
        return (self.at, 0) if self._records is None else (self._records.done, self._records.total)

    @property
    def where(self) -> str:
        """The place of the row that came out last."""
        return f"line {self.at}" if self._records is None else self._records.where(self.at)

    def _parser(self) -> Callable[[Record], TrainingGroup]:
        names = [] if self._records is None else self._records.names
        if self.format.startswith("flagembedding"):
            return _flagembedding
        if self.format == "csv":
            return _flat
        inputs = [name for name in names if name not in _TARGETS]
        if self.format in ("st-pair", "st-list"):
            target = next((name for name in names if name in _TARGETS), None)
            if target is None or len(inputs) < 2:
                raise _no_format(self.path, names)
            return _labelled(inputs[0], inputs[1], target)
        if self.format in ("st-triplet", "st-ntuple"):
            if len(inputs) < 2:
                raise _no_format(self.path, names)
            return _tuple(inputs)
        return _flat


def _guess(records: RecordReader) -> str:
    names = records.names
    if "pos" in names or "neg" in names:
        reranker = "query_prompt" in names or "passage_prompt" in names
        return "flagembedding-reranker" if reranker else "flagembedding"
    has_query = any(name in names for name in ("query", *_QUERY_IDS))
    if has_query and any(name in names for name in _DOC_IDS) and any(name in names for name in _GRADES):
        return "csv"
    inputs = [name for name in names if name not in _TARGETS]
    targets = [name for name in names if name in _TARGETS]
    if len(inputs) == 2 and targets:
        first = next((row[targets[0]] for row in records._sample if row.get(targets[0]) is not None), None)
        return "st-list" if isinstance(first, list) else "st-pair"
    if len(inputs) >= 2 and not targets:
        return "st-triplet" if len(inputs) == 3 else "st-ntuple"
    raise _no_format(records.path, names)


def _no_format(path: Path, names: list[str]) -> BadInput:
    return BadInput(
        f"“{path.name}” is no training file that is known here; its columns are: {', '.join(names) or 'none'}.",
        "There must be query, pos and neg (FlagEmbedding); anchor, positive, negative …, or anchor, document and label "
        "(sentence-transformers); or query, doc_id and relevance.",
    )


def _of_qrel(query_id: str, doc_id: str, relevance: int) -> TrainingGroup:
    return _group(Query(query_id), [TrainingDocument(doc_id, "", relevance)])


def _group(query: Query, documents: list[TrainingDocument]) -> TrainingGroup:
    return TrainingGroup(
        query,
        tuple(each for each in documents if each.relevance > 0),
        tuple(each for each in documents if each.relevance <= 0),
    )


def _flagembedding(record: Record) -> TrainingGroup:
    query = _query(record.get("query"), record.get("query_id"))
    positives = _side(record, "pos", 1)
    negatives = _side(record, "neg", 0)
    if not positives and not negatives:
        raise _Unfit("the row has neither “pos” nor “neg”")
    return TrainingGroup(query, positives, negatives)


def _side(record: Record, name: str, relevance: int) -> tuple[TrainingDocument, ...]:
    """The documents in `pos` or `neg`, with their ids and scores."""
    texts = record.get(name)
    if texts is None:
        return ()
    if isinstance(texts, str):
        raise _Unfit(f"“{name}” is a text, not a list of texts: write [“…”]; trainers would take it letter by letter")
    if not isinstance(texts, list):
        raise _Unfit(f"“{name}” is not a list of texts")
    ids, scores = (_beside(record, f"{name}{end}", len(texts)) for end in ("_id", "_scores"))
    return tuple(
        # A document that is only a picture has no text; then its id must tell which one it is.
        TrainingDocument(
            _id(doc_id), "" if doc_id and text == "" else _text(text, name), relevance, not relevance, given
        )
        for text, doc_id, given in zip(texts, ids, map(_number, scores), strict=True)
    )


def _beside(record: Record, name: str, count: int) -> list[Any]:
    values = record.get(name)
    if values is None:
        return [None] * count
    if not isinstance(values, list) or len(values) != count:
        raise _Unfit(f"“{name}” does not have one entry for each text")
    return values


def _tuple(names: list[str]) -> Callable[[Record], TrainingGroup]:
    anchor, positive, *negatives = names

    def parse(record: Record) -> TrainingGroup:
        found = [TrainingDocument("", _text(record.get(positive), positive), 1)]
        found += [TrainingDocument("", _text(record.get(name), name), 0, True) for name in negatives]
        return _group(_query(record.get(anchor), None), found)

    return parse


def _labelled(anchor: str, documents: str, target: str) -> Callable[[Record], TrainingGroup]:
    def parse(record: Record) -> TrainingGroup:
        texts, labels = record.get(documents), record.get(target)
        if isinstance(labels, list) != isinstance(texts, list):
            raise _Unfit(f"“{documents}” and “{target}” must both be lists, or neither")
        texts, labels = (each if isinstance(each, list) else [each] for each in (texts, labels))
        if len(texts) != len(labels):
            raise _Unfit(f"“{documents}” has {len(texts)} entries and “{target}” {len(labels)}")
        pairs = zip(texts, labels, strict=True)
        found = [TrainingDocument("", _text(text, documents), _grade(label)) for text, label in pairs]
        return _group(_query(record.get(anchor), None), found)

    return parse


def _flat(record: Record) -> TrainingGroup:
    doc_id, grade = _first(record, _DOC_IDS), _first(record, _GRADES)
    text = record.get("text", record.get("document"))
    hard = str(record.get("hard_negative", "")).lower() == "true"
    if not doc_id and not text:
        raise _Unfit("the row has neither an id nor a text of a document")
    value = _grade(grade)
    score = _number(record.get("score")) if "relevance" in record else None
    words = _text(text, "text") if text else ""
    query = _query(record.get("query"), _first(record, _QUERY_IDS))
    return _group(query, [TrainingDocument(_id(doc_id), words, value, hard and value <= 0, score)])


def _named(value: Any) -> int:
    """How many images a cell names."""
    return sum(map(bool, value)) if isinstance(value, list) else int(bool(value))


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if record.get(name) not in (None, "")), None)


def _query(text: Any, query_id: Any) -> Query:
    found = _id(query_id)
    if text is None and found:
        return Query(found)
    if not isinstance(text, str) or not text.strip():
        raise _Unfit("the row has no query")
    words = text.replace("\0", "")
    if len(words) > QUERY_LIMIT:
        raise _Unfit(f"the query has {len(words):,} characters; the limit is {QUERY_LIMIT:,}")
    if not is_unicode(words):
        raise _Unfit("the query is not valid UTF-8")
    return Query(found, words)


def _text(value: Any, name: str) -> str:
    if value is None:
        raise _Unfit(f"“{name}” lacks a text")
    if not isinstance(value, str):
        raise _Unfit(f"“{name}” holds {type(value).__name__}, not a text")
    words = value.replace("\0", "")
    if not words.strip():
        raise _Unfit(f"“{name}” holds an empty text")
    if len(words) > TEXT_LIMIT:
        raise _Unfit(f"a text of “{name}” has {len(words):,} characters; the limit is {TEXT_LIMIT:,}")
    if not is_unicode(words):
        raise _Unfit(f"a text of “{name}” is not valid UTF-8")
    return words


def _id(value: Any) -> str:
    """The id in a cell, "" where there is none."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Unfit(f"an id is {type(value).__name__}, not a text")
    found = str(value).strip()
    if reason := refuse_id(found):
        raise _Unfit(reason)
    return found


def _grade(value: Any) -> int:
    try:
        number = float(value)
        if number.is_integer() and abs(number) < 2**31:
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise _Unfit(f"the label “{shorten(str(value))}” is not a whole number")


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise _Unfit(f"the score “{shorten(str(value))}” is not a number") from None
