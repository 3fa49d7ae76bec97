"""An evaluation as a report for others and as tables: everything that a reader needs to believe or repeat it."""

import csv
import importlib.metadata
import io
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from workbench import __version__
from workbench.errors import WorkbenchError
from workbench.exports.tables import harmless
from workbench.project import Project
from workbench.significance import RESAMPLES, bootstrap_intervals
from workbench.workflows.corpus import get_document
from workbench.workflows.evaluate import (
    Comparison,
    Evaluation,
    Gold,
    PerQuery,
    Point,
    RunFigures,
    gold_positions,
    pareto,
    per_query,
)
from workbench.workflows.evaluated import texts_of

SAMPLES, GOLD, TEXT = 8, 5, 600
CONFIDENCE, SEED = 0.95, 0
PACKAGES = ("numpy", "ir-measures", "pytrec-eval-terrier", "torch", "sentence-transformers", "faiss-cpu", "bm25s")


@dataclass(frozen=True)
class Asked:
    """What a report is about: run `other` against `baseline` in `measure`, under a title, answering `question`."""

    baseline: str
    other: str
    measure: str
    title: str = ""
    question: str = ""


@dataclass(frozen=True)
class Sample:
    """A query at which `other` fails: its values, its judged documents with their ranks, and their texts by id."""

    query_id: str
    text: str
    baseline: float
    other: float
    gold: list[Gold]
    texts: dict[str, str]


@dataclass(frozen=True)
class Report:
    """`intervals`: run → measure → bootstrap interval of its mean. `paired`: None with one run or no judgments.

    `front`: which of `points` no other beats in quality, time and memory. `versions`: package → version.
    """

    asked: Asked
    project: str
    evaluation: Evaluation
    comparisons: list[Comparison]
    intervals: dict[str, dict[str, tuple[float, float]]]
    paired: PerQuery | None
    samples: list[Sample]
    points: list[Point]
    front: list[bool]
    versions: dict[str, str]
    made_at: float

    @property
    def corpus(self) -> dict[str, Any]:
        """Name and version of the corpus that was searched."""
        return dict(self.evaluation.runs[0].run.manifest["corpus"])


def make_report(project: Project, evaluation: Evaluation, comparisons: list[Comparison], asked: Asked) -> Report:
    """Everything a report says. Raises `NotFound` where a run or the measure is not part of the evaluation."""
    paired = None
    if asked.other != asked.baseline and evaluation.query_ids:
        paired = per_query(evaluation, asked.other, asked.baseline, asked.measure)
    points = points_of(evaluation, asked.measure)
    return Report(
        asked=asked,
        project=project.name,
        evaluation=evaluation,
        comparisons=comparisons,
        intervals=mean_intervals(evaluation),
        paired=paired,
        samples=samples_of(project, evaluation, asked),
        points=points,
        front=pareto(points),
        versions=versions(),
        made_at=time.time(),
    )


def points_of(evaluation: Evaluation, measure: str) -> list[Point]:
    """What each run gives and costs; runs without judgments are left out, costs of imported runs are not known."""
    return [point for each in evaluation.runs if (point := _point(each, measure)) is not None]


def _point(figures: RunFigures, measure: str) -> Point | None:
    mean, manifest = figures.means[measure], figures.run.manifest
    if mean is None:
        return None
    return Point(figures.run.name, mean, manifest.get("milliseconds"), manifest.get("memory_bytes"))


def mean_intervals(evaluation: Evaluation) -> dict[str, dict[str, tuple[float, float]]]:
    """Run → measure → 95% bootstrap interval of the mean over queries; empty without judgments."""
    if not evaluation.query_ids:
        return {}
    pairs = [(each.run.name, measure) for each in evaluation.runs for measure in evaluation.measures]
    rows = np.array([evaluation.figures(run).values[measure] for run, measure in pairs])
    intervals = bootstrap_intervals(rows, RESAMPLES, CONFIDENCE, SEED)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for (run, measure), (low, high) in zip(pairs, intervals, strict=True):
        found.setdefault(run, {})[measure] = (float(low), float(high))
    return found


def failing(evaluation: Evaluation, asked: Asked, limit: int = SAMPLES) -> list[int]:
    """Places in `query_ids`: what `other` loses to the baseline, the most first, then where it is below its own "
    "mean."""
    ours = evaluation.figures(asked.other).values[asked.measure]
    change = ours - evaluation.figures(asked.baseline).values[asked.measure]
    lost = [at for at in np.argsort(change, kind="stable").tolist() if change[at] < 0]
    low = [at for at in np.argsort(ours, kind="stable").tolist() if ours[at] < ours.mean()]
    return list(dict.fromkeys([*lost, *low]))[:limit]


def samples_of(project: Project, evaluation: Evaluation, asked: Asked) -> list[Sample]:
    """The failing queries with their judged documents."""
    places = failing(evaluation, asked) if evaluation.query_ids else []
    texts = texts_of(project, evaluation, [evaluation.query_ids[at] for at in places])
    corpus = int(evaluation.runs[0].run.manifest["corpus"]["id"])
    base, other = (evaluation.figures(run).values[asked.measure] for run in (asked.baseline, asked.other))
    found = []
    for at in places:
        query_id = evaluation.query_ids[at]
        gold = gold_positions(project, evaluation, query_id)[:GOLD]
        known = {each.doc_id: text for each in gold if (text := document_text(project, corpus, each.doc_id))}
        found.append(Sample(query_id, texts.get(query_id, ""), float(base[at]), float(other[at]), gold, known))
    return found


def document_text(project: Project, corpus: int, doc_id: str) -> str:
    """Title and beginning of a document; "" where the corpus does not have it."""
    try:
        document = get_document(project, corpus, doc_id)
    except WorkbenchError:
        return ""
    title = "" if document.title == doc_id else document.title
    return " — ".join(part for part in (title, document.text[:TEXT]) if part)


def versions() -> dict[str, str]:
    """The versions that took part."""
    found = {"retrieval-workbench": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def as_json(evaluation: Evaluation, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Means and per-query values as plain JSON: values in the order of `query_ids`."""
    return {
        "query_set": evaluation.query_set,
        "label_sets": evaluation.label_sets,
        "options": evaluation.options.to_dict(),
        "measures": evaluation.measures,
        "counts": asdict(evaluation.counts),
        "warnings": evaluation.warnings,
        "query_ids": evaluation.query_ids,
        "runs": [_run_json(each) for each in evaluation.runs],
        "comparisons": [{**asdict(each), "significant": each.significant} for each in comparisons],
        "versions": versions(),
    }


def _run_json(figures: RunFigures) -> dict[str, Any]:
    run = figures.run
    return {
        "run": run.name,
        "imported": run.is_imported,
        "spec": dict(run.artifact.spec),
        "lineage": run.manifest.get("lineage"),
        "milliseconds": run.manifest.get("milliseconds"),
        "memory_bytes": run.manifest.get("memory_bytes"),
        "means": figures.means,
        "judged": figures.judged,
        "bounds": figures.bounds,
        "values": {measure: values.tolist() for measure, values in figures.values.items()},
    }


def means_csv(evaluation: Evaluation, comparisons: Sequence[Comparison]) -> str:
    """One line a run and measure: mean, judged share, what labelling could make of it, and the comparison."""
    by = {(each.run, each.measure): each for each in comparisons}
    told = ("baseline", "mean", "low", "high", "p", "p_holm", "wins", "ties", "losses")
    head = ["run", "measure", "mean", "judged", "lowest", "highest", "baseline", "difference", *told[2:]]
    rows: list[list[Any]] = [head]
    for each in evaluation.runs:
        for measure in evaluation.measures:
            limits = each.bounds[measure] or ("", "")
            compared = by.get((each.run.name, measure))
            behind = [getattr(compared, name) for name in told] if compared else [""] * len(told)
            rows.append([each.run.name, measure, each.means[measure], each.judged[measure], *limits, *behind])
    return _csv(rows)


def queries_csv(project: Project, evaluation: Evaluation) -> str:
    """One line a judged query: its id, its text, and each run's value in each measure."""
    columns = [(each, measure) for each in evaluation.runs for measure in evaluation.measures]
    texts = texts_of(project, evaluation, evaluation.query_ids)
    rows: list[list[Any]] = [["query_id", "text", *(f"{each.run.name} {measure}" for each, measure in columns)]]
    values = np.array([each.values[measure] for each, measure in columns]).T.tolist()
    rows += [[query_id, texts[query_id], *own] for query_id, own in zip(evaluation.query_ids, values, strict=True)]
    return _csv(rows)


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerows([[harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows])
    return file.getvalue()
