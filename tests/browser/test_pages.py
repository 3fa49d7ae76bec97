"""Home, Encode, Index and Jobs as a new user meets them."""

import json
import re

import numpy as np
import pytest

from workbench.project import Workspace
from workbench.workflows import corpus

pytestmark = pytest.mark.browser


def open_page(page, url: str) -> None:
    """Go there, and wait until the bar knows the project and the page is drawn."""
    page.goto(url)
    page.wait_for_selector("#wb-bar [data-project]")


def test_the_first_page_explains_itself_and_links_carry_the_project(page, site):
    open_page(page, site.url + "/?project=birds")
    page.wait_for_selector(".steps")
    assert page.locator(".steps .done").count() == 2
    assert "Load a corpus" in page.locator(".steps .done").first.inner_text()
    assert page.locator(".steps .next").inner_text().endswith("by meaning or by words")
    assert page.locator(".bar a", has_text="Encode").get_attribute("href") == "/encode?project=birds&corpus=aviary"
    assert page.locator("[data-key='project birds']").inner_text().count("8 documents") == 1


def test_the_last_project_is_taken_up_again(page, site):
    open_page(page, site.url + "/jobs?project=bare")
    open_page(page, site.url + "/encode")
    assert "project=bare" in page.url
    page.wait_for_selector("#encode-head .empty")
    assert page.locator("#encode-head .empty .btn").get_attribute("href") == "/corpus?project=bare"


def test_a_wrong_project_is_said_and_replaced(page, site):
    open_page(page, site.url + "/?project=nowhere")
    page.get_by_text("There is no project called “nowhere”.").wait_for()
    assert page.locator("#wb-project").input_value() == "bare"


def test_create_copy_and_delete_a_project(page, site):
    open_page(page, site.url + "/?project=birds")
    page.fill("#new-project", "mice & <men>")
    page.locator("[data-do=create]").click()
    page.get_by_text("cannot be the name of a project").wait_for()
    page.fill("#new-project", "mice")
    page.press("#new-project", "Enter")
    page.wait_for_url(re.compile("project=mice"))
    card = page.locator("[data-key='project mice']")
    card.get_by_text("Copy", exact=True).first.click()
    card.locator("input[name=name]").fill("more mice")
    card.locator("[data-do=copy]").click()
    page.wait_for_selector("[data-key='project more mice']")
    other = page.locator("[data-key='project more mice']")
    other.get_by_text("Delete", exact=True).first.click()
    other.locator("input[name=typed]").fill("mice")
    other.locator("[data-do=delete]").click()
    page.get_by_text("was not deleted").wait_for()
    assert "more mice" in Workspace(site.workspace).projects()
    other.locator("input[name=typed]").fill("more mice")
    other.locator("[data-do=delete]").click()
    page.wait_for_selector("[data-key='project more mice']", state="detached")
    assert Workspace(site.workspace).projects() == ["bare", "birds", "mice"]
    Workspace(site.workspace).delete("mice")


def test_the_theme_is_kept(page, site):
    open_page(page, site.url + "/?project=birds")
    before = page.evaluate("document.body.classList.contains('dark')")
    page.locator(".wb-flip").click()
    open_page(page, site.url + "/jobs?project=birds")
    page.wait_for_function(f"document.body.classList.contains('dark') === {str(not before).lower()}")
    page.locator(".wb-flip").click()


def test_encode_with_settings_of_ones_own(page, site):
    open_page(page, site.page("/encode"))
    page.locator("#catalogue [data-name=bm25]").click()
    page.wait_for_function("document.querySelector('#encoder input, #encoder textarea').value === 'bm25'")
    page.locator("#bm25-k1 input").fill("0.9")
    page.locator("#bm25-b input").fill("0.4")
    page.locator("#encode").click()
    row = page.locator("#embeddings tr", has_text="k1=0.9")
    row.wait_for(timeout=60_000)
    assert "b=0.4" in row.inner_text()
    assert page.locator("#embeddings tbody tr").count() == 2
    row.get_by_text("Delete").first.click()
    row.locator("[data-do=delete]").click()
    row.wait_for(state="detached")
    assert page.locator("#embeddings tbody tr").count() == 1


def test_a_missing_prompt_is_said_in_red(page, site):
    open_page(page, site.page("/encode"))
    page.locator("#catalogue [data-name=bge-small]").click()
    page.locator("#encoder-details").get_by_text("Represent this sentence").first.wait_for()
    assert page.locator("#encoder-details .note.bad").count() == 0
    page.locator("#dense-query_prompt textarea, #dense-query_prompt input").fill('""')
    page.locator("#dense-query_prompt textarea, #dense-query_prompt input").blur()
    page.locator("#encoder-details .note.bad", has_text="prompt").wait_for()


def test_an_unknown_encoder_lists_the_choices(page, site):
    open_page(page, site.page("/encode"))
    page.wait_for_selector("#catalogue [data-name=minilm]")
    page.locator("#encoder textarea, #encoder input").fill("minilmm")
    page.locator("#encoder-details").get_by_text("Did you mean “minilm”?").wait_for()


def test_index_needs_a_dense_embedding(page, site):
    open_page(page, site.page("/index"))
    page.wait_for_selector("#index-head .empty")
    assert "BM25 brings its own index" in page.locator("#index-head").inner_text()
    assert page.locator("#index-head .empty .btn").get_attribute("href").startswith("/encode?")


def test_jobs_show_what_ran_and_its_log(page, site):
    from workbench.jobs import JobService

    jobs = JobService(site.workspace)
    title = "<img src=x onerror=alert(1)> gone"
    id = jobs.enqueue("encode", "birds", {"corpus": "nowhere", "encoder": "bm25"}, title=title)
    waits = jobs.enqueue("encode", "birds", {"corpus": "aviary", "encoder": "bm25"}, title="on a gpu", device="cuda:7")
    open_page(page, site.url + "/jobs?project=birds")
    row = page.locator(f"[data-key='{id}'][data-state=failed]")
    row.wait_for(timeout=60_000)
    assert "<img src=x" in row.inner_text() and "nowhere" in row.inner_text()
    row.locator("[data-do=log]").click()
    page.locator("#job-log .log", has_text="nowhere").wait_for()
    assert "No worker for this job" in page.locator(f"[data-key='{waits}']").inner_text()
    page.locator(f"[data-key='{waits}'] [data-do=cancel]").click()
    page.wait_for_selector(f"[data-key='{waits}'][data-state=cancelled]")
    assert page.locator("#workers .chip.ok").count() == 1
    page.get_by_text("Clear finished").click()
    page.locator("[data-do=purge]").click()
    page.wait_for_selector(f"[data-key='{id}']", state="detached")
    assert jobs.list("birds") == []


@pytest.fixture
def points(site, tmp_path):
    """A corpus “points” of 400 ready-made vectors of 16 dimensions in the project “birds”; gone afterwards."""
    project = Workspace(site.workspace).open("birds")
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(400, 16)).astype(np.float32))
    rows = [json.dumps({"id": f"p{n}", "text": f"point {n}"}) for n in range(400)]
    (tmp_path / "points.jsonl").write_text("\n".join(rows), encoding="utf-8")
    corpus.import_corpus(project, "points", tmp_path / "points.npy")
    yield "points"
    corpus.delete_corpus(project, "points")
    project.close()


def test_a_suggested_index_is_checked_built_and_deleted(page, site, points):
    open_page(page, site.page("/index", corpus=points))
    page.locator("#suggestions [data-factory=HNSW32]").click()
    page.locator("#check .note.good", has_text="HNSW32").wait_for()
    factory = page.locator("#factory textarea, #factory input")
    factory.fill("PQ7")
    page.locator("#check .note.bad", has_text="PQ7").wait_for()
    page.locator("#build").click()
    page.locator("[data-testid=toast-body]", has_text="PQ7").wait_for()
    assert page.locator("#job-panel .job").count() == 0
    factory.fill("HNSW16")
    page.locator("#check .note.good", has_text="HNSW16").wait_for()
    page.locator("#build").click()
    row = page.locator("#indices tr", has_text="HNSW16")
    row.wait_for(timeout=60_000)
    assert "ef_search" in row.inner_text()
    row.get_by_text("Delete").first.click()
    row.locator("[data-do=delete]").click()
    row.wait_for(state="detached")


def test_a_menu_stays_open_while_the_page_is_redrawn(page, site):
    """The Jobs page is drawn anew each second: what a person opened or typed there must survive it."""
    open_page(page, site.url + "/jobs?project=birds")
    page.get_by_text("Clear finished").click()
    days = page.locator("input[name=days]")
    days.fill("365")
    before = page.locator("#workers").inner_text()
    page.wait_for_timeout(2500)
    assert days.is_visible()
    assert days.input_value() == "365"
    assert page.locator("#workers").inner_text().splitlines()[0] == before.splitlines()[0]
