"""The Blind page as a voter uses it: set up a round, ten queries by keys, the reveal; read back from the database."""

import json
import re

import pytest
import sqlalchemy as sa

from ui.components.assets import asset_url
from workbench.db import votes as table
from workbench.project import Workspace
from workbench.workflows import blind, corpus
from workbench.workflows.encode import encode_corpus

pytestmark = pytest.mark.browser

NOW = ".bl-pair[data-now]"
QUERIES = ["bird", "fish", "river", "small", "song", "town", "garden", "night", "tall", "<i>blue</i>"]
KEY = {"left": "a", "right": "ArrowRight"}


@pytest.fixture(scope="module")
def duel(site, tmp_path_factory):
    """A project whose corpus two settings of BM25 rank differently, with ten queries."""
    folder = tmp_path_factory.mktemp("duel")
    (folder / "queries.jsonl").write_text(
        "".join(json.dumps({"id": f"q{n}", "text": text}) + "\n" for n, text in enumerate(QUERIES))
    )
    made = Workspace(site.workspace).create("duel")
    birds = Workspace(site.workspace).open("birds")
    corpus.import_corpus(made, "aviary", corpus.get_corpus(birds, "aviary").source)
    birds.close()
    corpus.import_queries(made, "ten", folder / "queries.jsonl", "aviary")
    for name, b in (("bm25", 0.75), ("flat", 0.0)):
        encode_corpus(made, "aviary", {"kind": "bm25", "name": name, "b": b})
    yield made
    made.close()
    Workspace(site.workspace).delete("duel")


def stored(project, session):
    with project.db.read() as connection:
        found = connection.execute(sa.select(table).where(table.c.session == session).order_by(table.c.number))
        return [row._mapping for row in found]


def started(page, site) -> str:
    """A round of all ten queries between the suggested systems; its id."""
    page.goto(site.page("/blind", project="duel"))
    page.wait_for_selector("#blind .bl-form")
    page.locator("[data-do=start]").click()
    page.wait_for_url(re.compile("session="))
    page.wait_for_selector(NOW)
    return re.search(r"session=(\w+)", page.url)[1]


def number(page) -> int:
    return int(page.locator(NOW).get_attribute("data-number"))


def press(page, key: str, then: int) -> None:
    page.keyboard.press(key)
    page.wait_for_selector(f"{NOW}[data-number='{then}']")


def test_ten_queries_are_voted_by_keys_and_revealed(page, site, duel):
    session = started(page, site)
    played = blind.open_round(duel, session)
    assert sorted(each.text for each in played.queries) == sorted(QUERIES)
    expected = []
    for n, (left, _) in enumerate(played.pairs, 1):
        page.wait_for_selector(f"{NOW}[data-number='{n}']")
        assert page.locator(f"{NOW} .bl-query").inner_text() == played.queries[n - 1].text
        # The first system wins six times, then a tie, both bad, and twice the other one.
        better = "left" if (played.contestants[left].name == "bm25 · inverted") == (n <= 6) else "right"
        choice = {7: "tie", 8: "bad"}.get(n, better)
        page.keyboard.press({"tie": "t", "bad": "x"}.get(choice) or KEY[choice])
        expected.append(choice)
    page.wait_for_selector(".bl-done")
    assert "bm25" not in page.locator("#blind").inner_text()
    press(page, "u", 10)
    page.keyboard.press(KEY[expected[-1]])
    page.wait_for_selector(".bl-done")
    page.keyboard.press("Enter")
    page.wait_for_selector(".bl-reveal")
    assert [row["choice"] for row in stored(duel, session)] == expected
    assert {row["annotator"] for row in stored(duel, session)} == {"me"}
    ranking = [row.inner_text().split() for row in page.locator(".bl-ranking tr:has(td)").all()]
    assert [row[1] for row in ranking] == ["bm25", "flat"]
    assert [row[-4:] for row in ranking] == [["6", "2", "1", "1"], ["2", "6", "1", "1"]]
    assert "“bm25 · inverted” is ahead of “flat · inverted”" in page.locator(".bl-verdict").inner_text()
    left = expected.count("left")
    assert f"The left list won {left} of 8 decided votes" in page.locator(".bl-bias").inner_text()
    log = page.locator(".bl-log tr:has(td)")
    assert log.count() == 10 and page.locator(".bl-won").count() == 8
    names = [played.contestants[at].name for at in played.pairs[0]]
    assert [log.nth(0).locator("td").nth(n).inner_text().rstrip(" ✓") for n in (2, 3)] == names
    page.reload()
    page.wait_for_selector(".bl-reveal")
    page.goto(site.page("/blind", project="duel", all="1"))
    page.wait_for_selector(".bl-ranking")


def test_no_name_or_score_is_on_the_page_while_voting(page, site, duel):
    started(page, site)
    shown = page.locator("#blind").inner_html()
    assert "bm25" not in shown and "flat" not in shown.replace("flat svelte", "")
    assert page.locator("#blind .wb-score").count() == 0
    assert page.locator(f"{NOW} .bl-side").count() == 2


def test_a_reload_and_a_second_tab_go_on_where_it_stopped(page, site, duel, chromium):
    session = started(page, site)
    press(page, "a", 2)
    press(page, "b", 3)
    page.wait_for_function("document.querySelector('.bl-pair[data-now] .bl-saved').textContent === '2 of 10 saved'")
    page.reload()
    page.wait_for_selector(f"{NOW}[data-number='3']")
    other = chromium.new_page()
    other.goto(page.url)
    other.wait_for_selector(f"{NOW}[data-number='3']")
    other.keyboard.press("t")
    other.wait_for_selector(f"{NOW}[data-number='4']")
    other.wait_for_function("document.querySelector('.bl-pair[data-now] .bl-saved').textContent === '3 of 10 saved'")
    other.close()
    # The first tab still shows pair 3: voting there again is another vote on the same pair, not a second one.
    press(page, "x", 4)
    page.wait_for_function("document.querySelector('.bl-pair[data-now] .bl-saved').textContent === '3 of 10 saved'")
    assert [row["choice"] for row in stored(duel, session)] == ["left", "right", "bad"]


def test_undo_brings_the_pair_back(page, site, duel):
    session = started(page, site)
    page.keyboard.press("u")
    press(page, "ArrowLeft", 2)
    press(page, "a", 3)
    press(page, "u", 2)
    press(page, "b", 3)
    page.locator(f"{NOW} .bl-undo").click()
    page.wait_for_selector(f"{NOW}[data-number='2']")
    page.locator(f"{NOW} [data-vote=tie]").click()
    page.wait_for_selector(f"{NOW}[data-number='3']")
    page.wait_for_function("document.querySelector('.bl-pair[data-now] .bl-saved').textContent === '2 of 10 saved'")
    assert [(row["number"], row["choice"]) for row in stored(duel, session)] == [(1, "left"), (2, "tie")]


def test_two_answers_that_come_at_once_are_seen_as_one_and_undo_still_works(page, site, duel):
    """Gradio shows only the later of two values that arrive together: its answer is to the second vote alone."""
    page.goto(site.page("/blind", project="duel"))
    page.wait_for_function("window.wb")
    asked = page.evaluate(
        """async (address) => {
            const element = document.createElement("div"), asked = [];
            element.innerHTML = "<div class=bl-board data-voted='' data-saved=''></div>" + [1, 2, 3].map((n) =>
                `<div class=bl-pair data-number=${n}><i class=bl-saved></i><button data-vote=undo></button>` +
                "<input class=bl-annotator></div>").join("");
            document.body.append(element);
            let answered;
            const { mount } = await import(address);
            const act = (data) => asked.push(data.do + data.number);
            mount(element, { watch: (_, then) => { answered = then; }, act });
            const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            press("a"); press("b");
            Object.assign(element.querySelector(".bl-board").dataset, { answer: "vote-2", voted: "1,2" });
            answered();
            press("u");
            return asked;
        }""",
        asset_url("blind.mjs"),
    )
    assert asked == ["vote1", "vote2", "undo2"]


def test_keys_rest_in_inputs_and_with_modifiers(page, site, duel):
    session = started(page, site)
    page.locator(f"{NOW} .bl-annotator").click()
    page.keyboard.type("bat Ax")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Control+x")
    page.keyboard.press("Alt+a")
    assert number(page) == 1 and stored(duel, session) == []
    press(page, "A", 2)
    page.wait_for_function("document.querySelector('.bl-pair[data-now] .bl-saved').textContent === '1 of 10 saved'")
    assert stored(duel, session)[0]["annotator"] == "bat Ax"
    page.evaluate("localStorage.removeItem('wb.annotator')")


def test_markup_in_queries_and_documents_is_text(page, site, duel):
    page.goto(site.page("/blind", project="duel"))
    page.wait_for_selector("#blind .bl-form")
    page.locator("#bl-source").select_option("")
    page.locator("#bl-own").fill("wren\n<img src=x onerror='window.broken=1'>bird\n\nwren")
    page.locator("[data-do=start]").click()
    page.wait_for_selector(NOW)
    assert page.locator(f"{NOW} .bl-where b").inner_text() == "1 / 2"
    assert "<b>The wren</b>" in page.locator(f"{NOW} .wb-title").all_inner_texts()
    press(page, "t", 2)
    assert page.locator(f"{NOW} .bl-query").inner_text() == "<img src=x onerror='window.broken=1'>bird"
    assert page.evaluate("window.broken") is None


def test_a_round_stopped_early_is_revealed_and_can_go_on(page, site, duel):
    started(page, site)
    press(page, "a", 2)
    page.get_by_text("1 of 10 saved").locator("visible=true").wait_for()
    page.locator(f"{NOW} .bl-where a").click()
    page.wait_for_selector(".bl-reveal")
    assert "1 of 10 queries voted on" in page.locator(".bl-title").inner_text()
    page.get_by_text("Go on voting").click()
    page.wait_for_selector(f"{NOW}[data-number='2']")


def test_what_cannot_start_says_why_and_keeps_the_form(page, site, duel):
    page.goto(site.page("/blind", project="duel"))
    page.wait_for_selector("#blind .bl-form")
    boxes = page.locator(".bl-systems input")
    for n in range(boxes.count()):
        boxes.nth(n).set_checked(n == 0)
    page.locator("#bl-count").fill("3")
    page.locator("[data-do=start]").click()
    page.get_by_text("1 systems were chosen.").wait_for()
    assert page.locator("#bl-count").input_value() == "3"
    assert [boxes.nth(n).is_checked() for n in range(boxes.count())] == [True] + [False] * (boxes.count() - 1)
    page.goto(site.page("/blind", project="duel", session="nosuchid"))
    page.get_by_text("There is no saved view “nosuchid”").wait_for()


def test_one_system_is_not_enough(page, site):
    page.goto(site.page("/blind"))
    page.wait_for_selector("#blind .empty")
    assert "“aviary” has one: bm25 · inverted" in page.locator("#blind .empty").inner_text()
    assert page.locator("#blind .empty .btn").get_attribute("href").startswith("/encode")
