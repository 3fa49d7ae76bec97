"""What labelling could change: the lowest and highest value a measure can take.

Every unjudged document among the first k may turn out to have any relevance from 0 to the highest of the label sets;
documents that were not found stay as they are. The bounds are exact (tests compare them with all possibilities). Note
that more relevant documents also raise what is possible, so nDCG and AP can fall when a late document proves relevant.

nDCG: with n_t judged and m_t newly judged documents of relevance ≥ t, and D, W sums of discounts, it is
Σ_t δ_t D(m_t) / Σ_t δ_t W(n_t + m_t). The highest is found by Dinkelbach's method (1967), each level by itself with the
first m_t unjudged documents; the lowest lies where the last m of them all have the highest relevance.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from workbench.evaluation.judged import EMPTY, UNJUDGED, Floats, Judged
from workbench.evaluation.measures import Measure, discounts, measured, ratio

Bounds = tuple[Floats, Floats]
_STEPS = 50  # Dinkelbach's method needs some five


def bounds(measure: Measure, judged: Judged) -> Bounds | None:
    """(lowest (q,), highest (q,)) of the measure for each query, None where there is no rule for it."""
    rule = _RULES.get(measure.kind) if measure.native and measure.least <= judged.highest else None
    return None if rule is None else rule(measure, judged)


def unjudged(cutoff: int | None, judged: Judged) -> NDArray[np.int64]:
    """(q,) how many of the first `cutoff` documents nobody has judged: what there is to label."""
    count: NDArray[np.int64] = (judged.top(cutoff) == UNJUDGED).sum(axis=1)
    return count


def _precision(measure: Measure, judged: Judged) -> Bounds:
    now = measured(measure, judged)
    return now, now + unjudged(measure.cutoff, judged) / float(measure.cutoff or 1)


def _recall(measure: Measure, judged: Judged) -> Bounds:
    hits = (judged.top(measure.cutoff) >= measure.least).sum(axis=1)
    new, relevant = unjudged(measure.cutoff, judged), judged.relevant(measure.least)
    possible = relevant + new
    if measure.kind == "R_cap":
        possible = np.minimum(possible, measure.cutoff or 0)
    return measured(measure, judged), ratio(hits + new, possible)


def _first(measure: Measure, judged: Judged) -> Bounds:
    """RR and Success: at best the first unjudged document is relevant."""
    top = judged.top(measure.cutoff)
    best = Judged(
        np.where(top == UNJUDGED, measure.least, top).astype(np.int32), judged.relevances, judged.owners, judged.highest
    )
    return measured(measure, judged), measured(measure, best)


def _judged(measure: Measure, judged: Judged) -> Bounds:
    top = judged.top(measure.cutoff)
    return measured(measure, judged), (top != EMPTY).any(axis=1).astype(np.float64)


def _average_precision(measure: Measure, judged: Judged) -> Bounds:
    """With m more relevant documents the sum is largest where they come first, smallest where they come last."""
    top = judged.top(measure.cutoff)
    hits, free = top >= measure.least, top == UNJUDGED
    ranks = np.arange(1, top.shape[1] + 1)
    above: NDArray[np.int64] = np.cumsum(hits, axis=1) - hits
    later = _behind(np.where(hits, 1 / ranks, 0.0))
    start = np.where(hits, (above + 1) / ranks, 0).sum(axis=1)
    relevant = judged.relevant(measure.least)
    # What a newly relevant document adds: its own precision, and one more hit for each relevant one behind it.
    first = np.where(free, (above + np.cumsum(free, axis=1)) / ranks + later, 0.0)
    last = np.where(free, (above + 1) / ranks + later + _behind(np.where(free, 1 / ranks, 0.0)), 0.0)
    counts = np.arange(top.shape[1] + 1)
    possible = counts <= free.sum(axis=1)[:, None]
    wholes = relevant[:, None] + counts
    highest = ratio(start[:, None] + _sums(first, free), wholes)
    lowest = ratio(start[:, None] + _sums(last[:, ::-1], free[:, ::-1]), wholes)
    return np.where(possible, lowest, np.inf).min(axis=1), np.where(possible, highest, -np.inf).max(axis=1)


def _behind(values: Floats) -> Floats:
    """Sums of the values to the right of each."""
    return np.cumsum(values[:, ::-1], axis=1)[:, ::-1] - values


def _sums(values: Floats, free: NDArray[np.bool_]) -> Floats:
    """(q, k + 1) sums of the first 0, 1, … of the `values` that are `free`, in their order."""
    order = np.argsort(~free, axis=1, kind="stable")
    moved = np.take_along_axis(np.where(free, values, 0), order, axis=1)
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(moved, axis=1)], axis=1)


def _ndcg(measure: Measure, judged: Judged) -> Bounds:
    top = judged.top(measure.cutoff)
    free, weights = top == UNJUDGED, discounts(top.shape[1])
    now = measure.gain(top) @ weights
    counts = np.arange(top.shape[1] + 1)
    possible = counts <= free.sum(axis=1)[:, None]
    steps, wholes = _levels(measure, judged, counts)
    spread = np.broadcast_to(weights, top.shape)
    last = now[:, None] + steps.sum() * _sums(spread[:, ::-1], free[:, ::-1])
    lowest = np.where(possible, ratio(last, sum(wholes)), np.inf).min(axis=1)
    first = _sums(spread, free)
    highest = np.zeros(len(top))
    for _ in range(_STEPS):
        part, whole = now.copy(), np.zeros(len(top))
        for step, each in zip(steps, wholes, strict=True):
            gained = np.where(possible, step * first - highest[:, None] * each, -np.inf)
            best = gained.argmax(axis=1)[:, None]
            part += step * np.take_along_axis(first, best, axis=1)[:, 0]
            whole += np.take_along_axis(each, best, axis=1)[:, 0]
        better = np.maximum(ratio(part, whole), highest)
        if np.allclose(better, highest, rtol=0, atol=1e-12):
            break
        highest = better
    return lowest, highest


def _levels(measure: Measure, judged: Judged, counts: NDArray[np.int64]) -> tuple[Floats, list[Floats]]:
    """(what each relevance level adds to a gain (G,), for each its share of the ideal with 0, 1, … more documents)."""
    levels = np.arange(judged.highest + 1)
    steps = np.diff(measure.gain(levels))
    relevant = [judged.relevant(int(level)) for level in levels[1:]]
    most = int(max(each.max(initial=0) for each in relevant) + counts[-1])
    most = most if measure.cutoff is None else min(most, measure.cutoff)
    sums = np.concatenate([[0.0], np.cumsum(discounts(most))])
    wholes = [step * sums[np.minimum(each[:, None] + counts, most)] for step, each in zip(steps, relevant, strict=True)]
    return steps, wholes


_RULES: Mapping[str, Callable[[Measure, Judged], Bounds]] = {
    "nDCG": _ndcg,
    "AP": _average_precision,
    "RR": _first,
    "P": _precision,
    "R": _recall,
    "R_cap": _recall,
    "Success": _first,
    "Judged": _judged,
}
