"""The Review page as a reviewer uses it: suspects, proposals and disagreements decided by key, then read back."""

import json
import re

import pytest

from workbench import judgments, label_sets, query_sets
from workbench.judgments import Entry, Pair, Verdict
from workbench.project import Workspace
from workbench.workflows import corpus, judging
from workbench.workflows.encode import encode_corpus
from workbench.workflows.judging import Judge
from workbench.workflows.suspects import KEPT

pytestmark = pytest.mark.browser

HARD = Verdict(0, True)
ROWS = [
    ("robin", "A small bird with a red breast that sings in winter gardens."),
    ("robin2", "A small bird, with a red breast, that sings in winter gardens!"),
    ("robin3", "A small bird with a red breast that sings in winter gardens often."),
    ("owl", "A pale owl that hunts mice over meadows at night without a sound."),
    ("wren", "<script>window.broken = 1</script> A tiny brown <b>bird</b> with a loud song."),
    ("swift", "It sleeps in the air and screams around towers on summer evenings."),
]
NOW = ".rv-card[data-now]"


@pytest.fixture(autouse=True)
def forgotten(page, site):
    """The tests share a browser: what it remembers of one (the annotator's name) is nothing for the next."""
    page.goto(f"{site.url}/wb-assets/style.css")
    page.evaluate("localStorage.clear()")


@pytest.fixture
def garden(site, tmp_path):
    """A project with two queries, a mined set of four proposals, and qrels; each test has its own."""
    name = tmp_path.name.replace("_", "-")[:40]
    made = Workspace(site.workspace).create(name)
    (tmp_path / "c.jsonl").write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in ROWS))
    (tmp_path / "q.jsonl").write_text('{"id": "q1", "text": "red bird"}\n{"id": "q2", "text": "night <i>hunter</i>"}\n')
    corpus.import_corpus(made, "garden", tmp_path / "c.jsonl")
    corpus.import_queries(made, "two", tmp_path / "q.jsonl", "garden")
    encode_corpus(made, "garden", "bm25")
    info = query_sets.find(made.db, "two")
    label_sets.make(made.db, info.id, "qrels", "qrels", {})
    judgments.store(made.db, info, "qrels", "qrels", [Entry("q1", "robin", Verdict(1)), Entry("q2", "owl", Verdict(1))])
    label_sets.make(made.db, info.id, "mined", "proposed", {"seed": 0})
    pairs = [("q1", "robin2"), ("q1", "robin3"), ("q1", "wren"), ("q2", "swift")]
    entries = [Entry(*pair, HARD, {"miner": "bm25", "rank": n, "score": 2.5}) for n, pair in enumerate(pairs, 1)]
    judgments.store(made.db, info, "mined", "miner", entries)
    yield made
    made.close()
    Workspace(site.workspace).delete(name)


def said(project, annotator="me"):
    found = {}
    for query_id in ("q1", "q2"):
        mine = judging.said(project, Judge("two", annotator), query_id)
        found |= {Pair(query_id, doc_id): verdict for doc_id, verdict in mine.items()}
    return found


def opened(page, site, project, part):
    page.goto(site.page("/review", project=project.name, corpus="garden", set="two", part=part))
    page.wait_for_selector(".rv[data-shown]")


def doc(page):
    return page.locator(NOW).get_attribute("data-doc")


def saved(page):
    page.wait_for_selector(".rv-saved[data-state=saved]")


def done(page, text):
    page.wait_for_function("text => document.querySelector('.rv-done').textContent === text", arg=text)


def test_suspects_are_searched_decided_by_key_and_taken_back_after_a_reload(page, site, garden):
    opened(page, site, garden, "suspects")
    assert "really relevant" in page.locator(".rv-pool h2").inner_text()
    page.locator(".rv-pool [data-do=search]").click()
    page.wait_for_selector(".rv-card", timeout=60_000)
    done(page, "0 / 2 decided")
    first = page.locator(NOW)
    assert doc(page) == "robin2" and "same text" in first.locator(".rv-reasons").inner_text()
    assert first.locator(".rv-positive").inner_text().count("robin") and first.locator("mark").count() > 1
    page.keyboard.press("p")
    assert doc(page) == "robin3"
    page.keyboard.press("k")
    done(page, "2 / 2 decided")
    saved(page)
    assert said(garden) == {
        Pair("q1", "robin2"): Verdict(1), Pair("q1", "robin3"): Verdict(0, True, note=KEPT),
    }  # fmt: skip
    opened(page, site, garden, "suspects")
    assert "All 2 cases decided" in page.locator(".rv-pool").inner_text()
    page.keyboard.press("Control+z")
    page.wait_for_selector(".rv-card[data-doc=robin3]")
    done(page, "1 / 2 decided")
    assert set(said(garden)) == {Pair("q1", "robin2")}
    page.keyboard.press("s")
    assert page.locator(".rv-word").inner_text() == "passed over"
    assert "That is all there is." in page.locator(".rv-told").inner_text()
    assert set(said(garden)) == {Pair("q1", "robin2")}


def test_proposals_are_accepted_rejected_and_relabelled(page, site, garden):
    opened(page, site, garden, "proposals")
    done(page, "0 / 4 reviewed")
    assert "mined: bm25, rank 1, score 2.500" in page.locator(NOW).inner_text()
    for key, then in (("a", "robin3"), ("x", "wren"), ("2", "swift")):
        page.keyboard.press(key)
        page.wait_for_selector(f"{NOW}[data-doc={then}]")
    done(page, "3 / 4 reviewed")
    saved(page)
    assert page.evaluate("window.broken") is None and page.locator(".rv-card b b").count() == 0
    rejected = Verdict(state="skipped", note="Rejected as a hard negative.")
    assert said(garden) == {
        Pair("q1", "robin2"): HARD, Pair("q1", "robin3"): rejected, Pair("q1", "wren"): Verdict(2),
    }  # fmt: skip
    info = query_sets.find(garden.db, "two")
    (kept,) = judgments.of_query(garden.db, info.id, "q1", "labels")[:1]
    assert kept.provenance == {"miner": "bm25", "rank": 1, "score": 2.5, "proposed_in": "mined"}
    page.keyboard.press("Control+z")
    page.wait_for_selector(f"{NOW}[data-doc=wren]:not([data-decided])")
    page.keyboard.press("Control+Shift+Z")
    page.wait_for_selector(".rv-card[data-doc=wren][data-decided]")
    page.locator("[data-view=state]").select_option("rejected")
    page.wait_for_selector(".rv-card:only-child")
    assert doc(page) == "robin3" and "state=rejected" in page.url
    page.reload()
    page.wait_for_selector(".rv-card:only-child[data-decided]")
    page.locator(".rv-annotator").fill("Ada")
    page.locator(".rv-annotator").press("Enter")
    done(page, "0 / 4 reviewed")


def test_a_key_in_a_field_decides_nothing_and_a_lost_connection_loses_nothing(page, site, garden):
    opened(page, site, garden, "proposals")
    page.locator(".rv-annotator").press("x")
    assert page.locator(".rv-card[data-decided]").count() == 0
    page.locator(".rv-annotator").fill("")
    page.locator(".rv-done").click()
    page.route("**/labelling/**", lambda route: route.abort())
    page.keyboard.press("a")
    page.wait_for_selector(".rv-saved[data-state=failed]")
    assert page.locator(".rv-card[data-decided]").count() == 1 and said(garden) == {}
    page.unroute("**/labelling/**")
    saved(page)
    assert said(garden) == {Pair("q1", "robin2"): HARD}


def test_disagreements_are_settled_by_key_and_agreement_is_told(page, site, garden):
    for name, grades in (("Ada", (3, 0, 1)), ("Bob", (3, 2, 0))):
        for doc_id, grade in zip(("robin", "robin2", "wren"), grades, strict=True):
            judging.judge(garden, Judge("two", name), Pair("q1", doc_id), Verdict(grade))
    opened(page, site, garden, "disagreements")
    done(page, "0 / 2 decided")
    assert doc(page) == "robin2"
    assert re.split(r"\s+", page.locator(f"{NOW} .rv-who").inner_text().strip()) == ["Ada", "0", "Bob", "2"]
    page.keyboard.press("2")
    page.wait_for_selector(f"{NOW}[data-doc=wren]")
    saved(page)
    assert judging.said(garden, Judge("two", "adjudicated", "final"), "q1") == {"robin2": Verdict(2)}
    page.keyboard.press("Control+z")
    page.wait_for_selector(f"{NOW}[data-doc=robin2]:not([data-decided])")
    assert judging.said(garden, Judge("two", "adjudicated", "final"), "q1") == {}
    page.locator("[data-do=resolve]").click()
    page.wait_for_function("document.querySelector('.rv-note').textContent.includes('1 relevant')")
    page.get_by_role("tab", name="Agreement", exact=True).click()
    page.wait_for_selector(".rv-figures")
    assert "33%" in page.locator(".rv-figures").inner_text() and "Cohen" in page.locator(".rv-tables").inner_text()
    assert page.locator("table.grid tbody tr").first.inner_text().split() == [
        "Ada",
        "Bob",
        "3",
        "33%",
        "0.143",
        "0.483",
        "0",
        "/",
        "0",
    ]


def test_places_without_anything_say_what_they_are_for(page, site, garden):
    opened(page, site, garden, "disagreements")
    assert "No disagreements" in page.locator(".rv-pool").inner_text()
    page.goto(site.page("/review"))
    page.wait_for_selector("#review .empty")
    assert "no query set yet" in page.locator("#review").inner_text()
    page.goto(site.page("/review", project="bare", corpus=""))
    page.wait_for_selector("#review .empty")
