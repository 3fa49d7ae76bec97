"""Exact search: equal to sorting all float64 scores, whatever the blocks, the cache and the filter."""

import numpy as np
import pytest

from workbench.errors import BadInput
from workbench.indices import scan
from workbench.indices.exact import ExactIndex
from workbench.scoring import normalize_rows
from workbench.specs import IndexSpec
from workbench.vectors import DenseVectors, ShardFolder


def store(folder, matrix, shard: int = 300) -> DenseVectors:
    folder.mkdir()
    for number, start in enumerate(range(0, len(matrix), shard)):
        part = matrix[start : start + shard]
        ShardFolder(folder).write(number, {"values": part}, len(part))
    return DenseVectors(folder)


def oracle(matrix, query, metric: str, k: int) -> tuple[list[int], np.ndarray]:
    """The best k by a stable sort of all scores in float64, rounded as they are reported."""
    rows, asked = matrix.astype(np.float32), query.astype(np.float32)
    if metric == "cosine":
        rows, asked = normalize_rows(rows), normalize_rows(asked[None])[0]
    rows, asked = rows.astype(np.float64), asked.astype(np.float64)
    scores = -np.sqrt(((rows - asked) ** 2).sum(axis=1)) if metric == "l2" else rows @ asked
    scores = scores.astype(np.float32)
    order = np.argsort(-scores, kind="stable")[:k]
    return order.tolist(), scores[order]


@pytest.fixture
def matrix():
    """Rows of very different lengths, some of them copies, two of them zero."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((1000, 24)) * random.choice([0.01, 1, 30], (1000, 1))
    rows[[17, 400, 999]] = rows[3]
    rows[[5, 800]] = 0
    return rows.astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
@pytest.mark.parametrize("cache", [0, 2**30])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_it_is_numpys_sort(matrix, metric, cache, dtype, tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "BLOCK", 128)
    monkeypatch.setattr(scan, "QUERY_BATCH", 3)
    stored = matrix.astype(dtype)
    index = ExactIndex(store(tmp_path / "v", stored), metric, cache)
    queries = np.concatenate([matrix[[3, 5, 900]], np.random.default_rng(1).standard_normal((7, 24))])
    for k in (1, 3, 10, 500, 1000):
        for query, ranking in zip(queries, index.search(queries.astype(np.float32), k), strict=True):
            ordinals, scores = oracle(stored, query, metric, k)
            assert ranking.ordinals.tolist() == ordinals
            np.testing.assert_array_equal(ranking.scores, scores)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
@pytest.mark.parametrize("kept", [3, 100, 600, 999])
def test_filters_are_those_of_a_sort_without_the_others(matrix, metric, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "BLOCK", 128)
    index = ExactIndex(store(tmp_path / "v", matrix), metric)
    chosen = np.sort(np.random.default_rng(kept).choice(1000, kept, replace=False))
    allowed = np.zeros(1000, np.bool_)
    allowed[chosen] = True
    query = np.random.default_rng(2).standard_normal(24).astype(np.float32)
    ordinals, scores = oracle(matrix[chosen], query, metric, 50)
    (ranking,) = index.search(query[None], 50, {}, allowed)
    assert ranking.ordinals.tolist() == chosen[ordinals].tolist()
    np.testing.assert_array_equal(ranking.scores, scores)


def test_scores_by_hand(tmp_path):
    vectors = store(tmp_path / "v", np.array([[3, 4], [0, 2], [-3, -4]], np.float32))
    query = np.array([[6, 8]], np.float32)
    for metric, ordinals, scores in (
        ("cosine", [0, 1, 2], [1.0, 0.8, -1.0]),
        ("dot", [0, 1, 2], [50.0, 16.0, -50.0]),
        ("l2", [0, 1, 2], [-5.0, -(72**0.5), -15.0]),
    ):
        (ranking,) = ExactIndex.build(vectors, IndexSpec(metric=metric)).search(query, 3)
        assert ranking.ordinals.tolist() == ordinals
        np.testing.assert_allclose(ranking.scores, scores, rtol=1e-6)


def test_ten_thousand_copies_are_cut_by_ordinal(tmp_path):
    vectors = store(tmp_path / "v", np.ones((10_000, 4), np.float32), 4096)
    (ranking,) = ExactIndex(vectors, "cosine").search(np.ones((1, 4), np.float32), 5)
    assert ranking.ordinals.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("metric", ["dot", "l2"])
@pytest.mark.parametrize("queries", [1, 10])
def test_near_ties_that_float32_products_mistake_are_told_apart(metric, queries, tmp_path):
    """Scores differ by about the rounding error of a float32 product; the second look in float64 sorts them."""
    random = np.random.default_rng(0)
    rows = random.standard_normal(256) + 1e-6 * random.standard_normal((2000, 256))
    asked = random.standard_normal((queries, 256)).astype(np.float32)
    index = ExactIndex(store(tmp_path / "v", rows.astype(np.float32), 2000), metric)
    for query, ranking in zip(asked, index.search(asked, 20), strict=True):
        ordinals, scores = oracle(rows.astype(np.float32), query, metric, 20)
        assert ranking.ordinals.tolist() == ordinals
        np.testing.assert_array_equal(ranking.scores, scores)


def test_what_it_keeps_in_memory_is_said(matrix, tmp_path):
    vectors = store(tmp_path / "v", matrix.astype(np.float16))
    assert ExactIndex(vectors, "cosine").size_bytes == 1000 * 24 * 4
    assert ExactIndex(vectors, "cosine", cache_bytes=1000).size_bytes == 1000 * 24 * 2


def test_it_does_not_open_over_other_vectors(matrix, tmp_path):
    ExactIndex(store(tmp_path / "v", matrix), "dot").save(tmp_path / "i")
    with pytest.raises(BadInput, match="made for 1000 × 24 vectors, not 900 × 24"):
        ExactIndex.open(tmp_path / "i", store(tmp_path / "w", matrix[:900]))
    with pytest.raises(BadInput, match="needs dense vectors"):
        ExactIndex.open(tmp_path / "i")
