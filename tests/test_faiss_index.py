"""FAISS indices: scores against numpy, search settings, filters, and factory strings checked before work starts."""

import functools
import re
import threading

import faiss
import numpy as np
import pytest

from workbench.errors import BadInput, Cancelled, WorkbenchError
from workbench.indices import faiss_search
from workbench.indices.factories import check_factory, parse, recommended_lists, search_settings
from workbench.indices.faiss_index import FaissIndex
from workbench.indices.suggestions import estimate_bytes, suggest_factories
from workbench.scoring import normalize_rows
from workbench.specs import IndexSpec
from workbench.vectors import DenseVectors, ShardFolder

N, D = 2000, 32
FACTORIES = (
    "Flat", "HNSW32", "HNSW16,SQ8", "IVF64,Flat", "IVF16,PQ8x4", "IVF16_HNSW8,SQ8", "SQ8", "SQ4", "SQfp16", "SQbf16",
    "PQ8x4", "PQ8x4fs", "OPQ8_16,PQ8x4", "RaBitQ", "RaBitQ4", "IVF16,RaBitQ", "PQ8x4,RFlat", "IVF16,SQ8,Refine(Flat)",
    "IVF16,RaBitQ,Refine(SQ8)", "PCA16,Flat", "PCAR16,SQ8", "RR,SQ8", "L2norm,Flat", "RQ4x4", "IVF16,RQ4x4",
    "IVF16,PQ8x4fsr", "PCA16,HNSW16,RFlat",
)  # fmt: skip


def make_matrix(n: int = N, d: int = D, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = 2 * random.standard_normal((20, d))
    return (centres[random.integers(0, 20, n)] + random.standard_normal((n, d))).astype(np.float32)


def store(folder, matrix, shard: int = 1024) -> DenseVectors:
    folder.mkdir()
    for number, start in enumerate(range(0, len(matrix), shard)):
        part = matrix[start : start + shard]
        ShardFolder(folder).write(number, {"values": part}, len(part))
    return DenseVectors(folder)


@pytest.fixture(scope="module")
def matrix():
    return make_matrix()


@pytest.fixture(scope="module")
def queries(matrix):
    """Near documents, as a query should be."""
    noise = np.random.default_rng(7).standard_normal((20, D)).astype(np.float32)
    return matrix[::100] + 0.5 * noise


@pytest.fixture(scope="module")
def vectors(tmp_path_factory, matrix):
    return store(tmp_path_factory.mktemp("vectors") / "v", matrix)


@pytest.fixture(scope="module")
def built(vectors):
    """factory → index, each built once. A small training sample keeps k-means quick."""

    @functools.cache
    def build(factory: str) -> FaissIndex:
        return FaissIndex.build(vectors, IndexSpec(factory=factory, train_limit=700))

    return build


def oracle(matrix, queries, metric: str) -> np.ndarray:
    """(q, n) float64 scores by their definition."""
    rows, asked = matrix.astype(np.float64), queries.astype(np.float64)
    if metric == "l2":
        return -np.sqrt(((asked[:, None] - rows[None]) ** 2).sum(axis=2))
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        asked = asked / np.linalg.norm(asked, axis=1, keepdims=True)
    return asked @ rows.T


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
@pytest.mark.parametrize("factory", ["Flat", "IVF16,Flat", "HNSW32"])
def test_full_vectors_rank_as_numpy_does(vectors, matrix, queries, metric, factory):
    """All lists probed and a wide graph search: the same documents, and scores by the metric's definition."""
    index = FaissIndex.build(vectors, IndexSpec(factory=factory, metric=metric))
    scores = oracle(matrix, queries, metric)
    settings = {name: 16 if name == "nprobe" else 1000 for name in index.knobs()}
    for row, ranking in zip(scores, index.search(queries, 10, settings), strict=True):
        best = np.lexsort((np.arange(N), -row))[:10]
        assert ranking.ordinals.tolist() == best.tolist()
        np.testing.assert_allclose(ranking.scores, row[best], rtol=2e-5, atol=2e-4 if factory != "Flat" else 1e-6)


def test_a_document_is_nearest_to_itself_with_the_best_possible_score(vectors, matrix):
    for metric, best in (("cosine", 1.0), ("l2", 0.0)):
        ranking = FaissIndex.build(vectors, IndexSpec(metric=metric)).search(matrix[17:18], 2)[0]
        assert ranking.ordinals[0] == 17
        assert ranking.scores[0] == pytest.approx(best, abs=1e-6) and ranking.scores[1] < best


@pytest.mark.parametrize("factory", FACTORIES)
def test_every_structure_builds_saves_opens_and_finds(built, matrix, queries, factory, tmp_path):
    index = built(factory)
    index.save(tmp_path / "i")
    opened = FaissIndex.open(tmp_path / "i")
    truth = np.argsort(-oracle(matrix, queries, "cosine"), axis=1)[:, :10]
    shared = 0
    for first, second, best in zip(index.search(queries, 10), opened.search(queries, 10), truth, strict=True):
        assert first.ordinals.tolist() == second.ordinals.tolist()
        assert len(first) == 10
        shared += len(set(first.ordinals.tolist()) & set(best.tolist()))
    # 16 bits are the coarsest codes here; 10 documents by chance would share 0.05 with the best 10 of 2,000.
    assert shared / len(queries) >= 1
    described = opened.describe()
    assert described["factory"] == factory and described["faiss"] == faiss.__version__
    assert (described["vectors"], described["dim"], described["seed"]) == (N, D, 0)
    assert described["bytes"] == (tmp_path / "i" / "index.faiss").stat().st_size
    assert estimate_bytes(factory, N, D) == pytest.approx(described["bytes"], rel=0.15, abs=8192)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_wide_filters_lose_nothing(built, queries, factory, share, monkeypatch):
    """With the exact scan of few documents switched off, every kind filters by selector or over-fetch."""
    monkeypatch.setattr(faiss_search, "FEW", 0)
    monkeypatch.setattr(faiss_search, "FEW_SHARE", 0.0)
    index = built(factory)
    allowed = np.random.default_rng(3).random(N) < share
    for ranking in index.search(queries, 20, {}, allowed):
        assert len(ranking) == 20
        assert allowed[ranking.ordinals].all()


@pytest.mark.parametrize("factory", ["HNSW16", "IVF64,Flat", "PCA32,IVF16,Flat", "HNSW8,RFlat", "IVF64_HNSW4,Flat"])
def test_a_narrow_filter_is_answered_exactly(vectors, matrix, queries, factory):
    """Full vectors and few documents allowed: numpy's answer, though nprobe and ef_search are at their least."""
    index = FaissIndex.build(vectors, IndexSpec(factory=factory))
    allowed = np.random.default_rng(5).random(N) < 0.02
    least = dict.fromkeys(index.knobs(), 1)
    scores = np.where(allowed, oracle(matrix, queries, "cosine"), -np.inf)
    for row, ranking in zip(scores, index.search(queries, 10, least, allowed), strict=True):
        assert ranking.ordinals.tolist() == np.argsort(-row)[:10].tolist()


def test_the_plain_graph_loses_rows_under_a_narrow_filter(vectors, queries):
    """Why filters are answered as they are: FAISS alone returns fewer than asked for."""
    index = FaissIndex.build(vectors, IndexSpec(factory="HNSW16"))
    allowed = np.random.default_rng(5).random(N) < 0.005
    found = [
        faiss_search._search_some(index._index, query[None], 10, {"ef_search": 16}, allowed)[1]
        for query in normalize_rows(queries)
    ]
    assert min(np.count_nonzero(row >= 0) for row in found) < 10
    assert {len(each) for each in index.search(queries, 10, {"ef_search": 16}, allowed)} == {10}


def recall(index, queries, truth, **settings) -> float:
    found = index.search(queries, 10, settings)
    return float(np.mean([len(set(a.ordinals.tolist()) & set(b)) / 10 for a, b in zip(found, truth, strict=True)]))


@pytest.mark.parametrize(
    ("factory", "name", "low", "high"),
    [("IVF64,Flat", "nprobe", 1, 64), ("HNSW8", "ef_search", 1, 500), ("IVF16,RaBitQ,RFlat", "k_factor", 1, 50)],
)
def test_settings_change_the_answer_without_rebuilding(vectors, matrix, queries, factory, name, low, high):
    index = FaissIndex.build(vectors, IndexSpec(factory=factory, ef_construction=40))
    truth = np.argsort(-oracle(matrix, queries, "cosine"), axis=1)[:, :10].tolist()
    wide = {"nprobe": 16} if name == "k_factor" else {}
    poor, good = (recall(index, queries, truth, **wide, **{name: value}) for value in (low, high))
    assert poor < good and good > 0.95
    assert recall(index, queries, truth, **wide, **{name: low}) == poor


def test_threads_with_different_settings_do_not_disturb_each_other(vectors, queries):
    index = FaissIndex.build(vectors, IndexSpec(factory="IVF64,Flat"))
    alone = {nprobe: index.search(queries, 10, {"nprobe": nprobe}) for nprobe in (1, 4, 64)}
    wrong = []

    def ask(nprobe: int) -> None:
        for _ in range(20):
            for one, other in zip(index.search(queries, 10, {"nprobe": nprobe}), alone[nprobe], strict=True):
                if one.ordinals.tolist() != other.ordinals.tolist():
                    wrong.append(nprobe)

    threads = [threading.Thread(target=ask, args=(nprobe,)) for nprobe in (1, 4, 64, 1, 4, 64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_nothing_found_is_left_out(tmp_path):
    """One list probed of many holds fewer than k: FAISS pads with −1."""
    vectors = store(tmp_path / "v", make_matrix(100))
    index = FaissIndex.build(vectors, IndexSpec(factory="IVF50,Flat"))
    sizes = [len(each) for each in index.search(make_matrix(10, seed=1), 60, {"nprobe": 1})]
    assert max(sizes) < 60 and min(sizes) >= 1


def test_the_seed_decides_what_is_random(vectors, queries):
    def found(seed: int):
        spec = IndexSpec(factory="IVF16,PQ8x4", seed=seed, train_limit=600)
        return [each.scores.tolist() for each in FaissIndex.build(vectors, spec).search(queries, 5)]

    assert found(1) == found(1)
    assert found(1) != found(2)


def test_training_takes_no_more_than_its_limit(vectors):
    assert FaissIndex.build(vectors, IndexSpec(factory="IVF8,Flat", train_limit=500)).describe()["trained_on"] == 500
    assert FaissIndex.build(vectors, IndexSpec(factory="IVF8,Flat")).describe()["trained_on"] == N
    assert FaissIndex.build(vectors, IndexSpec(factory="Flat")).describe()["trained_on"] == 0


def test_cancelling_between_blocks(vectors, monkeypatch):
    monkeypatch.setattr("workbench.indices.faiss_index.ADD_BLOCK", 100)
    seen = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        if done >= 500:
            raise Cancelled

    with pytest.raises(Cancelled):
        FaissIndex.build(vectors, IndexSpec(factory="HNSW16"), progress)
    assert seen[-1] == (500, N)
    assert faiss.omp_get_max_threads() >= 1


def test_half_precision_vectors_are_indexed_as_stored(tmp_path, matrix, queries):
    half = matrix.astype(np.float16)
    index = FaissIndex.build(store(tmp_path / "h", half), IndexSpec())
    for row, ranking in zip(oracle(half, queries, "cosine"), index.search(queries, 5), strict=True):
        assert ranking.ordinals.tolist() == np.argsort(-row, kind="stable")[:5].tolist()


def test_a_damaged_file_is_named(vectors, tmp_path):
    FaissIndex.build(vectors, IndexSpec(factory="IVF16,Flat")).save(tmp_path / "i")
    file = tmp_path / "i" / "index.faiss"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WorkbenchError, match=r"cannot be read.*Build the index again"):
        FaissIndex.open(tmp_path / "i")


# ── factory strings ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("factory", FACTORIES)
def test_good_strings_pass(factory):
    assert check_factory(factory, 100_000, 384) == []


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("PQ7", "PQ7 cannot split 384 dimensions into 7 equal parts.*divisor of 384: .*6, 8"),
        ("IVF64,PQ100", "PQ100 cannot split 384"),
        ("PCA64,PQ48", "PQ48 cannot split 64 dimensions"),
        ("OPQ7,PQ7", "OPQ7 cannot split 384"),
        ("OPQ8_36,PQ8", "OPQ8_36 cannot split 36"),
        ("PCA512,Flat", "PCA512 asks for 512 dimensions, there are 384.*at most PCA384"),
        ("Flatt", "“Flatt” is not a FAISS factory string.*For example Flat · HNSW32"),
        ("", "is not a FAISS factory string"),
        ("Flat,Flat", "is not a FAISS factory string"),
        ("IVF64", "lacks its lists or codes.*IVF64,Flat"),
        ("IVF0,Flat", "lacks its lists"),
        ("HNSW1", "keeps 1 links"),
        ("HNSW9999", "Use 2 to 256"),
        ("PQ8x20", "uses 20 bits"),
        ("PQ8x8fs", "fast layout is for 4 bits.*PQ8x4fs"),
        ("LSH", "“LSH” in “LSH” cannot be used here: its Hamming distances"),
        ("IVF64,LSH", "“LSH” in “IVF64,LSH”"),
        ("IDMap,Flat", "known by their ordinal"),
        ("NSG32", "HNSW32"),
        ("IMI2x8,Flat", "use IVF"),
        ("SQ8_direct", "0 to 255"),
        ("BIVF64", "packed bits"),
        ("HNSW32,PQ8", "for L2 distance only.*metric l2"),
        ("RFlat", "is not a FAISS factory string"),
        ("PQ8;rm -rf", "is not a FAISS factory string"),
    ],
)
def test_bad_strings_are_refused_with_what_would_fit(factory, message):
    with pytest.raises(BadInput) as refused:
        check_factory(factory, 100_000, 384)
    assert re.search(message, str(refused.value)), str(refused.value)
    assert "faiss::" not in str(refused.value) and ".cpp" not in str(refused.value)


def test_hnsw_over_pq_works_for_l2(vectors):
    assert check_factory("HNSW16,PQ8", 20_000, 384, "l2") == []


def test_too_few_vectors_to_train_are_refused_with_the_largest_that_fits():
    with pytest.raises(BadInput, match=r"IVF4096 needs at least 4,096 vectors to train and has 1,000"):
        check_factory("IVF4096,Flat", 1000, 384)
    with pytest.raises(BadInput, match=r"The largest that fits is IVF1000; recommended is about 4·√N: IVF25\."):
        check_factory("IVF4096,Flat", 1000, 384)
    with pytest.raises(BadInput, match=r"PQ8 needs at least 256 vectors.*The largest codes that fit have 6 bits"):
        check_factory("PQ8", 100, 384)
    with pytest.raises(BadInput, match=r"PCA300 needs at least 300 vectors to train and has 100"):
        check_factory("PCA300,Flat", 100, 384)
    assert check_factory("PQ8x6", 100, 384) != []
    with pytest.raises(BadInput, match="has 500"):
        check_factory("IVF1000,Flat", 100_000, 384, train_limit=500)


def test_little_training_data_is_a_warning():
    assert check_factory("IVF100,Flat", 3900, 384) == []
    (warning,) = check_factory("IVF100,Flat", 3899, 384)
    assert warning.startswith("IVF100 is trained on 3,899 vectors; from 3,900 on")


def test_a_refused_build_starts_nothing(tmp_path):
    vectors, calls = store(tmp_path / "v", make_matrix(50)), []
    with pytest.raises(BadInput, match="IVF64 needs at least 64"):
        FaissIndex.build(vectors, IndexSpec(factory="IVF64,Flat"), lambda done, total: calls.append(done))
    assert calls == []


def test_which_settings_apply():
    assert search_settings("Flat") == {}
    assert search_settings("HNSW32") == {"ef_search": 64}
    assert search_settings("IVF256,SQ8") == {"nprobe": 16}
    assert search_settings("OPQ8_32,IVF1_HNSW8,PQ8,Refine(SQ8)") == {"nprobe": 1, "ef_search": 64, "k_factor": 4.0}


def test_spaces_do_not_make_another_index():
    assert parse(" IVF16, SQ8 ").text == "IVF16,SQ8"


def test_recommended_lists():
    assert recommended_lists(1_000_000) == 4000
    assert recommended_lists(10_000) == 256  # 39 vectors for each
    assert recommended_lists(0) == 1


def test_suggestions_fit_and_can_be_built():
    for n, dim, memory in [(500, 384, 4096), (5_000, 30, 4096), (100_000, 384, 4096), (2_000_000, 768, 2048)]:
        found = suggest_factories(n, dim, memory)
        assert found
        for each in found:
            check_factory(each.factory, n, dim)
            assert each.bytes <= memory * 2**20 and each.why
    assert suggest_factories(500, 384)[0].factory == "Flat"
    assert suggest_factories(100_000, 384)[0].factory == "HNSW32"
    assert "HNSW32" not in [each.factory for each in suggest_factories(2_000_000, 768, 2048)]


def test_where_nothing_fits_the_smallest_is_offered():
    (only,) = suggest_factories(10_000_000, 768, 1)
    assert only.factory.endswith(",RaBitQ")
    assert only.bytes > 2**20


@pytest.mark.parametrize("factory", ["IVF16_HNSW8,SQ8", "IVF16,RaBitQ,Refine(SQ8)", "IVF16,PQ8x4"])
def test_a_query_starts_no_threads_to_read_mapped_lists(built, tmp_path, queries, factory):
    built(factory).save(tmp_path / "i")
    opened = FaissIndex.open(tmp_path / "i")
    lists = faiss.downcast_InvertedLists(faiss.try_extract_index_ivf(opened._index).invlists)
    assert isinstance(lists, faiss.OnDiskInvertedLists) and lists.prefetch_nthread == 0
    before = built(factory).search(queries[:3], 5)
    assert [each.ordinals.tolist() for each in opened.search(queries[:3], 5)] == [
        each.ordinals.tolist() for each in before
    ]


@pytest.mark.parametrize("factory", ["IVF16,PQ8x4", "PQ8x4"])
def test_centroids_are_not_numbered_for_polysemous_search(built, factory):
    assert built(factory)._index.do_polysemous_training is False
