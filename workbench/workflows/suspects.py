"""The likeliest false negatives of whole label sets: every negative is doubted, the most suspicious ones are kept.

A negative of people's own is left alone where somebody kept it after a warning. One of another label set (proposed,
imported, qrels) is left alone where a person judged or skipped the pair: that settled it.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np

from workbench import corpora, judgments, query_sets
from workbench import label_sets as sets
from workbench.artifacts import Artifact
from workbench.encoders.base import Matrix
from workbench.errors import BadInput, WorkbenchError
from workbench.false_negatives import FIRST, Space, suspicion
from workbench.judgments import Judgment
from workbench.project import Project
from workbench.query_sets import QuerySetInfo
from workbench.ragged import Ragged
from workbench.specs import RetrieverSpec
from workbench.types import Progress, no_progress
from workbench.workflows import retrieving
from workbench.workflows.guarding import (
    TELLING,
    Case,
    Reason,
    Side,
    can_read,
    case_of,
    content_of,
    doubts,
    space_of,
    spaces_of,
)
from workbench.workflows.index import EXACT
from workbench.workflows.systems import System

LIMIT = 200
KEPT = "Kept as a negative after the guard's warning."
"""In the note of a judgment: somebody saw the reasons and stays with it."""
PEOPLE = ("person", "final")
_QUERIES = 128  # queries encoded and searched at once


@dataclass(frozen=True)
class Suspect:
    """A negative that may be false. `score`: the suspicion, 0 … 1; `positive`: the nearest positive's id, "" for none.

    `label_sets`: those that call it a negative.
    """

    query_id: str
    doc_id: str
    reasons: list[Reason]
    score: float
    positive: str = ""
    label_sets: tuple[str, ...] = ()
    is_hard_negative: bool = False


@dataclass
class Doubted:
    """What was doubted, and the `limit` most suspicious of it, the most suspicious first, then in the set's order.

    `settled`: negatives left alone (see above); `unknown`: those whose document the corpus lacks. `found`: how many
    have any reason; `by_reason`: how many have each. `without_positives`: queries of which little could be told.
    """

    suspects: list[Suspect] = field(default_factory=list)
    queries: int = 0
    checked: int = 0
    found: int = 0
    settled: int = 0
    unknown: int = 0
    without_positives: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    encoders: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Negatives(NamedTuple):
    """Of one query: its judgments, and document id → the judgments that call it a negative."""

    query_id: str
    rows: list[Judgment]
    said: dict[str, list[Judgment]]


def suspects(
    project: Project, query_set: str, label_sets: Sequence[str] = (), limit: int = LIMIT, reranker: str = ""
) -> list[Suspect]:
    """The `limit` likeliest false negatives of these label sets, or of all that hold negatives."""
    return doubt_all(project, query_set, label_sets, limit, reranker).suspects


def doubt_all(
    project: Project,
    query_set: str,
    label_sets: Sequence[str] = (),
    limit: int = LIMIT,
    reranker: str = "",
    progress: Progress = no_progress,
) -> Doubted:
    """Doubt every negative; `progress` counts queries. Memory is that of a block of queries and `limit` suspects.

    Every encoder with an embedding of the corpus is asked, its model loaded. Raises `NotFound` on names, `BadInput`
    where there are no negatives.
    """
    info = query_sets.find(project.db, query_set)
    kinds = {each.name: each.kind for each in sets.listed(project.db, info.id)}
    for name in label_sets:
        sets.find(project.db, info.id, name)
    search = _Search(project, info, kinds, reranker)
    report = search.report
    best: list[tuple[float, int, Suspect]] = []
    by_reason: Counter[str] = Counter()
    groups = _negatives(project, info, set(label_sets or kinds), kinds, report)
    while block := list(islice(groups, _QUERIES)):
        progress(report.queries, 0)
        for suspect in search.doubt(block):
            by_reason.update(reason.name for reason in suspect.reasons)
            report.found += 1
            # Of equally suspicious ones the earlier stays.
            heapq.heappush(best, (suspect.score, -report.found, suspect))
            if len(best) > limit:
                heapq.heappop(best)
    if not report.checked and not report.settled:
        raise BadInput("There is no negative to doubt.", "Judge documents as not relevant, mine or import negatives.")
    report.suspects = [entry[2] for entry in sorted(best, key=lambda entry: entry[:2], reverse=True)]
    report.by_reason = dict(by_reason.most_common())
    return report


def is_settled(said: Sequence[Judgment], rows: Sequence[Judgment], kinds: Mapping[str, str]) -> bool:
    """Whether a person has decided on a pair. `said`: the chosen judgments that call it a negative; `rows`: all of it.

    A person's own negative is settled by the note `KEPT` alone.
    """
    own = [row for row in said if kinds[row.label_set] in PEOPLE]
    if own:
        return any(KEPT in row.verdict.note for row in own)
    return any(kinds[row.label_set] in PEOPLE and row.verdict.state != "later" for row in rows)


def _negatives(
    project: Project, info: QuerySetInfo, chosen: set[str], kinds: Mapping[str, str], report: Doubted
) -> Iterator[Negatives]:
    """The queries with negatives to doubt, in the set's order; `report` counts the others."""
    for query_id, own in groupby(judgments.stream(project.db, info.id), key=lambda row: row.query_id):
        rows, doubted = list(own), {}
        for doc_id, pair in groupby(rows, key=lambda row: row.doc_id):
            about = list(pair)
            said = [row for row in about if row.label_set in chosen and row.verdict.is_negative]
            if said and is_settled(said, about, kinds):
                report.settled += 1
            elif said:
                doubted[doc_id] = said
        if doubted:
            report.queries += 1
            yield Negatives(query_id, rows, doubted)


class _Search:
    """What all blocks share: the embeddings, and the report being filled."""

    def __init__(self, project: Project, info: QuerySetInfo, kinds: Mapping[str, str], reranker: str) -> None:
        self._project, self._info, self._kinds, self._reranker = project, info, kinds, reranker
        self._corpus = corpora.find(project.db, info.corpus)
        self._spaces = spaces_of(project, self._corpus)
        self.report = Doubted(encoders=[embedding.name for embedding, _ in self._spaces])
        self._askable = {embedding.id for embedding, system in self._spaces if self._opens(embedding, system)}

    def doubt(self, block: Sequence[Negatives]) -> Iterator[Suspect]:
        """The negatives of some queries that have a reason."""
        queries = query_sets.with_ids(self._project.db, self._info.id, [each.query_id for each in block])
        cases = []
        for each in block:
            positives = [row for row in each.rows if row.verdict.is_positive and self._kinds[row.label_set] in TELLING]
            content = content_of(self._project, queries[each.query_id])
            case = case_of(self._project, self._corpus, content, list(each.said), positives)
            self.report.checked += len(case.negatives)
            self.report.unknown += len(each.said) - len(case.negatives)
            self.report.without_positives += not case.positives
            cases.append(case)
        spaces = [self._spaces_of_block(embedding, system, cases) for embedding, system in self._spaces]
        for number, (each, case) in enumerate(zip(block, cases, strict=True)):
            yield from self._suspects(each, case, [block_spaces[number] for block_spaces in spaces])

    def _suspects(self, asked: Negatives, case: Case, spaces: Sequence[Space]) -> Iterator[Suspect]:
        found = doubts(self._project, self._corpus, case, spaces, self._reranker)
        for row, (doc_id, reasons) in enumerate(found.items()):
            if reasons:
                said = asked.said[doc_id]
                yield Suspect(
                    asked.query_id,
                    doc_id,
                    reasons,
                    suspicion(reasons),
                    nearest_positive(row, case, spaces, reasons),
                    tuple(dict.fromkeys(each.label_set for each in said)),
                    any(each.verdict.is_hard_negative for each in said),
                )

    def _spaces_of_block(self, embedding: Artifact, system: System, cases: Sequence[Case]) -> list[Space]:
        """One encoder's space of each case; all queries are encoded and searched together."""
        sides: dict[int, Side] = {}
        asked = [n for n, case in enumerate(cases) if can_read(case.query, embedding, system)]
        if asked and embedding.id in self._askable:
            matrix = retrieving.query_encoder(embedding).encode_many([cases[n].query for n in asked])
            spec = RetrieverSpec(encoder=embedding.name, index=EXACT if system.output != "dense" else system.index)
            target = retrieving.find_target(self._project, embedding, spec)
            index = target.open()
            retrieving.check_compatible(matrix, index, target.label)
            rankings = index.search(matrix, FIRST)
            sides = {n: Side(_row(matrix, at), rankings[at]) for at, n in enumerate(asked)}
        return [space_of(embedding, case, sides.get(n)) for n, case in enumerate(cases)]

    def _opens(self, embedding: Artifact, system: System) -> bool:
        """Load the encoder; where that fails its vectors are still compared, and the report says so."""
        if not system.ready:
            return False
        try:
            retrieving.query_encoder(embedding)
        except WorkbenchError as error:
            self.report.warnings.append(f"{embedding.name} was not asked: {error.message}")
            return False
        return True


def nearest_positive(row: int, case: Case, spaces: Sequence[Space], reasons: Sequence[Reason]) -> str:
    """The positive that the most severe reason is about, else the most similar one, else the best."""
    for reason in reasons:
        if reason.positive:
            return reason.positive
    for space in spaces:
        if space.cosines is not None and space.cosines.shape[1]:
            return case.positives[int(np.argmax(space.cosines[row]))].doc_id
    return case.positives[0].doc_id if case.positives else ""


def _row(matrix: Matrix, at: int) -> Matrix:
    return Ragged.of([matrix[at]], matrix.dim) if isinstance(matrix, Ragged) else matrix[at : at + 1]
