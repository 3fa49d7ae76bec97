"""A training file while it is read: each query and each document once, the judgments as columns of numbers."""

from array import array
from collections.abc import Callable, Iterator
from hashlib import blake2b
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from workbench.judgments import Entry, Verdict
from workbench.types import Query, TrainingDocument, TrainingGroup

LISTED = 20
Found = Callable[[str, str], None]


def digest(text: str) -> bytes:
    """16 bytes that stand for a text."""
    return blake2b(text.encode(), digest_size=16).digest()


class Gathered:
    """What was read so far. About 100 bytes a judgment and 300 a query or document; texts of documents are not kept.

    `merges`: documents of the same text are one, whatever their ids. `on_document` is told id and text of each new one.
    `conflicts`: an id that stood for another text before; that document is left out.
    """

    def __init__(self, *, merges: bool, on_document: Found | None = None) -> None:
        self.queries: list[Query] = []
        self.doc_ids: list[str] = []
        self.digests: list[bytes] = []
        self.conflicts: list[str] = []
        self.contradictions: list[tuple[str, str]] = []
        self.other_texts = 0
        self._merges = merges
        self._on_document = on_document
        self._query_at: dict[str, int] = {}
        self._by_id: dict[str, int] = {}
        self._by_text: dict[bytes, int] = {}
        self._pairs = array("q")
        self._grades = array("i")
        self._hard = array("b")
        self._scores = array("d")

    def add(self, group: TrainingGroup) -> None:
        query = self._query(group.query)
        for each in (*group.positives, *group.negatives):
            document = self._document(each)
            if document >= 0:
                self._pairs.append(query << 32 | document)
                self._grades.append(each.relevance)
                self._hard.append(each.is_hard_negative)
                self._scores.append(nan if each.score is None else each.score)

    def __len__(self) -> int:
        return len(self._pairs)

    def _query(self, query: Query) -> int:
        key = query.query_id or f"q-{digest(query.text).hex()[:16]}"
        place = self._query_at.setdefault(key, len(self.queries))
        if place == len(self.queries):
            self.queries.append(Query(key, query.text))
        elif query.text and query.text != self.queries[place].text:
            self.other_texts += 1
        return place

    def _document(self, document: TrainingDocument) -> int:
        """The document's place, a new one where it was not met before; −1 where its id stands for another text."""
        own = digest(document.text) if document.text else b""
        if document.doc_id in self._by_id:
            place = self._by_id[document.doc_id]
            if own and self.digests[place] and own != self.digests[place]:
                self.conflicts.append(document.doc_id)
                return -1
            return place
        place = self._by_text.get(own, -1) if own and (self._merges or not document.doc_id) else -1
        if place < 0:
            place = len(self.doc_ids)
            doc_id = document.doc_id or f"t-{own.hex()[:16]}"
            self.doc_ids.append(document.doc_id if not self._merges else doc_id)
            self.digests.append(own)
            if self._on_document is not None:
                self._on_document(doc_id, document.text)
        if own:
            self._by_text.setdefault(own, place)
        if document.doc_id:
            self._by_id[document.doc_id] = place
        return place

    def judgments(self, doc_ids: list[str]) -> Iterator[Entry]:
        """An entry for each pair, query after query; of one given twice the first.

        One given as positive and as negative stays a positive, with a note, and is listed in `contradictions`.
        `doc_ids`: the id of each document by its place.
        """
        given: NDArray[np.int64] = np.frombuffer(self._pairs, dtype=np.int64) if self._pairs else np.zeros(0, np.int64)
        queries = _first_places([query.query_id for query in self.queries])
        documents = _first_places(doc_ids)
        pairs = queries[given >> 32] << 32 | documents[given & 0xFFFFFFFF]
        order = np.argsort(pairs, kind="stable")
        starts = np.flatnonzero(np.diff(pairs[order], prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
            same = order[start:stop]
            positive = next((each for each in same if self._grades[each] > 0), None)
            chosen = int(same[0] if positive is None else positive)
            query = self.queries[int(pairs[chosen]) >> 32].query_id
            document = doc_ids[int(pairs[chosen]) & 0xFFFFFFFF]
            note = ""
            if positive is not None and any(self._grades[each] <= 0 for each in same):
                note = "The file has it as a negative of this query as well."
                self.contradictions.append((query, document))
            score = self._scores[chosen]
            verdict = Verdict(self._grades[chosen], bool(self._hard[chosen]), note=note)
            yield Entry(query, document, verdict, {} if isnan(score) else {"score": score})


def _first_places(ids: list[str]) -> NDArray[np.int64]:
    """For each id the place where it comes first: two texts of a file may turn out to be one document."""
    first: dict[str, int] = {}
    return np.array([first.setdefault(each, place) for place, each in enumerate(ids)], dtype=np.int64)
