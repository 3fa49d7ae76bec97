"""The Mine page as a person uses it: choose, search, drag the margin, propose; read back from the database."""

import json
import re

import pytest

from workbench import judgments, query_sets
from workbench.project import Workspace
from workbench.specs import MiningSpec
from workbench.workflows import corpus
from workbench.workflows.encode import encode_corpus
from workbench.workflows.mine import preview
from workbench.workflows.mining_kept import kept_candidates
from workbench.workflows.reviewing import proposed_sets

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror='window.broken=1'>"


@pytest.fixture(scope="module")
def quarry(site, tmp_path_factory):
    """Sixty texts of common words in the project “quarry”; four queries have a positive, those of “bare” none."""
    folder = tmp_path_factory.mktemp("quarry")
    rows = [
        {"id": f"d{n}", "title": f"Page {n} {EVIL}", "text": f"river bird {'song ' * (n % 6)}nest{n % 9} {EVIL}"}
        for n in range(60)
    ]
    asked = [{"id": f"q{n}", "text": f"bird song nest{n} {EVIL}"} for n in range(5)]
    (folder / "c.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    (folder / "q.jsonl").write_text("".join(json.dumps(each) + "\n" for each in asked))
    (folder / "q.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(f"q{n}\td{54 + n - 9 * n}\t1\n" for n in range(4))
    )
    made = Workspace(site.workspace).create("quarry")
    corpus.import_corpus(made, "c", folder / "c.jsonl")
    corpus.import_queries(made, "asked", folder / "q.jsonl", "c", folder / "q.tsv")
    corpus.import_queries(made, "bare", folder / "q.jsonl", "c")
    encode_corpus(made, "c", "bm25")
    encode_corpus(made, "c", {"kind": "bm25", "name": "flat", "b": 0.0})
    yield made
    made.close()
    Workspace(site.workspace).delete("quarry")


def opened(page, site, **values):
    page.goto(site.page("/mine", project="quarry", corpus="c", **values))
    page.wait_for_selector("#mine-body")


def figure(page, name: str) -> int:
    return int(page.locator(f"[data-figure={name}] b").inner_text().replace(",", ""))


def dropped(page, rule: str) -> list[int]:
    return [int(text.replace(",", "")) for text in page.locator(f"tr[data-rule={rule}] b").all_inner_texts()]


def counted(project, spec):
    return preview(project, kept_candidates(project, "asked", spec, ["flat", "bm25"]).found, spec)


def drawn(page, margin: str) -> None:
    """Until the page shows the counts of a margin."""
    page.wait_for_selector(f".mi-hists[data-margin='{margin}']")


def test_from_the_choice_to_a_proposed_set(page, site, quarry):
    opened(page, site)
    page.wait_for_selector("#mine .empty")
    page.get_by_label("flat", exact=True).check()
    page.wait_for_selector("#mine-found .tag:nth-of-type(2)")
    page.locator("#mine-found [data-do=find]").click()
    page.wait_for_selector("#mine .mi-hist:nth-of-type(2)", timeout=60_000)
    assert figure(page, "queries") == 4 and figure(page, "without") == 1
    assert page.locator("#mine-relative_margin input").input_value() == "0.05"
    first = counted(quarry, MiningSpec(relative_margin=0.05))
    assert dropped(page, "relative_margin") == [each.dropped["relative_margin"] for each in first.miners]
    assert figure(page, "negatives") == first.negatives

    line = page.locator(".mi-line").first
    line.scroll_into_view_if_needed()
    page.wait_for_selector("#mine[data-mounted], #mine [data-mounted]", state="attached")
    box, plot = line.bounding_box(), page.locator(".mi-plot").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 30
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(x - step * (x - plot["x"]) / 20, y)
    told = line.locator("span").inner_text()
    page.mouse.up()
    margin = round(float(re.match(r"([\d.]+) % below", told)[1]) / 100, 6)
    assert margin > 0.1
    drawn(page, f"{margin:g}")
    page.wait_for_function(f"document.querySelector('#mine-relative_margin input').value === '{margin:g}'")
    spec = MiningSpec(relative_margin=margin)
    second = counted(quarry, spec)
    shown = [each.dropped["relative_margin"] for each in second.miners]
    assert dropped(page, "relative_margin") == shown != [each.dropped["relative_margin"] for each in first.miners]
    assert figure(page, "negatives") == second.negatives
    page.wait_for_url(re.compile(f"relative_margin={margin:g}"))
    page.reload()
    drawn(page, f"{margin:g}")

    page.locator("#mine-name").locator("input, textarea").fill("mine one")
    page.locator("#propose").click()
    page.wait_for_selector(".mi-made", timeout=60_000)
    (made,) = proposed_sets(quarry, "asked")
    stored = list(judgments.stream(quarry.db, query_sets.find(quarry.db, "asked").id, ["mine one"]))
    assert (made.name, made.spec["spec"]["relative_margin"]) == ("mine one", margin)
    assert len(stored) == second.negatives and all(each.verdict.is_hard_negative for each in stored)
    assert {each.annotator for each in stored} == {"miner"}
    assert f"0 / {second.negatives} reviewed" in page.locator("#mined").inner_text()
    page.locator(".mi-made a").click()
    page.wait_for_selector(".rv-card")
    assert "proposed=mine+one" in page.url or "proposed=mine%20one" in page.url

    opened(page, site)
    page.wait_for_selector("#mined tr[data-set]")
    page.locator("#mined summary.danger").click()
    page.locator("#mined [data-do=delete]").click()
    page.wait_for_function("!document.querySelector('#mined tr[data-set]')")
    assert proposed_sets(quarry, "asked") == []


def searched(quarry):
    from workbench.workflows.mine import find_candidates

    return find_candidates(quarry, "asked", MiningSpec(), ["bm25"]).artifacts


def test_keys_and_the_form_move_the_margin(page, site, quarry):
    searched(quarry)
    opened(page, site, set="asked", miners="bm25", relative_margin="0.1")
    drawn(page, "0.1")
    page.wait_for_selector("#mine[data-mounted], #mine [data-mounted]", state="attached")
    page.locator(".mi-line").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    drawn(page, "0.16")
    page.locator("#mine-relative_margin input").fill("0.3")
    drawn(page, "0.3")
    # The line follows the field, and a key goes on from there.
    page.locator(".mi-line").focus()
    page.keyboard.press("ArrowRight")
    drawn(page, "0.29")
    page.locator("[data-do=off]").click()
    drawn(page, "")
    assert page.locator("#mine-relative_margin input").input_value() == ""
    page.locator(".mi-chart button").nth(5).click()
    drawn(page, "0.1")
    page.locator("[data-do=kind][data-value=absolute]").click()
    page.wait_for_selector(".mi-hists[data-kind=absolute]")
    page.wait_for_url(re.compile("by=absolute"))


def test_rules_that_the_candidates_cannot_answer_say_so(page, site, quarry):
    searched(quarry)
    opened(page, site, set="asked", miners="bm25", per_query="2")
    page.wait_for_selector("#mine .mi-hists")
    page.locator("#mine-near_duplicate input").fill("0.9")
    page.wait_for_selector("#mine-note [data-do=find]")
    assert "near-duplicates" in page.locator("#mine-note").inner_text()
    page.locator("#mine-near_duplicate input").fill("")
    page.wait_for_function("!document.querySelector('#mine-note .note')")
    page.locator("#mine-per_query input").fill("")
    page.wait_for_selector("#mine-note .note.bad")
    assert "is empty" in page.locator("#mine-note").inner_text()
    page.locator("#mine-per_query input").fill("3")
    page.wait_for_function("!document.querySelector('#mine-note .note')")
    assert "3 a query" in page.locator("[data-figure=negatives]").inner_text()


def test_examples_are_text_and_lead_to_the_label_page(page, site, quarry):
    searched(quarry)
    opened(page, site, set="asked", miners="bm25")
    page.wait_for_selector(".mi-example")
    assert EVIL in page.locator(".mi-query").first.inner_text()
    assert page.evaluate("window.broken") is None and page.locator("#mine-examples img").count() == 0
    before = page.locator(".mi-query b").all_inner_texts()
    page.locator("[data-do=more]").click()
    page.wait_for_function("text => document.querySelector('.mi-query b').textContent !== text", arg=before[0])
    page.locator(".mi-query a").first.click()
    page.wait_for_selector(".lb-card")
    assert "set=asked" in page.url and re.search(r"q=q\d", page.url)


def test_empty_states_say_what_is_needed(page, site, quarry):
    opened(page, site, set="bare", miners="bm25")
    page.wait_for_selector("#mine .empty")
    assert "None of the 5 queries" in page.locator("#mine .empty").inner_text()
    page.goto(site.page("/mine"))
    page.wait_for_selector("#mine-head .empty")
    assert "no query set yet" in page.locator("#mine-head").inner_text()
    page.goto(site.page("/mine", project="bare", corpus=""))
    page.wait_for_selector("#mine-head .empty")
