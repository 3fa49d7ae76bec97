"""What other margins would give: the yield of each, from one pass over a block of candidates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.mining.candidates import Candidates
from workbench.mining.rules import drops, looked_at, margin_drops
from workbench.specs import MiningSpec


@dataclass(frozen=True)
class SweepPoint:
    """One margin: `negatives` mined, `short` queries, and candidates `dropped` that all the other rules would leave.

    `scored` negatives were averaged over: `score_sum` of their scores, `gap_sum` of positive − negative.
    """

    margin: float
    dropped: int = 0
    negatives: int = 0
    short: int = 0
    scored: int = 0
    score_sum: float = 0.0
    gap_sum: float = 0.0

    @property
    def mean_score(self) -> float | None:
        """Mean score of the negatives (with random sampling: of those they are drawn from), if there are any."""
        return self.score_sum / self.scored if self.scored else None

    @property
    def mean_gap(self) -> float | None:
        """Mean of the lowest positive's score less the negative's."""
        return self.gap_sum / self.scored if self.scored else None


def sweep(
    blocks: Iterable[Candidates], spec: MiningSpec, width: int, margins: Sequence[float], kind: str = "relative"
) -> list[SweepPoint]:
    """One point for each of `margins`, which take the place of the spec's own margin of this `kind`.

    `kind`: relative or absolute. The same yield as `apply_rules` at each margin, without choosing documents: candidates
    stand best first, so a margin drops the first of them, and what is left is counted by subtraction.
    """
    points = [SweepPoint(margin) for margin in margins]
    for block in blocks:
        found = _swept(block, spec, width, margins, kind)
        points = [_added(point, *numbers) for point, numbers in zip(points, found, strict=True)]
    return points


def _swept(
    block: Candidates, spec: MiningSpec, width: int, margins: Sequence[float], kind: str
) -> list[tuple[int, int, int, int, float, float]]:
    alive = looked_at(block, width)
    for _, cells in drops(block, spec, margins=False):
        alive &= ~cells
    other = (spec.absolute_margin, None) if kind == "relative" else (None, spec.relative_margin)
    for _, cells in margin_drops(block, *other):
        alive &= ~cells
    scores = block.scores[alive].astype(np.float64)
    ends = np.cumsum(alive.sum(axis=1))
    starts = ends - alive.sum(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    positives = block.positive_scores.astype(np.float64)
    taken = spec.per_query if spec.sampling == "top" else spec.range_max - spec.range_min
    rows = []
    for margin in margins:
        asked = (None, margin) if kind == "relative" else (margin, None)
        lost = sum((alive & cells).sum(axis=1) for _, cells in margin_drops(block, *asked))
        first = np.minimum(starts + lost + spec.range_min, ends)
        room = np.minimum(spec.range_max - spec.range_min, ends - first)
        got = np.minimum(spec.per_query, room)
        last = first + np.minimum(taken, room)
        scored = last - first
        score_sums = sums[last] - sums[first]
        gaps = np.where(scored > 0, scored * positives, 0.0) - score_sums
        finite = np.isfinite(gaps)
        rows.append(
            (
                int(np.sum(lost)),
                int(got.sum()),
                int((got < spec.per_query).sum()),
                int(scored[finite].sum()),
                float(score_sums[finite].sum()),
                float(gaps[finite].sum()),
            )
        )
    return rows


def _added(point: SweepPoint, *numbers: float) -> SweepPoint:
    names = ("dropped", "negatives", "short", "scored", "score_sum", "gap_sum")
    return replace(point, **{name: getattr(point, name) + each for name, each in zip(names, numbers, strict=True)})
