"""The Corpus page as a person uses it: browse, filter, open, import with a preview, delete."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

pytestmark = pytest.mark.browser

ROWS = "#rows .wb-row"


def opened(page, site, **values: str) -> None:
    page.goto(site.page("/corpus", **values))
    page.wait_for_selector(ROWS)


def ids(page) -> list[str]:
    return [text.strip() for text in page.locator(f"{ROWS} .wb-i").all_inner_texts()]


def test_all_documents_are_listed(page, site) -> None:
    opened(page, site)
    assert ids(page) == [f"b{n}" for n in range(1, 9)]
    assert "1–8 of 8" in page.locator("#rows .wb-pager").first.inner_text()
    assert "<b>The wren</b>" in page.locator(ROWS).nth(6).inner_text()
    assert page.evaluate("window.broken") is None


def test_words_and_columns_narrow_the_list(page, site) -> None:
    opened(page, site)
    page.locator("#q textarea, #q input").fill("fish")
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelectorAll('{ROWS}').length === 2")
    assert ids(page) == ["b3", "b4"]
    form = page.locator("#wb-filters [data-form]")
    form.locator("[name=field]").select_option("grams")
    page.wait_for_selector("#wb-filters [placeholder='whole number']")
    form.locator("[name=op]").select_option(">")
    form.locator("[name=value]").fill("1000")
    form.locator("[name=value]").press("Enter")
    page.wait_for_function(f"document.querySelectorAll('{ROWS}').length === 1")
    assert ids(page) == ["b4"]
    page.wait_for_function("location.search.includes('filters=')")
    page.reload()
    page.wait_for_selector(ROWS)
    assert ids(page) == ["b4"]
    assert page.locator("#q textarea, #q input").input_value() == "fish"


def test_a_document_opens_with_all_that_is_known_of_it(page, site) -> None:
    opened(page, site)
    page.locator(ROWS).nth(3).click()
    page.wait_for_selector("#document .wb-full")
    assert page.locator("#document h2").inner_text() == "The grey heron"
    facts = page.locator("#document .wb-meta").inner_text().split("\n")
    assert facts[facts.index("grams") + 1] == "1500"
    assert facts[facts.index("id") + 1] == "b4"
    page.keyboard.press("Escape")
    page.wait_for_selector("#document", state="hidden")


def test_more_like_this_leads_to_the_neighbours(page, site) -> None:
    opened(page, site)
    page.locator(ROWS).nth(3).click()
    page.locator("#document [data-act=nearest]").first.click()
    page.wait_for_url("**/search?*")
    page.wait_for_selector(".wb-near")
    assert parse_qs(urlsplit(page.url).query)["like"] == ["3"]


def test_a_file_is_previewed_mapped_imported_and_deleted(page, site, tmp_path) -> None:
    source = tmp_path / "trees.jsonl"
    rows = [{"key": f"t{n}", "label": f"Tree {n}", "words": f"words of tree {n}", "height": n} for n in range(3)]
    lines = [json.dumps(rows[0]), "{broken", *map(json.dumps, rows[1:]), json.dumps({**rows[0], "words": "twice"})]
    source.write_text("\n".join(lines))
    opened(page, site)
    page.locator("[data-do=documents]").click()
    page.locator("#import-path textarea, #import-path input").fill(str(source))
    page.locator("#import-look").click()
    form = page.locator("#import-preview [data-form]")
    form.locator("[name=id_field]").select_option("key")
    page.wait_for_function("document.querySelector('#import-preview td.wb-i')?.innerText === 't0'")
    form.locator("[name=title_field]").select_option("label")
    page.wait_for_function("document.querySelector('#import-preview .wb-t')?.innerText.includes('title')")
    form.locator("summary").click()
    assert "line 2" in form.inner_text() and "line 5" in form.inner_text()
    assert form.locator("[name=name]").input_value() == "trees"
    form.locator("[data-do=import]").click()
    report = page.locator("#import-report .note.good")
    report.wait_for(timeout=60_000)
    assert "3 documents" in report.inner_text() and "2 rows skipped" in report.inner_text()
    report.locator("a").click()
    page.wait_for_url("**corpus=trees*")
    page.wait_for_selector(ROWS)
    assert ids(page) == ["t0", "t1", "t2"]
    page.locator("#corpora details.menu summary").click()
    page.locator("#corpora [data-do=delete]").click()
    page.wait_for_function("!location.search.includes('corpus=trees')")
    page.wait_for_selector("#corpora .wb-corpus")
    assert page.locator("#corpora a b").all_inner_texts() == ["aviary"]


def test_a_path_that_is_not_there_is_a_sentence(page, site) -> None:
    opened(page, site)
    page.locator("[data-do=documents]").click()
    page.locator("#import-path textarea, #import-path input").fill("/no/such/file.jsonl")
    page.keyboard.press("Enter")
    page.wait_for_selector("#import-preview .note.bad")
    assert "/no/such/file.jsonl" in page.locator("#import-preview .note.bad").inner_text()


def test_an_empty_project_begins_with_the_import(page, site) -> None:
    page.goto(f"{site.url}/corpus?project=bare")
    page.wait_for_selector("#import-look")
    assert "No corpus yet" in page.locator("#corpora").inner_text()
