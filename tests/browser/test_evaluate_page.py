"""The Evaluate page as a person uses it: two systems run and compared, the worst query opened in Search, a report."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from workbench.project import Workspace
from workbench.workflows import corpus
from workbench.workflows.encode import encode_corpus
from workbench.workflows.evaluate import compare, evaluate
from workbench.workflows.running import list_runs

pytestmark = pytest.mark.browser

WORDS = ["river", "garden", "tower", "winter", "meadow", "island"]
EVIL = "<img src=x onerror=window.broken=1>"


@pytest.fixture(scope="module")
def library(site, tmp_path_factory):
    """A project in which one setting of BM25 falls for long documents: each query's own document is short."""
    folder = tmp_path_factory.mktemp("evaluated")
    rows = [{"id": f"s{n}", "title": word, "text": f"{word} {EVIL if n == 0 else ''}"} for n, word in enumerate(WORDS)]
    rows += [
        {"id": f"l{n}", "title": f"long {n}", "text": f"{word} " * 5 + "and so on " * 40}
        for n, word in enumerate(WORDS)
    ]
    asked = [{"id": f"q{n}", "text": f"{word} {EVIL if n == 0 else ''}".strip()} for n, word in enumerate(WORDS)]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    (folder / "q.qrels").write_text("".join(f"q{n} 0 s{n} 1\n" for n in range(len(WORDS))))
    made = Workspace(site.workspace).create("library")
    corpus.import_corpus(made, "books", folder / "c.jsonl")
    corpus.import_queries(made, "words", folder / "q.jsonl", "books", folder / "q.qrels")
    for name, b in (("fair", 1.0), ("long", 0.0)):
        encode_corpus(made, "books", {"kind": "bm25", "name": name, "b": b})
    yield made
    made.close()
    Workspace(site.workspace).delete("library")


def arrive(page, site, **values):
    page.goto(site.page("/evaluate", project="library", corpus="books", **values))
    page.wait_for_selector("#evaluate .ev")


def test_from_two_systems_to_the_worst_query_side_by_side(page, site, library):
    arrive(page, site)
    assert "No run yet" in page.locator("#evaluate").inner_text()
    for name in ("fair", "long"):
        page.locator(".ev-pipes label", has=page.locator(f"span:text-matches('^{name}( |$)')")).first.locator(
            "input"
        ).check()
    page.locator(".ev-forms [name=k]").fill("10")
    page.locator("[data-do=run]").click()
    page.wait_for_selector("table.ev-runs tr[data-key]:nth-child(2)", timeout=60_000)
    page.wait_for_selector(".ev-more .ec-compare")

    # The figures are those of the evaluation, the words those of the test.
    found = evaluate(library, [each.text_content().strip() for each in page.locator(".ev-run b").all()])
    means = {each.run.name: each.means["nDCG@10"] for each in found.runs}
    assert len(means) == 2
    for row in page.locator("table.ev-runs tbody tr").all():
        name = row.locator(".ev-run b").text_content().strip()
        assert row.locator("td.num").first.inner_text().split()[0] == f"{means[name]:.4f}"
    address = parse_qs(urlparse(page.url).query)
    baseline = next(each.run.name for each in found.runs if each.run.id == int(address["base"][0]))
    (said,) = [each for each in compare(found, baseline) if each.measure == "nDCG@10"]
    assert f"{abs(said.mean):.4f}" in page.locator(".ec-compare tbody").inner_text()

    # Sorted by a click, kept by the address.
    page.locator("table.ev-runs th a", has_text="nDCG@10").click()
    page.wait_for_function("location.search.includes('sort=-nDCG')")
    page.wait_for_selector("th[aria-sort=descending]")
    order = [each.text_content().strip() for each in page.locator(".ev-run b").all()]
    assert order == sorted(means, key=means.get, reverse=True)
    page.reload()
    page.wait_for_selector("th[aria-sort=descending]")

    # The worst query, then one click.
    page.wait_for_selector(".ev-ends a")
    page.locator(".ev-ends a").first.click()
    page.wait_for_selector(".ev-query")
    assert "rank" in page.locator(".ev-query table").inner_text()
    text = page.locator(".ev-query .ev-text").inner_text()
    page.locator(".ev-search").click()
    page.wait_for_url("**/search?**")
    page.wait_for_function("document.querySelectorAll('.wb-colhead').length === 2")
    page.wait_for_function(
        "document.querySelectorAll('.wb-results').length >= 2 || document.querySelectorAll('.wb-row').length > 2"
    )
    assert page.locator("textarea, input[type=text]").first.input_value() == text
    page.wait_for_selector(".wb-grade")
    assert page.evaluate("window.broken") is None


def of_pipeline(project, encoder):
    """The id of the run of one encoder."""
    runs = list_runs(project, "words")
    return str(next(each.id for each in runs if encoder in json.dumps(each.artifact.spec["pipeline"])))


def test_the_report_opens_from_a_file_without_a_request(page, site, library, chromium, tmp_path):
    # The jobs may have ended in either order: the loser is named, so that there are queries that fail.
    arrive(page, site, base=of_pipeline(library, "fair"), other=of_pipeline(library, "long"))
    page.wait_for_selector(".ev-more .ec-compare")
    page.locator("summary", has_text="Export").click()
    page.locator(".ev-export [name=title]").fill(f"Shelf {EVIL}")
    with page.expect_download() as download:
        page.locator("#ev-report").click()
    path = tmp_path / "report.html"
    download.value.save_as(path)
    opened = chromium.new_page()
    asked, broken = [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: broken.append(str(error)))
    opened.goto(Path(path).as_uri())
    assert opened.locator("h1").inner_text() == f"Shelf {EVIL}"
    assert opened.locator(".ec-compare .ec-whisker").count() == 1
    assert opened.locator("article").count() >= 1
    assert opened.evaluate("window.broken") is None
    assert asked == [Path(path).as_uri()]
    assert not broken
    # Wide drawings and tables stay inside the page.
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    opened.close()


def test_measures_options_and_runs_are_changed_in_place(page, site, library):
    arrive(page, site)
    page.wait_for_selector(".ev-more .ec-compare")
    page.locator("#ev-measures").fill("AP, P@1")
    page.locator("[data-do=measures]").click()
    page.wait_for_selector("table.ev-runs th a:text-is('P@1')")
    assert "measures=AP+P%401" in page.url
    page.go_back()
    page.wait_for_selector("table.ev-runs th a:text-is('R@100')")
    page.locator("#ev-measures").fill("nDCG@@")
    page.locator("[data-do=measures]").click()
    page.wait_for_selector("#evaluate .note.bad")
    page.locator("#ev-measures").fill("P@1")
    page.locator("[data-do=measures]").click()
    page.wait_for_selector("table.ev-runs th a:text-is('P@1')")

    first = page.locator("table.ev-runs tbody tr").first
    name = first.locator(".ev-run b").text_content().strip()
    first.locator("summary[aria-label=More]").click()
    first.locator("[name=name]").fill("renamed")
    first.locator("[data-do=rename]").click()
    page.wait_for_selector(".ev-run b:text-is('renamed')")
    assert page.locator(f".ev-run b:text-is('{name}')").count() == 0
    page.locator("tr", has=page.locator(".ev-run b:text-is('renamed')")).locator(".ev-tick").uncheck()
    page.wait_for_selector("tr.ev-out")
    page.locator("tr.ev-out .ev-tick").check()
    page.wait_for_function("!document.querySelector('tr.ev-out')")
    page.select_option("#ev-by", label="length of the query")
    page.wait_for_selector("text=1 to 3 words")


def test_a_run_of_another_system_is_imported(page, site, library, tmp_path):
    file = tmp_path / "theirs.trec"
    file.write_text("".join(f"q{n} Q0 l{n} 1 2 x\nq{n} Q0 s{n} 2 1 x\n" for n in range(len(WORDS))))
    arrive(page, site, measures="RR@10")
    page.wait_for_selector(".ev-more .panel")
    page.locator(".ev-new > summary").click()
    theirs = page.locator(".ev-forms > div").nth(1)
    theirs.locator("[name=file]").fill(str(file))
    theirs.locator("[name=name]").fill("theirs")
    theirs.locator("[data-do=import]").click()
    row = page.locator("tr", has=page.locator(".ev-run b:text-is('theirs')"))
    row.wait_for(timeout=60_000)
    assert row.locator("td.num").first.inner_text().split()[0] == "0.5000"


def test_a_corpus_without_queries_says_what_is_missing(page, site):
    page.goto(site.page("/evaluate"))
    page.wait_for_selector("text=Which pipeline is better?")
    assert page.locator(".empty a").inner_text() == "Load queries"
