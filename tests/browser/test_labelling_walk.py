"""From the keys to the training file: fifty verdicts over ten queries, five taken back, a reload, an export.

What came of it is read from disk alone: the file, and the database as another program reads it.
"""

import json
import sqlite3

import pytest
from label_support import NOW, QUERIES, WORDS, notes_project, open_label, press, saved

pytestmark = pytest.mark.browser

# Of the last two queries seven and three: so taking five back goes over from one query into the other.
SPREAD = [5] * 8 + [7, 3]
KEYS = "302h1"
VERDICTS = {"0": (0, 0), "1": (1, 0), "2": (2, 0), "3": (3, 0), "h": (0, 1)}
TEXTS = {f"n{n}": f"Note {n} {WORDS} note{n} {'and ' * n}".strip() for n in range(12)}


@pytest.fixture(scope="module")
def walked(site, tmp_path_factory):
    with notes_project(site.workspace, "walked", tmp_path_factory.mktemp("walk")) as made:
        yield made.folder


def from_database(folder, query):
    connection = sqlite3.connect(f"file:{folder / 'project.db'}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def labelled(page):
    """Every verdict by its key alone; what was said: (query, document) → key, in order."""
    said = {}
    for n, candidates in enumerate(SPREAD):
        page.wait_for_selector(f".lb[data-query=q{n}] {NOW}")
        for _ in range(candidates):
            judged, key = page.locator(NOW).get_attribute("data-doc"), KEYS[len(said) % 5]
            said[f"q{n}", judged] = key
            page.keyboard.press(key)
            page.wait_for_selector(f"{NOW}:not([data-doc={judged}])")
        page.keyboard.press("ArrowRight")
    return said


def take_back(page):
    for _ in range(3):
        press(page, "Control+z")
    assert page.locator(".lb").get_attribute("data-query") == "q9"
    press(page, "Control+z")
    page.wait_for_selector(".lb[data-query=q8]")
    press(page, "Control+z")
    page.wait_for_function("document.querySelectorAll(\".lb-card:not([data-verdict=''])\").length === 5")
    saved(page)


def exported(page):
    """The export by keys: FlagEmbedding is what the form offers first."""
    page.locator("[data-do=export-labels]").press("Enter")
    page.wait_for_selector("dialog.xl .xl-format[data-format=flagembedding][aria-checked=true]")
    page.locator(".xl [data-do=export]").press("Enter")
    page.wait_for_selector(".xl-report .chip.ok")
    return page.locator(".xl-report header b").inner_text()


def row(query, said):
    """The row of a query as FlagEmbedding reads it: positives by grade, negatives hard ones first, ties by id."""
    of_query = {document: VERDICTS[key] for (name, document), key in said.items() if name == query}
    positives = sorted(
        (document for document, (grade, _) in of_query.items() if grade), key=lambda d: (-of_query[d][0], d)
    )
    negatives = sorted(
        (document for document in of_query if document not in positives), key=lambda d: (-of_query[d][1], d)
    )
    return {
        "query": QUERIES[int(query[1:])], "query_id": query, "type": "normal",
        "pos": [TEXTS[each] for each in positives], "pos_id": positives,
        "neg": [TEXTS[each] for each in negatives], "neg_id": negatives,
    }  # fmt: skip


def test_fifty_verdicts_by_keys_five_taken_back_a_reload_and_an_export(page, site, walked):
    open_label(page, site, "walked", "ann", set="ten")
    said = labelled(page)
    assert len(said) == 50
    saved(page)
    take_back(page)
    page.reload()
    page.wait_for_selector(f".lb[data-query=q8] {NOW}")
    assert page.locator(".lb-card:not([data-verdict=''])").count() == 5
    name = exported(page)
    assert name == "ten-flagembedding.jsonl"

    left = dict(list(said.items())[:45])
    stored = from_database(
        walked,
        "SELECT query_id, doc_id, relevance, is_hard_negative, state, label_set, annotator, source FROM judgments",
    )
    assert len(stored) == 45
    assert {(query, document): tuple(rest) for query, document, *rest in stored} == {
        pair: (*VERDICTS[key], "judged", "labels", "ann", "person") for pair, key in left.items()
    }
    status = dict(from_database(walked, "SELECT status, count(*) FROM judgment_events GROUP BY status"))
    assert status == {"done": 45, "undone": 5}

    written = [json.loads(line) for line in (walked / "exports" / name).read_text().splitlines()]
    # Nine rows: of the tenth query nothing is left. Every query's five verdicts are three positives, two negatives.
    assert [each["query_id"] for each in written] == [f"q{n}" for n in range(9)]
    assert [(len(each["pos"]), len(each["neg"])) for each in written] == [(3, 2)] * 9
    assert written == [row(f"q{n}", left) for n in range(9)]
    manifest = json.loads((walked / "exports" / f"{name}.manifest.json").read_text())
    assert (manifest["rows"], manifest["queries"], manifest["left_out"]) == (9, 9, {})
    assert [(each["name"], each["kind"]) for each in manifest["label_sets"]] == [("labels", "person")]
