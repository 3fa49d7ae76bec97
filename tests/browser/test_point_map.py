"""The map as a Gradio component: props by URL in, events out, as ui/components/point_map.py says."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from browser_support import free_port
from map_support import clustered, wire

pytestmark = pytest.mark.browser

N = 2000
XY, CLUSTER = clustered(N, clusters=5, seed=9)
XY[0] = (1, 1)
RAMP = (np.arange(N) % 254).astype(np.uint8)
EVERY_OTHER = (np.arange(N) % 2).astype(np.uint8)
FILES = {
    "points": wire(XY, CLUSTER),
    "half": wire(XY[: N // 2], CLUSTER[: N // 2]),
    "ramp": RAMP.tobytes(),
    "mask": EVERY_OTHER.tobytes(),
    "short": b"123",
}


def app(said: list[tuple[str, dict]]):
    """A page with a map, a box that says what came from it, and buttons that change it."""
    import gradio as gr
    from fastapi import FastAPI, HTTPException, Response
    from fastapi.responses import FileResponse

    from ui.components.assets import ASSETS, FOLDER
    from ui.components.point_map import EVENTS, hits, legend_state, point_map

    outer = FastAPI()

    @outer.get("/wb-assets/{name}")
    def asset(name: str) -> FileResponse:
        return FileResponse(FOLDER / name, media_type=ASSETS[name])

    @outer.get("/bytes/{name}")
    def given(name: str) -> Response:
        if name not in FILES:
            raise HTTPException(404)
        return Response(FILES[name], media_type="application/octet-stream")

    changes = {
        "recolor": {"color": "/bytes/ramp", "legend": legend_state("ramp")},
        "dim": {"mask": "/bytes/mask"},
        "undim": {"mask": ""},
        "select": {"selection": "/bytes/mask"},
        "drop": {"selection": "", "cleared": 1},
        "light": {"highlight": hits([5, 0, 7])},
        "mode": {"mode": "lasso"},
        "look": {"view": [0.5, 0.25, 4]},
        "other": {"src": "/bytes/half", "mask": "", "selection": ""},
        "broken": {"src": "/bytes/nothing"},
        "cut": {"mask": "/bytes/short"},
        "none": {"src": ""},
    }
    with gr.Blocks(analytics_enabled=False) as demo:
        map = point_map("map", src="/bytes/points", alt="Five clusters of birds")
        for name in EVENTS:

            def hear(event: gr.EventData, name: str = name) -> dict:
                said.append((name, dict(event._data)))
                return gr.update(highlight=hits([3, 4])) if name == "pick" else gr.skip()

            getattr(map, name)(hear, None, map, show_progress="hidden", queue=False)
        for name, values in changes.items():
            button = gr.Button(name, elem_id=f"do-{name}")
            button.click(lambda values=values: gr.update(**values), None, map, show_progress="hidden", queue=False)
    return gr.mount_gradio_app(outer, demo, path="/", css_paths=[FOLDER / "map.css"], footer_links=[])


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, list[tuple[str, dict]]]]:
    import uvicorn

    said: list[tuple[str, dict]] = []
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app(said), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}", said
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def page(gl_chromium, served) -> Iterator[object]:
    url, said = served
    said.clear()
    errors: list[str] = []
    opened = gl_chromium.new_page()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.set_default_timeout(15_000)
    opened.goto(url)
    opened.wait_for_selector("#map .wb-map-host[data-ready][data-drawn=all]")
    yield opened
    opened.close()
    assert not errors


def heard(page, said: list[tuple[str, dict]], name: str) -> dict:
    """What Python got of an event, as soon as it is there."""
    for _ in range(100):
        found = [data for kind, data in said if kind == name]
        if found:
            return found[-1]
        page.wait_for_timeout(50)
    pytest.fail(f"no {name}: {said}")


def pixel(page, row: int) -> list[float]:
    return page.evaluate(
        "row => { const host = document.querySelector('#map .wb-map-host'), box = host.getBoundingClientRect();"
        " const [x, y] = host.__view.px(row); return [box.left + x, box.top + y]; }",
        row,
    )


def host(page, name: str) -> str | None:
    return page.locator("#map .wb-map-host").get_attribute(f"data-{name}")


def test_a_click_goes_to_python_and_the_hits_come_back(page, served):
    plain = page.locator("#map").screenshot()
    page.mouse.click(*pixel(page, 0))
    picked = heard(page, served[1], "pick")
    assert (picked["row"], picked["step"]) == (0, "replace")
    page.mouse.move(5, 5)
    page.wait_for_timeout(300)
    assert page.locator("#map").screenshot() != plain
    assert heard(page, served[1], "hover")["row"] in (0, -1)


def test_a_box_goes_to_python_as_two_corners_and_clear_is_told(page, served):
    x, y = pixel(page, 0)
    page.keyboard.down("Shift")
    page.mouse.move(x - 30, y - 20)
    page.mouse.down()
    page.mouse.move(x, y, steps=3)
    page.mouse.move(x + 15, y + 25)
    page.mouse.up()
    page.keyboard.up("Shift")
    sent = heard(page, served[1], "lasso")
    (left, top), (right, bottom) = sent["polygon"]
    members = (XY[:, 0] > left) & (XY[:, 0] < right) & (XY[:, 1] > bottom) & (XY[:, 1] < top)
    assert members[0]
    assert sent["count"] == members.sum()
    page.keyboard.press("Escape")
    heard(page, served[1], "clear")
    assert host(page, "chosen") == "0"


def test_updates_reach_the_map(page, served):
    status = page.locator("#map .wb-map-status")
    page.locator("#do-dim").click()
    page.get_by_text("1,000 pass the filter").wait_for()
    page.locator("#do-undim").click()
    page.wait_for_function("!document.querySelector('.wb-map-status').textContent.includes('filter')")
    page.locator("#do-select").click()
    page.get_by_text("1,000 / 2,000 selected").wait_for()
    page.locator("#do-drop").click()
    page.wait_for_function("document.querySelector('.wb-map-status').textContent === '2,000 points'")
    page.locator("#do-mode").click()
    page.wait_for_selector("#map .wb-map-stage[data-mode=lasso]")
    before = page.locator("#map").screenshot()
    page.locator("#do-recolor").click()
    page.wait_for_function("document.querySelector('.wb-map-host').__view.times().all")
    page.wait_for_timeout(200)
    assert page.locator("#map").screenshot() != before
    page.locator("#do-look").click()
    page.wait_for_function("document.querySelector('.wb-map-host').__view.at().zoom === 4")
    assert page.evaluate("document.querySelector('.wb-map-host').__view.at().x") == 0.5
    assert status.inner_text() == "2,000 points"
    assert page.locator("#map canvas[role=img]").get_attribute("aria-label") == "Five clusters of birds"


def test_another_map_takes_the_place_of_the_first_and_an_error_is_a_sentence(page):
    page.locator("#do-other").click()
    page.get_by_text("1,000 points").wait_for()
    assert page.locator("#map canvas[role=img]").count() == 1
    page.locator("#do-cut").click()
    page.get_by_text("The map could not be changed: the filter is for 3 points, the map has 1000.").wait_for()
    page.locator("#do-broken").click()
    page.get_by_text("The map could not be drawn: the server answered 404 to /bytes/nothing.").wait_for()
    page.locator("#do-none").click()
    page.wait_for_function("!document.querySelector('#map .wb-map-host').childNodes.length")
