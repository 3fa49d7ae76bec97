"""The first start: the demo corpora arrive, BM25 finds things in them, and a second start changes nothing."""

from functools import partial
from pathlib import Path

import pytest

from workbench.errors import BadInput, Cancelled
from workbench.jobs.kinds import KINDS
from workbench.project import Project, Workspace
from workbench.samples import write_python_library
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.workflows import demo
from workbench.workflows.corpus import get_document, image_path, list_corpora, list_queries, list_query_sets
from workbench.workflows.demo import DEMO_PROJECT, DemoReport, build_demo, demo_jobs, start_demo
from workbench.workflows.encode import list_embeddings, list_encoders
from workbench.workflows.search import search

BM25 = PipelineSpec(retrievers=(RetrieverSpec(encoder="bm25"),))


@pytest.fixture(scope="module")
def told() -> list[tuple[int, int]]:
    return []


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.create(tmp_path_factory.mktemp("projects") / DEMO_PROJECT)


@pytest.fixture(scope="module")
def report(project: Project, told: list[tuple[int, int]]) -> DemoReport:
    return build_demo(project, lambda done, total: told.append((done, total)))


def best(project: Project, corpus: str, text: str) -> list[str]:
    return [hit.document.doc_id for hit in search(project, corpus, text, BM25, k=3).hits]


def test_three_corpora_are_there(project: Project, report: DemoReport) -> None:
    counts = {corpus.name: corpus.documents for corpus in list_corpora(project)}
    assert counts == report.documents
    assert set(counts) == {"factbook", "openclipart", "python-library"}
    assert counts["factbook"] == 5121 and counts["openclipart"] == 826 and counts["python-library"] > 2000
    for corpus in list_corpora(project):
        assert corpus.report["skipped"] == 0
        assert [each.encoder for each in list_embeddings(project, corpus.name)] == ["bm25"]


def test_queries_and_judgments_came_along(project: Project, report: DemoReport) -> None:
    assert set(report.queries) == {"factbook", "python-library"}
    assert report.queries["factbook"] == 792
    assert [each.name for each in list_query_sets(project, "openclipart")] == []
    first = list_queries(project, "factbook", 0, 1)[0]
    assert (first.query_id, first.text) == ("q-ag-background", "history of Algeria")


def test_progress_rises_to_its_end(report: DemoReport, told: list[tuple[int, int]]) -> None:
    done = [each for each, _ in told]
    assert done == sorted(done) and told[-1][0] == told[-1][1]
    assert len({total for _, total in told}) == 1


def test_bm25_finds_the_right_documents(project: Project, report: DemoReport) -> None:
    assert {"et-economy-overview", "et-exports"} & set(best(project, "factbook", "coffee export of Ethiopia"))
    assert best(project, "openclipart", "water tower")[0] == "water-tower"
    assert best(project, "python-library", "urldefrag fragment")[0] == "urllib.parse.urldefrag"


def test_metadata_and_pictures_came_along(project: Project, report: DemoReport) -> None:
    passage = get_document(project, "factbook", "et-exports")
    assert (passage.metadata["country"], passage.metadata["region"]) == ("Ethiopia", "africa")
    picture = get_document(project, "openclipart", "water-tower")
    path = image_path(project, "openclipart", picture.ordinal)
    assert isinstance(path, Path) and path.read_bytes()[8:12] == b"WEBP"
    assert picture.metadata["category"] == "buildings and furniture"


def test_a_second_run_changes_nothing(project: Project, report: DemoReport) -> None:
    again = build_demo(project)
    assert again.done == []
    assert (again.documents, again.queries, again.embeddings) == (report.documents, report.queries, report.embeddings)
    assert {corpus.version for corpus in list_corpora(project)} == {1}


def test_a_stopped_run_is_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "write_python_library", partial(write_python_library, limit=100))
    project = Project.create(tmp_path / DEMO_PROJECT)

    def stop_in_the_second_import(done: int, total: int) -> None:
        if done > total // 6:
            raise Cancelled

    with pytest.raises(Cancelled):
        build_demo(project, stop_in_the_second_import)
    names = {corpus.name for corpus in list_corpora(project)}
    assert "factbook" in names and "openclipart" not in names
    report = build_demo(project)
    assert "corpus factbook" not in report.done and "corpus openclipart" in report.done


def test_the_jobs_name_kinds_and_corpora_that_exist(report: DemoReport) -> None:
    jobs = demo_jobs()
    encoders = {entry.name for entry in list_encoders()}
    pairs, maps = (
        [(arguments["corpus"], arguments["encoder"]) for kind, arguments, _ in jobs if kind == wanted]
        for wanted in ("encode", "map")
    )
    assert jobs[0][0] == "demo" and len(jobs) == 18 and {corpus for corpus, _ in maps} == set(report.documents)
    # What is mapped was encoded before.
    order = [(kind, arguments.get("corpus"), arguments.get("encoder")) for kind, arguments, _ in jobs]
    assert all(order.index(("encode", *pair)) < order.index(("map", *pair)) for pair in maps)
    assert len(set(pairs)) == 8 and {encoder for _, encoder in pairs} <= encoders
    assert pairs[0] == ("openclipart", "clipart-bridge") and pairs[-1] == ("factbook", "bge-small")
    # Runs ask the corpus's own queries with encoders that are there by then, and their arguments are those of the job.
    made = {("factbook", "bm25"), ("python-library", "bm25")}
    for kind, arguments, _ in jobs:
        if kind == "encode":
            made.add((arguments["corpus"], arguments["encoder"]))
        if kind == "run":
            pipeline = PipelineSpec.from_dict(arguments["pipeline"])
            assert {(arguments["query_set"], each.encoder) for each in pipeline.retrievers} <= made
    assert all(kind in KINDS for kind, _, _ in jobs)
    assert {arguments["corpus"] for kind, arguments, _ in jobs if kind == "encode"} == set(report.documents)


def test_the_demo_is_queued_for_any_device_and_its_encodes_come_last(tmp_path):
    queued = []

    def enqueue(kind, project, arguments, *, title="", device="auto", priority=5):
        queued.append((kind, project, device, priority))

    workspace = Workspace(tmp_path)
    assert start_demo(workspace, enqueue) == "demo"
    assert workspace.projects() == ["demo"]
    assert queued[0] == ("demo", "demo", "auto", 1)
    assert {tuple(each[1:]) for each in queued[1:]} == {("demo", "auto", 9)} and len(queued) == 18
    with pytest.raises(BadInput, match="already a project"):
        start_demo(workspace, enqueue)
    assert len(queued) == 18
