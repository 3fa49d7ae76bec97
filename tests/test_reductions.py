"""Sparse and token vectors made dense for a map: truncated SVD against scikit-learn's, means by hand."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize

from workbench.errors import Cancelled
from workbench.ragged import Ragged
from workbench.reductions import reduce_multi, reduce_sparse
from workbench.vectors import MultiVectors, ShardFolder, SparseVectors, csr_arrays, ragged_arrays


def topics(count: int = 90, terms: int = 200) -> sparse.csr_matrix:
    """Documents of three topics, each with its own third of the terms, of very different lengths."""
    random = np.random.default_rng(0)
    rows = np.zeros((count, terms))
    for n in range(count):
        own = np.arange(n % 3, terms, 3)
        rows[n, random.choice(own, 12, replace=False)] = random.uniform(1, 3, 12) * 10 ** random.uniform(-1, 2)
    return sparse.csr_matrix(rows)


def stored(folder, matrix: sparse.csr_matrix, shard: int = 40) -> SparseVectors:
    store = ShardFolder(folder)
    for number, start in enumerate(range(0, matrix.shape[0], shard)):
        part = matrix[start : start + shard]
        store.write(number, csr_arrays(part), part.shape[0])
    return SparseVectors(folder, matrix.shape[1])


def test_rows_are_scikit_learns_truncated_svd(tmp_path):
    matrix = topics()
    found = reduce_sparse(stored(tmp_path, matrix), 3)
    assert found.rows.shape == (90, 3) and found.rows.dtype == np.float32
    oracle = TruncatedSVD(3, algorithm="arpack", random_state=0).fit_transform(normalize(matrix))
    # Directions have no sign, so what they say of pairs of documents is compared.
    np.testing.assert_allclose(found.rows @ found.rows.T, oracle @ oracle.T, atol=3e-3)
    assert found.kept == pytest.approx(np.square(oracle).sum() / 90, abs=1e-4)
    assert found.told == "truncated SVD of 200 terms to 3 dimensions"


def test_all_dimensions_keep_all_angles(tmp_path):
    matrix = topics(20, 60)
    found = reduce_sparse(stored(tmp_path, matrix), 128)
    assert found.rows.shape == (20, 20) and found.kept == pytest.approx(1, abs=1e-5)
    unit = normalize(matrix)
    np.testing.assert_allclose(found.rows @ found.rows.T, (unit @ unit.T).toarray(), atol=1e-4)


def test_the_length_of_a_document_does_not_matter_and_shards_neither(tmp_path):
    matrix = topics()
    for name in "ab":
        (tmp_path / name).mkdir()
    one = reduce_sparse(stored(tmp_path / "a", matrix), 5).rows
    other = reduce_sparse(stored(tmp_path / "b", sparse.csr_matrix(7 * matrix), 17), 5).rows
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_an_empty_document_is_a_zero_row(tmp_path):
    matrix = topics(12, 60).tolil()
    matrix[4] = 0
    rows = reduce_sparse(stored(tmp_path, sparse.csr_matrix(matrix)), 3).rows
    assert not rows[4].any() and rows[5].any()


def test_a_reduction_can_be_stopped(tmp_path):
    def stop(done: int, total: int) -> None:
        assert total == 5 * 90
        if done > 90:
            raise Cancelled

    with pytest.raises(Cancelled):
        reduce_sparse(stored(tmp_path, topics()), 3, progress=stop)


def test_token_vectors_become_the_mean_of_their_directions(tmp_path):
    rows = [np.array([[2, 0], [0, 5]]), np.empty((0, 2)), np.array([[0, 3.0]])]
    ShardFolder(tmp_path).write(0, ragged_arrays(Ragged.of(rows, 2), "float32"), 3)
    found = reduce_multi(MultiVectors(tmp_path))
    np.testing.assert_allclose(found.rows, [[0.5, 0.5], [0, 0], [0, 1]])
    assert found.kept == 1
