"""What every registered fusion promises, whatever its formula."""

from dataclasses import fields, replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.fusion import FUSIONS, fuse
from workbench.specs import FusionSpec
from workbench.types import Ranking

METHODS = sorted(FUSIONS)
NONE = Ranking(np.empty(0, np.int64), np.empty(0, np.float32))


def ranking(scores: dict[int, float]) -> Ranking:
    return Ranking.of(np.array(list(scores), np.int64), np.array(list(scores.values()), np.float32))


@st.composite
def some_rankings(draw) -> list[Ranking]:
    """1 to 4 lists of documents 0 … 30, some of them empty; few different scores, so that many tie."""
    score = st.one_of(st.sampled_from([-2.0, 0.0, 0.5, 3.0]), st.floats(-1e6, 1e6, width=32))
    lists = st.lists(st.dictionaries(st.integers(0, 30), score, max_size=12), min_size=1, max_size=4)
    return [ranking(each) for each in draw(lists)]


def values(found: Ranking) -> list[tuple[int, float]]:
    return list(zip(found.ordinals.tolist(), found.scores.tolist(), strict=True))


def test_the_registry_is_what_the_spec_offers():
    (method,) = [each for each in fields(FusionSpec) if each.name == "method"]
    assert sorted(method.metadata["choices"]) == METHODS


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60, deadline=None)
@given(lists=some_rankings())
def test_it_ranks_every_document_once_by_finite_scores(method, lists):
    found = fuse(lists, FusionSpec(method=method))
    assert sorted(found.ordinals.tolist()) == sorted({int(each) for one in lists for each in one.ordinals})
    assert found.scores.dtype == np.float32 and found.ordinals.dtype == np.int64
    assert np.isfinite(found.scores).all()


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60, deadline=None)
@given(lists=some_rankings(), order=st.randoms(use_true_random=False))
def test_the_order_of_the_lists_makes_no_difference(method, lists, order):
    weights = [0.3 + 0.7 * number for number in range(len(lists))]
    places = list(range(len(lists)))
    order.shuffle(places)
    first = fuse(lists, FusionSpec(method=method, weights=tuple(weights)))
    other = fuse([lists[n] for n in places], FusionSpec(method=method, weights=tuple(weights[n] for n in places)))
    assert values(first) == values(other)


@pytest.mark.parametrize("method", METHODS)
def test_sums_do_not_hang_on_the_order_of_addition(method):
    """1 is lost beside 1e17, unless what cancels is added first."""
    parts = [ranking({1: 1e17, 2: 3.0}), ranking({1: 1.0, 2: 2.0}), ranking({1: -1e17, 2: 5.0})]
    found = {tuple(values(fuse(list(each), FusionSpec(method=method)))) for each in permutations(parts)}
    assert len(found) == 1


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=30, deadline=None)
@given(lists=some_rankings())
def test_it_is_deterministic_and_leaves_its_inputs_alone(method, lists):
    before = [(each.ordinals.copy(), each.scores.copy()) for each in lists]
    spec = FusionSpec(method=method)
    assert values(fuse(lists, spec)) == values(fuse(lists, spec))
    for each, (ordinals, scores) in zip(lists, before, strict=True):
        np.testing.assert_array_equal(each.ordinals, ordinals)
        np.testing.assert_array_equal(each.scores, scores)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=30, deadline=None)
@given(lists=some_rankings())
def test_an_empty_list_adds_nothing(method, lists):
    spec = FusionSpec(method=method, weights=(1.0,) * len(lists))
    with_empty = FusionSpec(method=method, weights=(1.0, 5.0, *(1.0,) * (len(lists) - 1)))
    assert values(fuse([lists[0], NONE, *lists[1:]], with_empty)) == values(fuse(lists, spec))


@pytest.mark.parametrize("method", METHODS)
def test_nothing_gives_nothing(method):
    for lists in ([], [NONE], [NONE, NONE]):
        assert len(fuse(lists, FusionSpec(method=method))) == 0


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40, deadline=None)
@given(scores=st.lists(st.integers(-50, 50), min_size=1, max_size=20, unique=True))
def test_one_list_keeps_its_order(method, scores):
    alone = ranking(dict(enumerate(map(float, scores))))
    found = fuse([alone], FusionSpec(method=method))
    if method == "dbsf":  # beyond three standard deviations all are alike
        assert np.all(np.diff(found.scores) <= 0) and set(found.ordinals) == set(alone.ordinals)
    else:
        assert found.ordinals.tolist() == alone.ordinals.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_equal_documents_stand_in_ordinal_order(method):
    """7 and 3 change places between two lists, so no method can tell them apart."""
    lists = [ranking({7: 2.0, 3: 1.0}), ranking({3: 2.0, 7: 1.0})]
    assert fuse(lists, FusionSpec(method=method)).ordinals.tolist() == [3, 7]


@pytest.mark.parametrize("method", METHODS)
def test_the_larger_weight_wins(method):
    lists = [ranking({1: 2.0, 2: 1.0}), ranking({2: 2.0, 1: 1.0})]
    spec = FusionSpec(method=method)
    assert fuse(lists, replace(spec, weights=(2.0, 1.0))).ordinals.tolist() == [1, 2]
    assert fuse(lists, replace(spec, weights=(1.0, 2.0))).ordinals.tolist() == [2, 1]
    assert fuse(lists, replace(spec, weights=(0.0, 1.0))).ordinals.tolist() == [2, 1]


@pytest.mark.parametrize("method", METHODS)
def test_agreement_goes_before_a_single_list(method):
    lists = [ranking({1: 3.0, 2: 2.9, 3: 1.0}), ranking({4: 3.0, 2: 2.9, 5: 1.0})]
    assert fuse(lists, FusionSpec(method=method)).ordinals[0] == 2


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_number_of_weights_is_named(method):
    with pytest.raises(BadInput, match="2 fusion weights for 1 rankings"):
        fuse([ranking({1: 1.0})], FusionSpec(method=method, weights=(1.0, 1.0)))
