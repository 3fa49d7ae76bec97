"""What joins the columns of a comparison in the browser: the address, rank differences, agreement, lines; and sliders
that act while they move."""

import time
from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.components.address import MAX_COLUMNS, MAX_K
from ui.components.assets import asset_url
from ui.components.live import SCRIPT, live
from workbench.errors import BadInput
from workbench.workflows.comparing import compare as compared


def compare(elem_id: str, agree: Callable[[Any], Any]) -> gr.HTML:
    """The component behind the columns (assets/compare.mjs). Updates: `url`, when it changes, is the page's address;
    `k` is what agreement is measured at. `agree` answers the browser's question how far the rankings agree."""
    script = f"import('{asset_url('compare.mjs')}').then(m => m.mount(element, {{props, watch, server}}));"
    return gr.HTML(
        html_template="<span hidden></span>",
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
        server_functions=[agree],
        url="",
        k=10,
    )


def tuned(elem_id: str, **options: Any) -> gr.HTML:
    """A `live` region with sliders: `data-tune="field"` sends `tune` events, `field` and `value`, while it moves."""
    region = live(elem_id, **options)
    region.js_on_load = (
        f"{SCRIPT} import('{asset_url('compare.mjs')}').then(m => m.tune(element, data => trigger('tune', data)));"
    )
    return region


def agree(asked: Any) -> dict[str, Any]:
    """How far the columns agree: {"common", "columns": [{"only", "overlap", "rbo"}]}, overlap and RBO against the
    first. `asked`: {"rankings": lists of ordinals, "k"}. Raises `BadInput` on anything else."""
    rankings, k = checked(asked)
    found = compared(rankings, k)
    return {
        "common": len(found.common),
        "columns": [
            {"only": len(only), "overlap": float(found.overlap[0, n]), "rbo": float(found.rbo[0, n])}
            for n, only in enumerate(found.only)
        ],
    }


def checked(asked: Any) -> tuple[list[list[int]], int]:
    """What the browser sent, checked."""
    rankings = asked.get("rankings") if isinstance(asked, dict) else None
    k = asked.get("k") if isinstance(asked, dict) else None
    sound = (
        isinstance(rankings, list)
        and 0 < len(rankings) <= MAX_COLUMNS
        and all(isinstance(each, list) and len(each) <= MAX_K for each in rankings)
        and all(isinstance(ordinal, int) for each in rankings for ordinal in each)
        and isinstance(k, int)
        and 1 <= k <= MAX_K
    )
    if not sound:
        raise BadInput("The rankings could not be compared.", "Reload the page.")
    return rankings, k


def ticket(link: str, number: int, what: str = "search") -> str:
    """What makes column `number` search for the view at `link`; the time makes the same search again a change."""
    return f"{link}#{number}.{time.time_ns()}.{what}"
