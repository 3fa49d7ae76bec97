"""What every registered index promises, whatever it is inside. FAISS runs with one factory string of each structure."""

import copy

import numpy as np
import pytest
from scipy import sparse

from workbench.errors import BadInput
from workbench.indices import INDICES
from workbench.indices.hybrid import HybridQueries, HybridVectors
from workbench.ragged import Ragged
from workbench.scoring import normalize_rows
from workbench.specs import IndexSpec
from workbench.vectors import (
    DenseVectors,
    MultiVectors,
    ShardFolder,
    SparseVectors,
    csr_arrays,
    ragged_arrays,
)

DOCUMENTS, DIM, TERMS = 700, 16, 60
FACTORIES = ("Flat", "HNSW16", "IVF8,Flat", "IVF8_HNSW4,SQ8", "PQ4x4", "PCA8,SQ8", "IVF8,RaBitQ", "IVF8,PQ4x4,RFlat")
CASES = [
    *(("faiss", factory, "cosine") for factory in FACTORIES),
    ("faiss", "Flat", "l2"),
    ("faiss", "IVF8,Flat", "dot"),
    ("faiss", "PQ4x4fs,Refine(SQ8)", "l2"),
    ("hi2", "HI2_12x4", "cosine"),
    ("hi2", "HI2_12x4", "l2"),
    ("binary", "Binary", "cosine"),
    ("bi-granular", "Binary,Verify", "cosine"),
    ("bi-granular", "IVF8,PQ4x4,Verify", "dot"),
    ("bi-granular", "SQ8,Verify", "l2"),
    *(("exact", "Flat", metric) for metric in ("cosine", "dot", "l2")),
    ("inverted", "inverted", "dot"),
    ("maxsim", "maxsim", "dot"),
    ("maxsim", "meanmaxsim", "dot"),
]
EXACT = [case for case in CASES if case[0] in ("exact", "inverted", "maxsim") or case[1] == "Flat"]


def dense_matrix(count: int, seed: int = 0) -> np.ndarray:
    """Clustered rows; rows 5, 6 and 300 are one document three times."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((8, DIM))
    rows = centres[random.integers(0, 8, count)] + 0.4 * random.standard_normal((count, DIM))
    rows[[each for each in (5, 6, 300) if each < count]] = rows[4] if count > 4 else rows[:1]
    return rows.astype(np.float32)


def sparse_matrix(count: int, seed: int = 0) -> sparse.csr_matrix:
    matrix = sparse.random(count, TERMS, density=0.15, random_state=np.random.default_rng(seed), format="lil")
    for twin in (5, 6, 300):
        if twin < count:
            matrix[twin] = matrix[4]
    return sparse.csr_matrix(matrix, dtype=np.float32)


def ragged_matrix(count: int, seed: int = 0) -> Ragged:
    """Rows of 1 to 6 vectors of length 1; rows 5, 6 and 300 are one document four times."""
    random = np.random.default_rng(seed)
    rows = [normalize_rows(random.standard_normal((random.integers(1, 7), DIM))) for _ in range(count)]
    for twin in (5, 6, 300):
        if twin < count:
            rows[twin] = rows[4]
    return Ragged.of(rows, DIM)


def hybrid_matrix(count: int, seed: int = 0) -> HybridQueries:
    return HybridQueries(dense_matrix(count, seed), sparse_matrix(count, seed))


def chosen(matrix, rows):
    """Rows of a matrix of any form, by slice or by numbers."""
    if isinstance(matrix, HybridQueries):
        return HybridQueries(matrix.dense[rows], matrix.terms[rows])
    if isinstance(matrix, Ragged):
        return matrix.take(np.arange(len(matrix))[rows])
    return matrix[rows]


@pytest.fixture(params=CASES, ids=" ".join)
def case(request):
    return Case(*request.param)


@pytest.fixture(params=EXACT, ids=" ".join)
def exact_case(request):
    return Case(*request.param)


class Case:
    """An index kind with vectors that it takes."""

    def __init__(self, name: str, factory: str, metric: str) -> None:
        self.kind = INDICES.load(name)
        self.spec = IndexSpec(factory=factory, metric=metric)
        self.form = {"inverted": "sparse", "maxsim": "multi", "hi2": "hybrid"}.get(name, "dense")
        self.is_sparse = self.form == "sparse"
        self.matrix = {
            "dense": dense_matrix, "sparse": sparse_matrix, "multi": ragged_matrix, "hybrid": hybrid_matrix
        }[self.form]  # fmt: skip

    def vectors(self, folder, count: int = DOCUMENTS):
        """`count` documents in shards of 256."""
        if self.form == "hybrid":
            folder.mkdir()
            parts = [Case(kind, "Flat", "dot").vectors(folder / kind, count) for kind in ("exact", "inverted")]
            return HybridVectors(*parts)
        store = ShardFolder(folder)
        folder.mkdir()
        matrix = self.matrix(count)
        for number, start in enumerate(range(0, count, 256)):
            part = chosen(matrix, slice(start, start + 256))
            store.write(number, self.arrays(part), part.shape[0])
        if self.form == "multi":
            return MultiVectors(folder)
        return SparseVectors(folder, TERMS) if self.is_sparse else DenseVectors(folder)

    def arrays(self, part):
        if self.form == "multi":
            return ragged_arrays(part, "float32")
        return csr_arrays(part) if self.is_sparse else {"values": part}

    def queries(self, count: int = 40):
        return self.matrix(count, seed=9)

    def build(self, folder, count: int = DOCUMENTS):
        return self.kind.build(self.vectors(folder, count), self.spec)


def same(left, right) -> None:
    """Equal to the last bit, ranking by ranking."""
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one.ordinals, other.ordinals)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_two_builds_answer_alike(case, tmp_path):
    one, other = (case.kind.build(case.vectors(tmp_path / name), case.spec) for name in "ab")
    same(one.search(case.queries(), 10), other.search(case.queries(), 10))
    same(one.search(case.queries(), 10), one.search(case.queries(), 10))


def test_answers_do_not_depend_on_the_batch(case, tmp_path):
    index, queries = case.build(tmp_path / "v"), case.queries()
    together = index.search(queries, 10)
    same(together, [index.search(chosen(queries, slice(at, at + 1)), 10)[0] for at in range(queries.shape[0])])
    order = np.random.default_rng(1).permutation(queries.shape[0])
    same([together[at] for at in order], index.search(chosen(queries, order), 10))


def test_saved_and_opened_it_answers_the_same(case, tmp_path):
    vectors = case.vectors(tmp_path / "v")
    index = case.kind.build(vectors, case.spec)
    before = index.search(case.queries(), 10)
    index.save(tmp_path / "index")
    opened = case.kind.open(tmp_path / "index", vectors)
    same(before, opened.search(case.queries(), 10))
    assert len(opened) == DOCUMENTS and opened.dim == index.dim
    assert opened.describe() == index.describe()
    assert opened.size_bytes == index.size_bytes > 0
    assert not [path for path in (tmp_path / "index").iterdir() if path.suffix in (".pkl", ".pickle")]


def test_an_unfinished_folder_is_not_opened(case, tmp_path):
    (tmp_path / "index").mkdir()
    with pytest.raises(Exception, match="no finished index"):
        case.kind.open(tmp_path / "index", case.vectors(tmp_path / "v"))


def test_an_empty_corpus_finds_nothing(case, tmp_path):
    index = case.build(tmp_path / "v", 0)
    assert len(index) == 0
    assert [len(each) for each in index.search(case.queries(3), 10)] == [0, 0, 0]
    index.save(tmp_path / "index")
    opened = case.kind.open(tmp_path / "index", case.vectors(tmp_path / "w", 0))
    assert [len(each) for each in opened.search(case.queries(2), 10)] == [0, 0]


def test_no_queries_give_no_rankings(case, tmp_path):
    index = case.build(tmp_path / "v")
    assert index.search(chosen(case.queries(), slice(0)), 10) == []
    assert [len(each) for each in index.search(case.queries(2), 0)] == [0, 0]


def test_k_above_the_count_gives_each_document_once(case, tmp_path):
    index = case.build(tmp_path / "v")
    for ranking in index.search(case.queries(5), 10 * DOCUMENTS, all_of(index)):
        assert len(set(ranking.ordinals.tolist())) == len(ranking) <= DOCUMENTS
        assert ranking.ordinals.min() >= 0 and ranking.ordinals.max() < DOCUMENTS
        if not case.is_sparse:
            assert len(ranking) == DOCUMENTS


def all_of(index) -> dict[str, int]:
    """Settings under which every document is looked at."""
    return {name: 4 * DOCUMENTS for name in index.knobs() if name != "k_factor"}


def test_inputs_stay_as_they_were(case, tmp_path):
    vectors, queries = case.vectors(tmp_path / "v"), case.queries()
    allowed = np.arange(DOCUMENTS) % 2 == 0
    parts = [vectors.dense, vectors.terms] if case.form == "hybrid" else [vectors]
    blocks = [block for part in parts for _, block in part.blocks()]
    before = copy.deepcopy(queries), allowed.copy(), copy.deepcopy(blocks)
    case.kind.build(vectors, case.spec).search(queries, 10, {}, allowed)
    assert equal(queries, before[0]) and np.array_equal(allowed, before[1])
    assert all(equal(block, kept) for block, kept in zip(blocks, before[2], strict=True))


def equal(left, right) -> bool:
    if isinstance(left, Ragged):
        return np.array_equal(left.values, right.values) and np.array_equal(left.offsets, right.offsets)
    if isinstance(left, HybridQueries):
        return equal(left.dense, right.dense) and equal(left.terms, right.terms)
    return (left != right).nnz == 0 if sparse.issparse(left) else np.array_equal(left, right)


def test_equal_scores_come_in_ordinal_order(case, tmp_path):
    for ranking in case.build(tmp_path / "v").search(case.queries(), 50):
        order = np.lexsort((ranking.ordinals, -ranking.scores))
        np.testing.assert_array_equal(order, np.arange(len(ranking)))


def test_ties_at_the_cut_keep_the_lowest_ordinals(exact_case, tmp_path):
    """The query is the document that is there four times, as 4, 5, 6 and 300."""
    index = exact_case.build(tmp_path / "v")
    query = chosen(exact_case.matrix(DOCUMENTS), slice(4, 5))
    if exact_case.spec.metric != "dot" or exact_case.form == "multi":
        assert index.search(query, 3)[0].ordinals.tolist() == [4, 5, 6]
        assert index.search(query, 4)[0].ordinals.tolist() == [4, 5, 6, 300]
    everything = index.search(query, DOCUMENTS)[0]
    for k in range(1, 60):
        same(index.search(query, k), [type(everything)(everything.ordinals[:k], everything.scores[:k])])


@pytest.mark.parametrize("kept", [1, 7, 60, 350, 699])
def test_a_filter_gives_exactly_what_it_allows(case, tmp_path, kept):
    index, queries = case.build(tmp_path / "v"), case.queries(6)
    allowed = np.zeros(DOCUMENTS, dtype=np.bool_)
    allowed[np.random.default_rng(kept).choice(DOCUMENTS, kept, replace=False)] = True
    plain = index.search(queries, DOCUMENTS)
    for ranking, free in zip(index.search(queries, 20, {}, allowed), plain, strict=True):
        assert allowed[ranking.ordinals].all()
        partial = case.form in ("sparse", "hybrid")  # what shares no list with the query is never found
        expected = np.count_nonzero(allowed[free.ordinals]) if partial else kept
        assert len(ranking) == min(20, expected)


def test_a_filter_that_allows_nothing_finds_nothing(case, tmp_path):
    index = case.build(tmp_path / "v")
    assert [len(each) for each in index.search(case.queries(2), 5, {}, np.zeros(DOCUMENTS, np.bool_))] == [0, 0]


def test_wrong_queries_masks_and_settings_are_named(case, tmp_path):
    index = case.build(tmp_path / "v")
    with pytest.raises(BadInput, match="dimensions"):
        index.search(narrower(case.queries()), 5)
    for other in (np.zeros((1, index.dim), np.float32), sparse.csr_matrix((1, index.dim)), ragged_matrix(1)):
        if not isinstance(other, type(case.queries(1))):
            with pytest.raises(BadInput, match=rf"takes {case.form} queries"):
                index.search(other, 5)
    broken = case.queries(2)
    numbers = {"dense": lambda: broken[1], "sparse": lambda: broken.data, "multi": lambda: broken.values[0]}
    (numbers | {"hybrid": lambda: broken.dense[1]})[case.form]()[:1] = np.nan
    with pytest.raises(BadInput, match="NaN or infinite"):
        index.search(broken, 5)
    with pytest.raises(BadInput, match="filter covers 3 documents"):
        index.search(case.queries(), 5, {}, np.ones(3, np.bool_))
    with pytest.raises(BadInput, match="“nprobes” does not apply"):
        index.search(case.queries(), 5, {"nprobes": 3})
    for name in index.knobs():
        with pytest.raises(BadInput, match=name):
            index.search(case.queries(), 5, {name: 0})


def narrower(matrix):
    """Queries with a dimension less."""
    if isinstance(matrix, HybridQueries):
        return HybridQueries(matrix.dense[:, :-1], matrix.terms)
    return Ragged(matrix.values[:, :-1], matrix.offsets) if isinstance(matrix, Ragged) else matrix[:, :-1]


def test_vectors_of_the_wrong_kind_are_refused(case, tmp_path):
    for name in ("exact", "inverted", "maxsim"):
        other = Case(name, "Flat", "dot")
        if other.form != case.form:
            with pytest.raises(BadInput, match=r"needs? (sparse|dense|multi) vectors"):
                case.kind.build(other.vectors(tmp_path / name), case.spec)


def test_cancelling_stops_the_build(case, tmp_path):
    class Stop(Exception):
        pass

    def progress(done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        case.kind.build(case.vectors(tmp_path / "v"), case.spec, progress)


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_every_dense_index_scores_alike(metric, tmp_path):
    """Exact and FAISS's Flat are equal to the last bit; others score what they find by the same measure."""
    vectors = Case("exact", "Flat", metric).vectors(tmp_path / "v")
    queries, matrix = dense_matrix(20, seed=9), dense_matrix(DOCUMENTS)
    exact = INDICES.load("exact").build(vectors, IndexSpec(metric=metric)).search(queries, 10)
    same(exact, INDICES.load("faiss").build(vectors, IndexSpec(metric=metric)).search(queries, 10))
    graph = INDICES.load("faiss").build(vectors, IndexSpec(factory="HNSW16", metric=metric)).search(queries, 10)
    for query, ranking in zip(queries.astype(np.float64), graph, strict=True):
        found = matrix[ranking.ordinals].astype(np.float64)
        true = {
            "cosine": normalize_rows(found) @ query / np.linalg.norm(query),
            "dot": found @ query,
            "l2": -np.linalg.norm(found - query, axis=1),
        }[metric]
        np.testing.assert_allclose(ranking.scores, true, rtol=1e-4, atol=1e-4)
