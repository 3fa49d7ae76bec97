"""The Label page as an annotator uses it: fifty verdicts over ten queries by keys alone, undone, reloaded, offline."""

import re

import pytest
import sqlalchemy as sa
from label_support import NOW, QUERIES, notes_project, open_label, press, saved

from workbench.db import judgments as table

pytestmark = pytest.mark.browser

KEYS = {"0": (0, False, "judged"), "1": (1, False, "judged"), "3": (3, False, "judged"), "h": (0, True, "judged"),
        "r": (1, False, "judged"), "u": (None, False, "unrateable"), "l": (None, False, "later"),
        " ": (None, False, "skipped")}  # fmt: skip


@pytest.fixture(scope="module")
def aviary(site, tmp_path_factory):
    """A project with ten queries, each with more than five candidates of two settings of BM25."""
    with notes_project(site.workspace, "labelled", tmp_path_factory.mktemp("label")) as made:
        yield made


@pytest.fixture
def stored(aviary):
    """What an annotator said: (query, document) → (relevance, hard, state, note)."""

    def read(annotator):
        columns = (table.c.relevance, table.c.is_hard_negative, table.c.state, table.c.note)
        query = sa.select(table.c.query_id, table.c.doc_id, *columns).where(table.c.annotator == annotator)
        with aviary.db.read() as connection:
            return {(row[0], row[1]): tuple(row[2:]) for row in connection.execute(query)}

    return read


def arrive(page, site, annotator, **values):
    open_label(page, site, "labelled", annotator, **values)


def call(page, annotator):
    """Judge as somebody else from now on; until the cards are drawn for them."""
    before = int(page.locator(".lb").get_attribute("data-shown"))
    page.locator(".lb-annotator").fill(annotator)
    page.locator(".lb-annotator").blur()
    page.wait_for_selector(f".lb[data-shown='{before + 1}'] {NOW}")


def doc(page):
    return page.locator(NOW).get_attribute("data-doc")


def query(page):
    return page.locator(".lb").get_attribute("data-query")


def plain(said):
    return {pair: verdict[:3] for pair, verdict in said.items()}


def test_fifty_candidates_over_ten_queries_by_keys_alone(page, site, aviary, stored):
    arrive(page, site, "ann", set="ten")
    pressed, expected = ["3", "0", "h", "l", "1", " ", "u", "r"], {}
    count = 0
    for n, text in enumerate(QUERIES):
        page.wait_for_selector(f".lb[data-query=q{n}]")
        assert page.locator(".lb-query").inner_text() == text
        assert page.locator(".lb-at").inner_text() == f"{n + 1} / 10"
        for _ in range(5):
            key = pressed[count % len(pressed)]
            expected[f"q{n}", doc(page)] = KEYS[key]
            press(page, key)
            count += 1
        press(page, "ArrowRight")
    assert len(expected) == 50
    saved(page)
    assert plain(stored("ann")) == expected
    for _ in range(5):
        press(page, "Control+z")
    saved(page)
    left = dict(list(expected.items())[:45])
    assert plain(stored("ann")) == left
    page.reload()
    page.wait_for_selector(NOW)
    assert query(page) == "q9"
    assert page.locator(".lb-card:not([data-verdict=''])").count() == 0
    press(page, "Control+z")
    # The change before is of the query before: there it is shown.
    page.wait_for_selector(".lb[data-query=q8]")
    assert page.locator(".lb-card:not([data-verdict=''])").count() == 4
    press(page, "Control+Shift+z")
    page.wait_for_function("document.querySelectorAll(\".lb-card:not([data-verdict=''])\").length === 5")
    for _ in range(5):
        press(page, "Control+Shift+z")
    saved(page)
    assert plain(stored("ann")) == expected
    page.wait_for_function("document.querySelector('.lb-progress b').textContent === '10 / 10'")


def test_the_same_key_twice_quickly_is_one_judgment(page, site, stored):
    arrive(page, site, "twice", set="ten", q="q0")
    first = doc(page)
    page.keyboard.press("2")
    page.keyboard.press("2")
    saved(page)
    assert plain(stored("twice")) == {("q0", first): (2, False, "judged")}
    # A key that is held says nothing more either.
    page.keyboard.down("0")
    page.keyboard.down("0")
    page.keyboard.down("0")
    page.keyboard.up("0")
    saved(page)
    assert len(stored("twice")) == 2


def test_keys_rest_in_fields_and_dialogs(page, site, stored):
    arrive(page, site, "typist", set="ten", q="q1")
    first = doc(page)
    press(page, "n")
    page.keyboard.type("0 1 h j u l ?")
    assert stored("typist") == {} and doc(page) == first
    page.keyboard.press("Enter")
    saved(page)
    # Without a verdict a note puts the document off.
    assert stored("typist") == {("q1", first): (None, False, "later", "0 1 h j u l ?")}
    # What is typed in the last one is taken when it is left.
    for selector in ("[data-view=seed]", "[data-view=enough]", ".lb-annotator"):
        page.locator(selector).focus()
        for key in ("0", "h", "j", " "):
            press(page, key)
    call(page, "somebody")
    call(page, "typist")
    page.locator(f".lb-card[data-doc={first}]").click()
    press(page, "?")
    assert page.locator("[data-dialog=help]").is_visible()
    for key in ("0", "ArrowRight", "u"):
        press(page, key)
    press(page, "?")
    assert not page.locator("[data-dialog=help]").is_visible()
    saved(page)
    assert len(stored("typist")) == 1 and query(page) == "q1"
    page.locator(NOW).wait_for()
    press(page, "2")
    saved(page)
    assert (2, False, "judged", "0 1 h j u l ?") in stored("typist").values()


def test_a_lost_connection_loses_nothing(page, site, stored):
    arrive(page, site, "lost", set="ten", q="q2")
    page.wait_for_timeout(300)
    page.route("**/labelling/*/writes", lambda route: route.abort())
    expected = {}
    for key in ("3", "0", "h"):
        expected["q2", doc(page)] = KEYS[key]
        press(page, key)
    page.wait_for_function("document.querySelector('.lb-saved').dataset.state === 'failed'")
    assert "3 not saved yet" in page.locator(".lb-saved").inner_text() and stored("lost") == {}
    # Not even by a reload: what was painted is painted again, and sent by the new page.
    page.reload()
    page.wait_for_selector(NOW)
    page.wait_for_function("document.querySelectorAll(\".lb-card:not([data-verdict=''])\").length === 3")
    expected["q2", doc(page)] = KEYS["1"]
    press(page, "1")
    assert stored("lost") == {}
    page.unroute("**/labelling/*/writes")
    saved(page)
    page.wait_for_function("Object.keys(localStorage).every(key => !key.startsWith('wb.label.unsent'))")
    assert plain(stored("lost")) == expected


def test_an_answer_that_was_lost_is_not_counted_twice(page, site, stored):
    arrive(page, site, "again", set="ten", q="q3")
    lost = []

    def swallow(route):
        if not lost:
            lost.append(route.fetch())  # it was stored, and nobody heard of it
            route.abort()
        else:
            route.continue_()

    page.route("**/labelling/*/writes", swallow)
    first = doc(page)
    press(page, "1")
    saved(page)
    assert lost and plain(stored("again")) == {("q3", first): KEYS["1"]}
    press(page, "Control+z")
    saved(page)
    assert stored("again") == {}
    press(page, "Control+z")
    page.get_by_text("There is nothing to undo.").wait_for()


def test_two_tabs_of_one_annotator_show_the_same(page, site, chromium, stored):
    arrive(page, site, "tabs", set="ten", q="q4")
    other = chromium.new_page()
    other.goto(page.url)
    other.wait_for_selector(NOW)
    first = doc(page)
    press(page, "3")
    other.wait_for_function("document.querySelector('.lb-card')?.dataset.verdict === '3'")
    other.locator(".lb-card").first.click()
    press(other, "0")
    saved(other)
    page.wait_for_function("document.querySelector('.lb-card')?.dataset.verdict === '0'")
    other.close()
    assert plain(stored("tabs")) == {("q4", first): KEYS["0"]}


def test_two_people_each_have_their_own_and_see_each_other_unless_blind(page, site, stored):
    arrive(page, site, "first", set="ten", q="q5")
    judged = doc(page)
    press(page, "3")
    saved(page)
    call(page, "second")
    card = page.locator(f".lb-card[data-doc={judged}]")
    assert card.get_attribute("data-verdict") == ""
    assert "first 3" in re.sub(r"\s+", " ", card.locator(".lb-others").inner_text())
    card.click()
    press(page, "h")
    saved(page)
    assert plain(stored("first")) == {("q5", judged): KEYS["3"]}
    assert plain(stored("second")) == {("q5", judged): KEYS["h"]}
    page.locator("[data-view=others]").check()
    page.wait_for_function("document.querySelector('.lb-others')?.textContent === ''")
    assert "others=0" in page.url


def test_a_doubted_negative_becomes_a_positive_by_one_key(page, site, stored):
    arrive(page, site, "judge", set="ten", q="q6")
    judged = doc(page)
    press(page, "3")
    saved(page)
    call(page, "doubter")
    page.locator(f".lb-card[data-doc={judged}]").click()
    page.locator(".lb-onward").uncheck()
    press(page, "0")
    page.locator(f".lb-card[data-doc={judged}][data-warned]").wait_for()
    assert "judged relevant by judge" in page.locator(f"{NOW} .lb-reasons").inner_text()
    press(page, "p")
    saved(page)
    assert plain(stored("doubter")) == {("q6", judged): KEYS["1"]}
    page.locator(".lb-onward").check()


def test_the_queue_is_filtered_and_sorted_and_the_address_keeps_it(page, site):
    arrive(page, site, "sorter", set="ten")
    assert page.locator(".lb-q").count() == 10
    press(page, "0")
    saved(page)
    page.locator("[data-view=state]").select_option("started")
    page.wait_for_function("document.querySelectorAll('.lb-q').length === 1")
    page.locator("[data-view=state]").select_option("all")
    page.locator("[data-view=sort]").select_option("disagreement")
    page.wait_for_function("document.querySelectorAll('.lb-value').length === 10")
    assert page.locator(".lb-queuenote").inner_text() == "Sorted 10 of 10 queries."
    assert "sort=disagreement" in page.url and "q=q0" in page.url
    page.locator(".lb-q[data-query=q7]").click()
    page.wait_for_selector(".lb[data-query=q7]")
    page.reload()
    page.wait_for_selector(NOW)
    assert query(page) == "q7" and page.locator("[data-view=sort]").input_value() == "disagreement"


def test_a_corpus_without_queries_says_what_the_page_is_for(page, site):
    page.goto(site.page("/label"))
    page.get_by_text("It takes queries").wait_for()
    assert page.locator("a.btn.primary").get_attribute("href").startswith("/corpus")
