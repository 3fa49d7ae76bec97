"""What any renderer behind `mount` must draw, on points of known places; colours are read in the screenshot."""

import numpy as np
import pytest
from map_points import KINDS, N, colour_at, drag, picture, pixel, settled, told
from map_support import clustered, serving, wire

pytestmark = pytest.mark.browser


def test_the_points_are_drawn_where_they_are_in_the_colours_of_their_classes(open_map):
    page = open_map()
    box = page.locator("#map").bounding_box()
    x, y = pixel(page, 1)
    assert x > box["width"] / 2
    assert y < box["height"] / 2  # y of the map points up
    blue, orange = colour_at(page, 0), colour_at(page, 1)
    assert np.allclose(blue, [0, 114, 178], atol=45)
    assert np.allclose(orange, [230, 159, 0], atol=45)
    shown = picture(page)
    coloured = (shown.max(-1) - shown.min(-1) > 60).sum()
    assert coloured > 2000


def test_filtered_points_are_dimmed_not_deleted_and_cannot_be_picked(open_map):
    page = open_map()
    before = colour_at(page, 0)
    page.evaluate("view.filter(Uint8Array.from({length: view.n}, (_, row) => row === 0 ? 0 : 1))")
    settled(page)
    after, ground = colour_at(page, 0), picture(page)[5, 640]
    assert max(after) - min(after) < (max(before) - min(before)) / 4
    assert np.abs(np.array(after) - ground).sum() > 5
    page.mouse.click(*pixel(page, 0))
    assert told(page, "pick") == []
    assert "2,999 pass the filter" in page.locator(".wb-map-status").inner_text()
    page.evaluate("view.filter(null)")
    settled(page)
    assert colour_at(page, 0) == before
    page.mouse.click(*pixel(page, 0))
    assert [each["row"] for each in told(page, "pick")] == [0]


def test_a_class_that_the_legend_switched_off_is_dimmed_and_not_selected(open_map):
    page = open_map()
    page.evaluate("view.legend({kind: 'category', hidden: [1]})")
    settled(page)
    shade = colour_at(page, 1)
    assert max(shade) - min(shade) < 40
    page.mouse.click(*pixel(page, 1))
    page.mouse.click(*pixel(page, 0))
    assert [each["row"] for each in told(page, "pick")] == [0]
    page.keyboard.press("b")
    drag(page, [[60, 20], [600, 500], [1260, 780]])
    sent = told(page, "lasso")[0]
    assert sent["all"] == N
    assert sent["count"] == (KINDS != 1).sum()


def test_another_colouring_changes_the_colours_and_nothing_else(open_map):
    page = open_map()
    page.evaluate("view.view(.1, .2, 1.5)")
    page.evaluate("view.recolor(Uint8Array.from({length: view.n}, (_, row) => [253, 255][row] ?? 0), {kind: 'ramp'})")
    page.evaluate("view.reset()")
    settled(page)
    high, missing, low = colour_at(page, 0), colour_at(page, 1), colour_at(page, 2)
    assert np.allclose(high, [211, 210, 29], atol=45)
    assert np.allclose(missing, [195, 200, 208], atol=40)
    assert np.allclose(low, [68, 1, 84], atol=55)
    assert page.evaluate("(() => { try { view.recolor(new Uint8Array(3)); } catch (e) { return e.message; } })()") == (
        "the colouring is for 3 points, the map has 3000"
    )


def test_hits_neighbours_marks_and_the_query_are_drawn_over_the_points(open_map):
    page = open_map()
    plain = picture(page)

    def changed(row: int, room: int = 8) -> int:
        x, y = (round(value) for value in pixel(page, row))
        now = picture(page)
        part = np.s_[y - room : y + room, x - room : x + room]
        return int((np.abs(now[part] - plain[part]).sum(-1) > 60).sum())

    page.evaluate("view.highlight([{row: 0, rank: 1}, {row: 99999, rank: 2}, 1])")
    page.evaluate("view.marks([{row: 2, kind: 'positive'}, {row: 3, kind: 'negative'}])")
    settled(page)
    assert [changed(row) > 60 for row in range(4)] == [True] * 4
    page.evaluate("view.highlight([]); view.marks([])")
    settled(page)
    assert [changed(row) for row in range(4)] == [0] * 4
    page.evaluate("view.path({from: 0, to: [2, -7]})")
    settled(page)
    (x0, y0), (x1, y1) = pixel(page, 0), pixel(page, 2)
    line = picture(page)[round((y0 + y1) / 2), round((x0 + x1) / 2)]
    assert line[2] - line[0] > 60  # blue
    page.evaluate("view.path(null); view.query({x: 1, y: 1, text: 'bird', approximate: true})")
    settled(page)
    assert changed(1, 10) > 60


def test_more_names_appear_as_the_map_is_drawn_closer_and_l_hides_them(open_map):
    page = open_map()
    names = [
        {"text": f"a cluster with a long name {i}", "x": 0.02 * i - 0.3, "y": 0.01 * (i % 3), "size": 100 - i}
        for i in range(30)
    ]
    page.evaluate("names => view.labels(names)", names)
    settled(page)
    few = int(page.locator("#map").get_attribute("data-named"))
    assert 1 <= few < 15
    page.evaluate("view.view(0, 0, 12)")
    settled(page)
    inner = [name for name in names if abs(name["x"]) < 0.12]
    assert int(page.locator("#map").get_attribute("data-named")) >= 4 < len(inner)
    page.evaluate("view.view(0, 0, 40)")
    settled(page)
    page.keyboard.press("l")
    settled(page)
    assert page.locator("#map").get_attribute("data-named") == "0"
    assert page.locator("[data-tool=labels]").get_attribute("aria-pressed") == "false"


def test_without_webgl_the_map_says_so_and_still_works(open_map):
    no_gl = (
        "const ask = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement.prototype.getContext ="
        " function (kind, ...rest) { return kind === 'webgl2' ? null : ask.call(this, kind, ...rest); };"
    )
    page = open_map("", no_gl)
    assert page.locator("#map").get_attribute("data-flat") == "WebGL2 is missing"
    assert np.allclose(colour_at(page, 1), [230, 159, 0], atol=45)
    page.mouse.click(*pixel(page, 2))
    assert [each["row"] for each in told(page, "pick")] == [2]
    page.evaluate("view.filter(Uint8Array.from({length: view.n}, (_, row) => row === 1 ? 0 : 1))")
    settled(page)
    shade = colour_at(page, 1)
    assert max(shade) - min(shade) < 40


def test_the_colours_follow_the_page_into_the_dark(open_map):
    page = open_map()
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function("getComputedStyle(map).backgroundColor === 'rgb(15, 23, 42)'")
    settled(page)
    assert np.allclose(colour_at(page, 0), [0x3F, 0x9B, 0xE0], atol=45)
    assert picture(page)[5, 640].sum() < 150


def test_the_map_follows_the_size_of_its_place_and_leaves_nothing_behind(open_map):
    page = open_map()
    page.set_viewport_size({"width": 700, "height": 500})
    page.wait_for_function("document.querySelector('#map canvas').clientWidth === 700")
    settled(page)
    page.mouse.click(*pixel(page, 2))
    assert [each["row"] for each in told(page, "pick")] == [2]
    page.evaluate("view.destroy()")
    assert page.locator("#map canvas").count() == 0
    page.keyboard.press("r")
    page.evaluate("window.dispatchEvent(new CustomEvent('wb-map-hover', {detail: {link: 'birds', row: 2}}))")


def test_an_empty_map_and_a_map_of_one_point_open(gl_chromium):
    one = np.zeros((1, 2), np.float32)
    for xy in (one[:0], one, np.zeros((50, 2), np.float32)):
        errors: list[str] = []
        with serving({"/points.bin": wire(xy, np.zeros(len(xy), np.uint8))}) as url:
            page = gl_chromium.new_page()
            page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
            page.goto(url)
            page.wait_for_selector("body[data-ready]")
            settled(page)
            assert page.evaluate("view.n") == len(xy)
            if len(xy):
                page.mouse.click(*pixel(page, 0))
                assert [each["row"] for each in told(page, "pick")] == [0]
            page.close()
        assert not errors


def test_the_map_comes_back_with_a_graphics_device_that_went_away(open_map):
    page = open_map()
    before = colour_at(page, 0)
    page.evaluate(
        "const gl = document.querySelector('canvas[role=img]').getContext('webgl2');"
        "window.device = gl.getExtension('WEBGL_lose_context');"
        "device.loseContext()"
    )
    page.get_by_text("The graphics device went away; the map comes back with it.").wait_for()
    page.evaluate(
        "view.filter(Uint8Array.from({length: view.n}, (_, row) => row === 1 ? 0 : 1)); device.restoreContext()"
    )
    page.get_by_text("2,999 pass the filter").wait_for()
    page.wait_for_timeout(300)
    settled(page)
    assert colour_at(page, 0) == before
    shade = colour_at(page, 1)
    assert max(shade) - min(shade) < 40


def test_many_points_are_drawn_in_parts_and_stay_whole(gl_chromium):
    """More points than one frame takes: the parts add up to every point, and a lasso over them counts all."""
    n = 400_000
    xy, kinds = clustered(n, clusters=12, seed=2)
    xy[-1], kinds[-1] = (1, -1), 1  # the last row, alone: drawn only by the last part
    with serving({"/points.bin": wire(xy, kinds)}) as url:
        page = gl_chromium.new_page()
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        settled(page)
        assert page.evaluate("view.few()") < n
        assert np.allclose(colour_at(page, n - 1), [230, 159, 0], atol=60)
        page.evaluate("view.filter(Uint8Array.from({length: view.n}, (_, row) => row === view.n - 1 ? 1 : 0))")
        settled(page)
        assert np.allclose(colour_at(page, n - 1), [230, 159, 0], atol=60)
        page.close()
