"""The Corpus page's subsets, tags and exports as a person uses them; each test takes back what it made."""

import csv
import io
import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROWS = "#rows .wb-row"


def opened(page, site, **values: str) -> None:
    page.goto(site.page("/corpus", **values))
    page.wait_for_selector(ROWS)
    page.wait_for_selector("#wb-subsets .wb-subsetbar")


def ids(page) -> list[str]:
    return [text.strip() for text in page.locator(f"{ROWS} .wb-i").all_inner_texts()]


def rows(page, count: int) -> None:
    page.wait_for_function(f"document.querySelectorAll('{ROWS}').length === {count}")


def search(page, words: str) -> None:
    page.locator("#q textarea, #q input").fill(words)
    page.keyboard.press("Enter")


def menu(page, name: str):
    """The open menu called `name`."""
    page.locator(f"#{name} > summary").click()
    return page.locator(f"#{name} > .pop")


def test_what_is_shown_becomes_a_subset_that_filters_here_and_in_search(page, site) -> None:
    opened(page, site)
    search(page, "fish")
    rows(page, 2)
    page.wait_for_function("document.querySelector('#wb-save')?.innerText !== undefined")
    saving = menu(page, "wb-save")
    assert "the 2 documents shown" in saving.inner_text()
    saving.locator("[name=name]").fill("fishers")
    saving.locator("[name=name]").press("Enter")
    page.wait_for_selector("#wb-sets [data-do=choose][data-name=fishers]", state="attached")
    search(page, "")
    rows(page, 8)
    menu(page, "wb-sets").locator("[data-do=choose]").click()
    rows(page, 2)
    assert ids(page) == ["b3", "b4"]
    page.wait_for_function("location.search.includes('%40subset')")
    assert "subset fishers" in page.locator("#wb-filters .wb-chip").inner_text()
    page.reload()
    rows(page, 2)
    # The same filter on the Search page, from the form of filters.
    page.goto(site.page("/search", encoder="bm25", q="bird"))
    page.wait_for_selector("#hits-0 .wb-row")
    page.locator("#wb-filters [name=field]").select_option("@subset")
    page.wait_for_selector("#wb-filters [placeholder^='name']")
    page.locator("#wb-filters [name=value]").fill("fishers")
    page.locator("#wb-filters [name=value]").press("Enter")
    page.wait_for_function("document.querySelectorAll('#hits-0 .wb-row').length === 2")
    found = page.locator("#hits-0 .wb-row").evaluate_all("rows => rows.map(row => row.dataset.doc)")
    assert sorted(found) == ["b3", "b4"]
    opened(page, site)
    menu(page, "wb-sets").locator("[data-do=drop]").click()
    page.wait_for_selector("#wb-sets [data-do=choose]", state="detached")
    assert ids(page) == [f"b{n}" for n in range(1, 9)]


def test_documents_are_tagged_after_a_preview_and_undone(page, site) -> None:
    opened(page, site)
    search(page, "fish")
    rows(page, 2)
    tagging = menu(page, "wb-tag")
    tagging.locator("[name=tag]").fill("water")
    tagging.locator("[data-action=add]").click()
    pending = page.locator("#wb-subsets .note")
    pending.wait_for()
    assert "Adds “water” to 2 of 2 documents." in pending.inner_text()
    assert page.locator("#rows .wb-tagged").count() == 0
    pending.locator("[data-do=tag]").click()
    page.wait_for_function("document.querySelectorAll('#rows .wb-tagged').length === 2")
    pending.wait_for(state="detached")
    search(page, "")
    rows(page, 8)
    menu(page, "wb-sets").locator("[data-field='@tag']").click()
    rows(page, 2)
    assert ids(page) == ["b3", "b4"]
    page.locator(ROWS).first.click()
    page.wait_for_selector("#document .wb-tags .wb-tagged")
    page.locator("#wb-subsets [data-do=undo]").click()
    # The filter goes with the tag's last document.
    rows(page, 8)
    assert page.locator("#rows .wb-tagged").count() == 0
    assert page.locator("#wb-filters .wb-chip").count() == 0
    page.wait_for_selector("#wb-subsets [data-do=undo]", state="detached")


def test_what_is_shown_is_exported_and_fetched(page, site) -> None:
    opened(page, site, text="fish")
    rows(page, 2)
    menu(page, "wb-export").locator("[data-format=csv]").click()
    report = page.locator("#wb-exported .note.good")
    report.wait_for(timeout=60_000)
    assert "2 documents in aviary-v1-" in report.inner_text()
    with page.expect_download() as download:
        report.locator("a").first.click()
    with Path(download.value.path()).open(encoding="utf-8") as file:
        got = list(csv.DictReader(io.StringIO(file.read())))
    assert [row["doc_id"] for row in got] == ["b3", "b4"]
    with page.expect_download() as download:
        report.locator("a").nth(1).click()
    with Path(download.value.path()).open(encoding="utf-8") as file:
        assert json.load(file)["documents"] == 2
    page.reload()
    page.wait_for_selector("#wb-export")
    assert download.value.suggested_filename.removesuffix(".manifest.json") in menu(page, "wb-export").inner_text()


def test_a_subset_that_is_gone_is_a_sentence(page, site) -> None:
    page.goto(site.page("/corpus", filters='[["@subset","in",["nope"]]]'))
    page.wait_for_selector("#rows .note.bad")
    assert "There is no subset called “nope”" in page.locator("#rows .note.bad").inner_text()
    page.locator("#wb-filters .wb-chip button").click()
    rows(page, 8)
