"""Runs of pipelines over query sets: the hits of a search, resumed by blocks, memory by blocks; TREC files."""

import json

import numpy as np
import pytest
from run_fixtures import BM25, BOTH, beir_project

from workbench import corpora, query_sets, runs
from workbench.errors import BadInput, NotFound
from workbench.specs import FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.types import Query
from workbench.workflows import reranking, running, trec_runs
from workbench.workflows.encode import encode_corpus
from workbench.workflows.index import build_index
from workbench.workflows.queries import delete_query_set, import_queries
from workbench.workflows.running import (
    delete_run,
    export_run,
    get_run,
    import_run,
    list_runs,
    rename_run,
    run_queries,
)
from workbench.workflows.search import search


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny_model):
    made, _ = beir_project(tmp_path_factory.mktemp("runs"))
    encode_corpus(made, "words", str(tiny_model))
    build_index(made, "words", tiny_model.name, "HNSW8")
    yield made
    made.close()


def kept(project, run: str) -> list[list[tuple[int, float]]]:
    """(ordinal, score) of each query of a run."""
    folder, count = get_run(project, run).artifact.folder, get_run(project, run).manifest["queries"]
    return [list(zip(*(each.tolist() for each in runs.ranking(folder, row)), strict=True)) for row in range(count)]


def searched(project, pipeline, k: int) -> list[list[tuple[int, float]]]:
    queries = query_sets.page(project.db, query_sets.find(project.db, "asked").id, 0, 100)
    found = [search(project, "words", each.text, pipeline, k) for each in queries]
    return [[(hit.document.ordinal, hit.score) for hit in each.hits] for each in found]


def test_one_and_joined_retrievers_give_the_hits_of_a_search(project, tiny_model):
    dense = RetrieverSpec(tiny_model.name)
    pipelines = [
        BM25,
        BOTH,
        PipelineSpec((dense,)),
        PipelineSpec((RetrieverSpec(tiny_model.name, index="HNSW8", ef_search=40),)),
        PipelineSpec((dense, RetrieverSpec("bm25")), FusionSpec("minmax", weights=(0.4, 0.6))),
        PipelineSpec((RetrieverSpec(tiny_model.name, query_bank="@titles"),)),
    ]
    for pipeline in pipelines:
        report = run_queries(project, "asked", pipeline, k=7)
        ours, theirs = kept(project, report.run), searched(project, pipeline, 7)
        assert report.queries == len(ours) == 12
        for mine, wanted in zip(ours, theirs, strict=True):
            assert [ordinal for ordinal, _ in mine] == [ordinal for ordinal, _ in wanted], report.run
            assert [score for _, score in mine] == pytest.approx([score for _, score in wanted], abs=1e-6)


def test_a_reranked_pipeline_gives_the_hits_of_a_search(project, monkeypatch):
    def rerank(project, spec, query, documents, keys, progress=None):
        scores = np.array([len(each.text) % 5 for each in documents], np.float32)
        return reranking.RerankOutcome(scores, spec.name)

    monkeypatch.setattr(reranking, "rerank", rerank)
    pipeline = PipelineSpec((RetrieverSpec("bm25"),), reranker=RerankSpec("judge", 6))
    report = run_queries(project, "asked", pipeline, k=9)
    assert kept(project, report.run) == searched(project, pipeline, 9) and report.run == "asked-bm25-judge"
    assert get_run(project, report.run).manifest["labels"] == ["bm25 · inverted", "judge"]


def test_the_manifest_tells_what_made_it(project):
    made = get_run(project, run_queries(project, "asked", BOTH, k=5).run).manifest
    embeddings = {each.name: each.id for each in project.artifacts.list("embedding")}
    told = made["lineage"]["retrievers"]
    assert [each["embedding"] for each in told] == [embeddings["bm25"], embeddings["flat"]]
    assert all(project.artifacts.get(each["index"]).kind == "index" for each in told)
    assert made["lineage"]["fusion"]["method"] == "rrf" and made["spec"]["pipeline"] == json.loads(
        json.dumps(BOTH.to_dict())
    )
    assert list(made["timings"]) == ["load", "encode", "bm25 · inverted", "flat · inverted", "rrf", "total"]
    assert made["corpus"]["name"] == "words" and made["k"] == 5 and made["memory_bytes"] > 0


def test_the_same_run_twice_is_one(project):
    first = run_queries(project, "asked", BM25, k=3, name="three")
    assert run_queries(project, "asked", BM25, k=3, name="again") == first
    assert run_queries(project, "asked", BM25, k=4, name="three").run == "three-2"


def test_a_cancelled_run_goes_on_at_its_last_block(project, monkeypatch):
    class Stop(Exception):
        pass

    def stop(done, total):
        if done >= 8:
            raise Stop

    asked = []
    encode = running.BatchPipeline.answer
    monkeypatch.setattr(running, "BATCH", 2)
    monkeypatch.setattr(running, "BLOCK_QUERIES", 4)
    monkeypatch.setattr(
        running.BatchPipeline, "answer", lambda self, *args: asked.append(len(args[0])) or encode(self, *args)
    )
    with pytest.raises(Stop):
        run_queries(project, "asked", BOTH, k=6, progress=stop)
    assert not [each for each in list_runs(project, "asked") if each.manifest["k"] == 6]
    done = sum(asked)
    asked.clear()
    told = []
    report = run_queries(project, "asked", BOTH, k=6, progress=lambda at, total: told.append((at, total)))
    # The blocks of 4 that were finished are not asked again.
    assert done == 8 and sum(asked) == 8 and told[0] == (4, 12) and told[-1] == (12, 12)
    assert kept(project, report.run) == searched(project, BOTH, 6)
    assert [len(each.ordinals) for each in runs.blocks(get_run(project, report.run).artifact.folder)] == [4, 4, 4]


def test_wrong_names_and_sizes_are_told(project):
    with pytest.raises(NotFound, match="aksed"):
        run_queries(project, "aksed", BM25)
    with pytest.raises(NotFound, match="minilm"):
        run_queries(project, "asked", PipelineSpec((RetrieverSpec("minilm"),)))
    with pytest.raises(BadInput, match="0 documents"):
        run_queries(project, "asked", BM25, k=0)
    query_sets.ensure(project.db, "nothing", corpora.find(project.db, "words").id, "test")
    with pytest.raises(BadInput, match="no queries"):
        run_queries(project, "nothing", BM25)


def test_queries_that_an_encoder_cannot_read_find_nothing_and_are_counted(project):
    info = query_sets.ensure(project.db, "pictures", corpora.find(project.db, "words").id, "test")
    query_sets.append(project.db, info.id, [Query("p", "", "a.png"), Query("t", "music"), Query("e", "")])
    report = run_queries(project, "pictures", BM25, k=3)
    assert report.empty == 2 and report.warnings == ["2 queries cannot be read by “bm25” and found nothing there."]
    assert [len(each) for each in kept(project, report.run)] == [0, 3, 0]
    only = query_sets.ensure(project.db, "only-pictures", corpora.find(project.db, "words").id, "test")
    query_sets.append(project.db, only.id, [Query("p", "", "a.png")])
    with pytest.raises(BadInput, match="No query"):
        run_queries(project, "only-pictures", BM25, k=3)


def test_names_change_and_runs_go(project):
    run_queries(project, "asked", BM25, k=2, name="short")
    rename_run(project, "short", "shorter")
    assert "shorter" in [each.name for each in list_runs(project)]
    delete_run(project, "shorter")
    with pytest.raises(NotFound):
        get_run(project, "shorter")


def test_a_query_set_goes_with_its_runs(project, tmp_path):
    (tmp_path / "short.jsonl").write_text('{"id": "a", "text": "harbour"}\n')
    import_queries(project, "short-lived", tmp_path / "short.jsonl", "words")
    run_queries(project, "short-lived", BM25, k=2, name="gone-soon")
    folder = get_run(project, "gone-soon").artifact.folder
    assert folder.is_dir()
    delete_query_set(project, "short-lived")
    assert not folder.exists() and "gone-soon" not in [each.name for each in list_runs(project)]


# TREC files


def written(tmp_path, text: str):
    path = tmp_path / "theirs.trec"
    path.write_text(text, encoding="utf-8")
    return path


def named(project, run: str, row: int) -> list[str]:
    """The document ids of a query of a run."""
    folder = get_run(project, run).artifact.folder
    unknown = runs.unknown_documents(folder)
    return [f"d{each}" if each >= 0 else unknown[-2 - each] for each in runs.ranking(folder, row)[0].tolist()]


def test_out_and_in_again_is_the_same_run(project, tmp_path):
    report = run_queries(project, "asked", BOTH, k=20, name="ours")
    lines = export_run(project, "ours", tmp_path / "ours.trec")
    text = (tmp_path / "ours.trec").read_text()
    assert lines == text.count("\n") == sum(len(each) for each in kept(project, "ours"))
    assert text.split("\n")[0].split()[:4] == ["q0", "Q0", named(project, "ours", 0)[0], "1"]
    back = import_run(project, "back", tmp_path / "ours.trec", "asked")
    assert back.warnings == [] and back.queries == report.queries
    assert [named(project, "back", row) for row in range(12)] == [named(project, "ours", row) for row in range(12)]
    assert import_run(project, "back", tmp_path / "ours.trec", "asked").id == back.id


def test_equal_scores_are_written_so_that_trec_eval_keeps_their_order():
    apart = trec_runs.told_apart(np.array([[1, 1, 1, 0.5], [-2, -2, 0, 0]], np.float32))
    assert (np.diff(apart[0]) < 0).all() and apart[0, 0] == 1 and apart[0, 3] == 0.5
    assert apart[1, 1] < -2 and apart[0, 2] == pytest.approx(1)


def test_ties_of_a_file_are_ordered_as_trec_eval_does(project, tmp_path):
    """By score as float32, then by document id descending; 1 + 1e-12 is 1 there. The rank column says otherwise."""
    text = "q1 Q0 d10 1 1.0 x\nq1 Q0 d9 2 1.000000000001 x\nq1 Q0 d2 3 -5 x\nq2 Q0 d1 1 0 x\nq2 Q0 d3 2 0 x\n"
    report = import_run(project, "ties", written(tmp_path, text), "asked")
    assert named(project, "ties", 1) == ["d9", "d10", "d2"] and named(project, "ties", 2) == ["d3", "d1"]
    assert report.empty == 10 and report.warnings == [
        "1 queries have the same score for all documents; equal scores are ordered by document id, descending, as "
        "trec_eval orders them, not by rank."
    ]


def test_what_is_wrong_with_a_file_is_told(project, tmp_path):
    text = (
        "q1 Q0 d1 1 3 x\nq2 Q0 d5 1 1 x\nq1 Q0 d1 2 4 x\nq1 Q0 d7 3 3.5 x\n\n"  # in two pieces, a document twice
        "q99 Q0 d1 1 1 x\nq1 Q0 zz 9 9 x\nq2 Q0 yy 2 -1 x\nq2 Q0 zz 3 -2 x\n"  # unknown query and documents
        "q1 Q0 d3 1 nan x\nq1 d3 1\nq1 Q0 d3 first 2 x\n"  # lines that cannot be read
    )
    report = import_run(project, "odd", written(tmp_path, text), "asked")
    assert named(project, "odd", 1) == ["zz", "d1", "d7"] and named(project, "odd", 2) == ["d5", "yy", "zz"]
    assert (report.duplicates, report.unknown_queries, report.unknown_documents, report.skipped) == (1, 1, 2, 3)
    assert [each.where for each in report.skipped_rows] == ["line 10", "line 11", "line 12"]
    assert report.warnings == [
        "1 documents come twice for a query; the one with the higher score was kept.",
        "1 queries have ranks that contradict their scores; the scores count, as for trec_eval.",
        "1 queries are not in the query set; left out: q99.",
        "2 documents are not in the corpus; they keep their places: zz, yy.",
    ]


def test_a_file_of_nothing_leaves_nothing(project, tmp_path):
    before = len(list_runs(project))
    for text, words in (("", "no ranking"), ("q77 Q0 d1 1 1 x\n", "another query set"), ("a b\n", "line 1")):
        with pytest.raises(BadInput, match="ranking") as told:
            import_run(project, "none", written(tmp_path, text), "asked")
        assert words in str(told.value)
    with pytest.raises(NotFound, match="no file"):
        import_run(project, "none", tmp_path / "missing.trec", "asked")
    assert len(list_runs(project)) == before and not list((project.folder / "artifacts/run").glob("*.partial"))


def test_a_ranking_that_is_too_deep_is_cut_and_told(project, tmp_path, monkeypatch):
    monkeypatch.setattr(trec_runs, "DEEPEST", 2)
    text = "".join(f"q0 Q0 d{n} {n} {9 - n} x\n" for n in range(5))
    report = import_run(project, "deep", written(tmp_path, text), "asked")
    assert named(project, "deep", 0) == ["d0", "d1"]
    assert report.warnings == ["3 documents lie behind the first 2 of their query; they were left out."]
