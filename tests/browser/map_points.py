"""Points of known places for the tests of the renderer, and how a test looks at and handles the page with them."""

import io

import numpy as np
from map_support import clustered
from numpy.typing import NDArray
from PIL import Image

N = 3000
XY, CLUSTER = clustered(N, clusters=6, seed=3)
FAR = np.array([[-1, -1], [1, 1], [0.9, -0.95], [-0.95, 0.9]], np.float32)
"""Four points that stand alone, rows 0 … 3, of clusters 0 … 3."""
POINTS = np.concatenate([FAR, XY[4:] * 0.5])
KINDS = np.concatenate([np.arange(4, dtype=np.uint8), CLUSTER[4:]])
CARD = {"title": "<b>The wren</b>", "text": "A tiny brown bird.", "facts": [["grams", 9]]}


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
