"""Judging where documents are shown: hits by keys, neighbours against a query, a selection of a map in one change."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

pytestmark = pytest.mark.browser

CORPUS, COUNT = "verdicts", 120
TWO = json.dumps([{"retrievers": [{"encoder": "bm25", "index": "inverted"}]}] * 2)
SAVED = ".wb-jstate[data-state=saved]"


@pytest.fixture(scope="module")
def judged(site, tmp_path_factory) -> Iterator[dict[str, str]]:
    """A corpus of three topics with planted vectors, BM25 and a map."""
    from search_fixtures import add_embedding, planted, write_corpus

    from workbench.project import Workspace
    from workbench.specs import MapSpec
    from workbench.workflows import map as maps
    from workbench.workflows.corpus import delete_corpus, import_corpus
    from workbench.workflows.encode import encode_corpus

    project = Workspace(site.workspace).open(site.project)
    import_corpus(project, CORPUS, write_corpus(tmp_path_factory.mktemp("verdicts") / "v.jsonl", COUNT))
    add_embedding(project, CORPUS, planted(COUNT))
    encode_corpus(project, CORPUS, "bm25")
    spec = MapSpec(method="pca", clusters="kmeans", cluster_count=3)
    yield {"corpus": CORPUS, "map": maps.make_map(project, CORPUS, "planted", spec).map}
    delete_corpus(project, CORPUS)
    project.close()


@pytest.fixture
def stored(site):
    """What is stored of a typed query, by document id: “2”, “h”, “unrateable” …; who judged is “me” unless told."""
    from workbench.project import Workspace
    from workbench.workflows import judging

    project = Workspace(site.workspace).open(site.project)

    def read(text: str, annotator: str = "me") -> dict[str, str]:
        known = judging.known_query(project, CORPUS, text)
        if known is None:
            return {}
        found = judging.said(project, judging.Judge(known[0], annotator), known[1])
        return {doc: "h" if each.is_hard_negative else str(each.relevance if each.relevance is not None else each.state)
                for doc, each in found.items()}  # fmt: skip

    yield read
    project.close()


def searching(page, site, text: str, **values: str) -> None:
    page.goto(site.page("/search", corpus=CORPUS, q=quote(text), **values))
    page.wait_for_selector("#hits-0 .wb-row")


def verdicts(page, column: int = 0) -> dict[str, str]:
    rows = page.locator(f"#hits-{column} .wb-row[data-verdict]")
    return dict(rows.evaluate_all("rows => rows.map(row => [row.dataset.doc, row.dataset.verdict])"))


def docs(page, where: str = "#hits-0") -> list[str]:
    return page.locator(f"{where} .wb-row").evaluate_all("rows => rows.map(row => row.dataset.doc)")


def press(page, keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def unjudged(page) -> list[str]:
    return page.locator(".wb-unjudged").evaluate_all("cells => cells.map(cell => cell.dataset.text)")


def test_hits_are_judged_by_keys_in_all_columns_and_stay(page, site, judged, stored) -> None:
    searching(page, site, "bread word8", cols=quote(TWO))
    page.wait_for_selector("#hits-1 .wb-row")
    assert page.locator(".wb-judge button").count() == 0 and set(unjudged(page)) == {""}
    page.locator("[data-do=judge]").click()
    page.wait_for_selector("#hits-1 .wb-judge button")
    first = docs(page)
    assert first == docs(page, "#hits-1") and len(first) == 10
    assert unjudged(page) == ["10 of 10 unjudged"] * 2
    press(page, "j3jhj0juj2l")  # the last of two for one document counts
    page.wait_for_selector(SAVED)
    expected = dict(zip(first[:5], "3h0ul", strict=True))
    assert verdicts(page) == verdicts(page, 1) == expected
    assert unjudged(page) == ["7 of 10 unjudged"] * 2  # unrateable and later are not judged
    names = {"u": "unrateable", "l": "later"}
    assert stored("bread word8") == {doc: names.get(code, code) for doc, code in expected.items()}

    page.locator("#q textarea, #q input").first.click()
    press(page, "3h0")  # nothing is judged from a field
    page.locator("body").click(position={"x": 5, "y": 300})
    page.keyboard.press("Control+z")
    page.wait_for_function("document.querySelector('.wb-jnote').textContent.startsWith('Undone')")
    page.wait_for_selector(f"#hits-0 [data-doc={first[4]}][data-verdict='2']")
    assert stored("bread word8")[first[4]] == "2"
    page.keyboard.press("Control+z")
    page.wait_for_function(f"!document.querySelector('#hits-0 [data-doc={first[4]}]').dataset.verdict")
    page.keyboard.press("Control+Shift+Z")
    page.wait_for_selector(f"#hits-1 [data-doc={first[4]}][data-verdict='2']")

    page.reload()
    page.wait_for_selector(f"#hits-0 [data-doc={first[4]}][data-verdict='2']")
    page.wait_for_selector("#hits-1 .wb-row[data-verdict]")
    assert verdicts(page) == verdicts(page, 1) == dict(zip(first[:5], "3h0u2", strict=True))
    page.locator("[data-do=judge]").click()
    page.wait_for_function("!document.querySelector('.wb-judge button')")
    page.wait_for_function("!location.search.includes('judge=')")
    assert verdicts(page) == dict(zip(first[:5], "3h0u2", strict=True))  # seen also while nobody judges
    press(page, "j1")
    assert len(verdicts(page)) == 5 and len(stored("bread word8")) == 5


def test_buttons_take_back_and_another_annotator_starts_empty(page, site, judged, stored) -> None:
    searching(page, site, "water word4", judge="1")
    row = page.locator("#hits-0 .wb-row").nth(2)
    doc = row.get_attribute("data-doc")
    row.locator("[data-code='1']").click()
    page.wait_for_selector(SAVED)
    assert stored("water word4") == {doc: "1"} and row.get_attribute("data-cursor") is not None
    assert page.locator("#document .wb-document").count() == 0  # a button opens nothing
    row.locator(".wb-jback").click()
    page.wait_for_function("document.querySelector('.wb-jstate').dataset.state === 'saved'")
    page.wait_for_function(f"!document.querySelector('#hits-0 [data-doc={doc}]').dataset.verdict")
    page.wait_for_timeout(200)
    assert stored("water word4") == {}
    row.locator("[data-code=h]").click()
    page.wait_for_selector(SAVED)
    page.locator("#judging input").fill("Ann")
    page.locator("#judging input").press("Enter")
    page.wait_for_function("!document.querySelector('#hits-0 .wb-row[data-verdict]')")
    page.locator("#judging input").blur()
    row.locator("[data-code='2']").click()
    page.wait_for_selector(f"#hits-0 [data-doc={doc}][data-verdict='2']")
    page.wait_for_timeout(300)
    assert (stored("water word4"), stored("water word4", "Ann")) == ({doc: "h"}, {doc: "2"})
    page.evaluate("localStorage.removeItem('wb.annotator')")


def test_what_cannot_be_sent_is_sent_later(page, site, judged, stored) -> None:
    searching(page, site, "music word9", judge="1")
    page.route("**/labelling/**", lambda route: route.abort())
    press(page, "j2")
    page.wait_for_selector(".wb-jstate[data-state=failed]")
    assert "1 unsaved" in page.locator(".wb-jstate").inner_text() and stored("music word9") == {}
    doc = docs(page)[0]
    page.reload()  # what waits is shown, and still waits
    page.wait_for_selector(f"#hits-0 [data-doc={doc}][data-verdict='2']")
    page.unroute("**/labelling/**")
    page.reload()
    page.wait_for_selector(SAVED)
    assert stored("music word9") == {doc: "2"}


def test_neighbours_are_judged_against_a_query_made_from_their_document(page, site, judged, stored) -> None:
    page.goto(site.page("/search", corpus=CORPUS, encoder="planted", like="4", judge="1"))
    page.wait_for_selector("#hits-0 .wb-row")
    page.locator("#judging [data-make]", has_text="Water 4").click()
    page.wait_for_selector("#hits-0 .wb-judge button")
    press(page, "j1")
    page.wait_for_selector(SAVED)
    assert stored("Water 4") == {docs(page)[0]: "1"}
    assert page.locator("#q textarea, #q input").first.input_value() == "Water 4"


def test_neighbours_beside_the_map_are_judged(page, site, judged, stored) -> None:
    page.goto(site.page("/map", corpus=CORPUS, map=judged["map"], doc="7", q="watery", judge="1"))
    page.wait_for_selector("#document .wb-neighbours .wb-judge button")
    near = docs(page, "#document .wb-neighbours")
    page.locator("#document .wb-neighbours .wb-row").nth(1).locator("[data-code='3']").click()
    page.wait_for_selector(SAVED)
    assert stored("watery") == {near[1]: "3"}
    # What was judged is marked on the map, without a reload.
    page.wait_for_selector("#map-judged .wb-marks .wb-mark.positive")
    assert page.locator("#map-judged .wb-marks li").all_inner_texts() == ["Relevant\n1"]


def test_a_selection_is_judged_as_one_change_after_a_preview(page, site, judged, stored) -> None:
    page.goto(site.page("/map", corpus=CORPUS, map=judged["map"], q="water%20chosen", judge="1"))
    page.wait_for_selector("#map-left .wb-map-host[data-ready]")
    page.wait_for_selector("#document .wb-judge button")
    page.locator("#document .wb-row [data-code='3']").first.click()
    page.wait_for_selector(SAVED)
    before = stored("water chosen")
    page.locator("#map-left [data-tool=box]").click()
    box = page.locator("#map-left canvas").first.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] - 8, steps=5)
    page.mouse.up()
    page.wait_for_selector("#map-selection .wb-selected")
    count = int(page.locator("#map-selection .wb-selected > b").inner_text())
    page.locator("#wb-judgeas > summary").click()
    page.locator("#wb-judgeas [data-code=h]").click()
    note = page.locator("#map-selection .note")
    note.wait_for()
    assert f"Judges {count} documents" in note.inner_text() and stored("water chosen") == before
    page.locator("[data-do=judge-selected]").click()
    page.locator("[data-do=judge-undo]").wait_for()
    after = stored("water chosen")
    assert sum(code == "h" for code in after.values()) == count > 1
    page.wait_for_function("document.querySelectorAll('#document .wb-row[data-verdict=h]').length > 0")
    page.keyboard.press("Control+z")
    page.wait_for_function("document.querySelector('.wb-jnote').textContent.startsWith('Undone')")
    assert stored("water chosen") == before
