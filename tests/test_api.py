"""The endpoints for programs, called over HTTP by gradio_client as another program would."""

import json
import socket
import threading
import time

import pytest
import uvicorn
from gradio_client import Client

from ui.app import build_app
from workbench.jobs import JobService
from workbench.project import Workspace
from workbench.workflows import corpus, encode

TEXTS = {
    "b1": "A small bird with a red breast that sings in winter gardens.",
    "b2": "A pale owl that hunts mice over meadows at night.",
    "b3": "A blue bird that dives into rivers and catches small fish.",
    "b4": "A tall bird that stands in shallow rivers and waits for fish.",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A client of an app whose project “birds” holds the corpus “aviary”, encoded with BM25."""
    folder = tmp_path_factory.mktemp("api")
    source = folder / "birds.jsonl"
    source.write_text("\n".join(json.dumps({"id": name, "text": text}) for name, text in TEXTS.items()))
    project = Workspace(folder).create("birds")
    corpus.import_corpus(project, "aviary", source)
    encode.encode_corpus(project, "aviary", "bm25")
    project.close()
    JobService(folder).enqueue("encode", "birds", {"corpus": "aviary", "encoder": "bm25"}, title="once more")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(build_app(folder), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    yield Client(f"http://127.0.0.1:{port}", verbose=False)
    server.should_exit = True
    thread.join(10)


def test_search_finds_the_documents_with_the_words(client):
    found = client.predict("birds", "aviary", "mice at night", "bm25", "exact", 3, api_name="/search")
    assert found["hits"][0]["doc_id"] == "b2"
    assert found["hits"][0] == {**found["hits"][0], "rank": 1, "text": TEXTS["b2"]}
    assert [hit["rank"] for hit in found["hits"]] == list(range(1, len(found["hits"]) + 1))
    assert found["query"] == "mice at night" and found["timings"]["total"] > 0


def test_a_pipeline_is_data_and_every_stage_is_told(client):
    spec = {"retrievers": [{"encoder": "bm25"}, {"encoder": "bm25"}], "fusion": {"method": "rrf", "k": 1}}
    found = client.predict("birds", "aviary", "mice at night", pipeline=json.dumps(spec), api_name="/search")
    assert found["stages"] == ["bm25 · inverted", "bm25 · inverted (2)", "rrf"]
    assert found["hits"][0]["stages"]["rrf"] == {"rank": 1, "score": 1.0}
    for text, message in (
        ("{oops", "pipeline is not JSON"),
        ('{"retrievers": []}', "at least one retriever"),
        ("mine", "no saved pipeline called “mine”"),
    ):
        with pytest.raises(Exception, match=message):
            client.predict("birds", "aviary", "mice", pipeline=text, api_name="/search")
    with pytest.raises(Exception, match="Neither a pipeline nor an encoder"):
        client.predict("birds", "aviary", "mice", api_name="/search")


def test_neighbours_of_a_document_share_its_words(client):
    found = client.predict("birds", "aviary", "bm25", "b3", 2, api_name="/neighbours")
    assert found["hits"][0]["doc_id"] == "b4"


def test_jobs_are_listed(client):
    [job] = client.predict("birds", api_name="/jobs")
    assert (job["title"], job["state"], job["kind"]) == ("once more", "queued", "encode")
    assert "No worker for this job" in job["problem"]
    assert client.predict("elsewhere", api_name="/jobs") == []


def test_a_wrong_name_is_answered_with_a_sentence(client):
    with pytest.raises(Exception, match="Did you mean “birds”"):
        client.predict("bird", "aviary", "x", "bm25", api_name="/search")


def test_nothing_else_is_public(client):
    assert sorted(client.view_api(return_format="dict")["named_endpoints"]) == ["/jobs", "/neighbours", "/search"]
