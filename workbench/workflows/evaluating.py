"""Judgments as the measures take them, and the measures of a run, kept beside it for this state of the judgments."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench import corpora, label_sets, query_sets, runs
from workbench.corpora import CorpusInfo
from workbench.db import judgments as judgments_table
from workbench.db import queries as queries_table
from workbench.evaluation import (
    DEFAULT,
    Measure,
    Qrels,
    bounds,
    judge,
    judged_share,
    measured,
    parse_measures,
    rolled_up,
    without_own,
)
from workbench.judged import judged
from workbench.project import Project
from workbench.runs import RunInfo
from workbench.specs import Spec, fingerprint
from workbench.specs.base import knob
from workbench.workflows.resolving import Rules, settle
from workbench.workflows.rolling import parents_of

FORMAT = 1
"""Part of the key of kept values: raise it where the same judgments would give others."""
LISTED = 100
ROWS = "rows"
QUERIES = 256  # measured at once


@dataclass(frozen=True)
class EvaluateOptions(Spec):
    """How runs are measured."""

    drop_self: bool = knob(False, "Drop a hit whose id is the query's own id (ArguAna, Quora, CQADupStack need it)")
    parent: str = knob("", "Metadata column naming the document that a chunk is part of; empty: documents are whole")
    prefer: tuple[str, ...] = knob((), "Label sets that settle a contradiction, the strongest first")


@dataclass(frozen=True)
class Counts:
    """What the judgments of a query set cover. `undecided`, `unknown_documents`: pairs, `unknown_listed` the first."""

    queries: int
    judged_queries: int
    without_judgments: int
    without_relevant: int
    judgments: int
    undecided: int = 0
    unknown_documents: int = 0
    unknown_listed: list[tuple[str, str]] = field(default_factory=list)
    unknown_queries: int = 0


@dataclass(frozen=True)
class RunFigures:
    """The measures of a run: `values` (n,) of each judged query, their means, and beside each mean the judged share of
    its first k documents and the means of the lowest and highest values that labelling the others could give."""

    run: RunInfo
    values: dict[str, NDArray[np.float64]]
    means: dict[str, float | None]
    judged: dict[str, float | None]
    bounds: dict[str, tuple[float, float] | None]


@dataclass(frozen=True)
class Settled:
    """The final value of every judged pair, sorted by query: query numbers, document ids, relevance."""

    queries: NDArray[np.int64]
    documents: list[str]
    relevance: NDArray[np.int32]
    undecided: int


class Judgments:
    """The judgments that an evaluation uses. They are read only where a value is not kept for their state.

    Raises `NotFound` on a label set.
    """

    def __init__(
        self,
        project: Project,
        query_set: str,
        names: Sequence[str] | None,
        options: EvaluateOptions,
        folder: Path | None = None,
    ) -> None:
        self._folder = folder
        self.info = query_sets.find(project.db, query_set)
        self.options = options
        self._project = project
        known = {each.name: each.kind for each in label_sets.listed(project.db, self.info.id)}
        if names is not None:
            for name in names:
                label_sets.find(project.db, self.info.id, name)
        self.names = [name for name, kind in known.items() if (kind != "proposed" if names is None else name in names)]
        self._rules = Rules({name: known[name] for name in self.names}, options.prefer)
        self.key = fingerprint(FORMAT, self._state(), options.to_dict(), dict(self._rules.kinds), self.info.queries)
        self._qrels: dict[tuple[int, tuple[str, ...]], Qrels] = {}

    def _state(self) -> list[Any]:
        """What changes whenever a judgment does: counts, sums and times of each label set."""
        row = judgments_table.c
        columns = [
            row.label_set,
            sa.func.count(),
            sa.func.count(row.relevance),
            sa.func.sum(row.relevance),
            sa.func.max(row.updated_at),
            sa.func.total(row.updated_at),
        ]
        own = (row.query_set_id == self.info.id, row.label_set.in_(self.names))
        with self._project.db.read() as connection:
            found = connection.execute(sa.select(*columns).where(*own).group_by(row.label_set).order_by(row.label_set))
            return [list(each) for each in found]

    @cached_property
    def settled(self) -> Settled:
        """Every pair's one value, as exports settle it (`workflows/resolving.py`)."""
        places = {query_id: row for row, query_id in enumerate(self.all_ids)}
        queries, documents, grades, undecided = [], [], [], 0
        stream = judged(self._project.db, self.info.id, self.names, None) if self.names else iter(())
        for (query_id, doc_id), said in groupby(stream, key=lambda each: (each.query_id, each.doc_id)):
            value = settle(list(said), self._rules)
            if isinstance(value, str):
                undecided += 1
            elif value is not None and value.relevance is not None:
                queries.append(places[query_id])
                documents.append(doc_id)
                grades.append(value.relevance)
        return Settled(np.array(queries, np.int64), documents, np.array(grades, np.int32), undecided)

    @cached_property
    def all_ids(self) -> list[str]:
        """The ids of all queries of the set, in its order."""
        row = queries_table.c
        query = sa.select(row.query_id).where(row.query_set_id == self.info.id).order_by(row.ordinal)
        with self._project.db.read() as connection:
            return list(connection.execute(query).scalars())

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The numbers of the queries with a judgment; kept in `folder`."""
        kept = None if self._folder is None else runs.kept_measures(self._folder, self.key, ROWS)
        if kept is not None:
            return kept.astype(np.int64)
        found = np.unique(self.settled.queries)
        if self._folder is not None:
            runs.keep_measures(self._folder, self.key, ROWS, found.astype(np.float64))
        return found

    @cached_property
    def query_ids(self) -> list[str]:
        return [self.all_ids[row] for row in self.rows]

    def counts(self, found: Sequence[RunInfo]) -> Counts:
        """What to tell of them, by the corpus of the first run; kept beside it."""
        first = found[0]
        note = runs.kept_note(first.artifact.folder, self.key)
        if note is None:
            note = self._counted(corpora.find(self._project.db, int(first.manifest["corpus"]["id"])))
            runs.keep_note(first.artifact.folder, self.key, note)
        return Counts(**{**note, "unknown_listed": [(str(q), str(d)) for q, d in note["unknown_listed"]]})

    def _counted(self, corpus: CorpusInfo) -> dict[str, Any]:
        settled = self.settled
        known = self._known(corpus)
        unknown = [n for n, doc_id in enumerate(settled.documents) if doc_id not in known]
        with_relevant = np.unique(settled.queries[settled.relevance > 0]).size
        row = judgments_table.c
        own = sa.select(queries_table.c.query_id).where(queries_table.c.query_set_id == self.info.id)
        lost = sa.select(sa.func.count()).where(
            row.query_set_id == self.info.id, row.label_set.in_(self.names), row.query_id.not_in(own)
        )
        with self._project.db.read() as connection:
            strays = int(connection.execute(lost).scalar_one())
        return {
            "queries": self.info.queries,
            "judged_queries": int(self.rows.size),
            "without_judgments": self.info.queries - int(self.rows.size),
            "without_relevant": int(self.rows.size - with_relevant),
            "judgments": len(settled.documents),
            "undecided": settled.undecided,
            "unknown_documents": len(unknown),
            "unknown_listed": [[self.all_ids[settled.queries[n]], settled.documents[n]] for n in unknown[:LISTED]],
            "unknown_queries": strays + int(self.info.report.get("unknown_queries", 0)),
        }

    def _known(self, corpus: CorpusInfo) -> dict[str, int]:
        """Number of each judged document that the corpus has, or of each parent."""
        if self.options.parent:
            return parents_of(self._project, corpus, self.options.parent).numbers
        return corpora.ordinals_of(self._project.db, corpus.id, self.settled.documents)

    def qrels(self, corpus: CorpusInfo, unknown: Sequence[str]) -> Qrels:
        """As measures take them; documents that the corpus lacks get the numbers that the run gives them, or own."""
        key = (corpus.id, tuple(unknown))
        if key not in self._qrels:
            self._qrels[key] = self._numbered(corpus, unknown)
        return self._qrels[key]

    def _numbered(self, corpus: CorpusInfo, unknown: Sequence[str]) -> Qrels:
        numbers = self._known(corpus)
        others = {doc_id: -2 - n for n, doc_id in enumerate(unknown)}
        found = [
            numbers[doc_id] if doc_id in numbers else others.setdefault(doc_id, -2 - len(others))
            for doc_id in self.settled.documents
        ]
        settled = self.settled
        return Qrels.of(settled.queries, np.array(found, np.int64), settled.relevance, self.info.queries)


def figures_of(project: Project, run: RunInfo, measures: Sequence[Measure], judgments: Judgments) -> RunFigures:
    """The measures of a run; what is kept for this state of the judgments is read, the others are computed and kept."""
    folder = run.artifact.folder
    names = {measure.name: fingerprint(measure.name) for measure in measures}
    found = {each.name: runs.kept_measures(folder, judgments.key, names[each.name]) for each in measures}
    missing = [each for each in measures if found[each.name] is None]
    if missing:
        for measure, values in zip(missing, _computed(project, run, missing, judgments), strict=True):
            runs.keep_measures(folder, judgments.key, names[measure.name], values)
            found[measure.name] = values
    figures = RunFigures(run, {}, {}, {}, {})
    for name, kept in found.items():
        if kept is not None:
            values, shares, low, high = kept
            figures.values[name] = values
            figures.means[name] = float(values.mean()) if values.size else None
            figures.judged[name] = float(np.nanmean(shares)) if np.isfinite(shares).any() else None
            bounded = values.size > 0 and bool(np.isfinite(low).all())
            figures.bounds[name] = (float(low.mean()), float(high.mean())) if bounded else None
    return figures


def measure_first(project: Project, run: RunInfo) -> None:
    """Keep the usual measures of a new run under every judgment there is, so that Evaluate only reads them."""
    judgments = Judgments(project, run.query_set, None, EvaluateOptions(), run.artifact.folder)
    figures_of(project, run, parse_measures(DEFAULT), judgments)


def _computed(
    project: Project, run: RunInfo, measures: Sequence[Measure], judgments: Judgments
) -> list[NDArray[np.float64]]:
    """For each measure (4, n): values, judged shares, lowest and highest values; NaN where there are none."""
    corpus = corpora.find(project.db, int(run.manifest["corpus"]["id"]))
    folder = run.artifact.folder
    qrels = judgments.qrels(corpus, runs.unknown_documents(folder))
    rows = judgments.rows
    arrays = [np.full((4, rows.size), np.nan) for _ in measures]
    change = _Change(project, corpus, judgments)
    made = int(run.manifest["queries"])
    # Queries that were added after the run: it found nothing for them.
    later = np.full((max(0, qrels.rows - made), 1), runs.NONE, np.int32)
    behind = runs.Block(made, later, later.astype(np.float32))
    for block in chain(runs.blocks(folder), [behind]):
        first, last = np.searchsorted(rows, [block.start, block.start + len(block.ordinals)])
        for start in range(first, last, QUERIES):
            part = slice(start, min(start + QUERIES, last))
            ours = judge(change(block.ordinals[rows[part] - block.start], rows[part]), qrels, rows[part])
            for measure, array in zip(measures, arrays, strict=True):
                array[0, part] = measured(measure, ours)
                array[1, part] = judged_share(measure.cutoff, ours)
                limits = bounds(measure, ours)
                if limits is not None:
                    array[2, part], array[3, part] = limits
    return arrays


class _Change:
    """What the options do to rankings before they are measured."""

    def __init__(self, project: Project, corpus: CorpusInfo, judgments: Judgments) -> None:
        options = judgments.options
        self._own: NDArray[np.int64] | None = None
        self._parents: NDArray[np.int64] | None = None
        if options.drop_self:
            known = corpora.ordinals_of(project.db, corpus.id, judgments.all_ids)
            self._own = np.array([known.get(each, runs.NONE) for each in judgments.all_ids], np.int64)
        if options.parent:
            parents = parents_of(project, corpus, options.parent)
            self._parents = parents.of_ordinal
            if self._own is not None:
                self._own = np.array([parents.numbers.get(each, runs.NONE) for each in judgments.all_ids], np.int64)

    def __call__(self, documents: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
        if self._parents is not None:
            documents = rolled_up(documents, self._parents)
        return documents if self._own is None else without_own(documents, self._own[rows])
