"""Storing what was mined: the negatives as judgments with their provenance, and the figures of each miner."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora, judgments, label_sets
from workbench.errors import BadInput, WorkbenchError
from workbench.judgments import Entry, Verdict
from workbench.mining import active_rules
from workbench.project import Project
from workbench.specs import MiningSpec, fingerprint
from workbench.workflows.mining_candidates import CandidateSet
from workbench.workflows.mining_known import Known, queries_at
from workbench.workflows.mining_rules import Step, Tally, shortage, steps

ANNOTATOR = "miner"
HARD_NEGATIVE = Verdict(relevance=0, is_hard_negative=True)


@dataclass(frozen=True)
class Summary:
    """Scores in figures, as mine_hard_negatives prints them; None where there are none."""

    count: int
    mean: float | None = None
    median: float | None = None
    std: float | None = None
    lowest: float | None = None
    quarter: float | None = None
    three_quarters: float | None = None
    highest: float | None = None

    @classmethod
    def of(cls, parts: Sequence[NDArray[np.float32]]) -> "Summary":
        values = np.concatenate([np.empty(0), *(part[np.isfinite(part)] for part in parts)])
        if not values.size:
            return cls(0)
        quarters = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
        lowest, quarter, median, upper, highest = quarters.tolist()
        std = float(values.std(ddof=1)) if values.size > 1 else None
        return cls(values.size, float(values.mean()), median, std, lowest, quarter, upper, highest)


@dataclass(frozen=True)
class MinerReport:
    """One miner's part: `negatives` it found of those stored, what its candidates lost to each rule, `eligible` that
    were left; its scores of all positives, of its negatives, and lowest positive − negative (`gaps`)."""

    miner: str
    artifact: str
    negatives: int
    dropped: dict[str, int]
    eligible: int
    positives: Summary
    negative_scores: Summary
    gaps: Summary


class MiningRun:
    """One mining: rules applied block by block, while the negatives go into the label set.

    `negatives`, `short`, `missing`: as `MineReport` says, once all is stored. Raises `BadInput` on a miner named twice.
    """

    def __init__(self, project: Project, known: Known, spec: MiningSpec, sets: Sequence[CandidateSet]) -> None:
        names = [each.artifact.id for each in sets]
        if len(set(names)) < len(names):
            raise BadInput("A miner was named twice.", "Name each once.")
        self.project, self.known, self.spec, self.sets = project, known, spec, sets
        self.negatives = self.short = self.missing = 0
        self._tallies = [Tally() for _ in names]
        self._scores: list[list[NDArray[np.float32]]] = [[] for _ in names]
        self._gaps: list[list[NDArray[np.float32]]] = [[] for _ in names]
        self._origin = {"spec": self.spec.to_dict(), "candidates": names, "miners": [each.miner for each in self.sets]}

    @property
    def fingerprint(self) -> str:
        """Stands for the negatives: same rules, same candidates."""
        return fingerprint("mined", self._origin)

    def store(self, label_set: str) -> None:
        """Write the label set. One that was made of the same is written over; an interrupted one leaves nothing."""
        db, info = self.project.db, self.known.info
        same = [each for each in label_sets.listed(db, info.id) if each.name == label_set]
        fresh = not (same and same[0].spec.get("fingerprint") == self.fingerprint)
        if fresh:
            label_sets.make(db, info.id, label_set, "proposed", self._origin | {"fingerprint": self.fingerprint})
        try:
            judgments.store(db, info, label_set, ANNOTATOR, self._entries())
        except BaseException:
            if fresh:
                with suppress(WorkbenchError):
                    label_sets.delete(db, info.id, label_set)
            raise

    def _entries(self) -> Iterator[Entry]:
        spec = self.spec
        how = f"random {spec.per_query} seed {spec.seed}" if spec.sampling == "random" else f"top {spec.per_query}"
        rules = [*active_rules(spec), how]
        for step in steps(self.sets, spec):
            self._count(step)
            queries = queries_at(self.project, self.known.info, step.candidates[0].queries)
            ids = corpora.ids_of(self.project.db, self.known.corpus.id, step.joined.ordinals.tolist())
            told = [self._told(step, n) for n in range(len(self.sets))]
            for at, (row, ordinal, first) in enumerate(
                zip(step.joined.rows.tolist(), step.joined.ordinals.tolist(), step.joined.first.tolist(), strict=True)
            ):
                others = [own[at] for n, own in enumerate(told) if n != first and at in own]
                provenance = told[first][at] | {"rules": rules} | ({"also": others} if others else {})
                yield Entry(queries[row].query_id, ids[ordinal], HARD_NEGATIVE, provenance)

    def _told(self, step: Step, n: int) -> dict[int, dict[str, Any]]:
        """Position among the negatives → what miner `n` says of it, of those it picked."""
        mined, taken = step.mined[n], step.joined.found[n]
        reranker = self.sets[n].manifest["reranker"]
        fixed = {"miner": self.sets[n].miner} | ({"reranker": reranker} if reranker else {})
        at = np.flatnonzero(taken >= 0)
        own = taken[at]
        columns = (mined.ranks[own].tolist(), mined.scores[own].tolist(), mined.positive_scores[own].tolist())
        return {
            place: fixed | {"rank": rank, "score": score, "positive_score": positive if np.isfinite(positive) else None}
            for place, rank, score, positive in zip(at.tolist(), *columns, strict=True)
        }

    def _count(self, step: Step) -> None:
        self.negatives += len(step.joined)
        short, missing = shortage(step.joined, len(step.candidates[0]), self.spec.per_query)
        self.short, self.missing = self.short + short, self.missing + missing
        for n, (mined, taken) in enumerate(zip(step.mined, step.joined.found, strict=True)):
            own = taken[taken >= 0]
            self._tallies[n].add(mined, taken)
            self._scores[n].append(mined.scores[own])
            self._gaps[n].append(mined.positive_scores[own] - mined.scores[own])

    def reports(self) -> list[MinerReport]:
        """Each miner's part, once all is stored."""
        found = []
        for each, tally, scores, gaps in zip(self.sets, self._tallies, self._scores, self._gaps, strict=True):
            positives = [each.positives(number).values[:, 0] for number in range(len(each))]
            figures = (Summary.of(positives), Summary.of(scores), Summary.of(gaps))
            counts = (tally.negatives, tally.dropped, tally.eligible)
            found.append(MinerReport(each.miner, each.artifact.id, *counts, *figures))
        return found
