"""Applying rules to kept candidates: the negatives of several miners block by block, counts, previews and sweeps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.mining import RULES, Candidates, Joined, Mark, Mined, SweepPoint, apply_rules, joined, sweep
from workbench.mining.rules import looked_at
from workbench.project import Project
from workbench.specs import MiningSpec
from workbench.workflows.mining_candidates import CandidateSet

BINS = 40
LIMIT = 20_000
"""Queries that a preview counts: 4 million candidates at a depth of 200."""


@dataclass(frozen=True)
class Step:
    """One block of queries: what each miner gave, and the negatives of all together."""

    number: int
    candidates: list[Candidates]
    mined: list[Mined]
    joined: Joined


@dataclass
class Tally:
    """The counts of one miner, added up block after block."""

    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RULES, 0))
    candidates: int = 0
    eligible: int = 0
    negatives: int = 0

    def add(self, mined: Mined, taken: NDArray[np.int64]) -> None:
        """`taken`: the positions in `mined` of the negatives that stayed when the miners were joined."""
        for rule, count in mined.dropped.items():
            self.dropped[rule] += count
        self.candidates += mined.candidates
        self.eligible += mined.eligible
        self.negatives += int((taken >= 0).sum())


def steps(sets: Sequence[CandidateSet], spec: MiningSpec, limit: int | None = None) -> Iterator[Step]:
    """Apply the rules to each miner's candidates and join what is left. Raises `BadInput` where they do not fit."""
    widths = checked(sets, spec)
    for number, blocks in enumerate(zip(*(each.blocks(limit) for each in sets), strict=True)):
        mined = [apply_rules(block, spec, width) for block, width in zip(blocks, widths, strict=True)]
        yield Step(number, list(blocks), mined, joined(mined, spec.per_query))


def checked(sets: Sequence[CandidateSet], spec: MiningSpec) -> list[int]:
    """How deep each set is looked at. Raises `BadInput` where they are of different queries or other settings."""
    if not sets:
        raise BadInput("No miner was named.", "Give at least one encoder or pipeline.")
    first = sets[0].manifest
    for each in sets[1:]:
        same = ("query_set", "queries", "total_queries", "documents")
        if any(each.manifest[name] != first[name] for name in same):
            raise BadInput("The candidates belong to different queries.", "Search all of them again together.")
    return [each.check(spec) for each in sets]


def shortage(found: Joined, queries: int, per_query: int) -> tuple[int, int]:
    """(queries with fewer than `per_query` negatives, negatives that lack in all)."""
    lacking = per_query - np.bincount(found.rows, minlength=queries)
    return int((lacking > 0).sum()), int(lacking.sum())


@dataclass(frozen=True)
class MinerPreview:
    """What the rules do to one miner's candidates. Three histograms over the same `edges` (41): scores of the known
    `positives`, of the `others` that are looked at, and of the negatives `taken` (40 each)."""

    miner: str
    artifact: str
    candidates: int
    dropped: dict[str, int]
    eligible: int
    negatives: int
    edges: list[float]
    positives: list[int]
    others: list[int]
    taken: list[int]
    positive_median: float | None


@dataclass(frozen=True)
class Preview:
    """What mining would give, counted over `queries` of `of_queries` with a positive; nothing is stored."""

    queries: int
    of_queries: int
    queries_without_positives: int
    negatives: int
    short: int
    missing: int
    miners: list[MinerPreview]


@dataclass(frozen=True)
class MinerSweep:
    """One miner's yield at each margin."""

    miner: str
    points: list[SweepPoint]


class _Scores:
    """Scores of one miner by what they belong to."""

    def __init__(self) -> None:
        self.positives: list[NDArray[np.float32]] = []
        self.others: list[NDArray[np.float32]] = []
        self.taken: list[NDArray[np.float32]] = []

    def histograms(self) -> tuple[list[float], list[list[int]], float | None]:
        """(edges, counts of each kind, the median positive)."""
        kinds = [np.concatenate([np.empty(0, np.float32), *each]) for each in (self.positives, self.others, self.taken)]
        filled = [kind for kind in kinds if kind.size]
        low = min((float(kind.min()) for kind in filled), default=0.0)
        high = max((float(kind.max()) for kind in filled), default=1.0)
        # A little room, so that float32 rounding puts no score outside.
        edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
        step = edges[1] - edges[0]
        counts = [
            np.bincount(np.clip(((kind - low) / step).astype(np.int64), 0, BINS - 1), minlength=BINS).tolist()
            for kind in kinds
        ]
        return edges.tolist(), counts, float(np.median(kinds[0])) if kinds[0].size else None


def preview(project: Project, artifacts: Sequence[str], spec: MiningSpec, limit: int = LIMIT) -> Preview:
    """Counts per rule, histograms and yield of `spec` over kept candidates; `artifacts`: one of each miner, in order.

    Counts the first `limit` queries, rounded up to whole blocks. Reads no model and stores nothing.
    Raises `NotFound` on an artifact, `BadInput` where the candidates cannot answer the rules.
    """
    sets = [candidates_of(project, each) for each in artifacts]
    widths = checked(sets, spec)
    tallies, scores = [Tally() for _ in sets], [_Scores() for _ in sets]
    queries = negatives = short = missing = 0
    for step in steps(sets, spec, limit):
        queries += len(step.candidates[0])
        negatives += len(step.joined)
        lacking = shortage(step.joined, len(step.candidates[0]), spec.per_query)
        short, missing = short + lacking[0], missing + lacking[1]
        for n, (block, mined, taken) in enumerate(zip(step.candidates, step.mined, step.joined.found, strict=True)):
            tallies[n].add(mined, taken)
            own = sets[n].positives(step.number).values[:, 0]
            scores[n].positives.append(own[np.isfinite(own)])
            unknown = (block.marks & np.uint8(Mark.POSITIVE)) == 0
            scores[n].others.append(block.scores[looked_at(block, widths[n]) & unknown])
            scores[n].taken.append(mined.scores[taken[taken >= 0]])
    manifest = sets[0].manifest
    miners = []
    for each, tally, found in zip(sets, tallies, scores, strict=True):
        edges, counts, median = found.histograms()
        numbers = (tally.candidates, tally.dropped, tally.eligible, tally.negatives)
        positives, others, chosen = counts
        miners.append(MinerPreview(each.miner, each.artifact.id, *numbers, edges, positives, others, chosen, median))
    without = int(manifest["queries_without_positives"])
    return Preview(queries, sets[0].queries, without, negatives, short, missing, miners)


def sweep_margins(
    project: Project,
    artifacts: Sequence[str],
    spec: MiningSpec,
    margins: Sequence[float],
    kind: str = "relative",
    limit: int = LIMIT,
) -> list[MinerSweep]:
    """The yield of each miner alone at each of `margins` (`kind`: relative or absolute), the other rules as they are.

    Raises as `preview`; `BadInput` on another kind.
    """
    if kind not in ("relative", "absolute"):
        raise BadInput(f"There is no margin of the kind “{kind}”.", "Choose relative or absolute.")
    sets = [candidates_of(project, each) for each in artifacts]
    widths = checked(sets, spec)
    return [
        MinerSweep(each.miner, sweep(each.blocks(limit), spec, width, margins, kind))
        for each, width in zip(sets, widths, strict=True)
    ]


def candidates_of(project: Project, artifact: str) -> CandidateSet:
    """The kept candidates. Raises `NotFound` where there are none under this id."""
    return CandidateSet(project.artifacts.get(artifact))
