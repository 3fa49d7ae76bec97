"""Adjudication: where annotators disagree, what somebody decides for good, and what all of them agree on already.

Decisions are judgments of their own label set, of the kind “final”: the annotators' own stay as they are.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from workbench import judging_log, judgments, label_sets, query_sets
from workbench.db import WRITE_BATCH
from workbench.judging_log import Owner, Recorded, Undone
from workbench.judgments import Counts, Entry, Judgment, Pair, Verdict
from workbench.project import Project
from workbench.types import Progress, no_progress
from workbench.workflows.annotators import by_query
from workbench.workflows.judging import PEOPLE, Judge, Receipt, check_verdict, checked_name, owner

ADJUDICATED = "adjudicated"
"""The annotator of final labels; who decided is in their provenance."""


@dataclass(frozen=True)
class Disagreement:
    """A document of a query that annotators judged differently: who said what; `spread`: best grade less worst.

    `decided`: the final verdict, None while there is none.
    """

    query_id: str
    doc_id: str
    said: dict[str, Verdict]
    spread: int
    decided: Verdict | None


@dataclass(frozen=True)
class Disagreements:
    """A page of the list: the widest spread first, then in the order of the query set. `total`, `decided`: of all."""

    rows: list[Disagreement]
    total: int
    decided: int


@dataclass(frozen=True)
class Resolved:
    """What `resolve_all` stored: pairs that all agree on. `disputed` ones wait for somebody's decision."""

    stored: int
    already: int
    disputed: int
    single: int


def final_set(label_set: str = PEOPLE) -> str:
    """The name of the final label set made from `label_set`."""
    return "final" if label_set == PEOPLE else f"{label_set}-final"


def disagreements(
    project: Project, query_set: str, label_set: str = PEOPLE, offset: int = 0, limit: int = 50, open_only: bool = False
) -> Disagreements:
    """Documents that annotators judged differently; `open_only` leaves out those that were decided.

    Holds the first `offset` + `limit` rows at a time. Raises `NotFound` on the query set.
    """
    info = query_sets.find(project.db, query_set)
    decided = total = 0
    kept: list[tuple[tuple[int, int], Disagreement]] = []

    def found() -> Iterator[tuple[tuple[int, int], Disagreement]]:
        nonlocal decided, total
        for _, pairs in by_query(project, info.id, label_set, final_set(label_set)):
            for rows in pairs:
                row = _disagreement(rows, label_set)
                if row is None:
                    continue
                total += 1
                decided += row.decided is not None
                if not (open_only and row.decided is not None):
                    yield (-row.spread, total), row

    kept = heapq.nsmallest(offset + limit, found(), key=lambda each: each[0])
    return Disagreements([row for _, row in kept[offset:]], total, decided)


def adjudicate(
    project: Project, by: Judge, pair: Pair, verdict: Verdict | None, receipt: Receipt | None = None
) -> Recorded:
    """Decide a pair of `by`'s label set for good: the verdict goes into its final label set; None takes it back.

    Raises `NotFound` on the query set, `BadInput` on a verdict that is none or ids that are not known.
    """
    return _record(project, by, [(pair, verdict)], "decided", receipt)


def undo(project: Project, by: Judge) -> Undone:
    """Take the last decision about a label set back, whoever made it. Raises `NotFound` where there is none."""
    return judging_log.undo(project.db, _final(project, by))


def redo(project: Project, by: Judge) -> Undone:
    """Make the decision again that was taken back last. Raises `NotFound` where there is none."""
    return judging_log.redo(project.db, _final(project, by))


def resolve_all(project: Project, by: Judge, at_least: int = 2, progress: Progress = no_progress) -> Resolved:
    """Put every pair that `at_least` annotators of a label set judged, all the same, into its final label set.

    A pair with a decision keeps it. One change for each 2,000 pairs, each undone by one `undo`.
    """
    info = query_sets.find(project.db, by.query_set)
    label_sets.find(project.db, info.id, by.label_set)
    counted = {"already": 0, "disputed": 0, "single": 0}

    def agreed() -> Iterator[tuple[Pair, Verdict | None]]:
        for number, (_, pairs) in enumerate(by_query(project, info.id, by.label_set, final_set(by.label_set))):
            progress(number, info.queries)
            for rows in pairs:
                said, decided = _said(rows, by.label_set)
                verdicts = {(verdict.relevance, verdict.is_hard_negative) for verdict in said.values()}
                if decided is not None:
                    counted["already"] += 1
                elif len(verdicts) > 1:
                    counted["disputed"] += 1
                elif len(said) < at_least:
                    counted["single"] += bool(said)
                else:
                    ((relevance, is_hard_negative),) = verdicts
                    yield Pair(rows[0].query_id, rows[0].doc_id), Verdict(relevance, is_hard_negative)

    stored, decisions = 0, agreed()
    while batch := list(islice(decisions, WRITE_BATCH)):
        stored += _record(project, by, batch, "agreed").changed
    return Resolved(stored, **counted)


def final_counts(project: Project, query_set: str, label_set: str = PEOPLE) -> Counts:
    """How many final labels there are of each sort, over all queries."""
    info = query_sets.find(project.db, query_set)
    each = judgments.counts(project.db, info.id, final_set(label_set)).values()
    return Counts(*(sum(getattr(counts, name) for counts in each) for name in Counts.__dataclass_fields__))


def _record(
    project: Project,
    by: Judge,
    decisions: Sequence[tuple[Pair, Verdict | None]],
    how: str,
    receipt: Receipt | None = None,
) -> Recorded:
    """Store at most 2,000 decisions as one change, with who made them and how."""
    told = {"how": how, "by": checked_name(by.annotator), "of": by.label_set}
    for _, verdict in decisions:
        if verdict is not None:
            check_verdict(verdict)
    entries = [Entry(*pair, verdict, told) for pair, verdict in decisions]
    return judging_log.record(project.db, _final(project, by), entries, receipt)


def _final(project: Project, by: Judge) -> Owner:
    return owner(project, Judge(by.query_set, ADJUDICATED, final_set(by.label_set)), "final")


def _said(rows: Sequence[Judgment], label_set: str) -> tuple[dict[str, Verdict], Verdict | None]:
    """(annotator → verdict, of those who judged; the final verdict or None) of one document's judgments."""
    judged = {row.annotator: row.verdict for row in rows if row.label_set == label_set}
    decided = next((row.verdict for row in rows if row.label_set == final_set(label_set)), None)
    return {name: verdict for name, verdict in judged.items() if verdict.relevance is not None}, decided


def _disagreement(rows: Sequence[Judgment], label_set: str) -> Disagreement | None:
    said, decided = _said(rows, label_set)
    if len({(verdict.relevance, verdict.is_hard_negative) for verdict in said.values()}) < 2:
        return None
    grades = [verdict.relevance or 0 for verdict in said.values()]
    return Disagreement(rows[0].query_id, rows[0].doc_id, said, max(grades) - min(grades), decided)
