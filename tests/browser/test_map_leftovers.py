"""The Map page when documents came later, clusters get names, judgments have marks, and a picture is the query."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

pytestmark = pytest.mark.browser

COUNT, LATER = 90, 12
NAMED = "name => document.querySelector('#map-left .wb-map-host').__view.scene().labels.some(l => l.text === name)"
READY = "#map-left .wb-map-host[data-ready]"


@pytest.fixture
def project(site):
    from workbench.project import Workspace

    opened = Workspace(site.workspace).open(site.project)
    yield opened
    opened.close()


@pytest.fixture
def judged(project, tmp_path) -> Iterator[str]:
    """The id of a map of the corpus “songs”, which has BM25, a query set with judgments and a subset of labels."""
    from search_fixtures import add_embedding, planted, write_corpus

    from workbench.specs import MapSpec
    from workbench.workflows import map as maps
    from workbench.workflows.corpus import delete_corpus, import_corpus
    from workbench.workflows.encode import encode_corpus
    from workbench.workflows.queries import import_queries

    import_corpus(project, "songs", write_corpus(tmp_path / "songs.jsonl", COUNT))
    add_embedding(project, "songs", planted(COUNT))
    encode_corpus(project, "songs", "bm25")
    rows = [("s1", "water word4"), ("s2", "bread word5"), ("s3", "nothing of that")]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps({"_id": id, "text": text}) + "\n" for id, text in rows))
    (tmp_path / "q.qrels").write_text("s1 0 d4 2\ns1 0 d7 1\ns1 0 d0 0\ns1 0 gone 1\ns2 0 d5 1\n")
    import_queries(project, "asked", tmp_path / "q.jsonl", "songs", tmp_path / "q.qrels")
    yield maps.make_map(project, "songs", "planted", MapSpec(method="pca", clusters="kmeans", cluster_count=3)).map
    delete_corpus(project, "songs")


@pytest.fixture
def stale(project, tmp_path) -> Iterator[str]:
    """The id of the map of the first version of “growing”; the second has `LATER` documents more, and is encoded."""
    from search_fixtures import add_embedding, planted, write_corpus

    from workbench.specs import MapSpec
    from workbench.workflows import map as maps
    from workbench.workflows.corpus import delete_corpus, import_corpus

    path = write_corpus(tmp_path / "growing.jsonl", COUNT)
    import_corpus(project, "growing", path)
    add_embedding(project, "growing", planted(COUNT))
    made = maps.make_map(project, "growing", "planted", MapSpec(method="pca", clusters="kmeans", cluster_count=3)).map
    import_corpus(project, "growing", write_corpus(path, COUNT + LATER))
    vectors = np.vstack([planted(COUNT), planted(COUNT + LATER)[COUNT:]])
    add_embedding(project, "growing", vectors)
    yield made
    delete_corpus(project, "growing")


def opened(page, site, corpus: str, map: str, **values: str) -> None:
    page.goto(site.page("/map", corpus=corpus, map=map, **values))
    page.wait_for_selector(READY)


def parameters(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def another_map(page, old: str) -> str:
    """The map that takes the old one's place when the job is done."""
    page.wait_for_function(
        "old => { const id = new URLSearchParams(location.search).get('map'); return id && id !== old; }",
        arg=old,
        timeout=120_000,
    )
    page.wait_for_selector(READY)
    return parameters(page)["map"]


def test_later_documents_are_placed_into_a_stale_map(page, site, stale, project) -> None:
    from workbench.workflows import map as maps

    opened(page, site, "growing", stale)
    assert "version 2 is there by now" in page.locator("#map-head .wb-stale").inner_text()
    page.locator("#map-head [data-do=place]").click()
    made = another_map(page, stale)
    info = maps.get_map(project, made)
    assert (info.into, info.placed, info.points, info.stale) == (stale, LATER, COUNT + LATER, "")
    page.wait_for_selector("#map-head .wb-stale", state="detached")
    assert f"placed approximately {LATER}" in " ".join(page.locator("#map-honest").inner_text().split())
    # Old points are where they were, to the pixel; the new ones can be coloured.
    before, after = (maps.highlight(project, each, [5])[0] for each in (stale, made))
    xy = {}
    for id, row in ((stale, before), (made, after)):
        content = maps.points(project, id)
        n = len(content) // 9
        xy[id] = [float(np.frombuffer(content, "<f4", n, 4 * n * plane)[row]) for plane in (0, 1)]
    assert xy[stale] == xy[made]
    page.locator("#map-legend select").select_option("placed")
    page.wait_for_selector("#map-legend .wb-class:has-text('Placed approximately')")
    assert f"{LATER}" in page.locator("#map-legend .wb-class:has-text('Placed approximately')").inner_text()
    # Its neighbours are those of the new version.
    row = maps.highlight(project, made, [COUNT + 3])[0]
    spot = page.evaluate(
        """row => { const host = document.querySelector("#map-left .wb-map-host"), [x, y] = host.__view.px(row);
        const box = host.querySelector("canvas").getBoundingClientRect(); return [box.x + x, box.y + y]; }""",
        row,
    )
    page.mouse.click(*spot)
    page.wait_for_selector("#document .wb-neighbours .wb-row")


def test_a_stale_map_is_made_again_for_the_new_version(page, site, stale, project) -> None:
    from workbench.workflows import map as maps

    opened(page, site, "growing", stale)
    page.locator("#map-head [data-do=rebuild]").click()
    info = maps.get_map(project, another_map(page, stale))
    assert (info.into, info.placed, info.points, info.corpus) == ("", 0, COUNT + LATER, "growing@2")
    assert "placed" not in page.locator("#map-honest").inner_text()


def test_a_cluster_gets_a_name_and_its_words_back(page, site, judged, project) -> None:
    from workbench.workflows import map as maps

    def named() -> list[str]:
        return [each["text"] for each in scene(page)["labels"]]

    opened(page, site, "songs", judged)
    words = {each.cluster: each.name for each in maps.cluster_labels(project, judged)}
    row = page.locator("#map-legend .wb-classrow:has([data-class='1'])")
    row.hover()
    row.locator("[data-do=rename]").click()
    field = page.locator("#map-legend .wb-rename input[name=name]")
    field.wait_for()
    page.wait_for_function("document.activeElement?.name === 'name'")
    # Keys that are the map's own are letters here, and Esc leaves the field alone.
    page.keyboard.type("gbs")
    page.keyboard.press("Escape")
    page.wait_for_selector("#map-legend .wb-rename", state="detached")
    assert words[1] in named()
    row.hover()
    row.locator("[data-do=rename]").click()
    field.wait_for()
    page.wait_for_function("document.activeElement?.name === 'name'")
    page.keyboard.type("<b>My own</b>")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map-legend [data-do=unname]")
    assert row.locator("bdi").inner_text() == "<b>My own</b>"
    page.wait_for_function(NAMED, arg="<b>My own</b>")
    assert words[1] not in named()
    page.reload()
    page.wait_for_selector(READY)
    page.wait_for_function(NAMED, arg="<b>My own</b>")
    page.locator("#map-legend [data-do=unname]").click()
    page.wait_for_selector("#map-legend [data-do=unname]", state="detached")
    page.wait_for_function(NAMED, arg=words[1])
    assert not any(each.given for each in maps.cluster_labels(project, judged))


def scene(page) -> dict:
    """What lies over the points: labels, marks, highlight, query."""
    return page.evaluate("document.querySelector('#map-left .wb-map-host').__view.scene()")


def marks(page) -> list[dict]:
    return scene(page)["marks"]


def test_judged_documents_have_marks_with_a_legend(page, site, judged, project) -> None:
    from workbench.workflows import map as maps

    rows = {n: maps.highlight(project, judged, [n])[0] for n in (0, 4, 5, 7)}
    opened(page, site, "songs", judged, encoder="bm25")
    assert marks(page) == []
    # Chosen from the list.
    page.locator("#map-judged summary").click()
    listed = page.locator("#map-judged .wb-querylist .wb-problem")
    assert [each.strip().split("\n")[-1] for each in listed.all_inner_texts()] == ["4", "1", "0"]
    page.locator("#map-judged input[name=words]").fill("bread")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('#map-judged .wb-querylist .wb-problem').length === 1")
    listed.first.click()
    page.wait_for_selector("#map-left .wb-map[data-marks='1']")
    assert marks(page) == [{"row": rows[5], "kind": "positive", "grade": 1}]
    assert parameters(page)["qset"] == "asked" and parameters(page)["qid"] == "s2"
    page.wait_for_selector("#document .wb-maphits .wb-row")
    # Typed, the words of a judged query are that query.
    page.locator("#q textarea, #q input").fill("water word4")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map-left .wb-map[data-marks='3']")
    assert marks(page) == [
        {"row": rows[0], "kind": "irrelevant"},
        *({"row": rows[n], "kind": "positive", "grade": grade} for n, grade in sorted({4: 2, 7: 1}.items(),
        key=lambda each: rows[each[0]])),
    ]  # fmt: skip
    legend = page.locator("#map-judged .wb-marks li")
    assert [" ".join(each.split()) for each in legend.all_inner_texts()] == ["Relevant 2", "Judged, not relevant 1"]
    assert (
        legend.locator("svg").count() == 2 and "1 more are not on this map" in page.locator("#map-judged").inner_text()
    )
    assert "qset" not in parameters(page)
    page.locator("#map-judged [data-do=unjudged]").click()
    page.wait_for_selector("#map-left .wb-map[data-marks='0']")
    page.wait_for_selector("#map-judged .wb-marks", state="detached")
    page.locator("#q textarea, #q input").fill("something else")
    page.keyboard.press("Enter")
    page.wait_for_function("new URLSearchParams(location.search).get('q') === 'something else'")
    assert marks(page) == []


def test_a_selection_holds_only_what_passes(page, site, judged, project) -> None:
    from ui.components.map_view import read_shapes
    from workbench.workflows import map as maps

    opened(page, site, "songs", judged, text="water")
    page.wait_for_function("document.querySelector('#map-words').innerText.includes('30 / 90')")
    page.locator("#map-left [data-tool=box]").click()
    box = page.locator("#map-left canvas").first.bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] - 40, steps=6)
    page.mouse.up()
    bar = page.locator("#map-selection .wb-selected")
    bar.wait_for()
    page.wait_for_function("location.search.includes('sel=')")
    (shape,) = read_shapes(parameters(page)["sel"])
    inside = maps.members(project, judged, shape["polygon"])
    passing = [each for each in inside.tolist() if each % 3 == 1]
    assert 0 < len(passing) < len(inside)
    assert (
        bar.locator("b").first.inner_text() == f"{len(passing)}" and "30 that pass, of 90 documents" in bar.inner_text()
    )
    page.wait_for_selector(f"#map-left .wb-map[data-chosen='{len(passing)}']")
    assert f"{len(passing)} / 90 selected" in page.locator("#map-left .wb-map-status").inner_text()
    # A class switched off leaves the selection too, in the browser as in Python.
    clusters = {each.cluster: each for each in maps.cluster_labels(project, judged)}
    water = next(n for n, each in clusters.items() if "water" in each.name)
    page.locator(f"#map-legend [data-class='{water}']").click()
    page.wait_for_function("location.search.includes('hide=')")
    page.wait_for_function(
        """() => { const bar = document.querySelector('#map-selection .wb-selected b');
        return document.querySelector('#map-left .wb-map').dataset.chosen === (bar ? bar.innerText : '0'); }"""
    )


@pytest.fixture
def pictured(project, tmp_path) -> Iterator[tuple[str, list[Path]]]:
    """(the map of a corpus of pictures by a tiny CLIP, its files)."""
    from image_fixtures import draw, make_tiny_clip

    from workbench.specs import MapSpec
    from workbench.workflows import map as maps
    from workbench.workflows.corpus import delete_corpus, import_corpus
    from workbench.workflows.encode import encode_corpus

    files = draw(tmp_path / "pictures", 24)
    import_corpus(project, "pictures", tmp_path / "pictures")
    encoder = {"kind": "image-text", "name": "tiny-clip", "model": str(make_tiny_clip(tmp_path / "clip"))}
    encode_corpus(project, "pictures", encoder)
    yield maps.make_map(project, "pictures", "tiny-clip", MapSpec(method="pca", clusters="none")).map, files
    delete_corpus(project, "pictures")


def test_a_picture_is_searched_on_the_map(page, site, pictured, project) -> None:
    from workbench.workflows import corpus as corpora
    from workbench.workflows import map as maps

    made, files = pictured
    opened(page, site, "pictures", made)
    page.wait_for_selector("#query-image [data-known] .wb-qadd:visible")
    page.locator("#query-image input[type=file]").set_input_files(str(files[5]))
    page.wait_for_selector("#document .wb-maphits .wb-row", timeout=60_000)
    assert re.fullmatch(r"[0-9a-f]{32}", parameters(page)["image"])
    # The picture is one of the corpus: it is its own best hit, and the star stands near it.
    listed = [int(row.get_attribute("data-ordinal")) for row in page.locator("#document .wb-maphits .wb-row").all()]
    assert corpora.get_document(project, "pictures", listed[0]).doc_id.split(".")[0] == "5"
    shown = scene(page)
    assert [each["row"] for each in shown["highlight"]] == maps.highlight(project, made, listed)
    assert shown["query"]["approximate"] is True
    xy = np.frombuffer(maps.points(project, made), "<f4", 2 * 24).reshape(2, 24)[:, shown["highlight"][0]["row"]]
    assert np.hypot(shown["query"]["x"] - xy[0], shown["query"]["y"] - xy[1]) < 0.4
    page.locator(".wb-qdrop").click()
    page.wait_for_function("!new URLSearchParams(location.search).get('image')")
    page.wait_for_function("document.querySelector('#map-left .wb-map-host').__view.scene().highlight.length === 0")
