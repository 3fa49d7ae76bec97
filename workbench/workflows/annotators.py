"""Annotators of a label set: how much they agree, over all of it, by query, and each two of them.

A hard negative counts as grade 0 in every figure; skipped, unrateable and postponed pairs count as not judged.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, get_args

from workbench import judgments, label_sets, query_sets
from workbench.annotators import Ratings, cohen_kappa, percent_agreement
from workbench.errors import BadInput
from workbench.judgments import GRADES, Judgment
from workbench.project import Project
from workbench.types import Progress, no_progress
from workbench.workflows.judging import PEOPLE

Scale = Literal["grades", "relevant"]
"""What is compared: the grades as they are, or only whether they are above 0."""
SCALES: tuple[Scale, ...] = get_args(Scale)


@dataclass(frozen=True)
class PairAgreement:
    """Two annotators: documents judged by both, and by one of them only. `weighted`: κ with quadratic weights."""

    a: str
    b: str
    both: int
    only_a: int
    only_b: int
    percent: float
    kappa: float
    weighted: float


@dataclass(frozen=True)
class QueryAgreement:
    """A query: documents judged twice or more, those judged once, the share of agreeing pairs of ratings, ordinal α."""

    query_id: str
    both: int
    single: int
    percent: float
    alpha: float


@dataclass(frozen=True)
class Agreement:
    """Agreement over a label set. `units`: pairs of query and document that two or more judged; `single`: by one only.

    `unjudged`: pairs that somebody looked at and nobody judged. Fleiss's κ is over `fleiss_units` units of
    `fleiss_ratings` ratings each. Figures that cannot be told are NaN. `queries`: the least agreed on first.
    """

    label_set: str
    scale: Scale
    annotators: dict[str, int]
    units: int
    single: int
    unjudged: int
    percent: float
    fleiss: float
    fleiss_units: int
    fleiss_ratings: int
    alphas: dict[str, float]
    pairs: list[PairAgreement] = field(default_factory=list)
    queries: list[QueryAgreement] = field(default_factory=list)


def agreement(
    project: Project, query_set: str, label_set: str = PEOPLE, scale: Scale = "grades", progress: Progress = no_progress
) -> Agreement:
    """How much the annotators of a label set agree; streamed, so memory does not grow with the judgments.

    Raises `NotFound` on the query set or the label set.
    """
    info = query_sets.find(project.db, query_set)
    label_sets.find(project.db, info.id, label_set)
    whole, queries, unjudged = Ratings(), [], 0
    for number, (query_id, pairs) in enumerate(by_query(project, info.id, label_set)):
        progress(number, info.queries)
        own = Ratings()
        for rows in pairs:
            unit = {row.annotator: _value(row, scale) for row in rows if row.verdict.relevance is not None}
            own.add(unit)
            whole.add(unit)
            unjudged += not unit
        if own.units or own.single:
            queries.append(QueryAgreement(query_id, own.units, own.single, own.percent, own.alpha("ordinal")))
    # Of equal ones, those with more to talk about come first; the sort keeps the query set's order among the rest.
    queries.sort(key=lambda each: (math.inf if math.isnan(each.percent) else each.percent, -each.both))
    fleiss, units, ratings = whole.fleiss()
    return Agreement(
        label_set=label_set,
        scale=scale,
        annotators=dict(sorted(whole.rated.items())),
        units=whole.units,
        single=whole.single,
        unjudged=unjudged,
        percent=whole.percent,
        fleiss=fleiss,
        fleiss_units=units,
        fleiss_ratings=ratings,
        alphas={level: whole.alpha(level) for level in ("nominal", "ordinal", "interval")},
        pairs=_pairs(whole, scale),
        queries=queries,
    )


def checked_scale(scale: str) -> Scale:
    """Raises `BadInput` on a scale that is none."""
    if scale not in SCALES:
        raise BadInput(f"There is no scale “{scale[:40]}”.", f"Choose one of: {', '.join(SCALES)}.")
    return scale


def by_query(project: Project, query_set_id: int, *names: str) -> Iterator[tuple[str, Iterator[list[Judgment]]]]:
    """(query id, its documents' judgments, one list a document), in the set's order."""
    rows = judgments.stream(project.db, query_set_id, names)
    for query_id, own in groupby(rows, key=lambda row: row.query_id):
        yield query_id, (list(same) for _, same in groupby(own, key=lambda row: row.doc_id))


def _value(row: Judgment, scale: Scale) -> int:
    return int(row.verdict.is_positive) if scale == "relevant" else row.verdict.relevance or 0


def _pairs(ratings: Ratings, scale: Scale) -> list[PairAgreement]:
    """Every two annotators who judged a document both, by name."""
    # All grades, so that a gap of two grades weighs the same whether or not anybody gave the one between.
    values = sorted({*(GRADES if scale == "grades" else (0, 1)), *ratings.values})
    found = []
    for a, b in sorted(ratings.pairs):
        table = ratings.confusion(a, b, values)
        both = int(table.sum())
        figures = (percent_agreement(table), cohen_kappa(table), cohen_kappa(table, "quadratic"))
        found.append(PairAgreement(a, b, both, ratings.rated[a] - both, ratings.rated[b] - both, *figures))
    return found
