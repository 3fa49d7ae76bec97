"""The Evaluate page: runs × measures under chosen judgments, differences with intervals and tests, failing queries.

Means are over the queries of the set that have a judgment, the same ones for every run; a query for which a run found
nothing counts 0. Beside every figure stands the share of its first k documents that is judged, and what labelling the
rest could make of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput, NotFound
from workbench.evaluation import DEFAULT, parse_measures
from workbench.project import Project
from workbench.runs import RunInfo
from workbench.significance import RESAMPLES, compare_all, holm
from workbench.workflows.evaluating import Counts, EvaluateOptions, Judgments, RunFigures, figures_of
from workbench.workflows.running import get_run
from workbench.workflows.slicing import Slice, slices
from workbench.workflows.tracing import Gold, gold_positions

__all__ = [
    "Comparison",
    "Counts",
    "EvaluateOptions",
    "Evaluation",
    "Gold",
    "PerQuery",
    "Point",
    "RunFigures",
    "Slice",
    "compare",
    "evaluate",
    "gold_positions",
    "pareto",
    "per_query",
    "slices",
]

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Evaluation:
    """Runs under judgments. `query_ids` (n) are the judged queries in the set's order, `rows` (n,) their places there.

    `warnings`: sentences for people, about what was counted and what was not.
    """

    query_set: str
    label_sets: list[str]
    measures: list[str]
    options: EvaluateOptions
    query_ids: list[str]
    rows: NDArray[np.int64]
    runs: list[RunFigures]
    counts: Counts
    warnings: list[str] = field(default_factory=list)

    def figures(self, run: str) -> RunFigures:
        """Raises `NotFound` where the run is not one of these."""
        for each in self.runs:
            if each.run.name == run:
                return each
        raise NotFound(f"The run “{run}” is not part of this evaluation.", "Add it to the runs that are compared.")


@dataclass(frozen=True)
class Comparison:
    """A run less the baseline in one measure. `p_holm`: corrected for all comparisons that were made together."""

    run: str
    baseline: str
    measure: str
    mean: float
    low: float
    high: float
    p: float
    p_holm: float
    exact: bool
    wins: int
    ties: int
    losses: int

    @property
    def significant(self) -> bool:
        return self.p_holm < SIGNIFICANT


@dataclass(frozen=True)
class PerQuery:
    """Two runs query by query, the query that `a` loses most first: `order` (n,) places in `Evaluation.query_ids`."""

    query_ids: list[str]
    order: NDArray[np.int64]
    a: NDArray[np.float64]
    b: NDArray[np.float64]
    difference: NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """What a system gives and costs; None where a cost is not known."""

    name: str
    quality: float
    milliseconds: float | None = None
    bytes: float | None = None


def evaluate(
    project: Project,
    runs: Sequence[str | int],
    measures: str = DEFAULT,
    label_sets: Sequence[str] | None = None,
    options: EvaluateOptions | None = None,
) -> Evaluation:
    """The measures of runs of one query set. `label_sets` None: all but proposals that nobody has accepted.

    Values are kept beside each run for this state of the judgments, so the same table again reads them. Without
    judgments the means are None. Raises `NotFound` on names, `BadInput` on measures or on runs of two query sets.
    """
    parsed = parse_measures(measures)
    chosen = options or EvaluateOptions()
    found = list({info.id: info for info in (get_run(project, run) for run in runs)}.values())
    _check_one_set(found)
    judgments = Judgments(project, found[0].query_set, label_sets, chosen, found[0].artifact.folder)
    figures = [figures_of(project, each, parsed, judgments) for each in found]
    counts = judgments.counts(found)
    evaluation = Evaluation(
        query_set=found[0].query_set,
        label_sets=list(judgments.names),
        measures=[each.name for each in parsed],
        options=chosen,
        query_ids=judgments.query_ids,
        rows=judgments.rows,
        runs=figures,
        counts=counts,
        warnings=_warnings(counts, chosen, found),
    )
    return evaluation


def _check_one_set(found: Sequence[RunInfo]) -> None:
    if not found:
        raise BadInput("No run was named.", "Name one or more runs.")
    sets = list(dict.fromkeys(each.query_set for each in found))
    if len(sets) > 1:
        names = ", ".join(f"“{each}”" for each in sets)
        raise BadInput(
            f"These runs answer different queries ({names}), so their means cannot be compared.",
            "Choose runs of one query set.",
        )


def _warnings(counts: Counts, options: EvaluateOptions, found: Sequence[RunInfo]) -> list[str]:
    if not counts.judged_queries:
        return ["No query of this set has a judgment yet, so there is nothing to measure."]
    told = [
        (counts.without_judgments, "queries have no judgment; the means leave them out."),
        (counts.without_relevant, "judged queries have no relevant document; they count 0."),
        (counts.undecided, "pairs on which people or label sets contradict each other count as unjudged."),
        (counts.unknown_documents, "judged documents are not in the corpus: counted as relevant and not found."),
        (counts.unknown_queries, "judgments name queries that the set does not have; left out."),
    ]
    words = [f"{count:,} {text}" for count, text in told if count]
    short = [each.name for each in found if int(each.manifest["queries"]) < counts.queries]
    words += [f"“{name}” was made before queries were added; those count 0 for it." for name in short]
    if options.drop_self:
        words.append("A hit whose id is the query's own id was dropped before measuring.")
    if options.parent:
        words.append(f"Hits were rolled up to the document in “{options.parent}”, by the highest score.")
    return words


def compare(
    evaluation: Evaluation, baseline: str, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = 0
) -> list[Comparison]:
    """Every other run less `baseline` in every measure, run by run: paired bootstrap intervals and randomisation tests.

    All comparisons are one family for Holm's correction, and use the same resamples. None without judgments. Raises
    `NotFound` where the baseline is not one of the runs.
    """
    base = evaluation.figures(baseline)
    others = [each for each in evaluation.runs if each is not base]
    pairs = [(each, measure) for each in others for measure in evaluation.measures]
    if not pairs or not evaluation.query_ids:
        return []
    rows = np.array([each.values[measure] - base.values[measure] for each, measure in pairs])
    found = compare_all(rows, resamples, confidence, seed)
    corrected = holm([each.p for each in found])
    return [
        Comparison(
            run=figures.run.name,
            baseline=baseline,
            measure=measure,
            mean=each.mean,
            low=each.low,
            high=each.high,
            p=each.p,
            p_holm=p_holm,
            exact=each.exact,
            wins=each.wins,
            ties=each.ties,
            losses=each.losses,
        )
        for (figures, measure), each, p_holm in zip(pairs, found, corrected, strict=True)
    ]


def per_query(evaluation: Evaluation, a: str, b: str, measure: str) -> PerQuery:
    """`a` less `b` for each judged query, the worst first, equal ones in the set's order. Raises `NotFound`."""
    if measure not in evaluation.measures:
        raise NotFound(f"“{measure}” was not measured.", f"Measured were: {', '.join(evaluation.measures)}.")
    first, second = (evaluation.figures(run).values[measure] for run in (a, b))
    difference = first - second
    order = np.argsort(difference, kind="stable")
    ids = [evaluation.query_ids[place] for place in order]
    return PerQuery(ids, order, first[order], second[order], difference[order])


def pareto(points: Sequence[Point]) -> list[bool]:
    """Whether each point is on the front: no other is as good in everything that is known of it, and better in one."""
    return [not any(_dominates(other, point) for other in points if other is not point) for point in points]


def _dominates(other: Point, point: Point) -> bool:
    """A point of which less is known does not beat one of which more is."""
    costs = [(other.milliseconds, point.milliseconds), (other.bytes, point.bytes)]
    pairs = [(-other.quality, -point.quality), *((theirs, ours) for theirs, ours in costs if ours is not None)]
    if any(theirs is None for theirs, _ in pairs):
        return False
    known = [(theirs, ours) for theirs, ours in pairs if theirs is not None]
    return all(theirs <= ours for theirs, ours in known) and any(theirs < ours for theirs, ours in known)
