"""The third dimension of the Map page: made by one button, drawn by plotly from here, linked with colours and panel."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import local

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

pytestmark = pytest.mark.browser

COUNT = 90
CORPUS = "solid"
READY = "#map-3d .wb-space-host[data-ready]"


@pytest.fixture(scope="module")
def mapped(site, tmp_path_factory) -> Iterator[str]:
    """A corpus with a map whose classes are known; one document's title tries to be markup. The map's id."""
    from search_fixtures import add_embedding, planted, write_corpus

    from workbench.project import Workspace
    from workbench.specs import MapSpec
    from workbench.workflows.corpus import delete_corpus, import_corpus
    from workbench.workflows.map import make_map

    project = Workspace(site.workspace).open(site.project)
    path = write_corpus(tmp_path_factory.mktemp(CORPUS) / "solid.jsonl", COUNT)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["title"] = f"<b>{row['title']}</b><img src=x onerror=window.broken=1>"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    import_corpus(project, CORPUS, path)
    add_embedding(project, CORPUS, planted(COUNT))
    spec = MapSpec(method="pca", clusters="kmeans", cluster_count=3)
    yield make_map(project, CORPUS, "planted", spec).map
    delete_corpus(project, CORPUS)
    project.close()


@pytest.fixture
def gl_page(gl_chromium, site) -> Iterator[object]:
    """A page with WebGL; fails where a script breaks or anything but the app is asked."""
    page, errors, foreign = gl_chromium.new_page(), [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda sent: foreign.append(sent.url) if not local(sent.url, site) else None)
    page.set_default_timeout(30_000)
    yield page
    page.close()
    assert not errors
    assert not foreign


def parameters(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def point(page, row: int) -> None:
    """Say what plotly says when the pointer comes upon the point of a row, and put the pointer there."""
    box = page.locator("#map-3d .wb-space-host").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.evaluate(
        """row => { const { plot, rows } = document.querySelector('.wb-space-host').__space;
        plot.emit('plotly_hover', { points: [{ curveNumber: 1, pointNumber: rows[1].indexOf(row) }] }); }""",
        row,
    )


def test_three_dimensions_from_the_button_to_the_document(gl_page, site, mapped) -> None:
    from workbench.project import Workspace
    from workbench.workflows import map as maps
    from workbench.workflows import map_space

    page = gl_page
    page.goto(site.page("/map", corpus=CORPUS, map=mapped))
    page.wait_for_selector("#map-left .wb-map-host[data-ready]")
    assert page.locator("script[src*=plotly]").count() == 0
    page.locator("#map-3d-switch [data-do='3d']").click()
    page.locator("#map-3d-front [data-do=make]").click()
    page.wait_for_selector(READY, timeout=120_000)
    page.wait_for_function("new URLSearchParams(location.search).get('space') === '1'")
    assert page.locator(READY).get_attribute("data-shown") == str(COUNT)
    project = Workspace(site.workspace).open(site.project)
    try:
        info = map_space.find_space(project, mapped)
        line = page.locator("#map-3d-line").inner_text()
        assert f"{info.trustworthiness:.3f}" in line and "fair sample" not in line
        # A class that the legend switches off is gone; words dim the others.
        size = int(page.locator("#map-legend .wb-class .num").first.inner_text())
        page.locator("#map-legend .wb-class").first.click()
        page.wait_for_selector(f"{READY}[data-shown='{COUNT - size}']")
        page.locator("#map-legend .wb-class").first.click()
        page.wait_for_selector(f"{READY}[data-shown='{COUNT}']")
        page.locator("#map-words input").fill("bread")
        page.locator("#map-words input").press("Enter")
        page.wait_for_selector(f"{READY}[data-shown='{COUNT // 3}'][data-dimmed='{COUNT - COUNT // 3}']")
        page.locator("#map-words [data-do=nowords]").click()
        page.wait_for_selector(f"{READY}[data-dimmed='0']")
        point(page, 7)
        page.wait_for_selector("#map-3d .wb-map-card:not([hidden])")
        (ordinal,) = maps.ordinals_at(project, mapped, [7])
        card = page.locator("#map-3d .wb-map-card")
        # What looks like markup is shown as text.
        assert card.locator("img, b").count() == 0 and "<b>" in card.locator(".wb-map-title").inner_text()
        page.mouse.down()
        page.mouse.up()
        page.wait_for_selector(f"#document .wb-document[data-ordinal='{ordinal}']")
        page.wait_for_function("document.querySelector('.wb-space-plot')?.data.length === 4")
        near = [other for other, _ in maps.neighbours_of(project, mapped, ordinal)]
        rows = maps.highlight(project, mapped, near)
        assert page.evaluate("document.querySelector('.wb-space-plot').data[2].x.length") == 3 * len(rows)
    finally:
        project.close()
    assert page.evaluate("window.broken") is None
    page.reload()
    page.wait_for_selector(READY)
    assert parameters(page)["space"] == "1"
    page.locator("#map-3d-switch [data-do='2d']").click()
    page.wait_for_selector("#map-3d", state="hidden")
    assert page.locator(".wb-space-plot").count() == 0


def test_a_turn_opens_nothing(gl_page, site, mapped) -> None:
    from workbench.project import Workspace
    from workbench.workflows.map_space import make_space

    project = Workspace(site.workspace).open(site.project)
    make_space(project, CORPUS, mapped)
    project.close()
    gl_page.goto(site.page("/map", corpus=CORPUS, map=mapped, space="1"))
    gl_page.wait_for_selector(READY)
    point(gl_page, 3)
    gl_page.mouse.down()
    box = gl_page.locator("#map-3d .wb-space-host").bounding_box()
    gl_page.mouse.move(box["x"] + 260, box["y"] + 240, steps=4)
    gl_page.mouse.up()
    gl_page.wait_for_timeout(300)
    assert "doc" not in parameters(gl_page)


def test_without_webgl_a_sentence_stands_there(page, site, mapped) -> None:
    from workbench.project import Workspace
    from workbench.workflows.map_space import make_space

    project = Workspace(site.workspace).open(site.project)
    make_space(project, CORPUS, mapped)
    project.close()
    page.add_init_script(
        "const own = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement.prototype.getContext = "
        "function (kind, ...rest) { return kind.includes('webgl') ? null : own.call(this, kind, ...rest); };"
    )
    page.goto(site.page("/map", corpus=CORPUS, map=mapped, space="1"))
    page.wait_for_selector("#map-3d .wb-space-told")
    assert "no WebGL" in page.locator("#map-3d .wb-space-told").inner_text()
