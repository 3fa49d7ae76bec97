"""Laboratory: what indices (and encoders) find and cost, measured by jobs; a tab each, opened by the address."""

import importlib
from typing import Any

import gradio as gr

from ui.components.empty import no_corpus, no_project
from ui.components.lab_tabs import FIRST, is_open, tabs_html
from ui.components.live import live, show
from ui.components.navigation import navigation
from ui.handlers import on_load, problem
from ui.session import Context

TITLE, PATH = "Laboratory", "/laboratory"
TABS = ("lab_index", "lab_encoder")
"""Modules of `ui.components` with `NAME` (as `?tab=`), `TITLE` and `draw(context)`; each fills itself on load, where
`is_open` says that it is asked for."""


def build(context: Context) -> None:
    navigation(context, PATH)
    head = live("lab-head")
    modules = [importlib.import_module(f"ui.components.{name}") for name in TABS]
    names = [(each.NAME, each.TITLE) for each in modules]
    bodies = []
    for each in modules:
        with gr.Column(visible=False, elem_classes="flat", elem_id=f"lab-{each.NAME}") as body:
            each.draw(context)
        bodies.append(body)

    def load(request: gr.Request) -> dict[Any, Any]:
        """Open the tab that the address names, or say what is missing."""
        place = context.place(request)
        if not place.corpus:
            return {head: show(no_corpus(place.link("/corpus")) if place.project else no_project())}
        told = tabs_html(place, names)
        if not any(is_open(place, name) for name, _ in names):
            wanted = place.query.get("tab", "")[:40]
            told += problem(f"The Laboratory has no tab “{wanted}”.", f"Choose one above; “{FIRST}” is the first.")
        shown = {body: gr.update(visible=is_open(place, name)) for body, (name, _) in zip(bodies, names, strict=True)}
        return {head: show(told), **shown}

    on_load(load, [head, *bodies])
