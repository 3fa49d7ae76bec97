"""MaxSim against loops by hand and sentence-transformers' own; token vectors on disk; the exhaustive index."""

import numpy as np
import pytest
import torch
from sentence_transformers.util import maxsim as reference

from workbench import scoring
from workbench.errors import BadInput
from workbench.indices.maxsim import MaxSimIndex
from workbench.ragged import Ragged
from workbench.scoring import maxsim, normalize_rows
from workbench.specs import IndexSpec
from workbench.vectors import MultiVectors, ShardFolder, ragged_arrays


def some_rows(lengths, dim=8, seed=0) -> Ragged:
    random = np.random.default_rng(seed)
    return Ragged.of([normalize_rows(random.standard_normal((length, dim))) for length in lengths], dim)


def by_loops(query, documents) -> list[float]:
    """Σ_i max_j ⟨q_i, d_j⟩ in plain Python."""
    return [
        sum(max((float(q @ d) for d in document), default=-np.inf) for q in query) if len(query) else 0.0
        for document in documents
    ]


def stored(folder, rows: Ragged, size: int = 7, storage: str = "float32") -> MultiVectors:
    for number, start in enumerate(range(0, len(rows), size)):
        part = rows.take(np.arange(start, min(start + size, len(rows))))
        ShardFolder(folder).write(number, ragged_arrays(part, storage), len(part))
    return MultiVectors(folder)


def test_by_hand():
    query = np.array([[1, 0], [0, 1]], np.float32)
    documents = Ragged.of([np.array([[1, 0], [0.5, 0.5]]), np.array([[-1, -2]]), np.array([[0, 3]])], 2)
    # 1 + 0.5 · −1 + −2 · 0 + 3
    assert maxsim(query, documents).tolist() == [1.5, -3.0, 3.0]
    assert maxsim(query, documents, mean=True).tolist() == [0.75, -1.5, 1.5]


@pytest.mark.parametrize("lengths", [[3], [1, 5, 2], [0, 4, 0, 0, 3, 0], [0], [], [25, 2, 19, 1, 3, 0, 20, 21]])
def test_equals_loops_with_rows_of_any_length(lengths, monkeypatch):
    """Also where a block ends: 80 products are those of a query of 4 with 20 tokens."""
    monkeypatch.setattr(scoring, "PRODUCTS", 80)
    documents, query = some_rows(lengths), some_rows([4], seed=1)[0]
    np.testing.assert_allclose(maxsim(query, documents), by_loops(query, documents), rtol=1e-5)


def test_a_document_of_negative_scores_is_not_helped_by_padding():
    """Padding with zeros would lift its maxima to 0."""
    query = np.array([[1.0, 0.0]], np.float32)
    documents = Ragged.of([np.array([[-0.5, 0.1]]), np.full((6, 2), -0.9)], 2)
    np.testing.assert_allclose(maxsim(query, documents), [-0.5, -0.9])


def test_empty_documents_are_lowest_and_an_empty_query_says_nothing():
    documents = some_rows([2, 0, 3])
    scores = maxsim(some_rows([5], seed=3)[0], documents)
    assert scores[1] == -np.inf and np.isfinite(scores[[0, 2]]).all()
    assert maxsim(np.empty((0, 8), np.float32), documents).tolist() == [0.0, -np.inf, 0.0]


def test_equals_sentence_transformers():
    documents, queries = some_rows([3, 9, 1, 40], dim=16), some_rows([5, 2], dim=16, seed=4)
    expected = reference([torch.from_numpy(row) for row in queries], [torch.from_numpy(row) for row in documents])
    found = np.stack([maxsim(query, documents) for query in queries])
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


def test_a_row_is_one_document_across_shards(tmp_path):
    rows = some_rows([3, 0, 1, 7, 2, 5, 4, 1, 0, 6])
    found = stored(tmp_path, rows, size=4)
    assert (len(found), found.dim, found.tokens) == (10, 8, 29)
    assert found.lengths.tolist() == rows.lengths.tolist()
    for ordinal in range(10):
        assert np.array_equal(found.row(ordinal), rows[ordinal])
    order = np.array([9, 0, 4, 4, 1])
    taken = found.take(order)
    assert all(np.array_equal(row, rows[number]) for row, number in zip(taken, order, strict=True))
    for tokens in (1, 5, 8, 1000):
        blocks = list(found.blocks(tokens))
        assert [start for start, _ in blocks] == list(np.cumsum([0, *(len(block) for _, block in blocks)])[:-1])
        assert np.array_equal(np.concatenate([block.values for _, block in blocks]), rows.values)
        assert all(len(block.values) <= tokens or len(block) == 1 for _, block in blocks)
    for wrong in (-1, 10):
        with pytest.raises(IndexError):
            found.row(wrong)


def test_float16_is_kept_and_widened(tmp_path):
    rows = some_rows([3, 2])
    found = stored(tmp_path, rows, storage="float16")
    assert found.dtype == np.float16 and found.row(1).dtype == np.float32
    assert np.array_equal(found.take(np.arange(2)).values, rows.values.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("cache", [0, 1 << 20])
def test_the_index_ranks_as_loops_do(tmp_path, cache):
    rows = some_rows(np.random.default_rng(5).integers(0, 9, 120))
    index = MaxSimIndex(stored(tmp_path, rows), cache_bytes=cache)
    queries = some_rows([4, 1, 7], seed=6)
    for query, ranking in zip(queries, index.search(queries, 20), strict=True):
        exact = np.asarray(by_loops(query, rows))
        assert ranking.ordinals.tolist() == sorted(range(120), key=lambda n: (-exact[n], n))[:20]
        np.testing.assert_allclose(ranking.scores, exact[ranking.ordinals], rtol=1e-5)


def test_documents_without_vectors_are_never_hits(tmp_path):
    index = MaxSimIndex(stored(tmp_path, some_rows([2, 0, 3, 0])))
    query = some_rows([3], seed=1)
    assert sorted(index.search(query, 10)[0].ordinals.tolist()) == [0, 2]
    assert index.search(query, 10, {}, np.array([False, True, True, True]))[0].ordinals.tolist() == [2]
    assert len(index.search(some_rows([0]), 10)[0]) == 0


def test_the_mean_is_the_sum_by_the_query_tokens(tmp_path):
    vectors, query = stored(tmp_path, some_rows([2, 5, 3])), some_rows([4], seed=1)
    plain, mean = (MaxSimIndex.build(vectors, IndexSpec(factory=name)) for name in ("maxsim", "meanmaxsim"))
    assert plain.search(query, 3)[0].ordinals.tolist() == mean.search(query, 3)[0].ordinals.tolist()
    np.testing.assert_allclose(mean.search(query, 3)[0].scores, plain.search(query, 3)[0].scores / 4, rtol=1e-6)


def test_other_vectors_than_those_indexed_are_refused(tmp_path):
    for name, lengths in (("a", [2, 3]), ("b", [2, 4])):
        (tmp_path / name).mkdir()
        stored(tmp_path / name, some_rows(lengths))
    MaxSimIndex(MultiVectors(tmp_path / "a")).save(tmp_path / "index")
    with pytest.raises(BadInput, match="5 vectors, not 2 of 6"):
        MaxSimIndex.open(tmp_path / "index", MultiVectors(tmp_path / "b"))
