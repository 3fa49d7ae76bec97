"""The exported map opens from the disk, without a server, and shows its points, names and words."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(the file, the title of the document in row 0), of documents whose titles are markup."""
    from search_fixtures import add_embedding, planted

    from workbench.project import Project
    from workbench.specs import MapSpec
    from workbench.workflows import map as maps
    from workbench.workflows.corpus import import_corpus

    folder = tmp_path_factory.mktemp("file")
    project = Project.create(folder / "p")
    rows = [{"_id": f"d{n}", "title": f"<img src=x onerror=hacked()> {n}", "text": "water " * 9} for n in range(300)]
    (folder / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_corpus(project, "c", folder / "c.jsonl")
    add_embedding(project, "c", planted(300), "planted")
    made = maps.make_map(project, "c", "planted", MapSpec(method="pca", clusters="kmeans", cluster_count=3)).map
    path = maps.export_html(project, made, colours=["cluster", "trust"])
    (ordinal,) = maps.ordinals_at(project, made, [0])
    project.close()
    return path, f"<img src=x onerror=hacked()> {ordinal}"


@pytest.fixture
def page(gl_chromium, exported) -> Iterator[object]:
    opened = gl_chromium.new_page()
    errors, asked = [], []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda sent: asked.append(sent.url))
    opened.set_default_timeout(15_000)
    opened.goto(exported[0].as_uri())
    opened.wait_for_selector('#map[data-drawn="all"]')
    yield opened
    opened.close()
    assert not errors
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert len([url for url in asked if url.startswith("file:")]) == 1


def test_points_names_and_legend_are_there(page):
    assert page.evaluate("window.__view.n") == 300
    assert "300 documents" in page.inner_text("#facts") and "trustworthiness" in page.inner_text("#facts")
    assert page.locator("#legend button").count() == 3
    page.locator("#legend button").first.click()
    assert page.locator("#legend button").first.get_attribute("aria-pressed") == "false"
    page.select_option("#colour", "1")
    page.wait_for_selector("#legend .ramp")
    dark = page.evaluate("document.body.classList.contains('dark')")
    page.click("#theme")
    assert page.evaluate("document.body.classList.contains('dark')") != dark


def test_words_beside_a_point_are_text(page, exported):
    box = page.locator("#map").bounding_box()
    x, y = page.evaluate("window.__view.px(0)")
    page.mouse.move(box["x"] + x - 3, box["y"] + y - 3)
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.wait_for_selector(".wb-map-card:not([hidden]) .wb-map-title")
    assert page.inner_text(".wb-map-card .wb-map-title").startswith("<img src=x onerror=hacked()>")
    assert page.locator(".wb-map-card img").count() == 0
