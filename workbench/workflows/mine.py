"""Mine: hard negatives of a query set by one or several miners, as a proposed label set."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.artifacts import Artifact
from workbench.errors import BadInput
from workbench.mining import RULES, SweepPoint, active_rules
from workbench.project import Project, check_name
from workbench.specs import MiningSpec
from workbench.types import Progress, no_progress
from workbench.workflows.mining_candidates import CandidateSet, Search
from workbench.workflows.mining_known import Groups, Known, known_of
from workbench.workflows.mining_rescoring import rescore
from workbench.workflows.mining_rules import (
    MinerPreview,
    MinerSweep,
    Preview,
    candidates_of,
    preview,
    sweep_margins,
)
from workbench.workflows.mining_search import Finder, Miner, finder_of
from workbench.workflows.mining_storing import MinerReport, MiningRun, Summary

__all__ = [
    "RULES",
    "CandidateSet",
    "CandidatesReport",
    "MineReport",
    "Miner",
    "MinerPreview",
    "MinerReport",
    "MinerSweep",
    "Preview",
    "Summary",
    "SweepPoint",
    "active_rules",
    "candidates_of",
    "find_candidates",
    "mine",
    "preview",
    "sweep_margins",
]


@dataclass(frozen=True)
class CandidatesReport:
    """Which candidates there are now: one artifact for each miner, in their order."""

    artifacts: list[str]
    queries: int
    queries_without_positives: int
    missing_positives: int
    warnings: list[str]
    seconds: float


@dataclass(frozen=True)
class MineReport:
    """What was mined: `negatives` stored in `label_set`; `dropped` candidates by rule, of all miners together.

    `short` queries got fewer than were asked for, `missing` negatives in all: never filled up. Of the queries, those
    without a positive are not mined; `missing_positives` name documents that the corpus does not have.
    """

    label_set: str
    negatives: int
    dropped: dict[str, int]
    short: int
    missing: int
    queries: int
    queries_without_positives: int
    missing_positives: int
    miners: list[MinerReport]
    warnings: list[str]
    seconds: float


def find_candidates(
    project: Project,
    query_set: str,
    spec: MiningSpec,
    miners: Sequence[Miner],
    near: bool = True,
    progress: Progress = no_progress,
) -> CandidatesReport:
    """Search, and rescore where `spec` names a reranker: all that costs. The same again is there already.

    `near` also measures cosines to positives, where a miner has dense vectors, so that near-duplicates can be left out
    live. Raises `NotFound` on names, `BadInput` where no query has a positive or the miners do not fit.
    """
    started = time.perf_counter()
    known = known_of(project, query_set, spec.label_sets)
    sets = candidate_sets(project, known, spec, miners, (near, progress))
    artifacts = [each.artifact.id for each in sets]
    seconds = round(time.perf_counter() - started, 3)
    return CandidatesReport(artifacts, len(known), known.without, known.missing, warnings_of(known, sets), seconds)


def mine(
    project: Project,
    query_set: str,
    spec: MiningSpec,
    miners: Sequence[Miner],
    name: str = "",
    progress: Progress = no_progress,
) -> MineReport:
    """Mine `spec.per_query` hard negatives for every query with a positive, into a proposed label set.

    Several miners take turns: the first pick of each, then the second, and so on; a document that several pick is
    stored once with all of them in its provenance. Without a `name` the label set is called after what made it; the
    same again gives the same set. Raises `NotFound` on names, `BadInput` where no query has a positive, the miners do
    not fit, or there is another label set of this name.
    """
    started = time.perf_counter()
    label_set = check_name("label set", name) if name else ""
    known = known_of(project, query_set, spec.label_sets)
    near = spec.near_duplicate is not None
    sets = candidate_sets(project, known, spec, miners, (near, progress))
    run = MiningRun(project, known, spec, sets)
    label_set = label_set or f"mined-{run.fingerprint[:8]}"
    run.store(label_set)
    reports = run.reports()
    dropped = {rule: sum(each.dropped[rule] for each in reports) for rule in RULES}
    warnings = warnings_of(known, sets)
    if not run.negatives:
        warnings.append("The rules left no negative: widen the range, or lower the margins.")
    seconds = round(time.perf_counter() - started, 3)
    counts = (run.short, run.missing, len(known), known.without, known.missing)
    return MineReport(label_set, run.negatives, dropped, *counts, reports, warnings, seconds)


def candidate_sets(
    project: Project, known: Known, spec: MiningSpec, miners: Sequence[Miner], how: tuple[bool, Progress]
) -> list[CandidateSet]:
    """The candidates of each miner, from before or searched now. `how`: near-duplicates measured, progress."""
    near, progress = how
    finders = [finder_of(project, known.corpus, each) for each in miners]
    dense = _checked(finders, spec) if near else None
    groups = Groups(project, known.corpus, spec)
    passes = len(finders) * (2 if spec.reranker else 1)
    total, done = passes * len(known), 0
    found = []
    for finder in finders:
        own = (finder.dense or dense) if near else None
        artifact: Artifact = Search(project, known, finder, spec, own, groups).run(progress, (done, total))
        done += len(known)
        if spec.reranker:
            artifact = rescore(project, CandidateSet(artifact), spec, progress, (done, total))
            done += len(known)
        found.append(CandidateSet(artifact))
    return found


def _checked(finders: Sequence[Finder], spec: MiningSpec) -> Artifact | None:
    """The dense embedding that measures near-duplicates where a miner has none of its own."""
    dense = next((each.dense for each in finders if each.dense is not None), None)
    if dense is None and spec.near_duplicate is not None:
        raise BadInput(
            "Near-duplicates are measured by cosine, and none of the miners has dense vectors.",
            "Add a dense encoder, or leave near-duplicates in.",
        )
    return dense


def warnings_of(known: Known, sets: Sequence[CandidateSet]) -> list[str]:
    """What a person should know of the queries and the miners."""
    found = []
    if known.without:
        found.append(
            f"{known.without:,} of {known.total:,} queries have no known positive and were not mined: judge a relevant "
            "document of each, or import qrels."
        )
    if known.missing:
        found.append(f"{known.missing:,} positives name documents that the corpus does not have.")
    return found + list(dict.fromkeys(note for each in sets for note in each.manifest["warnings"]))
