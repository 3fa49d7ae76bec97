"""A region of HTML drawn by Python and patched in place by the browser, with its clicks sent back as `act` events.

Patching keeps focus, typed text, open menus and running CSS transitions while a poll redraws the region every second;
a click that began before a redraw still lands. In the markup:

- `data-key="…"` on rows of a list: the row is moved and patched, not rebuilt;
- `data-do="name"` on a button or row: a click sends `act` with `do` and all other data-… values of that element,
  and with `fields`, the named inputs inside the closest `data-form`;
- `data-default` on that button: Enter in an input of the same `data-form` clicks it;
- `data-change="name"` on a select or checkbox: a change sends `act` with `do`, and `value`.
"""

from typing import Any

import gradio as gr

TEMPLATE = "<div class='live'></div>"
SCRIPT = "window.wb.live(element, props, watch, data => trigger('act', data));"


def live(elem_id: str, markup: str = "", **options: Any) -> gr.HTML:
    """The region; `markup` must be escaped already. Wire it with `on(region.act, handler, …)`."""
    return gr.HTML(
        html_template=TEMPLATE,
        js_on_load=SCRIPT,
        apply_default_css=False,
        elem_id=elem_id,
        markup=markup,
        go="",
        **options,
    )


def show(markup: str) -> dict[str, Any]:
    """The update that redraws a region."""
    return gr.update(markup=markup)


def go(address: str) -> dict[str, Any]:
    """The update of a region that takes the browser to another page of the app."""
    return gr.update(go=address)
