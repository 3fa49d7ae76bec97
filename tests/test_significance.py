"""Intervals and tests against scipy and by hand; a constructed difference is found, a constructed tie is not."""

import itertools

import numpy as np
import pytest
from scipy import stats

from workbench.significance import bootstrap_intervals, compare_all, holm, randomisation_tests


def by_all_signs(row: np.ndarray) -> float:
    means = [abs(np.dot(signs, row)) for signs in itertools.product((1, -1), repeat=len(row))]
    return float(np.mean([each >= abs(row.sum()) - 1e-9 for each in means]))


def test_three_queries_by_hand():
    """Of 8 sign patterns of (1, 1, 1) two reach |3|; of (3, −1, −1) those with sums ±5, ±3 and ±1 all reach |1|."""
    assert randomisation_tests(np.array([[1.0, 1, 1], [3, -1, -1]])) == [(0.25, True), (1.0, True)]


def test_the_exact_test_is_scipys():
    random = np.random.default_rng(3)
    for count in (1, 2, 5, 8):
        row = random.normal(0.2, 0.5, count).round(1)
        ((p, exact),) = randomisation_tests(row[None])
        assert exact and p == pytest.approx(by_all_signs(row))
        if count > 1:
            told = stats.permutation_test(
                (row, np.zeros(count)), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples",
                n_resamples=np.inf, vectorized=True,
            )  # fmt: skip
            # scipy doubles the smaller tail; the mean is symmetric under sign flips, so that is the same.
            assert p == pytest.approx(told.pvalue)


def test_queries_without_a_difference_leave_the_test_exact():
    row = np.concatenate([[0.5, 0.25, -0.25, 1.0], np.zeros(5000)])
    assert randomisation_tests(row[None]) == [(by_all_signs(row[:4]), True)]


def test_many_queries_are_sampled_and_close_to_scipy():
    row = np.random.default_rng(1).normal(0.06, 0.3, 100)
    ((p, exact),) = randomisation_tests(row[None], 10_000, seed=5)
    told = stats.permutation_test(
        (row, np.zeros(100)), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples",
        n_resamples=10_000, vectorized=True, rng=np.random.default_rng(0),
    )  # fmt: skip
    assert not exact and p == pytest.approx(told.pvalue, abs=0.015)
    # p is a count over B + 1, the observed pattern itself among them.
    assert (p * 10_001) == pytest.approx(round(p * 10_001)) and p >= 1 / 10_001


def test_the_interval_is_scipys():
    row = np.random.default_rng(2).exponential(0.2, 300) - 0.15
    ((low, high),) = bootstrap_intervals(row[None], 10_000, 0.95, seed=1)
    told = stats.bootstrap((row,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0))
    width = told.confidence_interval.high - told.confidence_interval.low
    assert low == pytest.approx(told.confidence_interval.low, abs=0.03 * width)
    assert high == pytest.approx(told.confidence_interval.high, abs=0.03 * width)


def test_the_interval_by_hand():
    """Of (0, 1) the mean is 0, ½ or 1 with ¼, ½, ¼: the quartiles lie within. One query has no spread."""
    ((low, high),) = bootstrap_intervals(np.array([[0.0, 1.0]]), 4000, confidence=0.4)
    assert (low, high) == (0.5, 0.5)
    ((low, high),) = bootstrap_intervals(np.array([[0.0, 1.0]]), 4000, confidence=0.6)
    assert (low, high) == (0, 1)
    assert bootstrap_intervals(np.array([[0.3]]), 100).tolist() == [[pytest.approx(0.3)] * 2]


def test_blocks_do_not_matter_and_the_seed_does(monkeypatch):
    rows = np.random.default_rng(0).normal(0, 1, (3, 50))
    once = compare_all(rows, 500, seed=4)
    assert compare_all(rows, 500, seed=4) == once and compare_all(rows, 500, seed=5) != once
    # The same draws serve all comparisons, so one alone gives what it gives among others.
    assert compare_all(rows[1:2], 500, seed=4)[0].low == pytest.approx(once[1].low)
    monkeypatch.setattr("workbench.significance._CELLS", 50)
    assert bootstrap_intervals(rows, 500, 0.95, 4) == pytest.approx(np.array([(d.low, d.high) for d in once]))


def test_a_real_difference_is_significant_and_a_tie_is_not():
    random = np.random.default_rng(0)
    base = random.uniform(0, 1, 200)
    better = base + random.normal(0.05, 0.1, 200)
    noise = random.normal(0, 0.1, 200)
    same = base + noise - noise.mean()
    real, none = compare_all(np.array([better - base, same - base]))
    assert real.p < 0.001 and real.low > 0 and real.mean == pytest.approx(np.mean(better - base))
    assert none.p > 0.9 and none.low < 0 < none.high


def test_wins_ties_and_losses():
    (found,) = compare_all(np.array([[0.5, 0.0, -0.1, 1e-12, 0.2]]))
    assert (found.wins, found.ties, found.losses) == (2, 2, 1)


def test_no_queries_and_no_difference():
    (nothing,) = compare_all(np.empty((1, 0)))
    assert np.isnan([nothing.mean, nothing.low, nothing.high]).all() and nothing.p == 1
    (equal,) = compare_all(np.zeros((1, 40)))
    assert (equal.mean, equal.low, equal.high, equal.p, equal.ties) == (0, 0, 0, 1, 40)
    assert compare_all(np.empty((0, 5))) == []


def test_holm_by_hand():
    """.01·4, then .02·3 = .06, .03·2 = .06, .04·1 = .04 raised to .06."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []
