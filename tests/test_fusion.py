"""Fusion formulas against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.fusion import fuse
from workbench.specs import FusionSpec
from workbench.types import Ranking


def ranking(scores: dict[int, float]) -> Ranking:
    return Ranking.of(np.array(list(scores), np.int64), np.array(list(scores.values()), np.float32))


def fused(lists: list[dict[int, float]], **spec) -> dict[int, float]:
    """Document → score, best first."""
    found = fuse([ranking(each) for each in lists], FusionSpec(**spec))
    return dict(zip(found.ordinals.tolist(), found.scores.tolist(), strict=True))


WORDS = {0: 12.0, 1: 8.0, 2: 4.0}  # like BM25
SPACE = {2: 0.9, 3: 0.8, 0: 0.5}  # like cosine


def test_rrf():
    found = fused([WORDS, SPACE])
    assert found == pytest.approx({2: 1 / 63 + 1 / 61, 0: 1 / 61 + 1 / 63, 1: 1 / 62, 3: 1 / 62})
    # 0 and 2 have the same two ranks, 1 and 3 the same one: by ordinal.
    assert list(found) == [0, 2, 1, 3]


def test_rrf_with_k_origin_and_weights():
    assert fused([WORDS, SPACE], k=2, origin=0, weights=(1.0, 3.0)) == pytest.approx(
        {2: 1 / 4 + 3 / 2, 0: 1 / 2 + 3 / 4, 3: 3 / 3, 1: 1 / 3}
    )
    # Qdrant's k = 60 from rank 0 is 59 from rank 1.
    assert fused([WORDS, SPACE], k=60, origin=0) == fused([WORDS, SPACE], k=59, origin=1)
    assert fused([WORDS], k=0) == pytest.approx({0: 1, 1: 1 / 2, 2: 1 / 3})
    with pytest.raises(BadInput, match="divides by zero"):
        fused([WORDS], k=0, origin=0)


def test_rrf_ranks_inside_a_tie_by_ordinal():
    assert fused([{5: 1.0, 2: 1.0, 9: 1.0}], k=0) == pytest.approx({2: 1, 5: 1 / 2, 9: 1 / 3})


@pytest.mark.parametrize("method", ["minmax", "combsum"])
def test_minmax(method):
    # WORDS: 1, ½, 0; SPACE: 1, ¾, 0.
    found = fused([WORDS, SPACE], method=method)
    assert found == pytest.approx({0: 1 + 0, 2: 0 + 1, 3: 0.75, 1: 0.5})
    assert list(found) == [0, 2, 3, 1]
    weighted = fused([WORDS, SPACE], method=method, weights=(0.2, 0.8))
    assert weighted == pytest.approx({2: 0.8, 3: 0.6, 0: 0.2, 1: 0.1})


def test_combmnz():
    found = fused([WORDS, SPACE], method="combmnz")
    assert found == pytest.approx({0: 2 * 1, 2: 2 * 1, 3: 0.75, 1: 0.5})


def test_dbsf():
    # μ = 8, σ = 4 with n − 1: (s − (8 − 12)) / 24 = 16/24, 12/24, 8/24.
    assert fused([WORDS], method="dbsf") == pytest.approx({0: 2 / 3, 1: 1 / 2, 2: 1 / 3})
    # Two scores a < b: σ = (b − a) / √2, so the better one lies 1/√2 σ above the middle.
    two = fused([{4: 10.0, 6: 0.0}], method="dbsf")
    assert two == pytest.approx({4: 0.5 + 0.5 / (3 * 2**0.5), 6: 0.5 - 0.5 / (3 * 2**0.5)})
    assert fused([WORDS, {1: 7.0, 0: 5.0, 8: 3.0}], method="dbsf", weights=(1.0, 2.0)) == pytest.approx(
        {1: 1 / 2 + 2 * 2 / 3, 0: 2 / 3 + 2 / 2, 8: 2 / 3, 2: 1 / 3}
    )


def test_dbsf_clips_beyond_three_standard_deviations():
    # One 1 among 99 zeros: μ = 0.01, σ = 0.1, so it lies 9.9 σ above.
    found = fused([{0: 1.0, **dict.fromkeys(range(1, 100), 0.0)}], method="dbsf")
    assert found[0] == 1.0
    assert found[1] == pytest.approx((0.3 - 0.01) / 0.6)


def test_m3_is_bge_m3s_weighted_mean():
    """The golden values of the model card: .4 · .62598 + .2 · .19556 + .4 · .77965 = .60136."""
    dense, sparse, multi = {0: 0.62598, 1: 0.34741}, {0: 0.19556, 1: 0.00880}, {0: 0.77965, 1: 0.46215}
    found = fused([dense, sparse, multi], method="m3", weights=(0.4, 0.2, 0.4))
    assert found == pytest.approx({0: 0.60136, 1: 0.32558}, abs=1e-5)
    assert fused([dense, sparse], method="m3", weights=(0.4, 0.2))[0] == pytest.approx(0.4825, abs=1e-4)
    assert fused([dense, sparse, multi], method="m3")[0] == pytest.approx((0.62598 + 0.19556 + 0.77965) / 3)
    # The model's weights need not sum to 1.
    doubled = fused([dense, sparse, multi], method="m3", weights=(0.8, 0.4, 0.8))
    assert doubled == pytest.approx(found)


@pytest.mark.parametrize("method", ["minmax", "combsum", "dbsf"])
def test_one_document_or_equal_scores_count_one_half(method):
    assert fused([{3: 17.0}], method=method) == {3: 0.5}
    assert fused([{3: -2.5, 1: -2.5, 8: -2.5}], method=method) == {1: 0.5, 3: 0.5, 8: 0.5}
    assert set(fused([dict.fromkeys(range(3), 0.1)], method=method).values()) == {0.5}


def test_dbsf_takes_the_rounding_of_float32_for_no_spread():
    """Otherwise the same score in two roundings would lie far apart."""
    next_one = float(np.nextafter(np.float32(0.9), np.float32(1)))
    assert fused([{1: 0.9, 2: next_one}], method="dbsf") == {1: 0.5, 2: 0.5}
    assert fused([{1: 0.9, 2: 0.9001}], method="dbsf")[2] > 0.6


@pytest.mark.parametrize("method", ["minmax", "combsum", "combmnz", "dbsf"])
@settings(max_examples=50, deadline=None)
@given(
    scores=st.lists(st.integers(-40, 40), min_size=2, max_size=12, unique=True),
    factor=st.sampled_from([0.25, 2.0, 64.0]),
    shift=st.integers(-100, 100),
)
def test_normalising_makes_scales_comparable(method, scores, factor, shift):
    """Another unit and another zero, negative scores too, change nothing: all exact in float32."""
    first = dict(enumerate(map(float, scores)))
    moved = {ordinal: factor * score + shift for ordinal, score in first.items()}
    other = {1: 3.0, 5: 2.0, 20: -1.0}
    left, right = fused([first, other], method=method), fused([moved, other], method=method)
    assert left.keys() == right.keys()
    for ordinal, score in left.items():
        assert right[ordinal] == pytest.approx(score, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(scores=st.lists(st.integers(-40, 40), min_size=1, max_size=12, unique=True))
def test_rrf_looks_at_ranks_only(scores):
    first = dict(enumerate(map(float, scores)))
    bent = {ordinal: score**3 for ordinal, score in first.items()}
    assert fused([first, SPACE]) == fused([bent, SPACE])


@pytest.mark.parametrize("method", ["sum", "mean", "average", "raw", "interpolation"])
def test_raw_averages_are_refused_with_the_reason(method):
    with pytest.raises(BadInput, match="different scales"):
        FusionSpec(method=method)
