"""Binary codes by hand, and codes verified by the stored vectors."""

import numpy as np
import pytest

from workbench.errors import BadInput
from workbench.indices.bigranular import BiGranularIndex
from workbench.indices.binary import BinaryIndex, signs
from workbench.indices.exact import ExactIndex
from workbench.scoring import normalize_rows
from workbench.specs import IndexSpec
from workbench.vectors import DenseVectors, ShardFolder

RANDOM = np.random.default_rng(3)
MATRIX = RANDOM.standard_normal((400, 70)).astype(np.float32)


@pytest.fixture
def vectors(tmp_path):
    ShardFolder(tmp_path).write(0, {"values": MATRIX}, len(MATRIX))
    return DenseVectors(tmp_path)


def test_hamming_distance_becomes_the_share_of_equal_signs(tmp_path):
    rows = np.array([[1, 1, -1, -1], [1, -1, -1, -1], [-1, -1, 1, 1]], np.float32)
    ShardFolder(tmp_path).write(0, {"values": rows}, 3)
    index = BinaryIndex.build(DenseVectors(tmp_path), IndexSpec("Binary"))
    (found,) = index.search(np.array([[2, 3, -1, -4]], np.float32), 3)
    assert found.ordinals.tolist() == [0, 1, 2]
    assert found.scores.tolist() == [1.0, 0.5, -1.0]
    assert (index.size_bytes, signs(rows).shape) == (24, (3, 1))


def test_it_orders_as_numpy_does(vectors):
    index = BinaryIndex.build(vectors, IndexSpec("Binary"))
    query = RANDOM.standard_normal((1, 70)).astype(np.float32)
    equal = ((MATRIX > 0) == (query > 0)).sum(1)
    (found,) = index.search(query, 400)
    assert found.ordinals.tolist() == sorted(range(400), key=lambda n: (-equal[n], n))


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_enough_candidates_give_the_exact_order(vectors, metric):
    factory = "SQ8,Verify" if metric == "l2" else "Binary,Verify"
    index = BiGranularIndex.build(vectors, IndexSpec(factory, metric=metric))
    exact = ExactIndex.build(vectors, IndexSpec(metric=metric))
    queries = RANDOM.standard_normal((5, 70)).astype(np.float32)
    for mine, theirs in zip(index.search(queries, 10, {"k_factor": 40}), exact.search(queries, 10), strict=True):
        assert mine.ordinals.tolist() == theirs.ordinals.tolist()
        np.testing.assert_allclose(mine.scores, theirs.scores, rtol=1e-5)


def test_only_candidates_of_the_codes_are_scored(vectors):
    index = BiGranularIndex.build(vectors, IndexSpec("Binary,Verify", metric="cosine"))
    codes = BinaryIndex.build(vectors, IndexSpec("Binary"))
    query = RANDOM.standard_normal((1, 70)).astype(np.float32)
    (found,) = index.search(query, 5, {"k_factor": 2})
    (candidates,) = codes.search(query, 10)
    cosine = (normalize_rows(MATRIX) @ normalize_rows(query).T)[:, 0]
    best = sorted(candidates.ordinals, key=lambda n: (-cosine[n], n))[:5]
    assert found.ordinals.tolist() == best


def test_memory_and_disk_are_told_apart(vectors, tmp_path):
    index = BiGranularIndex.build(vectors, IndexSpec("Binary,Verify", metric="cosine"))
    assert (index.size_bytes, index.disk_bytes) == (400 * 16, 400 * 70 * 4)
    index.save(tmp_path / "index")
    with pytest.raises(BadInput, match="needs dense vectors"):
        BiGranularIndex.open(tmp_path / "index")


def test_signs_say_nothing_of_distances(vectors):
    with pytest.raises(BadInput, match="Euclidean"):
        BinaryIndex.build(vectors, IndexSpec("Binary", metric="l2"))
