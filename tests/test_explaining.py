"""Why a document was found, and what a reranking depth changes: parts that add up, by hand and by the index."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from search_fixtures import TOPICS, add_embedding, planted, planted_project

from workbench import corpora
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.ragged import Ragged
from workbench.specs import FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.types import Content
from workbench.vectors import ShardFolder, ragged_arrays
from workbench.workflows import reranking, retrieving
from workbench.workflows.depths import depth_effects, judgments_of, ndcg
from workbench.workflows.encode import encode_corpus
from workbench.workflows.explaining import explain
from workbench.workflows.queries import import_queries
from workbench.workflows.retrieving import EncodedQuery
from workbench.workflows.search import empty_memory, neighbours, search, systems

N = 30
WORDS = ("music", "water", "bread", "about", *(f"word{n}" for n in range(N)))
AXES = np.random.default_rng(5).standard_normal((len(WORDS) + 1, 12)).astype(np.float32)
AXES /= np.linalg.norm(AXES, axis=1, keepdims=True)


class Model:
    """One direction a topic, or (tokens) one a word."""

    warnings = ()
    size_bytes = 10
    modalities = frozenset({"text"})

    def __init__(self, output: str) -> None:
        self.output = output

    def tokens(self, text: str, role: str) -> list[str]:
        return ["[Q]" if role == "query" else "[D]", *text.lower().split()]

    def rows(self, text: str, role: str) -> np.ndarray:
        return np.stack([AXES[WORDS.index(word) if word in WORDS else -1] for word in self.tokens(text, role)])

    def encode(self, query: Content) -> EncodedQuery:
        if self.output == "multi":
            return EncodedQuery(Ragged.of([self.rows(query.text, "query")], 12), query.text)
        return EncodedQuery(np.eye(3, 16, dtype=np.float32)[[TOPICS.index(query.text.split()[0])]], query.text)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    folder = tmp_path_factory.mktemp("why")
    made = planted_project(folder, N)
    encode_corpus(made, "topics", "bm25")
    info = corpora.find(made.db, "topics")
    texts = corpora.texts(made.db, info.id, 0, N)
    rows = Ragged.of([Model("multi").rows(text, "document") for text in texts], 12)
    for name, facts in (("tokens", {}), ("m3", {"similarity": "meanmaxsim"})):
        draft = made.artifacts.begin("embedding", name, {"name": name}, [info.fingerprint], info.id)
        ShardFolder(draft.folder).write(0, ragged_arrays(rows, "float32"), N)
        manifest = {"output": "multi", "vectors": N, "dim": 12, "warnings": [], "encoder_spec": {}, **facts}
        draft.commit(manifest | {"storage": "float32", "modalities": ["text"]})
    add_embedding(made, "topics", planted(N), "pictures", {"encoder_spec": {}, "modalities": ["image", "text"]})
    lines = [{"_id": "q1", "text": "water"}, {"_id": "q2", "text": "bread"}]
    (folder / "q.jsonl").write_text("\n".join(map(json.dumps, lines)))
    qrels = [("q1", "d28", 2), ("q1", "d1", 1), ("q1", "gone", 1), ("q2", "d2", 0)]
    (folder / "q.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *("\t".join(map(str, q)) for q in qrels)]))
    import_queries(made, "asked", folder / "q.jsonl", "topics", folder / "q.tsv")
    return made


@pytest.fixture(autouse=True)
def models(monkeypatch):
    empty_memory()
    real = retrieving.query_encoder

    def opened(embedding):
        output = embedding.manifest["output"]
        return real(embedding) if output == "sparse" else Model(output)

    monkeypatch.setattr(retrieving, "query_encoder", opened)
    yield
    empty_memory()


# ── terms ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_bm25_is_a_sum_over_its_words(project):
    found = search(project, "topics", "word7 water water bread", PipelineSpec((RetrieverSpec("bm25"),)), k=N)
    for hit in found.hits:
        why = explain(project, "topics", "word7 water water bread", RetrieverSpec("bm25"), hit.document.ordinal)
        assert why.kind == "terms"
        assert sum(each.product for each in why.terms) == pytest.approx(hit.score, rel=1e-5)
        assert why.score == pytest.approx(hit.score, rel=1e-5)
    best = explain(project, "topics", "word7 water water bread", RetrieverSpec("bm25"), 7)
    assert [each.term for each in best.terms] == ["water", "word7"]
    for each in best.terms:
        assert each.product == pytest.approx(each.query * each.document) and each.document > 0
    assert [(each.term, each.query) for each in best.query_terms] == [("water", 2), ("bread", 1), ("word7", 1)]
    assert next(each for each in best.query_terms if each.term == "bread").document == 0


def test_words_that_are_nowhere_explain_nothing(project):
    why = explain(project, "topics", "zebra", RetrieverSpec("bm25"), 3)
    assert (why.kind, why.score, why.terms, why.query_terms) == ("terms", 0, [], [])
    assert why.note == "The document holds no term of the query."


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_late_interaction_is_a_sum_of_rows(project):
    found = search(project, "topics", "water word7", PipelineSpec((RetrieverSpec("tokens"),)), k=3)
    assert found.hits[0].document.ordinal == 7 and found.stages[0].label == "tokens · maxsim"
    why = explain(project, "topics", "water word7", RetrieverSpec("tokens"), 7)
    assert why.kind == "tokens" and why.note == ""
    assert why.query_tokens == ["[Q]", "water", "word7"]
    assert why.document_tokens == ["[D]", "water", "7", "about", "water", "word7"]
    expected = (
        Model("multi").rows("water word7", "query") @ Model("multi").rows("Water 7 about water word7", "document").T
    )
    np.testing.assert_allclose(why.similarities, expected, atol=1e-6)
    assert why.similarities.max(axis=1).sum() == pytest.approx(found.hits[0].score, abs=1e-5)
    assert why.score == pytest.approx(found.hits[0].score, abs=1e-5)


def test_bge_m3_takes_the_mean(project):
    plain = explain(project, "topics", "water word7", RetrieverSpec("tokens"), 4)
    assert explain(project, "topics", "water word7", RetrieverSpec("m3"), 4).score == pytest.approx(plain.score / 3)


def test_vectors_without_a_token_each_are_counted(project, monkeypatch):
    monkeypatch.setattr(Model, "tokens", lambda self, text, role: ["one"])
    monkeypatch.setattr(Model, "rows", lambda self, text, role: AXES[:2])
    why = explain(project, "topics", "water", RetrieverSpec("tokens"), 7)
    assert why.document_tokens == [f"vector {n}" for n in range(1, 7)] and why.query_tokens == ["vector 1", "vector 2"]
    assert "differ in number" in why.note and why.similarities.shape == (2, 6)


def test_a_dense_score_has_no_parts(project):
    why = explain(project, "topics", "water", RetrieverSpec("planted"), 4)
    (hit,) = [
        hit
        for hit in search(project, "topics", "water", PipelineSpec((RetrieverSpec("planted"),)), k=N).hits
        if hit.document.ordinal == 4
    ]
    assert why.kind == "none" and why.score == pytest.approx(hit.score, abs=1e-6) and "no parts" in why.note


def test_what_cannot_be_explained_is_named(project):
    with pytest.raises(NotFound, match="number 999"):
        explain(project, "topics", "water", RetrieverSpec("bm25"), 999)
    with pytest.raises(BadInput, match="empty"):
        explain(project, "topics", " ", RetrieverSpec("bm25"), 0)


# ── systems of token vectors ─────────────────────────────────────────────────────────────────────────────────────────


def test_token_vectors_are_a_system_and_have_neighbours(project):
    found = {each.encoder: each for each in systems(project, "topics")}
    tokens, pictures = found["tokens"], found["pictures"]
    assert (tokens.label, tokens.index, tokens.ready, tokens.output) == ("tokens · maxsim", "maxsim", True, "multi")
    assert tokens.modalities == {"text"} and pictures.modalities == {"text", "image"}
    assert (found["bm25"].output, found["planted"].output, found["planted"].ready) == ("sparse", "dense", False)
    near = neighbours(project, "topics", "tokens", 7, k=4)
    assert {hit.document.ordinal % 3 for hit in near.hits} == {1} and 7 not in [h.document.ordinal for h in near.hits]
    for name in ("exact", "maxsim", ""):
        assert search(project, "topics", "water", PipelineSpec((RetrieverSpec("tokens", name),)), k=2).hits
    with pytest.raises(NotFound, match="searched by MaxSim"):
        search(project, "topics", "water", PipelineSpec((RetrieverSpec("tokens", "HNSW32"),)))


# ── depths ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Outcome:
    scores: np.ndarray
    label: str = "judge"
    cached: int = 0
    windows: list = field(default_factory=list)
    warnings: list = field(default_factory=list)


@pytest.fixture
def judge(monkeypatch) -> list:
    """Likes late documents."""
    asked = []

    def rerank(project, spec, query, documents, keys) -> Outcome:
        asked.append(spec.depth)
        return Outcome(np.array([ordinal for _, ordinal in keys], np.float32))

    monkeypatch.setattr(reranking, "rerank", rerank)
    return asked


RERANKED = PipelineSpec((RetrieverSpec("planted"),), reranker=RerankSpec("judge", depth=20))


def test_what_each_depth_changes(project, judge):
    effects = depth_effects(project, "topics", "water", RERANKED, k=4, depths=(2, 6, 100, 12))
    assert [each.depth for each in effects] == [2, 6, 12, N] and judge == [2, 6, 12, N]
    raw = search(project, "topics", "water", PipelineSpec((RetrieverSpec("planted"),)), k=N)
    order = [hit.document.ordinal for hit in raw.hits]
    tops = {d: [*sorted(order[:d], reverse=True), *order[d:]][:4] for d in (2, 6, 12, N)}
    relevance = {28: 2, 1: 1}
    ideal = 2 + 1 / np.log2(3) + 1 / 2  # 2, 1 and the one that the corpus lacks
    for each in effects:
        top = tops[each.depth]
        assert each.moved_in == len(set(top) - set(order[:4]))
        assert each.overlap_with_none == len(set(top) & set(order[:4])) / 4
        assert each.overlap_with_deepest == len(set(top) & set(tops[N])) / 4
        gain = sum(relevance.get(o, 0) / np.log2(rank + 1) for rank, o in enumerate(top, start=1))
        assert each.ndcg == pytest.approx(gain / ideal)
    spent = [each.milliseconds for each in effects]
    assert spent == sorted(spent)


def test_without_judgments_there_is_no_ndcg(project, judge):
    for text in ("bread", "music"):  # one judged 0 only, one not at all
        assert [each.ndcg for each in depth_effects(project, "topics", text, RERANKED)] == [None] * 4


def test_no_reranker_or_no_hits_no_effects(project, judge):
    assert depth_effects(project, "topics", "water", PipelineSpec((RetrieverSpec("planted"),))) == []
    nothing = PipelineSpec((RetrieverSpec("bm25"),), reranker=RerankSpec("judge"))
    assert depth_effects(project, "topics", "zebra", nothing) == [] and judge == []
    with pytest.raises(BadInput, match="below 1"):
        depth_effects(project, "topics", "water", RERANKED, depths=(0, 5))


def test_the_candidates_are_those_of_the_search(project, judge):
    both = PipelineSpec(
        (RetrieverSpec("bm25"), RetrieverSpec("planted")), FusionSpec("minmax"), RerankSpec("judge", depth=5), depth=6
    )
    found = search(project, "topics", "water word7", both, k=3)
    (effect,) = depth_effects(project, "topics", "water word7", both, k=3, depths=(5,))
    assert effect.depth == 5 and judge == [5, 5]
    assert effect.moved_in == len(
        {hit.document.ordinal for hit in found.hits} - set(found.stages[2].ranking.ordinals[:3].tolist())
    )


def test_judgments_are_of_this_very_text(project):
    info = corpora.find(project.db, "topics")
    found = judgments_of(project, info, Content("water"))
    assert {ordinal: relevance for ordinal, relevance in found.items() if ordinal >= 0} == {28: 2, 1: 1}
    # The document that the corpus lacks counts in the ideal order, and is no document of it.
    assert [relevance for ordinal, relevance in found.items() if ordinal < 0] == [1]
    for other in (Content("Water"), Content("bread"), Content(image=Path("x.png")), Content("water", Path("x.png"))):
        assert judgments_of(project, info, other) == {}


def test_ndcg_by_hand():
    judged = {1: 3, 2: 2, 3: 0, 4: -1}
    assert ndcg([1, 2], judged, 10) == 1
    assert ndcg([3, 2, 1], judged, 10) == pytest.approx((2 / np.log2(3) + 3 / 2) / (3 + 2 / np.log2(3)))
    assert ndcg([3, 2, 1], judged, 1) == 0 and ndcg([], judged, 5) == 0
