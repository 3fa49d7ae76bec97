"""The Map page as a person uses it: a map made by one button, a click, a lasso, a search, colours, two maps."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

pytestmark = pytest.mark.browser

COUNT = 240
READY = "#map-left .wb-map-host[data-ready]"
OTHER_READY = "#map-right .wb-map-host[data-ready]"


@pytest.fixture(scope="module")
def mapped(site, tmp_path_factory) -> Iterator[dict[str, str]]:
    """A corpus of three topics with planted vectors and BM25: ids of two maps of it, and its name."""
    from search_fixtures import add_embedding, planted, write_corpus

    from workbench.project import Workspace
    from workbench.specs import MapSpec
    from workbench.workflows import map as maps
    from workbench.workflows.corpus import delete_corpus, import_corpus
    from workbench.workflows.encode import encode_corpus

    project = Workspace(site.workspace).open(site.project)
    import_corpus(project, "topics", write_corpus(tmp_path_factory.mktemp("topics") / "topics.jsonl", COUNT))
    add_embedding(project, "topics", planted(COUNT))
    noise = np.random.default_rng(5).standard_normal((COUNT, 16)).astype(np.float16)
    add_embedding(project, "topics", noise, "noise")
    encode_corpus(project, "topics", "bm25")
    spec = MapSpec(method="pca", clusters="kmeans", cluster_count=3)
    ids = {name: maps.make_map(project, "topics", name, spec).map for name in ("noise", "planted")}
    yield {"corpus": "topics", **ids}
    delete_corpus(project, "topics")
    project.close()


@pytest.fixture
def project(site):
    from workbench.project import Workspace

    opened = Workspace(site.workspace).open(site.project)
    yield opened
    opened.close()


def opened(page, site, mapped, **values: str) -> None:
    page.goto(site.page("/map", **{"corpus": "topics", "map": mapped["planted"], **values}))
    page.wait_for_selector(READY)


def parameters(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def pixel(page, row: int, side: str = "left") -> list[float]:
    """Where the point of a row is on the screen."""
    return page.evaluate(
        """([row, side]) => { const host = document.querySelector(`#map-${side} .wb-map-host`);
        const box = host.querySelector("canvas").getBoundingClientRect(), [x, y] = host.__view.px(row);
        return [box.x + x, box.y + y]; }""",
        [row, side],
    )


def drag_box(page, low: tuple[float, float], high: tuple[float, float]) -> None:
    """Draw a box over these shares of the map's width and height."""
    # The click scrolls the map into sight, so its place is asked for afterwards.
    page.locator("#map-left [data-tool=box]").click()
    box = page.locator("#map-left canvas").first.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (low, high)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=5)
    page.mouse.up()


def selected(page) -> int:
    return int(page.locator("#map-selection .wb-selected > b").inner_text().replace(",", ""))


def test_a_click_brings_the_document_and_its_true_neighbours(page, site, mapped, project) -> None:
    from workbench.workflows import map as maps
    from workbench.workflows import search as searching

    opened(page, site, mapped)
    page.mouse.click(*pixel(page, 17))
    page.wait_for_selector("#document .wb-neighbours .wb-row")
    ordinal = int(page.locator("#document .wb-document").get_attribute("data-ordinal"))
    listed = [int(row.get_attribute("data-ordinal")) for row in page.locator("#document .wb-neighbours .wb-row").all()]
    exact = searching.neighbours(project, "topics", "planted", ordinal, len(listed))
    assert listed == [hit.document.ordinal for hit in exact.hits] and len(listed) == 15
    shown = [float(each) for each in page.locator("#document .wb-neighbours .num").all_inner_texts()]
    assert shown == pytest.approx([1 - hit.score for hit in exact.hits], abs=2e-4)
    assert maps.highlight(project, mapped["planted"], [ordinal]) != []
    page.wait_for_function(f"new URLSearchParams(location.search).get('doc') === '{ordinal}'")
    page.reload()
    page.wait_for_selector(f"#document .wb-document[data-ordinal='{ordinal}']")
    page.locator("body").press("Escape")
    page.wait_for_selector("#document", state="hidden")


def test_a_shape_selects_what_python_counts(page, site, mapped, project) -> None:
    from ui.components.map_view import read_shapes
    from workbench.workflows import map as maps

    opened(page, site, mapped)
    drag_box(page, (0.15, 0.1), (0.55, 0.9))
    page.wait_for_selector("#map-selection .wb-selected")
    page.wait_for_function("location.search.includes('sel=')")
    (shape,) = read_shapes(parameters(page)["sel"])
    inside = maps.members(project, mapped["planted"], shape["polygon"])
    assert 0 < selected(page) == len(inside) < COUNT
    assert page.locator("#map-left .wb-map").get_attribute("data-chosen") == str(len(inside))
    page.locator("#map-selection [data-do=members]").click()
    page.wait_for_selector("#document .wb-list .wb-row")
    first = [int(row.get_attribute("data-ordinal")) for row in page.locator("#document .wb-row").all()]
    assert first == inside.tolist()[: len(first)]
    page.reload()
    page.wait_for_selector(READY)
    page.wait_for_selector("#map-selection .wb-selected")
    assert selected(page) == len(inside)
    page.wait_for_selector(f"#map-left .wb-map[data-chosen='{len(inside)}']")
    page.locator("#map-selection [data-do=unselect]").click()
    page.wait_for_selector("#map-selection .wb-selected", state="detached")
    page.wait_for_selector("#map-left .wb-map[data-chosen='0']")


def test_a_selection_becomes_a_subset_and_a_tag_that_is_undone(page, site, mapped, project) -> None:
    from workbench.workflows import subsets, tags

    opened(page, site, mapped)
    drag_box(page, (0.15, 0.1), (0.55, 0.9))
    page.wait_for_selector("#map-selection .wb-selected")
    count = selected(page)
    page.locator("#map-selection #wb-save > summary").click()
    page.locator("#map-selection #wb-save input").fill("left half")
    page.locator("#map-selection #wb-save [data-do=save]").click()
    page.wait_for_selector(".toast-body")
    assert subsets.get_subset(project, "topics", "left half").count == count
    page.locator("#map-selection #wb-tag > summary").click()
    page.locator("#map-selection #wb-tag input").fill("seen")
    page.locator("#map-selection #wb-tag [data-action=add]").click()
    page.locator("#map-selection .note [data-do=tag]").click()
    page.wait_for_selector("#map-selection [data-do=undo]")
    assert int(tags.tag_mask(project, "topics", "seen").sum()) == count
    page.locator("#map-selection [data-do=undo]").click()
    page.wait_for_selector("#map-selection [data-do=undo]", state="detached")
    assert tags.list_tags(project, "topics") == []
    page.locator("#map-selection [data-do=within]").click()
    page.wait_for_selector("#wb-filters .wb-chip")
    assert json.loads(parameters(page)["filters"]) == [["@subset", "in", ["left half"]]]
    assert f"{count:,} / {COUNT:,}" in page.locator("#map-words").inner_text()


def test_a_search_lights_its_hits_with_their_ranks(page, site, mapped, project) -> None:
    from workbench.specs import PipelineSpec, RetrieverSpec
    from workbench.workflows import search as searching

    opened(page, site, mapped, encoder="bm25")
    page.locator("#q textarea, #q input").fill("water word7 word4")
    page.keyboard.press("Enter")
    page.wait_for_selector("#document .wb-maphits .wb-row")
    listed = [int(row.get_attribute("data-ordinal")) for row in page.locator("#document .wb-maphits .wb-row").all()]
    wanted = searching.search(project, "topics", "water word7 word4", PipelineSpec((RetrieverSpec("bm25"),)))
    assert listed == [hit.document.ordinal for hit in wanted.hits]
    # Ready-made vectors read no query, so it has no place on the map, and the page says why.
    assert "not on the map" in page.locator("#document .wb-note").inner_text()
    assert parameters(page)["q"] == "water word7 word4"
    page.locator("#document .wb-maphits .wb-title").first.click()
    page.wait_for_selector("#document .wb-neighbours")
    page.locator("#document [data-act=shut]").click()
    page.wait_for_selector("#document .wb-maphits .wb-row")


def test_another_colour_and_the_switches_of_the_legend(page, site, mapped) -> None:
    opened(page, site, mapped)
    assert page.locator("#map-legend .wb-class").count() == 3
    first = page.locator("#map-legend .wb-class").nth(0)
    first.click()
    page.wait_for_function("new URLSearchParams(location.search).get('hide') === '0'")
    assert first.get_attribute("aria-pressed") == "false"
    page.locator("#map-legend .wb-class").nth(1).dblclick()
    page.wait_for_function("new URLSearchParams(location.search).get('hide') === '0.2'")
    page.reload()
    page.wait_for_selector(READY)
    pressed = [each.get_attribute("aria-pressed") for each in page.locator("#map-legend .wb-class").all()]
    assert pressed == ["false", "true", "false"]
    page.locator("#map-legend [data-change=color]").select_option("trust")
    page.wait_for_selector("#map-legend .wb-rampbar")
    page.wait_for_function("new URLSearchParams(location.search).get('color') === 'trust'")
    assert "hide" not in parameters(page)


def test_words_dim_the_others_and_the_legend_counts(page, site, mapped) -> None:
    opened(page, site, mapped)
    page.locator("#map-words input").fill("bread")
    page.locator("#map-words input").press("Enter")
    page.wait_for_function("location.search.includes('text=bread')")
    page.wait_for_function(f"document.querySelector('#map-words').innerText.includes('80 / {COUNT}')")
    counts = page.locator("#map-legend .wb-class .num").all_inner_texts()
    assert sum(int(each.partition(" / ")[0]) for each in counts) == 80
    assert sum(int(each.partition(" / ")[2]) for each in counts) == COUNT
    page.wait_for_function("document.querySelector('#map-left .wb-map-status').innerText.includes('80 pass')")


def test_two_maps_are_linked(page, site, mapped, project) -> None:
    from workbench.workflows import map as maps

    opened(page, site, mapped)
    page.locator("#map-head [data-change=other]").select_option(mapped["noise"])
    page.wait_for_selector(OTHER_READY)
    shared = maps.agreement(project, mapped["planted"], mapped["noise"]).mean
    assert f"{100 * shared:.1f}%" in page.locator("#map-pair").inner_text()
    page.locator("#map-pair [data-do=agree]").click()
    page.wait_for_selector("#map-legend .wb-rampbar")
    drag_box(page, (0.15, 0.1), (0.55, 0.9))
    page.wait_for_selector("#map-selection .wb-selected")
    page.wait_for_selector(f"#map-right .wb-map[data-chosen='{selected(page)}']")
    page.mouse.click(*pixel(page, 3, "right"))
    page.wait_for_selector("#map-pair .wb-moved tr[data-key^=went]")
    (ordinal,) = maps.ordinals_at(project, mapped["planted"], [3])
    rows = {each.ordinal for each in maps.displaced(project, mapped["planted"], mapped["noise"], ordinal)}
    listed = {int(row.get_attribute("data-ordinal")) for row in page.locator("#map-pair tr[data-do=open]").all()}
    assert listed == rows


def test_escape_goes_one_step_outward(page, site, mapped) -> None:
    opened(page, site, mapped, doc="5")
    drag_box(page, (0.15, 0.1), (0.55, 0.9))
    page.wait_for_selector("#map-selection .wb-selected")
    page.locator("#map-head .wb-make summary").click()
    page.keyboard.press("Escape")
    page.wait_for_selector("#map-head .wb-make:not([open])")
    assert page.locator("#document .wb-neighbours").is_visible()
    page.keyboard.press("Escape")
    page.wait_for_selector("#document", state="hidden")
    assert selected(page) > 0
    page.keyboard.press("Escape")
    page.wait_for_selector("#map-selection .wb-selected", state="detached")


def test_problems_are_selected_by_a_click(page, site, mapped, project) -> None:
    from workbench.workflows import map as maps

    opened(page, site, mapped)
    page.locator("#map-problems [data-do=problems]").click()
    page.locator(".wb-problem[data-name=hubs]").click()
    page.wait_for_selector("#map-selection .wb-selected")
    hubs = maps.problem(project, mapped["planted"], "hubs").ordinals.tolist()
    assert selected(page) == len(hubs) > 0
    assert "unusually many others" in page.locator("#document .wb-note").first.inner_text()
    assert [int(row.get_attribute("data-ordinal")) for row in page.locator("#document .wb-row").all()] == hubs[:100]


def test_markup_of_a_corpus_is_text(page, site, mapped, project) -> None:
    opened(page, site, mapped, q="<script>window.broken=1</script>", encoder="bm25")
    page.wait_for_selector("#document .wb-document")
    assert page.evaluate("window.broken") is None


def test_a_link_to_a_map_that_is_gone_shows_another(page, site, mapped) -> None:
    opened(page, site, mapped, map="nothing")
    page.wait_for_selector(".toast-body")
    assert "not there any more" in page.locator(".toast-body").inner_text()


def test_without_vectors_the_page_leads_to_encode(page, site) -> None:
    page.goto(site.page("/map"))
    link = page.locator("#front .empty a")
    link.wait_for()
    assert urlsplit(link.get_attribute("href")).path == "/encode"


def test_one_button_makes_a_map_that_appears_by_itself(page, site, tmp_path, project) -> None:
    from search_fixtures import add_embedding, planted, write_corpus

    from workbench.workflows.corpus import delete_corpus, import_corpus

    import_corpus(project, "unmapped", write_corpus(tmp_path / "unmapped.jsonl", 60))
    add_embedding(project, "unmapped", planted(60))
    try:
        page.goto(site.page("/map", corpus="unmapped"))
        button = page.locator("#front .empty button")
        button.wait_for()
        assert button.inner_text() == "Map this corpus with planted"
        button.click()
        page.wait_for_selector("#job-panel .job")
        page.wait_for_selector(READY, timeout=120_000)
        assert "60" in page.locator("#map-honest").inner_text()
    finally:
        delete_corpus(project, "unmapped")
