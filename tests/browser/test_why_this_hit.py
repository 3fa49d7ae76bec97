"""The panels in the page: why a hit was found, token by token or term by term; the memory limit; a query's picture."""

import re

import pytest

pytestmark = pytest.mark.browser

ROWS = "[id^=results] .wb-row, .wb-col .wb-row"
SHADES = "[...document.querySelectorAll('.wb-tokens .wb-tok')].map(each => Number(each.style.getPropertyValue('--h')))"


def opened(page, site, query: str) -> None:
    """The Search page with the hits of a query."""
    page.goto(site.page("/search", q=query, encoder="bm25"))
    page.wait_for_selector(ROWS)


def test_the_terms_of_a_hit_add_up_to_its_score(page, site) -> None:
    opened(page, site, "fish in rivers")
    score = page.locator(".wb-row .wb-score b").first.inner_text()
    page.locator(".wb-row .wb-title").first.click()
    page.locator("[data-act=why]").first.click()
    page.wait_for_selector(".wb-explain table.wb-terms")
    terms = page.locator(".wb-explain tbody td:first-child").all_inner_texts()
    assert sorted(terms) == ["fish", "rivers"]
    products = [float(text) for text in page.locator(".wb-explain tbody td:nth-child(3)").all_inner_texts()]
    total = float(page.locator(".wb-explain tfoot b").inner_text())
    assert sum(products) == pytest.approx(total, abs=0.02)
    assert float(score) == pytest.approx(total, abs=0.006)
    shares = [
        int(text.removeprefix("< ").split()[0])
        for text in page.locator(".wb-explain tbody td:nth-child(4)").all_inner_texts()
    ]
    assert sum(shares) in (99, 100, 101)
    assert page.locator(".wb-expansion .wb-terms-all .wb-hit").count() == 2


def test_the_heat_map_shades_the_document_for_the_chosen_token(page, site) -> None:
    """Drawn by our own code from a hand-made match, as the aviary has no multi-vector embedding."""
    import numpy as np

    from ui.components.heat import heat_html

    similarities = np.array([[0.9, 0.1, 0.0], [0.0, 0.2, 0.8]])
    page.goto(site.page("/jobs"))
    page.wait_for_selector(".wb-memory")
    drawn = heat_html(["fish", "river"], ["fish", "swim", "stream"], similarities)
    page.evaluate("markup => document.body.insertAdjacentHTML('beforeend', markup)", f"<div>{drawn}</div>")
    everything = page.evaluate(SHADES)
    assert everything == pytest.approx([1, (0.2 / 0.9) ** 2, (0.8 / 0.9) ** 2], abs=0.002)
    page.locator(".wb-q", has_text="river").click()
    assert page.evaluate(SHADES) == pytest.approx([0, (0.2 / 0.9) ** 2, (0.8 / 0.9) ** 2], abs=0.002)
    assert page.locator(".wb-tokens .wb-best").inner_text() == "stream"
    assert page.locator(".wb-said").inner_text() == "“river” is most like “stream” (token 3): 0.80 of 1.70."
    # A glance at another token does not change what was chosen.
    page.locator(".wb-q", has_text="fish").hover()
    assert page.locator(".wb-tokens .wb-best").inner_text() == "fish"
    page.mouse.move(2, 2)
    assert page.locator(".wb-tokens .wb-best").inner_text() == "stream"
    page.locator(".wb-q", has_text="river").click()
    page.mouse.move(2, 2)
    assert page.evaluate(SHADES) == everything
    assert page.locator(".wb-tokens .wb-tok").first.get_attribute("title") == "0.90 with “fish”"


def test_the_memory_limit_is_set_and_refused(page, site) -> None:
    page.goto(site.page("/jobs"))
    box = page.locator(".wb-memory input")
    before = box.input_value()
    box.fill("300")
    page.locator(".wb-memory [data-do=limit]").click()
    page.wait_for_selector(".wb-usage:has-text('of 300 MB')")
    assert '"memory_mb": 300' in (site.workspace / ".workbench" / "settings.json").read_text()
    box.fill("3")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The memory limit is “3”")
    box.fill(before)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "text => document.querySelector('.wb-memory input').getAttribute('value') === text", arg=before
    )


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mM8EaDBgA0wMeAAg1MCAP8oAVCGkvfKAAAAAElFTkSuQmCC"
GIVE = """([data, how]) => {
  const bytes = Uint8Array.from(atob(data), each => each.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], 'given.png', {type: 'image/png'}));
  const options = {bubbles: true, cancelable: true};
  document.querySelector('#q textarea, #q input').dispatchEvent(how === 'paste'
    ? new ClipboardEvent('paste', {clipboardData: given, ...options})
    : new DragEvent('drop', {dataTransfer: given, ...options}));
}"""


def test_a_picture_is_given_shown_and_taken_away(page, site) -> None:
    page.goto(site.page("/search"))
    page.wait_for_selector("#query-image [data-known] .wb-qadd:visible")
    page.locator("#query-image input[type=file]").set_input_files(
        {"name": "note.png", "mimeType": "image/png", "buffer": b"this is no picture"}
    )
    page.wait_for_selector(".wb-qsay:visible")
    assert "cannot be used" in page.locator(".wb-qsay").inner_text()
    assert page.locator(".wb-qshown").is_hidden()
    page.evaluate(GIVE, [PNG, "paste"])
    page.wait_for_selector(".wb-qshown:visible")
    assert page.locator(".wb-qsay").is_hidden()
    page.wait_for_function("document.querySelector('.wb-qimage img').naturalWidth > 0")
    assert re.search(r"/media-query/birds/[0-9a-f]+", page.locator(".wb-qimage img").get_attribute("src"))
    page.locator(".wb-qdrop").click()
    page.wait_for_selector(".wb-qadd:visible")
    page.evaluate(GIVE, [PNG, "drop"])
    page.wait_for_selector(".wb-qshown:visible")
