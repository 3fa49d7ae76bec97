"""Searching from the command line: pipelines by file, by name and by parts give what the workflow gives."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from search_fixtures import planted_project
from typer.testing import CliRunner

from workbench.__main__ import app
from workbench.checkpoints import loaded
from workbench.cli import guarded
from workbench.project import Project
from workbench.specs import BM25Spec, FusionSpec, PipelineSpec, RerankSpec, RetrieverSpec
from workbench.workflows import reranking
from workbench.workflows.encode import encode_corpus
from workbench.workflows.memory import empty_memory, memory_limit, set_memory_limit
from workbench.workflows.search import search
from workbench.workflows.views import save_pipeline

BOTH = PipelineSpec((RetrieverSpec("bm25"), RetrieverSpec("flat")), FusionSpec("minmax", weights=(0.3, 0.7)), depth=20)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """Two fitted encoders that need no model."""
    made = planted_project(tmp_path_factory.mktemp("cli"), 60)
    encode_corpus(made, "topics", "bm25")
    encode_corpus(made, "topics", BM25Spec(name="flat", k1=0.1, b=0.0).to_dict())
    save_pipeline(made, "Two kinds of words", BOTH, "topics")
    return made


@pytest.fixture(autouse=True)
def own_limit():
    empty_memory()
    before = loaded().limit
    yield
    loaded().limit = before


def run(project: Project, *words: str) -> dict:
    done = CliRunner().invoke(app, ["--project", str(project.folder), "--json", *words], catch_exceptions=False)
    assert done.exit_code == 0 and done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def fails(project: Project, capsys, *words: str) -> str:
    status = guarded(lambda: app(["--project", str(project.folder), *words], standalone_mode=False))
    told = capsys.readouterr()
    assert status == 1 and told.out == "" and told.err.count("\n") == 1
    return told.err


def test_a_pipeline_by_file_and_by_name_is_the_workflows(project, tmp_path):
    (tmp_path / "both.json").write_text(json.dumps(BOTH.to_dict()))
    expected = search(project, "topics", "word7 water", BOTH, k=6)
    for name in (str(tmp_path / "both.json"), "Two kinds of words"):
        found = run(project, "search", "word7 water", "--corpus", "topics", "--pipeline", name, "-k", "6")
        assert [(hit["rank"], hit["doc_id"], hit["score"]) for hit in found["hits"]] == [
            (hit.rank, hit.document.doc_id, hit.score) for hit in expected.hits
        ]
        assert found["stages"] == ["bm25 · inverted", "flat · inverted", "minmax"]
        assert found["hits"][0]["stages"] == {
            label: {"rank": stage.rank, "score": stage.score} for label, stage in expected.hits[0].stages.items()
        }
        assert list(found["timings"]) == list(expected.timings) and found["warnings"] == []


def test_the_design_pages_example_is_a_pipeline(project, tmp_path):
    text = '{"retrievers":[{"encoder":"flat","index":"exact"},{"encoder":"bm25"}],"fusion":{"method":"rrf","k":60}}'
    (tmp_path / "spec.json").write_text(text)
    found = run(project, "search", "water", "--corpus", "topics", "--pipeline", str(tmp_path / "spec.json"))
    assert found["stages"][-1] == "rrf" and len(found["hits"]) == 10


def test_an_encoder_with_a_reranker(project, monkeypatch):
    def rerank(project, spec, query, documents, keys):
        scores = np.array([ordinal for _, ordinal in keys], np.float32)
        return reranking.RerankOutcome(scores, spec.name)

    monkeypatch.setattr(reranking, "rerank", rerank)
    words = ("search", "water", "--corpus", "topics", "--encoder", "bm25", "--reranker", "judge", "--depth", "7")
    found = run(project, *words, "-k", "3")
    spec = PipelineSpec((RetrieverSpec("bm25"),), reranker=RerankSpec("judge", 7))
    expected = search(project, "topics", "water", spec, k=3)
    assert [hit["doc_id"] for hit in found["hits"]] == [hit.document.doc_id for hit in expected.hits]
    assert found["stages"] == ["bm25 · inverted", "judge"]


def test_lines_for_people_show_the_trace(project):
    done = CliRunner().invoke(
        app, ["--project", str(project.folder), "search", "word7 zebra", "--corpus", "topics", "--encoder", "bm25"]
    )
    lines = done.stdout.splitlines()
    assert "d7" in lines[0] and lines[0].endswith("[1]")
    assert lines[-1].startswith("1 hits in") and lines[-1].endswith("through bm25 · inverted")


def test_the_limit_of_the_workspace_holds(project):
    set_memory_limit(project.folder.parent, 333)
    loaded().limit = 1 << 30
    run(project, "search", "water", "--corpus", "topics", "--encoder", "bm25")
    assert memory_limit() == 333


def test_what_cannot_be_asked_is_one_line(project, tmp_path, capsys):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "none.json").write_text('{"retrievers": []}')
    (tmp_path / "raw.json").write_text('{"retrievers": [{"encoder": "bm25"}], "fusion": {"method": "mean"}}')
    ask = ("search", "water", "--corpus", "topics")
    for words, message in (
        ((*ask,), "Neither a pipeline nor an encoder"),
        ((*ask, "--pipeline", "Two kinds of words", "--encoder", "bm25"), "Both a pipeline and an encoder"),
        ((*ask, "--pipeline", "nobody"), "no saved pipeline called “nobody”"),
        ((*ask, "--pipeline", str(tmp_path / "gone.json")), "cannot be read"),
        ((*ask, "--pipeline", str(tmp_path / "broken.json")), "is not JSON"),
        ((*ask, "--pipeline", str(tmp_path / "list.json")), "holds no JSON object"),
        ((*ask, "--pipeline", str(tmp_path / "none.json")), "at least one retriever"),
        ((*ask, "--pipeline", str(tmp_path / "raw.json")), "Raw scores are not averaged"),
        ((*ask, "--encoder", "bm25", "--depth", "0", "--reranker", "x"), "between 1 and 1000"),
        (("search", "", "--corpus", "topics", "--encoder", "bm25"), "query is empty"),
    ):
        assert message in fails(project, capsys, *words)


def test_an_image_is_checked_and_then_the_encoder(project, tmp_path, capsys):
    ask = ("search", "", "--corpus", "topics", "--encoder", "bm25", "--image")
    (tmp_path / "no.png").write_text("no image")
    assert "picture cannot be used" in fails(project, capsys, *ask, str(tmp_path / "no.png"))
    Image.new("RGB", (20, 20), "red").save(tmp_path / "red.png")
    assert "reads text, and the query has image" in fails(project, capsys, *ask, str(tmp_path / "red.png"))


def test_models_are_encoders_and_rerankers(project):
    roles = {row["role"] for row in run(project, "models")["models"]}
    assert roles == {"encoder", "reranker"}


def test_a_bridge_is_a_job(project):
    job = run(project, "bridge", "topics", "mine", "--text-encoder", "bge-small", "--no-wait")["job"]
    from workbench.jobs import JobService

    (listed,) = [each for each in JobService(project.folder.parent).list() if each.id == job]
    assert (listed.kind, listed.title) == ("bridge", "Fit mine on topics")


def test_specs_are_not_changed_by_being_written(project):
    assert PipelineSpec.from_dict(json.loads(json.dumps(BOTH.to_dict()))) == BOTH
    with_all = replace(BOTH, reranker=RerankSpec("x", 5, {"max_length": 64}))
    assert PipelineSpec.from_dict(json.loads(json.dumps(with_all.to_dict()))) == with_all
