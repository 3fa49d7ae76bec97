"""The Label page's addresses: what they tell, what they store, and whom they refuse."""

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from ui.app import build_app
from ui.components.label_cards import ON_CARD, pool_html
from ui.components.label_view import read_label_view
from ui.components.markdown import markdown_html
from ui.components.results import Frame
from workbench import label_sets, query_sets
from workbench.project import Workspace
from workbench.types import Document, Query
from workbench.workflows import corpus as corpora
from workbench.workflows import judging
from workbench.workflows.encode import encode_corpus
from workbench.workflows.judging import Judge, Verdict
from workbench.workflows.label import Candidate, Found, Judgment, Pool

HOSTILE = '<img src=x onerror="window.broken = 1"> ${1} {{x}}'
SENT = {"Content-Type": "application/octet-stream"}
CLIENT = "0123456789abcdef"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    folder, source = tmp_path_factory.mktemp("workspace"), tmp_path_factory.mktemp("source")
    project = Workspace(folder).create("p")
    rows = [{"id": "d0", "text": "red fox"}, {"id": '"><b>', "title": HOSTILE, "text": f"fox {HOSTILE}"}]
    (source / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (source / "q.jsonl").write_text(json.dumps({"id": "a", "text": f"fox {HOSTILE}"}) + "\n")
    corpora.import_corpus(project, "c", source / "c.jsonl")
    corpora.import_queries(project, "q", source / "q.jsonl", "c")
    encode_corpus(project, "c", "bm25")
    label_sets.make(project.db, query_sets.find(project.db, "q").id, "mined", "proposed", {})
    project.close()
    return folder


@pytest.fixture(scope="module")
def client(workspace):
    return TestClient(build_app(workspace), base_url="http://127.0.0.1")


@pytest.fixture
def said(workspace):
    project = Workspace(workspace).open("p")
    yield lambda annotator="me": judging.said(project, Judge("q", annotator), "a")
    project.close()


def write(number, doc, verdict, **changes):
    by = {"set": "q", "labels": "labels", "annotator": "me"}
    return {"number": number, **by, "query": "a", "doc": doc, "verdict": verdict, **changes}


def send(client, *writes, name=CLIENT):
    answer = client.post("/labelling/p/writes", content=json.dumps({"client": name, "writes": writes}), headers=SENT)
    return answer, answer.json()


def test_a_query_comes_with_its_cards_and_nothing_in_it_is_markup(client):
    found = client.get("/labelling/p/query", params={"set": "q", "q": "a"}).json()
    assert (found["query_id"], found["at"], found["total"]) == ("a", 0, 1)
    assert sorted(found["docs"]) == ['"><b>', "d0"]
    assert "<img src=x" not in found["head"] + found["cards"] and "&lt;<mark>img</mark>" in found["cards"]
    assert "data-doc='&quot;&gt;&lt;b&gt;'" in found["cards"] and "<mark>fox</mark>" in found["cards"]
    rows = client.get("/labelling/p/queue", params={"set": "q"}).json()
    assert rows["ids"] == ["a"] and (rows["start"], rows["total"], rows["here"]) == (0, 1, 0)
    assert "<img" not in rows["rows"]


def test_writes_are_stored_in_order_and_only_once(client, said):
    first = [write(1, "d0", {"relevance": 2}), write(2, '"><b>', {"relevance": 0, "is_hard_negative": True})]
    answer, found = send(client, *first)
    assert answer.status_code == 200 and [each["ok"] for each in found["results"]] == [True, True]
    assert said() == {"d0": Verdict(2), '"><b>': Verdict(0, True)}
    undo = {**write(3, "", None), "step": "undo"}
    assert send(client, undo)[1]["results"][0]["pairs"] == [["a", '"><b>']]
    assert send(client, *first, undo)[1]["results"][2]["pairs"] == []
    assert said() == {"d0": Verdict(2)}
    taken = send(client, write(4, "d0", None))[1]
    assert taken["results"] == [{"number": 4, "ok": True}] and said() == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"doc": "nowhere"}, "has no document"),
        ({"query": "nowhere"}, "has no query"),
        ({"set": "nowhere"}, "query set"),
        ({"labels": "../up"}, "cannot be the name"),
        ({"labels": "mined"}, "of the kind"),
        ({"annotator": "x" * 61}, "at most 60"),
        ({"verdict": {"relevance": 7}}, "is no grade"),
        ({"verdict": {"relevance": True}}, "cannot be read"),
        ({"verdict": "1"}, "cannot be read"),
        ({"verdict": {"relevance": 1, "is_hard_negative": True}}, "hard negative"),
        ({"verdict": {"relevance": None, "state": "elsewhere"}}, "no state"),
        ({"doc": 5}, "“doc” is missing"),
        ({"step": "drop"}, "no step"),
    ],
)
def test_a_write_that_is_refused_says_why_and_the_others_are_stored(client, said, changes, words):
    one, two = {**write(1, "d0", {"relevance": 1}), **changes}, write(2, "d0", {"relevance": 3})
    answer, found = send(client, one, two, name=words.encode().hex()[:16])
    assert answer.status_code == 200
    assert [each["ok"] for each in found["results"]] == [False, True]
    assert words in found["results"][0]["message"]
    assert said()["d0"] == Verdict(3)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"client": "x", "writes": []}', b'{"client": "0123456789", "writes": [5]}']
)
def test_what_cannot_be_read_is_refused(client, body):
    answer = client.post("/labelling/p/writes", content=body, headers=SENT)
    assert answer.status_code == 400 and answer.json()["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {**SENT, "Origin": "http://elsewhere.example"},
        {**SENT, "Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("path", ["writes", "guidelines", "reasons"])
def test_other_sites_cannot_write(client, path, headers):
    body = json.dumps({"client": CLIENT, "writes": []})
    assert client.post(f"/labelling/p/{path}", content=body, headers=headers).status_code == 403


def test_unknown_names_are_told(client):
    assert client.get("/labelling/nowhere/queue", params={"set": "q"}).status_code == 404
    assert client.get("/labelling/p/query", params={"set": "q", "q": "b"}).status_code == 404
    assert client.get("/labelling/p/queue", params={"set": "q", "enough": "0"}).status_code == 400


def test_guidelines_are_kept_as_text_and_shown_without_markup(client):
    text = "# Grades\n<script>x</script> ![p](http://elsewhere.example/p.png) [bad](javascript:x)\n\n- **two**"
    body = json.dumps({"set": "q", "labels": "labels", "text": text})
    assert client.post("/labelling/p/guidelines", content=body, headers=SENT).status_code == 200
    found = client.get("/labelling/p/guidelines", params={"set": "q"}).json()
    assert found["text"] == text
    assert "<h1>Grades</h1>" in found["markup"] and "<strong>two</strong>" in found["markup"]
    assert not re.search("<script|<img|href=.javascript", found["markup"])
    assert markdown_html("") == ""


def test_progress_names_everybody(client, said):
    send(client, write(1, "d0", {"relevance": 1}, annotator="<i>ann</i>"), name="abcdef0123")
    found = client.get("/labelling/p/progress", params={"set": "q", "annotator": "<i>ann</i>"}).json()
    assert "&lt;i&gt;ann&lt;/i&gt;" in found["markup"] and "<i>ann" not in found["markup"]
    assert "<b>1 / 1</b>" in found["markup"] and said("<i>ann</i>") == {"d0": Verdict(1)}


def test_an_address_is_read_with_its_defaults():
    view = read_label_view({"set": "s", "labels": "", "sort": "odd", "depth": "x", "others": "0", "systems": "a,,b"})
    assert (view.by, view.order.sort, view.depth, view.others) == (Judge("s", "me", "labels"), "file", 20, False)
    assert view.systems == ("a", "b") and not view.shuffled
    view = read_label_view({"order": "shuffled", "seed": "4", "also": "a,b", "proposed": "m"})
    assert view.pooling(()).seed == 4 and view.also == ("a,b",) and view.proposed == ("m",) and view.shuffled


def test_a_card_shows_what_others_say_only_where_that_is_allowed():
    other = Judgment("a", "d", Verdict(0, True), "labels", "ben", "person", {}, "", 0.0)
    candidate = Candidate(Document("d", "text", ordinal=3), (Found("minilm", 2, 0.5),), {"mined": {"rank": 4}}, ())
    pool = Pool(Query("a", "x"), 0, 1, [candidate], ["lost: gone"], {}, {"d": [other]})
    shown, blind = (pool_html(pool, Frame("p", 1), others) for others in (True, False))
    assert "ben <span class='wb-grade' data-hard>H</span>" in shown and "ben" not in blind
    for markup in (shown, blind):
        assert "minilm <b>#2</b> 0.500" in markup and "✨ mined rank 4" in markup and "lost: gone" in markup
        assert [say for say in ON_CARD if f"data-say='{say}'" not in markup] == []
