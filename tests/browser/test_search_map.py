"""The map under the columns of a search: closed at first, lit by the chosen column's hits, linked with the rows."""

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

pytestmark = pytest.mark.browser

COUNT = 120
READY = "#search-map .wb-map-host[data-ready]"
CORPUS = "charted"


@pytest.fixture(scope="module")
def charted(site, tmp_path_factory) -> Iterator[str]:
    """A corpus with BM25, planted vectors and their map; the map's id."""
    from search_fixtures import add_embedding, planted, write_corpus

    from workbench.project import Workspace
    from workbench.specs import MapSpec
    from workbench.workflows.corpus import delete_corpus, import_corpus
    from workbench.workflows.encode import encode_corpus
    from workbench.workflows.map import make_map

    project = Workspace(site.workspace).open(site.project)
    import_corpus(project, CORPUS, write_corpus(tmp_path_factory.mktemp(CORPUS) / "charted.jsonl", COUNT))
    encode_corpus(project, CORPUS, "bm25")
    add_embedding(project, CORPUS, planted(COUNT))
    spec = MapSpec(method="pca", clusters="kmeans", cluster_count=3)
    yield make_map(project, CORPUS, "planted", spec).map
    delete_corpus(project, CORPUS)
    project.close()


@pytest.fixture
def project(site):
    from workbench.project import Workspace

    opened = Workspace(site.workspace).open(site.project)
    yield opened
    opened.close()


def opened(page, site, **values: str) -> None:
    page.goto(site.page("/search", **{"corpus": CORPUS, "encoder": "bm25", "q": "music", **values}))
    page.wait_for_selector("#hits-0 .wb-row")


def parameters(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def ordinals(page, column: int = 0) -> list[int]:
    return [int(each.get_attribute("data-ordinal")) for each in page.locator(f"#hits-{column} .wb-row").all()]


def lit(page, count: int) -> None:
    page.wait_for_selector(f"#search-map[data-lit='{count}']", state="attached")


def spy(page) -> None:
    """Keep what the map is told to highlight from now on."""
    page.evaluate(
        """() => { const view = document.querySelector('#search-map .wb-map-host').__view, own = view.highlight;
        view.highlight = (hits) => { window.told = hits; own(hits); }; }"""
    )


def test_it_is_closed_until_asked_and_the_address_keeps_it(page, site, charted) -> None:
    opened(page, site)
    page.wait_for_selector("#search-map-bar [data-do=open]")
    assert page.locator(READY).count() == 0 and "map" not in parameters(page)
    page.locator("#search-map-bar [data-do=open]").click()
    page.wait_for_selector(READY)
    page.wait_for_function("new URLSearchParams(location.search).get('map') === '1'")
    lit(page, 10)
    page.reload()
    page.wait_for_selector(READY)
    lit(page, 10)
    page.locator("#search-map-bar [data-do=close]").click()
    page.wait_for_selector("#search-map", state="hidden")
    page.wait_for_function("!new URLSearchParams(location.search).has('map')")


def test_the_hits_are_lit_where_they_lie_with_their_ranks(page, site, charted, project) -> None:
    from workbench.workflows import map as maps

    opened(page, site, map="1")
    page.wait_for_selector(READY)
    lit(page, 10)
    spy(page)
    page.locator("#q textarea, #q input").fill("bread word5")
    page.keyboard.press("Enter")
    page.wait_for_function("window.told && window.told.length === 10")
    shown = ordinals(page)
    rows = maps.highlight(project, charted, shown)
    page.wait_for_function(
        "rows => JSON.stringify(window.told.map(each => each.row)) === JSON.stringify(rows)", arg=rows
    )
    assert page.evaluate("window.told.map(each => each.rank)") == list(range(1, 11))
    assert parameters(page)["map"] == "1" and parameters(page)["q"] == "bread word5"


def test_another_column_lights_its_own_hits(page, site, charted, project) -> None:
    """Neighbours of a document by words and by vectors; the document itself has a ring without a number."""
    from workbench.workflows import map as maps

    cols = '[{"retrievers":[{"encoder":"bm25","index":"inverted"}]},{"retrievers":[{"encoder":"planted"}]}]'
    page.goto(site.page("/search", corpus=CORPUS, cols=cols, like="5", map="1", k="6"))
    page.wait_for_selector("#hits-0 .wb-row")
    page.wait_for_selector("#hits-1 .wb-row")
    page.wait_for_selector(READY)
    lit(page, 6)
    first, second = ordinals(page, 0), ordinals(page, 1)
    assert first != second
    spy(page)
    page.locator("#search-map-bar [data-do=column][data-column='1']").click()
    page.wait_for_function("window.told && window.told.length === 7")
    rows = maps.highlight(project, charted, [*second, 5])
    ranks = [*range(1, 7), 0]
    expected = [{"row": row, "rank": rank} for row, rank in zip(rows, ranks, strict=True)]
    assert page.evaluate("window.told") == expected
    page.wait_for_function("new URLSearchParams(location.search).get('map') === '2'")


def test_a_row_has_its_ring_and_a_point_its_row(page, site, charted, project) -> None:
    from workbench.workflows import map as maps

    opened(page, site, map="1")
    page.wait_for_selector(READY)
    lit(page, 10)
    third = ordinals(page)[2]
    (row,) = maps.highlight(project, charted, [third])
    page.locator("#hits-0 .wb-row").nth(2).hover()
    page.wait_for_selector(f"#search-map .wb-map-stage[data-over='{row}']")
    x, y = page.evaluate(
        """row => { const host = document.querySelector('#search-map .wb-map-host');
        const box = host.querySelector('canvas').getBoundingClientRect(), [x, y] = host.__view.px(row);
        return [box.x + x, box.y + y]; }""",
        row,
    )
    page.mouse.move(5, 5)
    page.mouse.move(x, y, steps=4)
    page.wait_for_selector("#hits-0 .wb-row[data-pointed]")
    over = int(page.locator("#search-map .wb-map-stage").get_attribute("data-over"))
    (ordinal,) = maps.ordinals_at(project, charted, [over])
    assert int(page.locator("#hits-0 .wb-row[data-pointed]").get_attribute("data-ordinal")) == ordinal
    page.mouse.click(x, y)
    page.wait_for_selector(f"#document .wb-document[data-ordinal='{ordinal}']")
    page.wait_for_selector(f"#hits-0 .wb-row[data-open][data-ordinal='{ordinal}']")


def test_without_a_map_one_button_makes_it(page, site, tmp_path, project) -> None:
    from search_fixtures import add_embedding, planted, write_corpus

    from workbench.workflows.corpus import delete_corpus, import_corpus
    from workbench.workflows.encode import encode_corpus

    import_corpus(project, "uncharted", write_corpus(tmp_path / "uncharted.jsonl", 60))
    encode_corpus(project, "uncharted", "bm25")
    try:
        opened(page, site, corpus="uncharted", map="1")
        page.wait_for_selector("#search-map-bar .empty a[href*='/encode']")
        add_embedding(project, "uncharted", planted(60))
        page.reload()
        button = page.locator("#search-map-bar .empty button")
        button.wait_for()
        assert button.inner_text() == "Map this corpus with planted"
        button.click()
        page.wait_for_selector(READY, timeout=120_000)
        lit(page, 10)
    finally:
        delete_corpus(project, "uncharted")
