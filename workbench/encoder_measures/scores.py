"""Scores of positive pairs against scores of random pairs: how far they lie apart, and what a threshold would do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]


@dataclass(frozen=True)
class Threshold:
    """What keeping the pairs with a score of at least `score` does.

    `recall`: the share of the positives that is kept; `passed`: that of the random pairs. `precision` and `f1` count
    one random pair for each positive: precision = recall / (recall + passed), 0 where nothing is kept.
    """

    score: float
    precision: float
    recall: float
    f1: float
    passed: float


def histogram(positives: Scores, others: Scores, bins: int) -> tuple[list[float], list[int], list[int]]:
    """(`bins` + 1 edges, counts of the positives, counts of the others) over the range of both."""
    both = np.concatenate([positives, others]).astype(np.float64)
    if not both.size:
        return [0.0, 1.0], [0], [0]
    low, high = float(both.min()), float(both.max())
    edges = np.linspace(low, high if high > low else low + 1e-6, bins + 1)
    counted = [np.histogram(each, edges)[0].tolist() for each in (positives, others)]
    return edges.tolist(), counted[0], counted[1]


def area_under_curve(positives: Scores, others: Scores) -> float | None:
    """P(a positive's score is above another's) + ½ P(equal), the area under the ROC curve (Mann–Whitney).

    None where either is empty.
    """
    if not positives.size or not others.size:
        return None
    ordered = np.sort(others)
    below = np.searchsorted(ordered, positives, side="left")
    level = np.searchsorted(ordered, positives, side="right") - below
    return float((below + level / 2).sum() / (positives.size * others.size))


def thresholds(positives: Scores, others: Scores, at: Sequence[float] | Scores) -> list[Threshold]:
    """What each of the scores `at` would do as a threshold."""
    chosen = np.asarray(at, np.float64)
    recall, passed = _kept(positives, chosen), _kept(others, chosen)
    kept = recall + passed
    precision = np.divide(recall, kept, out=np.zeros_like(kept), where=kept > 0)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
    rows = zip(chosen.tolist(), precision.tolist(), recall.tolist(), f1.tolist(), passed.tolist(), strict=True)
    return [Threshold(*row) for row in rows]


def best_threshold(positives: Scores, others: Scores) -> Threshold | None:
    """The positive's score that makes the best F1 as a threshold, the highest of equal ones; None without positives."""
    if not positives.size or not others.size:
        return None
    return max(thresholds(positives, others, np.unique(positives)), key=lambda each: (each.f1, each.score))


def rank_correlation(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    """Spearman's ρ: the correlation of the ranks, equal values at their mean rank; None where one side is constant."""
    from scipy.stats import rankdata

    if first.size < 3:
        return None
    a, b = rankdata(first), rankdata(second)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _kept(scores: Scores, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of `scores` that is at least each of `at`."""
    below = np.searchsorted(np.sort(scores.astype(np.float64)), at, side="left")
    kept: NDArray[np.float64] = (scores.size - below) / max(1, scores.size)
    return kept
