"""Review: negatives that may be false, proposals, and disagreements, as cards with all that a decision needs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workbench import corpora, judgments, label_sets, query_sets
from workbench.artifacts import Artifact
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.judgments import Judgment, Pair, Verdict
from workbench.project import Project
from workbench.query_sets import QuerySetInfo
from workbench.types import Document, Query
from workbench.workflows import adjudicating, judging, reviewing, suspected
from workbench.workflows.adjudicating import Disagreements, Resolved, final_counts, resolve_all
from workbench.workflows.annotators import Agreement, agreement, checked_scale
from workbench.workflows.guarding import Reason, guard, telling
from workbench.workflows.judging import Judge, Receipt, Recorded
from workbench.workflows.matching import matched_terms
from workbench.workflows.reviewing import Proposals, Reviewed
from workbench.workflows.suspected import Queue

__all__ = [
    "Agreement", "Artifact", "Card", "Disagreements", "Judge", "Judgment", "Proposals", "Queue", "Reason", "Resolved",
    "Reviewed", "Verdict", "agreement", "checked_scale", "final_counts", "resolve_all",
]  # fmt: skip

MATCHED = 100_000
"""Characters of a document in which the query's words are looked for."""


@dataclass(frozen=True)
class Seen:
    """A document and the words of the query that it holds."""

    document: Document
    terms: Sequence[str]


@dataclass(frozen=True)
class Card:
    """Something to decide: a document of a query, beside its nearest (or best) positive.

    `said`: what the annotator, or the adjudication, says already. `keep`: the verdict that keeps it a negative.
    `opinions`: who said what else. `score`: the suspicion. `provenance`: the miner's.
    """

    query: Query
    own: Seen
    positive: Seen | None = None
    said: Verdict | None = None
    reasons: Sequence[Reason] = ()
    score: float | None = None
    keep: Verdict | None = None
    opinions: Sequence[Judgment] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelSets:
    """The label sets of a query set by what can be done with them; `negatives`: all that may hold some."""

    people: list[str]
    proposed: list[str]
    negatives: list[str]


def sets_of(project: Project, query_set: str) -> LabelSets:
    """Raises `NotFound`."""
    info = query_sets.find(project.db, query_set)
    known = label_sets.listed(project.db, info.id)
    people = [each.name for each in known if each.kind == "person"] or [judging.PEOPLE]
    proposed = [each.name for each in reversed(known) if each.kind == "proposed"]
    return LabelSets(people, proposed, [each.name for each in known if each.kind != "final"])


def corpus_of(project: Project, query_set: str) -> CorpusInfo:
    """The corpus of a query set, in its newest version. Raises `NotFound`."""
    return corpora.find(project.db, query_sets.find(project.db, query_set).corpus)


def suspect_cards(project: Project, by: Judge, offset: int, limit: int, report: str = "") -> tuple[Queue, list[Card]]:
    """(the queue, cards `offset` …) of the newest search for false negatives. Raises `BadInput` where none was made."""
    found = suspected.queue(project, by, report)
    if found is None:
        raise BadInput("No search for false negatives was made yet.", "Start one.")
    chosen = found.suspects[offset : offset + limit]
    shown = _Shown(project, by, [Pair(each.query_id, each.doc_id) for each in chosen], [s.positive for s in chosen])
    cards = []
    for each in chosen:
        card = shown.card(Pair(each.query_id, each.doc_id), each.positive)
        if card is not None:
            keep = suspected.kept_verdict(card.said, each)
            cards.append(replace(card, reasons=each.reasons, score=each.score, keep=keep))
    return found, cards


def proposal_cards(
    project: Project, by: Judge, proposed: str, state: Any, offset: int, limit: int
) -> tuple[Proposals, list[Card]]:
    """(proposals, their cards with the guard's reasons) of a proposed label set. Raises as `reviewing.proposals`."""
    found = reviewing.proposals(project, by, proposed, offset, limit, state)
    pairs = [Pair(row.query_id, row.doc_id) for row in found.rows]
    best = _best_positives(project, by.query_set, {pair.query_id for pair in pairs})
    shown = _Shown(project, by, pairs, list(best.values()))
    reasons: dict[Pair, list[Reason]] = {}
    for query_id, count in Counter(pair.query_id for pair in pairs if shown.knows(pair)).items():
        doc_ids = [pair.doc_id for pair in pairs if pair.query_id == query_id and shown.knows(pair)][:count]
        guarded = guard(project, by.query_set, query_id, doc_ids)
        reasons |= {Pair(query_id, doc_id): given for doc_id, given in guarded.items()}
    cards = []
    for row, pair in zip(found.rows, pairs, strict=True):
        given = reasons.get(pair, [])
        # The positive that a reason is about says more than the best one.
        about = next((reason.positive for reason in given if reason.positive), best.get(pair.query_id, ""))
        card = shown.card(pair, about)
        if card is not None:
            opinions = [each for each in card.opinions if each.label_set != proposed]
            cards.append(replace(card, reasons=given, provenance=row.provenance, opinions=opinions))
    return found, cards


def disagreement_cards(
    project: Project, query_set: str, label_set: str, offset: int, limit: int, open_only: bool
) -> tuple[Disagreements, list[Card]]:
    """(the disagreements, their cards). Raises `NotFound`."""
    found = adjudicating.disagreements(project, query_set, label_set, offset, limit, open_only)
    pairs = [Pair(row.query_id, row.doc_id) for row in found.rows]
    shown = _Shown(project, Judge(query_set, label_set=label_set), pairs, [])
    cards = []
    for row, pair in zip(found.rows, pairs, strict=True):
        card = shown.card(pair, "")
        if card is not None:
            own = [each for each in card.opinions if each.label_set == label_set and each.annotator in row.said]
            cards.append(replace(card, said=row.decided, opinions=own))
    return found, cards


def texts_of(project: Project, query_set: str, query_ids: Sequence[str]) -> dict[str, str]:
    """Query id → text, of some hundreds."""
    found = query_sets.with_ids(project.db, query_sets.find(project.db, query_set).id, query_ids)
    return {query_id: query.text for query_id, query in found.items()}


def decide(
    project: Project, by: Judge, pair: Pair, verdict: Verdict | None, proposed: str, receipt: Receipt | None = None
) -> Recorded:
    """Store what a person says of a proposal, with the miner's provenance. Raises as `reviewing.relabel`."""
    return reviewing.relabel(project, by, proposed, [pair], verdict, receipt)


class _Shown:
    """The queries, documents and judgments of a page of cards, read together."""

    def __init__(self, project: Project, by: Judge, pairs: Sequence[Pair], others: Sequence[str]) -> None:
        owner = judging.owner(project, by)
        self._owner = owner
        corpus = corpora.find(project.db, owner.info.corpus)
        self._queries = query_sets.with_ids(project.db, owner.info.id, sorted({pair.query_id for pair in pairs}))
        wanted = corpora.ordinals_of(project.db, corpus.id, [*(pair.doc_id for pair in pairs), *filter(None, others)])
        read = corpora.documents(project.db, corpus.id, sorted(wanted.values()))
        self._documents = {each.doc_id: each for each in read}
        self._rows = {query_id: judgments.of_query(project.db, owner.info.id, query_id) for query_id in self._queries}

    def knows(self, pair: Pair) -> bool:
        return pair.doc_id in self._documents and pair.query_id in self._queries

    def card(self, pair: Pair, positive: str) -> Card | None:
        """None where the corpus no longer has the document."""
        if not self.knows(pair):
            return None
        query = self._queries[pair.query_id]
        rows = [row for row in self._rows[pair.query_id] if row.doc_id == pair.doc_id]
        mine = [
            row for row in rows if row.label_set == self._owner.label_set and row.annotator == self._owner.annotator
        ]
        other = self._documents.get(positive)
        return Card(
            query,
            seen(query, self._documents[pair.doc_id]),
            seen(query, other) if other is not None else None,
            mine[0].verdict if mine else None,
            opinions=[row for row in rows if row not in mine],
        )


def seen(query: Query, document: Document) -> Seen:
    content = f"{document.title} {document.text[:MATCHED]}"
    return Seen(document, matched_terms(query.text, content) if query.text else ())


def _best_positives(project: Project, query_set: str, query_ids: Iterable[str]) -> dict[str, str]:
    """Query id → the id of its positive with the highest grade, the first of equals."""
    info: QuerySetInfo = query_sets.find(project.db, query_set)
    best: dict[str, str] = {}
    for query_id in query_ids:
        rows = telling(project, info, judgments.of_query(project.db, info.id, query_id))
        if rows:
            best[query_id] = max(rows, key=lambda row: row.verdict.relevance or 0).doc_id
    return best
