"""The Search page with several columns: each arrives by itself, ranks and traces, sliders, links, a query set."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from browser_support import ROOT, Site, birds_file, free_port, wait_for

pytestmark = pytest.mark.browser

SLOW_DEPTH = 77
BM25 = {"retrievers": [{"encoder": "bm25", "index": "inverted"}]}
PLAIN = {"retrievers": [{"encoder": "plain", "index": "inverted"}]}
BOTH = {"retrievers": [*BM25["retrievers"], *PLAIN["retrievers"]], "fusion": {"method": "combsum"}}
SLOW = {**BM25, "depth": SLOW_DEPTH}
WRONG = {"retrievers": [{"encoder": "nowhere"}]}
QUERIES = [("q1", "a bird that catches fish", {"b3": 2, "b4": 1, "b8": 0}), ("q2", "owl", {"b2": 1})]

# The app with a search that waits on a file: a column of depth 77 is answered only once the file is there.
SLOW_APP = f"""
import sys, time
from pathlib import Path
import uvicorn
from ui.app import build_app
from ui.components import column_answer
from workbench.workflows import search as searching
gate, search = Path(sys.argv[3]), searching.search
def waits(project, corpus, query, pipeline, k=10, filters=()):
    while pipeline.depth == {SLOW_DEPTH} and not gate.exists():
        time.sleep(0.02)
    return search(project, corpus, query, pipeline, k, filters)
column_answer.searching.search = waits
uvicorn.run(build_app(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slow column's answer comes once this file exists."""
    return tmp_path_factory.mktemp("gate") / "open"


@pytest.fixture(scope="module")
def site(gate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An app of its own: the eight birds with two lexical encoders and a query set."""
    from workbench.project import Workspace
    from workbench.workflows import corpus, encode, queries

    workspace, source = tmp_path_factory.mktemp("workspace"), tmp_path_factory.mktemp("source")
    project = Workspace(workspace).create("birds")
    corpus.import_corpus(project, "aviary", birds_file(source))
    encode.encode_corpus(project, "aviary", "bm25")
    encode.encode_corpus(project, "aviary", {"kind": "bm25", "name": "plain", "k1": 0.0, "stopwords": "none"})
    rows = "".join(json.dumps({"_id": id, "text": text}) + "\n" for id, text, _ in QUERIES)
    (source / "queries.jsonl").write_text(rows)
    judged = [f"{id}\t{doc}\t{grade}\n" for id, _, grades in QUERIES for doc, grade in grades.items()]
    (source / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(judged))
    queries.import_queries(project, "watching", source / "queries.jsonl", "aviary", qrels=source / "qrels.tsv")
    project.close()
    port, log = free_port(), tmp_path_factory.mktemp("log") / "app.log"
    command = [sys.executable, "-c", SLOW_APP, str(workspace), str(port), str(gate)]
    with log.open("wb") as output:
        app = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, app, log)
        yield Site(url, workspace)
    finally:
        app.terminate()
        app.wait(30)


def opened(page, site: Site, *columns: object, **values: str) -> None:
    page.goto(site.page("/search", cols=quote(json.dumps(columns)), **values))


def titles(page, n: int) -> list[str]:
    return page.locator(f"#hits-{n} .wb-title").all_inner_texts()


def rows_of(n: int) -> str:
    return f"#hits-{n} .wb-row"


def parameters(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def columns_in(page) -> list:
    return json.loads(parameters(page)["cols"])


def test_a_slow_column_holds_up_no_other_and_a_wrong_one_says_why(page, site, gate) -> None:
    gate.unlink(missing_ok=True)
    opened(page, site, BM25, SLOW, WRONG, BOTH, q="fish")
    for n in (0, 3):
        page.wait_for_selector(rows_of(n))
    page.wait_for_selector("#hits-2 .note.bad")
    assert "nowhere" in page.locator("#hits-2 .note.bad").inner_text()
    assert page.locator(rows_of(1)).count() == 0
    page.wait_for_selector("#hits-1 .wb-listing[data-busy]", state="attached")
    gate.touch()
    page.wait_for_selector(rows_of(1))
    assert titles(page, 1) == titles(page, 0)
    page.wait_for_selector("#hits-1 .wb-listing:not([data-busy])", state="attached")


def test_ranks_traces_and_agreement_against_the_first_column(page, site) -> None:
    opened(page, site, BM25, PLAIN, BOTH, q="a bird that catches fish in the river at night", k="4")
    for n in range(3):
        page.wait_for_selector(rows_of(n))
    page.wait_for_function("document.querySelector('#hits-2 [data-say=overlap]')?.dataset.text?.includes('RBO')")
    first = page.locator(rows_of(0)).evaluate_all("rows => rows.map(row => row.dataset.ordinal)")
    for n in (1, 2):
        shown = page.locator(rows_of(n)).evaluate_all(
            "rows => rows.map(row => [row.dataset.ordinal, row.querySelector('.wb-delta').dataset.text])"
        )
        for rank, (ordinal, delta) in enumerate(shown):
            by = first.index(ordinal) - rank if ordinal in first else None
            assert delta == ("new" if by is None else f"▲{by}" if by > 0 else f"▼{-by}" if by < 0 else "=")
    sets = [set(page.locator(rows_of(n)).evaluate_all("rows => rows.map(r => r.dataset.ordinal)")) for n in range(3)]
    said = page.locator("#hits-2 [data-say=shared]").get_attribute("data-text")
    assert said == f"common {len(set.intersection(*sets))} · only here {len(sets[2] - sets[0] - sets[1])}"
    overlap = len(sets[0] & sets[2]) / 4
    assert page.locator("#hits-2 [data-say=overlap]").get_attribute("data-text").startswith(f"overlap@4 {overlap:.2f} ")
    trace = page.locator("#hits-2 .wb-trace").first.get_attribute("title")
    assert trace.startswith("bm25 · inverted ") and trace.endswith("combsum 1") and trace.count("→") == 2


def test_hovering_marks_the_document_everywhere_and_lines_join_it(page, site) -> None:
    opened(page, site, BM25, PLAIN, q="fish")
    for n in range(2):
        page.wait_for_selector(rows_of(n))
    row = page.locator(rows_of(0)).first
    ordinal = row.get_attribute("data-ordinal")
    row.hover()
    page.wait_for_selector(f"#hits-1 .wb-row[data-twin][data-ordinal='{ordinal}']")
    assert page.locator(".wb-row[data-twin]").count() == 2
    page.locator("[data-lines]").check()
    page.wait_for_selector(".wb-lines path", state="attached")
    shared = set(page.locator(rows_of(0)).evaluate_all("rows => rows.map(r => r.dataset.ordinal)"))
    shared &= set(page.locator(rows_of(1)).evaluate_all("rows => rows.map(r => r.dataset.ordinal)"))
    assert page.locator(".wb-lines path").count() == len(shared)
    page.locator("[data-lines]").uncheck()
    page.wait_for_selector(".wb-lines", state="detached")


def test_a_slider_joins_again_and_the_address_follows(page, site) -> None:
    opened(page, site, BM25, BOTH, q="a bird that catches fish in the river at night")
    page.wait_for_selector(rows_of(1))
    page.locator("#head-1 .wb-edit > summary").click()
    before = page.locator("#hits-1 .wb-score b").all_inner_texts()
    slider = page.locator("#head-1 [data-tune='weights.0']")
    slider.evaluate("e => { e.value = 0; e.dispatchEvent(new Event('input', {bubbles: true})); }")
    page.wait_for_function(
        "old => [...document.querySelectorAll('#hits-1 .wb-score b')].map(b => b.innerText).join() !== old",
        arg=",".join(before),
    )
    page.wait_for_function("decodeURIComponent(location.search).includes('\"weights\":[0.0,1.0]')")
    assert columns_in(page)[1]["fusion"]["weights"] == [0, 1]
    # With no weight on the first, the order is the second's own.
    page.locator("#head-0 .wb-pipe").select_option(label="plain · inverted")
    page.wait_for_function('decodeURIComponent(location.search).includes(\'[{"retrievers":[{"encoder":"plain"\')')
    page.wait_for_function(
        "() => { const t = n => [...document.querySelectorAll(`#hits-${n} .wb-title`)].map(e => e.innerText);"
        " return t(0).length && t(1).slice(0, t(0).length).join() === t(0).join(); }"
    )


def test_columns_are_edited_added_and_removed(page, site) -> None:
    opened(page, site, BM25, PLAIN, q="fish")
    page.wait_for_selector(rows_of(1))
    page.locator("#head-0 [data-do=duplicate]").click()
    page.wait_for_selector(rows_of(2))
    assert [each["retrievers"][0]["encoder"] for each in columns_in(page)] == ["bm25", "bm25", "plain"]
    page.locator("#head-1 .wb-edit > summary").click()
    page.locator("#head-1 [data-change=add]").select_option(label="plain · inverted")
    page.wait_for_selector("#head-1 [data-tune='weights.1']")
    page.locator("#head-1 [data-field='fusion.method']").select_option("minmax")
    page.wait_for_function("location.search.includes('minmax')")
    assert columns_in(page)[1]["fusion"] == {"method": "minmax"}
    assert "sum" not in page.locator("#head-1 [data-field='fusion.method'] option").evaluate_all(
        "all => all.map(each => each.value)"
    )
    page.locator("#head-0 [data-do=remove]").click()
    page.wait_for_selector("#head-2 .wb-colhead", state="detached")
    page.locator("#head-0 .wb-edit > summary").click()
    page.locator("#head-0 [data-do=drop]").first.click()
    page.wait_for_function("!location.search.includes('minmax')")
    assert [each["retrievers"][0]["encoder"] for each in columns_in(page)] == ["plain", "plain"]


def test_a_saved_pipeline_and_a_saved_comparison_come_back(page, site) -> None:
    opened(page, site, BM25, BOTH, q="fish", k="5", filters=quote('[["place","=","river"]]'))
    page.wait_for_selector(rows_of(1))
    page.locator("#head-1 .wb-menu > summary").click()
    page.locator("#head-1 .wb-menu input").fill("<both>")
    page.locator("#head-1 [data-do=save]").click()
    page.wait_for_function("decodeURIComponent(location.search).includes('<both>')")
    page.locator(".wb-saved > summary").click()
    page.locator(".wb-saved input").fill("rivers")
    page.locator(".wb-saved input").press("Enter")
    page.wait_for_function("location.search.includes('view=')")
    link, shown = page.url, [titles(page, n) for n in range(2)]
    assert set(parameters(page)) == {"project", "corpus", "view"}
    page.goto(link)
    page.wait_for_selector(rows_of(1))
    assert [titles(page, n) for n in range(2)] == shown and shown[0]
    assert page.locator("#q textarea, #q input").input_value() == "fish"
    assert page.locator("#k input").input_value() == "5"
    assert page.locator("#wb-filters .wb-chip").count() == 1
    assert page.locator("#head-1 .wb-pipe option:checked").inner_text() == "<both>"
    assert page.url == link
    page.locator(".wb-saved > summary").click()
    assert page.locator(".wb-links a").all_inner_texts() == ["rivers"]


def test_keys_step_through_a_query_set_and_judged_documents_wear_their_grade(page, site) -> None:
    opened(page, site, BM25, PLAIN)
    page.wait_for_selector("#front .wb-examples button")
    page.locator("body").click(position={"x": 5, "y": 700})
    page.keyboard.press("]")
    page.wait_for_selector(rows_of(1))
    assert page.locator("#q textarea, #q input").input_value() == "a bird that catches fish"
    assert page.locator(".wb-stepper b").inner_text() == "1 / 2"
    grades = page.locator(rows_of(0)).evaluate_all(
        "rows => Object.fromEntries(rows.map(r => [r.dataset.doc, r.querySelector('.wb-grade')?.innerText]))"
    )
    assert grades["b3"] == "2" and grades["b4"] == "1"
    assert [id for id, grade in grades.items() if grade is None]
    page.keyboard.press("]")
    page.wait_for_function("document.querySelector('#q textarea, #q input').value === 'owl'")
    assert page.locator("[data-hot=']']").is_disabled()
    page.keyboard.press("[")
    page.wait_for_function("document.querySelector('.wb-stepper b').innerText === '1 / 2'")
    assert parameters(page)["set"] == "watching" and parameters(page)["at"] == "1"


def test_keys_move_between_columns(page, site) -> None:
    opened(page, site, BM25, PLAIN, q="fish")
    for n in range(2):
        page.wait_for_selector(rows_of(n))
    where = (
        "[0, 1].map(n => [...document.querySelectorAll(`#hits-${n} .wb-row`)]"
        ".findIndex(row => row.hasAttribute('data-cursor')))"
    )
    page.locator("body").click(position={"x": 5, "y": 700})
    page.keyboard.press("j")
    assert page.evaluate(where) == [0, -1]
    page.keyboard.press("l")
    at = titles(page, 1).index(titles(page, 0)[0])
    assert page.evaluate(where) == [-1, at]
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(where) == [0, -1]
    page.keyboard.press("Enter")
    page.wait_for_selector("#document h2")
    assert page.locator("#document h2").inner_text() == titles(page, 0)[0]


def test_why_a_hit_was_found(page, site) -> None:
    opened(page, site, BM25, q="owl")
    page.locator("#hits-0 .wb-title").first.click()
    page.locator("#document [data-act=why]").first.click()
    page.wait_for_selector("#document .wb-terms")
    assert "owl" in page.locator("#document .wb-terms").inner_text()


def test_a_first_visitor_compares_and_a_wrong_link_is_told(page, site) -> None:
    page.goto(site.page("/search"))
    page.wait_for_selector("#front .wb-examples button")
    page.locator("#front .wb-examples button").first.click()
    page.wait_for_selector(rows_of(0))
    page.goto(site.page("/search", cols=quote('[{"retrievers":[{"encodr":"bm25"}]}]'), q="owl"))
    page.get_by_text("The link's columns could not be read").wait_for()
    page.wait_for_selector(rows_of(0))
