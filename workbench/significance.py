"""Whether two systems differ: paired tests on per-query differences, the same resamples for every pair of systems.

Interval: paired bootstrap, percentile (Efron & Tibshirani 1993). p: Fisher's randomisation test, two-sided; where the
systems are equally good, each difference might as well have the other sign (Smucker et al. 2007). p is the share of
sign patterns whose |mean| reaches the observed one: over all of them where they are few, else (1 + reached) / (1 + B).
Several comparisons: Holm's step-down correction (1979) over the family.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
RESAMPLES = 10_000
TIE = 1e-9
"""Values of a query closer than this are a tie: two ways of adding the same numbers differ by less."""
_CELLS = 200_000  # of one block of resamples: what stays in a core's cache


@dataclass(frozen=True)
class Difference:
    """One system less another over the same queries: mean, interval of it, p, and on how many queries it is better."""

    mean: float
    low: float
    high: float
    p: float
    exact: bool
    wins: int
    ties: int
    losses: int


def compare_all(
    differences: ArrayLike, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = 0
) -> list[Difference]:
    """For each row of `differences` (c, n), the per-query differences of a comparison.

    Without queries the figures are NaN and p is 1. The same seed gives the same answer.
    """
    rows = np.atleast_2d(np.asarray(differences, np.float64))
    intervals = bootstrap_intervals(rows, resamples, confidence, seed)
    tests = randomisation_tests(rows, resamples, seed)
    return [
        Difference(
            float(row.mean()) if row.size else float("nan"),
            float(low),
            float(high),
            p,
            exact,
            int((row > TIE).sum()),
            int((np.abs(row) <= TIE).sum()),
            int((row < -TIE).sum()),
        )
        for row, (low, high), (p, exact) in zip(rows, intervals, tests, strict=True)
    ]


def bootstrap_intervals(rows: Floats, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = 0) -> Floats:
    """(c, 2) percentile intervals of the means of `rows` (c, n), from queries drawn with replacement."""
    count = rows.shape[1]
    if not count:
        return np.full((len(rows), 2), np.nan)
    random = np.random.default_rng(seed)
    means = np.empty((resamples, len(rows)))
    columns = np.ascontiguousarray(rows.T)
    for start, stop in _blocks(resamples, count):
        # How often each query was drawn, so that one matrix product serves all comparisons.
        drawn = random.integers(0, count, size=(stop - start, count))
        times = np.array([np.bincount(row, minlength=count) for row in drawn], np.float64)
        means[start:stop] = times @ columns / count
    tails = [50 * (1 - confidence), 50 * (1 + confidence)]
    intervals: Floats = np.percentile(means, tails, axis=0).T
    return intervals


def randomisation_tests(rows: Floats, resamples: int = RESAMPLES, seed: int = 0) -> list[tuple[float, bool]]:
    """(p, whether over all sign patterns) for each of `rows` (c, n).

    Queries without a difference change nothing, so a comparison with few others is exact however many there are.
    """
    found: dict[int, tuple[float, bool]] = {}
    for number, row in enumerate(rows):
        changed = row[np.abs(row) > TIE]
        if 2**changed.size <= resamples:
            found[number] = (_exact(changed), True)
    rest = [number for number in range(len(rows)) if number not in found]
    if rest:
        reached = _reached(rows[rest], resamples, seed)
        found |= {
            number: ((1 + int(times)) / (1 + resamples), False) for number, times in zip(rest, reached, strict=True)
        }
    return [found[number] for number in range(len(rows))]


def _exact(changed: Floats) -> float:
    """The share of all sign patterns whose |sum| reaches the observed one."""
    sums = np.zeros(1)
    for value in changed:
        sums = np.concatenate([sums + value, sums - value])
    return float(np.mean(np.abs(sums) >= _threshold(np.array([changed.sum()]))[0]))


def _reached(rows: Floats, resamples: int, seed: int) -> NDArray[np.int64]:
    """(c,) how many random sign patterns reach the observed |sum|."""
    count = rows.shape[1]
    # Another stream than the bootstrap's of the same seed.
    random = np.random.default_rng([seed, 1])
    columns, observed = np.ascontiguousarray(rows.T), rows.sum(axis=1)
    threshold, reached = _threshold(observed), np.zeros(len(rows), np.int64)
    for start, stop in _blocks(resamples, count):
        bits = np.frombuffer(random.bytes((stop - start) * -(-count // 8)), np.uint8).reshape(stop - start, -1)
        flipped = np.unpackbits(bits, axis=1, count=count).astype(np.float64)
        # Σ ±d = Σ d − 2 Σ of those flipped.
        reached += (np.abs(observed - 2 * (flipped @ columns)) >= threshold).sum(axis=0)
    return reached


def _threshold(observed: Floats) -> Floats:
    """A little below |observed|: sums of the same numbers in another order must count as reaching it."""
    size: Floats = np.abs(observed)
    return size - np.maximum(TIE * size, 1e-12)


def _blocks(resamples: int, count: int) -> list[tuple[int, int]]:
    size = max(1, _CELLS // max(count, 1))
    return [(start, min(start + size, resamples)) for start in range(0, resamples, size)]


def holm(values: Sequence[float]) -> list[float]:
    """p values corrected for their number: the i-th smallest of m times (m − i + 1), never falling, at most 1."""
    given = np.asarray(values, np.float64)
    order = np.argsort(given, kind="stable")
    raised = np.minimum(1, np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1)))
    corrected = np.empty_like(given)
    corrected[order] = raised
    return [float(value) for value in corrected]
