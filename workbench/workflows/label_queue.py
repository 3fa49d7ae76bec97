"""The queue of queries to label: sorted by what helps most, filtered by state, with the progress of everybody.

What needs searching (disagreement, margin, gain) is computed for a drawn sample of the queries, never for all.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf, log2
from typing import Literal, get_args

import numpy as np

from workbench import corpora, judgments, label_sets, query_progress, query_sets
from workbench.agreement import overlap
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.project import Project
from workbench.query_progress import PersonProgress, QueryProgress
from workbench.query_sets import QRELS, QuerySetInfo
from workbench.types import Query, Ranking
from workbench.workflows.judging import Judge, checked_name, checked_set
from workbench.workflows.label import Contestant, Pooling, ranked

Sort = Literal["file", "random", "disagreement", "margin", "gain"]
State = Literal["all", "untouched", "started", "done", "later", "flagged"]
SORTS: tuple[Sort, ...] = get_args(Sort)
STATES: tuple[State, ...] = get_args(State)
SAMPLE, LARGEST_SAMPLE = 40, 500
"""Queries that are searched to be sorted: by default, at most."""
ENOUGH = 10
"""Documents with a verdict that make a query done, unless another number is asked for."""
TOP = 10
"""Depth at which systems are compared."""
BEFORE, AFTER = 40, 160
"""Queries of a window before and after the one in hand."""


@dataclass(frozen=True)
class Order:
    """How the queue is sorted and filtered. A query is done with `enough` verdicts and none put off."""

    sort: Sort = "file"
    state: State = "all"
    seed: int = 0
    enough: int = ENOUGH
    sample: int = SAMPLE

    def __post_init__(self) -> None:
        if self.sort not in SORTS or self.state not in STATES:
            raise BadInput("The queue cannot be sorted or filtered that way.", f"Sorts: {', '.join(SORTS)}.")
        if not 1 <= self.enough <= 1000 or not 1 <= self.sample <= LARGEST_SAMPLE:
            raise BadInput("Enough is 1 to 1,000 verdicts; a sample has 1 to 500 queries.", "Choose another number.")


@dataclass(frozen=True)
class Row:
    """A query of the queue: its place in its set, what the annotator said, and the figure it is sorted by."""

    query_id: str
    at: int
    text: str
    said: int = 0
    later: int = 0
    flagged: int = 0
    done: bool = False
    value: float | None = None


@dataclass(frozen=True)
class Queue:
    """A window of the queue: `rows` from place `start` of `total`. `here`: the place of the query in hand, or of the
    first that is not done; −1 where there is none. `note`: what was sorted, and of how many."""

    rows: list[Row]
    start: int
    total: int
    here: int
    note: str


@dataclass(frozen=True)
class Progress:
    """How far people are: of `queries`, how many anybody began; and each person's own, by name."""

    queries: int
    begun: int
    people: list[PersonProgress]


def progress(project: Project, query_set: str, label_set: str, enough: int = ENOUGH) -> Progress:
    """Raises `NotFound`, `BadInput`. Reads counts that the database keeps: as quick with a million judgments."""
    info = query_sets.find(project.db, query_set)
    people, begun = query_progress.people(project.db, info.id, checked_set(label_set), enough)
    return Progress(info.queries, begun, people)


def queue(
    project: Project, by: Judge, order: Order, pipelines: Sequence[Contestant] = (), around: str | None = None
) -> Queue:
    """The queries to label, a window around the query `around`. Raises `NotFound`, `BadInput`."""
    info = query_sets.find(project.db, by.query_set)
    mine = {
        each.query_id: each
        for each in query_progress.listed(
            project.db, info.id, checked_set(by.label_set), annotator=checked_name(by.annotator)
        )
    }
    ids = query_sets.ids(project.db, info.id)
    places = [at for at, query_id in enumerate(ids) if passes(mine.get(query_id), order)]
    values: Mapping[int, float | None] = {}
    note = ""
    if order.sort == "random":
        random.Random(order.seed).shuffle(places)
        note = f"Random order, seed {order.seed}."
    elif order.sort != "file":
        places, values, note = figured(project, info, (by, order), pipelines, places)
    here = in_hand(places, ids, around, order, lambda query_id: state_of(mine.get(query_id), order) == "done")
    start = max(0, here - BEFORE)
    shown = places[start : max(0, here) + AFTER]
    texts = query_sets.at_places(project.db, info.id, shown)
    rows = [row_of(at, texts[at], mine.get(ids[at]), order, values.get(at)) for at in shown if at in texts]
    return Queue(rows, start, len(places), here, note)


def row_of(at: int, query: Query, mine: QueryProgress | None, order: Order, value: float | None) -> Row:
    done = state_of(mine, order) == "done"
    counts = (mine.said, mine.later, mine.flagged) if mine else (0, 0, 0)
    return Row(query.query_id, at, query.text or "(picture)", *counts, done, value)


def state_of(mine: QueryProgress | None, order: Order) -> State:
    """Untouched, started or done."""
    if mine is None or not mine.said:
        return "untouched"
    return "done" if not mine.later and mine.said >= order.enough else "started"


def passes(mine: QueryProgress | None, order: Order) -> bool:
    """Whether a query is of the state that is asked for."""
    if order.state == "all":
        return True
    if order.state in ("later", "flagged"):
        return mine is not None and (mine.later if order.state == "later" else mine.flagged) > 0
    return state_of(mine, order) == order.state


def in_hand(
    places: Sequence[int], ids: Sequence[str], around: str | None, order: Order, is_done: Callable[[str], bool]
) -> int:
    """The place in the queue of the query `around`; where the queue lacks it, of the one that would follow it; without
    one, of the first that is not done. −1 in an empty queue."""
    if not places:
        return -1
    if around is None:
        return next((n for n, at in enumerate(places) if not is_done(ids[at])), 0)
    for n, at in enumerate(places):
        if ids[at] == around:
            return n
    if order.sort == "file" and around in ids:
        after = ids.index(around)
        return next((n for n, at in enumerate(places) if at > after), len(places) - 1)
    return 0


# ── sorts that search ────────────────────────────────────────────────────────────────────────────────────────────


def figured(
    project: Project,
    info: QuerySetInfo,
    asked: tuple[Judge, Order],
    pipelines: Sequence[Contestant],
    places: Sequence[int],
) -> tuple[list[int], dict[int, float | None], str]:
    """(places sorted by their figure, the figures, what was done). Raises `BadInput` on too few pipelines."""
    by, order = asked
    if len(pipelines) < (2 if order.sort == "disagreement" else 1):
        raise BadInput("Sorting this way takes two pipelines that can be asked.", "Choose more, or encode the corpus.")
    drawn = sorted(random.Random(order.seed).sample(list(places), min(order.sample, len(places))))
    corpus = corpora.find(project.db, info.corpus)
    queries = query_sets.at_places(project.db, info.id, drawn)
    figures = {at: figure(project, (info, corpus), queries[at], (by, order.sort), pipelines) for at in drawn}
    known = {at: value for at, value in figures.items() if value is not None}
    # Large first, but a small margin is what helps.
    sign = 1 if order.sort == "margin" else -1
    best = sorted(known, key=lambda at: (sign * known[at], at))
    left = len(drawn) - len(best)
    note = f"Sorted {len(best):,} of {len(places):,} queries" + (
        f", drawn with seed {order.seed}." if len(drawn) < len(places) else "."
    )
    if left:
        note += f" {left:,} have no {'known positive' if order.sort == 'margin' else 'answer'}, left out."
    return best, {at: known[at] for at in best}, note


def figure(
    project: Project,
    where: tuple[QuerySetInfo, CorpusInfo],
    query: Query,
    what: tuple[Judge, Sort],
    pipelines: Sequence[Contestant],
) -> float | None:
    """What a query is sorted by; None where it has no such figure."""
    info, corpus = where
    by, sort = what
    depth = 100 if sort == "margin" else TOP
    chosen = tuple(pipelines)[:1] if sort == "margin" else tuple(pipelines)
    found, _ = ranked(project, corpus, query, Pooling(chosen, depth))
    rankings = list(found.values())
    if not rankings:
        return None
    if sort == "disagreement":
        return disagreement(rankings)
    judged = {
        row.doc_id: row.verdict.relevance
        for row in judgments.of_query(project.db, info.id, query.query_id)
        if row.label_set in (by.label_set, QRELS, label_sets.PEOPLE) and row.verdict.relevance is not None
    }
    relevance = {
        ordinal: judged[doc_id] for doc_id, ordinal in corpora.ordinals_of(project.db, corpus.id, judged).items()
    }
    if sort == "gain":
        return gain(rankings, set(relevance))
    return margin(rankings[0], {ordinal for ordinal, grade in relevance.items() if grade > 0})


def disagreement(rankings: Sequence[Ranking], k: int = TOP) -> float:
    """1 − the mean overlap of the first `k` of each two rankings, 0 … 1; 0 with one ranking."""
    pairs = [overlap(a.ordinals, b.ordinals, k) for a, b in combinations(rankings, 2)]
    return 1 - sum(pairs) / len(pairs) if pairs else 0.0


def margin(ranking: Ranking, positives: set[int]) -> float | None:
    """The best positive's score less the best score of a document that is none; −inf where no positive was found, None
    where none is known."""
    if not positives:
        return None
    is_positive = np.isin(ranking.ordinals, list(positives))
    if not is_positive.any():
        return -inf
    if is_positive.all():
        return inf
    return float(ranking.scores[is_positive].max() - ranking.scores[~is_positive].max())


def gain(rankings: Sequence[Ranking], judged: set[int], k: int = TOP) -> float:
    """How much judging the unjudged documents of the first `k` could move the systems' nDCG@k apart, 0 … 1.

    For each two systems, over the unjudged documents: Σ |d_a − d_b| / Σ_{i ≤ k} 1/log2(i+1), where d is the discount
    1/log2(rank+1) of the document in that system's first k, 0 outside; the mean over the pairs, halved, as at most all
    of both lists differs. One system alone: Σ d over the same sum.
    """
    ideal = sum(1 / log2(rank + 1) for rank in range(1, k + 1))
    discounts = [
        {
            ordinal: 1 / log2(rank + 1)
            for rank, ordinal in enumerate(ranking.ordinals[:k].tolist(), 1)
            if ordinal not in judged
        }
        for ranking in rankings
    ]
    if len(discounts) == 1:
        return sum(discounts[0].values()) / ideal
    apart = [sum(abs(a.get(d, 0) - b.get(d, 0)) for d in {*a, *b}) for a, b in combinations(discounts, 2)]
    return sum(apart) / len(apart) / (2 * ideal)
