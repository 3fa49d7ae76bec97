"""The Search page as a person uses it: query, keys, document, neighbours, filters, a link that brings it back."""

import json
from urllib.parse import parse_qs, quote, urlsplit

import pytest

pytestmark = pytest.mark.browser

ROWS = "#hits-0 .wb-row"
TITLES = f"{ROWS} .wb-title"


def settled(page) -> None:
    """Until the results are drawn and no search is running."""
    page.wait_for_selector("#hits-0 .wb-row, #front .empty, #hits-0 .note, #hits-0 .wb-note")
    page.wait_for_selector("#hits-0 .wb-listing:not([data-busy])", state="attached")


def opened(page, site, **values: str) -> None:
    page.goto(site.page("/search", encoder="bm25", **values))
    settled(page)


def parameters(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def cursor(page) -> int:
    """Which row the cursor is on, from 0; -1 for none."""
    return page.evaluate(f"[...document.querySelectorAll('{ROWS}')].findIndex(row => row.hasAttribute('data-cursor'))")


def test_enter_searches_and_the_link_brings_the_view_back(page, site) -> None:
    opened(page, site)
    page.locator("#q textarea, #q input").fill("catches fish in rivers")
    page.keyboard.press("Enter")
    page.wait_for_selector(ROWS)
    titles = page.locator(TITLES).all_inner_texts()
    assert titles[0] == "The kingfisher"
    assert page.locator(f"{ROWS} .wb-rank").all_inner_texts() == [str(n + 1) for n in range(len(titles))]
    assert "fish" in page.locator(f"{ROWS} mark").all_inner_texts()
    page.wait_for_function("location.search.includes('q=catches')")
    assert parameters(page)["q"] == "catches fish in rivers" and parameters(page)["encoder"] == "bm25"
    page.reload()
    page.wait_for_selector(ROWS)
    assert page.locator(TITLES).all_inner_texts() == titles
    assert page.locator("#q textarea, #q input").input_value() == "catches fish in rivers"


def test_timings_and_scores_are_shown(page, site) -> None:
    opened(page, site, q="owl")
    assert "total" in page.locator("#hits-0 .wb-facts").inner_text()
    assert float(page.locator(f"{ROWS} .wb-score b").first.inner_text()) > 0


def test_markup_of_a_corpus_is_text(page, site) -> None:
    opened(page, site, q="wren")
    assert page.locator(TITLES).first.inner_text() == "<b>The wren</b>"
    page.locator(TITLES).first.click()
    page.wait_for_selector("#document .wb-full")
    assert "<script>window.broken = 1</script>" in page.locator("#document .wb-full").inner_text()
    assert page.evaluate("window.broken") is None


def test_keys_move_open_and_close(page, site) -> None:
    opened(page, site, q="bird")
    page.locator("body").click(position={"x": 5, "y": 400})
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert cursor(page) == 1
    page.keyboard.press("k")
    assert cursor(page) == 0
    page.keyboard.press("Enter")
    page.wait_for_selector("#document h2")
    assert page.locator("#document h2").inner_text() == page.locator(TITLES).first.inner_text()
    page.keyboard.press("Escape")
    page.wait_for_selector("#document", state="hidden")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("j")
    assert cursor(page) == 0
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog[open]", state="detached")


def test_keys_rest_in_the_query_box(page, site) -> None:
    opened(page, site, q="bird")
    page.locator("body").click(position={"x": 5, "y": 400})
    page.keyboard.press("/")
    page.keyboard.type("jk?m/")
    assert page.locator("#q textarea, #q input").input_value() == "jk?m/"
    assert cursor(page) == -1
    assert page.locator("dialog[open]").count() == 0


def test_neighbours_and_the_way_back(page, site) -> None:
    opened(page, site, q="fish")
    page.locator(TITLES).first.click()
    page.locator("#document [data-act=nearest]").first.click()
    page.wait_for_selector("#hits-0 .wb-near")
    settled(page)
    assert "Neighbours of" in page.locator("#hits-0 .wb-near").inner_text()
    source = parameters(page)["like"]
    assert source not in [row.get_attribute("data-ordinal") for row in page.locator(ROWS).all()]
    page.reload()
    page.wait_for_selector("#hits-0 .wb-near")
    page.locator("#hits-0 .wb-near [data-act=drop]").click()
    page.wait_for_selector("#hits-0 .wb-near", state="detached")
    page.wait_for_function("!location.search.includes('like=')")


def test_a_filter_narrows_the_hits_and_can_be_removed(page, site) -> None:
    opened(page, site, q="fish")
    form = page.locator("#wb-filters [data-form]")
    form.locator("[name=field]").select_option("place")
    form.locator("[name=value]").fill("river")
    form.locator("[name=value]").press("Enter")
    page.wait_for_selector("#wb-filters .wb-chip")
    page.wait_for_function("location.search.includes('filters=')")
    settled(page)
    assert json.loads(parameters(page)["filters"]) == [["place", "=", "river"]]
    pills = [row.locator(".wb-pill").first.inner_text() for row in page.locator(ROWS).all()]
    assert pills and all(pill.split() == ["place", "river"] for pill in pills)
    page.locator("#wb-filters .wb-chip button").click()
    page.wait_for_function("!location.search.includes('filters=')")


def test_a_refused_search_says_why(page, site) -> None:
    opened(page, site, q="fish", filters=quote('[["nowhere","=",1]]'))
    assert "nowhere" in page.locator("#hits-0 .note.bad").inner_text()


def test_a_project_without_a_corpus_leads_to_the_import(page, site) -> None:
    page.goto(f"{site.url}/search?project=bare")
    link = page.locator("#front .empty a")
    link.wait_for()
    assert urlsplit(link.get_attribute("href")).path == "/corpus"


def test_one_button_makes_a_corpus_searchable(page, site, tmp_path) -> None:
    from workbench.project import Workspace
    from workbench.workflows import corpus

    source = tmp_path / "fresh.jsonl"
    source.write_text('{"id": "1", "text": "a lone cormorant"}\n{"id": "2", "text": "two gulls"}\n')
    project = Workspace(site.workspace).open(site.project)
    corpus.import_corpus(project, "fresh", source)
    try:
        page.goto(site.page("/search", corpus="fresh", q="cormorant"))
        page.locator("#front [data-act=make]").click()
        page.wait_for_selector(ROWS, timeout=60_000)
        assert page.locator(f"{ROWS} .wb-text").first.inner_text() == "a lone cormorant"
    finally:
        corpus.delete_corpus(project, "fresh")
        project.close()


def test_the_bar_and_the_document_stay_in_sight_while_the_hits_scroll(page, site) -> None:
    page.set_viewport_size({"width": 1280, "height": 300})
    opened(page, site, q="bird", k="20")
    page.locator(TITLES).first.click()
    page.wait_for_selector("#document .wb-document")
    page.mouse.move(300, 250)
    page.mouse.wheel(0, 2000)
    page.wait_for_function("scrollY > 100")
    assert 0 <= page.locator("#document .wb-document").bounding_box()["y"] < 150
    assert page.get_by_text("Retrieval Workbench", exact=True).bounding_box()["y"] >= 0
