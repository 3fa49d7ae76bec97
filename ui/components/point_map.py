"""The map of points in a page: what Python tells it and what it tells Python. It is drawn by assets/map.mjs.

A **row** is the place of a point in the order in which points travel (`workbench/workflows/map_data.py`); it comes from
the browser, so check it before use. Positions are in the map's coordinates, −1 … 1, y up.

Updates (`gr.update(name=value)`), all of them optional:

- `src`: URL of the points, 9 bytes each: x f32[n], y f32[n], category u8[n]; "" shows nothing
- `color`: URL of a colouring, u8[n] ("": the category that came with the points), and `legend`: `legend_state(…)`
- `mask`: URL of u8[n], 0 is dimmed; `selection`: URL of u8[n], 1 is selected; "" is none
- `highlight`: [{"row", "rank"} …]: hits with their rank; rank 0 is a ring without a number
- `marks`: [{"row", "kind": "positive", "negative" (a hard one) or "irrelevant", "grade"} …]: what was judged
- `path`: {"from": row or [x, y], "to": [row …]}: lines to neighbours, nearest first; None for none
- `query`: {"x", "y", "text", "approximate": bool}, None for none
- `labels`: [{"text", "x", "y", "size"} …]: names of clusters; the largest are drawn first
- `mode`: “pan”, “box” or “lasso”; `view`: [x, y, zoom], where 1 is the whole map; `cleared`: a number, each new one
  drops the selection; `seq`: a number, each new one applies highlight, marks, path and query again though equal
- `card`: URL with `{row}` in it that answers {"title", "text", "image", "facts": [[name, value] …]} as JSON, for
  the card beside the hovered point; or `preview`: {"row", "html"}, markup that Python escaped, as the answer to `hover`
- `link`: maps with the same name (of a corpus version) share hover and selection; `follow`: also what they look at
- `alt`: the sentence that stands for the picture

Events (`point_map(…).pick(…)`; their handlers take one `gr.EventData`):

- `pick`: row, x, y, step: “replace”, “toggle” (shift, ctrl) or “remove” (alt)
- `hover`: row, after 120 ms; −1 when it ends
- `lasso`: polygon (3 … 100 [x, y] pairs; two opposite corners of a box), mode “lasso” or “box”, step “replace”, “add”
  or “remove”, count (visible points inside), all (dimmed ones too), chosen (how many are selected by now). The map
  shows the selection already, of the visible ones
- `clear`: the selection was dropped; `look`: x, y, zoom, once the map rests
"""

from collections.abc import Iterable, Sequence
from typing import Any

import gradio as gr

from ui.components.assets import asset_url

EVENTS = ("pick", "hover", "lasso", "clear", "look")
TEMPLATE = "<div class='wb-map-host'></div>"
CLASSES = 100
TOP, OTHER, MISSING = 253, 254, 255
"""Bytes of a colouring: the end of a ramp, the classes without a colour of their own, no value."""


def point_map(elem_id: str, **options: Any) -> gr.HTML:
    """The map, as an instance (for a subclass Gradio would write a stub file beside it). `options`: the updates above.

    Its height is the CSS variable --wb-map-height of the page, 520px without. Tests wait for
    `#ELEM_ID .wb-map-host[data-ready]`, find a point's pixel with its `__view.px(row)`, and know by `data-drawn="all"`
    that every point is on the screen.
    """
    events = ", ".join(f"{name}: data => trigger('{name}', data)" for name in EVENTS)
    script = (
        f"import('{asset_url('map_component.mjs')}')"
        f".then(m => m.attach(element, {{props, watch, events: {{{events}}}}}));"
    )
    values: dict[str, Any] = {
        "src": "", "color": "", "legend": legend_state("category"), "mask": "", "selection": "", "highlight": [],
        "marks": [], "path": None, "query": None, "labels": [], "mode": "pan", "view": None, "cleared": 0, "seq": 0,
        "card": "", "preview": None, "link": "", "follow": True, "alt": "",
    }  # fmt: skip
    return gr.HTML(
        html_template=TEMPLATE, js_on_load=script, apply_default_css=False, elem_id=elem_id, **{**values, **options}
    )


def legend_state(kind: str, hidden: Iterable[int] = ()) -> dict[str, Any]:
    """What the bytes of a colouring mean: `kind` “category” or “ramp”; `hidden`: bytes that the legend switched off."""
    return {"kind": kind, "top": TOP, "other": OTHER, "missing": MISSING, "hidden": sorted(set(hidden))}


def class_color(byte: int) -> str:
    """The CSS colour of a class, the same as on the map, for legends and rows."""
    if 0 <= byte < CLASSES:
        return f"var(--wb-c{byte})"
    return "var(--wb-map-missing)" if byte == MISSING else "var(--wb-map-other)"


def ramp_css() -> str:
    """The CSS background of a ramp's bar, low to high."""
    return "linear-gradient(90deg, var(--wb-ramp))"


def hits(rows: Sequence[int]) -> list[dict[str, int]]:
    """`highlight` of a ranked list: rank 1 first."""
    return [{"row": int(row), "rank": rank} for rank, row in enumerate(rows, 1)]
