"""The Laboratory as a person uses it: indices measured, a trial looked at and adopted, an encoder measured."""

import json

import numpy as np
import pytest

from workbench.project import Workspace
from workbench.specs import RetrieverSpec
from workbench.workflows import corpus
from workbench.workflows.adopting import adopted
from workbench.workflows.encoder_lab import list_cells
from workbench.workflows.index_lab import list_labs
from workbench.workflows.lab_changes import changes

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=window.broken=1>"
COUNT, DIM = 60, 8


@pytest.fixture(scope="module")
def library(site, tmp_path_factory):
    """A project with ready-made vectors around three directions; every text tries to inject markup."""
    folder = tmp_path_factory.mktemp("measured")
    rows = 0.4 * np.random.default_rng(0).standard_normal((COUNT, DIM))
    rows[np.arange(COUNT), np.arange(COUNT) % 3] += 1
    np.save(folder / "rows.npy", rows.astype(np.float32))
    texts = [json.dumps({"id": f"v{n}", "title": f"T{n}", "text": f"{EVIL} {n}"}) for n in range(COUNT)]
    (folder / "rows.jsonl").write_text("\n".join(texts))
    made = Workspace(site.workspace).create("bench")
    corpus.import_corpus(made, "vectors", folder / "rows.npy")
    yield made
    made.close()
    Workspace(site.workspace).delete("bench")


def arrive(page, site, tab):
    page.goto(site.page("/laboratory", project="bench", corpus="vectors", tab=tab))


def test_indices_are_measured_looked_at_and_adopted(page, site, library):
    arrive(page, site, "index")
    page.wait_for_selector("#lab-form [data-do=start]")
    assert "Nothing measured yet" in page.locator("#lab-result").inner_text()
    page.locator("#lab-form [name=queries]").fill("20")
    page.locator("#lab-form [name=own]").fill("IVF2,Flat nprobe=1,2\nPQ3")
    page.locator("#lab-form [data-do=start]").click()
    page.wait_for_selector(".lab-table tbody tr", timeout=60_000)

    # The table shows what the disk holds.
    (report,) = list_labs(library, "vectors")
    table = {row.trial: n for n, row in enumerate(report.rows)}
    assert {"exact", "IVF2,Flat · nprobe 1", "IVF2,Flat · nprobe 2"} <= set(table)
    for n, row in enumerate(report.rows):
        cells = page.locator(f".lab-table [data-key='trial {n}'] td").all_inner_texts()
        assert row.trial in cells[0] and cells[1] == f"{row.recall:.4f}" and cells[-2] == f"{row.changed:,}"
    assert report.rows[0].recall == report.rows[table["IVF2,Flat · nprobe 2"]].recall == 1.0
    assert page.locator(".lab-dot").count() == len(report.rows)
    assert "PQ3" in page.locator("#lab-result .note.bad").inner_text()

    # A click on a trial lists what it changed, as the address keeps.
    n = table["IVF2,Flat · nprobe 1"]
    found = changes(library, report.lab, n, limit=5)
    assert found.total == report.rows[n].changed > 0
    page.locator(f".lab-table [data-key='trial {n}'] td").first.click()
    page.wait_for_selector(".lab-change")
    assert page.locator(".lab-change").count() == len(found.rows)
    assert page.locator(".lab-change .lost li").count() == sum(len(each.lost) for each in found.rows)
    assert f"T{found.rows[0].lost[0].document.ordinal}" in page.locator(".lost li").first.inner_text()
    page.wait_for_function(f"location.search.includes('trial={n}')")

    # Adopted by one click; the link beside it searches with it.
    page.locator(f"[data-key='trial {n}'] [data-do=adopt]").click()
    page.wait_for_selector(f"[data-key='trial {n}'] .tag:text-is('in use')")
    assert adopted(library, "vectors") == {"given": RetrieverSpec(encoder="given", index="IVF2,Flat", nprobe=1)}
    page.locator(f"[data-key='trial {n}'] a").click()
    page.wait_for_url("**/search?**nprobe=1**")
    assert page.evaluate("window.broken") is None


def test_an_encoder_is_measured_and_its_figures_are_those_of_the_disk(page, site, library):
    arrive(page, site, "encoders")
    page.wait_for_selector("#lab-encoder-form [data-do=start]")
    page.locator("#lab-encoder-form [name=queries]").fill("20")
    page.locator("#lab-encoder-form [data-do=start]").click()
    page.wait_for_selector(".le-card", timeout=60_000)
    (cell,) = list_cells(library, "vectors", "")
    cells = page.locator(".le-table tbody td").all_inner_texts()
    assert cells[0].strip() == "given" and cells[1:3] == [str(DIM), "–"]
    assert f"{cell.figures['uniformity']:.2f}" in cells and f"{cell.figures['hubness']['skewness']:.2f}" in cells
    assert page.locator(".le-curves .le-mark").count() == len(cell.figures["curve"])
    page.locator(".le-card summary", has_text="Numbers of the curves").click()
    rows = page.locator(".le-card details[open] tbody tr").all_inner_texts()
    assert [row.split()[:3] for row in rows] == [
        [str(each["dim"]), each["precision"], f"{each['bytes']:,}"] for each in cell.figures["curve"]
    ]
    assert page.evaluate("window.broken") is None
