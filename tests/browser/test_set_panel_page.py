"""Test sets on the Corpus page as a person makes them: out of the corpus, with typos, from a folder."""

import json

import pytest

from workbench.project import Workspace
from workbench.workflows import corpus

pytestmark = pytest.mark.browser

WORDS = ["harbour", "mountain", "lantern", "violin", "orchard", "compass"]


@pytest.fixture(scope="module")
def atelier(site, tmp_path_factory):
    """A corpus of six titled texts; beside it a folder as AIR-Bench lays its sets out."""
    folder = tmp_path_factory.mktemp("atelier")
    rows = [{"id": f"d{n}", "title": word, "text": f"All about the {word}."} for n, word in enumerate(WORDS)]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    air = folder / "air"
    air.mkdir()
    (air / "corpus.jsonl").write_text('{"id": "a", "title": "", "text": "Bees dance."}\n')
    (air / "dev_queries.jsonl").write_text('{"id": "q", "text": "who dances?"}\n')
    (air / "dev_qrels.jsonl").write_text('{"qid": "q", "docid": "a", "relevance": 1}\n')
    made = Workspace(site.workspace).create("atelier")
    corpus.import_corpus(made, "things", folder / "c.jsonl")
    yield made, air
    made.close()
    Workspace(site.workspace).delete("atelier")


def test_a_set_is_made_varied_and_read_and_a_folder_is_loaded(page, site, atelier):
    project, folder = atelier
    page.goto(site.page("/corpus", project="atelier", corpus="things"))
    page.locator("#corpora [data-do=test-sets]").click()
    page.wait_for_selector(".ts-make")
    assert page.locator(".ts-model:visible, .ts-column:visible").count() == 0
    page.locator(".ts-make [name=recipe]").select_option("written")
    assert page.locator(".ts-make .ts-model:visible").count() == 2
    page.locator(".ts-make [name=recipe]").select_option("title")
    page.locator(".ts-make [data-do=make]").click()
    page.wait_for_selector(".ts-made:has-text('things-title')", timeout=60_000)
    assert len(corpus.list_queries(project, "things-title")) == 6

    page.wait_for_selector(".ts-vary [name=set] option[value=things-title]", state="attached")
    page.locator(".ts-vary [name=rate]").fill("100")
    page.locator(".ts-vary [data-do=vary]").click()
    page.wait_for_selector(".ts-made:has-text('6 changed')", timeout=60_000)
    page.locator(".ts-sets tr", has_text="things-title-typos").locator("[data-do=queries-of]").click()
    page.wait_for_selector(".ts-queries")
    first = page.locator(".ts-queries tbody tr").first.inner_text()
    assert "was: harbour" in first and "typos of things-title" in first

    page.locator("[name=folder]").fill(str(folder))
    page.locator("[data-do=folder]").click()
    page.wait_for_selector(".ts-made:has-text('AIR-Bench')", timeout=60_000)
    assert [each.name for each in corpus.list_corpora(project)] == ["air", "things"]
    page.locator(".ts-made a", has_text="Open the corpus").click()
    page.wait_for_selector("#rows .wb-row")
    assert "corpus=air" in page.url

    page.goto(site.page("/corpus", project="atelier", corpus="things"))
    row = page.locator(".wb-corpus .row", has_text="things-title-typos")
    row.locator("summary").click()
    row.locator("[data-do=delete-queries]").click()
    page.wait_for_function("!document.body.innerText.includes('things-title-typos')")
    assert [each.name for each in corpus.list_query_sets(project, "things")] == ["things-title"]
