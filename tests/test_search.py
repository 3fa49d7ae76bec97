"""Index and search workflows: what is found, named, refused and told, over planted vectors, BM25 and a tiny model."""

import threading

import numpy as np
import pytest
from search_fixtures import TOPICS, add_embedding, planted, planted_project, write_corpus

from workbench import corpora
from workbench.errors import BadInput, Cancelled, NotFound
from workbench.project import Project
from workbench.specs import IndexSpec, PipelineSpec, RetrieverSpec
from workbench.types import Content, Filter
from workbench.workflows import retrieving
from workbench.workflows.corpus import get_corpus, import_corpus
from workbench.workflows.encode import encode_corpus
from workbench.workflows.index import build_index, check, list_indices, suggest
from workbench.workflows.matching import matched_terms
from workbench.workflows.retrieving import EncodedQuery
from workbench.workflows.search import empty_memory, in_memory, neighbours, search, systems

N = 300


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """Planted vectors and BM25 over one corpus. Tests add indices, and do not count them."""
    made = planted_project(tmp_path_factory.mktemp("search"), N)
    encode_corpus(made, "topics", "bm25")
    return made


@pytest.fixture(autouse=True)
def empty_cache():
    empty_memory()
    yield
    empty_memory()


def pipeline(encoder: str, index: str = "exact", **settings) -> PipelineSpec:
    return PipelineSpec((RetrieverSpec(encoder=encoder, index=index, **settings),))


class Queries:
    """In place of a model: asks in the direction of the topic that the query names."""

    warnings = ("This model expects a query prompt and none is set.",)
    size_bytes = 10

    modalities = frozenset({"text"})

    def encode(self, query: Content) -> EncodedQuery:
        return EncodedQuery(np.eye(3, 16, dtype=np.float32)[[TOPICS.index(query.text)]], f"query: {query.text}")


@pytest.fixture
def asks_topics(monkeypatch):
    monkeypatch.setattr(retrieving, "query_encoder", lambda embedding: Queries())


def cosines(query: np.ndarray) -> np.ndarray:
    rows = planted(N).astype(np.float64)
    return rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)


# ── search ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_exact_search_is_numpys(project, asks_topics):
    found = search(project, "topics", "water", pipeline("planted"), k=7)
    scores = cosines(np.eye(16)[1])
    best = np.argsort(-scores)[:7]
    assert [hit.document.ordinal for hit in found.hits] == best.tolist()
    np.testing.assert_allclose([hit.score for hit in found.hits], scores[best], atol=1e-6)
    assert [hit.rank for hit in found.hits] == [1, 2, 3, 4, 5, 6, 7]
    assert all(hit.document.ordinal % 3 == 1 and "water" in hit.document.text for hit in found.hits)
    assert found.query == Content("water") and found.effective_query == "query: water"
    assert found.warnings == ["This model expects a query prompt and none is set."]


def test_stages_and_timings_are_told(project, asks_topics):
    found = search(project, "topics", "bread", pipeline("planted"), k=3)
    assert [list(hit.stages) for hit in found.hits] == [["planted · exact"]] * 3
    assert found.hits[1].stages["planted · exact"] == type(found.hits[1].stages["planted · exact"])(
        2, found.hits[1].score
    )
    assert list(found.timings) == ["load", "encode", "filter", "planted · exact", "documents", "total"]
    assert sum(found.timings.values()) - found.timings["total"] <= found.timings["total"]


@pytest.mark.parametrize("factory", ["Flat", "HNSW16", "IVF4,Flat"])
def test_an_index_finds_what_exact_search_finds(project, asks_topics, factory):
    build_index(project, "topics", "planted", factory)
    exact = search(project, "topics", "music", pipeline("planted"), k=10)
    through = search(project, "topics", "music", pipeline("planted", factory, nprobe=4), k=10)
    assert [hit.document.doc_id for hit in through.hits] == [hit.document.doc_id for hit in exact.hits]
    np.testing.assert_allclose([h.score for h in through.hits], [h.score for h in exact.hits], atol=1e-6)
    assert list(through.hits[0].stages) == [f"planted · {factory}"]


def test_flat_without_an_index_is_a_scan_and_says_so(tmp_path, asks_topics):
    project = planted_project(tmp_path, 30)
    found = search(project, "topics", "music", pipeline("planted", "Flat"), k=2)
    assert list(found.hits[0].stages) == ["planted · Flat (exact scan)"]
    exact = search(project, "topics", "music", pipeline("planted"), k=2)
    assert [(h.document.ordinal, h.score) for h in found.hits] == [(h.document.ordinal, h.score) for h in exact.hits]


def test_settings_reach_the_index_and_idle_ones_are_told(project, asks_topics):
    build_index(project, "topics", "planted", "IVF30,Flat")
    few = search(project, "topics", "music", pipeline("planted", "IVF30,Flat", nprobe=1), k=N)
    many = search(project, "topics", "music", pipeline("planted", "IVF30,Flat", nprobe=30), k=N)
    assert len(few.hits) < len(many.hits) == N
    idle = search(project, "topics", "music", pipeline("planted", "IVF30,Flat", ef_search=9), k=2)
    assert idle.warnings[-1] == "ef_search makes no difference to planted · IVF30,Flat."


@pytest.mark.parametrize("index", ["exact", "HNSW16"])
def test_filters_keep_exactly_what_passes(project, asks_topics, index):
    build_index(project, "topics", "planted", "HNSW16")
    late = Filter("year", ">=", 1900 + N - 5)
    found = search(project, "topics", "bread", pipeline("planted", index), k=20, filters=(late,))
    assert sorted(hit.document.ordinal for hit in found.hits) == list(range(N - 5, N))
    assert found.hits[0].document.ordinal % 3 == 2
    assert search(project, "topics", "bread", pipeline("planted"), filters=(Filter("year", "<", 0),)).hits == []
    with pytest.raises(BadInput, match="no field called “yaer”"):
        search(project, "topics", "bread", pipeline("planted"), filters=(Filter("yaer", "=", 1),))


def test_a_filters_mask_is_read_once_and_told_apart_by_type(project, asks_topics, monkeypatch):
    reads, read = [], corpora.filter_mask

    def counted(db, corpus_id, filters):
        reads.append(filters)
        return read(db, corpus_id, filters)

    monkeypatch.setattr(corpora, "filter_mask", counted)
    for value in (1905, 1905, "1905", 1906):
        found = search(project, "topics", "bread", pipeline("planted"), filters=(Filter("year", "=", value),))
        assert [hit.document.metadata["year"] for hit in found.hits] == [int(value)]
    assert [each[0].value for each in reads] == [1905, "1905", 1906]


def test_more_hits_than_documents(project, asks_topics):
    found = search(project, "topics", "bread", pipeline("planted"), k=1000)
    assert sorted(hit.document.ordinal for hit in found.hits) == list(range(N))


@pytest.mark.parametrize("index", ["exact", "", "inverted"])
def test_bm25_searches_its_inverted_index(project, index):
    found = search(project, "topics", "word7 water", pipeline("bm25", index), k=200)
    assert found.hits[0].document.doc_id == "d7" and len(found.hits) == N // 3
    assert list(found.hits[0].stages) == ["bm25 · inverted"]
    assert found.effective_query == "word7 water"
    # By the formula: word7 occurs in 1 of 300 documents, water twice in each of 100 (title and text); each document
    # has the 5 words "water 7 about water word7", of which BM25 keeps those of two letters or more.
    lengths = np.array([4 if i < 10 else 5 for i in range(N)])
    saturation = 1.5 * (0.25 + 0.75 * lengths[7] / lengths.mean())
    rare, common = np.log(1 + (N - 1 + 0.5) / 1.5), np.log(1 + (N - 100 + 0.5) / 100.5)
    assert found.hits[0].score == pytest.approx(rare / (saturation + 1) + 2 * common / (saturation + 2), rel=1e-5)


def test_bm25_finds_nothing_for_unknown_words(project):
    found = search(project, "topics", "zebra", pipeline("bm25"))
    assert found.hits == [] and found.effective_query == ""


@pytest.mark.parametrize(
    ("text", "spec", "k", "error", "message"),
    [
        ("  ", pipeline("planted"), 10, BadInput, "query is empty"),
        ("music", pipeline("planted"), 0, BadInput, "0 hits"),
        ("music", pipeline("plnted"), 10, NotFound, "called “plnted”.*Did you mean “planted”.*bm25, planted"),
        ("music", pipeline("planted", "IVF9,Flat"), 10, NotFound, "index of “planted” called “IVF9,Flat”.*exact"),
        ("music", pipeline("planted", "nonsense"), 10, NotFound, "called “nonsense”"),
        ("music", pipeline("bm25", "HNSW32"), 10, NotFound, "searched exactly"),
    ],
)
def test_what_cannot_be_searched_is_named(project, asks_topics, text, spec, k, error, message):
    with pytest.raises(error, match=message):
        search(project, "topics", text, spec, k)


def test_ready_made_vectors_take_no_queries_but_have_neighbours(project):
    with pytest.raises(NotFound, match=r"imported ready-made.*neighbours"):
        search(project, "topics", "music", pipeline("planted"))
    assert len(neighbours(project, "topics", "planted", 0).hits) == 10


def test_vectors_of_another_size_than_the_query_are_named(project, monkeypatch):
    class Wide(Queries):
        def encode(self, query: Content) -> EncodedQuery:
            return EncodedQuery(np.ones((1, 20), np.float32), query.text)

    monkeypatch.setattr(retrieving, "query_encoder", lambda embedding: Wide())
    with pytest.raises(BadInput, match=r"makes 20 dimensions, planted · exact has 16.*Encode the corpus again"):
        search(project, "topics", "music", pipeline("planted"))


def test_threads_load_once_and_agree(project):
    loads, answers, encoder = [], [], retrieving.open_encoder

    def counted(embedding):
        loads.append(embedding.id)
        return encoder(embedding)

    def ask() -> None:
        answers.append([hit.document.ordinal for hit in search(project, "topics", "water", pipeline("bm25")).hits])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieving, "open_encoder", counted)
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(loads) == 1 and len(answers) == 8
    assert all(answer == answers[0] for answer in answers)


def test_a_dense_model_encodes_the_query_as_it_did_the_documents(tmp_path, tiny_model):
    """The query text of a document finds that document first, through the model's own settings from the manifest."""
    project = Project.create(tmp_path / "p")
    import_corpus(project, "c", write_corpus(tmp_path / "c.jsonl", 40))
    spec = {"kind": "dense", "name": "tiny", "model": str(tiny_model), "document_prompt": "", "query_prompt": ""}
    encode_corpus(project, "c", spec)
    found = search(project, "c", "Water 7 about water word7", pipeline("tiny"), k=3)
    assert found.hits[0].document.doc_id == "d7"
    # float16 on disk, bfloat16 where the CPU has it.
    assert found.hits[0].score == pytest.approx(1, abs=5e-3)
    assert found.effective_query == "Water 7 about water word7"
    spec |= {"name": "prompted", "query_prompt": "query: "}
    encode_corpus(project, "c", spec)
    assert search(project, "c", "cat", pipeline("prompted")).effective_query == "query: cat"
    assert [each.encoder for each in systems(project, "c")] == ["prompted", "tiny"]


def test_a_query_longer_than_the_model_takes_is_told(tmp_path, tiny_model):
    """The tiny model reads 48 tokens, [CLS] and [SEP] among them."""
    project = Project.create(tmp_path / "p")
    import_corpus(project, "c", write_corpus(tmp_path / "c.jsonl", 20))
    spec = {"kind": "dense", "name": "tiny", "model": str(tiny_model), "query_prompt": "query : "}
    encode_corpus(project, "c", spec)
    fits = search(project, "c", "water " * 44, pipeline("tiny"))
    assert fits.stages[0].note == "" and not any("truncated" in each for each in fits.warnings)
    cut = search(project, "c", "water " * 45, pipeline("tiny"), k=3)
    assert cut.stages[0].note == "truncated: the query has 49 tokens, and the model reads its first 48"
    assert cut.warnings[-1] == f"tiny · exact — {cut.stages[0].note}."
    assert len(cut.hits) == 3


# ── neighbours, systems ──────────────────────────────────────────────────────────────────────────────────────────────


def test_neighbours_are_the_nearest_others(project):
    found = neighbours(project, "topics", "planted", "d12", k=5)
    scores = cosines(planted(N)[12].astype(np.float64))
    scores[12] = -2
    assert [hit.document.ordinal for hit in found.hits] == np.argsort(-scores)[:5].tolist()
    assert found.query == Content("Music 12") and found.effective_query == ""
    assert list(found.timings) == ["load", "filter", "retrieve", "documents", "total"]
    by_ordinal = neighbours(project, "topics", "planted", 12, k=5)
    assert [hit.document.doc_id for hit in by_ordinal.hits] == [hit.document.doc_id for hit in found.hits]


def test_neighbours_under_a_filter_and_beyond_the_corpus(project):
    near = neighbours(project, "topics", "planted", 0, k=50, filters=(Filter("year", "<", 1904),))
    assert sorted(hit.document.ordinal for hit in near.hits) == [1, 2, 3]
    assert len(neighbours(project, "topics", "planted", 0, k=10 * N).hits) == N - 1


def test_neighbours_by_shared_words(project):
    found = neighbours(project, "topics", "bm25", 7, k=N)
    assert 7 not in [hit.document.ordinal for hit in found.hits]
    assert {hit.document.ordinal % 3 for hit in found.hits[:99]} == {1}


def test_a_document_with_many_copies_still_leaves_itself_out(tmp_path):
    project = Project.create(tmp_path / "p")
    import_corpus(project, "c", write_corpus(tmp_path / "c.jsonl", 30))
    add_embedding(project, "c", np.ones((30, 4), np.float16))
    assert [hit.document.ordinal for hit in neighbours(project, "c", "planted", 1, k=3).hits] == [0, 2, 3]
    assert [hit.document.ordinal for hit in neighbours(project, "c", "planted", 29, k=3).hits] == [0, 1, 2]


def test_neighbours_of_what_is_not_there(project):
    with pytest.raises(NotFound, match="no document called “nobody”"):
        neighbours(project, "topics", "planted", "nobody")
    with pytest.raises(NotFound, match="number 999"):
        neighbours(project, "topics", "planted", 999)


def test_systems_are_every_embedding_and_its_indices(tmp_path):
    project = planted_project(tmp_path, 60)
    encode_corpus(project, "topics", "bm25")
    add_embedding(project, "topics", planted(60), "other", {"encoder_spec": {"kind": "dense", "model": "x"}})
    for factory in ("HNSW16", "Flat"):
        build_index(project, "topics", "other", factory)
    found = [(each.label, each.encoder, each.index, each.ready) for each in systems(project, "topics")]
    assert found == [
        ("other · exact", "other", "exact", True),
        ("other · Flat", "other", "Flat", True),
        ("other · HNSW16", "other", "HNSW16", True),
        ("bm25 · inverted", "bm25", "inverted", True),
        ("planted · exact", "planted", "exact", False),
    ]
    (inverted,) = [each for each in list_indices(project, "topics") if each.factory == "inverted"]
    project.artifacts.delete(inverted.id)
    assert [each.ready for each in systems(project, "topics") if each.encoder == "bm25"] == [False]
    with pytest.raises(NotFound, match=r"inverted index of “bm25” is missing.*Encode the corpus again"):
        search(project, "topics", "water", pipeline("bm25"))
    encode_corpus(project, "topics", "bm25")
    assert len(search(project, "topics", "water", pipeline("bm25")).hits) == 10


# ── building ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_building_twice_is_one_index_and_spaces_do_not_matter(tmp_path):
    project = planted_project(tmp_path, 60)
    told = []
    first = build_index(project, "topics", "planted", "IVF4,SQ8", lambda done, total: told.append((done, total)))
    again = build_index(project, "topics", "planted", " IVF4, SQ8")
    assert first.index == again.index and first.bytes == again.bytes > 0
    assert told[0] == (0, 60) and told[-1] == (60, 60)
    other = build_index(project, "topics", "planted", IndexSpec(factory="IVF4,SQ8", seed=1))
    assert other.index != first.index
    infos = list_indices(project, "topics")
    assert [each.id for each in infos] == [other.index, first.index]
    assert infos[1].factory == "IVF4,SQ8" and infos[1].encoder == "planted" and infos[1].metric == "cosine"
    assert infos[1].settings == {"nprobe": 2} and infos[1].bytes == first.bytes


def test_the_manifest_says_what_was_applied(tmp_path):
    project = planted_project(tmp_path, 300)
    report = build_index(project, "topics", "planted", "IVF4,SQ8")
    found = project.artifacts.get(report.index)
    assert found.inputs == [found.manifest["embedding"]]
    assert found.spec["factory"] == "IVF4,SQ8" and found.spec["metric"] == "cosine"
    described = found.manifest["index"]
    assert (described["vectors"], described["dim"], described["trained_on"], described["seed"]) == (300, 16, 300, 0)
    assert described["faiss"] and described["bytes"] == (found.folder / "index.faiss").stat().st_size
    assert found.manifest["seconds"] >= 0 and found.manifest["warnings"] == []


def test_a_cancelled_build_leaves_nothing(tmp_path):
    project = planted_project(tmp_path, 60)

    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        build_index(project, "topics", "planted", "HNSW16", stop)
    assert list_indices(project, "topics") == []
    assert list((project.folder / "artifacts" / "index").iterdir()) == []


@pytest.mark.parametrize(
    ("encoder", "factory", "error", "message"),
    [
        ("planted", "IVF4096,Flat", BadInput, "needs at least 4,096 vectors to train and has 300.*IVF300"),
        ("planted", "PQ7", BadInput, "cannot split 16"),
        ("planted", "inverted", BadInput, "nothing to build for “inverted” over dense vectors"),
        ("planted", "exact", BadInput, "choose the index “exact”"),
        ("bm25", "HNSW32", BadInput, "makes sparse vectors"),
        ("nobody", "Flat", NotFound, "called “nobody”.*bm25, planted"),
    ],
)
def test_what_cannot_be_built_is_refused_at_once(project, encoder, factory, error, message):
    for ask in (build_index, check):
        with pytest.raises(error, match=message):
            ask(project, "topics", encoder, factory)


def test_the_metric_is_the_encoders_own_unless_asked_otherwise(tmp_path):
    project = planted_project(tmp_path, 60)
    add_embedding(project, "topics", planted(60), "dots", {"similarity": "dot"})
    build_index(project, "topics", "dots", "Flat")
    assert list_indices(project, "topics")[0].metric == "dot"
    (warning,) = check(project, "topics", "dots", IndexSpec(factory="Flat", metric="l2"))
    assert warning == "“dots” compares its vectors by dot; this index does by l2."
    add_embedding(project, "topics", planted(60), "unit", {"similarity": "dot", "normalize": True})
    assert check(project, "topics", "unit", IndexSpec(factory="Flat", metric="cosine")) == []
    assert check(project, "topics", "planted", IndexSpec(factory="HNSW16,PQ4x4", metric="l2"))[:1] != []


def test_suggestions_are_for_the_embedding(project):
    assert suggest(project, "topics", "planted", 100)[0].factory == "Flat"
    with pytest.raises(BadInput, match="makes sparse vectors"):
        suggest(project, "topics", "bm25")


def test_a_new_version_of_the_corpus_asks_for_a_new_embedding(tmp_path, asks_topics):
    project = planted_project(tmp_path, 30)
    import_corpus(project, "topics", write_corpus(tmp_path / "topics.jsonl", 31))
    assert get_corpus(project, "topics").version == 2
    with pytest.raises(NotFound, match="embedding of “topics” called “planted”"):
        search(project, "topics", "music", pipeline("planted"))
    assert len(search(project, "topics@1", "music", pipeline("planted")).hits) == 10


# ── matched words ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("Cats dogs", "two cats and a dog", ["Cats"]),
        ("art", "party cart", []),
        ("the history of Algeria", "The history of all", ["history"]),
        ("to be or not to be", "to be", ["to", "be"]),
        ("C language", "the C language", ["language"]),
        ("C", "a C b", ["C"]),
        ("don't stop", "Don't!", ["don"]),
        ("straße", "Die STRASSE", ["STRASSE"]),
        ("cafe\u0301 noir", "un café", ["café"]),
        ("Ünïcode", "ÜNÏCODE", ["Ünïcode"]),
        ("天気", "東京の天気は晴れ", ["天気"]),
        ("music music", "music", ["music"]),
        ("a.b* (x", "nothing", []),
        ("", "text", []),
    ],
)
def test_matched_terms(query, text, found):
    assert matched_terms(query, text) == found


def test_what_is_loaded_is_told_and_can_be_given_back(project):
    search(project, "topics", "water", pipeline("bm25"))
    told = in_memory()
    assert any("bm25" in name for name, _ in told)
    assert empty_memory() == sum(size for _, size in told) > 0
    assert in_memory() == []
