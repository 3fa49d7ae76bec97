"""What the pointer and the keys do on a map; shapes are checked against arithmetic of their own in numpy."""

import json

import numpy as np
import pytest
from map_points import POINTS, N, drag, inside, pixel, told

pytestmark = pytest.mark.browser


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
    page.evaluate("view.card('')")  # else the card of row 1, which the server lacks, would be asked for at any moment
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
