"""Pipelines: several retrievers, fusion, reranking, what is kept, what is told; over planted vectors and BM25."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from search_fixtures import TOPICS, add_embedding, planted, planted_project

from workbench import corpora
from workbench.checkpoints import loaded
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.fusion import fuse
from workbench.project import Project
from workbench.specs import FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.types import Content, Filter, Ranking
from workbench.vectors import ShardFolder
from workbench.workflows import reranking, retrieving
from workbench.workflows.encode import encode_corpus
from workbench.workflows.retrieving import EncodedQuery
from workbench.workflows.search import empty_memory, search

N = 90
BOTH = PipelineSpec((RetrieverSpec("bm25"), RetrieverSpec("planted")))


class Queries:
    """In place of a model: asks in the direction of the topics that the query names; counts its calls."""

    warnings = ("This model expects a query prompt and none is set.",)
    size_bytes = 10
    modalities = frozenset({"text"})

    def __init__(self) -> None:
        self.asked: list[Content] = []

    def encode(self, query: Content) -> EncodedQuery:
        self.asked.append(query)
        row = np.zeros((1, 16), np.float32)
        row[0, [TOPICS.index(word) for word in query.text.split() if word in TOPICS]] = 1
        return EncodedQuery(row, f"query: {query.text}", "truncated: too long" if "long" in query.text else "")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    made = planted_project(tmp_path_factory.mktemp("pipeline"), N)
    encode_corpus(made, "topics", "bm25")
    return made


@pytest.fixture(autouse=True)
def model(monkeypatch) -> Queries:
    """BM25 is real, the planted vectors have a model in their place."""
    empty_memory()
    given, real = Queries(), retrieving.query_encoder
    monkeypatch.setattr(retrieving, "query_encoder", lambda e: given if e.manifest["output"] == "dense" else real(e))
    yield given
    empty_memory()


@dataclass
class Outcome:
    scores: np.ndarray
    label: str = "judge"
    cached: int = 0
    windows: list = field(default_factory=list)
    warnings: list = field(default_factory=list)


@pytest.fixture
def judge(monkeypatch) -> list:
    """A reranker that likes late documents: the score is the ordinal. What it was asked is listed."""
    asked = []

    def rerank(project, spec, query, documents, keys) -> Outcome:
        asked.append((spec, query, list(documents), list(keys)))
        return Outcome(np.array([ordinal for _, ordinal in keys], np.float32), warnings=["judged by age"])

    monkeypatch.setattr(reranking, "rerank", rerank)
    return asked


def ordinals(found) -> list[int]:
    return [hit.document.ordinal for hit in found.hits]


# ── fusion ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_retrievers_are_joined_by_rrf(project):
    found = search(project, "topics", "word7 water", BOTH, k=5)
    assert [(stage.label, stage.kind) for stage in found.stages] == [
        ("bm25 · inverted", "retriever"),
        ("planted · exact", "retriever"),
        ("rrf", "fusion"),
    ]
    words, space, joined = (stage.ranking for stage in found.stages)
    assert len(words) == N // 3 and len(space) == N
    ranks = [{int(o): place for place, o in enumerate(each.ordinals, start=1)} for each in (words, space)]
    expected = {o: sum(1 / (60 + rank[o]) for rank in ranks if o in rank) for o in range(N)}
    best = sorted(expected, key=lambda o: (-np.float32(expected[o]), o))
    assert joined.ordinals.tolist() == best
    assert ordinals(found) == best[:5]
    assert found.hits[0].score == pytest.approx(expected[best[0]])
    assert found.effective_query == "word7 water" and found.stages[1].effective == "query: word7 water"
    assert found.stages[2].effective == ""


def test_each_hit_says_where_it_stood(project):
    found = search(project, "topics", "word7 water", BOTH, k=N)
    for hit in found.hits:
        for stage in found.stages:
            places = np.flatnonzero(stage.ranking.ordinals == hit.document.ordinal)
            if places.size:
                standing = hit.stages[stage.label]
                assert (standing.rank, standing.score) == (places[0] + 1, stage.ranking.scores[places[0]])
            else:
                assert stage.label not in hit.stages
    assert next(hit for hit in found.hits if hit.document.ordinal == 7).stages["bm25 · inverted"].rank == 1
    bread = next(hit for hit in found.hits if hit.document.ordinal % 3 == 2)
    assert list(bread.stages) == ["planted · exact", "rrf"]


def test_timings_are_one_of_each_stage(project):
    found = search(project, "topics", "water", BOTH, k=5)
    labels = ["bm25 · inverted", "planted · exact", "rrf"]
    assert list(found.timings) == ["load", "encode", "filter", *labels, "documents", "total"]
    assert all(stage.milliseconds > 0 for stage in found.stages)
    parts = sum(value for name, value in found.timings.items() if name != "total")
    assert parts <= found.timings["total"] + 0.01


@pytest.mark.parametrize("method", ["minmax", "dbsf", "combsum", "combmnz"])
def test_the_chosen_fusion_is_applied_to_the_whole_lists(project, method):
    spec = FusionSpec(method=method, weights=(0.3, 0.7))
    found = search(project, "topics", "word7 water", replace(BOTH, fusion=spec), k=3)
    expected = fuse([stage.ranking for stage in found.stages[:2]], spec)
    assert ordinals(found) == expected.ordinals[:3].tolist()
    assert found.stages[2].label == method


def test_the_depth_bounds_each_list_and_k_widens_it(project):
    short = replace(BOTH, depth=4)
    assert [len(stage.ranking) for stage in search(project, "topics", "water", short, k=2).stages[:2]] == [4, 4]
    assert [len(stage.ranking) for stage in search(project, "topics", "water", short, k=9).stages[:2]] == [9, 9]
    alone = search(project, "topics", "water", PipelineSpec((RetrieverSpec("planted"),), depth=50), k=3)
    assert len(alone.stages[0].ranking) == 3


def test_other_weights_search_nothing_again(project, model):
    first = search(project, "topics", "word7 water", BOTH, k=5)
    other = replace(BOTH, fusion=FusionSpec(method="minmax", weights=(0.1, 0.9)))
    again = search(project, "topics", "word7 water", other, k=5)
    assert len(model.asked) == 1
    assert [stage.kept for stage in first.stages] == [False, False, False]
    assert [stage.kept for stage in again.stages] == [True, True, False]
    assert again.timings["encode"] == 0
    for left, right in zip(first.stages[:2], again.stages[:2], strict=True):
        assert left.ranking is right.ranking and left.effective == right.effective
    assert again.warnings == first.warnings


@pytest.mark.parametrize(
    "change",
    [
        {"query": "water bread"},
        {"filters": (Filter("year", ">", 1903),)},
        {"k": 101},
        {"pipeline": replace(BOTH, depth=80)},
        {"pipeline": PipelineSpec((RetrieverSpec("planted", image_weight=0.5), RetrieverSpec("bm25")))},
    ],
)
def test_what_makes_another_ranking_is_searched(project, model, change):
    asked = {"query": "water", "pipeline": BOTH, "k": 5, "filters": ()}
    search(project, "topics", **asked)
    search(project, "topics", **(asked | change))
    assert len(model.asked) == 2


def test_a_new_embedding_of_the_same_name_is_searched(tmp_path, model):
    project = planted_project(tmp_path, 30)
    alone = PipelineSpec((RetrieverSpec("planted"),))
    search(project, "topics", "water", alone, k=3)
    info = corpora.find(project.db, "topics")
    draft = project.artifacts.begin("embedding", "planted", {"made": "anew"}, [info.fingerprint], info.id)
    moved = np.roll(planted(30), 1, axis=1)
    ShardFolder(draft.folder).write(0, {"values": moved}, 30)
    draft.commit({"output": "dense", "vectors": 30, "dim": 16, "similarity": "cosine", "warnings": []})
    found = search(project, "topics", "water", alone, k=3)
    assert len(model.asked) == 2 and {each % 3 for each in ordinals(found)} == {0}


def test_the_same_image_under_another_name_is_the_same_query(project, model, tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"same bytes")
        search(project, "topics", Content("water", tmp_path / name), PipelineSpec((RetrieverSpec("planted"),)))
    assert len(model.asked) == 1
    (tmp_path / "b.png").write_bytes(b"other bytes")
    search(project, "topics", Content("water", tmp_path / "b.png"), PipelineSpec((RetrieverSpec("planted"),)))
    assert len(model.asked) == 2


def test_a_retriever_that_found_nothing_is_named(project):
    found = search(project, "topics", "zebra", BOTH, k=5)
    words = found.stages[0]
    assert words.note == "found nothing: the corpus has none of the query's words" and len(words.ranking) == 0
    assert "bm25 · inverted — found nothing: the corpus has none of the query's words." in found.warnings
    assert ordinals(found) == found.stages[1].ranking.ordinals[:5].tolist()
    assert list(found.hits[0].stages) == ["planted · exact", "rrf"]


def test_nothing_passes_the_filters(project, judge):
    spec = replace(BOTH, reranker=RerankSpec("judge"))
    found = search(project, "topics", "water", spec, filters=(Filter("year", "<", 0),))
    assert found.hits == [] and judge == []
    assert [stage.note for stage in found.stages[:2]] == ["found nothing: no document passes the filters"] * 2


def test_a_query_that_is_too_long_is_told(project):
    found = search(project, "topics", "water long", PipelineSpec((RetrieverSpec("planted"),)))
    assert found.stages[0].note == "truncated: too long"
    assert found.warnings[-1] == "planted · exact — truncated: too long."


def test_two_of_the_same_name_are_told_apart(project):
    twice = PipelineSpec((RetrieverSpec("planted"), RetrieverSpec("planted"), RetrieverSpec("bm25")))
    found = search(project, "topics", "water", twice, k=2)
    assert [stage.label for stage in found.stages] == [
        "planted · exact",
        "planted · exact (2)",
        "bm25 · inverted",
        "rrf",
    ]
    assert list(found.hits[0].stages) == [stage.label for stage in found.stages]


def test_a_fusion_of_one_does_nothing_and_says_so(project):
    alone = PipelineSpec((RetrieverSpec("planted"),))
    plain = search(project, "topics", "water", alone)
    found = search(project, "topics", "water", replace(alone, fusion=FusionSpec("minmax")))
    assert ordinals(found) == ordinals(plain) and len(found.stages) == 1
    assert found.warnings[-1] == "The pipeline has one retriever, so its fusion does nothing."


def test_m3_is_for_the_outputs_of_one_model(project):
    with pytest.raises(BadInput, match=r"raw scores.*“bm25” is none"):
        search(project, "topics", "water", replace(BOTH, fusion=FusionSpec("m3")))


def test_m3_scores_every_candidate_in_each_list(tmp_path, model):
    """Two outputs of one model over few documents: each list holds 4, the mean is taken over both for all of them."""
    project = planted_project(tmp_path, 30)
    facts = {"family": "bge-m3", "model": "m", "revision": "r", "similarity": "cosine"}
    left = planted(30).astype(np.float32)
    right = np.roll(left, 1, axis=0)
    add_embedding(project, "topics", left.astype(np.float16), "one", facts)
    add_embedding(project, "topics", right.astype(np.float16), "two", facts)
    spec = PipelineSpec((RetrieverSpec("one"), RetrieverSpec("two")), FusionSpec("m3", weights=(1.0, 3.0)), depth=4)
    found = search(project, "topics", "water", spec, k=4)
    query = np.eye(16)[1]
    one, two = (
        rows.astype(np.float64) @ query / np.linalg.norm(rows.astype(np.float64), axis=1)
        for rows in (left.astype(np.float16), right.astype(np.float16))
    )
    candidates = sorted({*np.argsort(-one)[:4].tolist(), *np.argsort(-two)[:4].tolist()})
    mean = (one + 3 * two) / 4
    best = sorted(candidates, key=lambda ordinal: -mean[ordinal])
    assert len(candidates) == 8
    assert found.stages[2].ranking.ordinals.tolist() == best
    np.testing.assert_allclose(found.stages[2].ranking.scores, mean[best], atol=1e-6)
    add_embedding(project, "topics", right.astype(np.float16), "three", facts | {"revision": "other"})
    with pytest.raises(BadInput, match="needs one model, and “one”, “three”"):
        search(project, "topics", "water", replace(spec, retrievers=(RetrieverSpec("one"), RetrieverSpec("three"))))


# ── reranking ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reranker_sees_the_first_and_the_rest_follow(project, judge):
    alone = PipelineSpec((RetrieverSpec("planted"),), reranker=RerankSpec("judge", depth=4), depth=8)
    found = search(project, "topics", "water", alone, k=6)
    raw, last = found.stages[0].ranking, found.stages[1]
    top = raw.ordinals[:4].tolist()
    assert ordinals(found) == [*sorted(top, reverse=True), *raw.ordinals[4:6].tolist()]
    assert (last.label, last.kind, last.effective) == ("judge", "reranker", "water")
    # Reranked ones by their score; the others 1 less for each place, as they have none.
    lowest = min(top)
    assert last.ranking.scores.tolist() == [*sorted(top, reverse=True), *(lowest - place for place in (1, 2, 3, 4))]
    ((spec, query, documents, keys),) = judge
    assert spec.depth == 4 and query == Content("water")
    assert [key[1] for key in keys] == top and len({key[0] for key in keys}) == 1
    assert [each.text for each in documents] == [f"Water {n} about water word{n}" for n in top]
    assert found.hits[0].stages["planted · exact"].rank == top.index(max(top)) + 1
    assert "judged by age" in found.warnings


def test_another_depth_searches_nothing_again(project, judge, model):
    spec = replace(BOTH, reranker=RerankSpec("judge", depth=5))
    search(project, "topics", "water", spec, k=3)
    deeper = search(project, "topics", "water", replace(spec, reranker=RerankSpec("judge", depth=60)), k=3)
    assert len(model.asked) == 1 and [stage.kept for stage in deeper.stages] == [True, True, False, False]
    beyond = search(project, "topics", "water", replace(spec, reranker=RerankSpec("judge", depth=150)), k=3)
    assert len(model.asked) == 2 and len(judge[-1][2]) == N == len(beyond.stages[2].ranking)


def test_kept_scores_are_told(project, monkeypatch):
    monkeypatch.setattr(
        reranking, "rerank", lambda *given: Outcome(np.arange(len(given[3]), dtype=np.float32), cached=len(given[3]))
    )
    alone = PipelineSpec((RetrieverSpec("planted"),), reranker=RerankSpec("judge", depth=4))
    assert search(project, "topics", "water", alone).stages[-1].kept


@pytest.mark.parametrize("lowest", [0.0, -3.5, 1e9, -1e30, 3e38])
def test_the_rest_stays_below_whatever_the_scores(lowest):
    from workbench.workflows.stages import with_tail

    before = Ranking.of(np.array([9, 3, 5, 1]), np.array([4, 3, 3, 3], np.float32))
    found = with_tail(before, np.array([lowest, lowest], np.float32))
    assert found.ordinals.tolist() == [1, 9, 3, 5]
    assert np.all(np.diff(found.scores[1:]) < 0)


def test_a_score_that_is_no_number_is_told(project, monkeypatch):
    monkeypatch.setattr(reranking, "rerank", lambda *given: Outcome(np.full(len(given[3]), np.nan, np.float32)))
    with pytest.raises(WorkbenchError, match="no number"):
        search(project, "topics", "water", PipelineSpec((RetrieverSpec("planted"),), reranker=RerankSpec("judge")))


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("query", ["", " \n", Content(), Content("  ")])
def test_an_empty_query_is_refused(project, query):
    with pytest.raises(BadInput, match="query is empty"):
        search(project, "topics", query, BOTH)


def test_an_image_for_an_encoder_of_texts_is_refused(project, tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    for content in (Content(image=tmp_path / "a.png"), Content("water", tmp_path / "a.png")):
        with pytest.raises(BadInput, match="reads text, and the query has image"):
            search(project, "topics", content, PipelineSpec((RetrieverSpec("bm25"),)))


def test_one_wrong_name_of_two_is_named(project):
    with pytest.raises(NotFound, match="called “nobody”"):
        search(project, "topics", "water", PipelineSpec((RetrieverSpec("bm25"), RetrieverSpec("nobody"))))


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_a_model_without_memory_is_a_sentence_and_leaves(project, model, monkeypatch, error):
    alone = PipelineSpec((RetrieverSpec("planted"),))
    search(project, "topics", "water", alone)
    search(project, "topics", "water", PipelineSpec((RetrieverSpec("bm25"),)))
    assert any("planted" in str(entry.key) for entry in loaded().contents())

    def fail(query):
        raise error

    monkeypatch.setattr(model, "encode", fail, raising=False)
    with pytest.raises(WorkbenchError, match="not enough memory for searching with “planted”"):
        search(project, "topics", "bread", alone)
    assert not any("planted" in str(entry.key) for entry in loaded().contents())
    assert any("bm25" in str(entry.key) for entry in loaded().contents())
    monkeypatch.undo()


def test_other_errors_of_a_model_pass(project, model, monkeypatch):
    def fail(query):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(model, "encode", fail, raising=False)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        search(project, "topics", "bread", PipelineSpec((RetrieverSpec("planted"),)))


def test_a_reranker_without_memory_is_a_sentence(project, monkeypatch):
    def fail(*given):
        raise MemoryError

    monkeypatch.setattr(reranking, "rerank", fail)
    loaded().get(("reranker", "judge", "x"), lambda: "model", lambda _: 5)
    spec = PipelineSpec((RetrieverSpec("planted"),), reranker=RerankSpec("judge"))
    with pytest.raises(WorkbenchError, match="not enough memory for reranking with “judge”"):
        search(project, "topics", "bread", spec)
    assert not any("judge" in str(entry.key) for entry in loaded().contents())


def test_a_bridge_says_what_it_is_whenever_it_answers():
    from types import SimpleNamespace

    from workbench.workflows.stages import nature

    measured = {"recall_at_1": 0.2892, "recall_at_10": 0.6205, "chance_at_10": 0.0602}
    bridge = SimpleNamespace(manifest={"family": "bridge", "fitted": {"measured": measured}})
    assert nature(bridge) == (
        "a fitted image-text bridge, not CLIP: of unseen captions 29% find their picture first, "
        "62% among ten (6% by chance)"
    )
    assert nature(SimpleNamespace(manifest={"family": "dense"})) == ""
