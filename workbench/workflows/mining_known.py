"""What mining must know of a query set before it searches: positives, judged negatives, texts and sources."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench import corpora, judgments, query_sets
from workbench.corpora import CorpusInfo
from workbench.db import WRITE_BATCH
from workbench.db import documents as documents_table
from workbench.errors import BadInput
from workbench.filters import field_value
from workbench.mining import Mark, marks_of
from workbench.project import Project
from workbench.query_sets import QuerySetInfo
from workbench.specs import MiningSpec
from workbench.types import Query

_PAGE = 10_000

Ordinals = NDArray[np.int64]


@dataclass(frozen=True)
class Lists:
    """Documents of each of m queries: those of row i are `values[offsets[i] : offsets[i + 1]]`, ordinals ascending."""

    offsets: Ordinals
    values: Ordinals

    def part(self, start: int, stop: int) -> "Lists":
        """The rows `start` … `stop` − 1."""
        offsets = self.offsets[start : stop + 1]
        return Lists(offsets - offsets[0], self.values[offsets[0] : offsets[-1]])

    @property
    def longest(self) -> int:
        return int(np.diff(self.offsets).max(initial=0))


@dataclass(frozen=True)
class Known:
    """A query set as mining sees it: only its queries with a positive, by their ordinals in the set.

    `total` queries in the set, `without` of them have no positive that the corpus holds; `missing` positives name no
    document of it. `digest` stands for all of this.
    """

    info: QuerySetInfo
    corpus: CorpusInfo
    queries: Ordinals
    positives: Lists
    judged: Lists
    total: int
    without: int
    missing: int
    digest: str

    def __len__(self) -> int:
        return len(self.queries)


def known_of(project: Project, query_set: str, label_sets: Sequence[str]) -> Known:
    """Read the judgments of `label_sets` (one that is not there holds none); a pair is positive if any of them says so.

    Raises `NotFound` on the query set, `BadInput` where no query has a positive.
    """
    info = query_sets.find(project.db, query_set)
    corpus = corpora.find(project.db, info.corpus)
    ids = {query.query_id: n for n, query in enumerate(_queries(project, info))}
    pairs: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    missing = 0
    rows = judgments.stream(project.db, info.id, label_sets)
    while batch := list(islice(rows, WRITE_BATCH)):
        ordinals = corpora.ordinals_of(project.db, corpus.id, (row.doc_id for row in batch))
        for row in batch:
            if not (row.verdict.is_positive or row.verdict.is_negative):
                continue
            if row.doc_id in ordinals:
                pairs[row.verdict.is_positive].append((ids[row.query_id], ordinals[row.doc_id]))
            else:
                missing += row.verdict.is_positive
    positive, judged = (np.unique(np.array(pairs[kind], np.int64).reshape(-1, 2), axis=0) for kind in (True, False))
    queries = np.unique(positive[:, 0])
    if not queries.size:
        raise BadInput(*_no_positives(info, label_sets, missing))
    judged = judged[np.isin(judged[:, 0], queries)]
    lists = [Lists(_offsets(queries, each[:, 0]), each[:, 1]) for each in (positive, judged)]
    digest = hashlib.sha256(positive.tobytes() + b"|" + judged.tobytes()).hexdigest()
    return Known(info, corpus, queries, lists[0], lists[1], len(ids), len(ids) - queries.size, missing, digest)


def _no_positives(info: QuerySetInfo, label_sets: Sequence[str], missing: int) -> tuple[str, str]:
    named = " or ".join(f"“{name}”" for name in label_sets)
    lost = f" ({missing:,} positives name documents that the corpus does not have)" if missing else ""
    return (
        f"None of the {info.queries:,} queries of “{info.name}” has a known positive in {named}{lost}.",
        "Mining needs at least one relevant document a query: import qrels, or judge some documents as relevant.",
    )


def _offsets(queries: Ordinals, owners: Ordinals) -> Ordinals:
    return np.searchsorted(owners, np.append(queries, np.iinfo(np.int64).max)).astype(np.int64)


def _queries(project: Project, info: QuerySetInfo) -> Iterator[Query]:
    for start in range(0, info.queries, _PAGE):
        yield from query_sets.page(project.db, info.id, start, _PAGE)


def queries_at(project: Project, info: QuerySetInfo, ordinals: Ordinals) -> list[Query]:
    """The queries with these ascending ordinals, in order."""
    found: list[Query] = []
    for start in range(0, len(ordinals), _PAGE):
        part = ordinals[start : start + _PAGE]
        first, last = int(part[0]), int(part[-1])
        for at in range(first, last + 1, _PAGE):
            page = query_sets.page(project.db, info.id, at, min(_PAGE, last + 1 - at))
            inside = part[(part >= at) & (part < at + len(page))]
            found += [page[int(ordinal) - at] for ordinal in inside]
    return found


def text_key(text: str, image: str = "") -> int:
    """A number for a text: the same where only spaces or case differ; −1 for nothing at all."""
    words = " ".join(text.split()).casefold()
    if not words and not image:
        return -1
    return int.from_bytes(hashlib.blake2b(f"{words}\x1f{image}".encode(), digest_size=7).digest())


class Groups:
    """Which documents share a text, and (with `source_field`) a source, as numbers; read at first use, once a job.

    Raises `BadInput` where the corpus has no such column.
    """

    def __init__(self, project: Project, corpus: CorpusInfo, spec: MiningSpec) -> None:
        self._project, self._corpus, self._column = project, corpus, spec.source_field
        if spec.source_field:
            field_value(corpus.columns, spec.source_field)

    @cached_property
    def sources(self) -> Ordinals | None:
        """(documents,) number of each document's source; None where no column was named."""
        return _sources(self._project, self._corpus, self._column) if self._column else None

    @cached_property
    def _texts(self) -> tuple[Ordinals, Ordinals]:
        """(the different keys in order, (documents,) the place of each document's among them, −1 = empty)."""
        keys = np.full(self._corpus.documents, -1, np.int64)
        for start in range(0, keys.size, _PAGE):
            stop = min(start + _PAGE, keys.size)
            contents = corpora.contents(self._project.db, Path(), self._corpus.id, start, stop)
            keys[start:stop] = [text_key(each.text, each.image.name if each.image else "") for each in contents]
        known, places = np.unique(keys, return_inverse=True)
        return known, np.where(keys < 0, -1, places).astype(np.int64)

    def text_of(self, query: Query) -> int:
        """The text group whose documents have exactly the query's text; −1 where there is none."""
        key = text_key(query.text) if not query.image else -1
        known, _ = self._texts
        place = int(np.searchsorted(known, key))
        return place if key >= 0 and place < known.size and known[place] == key else -1

    def marks(
        self, ordinals: NDArray[np.int32], known: tuple[Lists, Lists], itself: tuple[Ordinals, Ordinals]
    ) -> NDArray[np.uint8]:
        """(q, w) of `Mark`.

        `known`: positives and judged of each row; `itself` (q,): the query as a document, as a text; −1 = none.
        """
        positives, judged = known
        _, groups = self._texts
        own, text = (each[:, None] for each in itself)
        texts = np.where(ordinals < 0, -1, groups[ordinals])
        found = marks_of(ordinals, positives.offsets, positives.values) * np.uint8(Mark.POSITIVE)
        found |= (((ordinals == own) & (own >= 0)) | ((texts == text) & (text >= 0))) * np.uint8(Mark.QUERY)
        found |= marks_of(ordinals, judged.offsets, judged.values) * np.uint8(Mark.JUDGED)
        found |= marks_of(ordinals, positives.offsets, positives.values, groups) * np.uint8(Mark.SAME_TEXT)
        if self.sources is not None:
            found |= marks_of(ordinals, positives.offsets, positives.values, self.sources) * np.uint8(Mark.SAME_SOURCE)
        return found.astype(np.uint8)


def _sources(project: Project, corpus: CorpusInfo, column: str) -> Ordinals:
    """(documents,) number of the value that each document has in a column; −1 where it has none."""
    value = field_value(corpus.columns, column).label("value")
    query = (
        sa.select(documents_table.c.ordinal, value)
        .where(documents_table.c.corpus_id == corpus.id)
        .order_by(documents_table.c.ordinal)
    )
    numbers: dict[object, int] = {}
    groups = np.full(corpus.documents, -1, np.int64)
    with project.db.read() as connection:
        for ordinal, given in connection.execute(query):
            if given is not None and given != "":
                groups[ordinal] = numbers.setdefault(given, len(numbers))
    return groups
