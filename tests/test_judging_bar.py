"""Judging in place: what rows and the bar carry, who is told what was said, one verdict for many documents."""

import json

import pytest
from fastapi.testclient import TestClient

from ui.app import build_app
from ui.components.address import View, read_view
from ui.components.judge_selection import Pending, judge_menu, pending_html
from ui.components.judging_bar import SAYS, judge_switch, of_map, of_search, read_verdict, with_query
from ui.components.map_panel import distance_text, neighbour_row
from ui.components.map_view import MapView, read_map_view
from ui.components.results import Frame, hits_html
from workbench.errors import BadInput, NotFound
from workbench.judgments import Entry
from workbench.project import Project, Workspace
from workbench.types import Document, Hit, Query, Stage
from workbench.workflows import corpus, judging, judging_many, queries
from workbench.workflows.judging import Judge, Verdict
from workbench.workflows.judging_many import AT_ONCE, Many
from workbench.workflows.map import KnownQuery

NASTY = '"><script>alert(1)</script>'
TEXTS = ("red apples", "green pears", "blue plums", NASTY)
PLAIN = {"content-type": "application/octet-stream"}
CLIENT = "0123456789abcdef"


@pytest.fixture
def project(tmp_path) -> Project:
    """Four documents, d0 … d3; the query set “fruit” with the query “apple”, for which d0 is imported as grade 3."""
    opened = Workspace(tmp_path / "w").create("p")
    path, folder = tmp_path / "c.jsonl", tmp_path / "fruit"
    path.write_text("".join(json.dumps({"id": f"d{n}", "text": text}) + "\n" for n, text in enumerate(TEXTS)))
    corpus.import_corpus(opened, "c", path)
    (folder / "qrels").mkdir(parents=True)
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "apple"}\n{"_id": "q2", "text": "pear"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td0\t3\n")
    queries.import_queries(opened, "fruit", folder, "c")
    yield opened
    opened.close()


@pytest.fixture
def client(project, tmp_path) -> TestClient:
    return TestClient(build_app(tmp_path / "w"), base_url="http://127.0.0.1")


def said(client: TestClient, **values: str) -> dict:
    return client.get("/judging/p/said", params={"corpus": "c", **values}).json()


def write(client: TestClient, number: int, **values: object) -> dict:
    one = {"number": number, "labels": "labels", "annotator": "ann", **values}
    answer = client.post("/labelling/p/writes", content=json.dumps({"client": CLIENT, "writes": [one]}), headers=PLAIN)
    return answer.json()["results"][0]


# ── markup ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_row_carries_its_whole_id_escaped_and_empty_places():
    long = "x" * 400 + NASTY
    hit = Hit(1, 0.5, Document(long, "t", ordinal=7), {"bm25": Stage(1, 0.5)})
    markup = hits_html([hit], Frame("p", 1))
    assert f'data-doc="{"x" * 400}&quot;&gt;&lt;script&gt;' in markup and "<script" not in markup
    assert markup.count('<span class="wb-said"></span>') == markup.count('<div class="wb-judge"></div>') == 1
    near = neighbour_row(1, Document(NASTY, NASTY, ordinal=7), 0.25, Frame("p", 1))
    assert 'data-doc="&quot;&gt;&lt;script&gt;' in near and "<script" not in near
    assert f'<span class="wb-said"></span>{distance_text(0.25)}' in near and '<div class="wb-judge"></div>' in near


def test_the_switch_is_in_the_address():
    assert (
        read_view(View(query="a", judge=True).values()).judge and View(query="a", judge=True).values()["judge"] == "1"
    )
    assert "judge" not in View(query="a").values() and not read_view({"judge": "yes"}).judge
    assert read_map_view(MapView(map="m", judge=True).values()).judge and "judge" not in MapView(map="m").values()
    assert 'aria-pressed="true"' in judge_switch(True) and 'aria-pressed="false"' in judge_switch(False)


def test_the_bar_holds_the_query_in_hand(project):
    hand = of_search(project, "c", View(query=" apple ", query_set="fruit", at=0, judge=True))["hand"]
    assert (hand["text"], hand["set"], hand["at"], hand["on"]) == ("apple", "fruit", 0, True)
    assert "set" not in of_search(project, "c", View(query="apple", query_set="fruit"))["hand"]
    typed = of_search(project, "c", View(query="apple", image="0" * 32))["hand"]
    assert (typed["text"], typed["image"]) == ("", True)
    near = of_search(project, "c", View(like=1))["hand"]
    assert (near["text"], near["make"]) == ("", "green pears")
    assert of_search(project, "c", View(query="a", like=1))["hand"]["make"] == ""
    known = KnownQuery("fruit", "q2", "pear", 0, "queries-1/0.png")
    map_hand = of_map(project, "c", MapView(query="pear", image="0" * 32), known)["hand"]
    assert (map_hand["text"], map_hand["set"], map_hand["id"], map_hand["image"]) == ("pear", "fruit", "q2", False)


def test_a_document_becomes_a_query_that_is_kept(project):
    view = with_query(project, "c", View(like=1, query_set="fruit", at=1), 1)
    assert (view.query, view.like, view.at, view.judge) == ("green pears", 1, -1, True)
    name, query_id = judging.known_query(project, "c", "green pears") or ("", "")
    assert name == "c-typed" and queries.list_queries(project, "c-typed") == [Query(query_id, "green pears")]
    assert with_query(project, "c", MapView(map="m", pick=0), 0).query == "red apples"


def test_keys_are_verdicts():
    assert [read_verdict(code) for code in SAYS] == [
        *(Verdict(grade) for grade in range(4)),
        Verdict(0, is_hard_negative=True),
        Verdict(state="unrateable"),
        Verdict(state="later"),
    ]
    for wrong in ("", "4", "x", "00"):
        with pytest.raises(BadInput):
            read_verdict(wrong)


# ── who is told what ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_annotator_sees_their_own_verdicts_and_the_imported_grades(project, client):
    judging.judge(project, Judge("fruit", "ann"), judging.Pair("q1", "d1"), Verdict(0, is_hard_negative=True))
    judging.judge(project, Judge("fruit", "bob"), judging.Pair("q1", "d2"), Verdict(2, note="sweet"))
    ann, bob = said(client, q="apple", annotator="ann"), said(client, q="apple", annotator="bob")
    assert (ann["query_set"], ann["query_id"]) == ("fruit", "q1")
    assert {doc: each["is_hard_negative"] for doc, each in ann["said"].items()} == {"d1": True}
    assert bob["said"] == {"d2": {"relevance": 2, "is_hard_negative": False, "state": "judged", "note": "sweet"}}
    assert ann["imported"] == bob["imported"] == {"d0": 3}
    assert said(client, q="apple")["said"] == {}  # “me” has said nothing
    assert said(client, q="other", set="fruit", id="q1", annotator="bob")["said"].keys() == {"d2"}
    assert said(client, q="pear", set="fruit", at="1")["query_id"] == "q2"
    assert said(client, q="apple", set="fruit", at="1")["query_id"] == "q1"  # the text counts, not the place


def test_looking_keeps_no_query(project, client):
    assert said(client, q="never typed") == {
        "query_set": "", "query_id": "", "label_set": "labels", "said": {}, "imported": {},
    }  # fmt: skip
    assert [each.name for each in queries.list_query_sets(project)] == ["fruit"]
    answer = client.get("/judging/p/said", params={"corpus": "none", "q": "x"})
    assert answer.status_code == 404 and "none" in answer.json()["message"]
    assert client.get("/judging/p/said", params={"corpus": "c", "q": "x" * 10_001}).status_code == 400
    assert client.get("/judging/nothing/said", params={"corpus": "c", "q": "x"}).status_code == 404


def test_a_typed_query_is_kept_with_its_first_verdict(project, client):
    typed = {"corpus": "c", "text": "orange ", "doc": "d1"}
    first = write(client, 1, **typed, verdict={"relevance": 2})
    assert first["ok"] and first["set"] == "c-typed"
    assert write(client, 2, **typed, verdict={"relevance": 3})["query"] == first["query"]
    (kept,) = queries.list_queries(project, "c-typed")
    assert kept == Query(first["query"], "orange")
    assert judging.said(project, Judge("c-typed", "ann"), kept.query_id) == {"d1": Verdict(3)}
    # A text that a query set has is that query.
    known = write(client, 3, corpus="c", text="apple", doc="d2", verdict={"relevance": 1})
    assert (known["set"], known["query"]) == ("fruit", "q1")
    assert judging.said(project, Judge("fruit", "ann"), "q1") == {"d2": Verdict(1)}
    undone = write(client, 4, corpus="c", text="orange", step="undo")
    assert undone["pairs"] == [[kept.query_id, "d1"]] and undone["said"]["d1"]["relevance"] == 2
    refused = write(client, 5, corpus="c", text="orange", doc="nobody", verdict={"relevance": 1})
    assert not refused["ok"] and "nobody" in refused["message"]


# ── one verdict for many ─────────────────────────────────────────────────────────────────────────────────────────────


def test_many_are_previewed_then_judged_as_one_change(project):
    many = Many("c", [0, 1, 2], "apple", annotator="ann")
    judging.judge_many(project, Judge("fruit", "ann"), [Entry("q1", "d0", Verdict(0)), Entry("q1", "d1", Verdict(2))])
    preview = judging_many.preview_many(project, many, Verdict(0))
    assert (preview.selected, preview.new, preview.changed, preview.same) == (3, 1, 1, 1)
    by, done = judging_many.judge_selected(project, many, Verdict(0))
    assert by == Judge("fruit", "ann") and (done.changed, done.same) == (2, 1)
    assert set(judging.said(project, by, "q1").values()) == {Verdict(0)}
    assert {pair.doc_id for pair in judging.undo(project, by).pairs} == {"d1", "d2"}
    assert judging.said(project, by, "q1") == {"d0": Verdict(0), "d1": Verdict(2)}


def test_a_preview_keeps_no_query_but_judging_does(project):
    many = Many("c", [3, 1], "quince")
    assert judging_many.preview_many(project, many, Verdict(1)).new == 2
    assert judging.known_query(project, "c", "quince") is None
    by, _ = judging_many.judge_selected(project, many, Verdict(1))
    name, query_id = judging.known_query(project, "c", "quince") or ("", "")
    assert (by.query_set, name) == ("c-typed", "c-typed")
    assert judging.said(project, by, query_id) == {"d3": Verdict(1), "d1": Verdict(1)}


def test_too_many_none_and_no_query_are_refused(project):
    with pytest.raises(BadInput, match=r"2,001 documents are selected; at most 2,000 are judged in one step"):
        judging_many.preview_many(project, Many("c", range(AT_ONCE + 1), "apple"), Verdict(1))
    with pytest.raises(BadInput, match="No document is selected"):
        judging_many.judge_selected(project, Many("c", [], "apple"), Verdict(1))
    with pytest.raises(BadInput, match="no query to judge for"):
        judging_many.judge_selected(project, Many("c", [0], " "), Verdict(1))
    with pytest.raises(NotFound):
        judging_many.preview_many(project, Many("nothing", [0], "apple"), Verdict(1))


def test_the_menu_and_its_preview_escape_what_they_show():
    assert judge_menu(MapView(map="m"), 3) == ""
    markup = judge_menu(MapView(map="m", query=NASTY), 3)
    assert "3 selected documents" in markup and "<script" not in markup
    assert markup.count('data-do="judge-preview"') == len(SAYS) == 7
    waiting = pending_html(Pending("h", NASTY, "Judges 2 documents: 1 new.", 2))
    assert 'data-do="judge-selected"' in waiting and "Judge 2 documents as “hard negative”" in waiting
    assert "<script" not in waiting
    assert "judge-selected" not in pending_html(Pending("2", "me", "Judges 2 documents: 0 new.", 0))
    done = pending_html(Pending("2", "me", "2 documents judged “relevant”.", 2, "fruit", done=True))
    assert 'data-do="judge-undo"' in done and 'data-set="fruit"' in done
