"""The inverted index against scipy's sparse product."""

import numpy as np
import pytest
from scipy import sparse

from workbench.indices.inverted import InvertedIndex
from workbench.specs import IndexSpec
from workbench.vectors import ShardFolder, SparseVectors, csr_arrays

N, TERMS = 900, 200


def random_rows(count: int, seed: int, density: float = 0.05) -> sparse.csr_matrix:
    random = np.random.default_rng(seed)
    return sparse.csr_matrix(sparse.random(count, TERMS, density, random_state=random), dtype=np.float32)


def store(folder, matrix, shard: int = 250) -> SparseVectors:
    folder.mkdir()
    for number, start in enumerate(range(0, matrix.shape[0], shard)):
        part = matrix[start : start + shard]
        ShardFolder(folder).write(number, csr_arrays(part), part.shape[0])
    return SparseVectors(folder, matrix.shape[1])


def oracle(matrix, query, k: int) -> tuple[list[int], np.ndarray]:
    """Documents with a score, best first, by a product in float64."""
    scores = np.asarray((matrix.astype(np.float64) @ query.astype(np.float64).T).todense()).ravel().astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    return [int(each) for each in order if scores[each] != 0][:k], scores


@pytest.mark.parametrize("in_folder", [False, True])
def test_it_is_the_sparse_product(in_folder, tmp_path):
    matrix, queries = random_rows(N, 0), random_rows(30, 1)
    folder = tmp_path / "i" if in_folder else None
    index = InvertedIndex.build(store(tmp_path / "v", matrix), IndexSpec(), folder=folder)
    index.save(tmp_path / "i")
    for found in (index, InvertedIndex.open(tmp_path / "i")):
        for number, ranking in enumerate(found.search(queries, 25)):
            ordinals, scores = oracle(matrix, queries[number], 25)
            assert ranking.ordinals.tolist() == ordinals
            np.testing.assert_array_equal(ranking.scores, scores[ordinals])


def test_built_in_a_folder_it_is_mapped_from_the_start(tmp_path):
    index = InvertedIndex.build(store(tmp_path / "v", random_rows(N, 0)), IndexSpec(), folder=tmp_path / "i")
    assert isinstance(index._weights, np.memmap) and isinstance(index._ordinals, np.memmap)
    index.save(tmp_path / "i")
    assert sorted(path.name for path in (tmp_path / "i").iterdir()) == [
        "index.json", "ordinals.npy", "starts.npy", "weights.npy",
    ]  # fmt: skip


def test_postings_are_the_columns(tmp_path):
    matrix = random_rows(N, 3)
    index = InvertedIndex.build(store(tmp_path / "v", matrix), IndexSpec())
    columns = sparse.csc_matrix(matrix)
    columns.sort_indices()
    np.testing.assert_array_equal(index._starts, columns.indptr)
    np.testing.assert_array_equal(index._ordinals, columns.indices)
    np.testing.assert_array_equal(index._weights, columns.data)
    assert (index._starts.dtype, index._ordinals.dtype, index._weights.dtype) == (np.int64, np.int32, np.float32)


def test_documents_that_share_no_term_are_never_returned(tmp_path):
    matrix = sparse.csr_matrix(np.array([[1, 0, 0], [0, 2, 0], [3, 1, 0], [0, 0, 0]], np.float32))
    index = InvertedIndex.build(store(tmp_path / "v", matrix), IndexSpec())
    queries = sparse.csr_matrix(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], np.float32))
    assert [each.ordinals.tolist() for each in index.search(queries, 10)] == [[2, 0], [1, 2], [], []]
    assert [each.scores.tolist() for each in index.search(queries, 10)] == [[3, 1], [2, 1], [], []]


def test_filters_take_from_the_documents_that_match(tmp_path):
    matrix, queries = random_rows(N, 0), random_rows(10, 1)
    index = InvertedIndex.build(store(tmp_path / "v", matrix), IndexSpec())
    allowed = np.random.default_rng(2).random(N) < 0.1
    for number, ranking in enumerate(index.search(queries, 12, {}, allowed)):
        expected = [each for each in oracle(matrix, queries[number], N)[0] if allowed[each]][:12]
        assert ranking.ordinals.tolist() == expected


def test_negative_scores_rank_last_and_stay(tmp_path):
    matrix = sparse.csr_matrix(np.array([[1, 1], [0, 1], [1, 0]], np.float32))
    (ranking,) = InvertedIndex.build(store(tmp_path / "v", matrix), IndexSpec()).search(
        sparse.csr_matrix(np.array([[2, -1]], np.float32)), 3
    )
    assert list(zip(ranking.ordinals.tolist(), ranking.scores.tolist(), strict=True)) == [(2, 2), (0, 1), (1, -1)]


def test_terms_in_any_order_or_twice_are_one_query(tmp_path):
    index = InvertedIndex.build(store(tmp_path / "v", random_rows(N, 0)), IndexSpec())
    tidy = sparse.csr_matrix(([3.0, 1.0], [4, 90], [0, 2]), shape=(1, TERMS), dtype=np.float32)
    untidy = sparse.csr_matrix(([1.0, 1.0, 2.0], [90, 4, 4], [0, 3]), shape=(1, TERMS), dtype=np.float32)
    one, other = index.search(tidy, 20)[0], index.search(untidy, 20)[0]
    np.testing.assert_array_equal(one.ordinals, other.ordinals)
    np.testing.assert_array_equal(one.scores, other.scores)
    assert untidy.nnz == 3


def test_terms_without_postings_and_documents_without_terms(tmp_path):
    matrix = sparse.csr_matrix((50, TERMS), dtype=np.float32)
    index = InvertedIndex.build(store(tmp_path / "v", matrix), IndexSpec(), folder=tmp_path / "i")
    index.save(tmp_path / "i")
    assert len(InvertedIndex.open(tmp_path / "i").search(random_rows(1, 1), 5)[0]) == 0
    assert index.describe()["postings"] == 0
