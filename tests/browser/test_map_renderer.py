"""The map's renderer on a page of its own: what any renderer behind `mount` must do, on points of known places.

Shapes are checked against arithmetic of their own in numpy, colours in the screenshot.
"""

import io
import json
from collections.abc import Iterator

import numpy as np
import pytest
from map_support import as_json, clustered, serving, wire
from numpy.typing import NDArray
from PIL import Image

pytestmark = pytest.mark.browser

N = 3000
XY, CLUSTER = clustered(N, clusters=6, seed=3)
FAR = np.array([[-1, -1], [1, 1], [0.9, -0.95], [-0.95, 0.9]], np.float32)
"""Four points that stand alone, rows 0 … 3, of clusters 0 … 3."""
POINTS = np.concatenate([FAR, XY[4:] * 0.5])
KINDS = np.concatenate([np.arange(4, dtype=np.uint8), CLUSTER[4:]])
CARD = {"title": "<b>The wren</b>", "text": "A tiny brown bird.", "facts": [["grams", 9]]}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    files = {
        "/points.bin": wire(POINTS, KINDS),
        "/other.bin": wire(POINTS[:, ::-1], KINDS),
        "/card/0.json": as_json(CARD),
    }
    with serving(files) as url:
        yield url


@pytest.fixture
def open_map(gl_chromium, server: str) -> Iterator[object]:
    """Opens the page with a query; fails where a script broke or anything but the server was asked."""
    pages, errors, foreign = [], [], []

    def opened(query: str = "", script: str = "") -> object:
        page = gl_chromium.new_page()
        pages.append(page)
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda sent: foreign.append(sent.url) if not sent.url.startswith(server) else None)
        if script:
            page.add_init_script(script)
        page.goto(f"{server}/?{query}")
        page.wait_for_selector("body[data-ready]")
        settled(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert not errors
    assert not foreign


def settled(page) -> None:
    """Until every point is on the screen."""
    page.wait_for_function("[...document.querySelectorAll('.wb-map')].every(map => map.dataset.drawn === 'all')")
    page.wait_for_function("!!view.times().all")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def pixel(page, row: int, map: str = "view") -> list[float]:
    """Where a point is on the page, in CSS pixels."""
    return page.evaluate(
        "([map, row]) => { const host = document.getElementById(map === 'view' ? 'map' : 'other');"
        " const box = host.getBoundingClientRect(), [x, y] = window[map].px(row);"
        " return [box.left + x, box.top + y]; }",
        [map, row],
    )


def told(page, name: str) -> list[dict]:
    return [data for kind, data in page.evaluate("told") if kind == name]


def picture(page) -> NDArray[np.int64]:
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), np.int64)


def colour_at(page, row: int) -> list[int]:
    """The colour of a point: of the 25 pixels around its place, the one least like the ground."""
    x, y = (round(value) for value in pixel(page, row))
    shown = picture(page)
    near = shown[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
    return near[np.abs(near - shown[5, 640]).sum(-1).argmax()].tolist()


def inside(corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """By angles (the winding number), not by crossings as in the code; right for shapes that do not cut themselves."""
    ahead = np.roll(corners, -1, axis=0)
    a, b = corners[None] - POINTS[:, None], ahead[None] - POINTS[:, None]
    turns = np.arctan2(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], (a * b).sum(-1)).sum(1)
    return np.abs(turns) > 3


def drag(page, path: list[list[float]]) -> None:
    page.mouse.move(*path[0])
    page.mouse.down()
    for point in path[1:]:
        page.mouse.move(*point)
    page.mouse.up()


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


def test_a_click_picks_the_nearest_point_and_empty_ground_none(open_map):
    page = open_map()
    x, y = pixel(page, 2)
    page.mouse.click(x + 4, y + 3)
    page.mouse.click(x + 40, y - 12)
    page.keyboard.down("Shift")
    page.mouse.click(*pixel(page, 3))
    page.keyboard.up("Shift")
    picked = told(page, "pick")
    assert [(each["row"], each["step"]) for each in picked] == [(2, "replace"), (3, "toggle")]
    assert picked[0]["x"] == pytest.approx(0.9)
    assert picked[0]["y"] == pytest.approx(-0.95)


def test_a_hover_is_told_after_a_rest_and_shows_a_card_of_plain_text(open_map):
    page = open_map()
    page.evaluate("view.card('/card/{row}.json')")
    page.mouse.move(*pixel(page, 0))
    page.wait_for_selector(".wb-map-card:visible")
    assert page.locator(".wb-map-title").inner_text() == "<b>The wren</b>"
    assert "grams 9" in page.locator(".wb-map-card").inner_text()
    assert page.locator(".wb-map-ring").is_visible()
    assert told(page, "hover") == [{"row": 0}]
    assert told(page, "pick") == []
    page.mouse.move(640, 20)
    page.wait_for_selector(".wb-map-card", state="hidden")
    assert told(page, "hover")[-1] == {"row": -1}
    page.mouse.move(*pixel(page, 1))
    page.evaluate("view.preview('<i>drawn by Python</i>', 1)")
    assert page.locator(".wb-map-card i").inner_text() == "drawn by Python"
    page.evaluate("view.preview('late', 0)")
    assert page.locator(".wb-map-card i").count() == 1


def test_a_lasso_selects_what_lies_inside_of_it(open_map):
    page = open_map()
    page.keyboard.press("s")
    t = np.linspace(0, 2 * np.pi, 260)
    far = 130 + 25 * np.sin(7 * t)
    drag(page, np.stack([640 + far * np.cos(t), 400 + far * np.sin(t)], 1).tolist())
    [sent] = told(page, "lasso")
    corners = np.array(sent["polygon"])
    assert 3 <= len(corners) <= 100
    assert sent["mode"] == "lasso"
    assert sent["step"] == "replace"
    assert sent["count"] == sent["all"] == inside(corners).sum() > 300
    assert page.locator("#map").get_attribute("data-chosen") == str(sent["count"])
    assert f"{sent['count']:,} / 3,000 selected" in page.locator(".wb-map-status").inner_text()
    assert page.locator(".wb-map-stage").get_attribute("data-mode") == "lasso"


def test_boxes_add_and_remove_and_escape_steps_outward(open_map):
    page = open_map()

    def around(row: int, far: int = 25) -> list[list[float]]:
        x, y = pixel(page, row)
        return [[x - far, y - far], [x, y], [x + far, y + far]]

    page.keyboard.down("Shift")
    drag(page, around(0))
    drag(page, around(1))
    page.keyboard.up("Shift")
    page.keyboard.down("Alt")
    drag(page, around(0))
    page.keyboard.up("Alt")
    sent = told(page, "lasso")
    assert [(each["step"], each["mode"], each["chosen"]) for each in sent] == [
        ("add", "box", 1), ("add", "box", 2), ("remove", "box", 1)
    ]  # fmt: skip
    (left, top), (right, bottom) = sent[0]["polygon"]
    assert left < -1 < right
    assert bottom < -1 < top
    page.keyboard.press("+")
    assert page.evaluate("view.at().zoom") > 1.5
    page.keyboard.press("Escape")
    assert page.locator("#map").get_attribute("data-chosen") == "0"
    assert told(page, "clear") == [{}]
    assert page.evaluate("view.at().zoom") > 1.5
    page.keyboard.press("Escape")
    assert page.evaluate("view.at().zoom") == pytest.approx(1)


def test_a_shape_with_nothing_in_it_says_so_and_selects_nothing(open_map):
    page = open_map()
    page.keyboard.press("b")
    drag(page, [[1000, 60], [1050, 80], [1100, 100]])
    assert told(page, "lasso") == []
    assert page.locator(".wb-map-status").inner_text() == "Nothing lies inside."
    drag(page, [[1000, 60], [1002, 61]])  # shorter than four pixels: a click
    assert told(page, "lasso") == []


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


def test_the_wheel_zooms_at_the_pointer_and_a_drag_moves(open_map):
    page = open_map()
    page.mouse.move(300, 200)
    before = page.evaluate("view.at()")
    held = page.evaluate("(() => { const at = view.at(); return [at.x, at.y, at.zoom]; })()")
    x, y = pixel(page, 0)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -200)
    page.wait_for_function("view.at().zoom > 1.1")
    assert page.evaluate("view.at().zoom") == pytest.approx(held[2] * np.e, rel=0.01)
    assert pixel(page, 0) == pytest.approx([x, y], abs=0.01)
    drag(page, [[x, y], [x + 10, y - 10], [x + 60, y - 40]])
    assert pixel(page, 0) == pytest.approx([x + 60, y - 40], abs=0.01)
    assert told(page, "pick") == []
    page.wait_for_function("told.some(([name]) => name === 'look')")
    assert told(page, "look")[-1]["zoom"] == pytest.approx(before["zoom"] * np.e, rel=0.01)
    page.keyboard.press("r")
    assert page.evaluate("view.at().zoom") == pytest.approx(1)


def test_every_tool_is_a_button_that_names_its_key_and_the_canvas_says_what_it_is(open_map):
    page = open_map()
    canvas = page.locator("canvas[role=img]")
    assert "3,000 documents" in canvas.get_attribute("aria-label")
    tools = {
        button.get_attribute("data-tool"): button.get_attribute("title") for button in page.locator("[data-tool]").all()
    }
    keys = {"pan": "g", "box": "b", "lasso": "s", "in": "+", "out": "−", "reset": "r", "labels": "l"}
    assert {tool: title[-2] for tool, title in tools.items()} == keys
    for tool in ("box", "lasso", "pan"):
        page.locator(f"[data-tool={tool}]").click()
        assert page.locator(f"[data-tool={tool}]").get_attribute("aria-pressed") == "true"
        assert page.locator("[data-tool][aria-pressed=true]:not([data-tool=labels])").count() == 1
    page.locator("[data-tool=in]").click()
    assert page.evaluate("view.at().zoom") == pytest.approx(1.6)
    canvas.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("view.at().x") > 0


def test_keys_rest_while_a_person_types(open_map):
    page = open_map()
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<input id=q style=\"position:fixed;bottom:0;right:0\">')"
    )
    page.locator("#q").fill("")
    page.locator("#q").focus()
    page.keyboard.type("sbl+")
    assert page.locator("#q").input_value() == "sbl+"
    assert page.locator(".wb-map-stage").get_attribute("data-mode") == "pan"


def test_two_linked_maps_share_hover_selection_and_view(open_map):
    page = open_map("two")
    page.mouse.move(*pixel(page, 1))
    page.wait_for_selector("#other .wb-map-ring:visible")
    assert page.locator("#other .wb-map-stage").get_attribute("data-over") == "1"
    box = page.locator("#map").bounding_box()
    page.keyboard.press("b")
    x, y = pixel(page, 1)
    drag(page, [[x - 30, y - 30], [x, y], [x + 30, y + 30]])
    assert page.locator("#other").get_attribute("data-chosen") == "1"
    page.mouse.move(box["width"] / 2, 300)
    page.mouse.wheel(0, -120)
    page.wait_for_function("other.at().zoom > 1.5")
    page.evaluate("other.follow(false); view.view(0, 0, 5)")
    assert page.evaluate("other.at().zoom") < 2
    page.evaluate("other.link('fishes')")
    page.evaluate("window.dispatchEvent(new CustomEvent('wb-map-hover', {detail: {link: 'fishes', row: 2}}))")
    assert page.locator("#other .wb-map-stage").get_attribute("data-over") == "2"
    assert page.locator("#map .wb-map-stage").get_attribute("data-over") != "2"


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


def test_shapes_stay_exact_and_within_a_hundred_corners(open_map):
    """The grid's answer for many random shapes, self-cutting ones too, against crossings counted in numpy."""
    page = open_map()
    random = np.random.default_rng(5)
    x, y = POINTS[:, 0].astype(np.float64), POINTS[:, 1].astype(np.float64)
    shapes = [random.uniform(-1.1, 1.1, (size, 2)).round(4) for size in (3, 4, 9, 30, 100)]
    script = """async (shapes) => { const { buildIndex, simplify } = await import('/assets/map_grid.mjs');
      const index = buildIndex(points);
      const curve = (turns) => Array.from({length: 4000}, (_, i) => { const t = i / 4000 * 2 * Math.PI;
        const far = 1 + .3 * Math.sin(turns * t); return [far * Math.cos(t), far * Math.sin(t)]; });
      const most = Math.max(...Array.from({length: 40}, (_, i) => simplify(curve(3 + i), .0001).length));
      return [shapes.map(each => [...index.inside(each)].sort((a, b) => a - b)), most]; }"""
    found, corners = page.evaluate(script, json.loads(json.dumps([shape.tolist() for shape in shapes])))
    assert 80 < corners <= 100
    for shape, rows in zip(shapes, found, strict=True):
        odd = np.zeros(N, bool)
        for (x0, y0), (x1, y1) in zip(shape, np.roll(shape, -1, axis=0), strict=True):
            crosses = (y0 > y) != (y1 > y)
            odd[crosses] ^= (x[crosses] - x0) * (y1 - y0) * np.sign(y1 - y0) < (y[crosses] - y0) * (x1 - x0) * np.sign(
                y1 - y0
            )
        assert rows == np.flatnonzero(odd).tolist()


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
