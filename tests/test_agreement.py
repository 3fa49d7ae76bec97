"""Overlap and rank-biased overlap: hand examples, and the definition summed term by term as an oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.agreement import overlap, rbo
from workbench.errors import BadInput
from workbench.types import Ranking
from workbench.workflows.comparing import compare

lists = st.lists(st.integers(0, 12), unique=True, max_size=12)


def summed(a, b, p, terms=3000):
    """(1 − p) Σ p^(d−1) A_d over `terms` depths, where below a list's end its agreement is taken to go on: the meaning
    of RBO_EXT, without its closed form."""
    short, long = sorted((a, b), key=len)
    if not short:
        return float(not long)
    s, n = len(short), len(long)
    shared = len(set(short) & set(long[:s])) / s
    total = 0.0
    for d in range(1, terms + 1):
        if d <= n:
            agreed = (len(set(short[:d]) & set(long[:d])) + shared * max(0, d - s)) / d
        total += (1 - p) * p ** (d - 1) * agreed
    return total


def test_overlap_by_hand():
    assert overlap([1, 2, 3, 4], [4, 3, 9, 8], 4) == 0.5
    assert overlap([1, 2, 3, 4], [4, 3, 9, 8], 2) == 0.0
    assert overlap([1, 2], [2, 1], 2) == 1.0


def test_overlap_of_lists_shorter_than_k():
    assert overlap([5, 6, 7], [7, 6, 5], 10) == 1.0
    assert overlap([5], [5, 6, 7, 8], 10) == 0.25
    assert overlap([], [1], 10) == 0.0
    assert overlap([], [], 10) == 1.0


def test_rbo_by_hand():
    # X = 0, 1, 3 → (1−p)/p · (0 + 1/2 · 1/4 + 1 · 1/8) + 1 · 1/8
    assert rbo([1, 2, 3], [3, 2, 1], 0.5) == pytest.approx(0.375, abs=1e-15)
    # s = 1, n = 2, X = 0, 1 → 1/2 · 1/4 + (1 − 0)/2 · 1/4
    assert rbo([1], [2, 1], 0.5) == pytest.approx(0.25, abs=1e-15)
    # A list and its own beginning: 1/2 + 1/8 + 1/8 + 1/4
    assert rbo([1], [1, 2], 0.5) == pytest.approx(1.0, abs=1e-15)


def test_rbo_weighs_the_top():
    base = list(range(10))
    assert rbo(base, [1, 0, *range(2, 10)]) < rbo(base, [*range(8), 9, 8]) < 1


@given(lists, lists, st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_rbo_is_the_sum_of_its_definition(a, b, p):
    value = rbo(a, b, p)
    assert value == pytest.approx(summed(a, b, p), abs=1e-9)
    assert value == rbo(b, a, p)
    assert -1e-12 <= value <= 1 + 1e-12


@given(lists)
def test_equal_lists_agree_and_disjoint_ones_do_not(a):
    assert rbo(a, a) == pytest.approx(1.0, abs=1e-12)
    if a:
        assert rbo(a, [each + 100 for each in a]) == 0.0


@pytest.mark.parametrize("call", [
    lambda: rbo([1], [1], 1.0), lambda: rbo([1], [1], 0.0), lambda: rbo([1, 1], [2]), lambda: overlap([1], [1], 0),
    lambda: overlap([1, 1], [2, 3], 2),
])  # fmt: skip
def test_wrong_calls_are_refused(call):
    with pytest.raises(ValueError):
        call()


def ranking(*ordinals):
    return Ranking(np.array(ordinals, np.int64), np.linspace(1, 0.1, len(ordinals)).astype(np.float32))


def test_columns_compared_by_hand():
    found = compare([ranking(1, 2, 3, 7), [3, 2, 4, 7], [2, 9, 8, 7]], k=3)
    assert found.common == {2}
    assert found.only == [{1}, {4}, {8, 9}]
    assert found.overlap.tolist() == pytest.approx(np.array([[1, 2 / 3, 1 / 3], [2 / 3, 1, 1 / 3], [1 / 3, 1 / 3, 1]]))
    assert found.rbo[0, 1] == found.rbo[1, 0] == rbo([1, 2, 3], [3, 2, 4])
    assert np.diag(found.rbo).tolist() == [1, 1, 1]


def test_comparing_none_one_or_empty_columns():
    assert compare([], 10).common == set()
    one = compare([[3, 4]], 10)
    assert (one.common, one.only, one.overlap.tolist()) == ({3, 4}, [{3, 4}], [[1.0]])
    two = compare([[], [5]], 10)
    assert (two.common, two.only, two.overlap[0, 1], two.rbo[0, 1]) == (set(), [set(), {5}], 0, 0)
    with pytest.raises(BadInput, match="1 or more"):
        compare([[1]], 0)
