"""HI²: the union of cluster and term lists, counted; all clusters probed it is the exact search."""

import numpy as np
import pytest
from scipy import sparse

from workbench.errors import BadInput
from workbench.indices.exact import ExactIndex
from workbench.indices.hi2 import Hi2Index, heaviest
from workbench.indices.hybrid import HybridQueries, HybridVectors
from workbench.specs import IndexSpec
from workbench.vectors import DenseVectors, ShardFolder, SparseVectors, csr_arrays

COUNT, DIM, WORDS = 600, 12, 40
RANDOM = np.random.default_rng(5)
CENTRES = RANDOM.standard_normal((6, DIM))
MATRIX = (CENTRES[RANDOM.integers(0, 6, COUNT)] + 0.3 * RANDOM.standard_normal((COUNT, DIM))).astype(np.float32)
TERMS = sparse.random(COUNT, WORDS, 0.1, "csr", np.float32, np.random.default_rng(6))


def stored(folder, matrix, terms) -> HybridVectors:
    for name, arrays in (("dense", {"values": matrix}), ("terms", csr_arrays(sparse.csr_matrix(terms)))):
        (folder / name).mkdir()
        ShardFolder(folder / name).write(0, arrays, len(matrix))
    return HybridVectors(DenseVectors(folder / "dense"), SparseVectors(folder / "terms", terms.shape[1]))


@pytest.fixture
def vectors(tmp_path):
    return stored(tmp_path, MATRIX, TERMS)


def queries(count: int = 8) -> HybridQueries:
    random = np.random.default_rng(7)
    dense = (CENTRES[random.integers(0, 6, count)] + 0.3 * random.standard_normal((count, DIM))).astype(np.float32)
    return HybridQueries(dense, sparse.random(count, WORDS, 0.05, "csr", np.float32, np.random.default_rng(8)))


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_all_clusters_probed_it_is_the_exact_search(vectors, metric):
    index = Hi2Index.build(vectors, IndexSpec("HI2_9x3", metric=metric))
    exact = ExactIndex.build(vectors.dense, IndexSpec(metric=metric))
    asked = queries()
    for mine, true in zip(index.search(asked, 10, {"nprobe": 9}), exact.search(asked.dense, 10), strict=True):
        assert mine.ordinals.tolist() == true.ordinals.tolist()
        np.testing.assert_allclose(mine.scores, true.scores, rtol=1e-5)
    assert [each.ordinals.size for each in index.candidates(asked, {"nprobe": 9})] == [COUNT] * 8


def test_candidates_are_the_union_of_both_kinds_of_lists_by_count(vectors):
    index = Hi2Index.build(vectors, IndexSpec("HI2_9x3", metric="cosine"))
    asked = queries()
    unit = MATRIX / np.linalg.norm(MATRIX, axis=1, keepdims=True)
    centroids = index._parts["centroids"]
    nearest = np.argmax(unit @ centroids.T, axis=1)
    dense = TERMS.toarray()
    held = np.zeros_like(dense, dtype=bool)
    for row, weights in enumerate(dense):
        best = sorted((n for n in range(WORDS) if weights[n] > 0), key=lambda n: (-weights[n], n))[:3]
        held[row, best] = True
    for n, found in enumerate(index.candidates(asked, {"nprobe": 2})):
        probed = np.argsort(-(asked.dense[n] @ centroids.T), kind="stable")[:2]
        by_cluster = np.isin(nearest, probed)
        by_term = held[:, asked.terms[n].indices].any(axis=1)
        assert found.ordinals.tolist() == np.flatnonzero(by_cluster | by_term).tolist()
        assert found.by_cluster.tolist() == by_cluster[found.ordinals].tolist()
        assert found.by_term.tolist() == by_term[found.ordinals].tolist()
        assert found.ordinals.size < COUNT


def test_a_document_that_only_a_term_leads_to_is_found(tmp_path):
    """Two clusters far apart; the query lies in one and names a word of a document in the other."""
    matrix = np.array([[1, 0], [1, 0.1], [1, -0.1], [-1, 0], [-1, 0.1], [-1, -0.1]], np.float32)
    terms = sparse.csr_matrix(np.array([[1, 0], [1, 0], [1, 0], [1, 0], [0, 2], [1, 0]], np.float32))
    index = Hi2Index.build(stored(tmp_path, matrix, terms), IndexSpec("HI2_2x1", metric="cosine"))
    asked = HybridQueries(np.array([[1, 0]], np.float32), sparse.csr_matrix(np.array([[0, 1]], np.float32)))
    (found,) = index.candidates(asked, {"nprobe": 1})
    assert found.ordinals.tolist() == [0, 1, 2, 4]
    assert (found.by_cluster.tolist(), found.by_term.tolist()) == ([True] * 3 + [False], [False] * 3 + [True])
    assert index.search(asked, 10, {"nprobe": 1})[0].ordinals.tolist() == [0, 1, 2, 4]


def test_the_heaviest_terms_of_a_row_are_kept_and_ties_go_by_column():
    rows = sparse.csr_matrix(np.array([[1, 3, 3, 0], [0, 0, -1, 2]], np.float32))
    owners, columns = heaviest(rows, 2)
    assert list(zip(owners.tolist(), columns.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 3)]


@pytest.mark.parametrize(("factory", "words"), [("HI2_601x3", "more than the 600"), ("HI2_x", "no HI²")])
def test_what_cannot_be_built_is_refused(vectors, factory, words):
    with pytest.raises(BadInput, match=words):
        Hi2Index.build(vectors, IndexSpec(factory))
