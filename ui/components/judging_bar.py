"""Judging where documents are shown: the bar that says for which query and as whom, and the query in hand.

Rows have a place for a verdict and its buttons (ui/components/results.py); what is pressed goes from the browser
straight to a route (assets/judging.mjs).
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr

from ui.components.address import View
from ui.components.assets import asset_url
from ui.components.documents import search_words
from ui.components.map_view import MapView
from ui.components.text import clip
from workbench.errors import BadInput
from workbench.project import Project
from workbench.types import Query
from workbench.workflows import corpus as corpora

if TYPE_CHECKING:
    from workbench.workflows.judging import Verdict
    from workbench.workflows.map import KnownQuery

Shown = TypeVar("Shown", View, MapView)
NO_HAND = MappingProxyType({"on": False, "text": "", "make": ""})
SAYS = MappingProxyType(
    {
        "0": "not relevant",
        "1": "slightly relevant",
        "2": "relevant",
        "3": "highly relevant",
        "h": "hard negative",
        "u": "unrateable",
        "l": "judge later",
    }
)
"""The key of each verdict (and its code in the browser) and what it says."""


def judging_bar(elem_id: str, **options: Any) -> gr.HTML:
    """The bar. Its text comes from the browser, which knows what was judged.

    Updates: `hand`, what `in_hand` makes; another `seq` when verdicts changed in Python. Events: `make` asks for a
    query from the document whose neighbours are shown; `said` tells that verdicts were stored.
    """
    script = (
        f"import('{asset_url('judging.mjs')}').then(m => m.mount(element, "
        "{props, watch, make: () => trigger('make', {}), said: () => trigger('said', {})}));"
    )
    return gr.HTML(
        html_template='<div class="wb-judging" hidden></div>',
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
        hand=dict(NO_HAND),
        seq=0,
        **options,
    )


def in_hand(project: Project, corpus: str, view: View | MapView, near: int, place: Mapping[str, Any]) -> dict[str, Any]:
    """The update of the bar: the query that verdicts are given for, and whether the page judges.

    `near`: the ordinal of the document whose neighbours are shown; without a query one can be made of it. `place`:
    `set` with `at` or `id` of a query that was taken from a query set. Pictures of typed queries are not kept: nothing
    can be judged for one.
    """
    text, pictured = view.query.strip(), bool(view.image) and not place
    made = near if near >= 0 and not text else -1
    named = corpora.get_document(project, corpus, made) if made >= 0 else None
    hand = {
        "project": project.name,
        "corpus": corpus,
        "text": "" if pictured else text or str(place.get("id", "")),
        "image": pictured,
        "on": view.judge,
        "make": clip(search_words(named), 60) if named else "",
        **place,
    }
    return gr.update(hand=hand)


def of_search(project: Project, corpus: str, view: View) -> dict[str, Any]:
    """The bar's update for the Search page."""
    place = {"set": view.query_set, "at": view.at} if view.query_set and view.at >= 0 else {}
    return in_hand(project, corpus, view, view.like, place)


def of_map(project: Project, corpus: str, view: MapView, query: "KnownQuery | None") -> dict[str, Any]:
    """The bar's update for the Map page; `query` is the known one whose judged documents are marked."""
    place = {"set": query.query_set, "id": query.query_id} if query else {}
    return in_hand(project, corpus, view, view.pick, place)


def with_query(project: Project, corpus: str, view: Shown, ordinal: int) -> Shown:
    """The view with a document's title (or first words) as its query, kept among the typed ones. Raises `BadInput` on a
    document without words."""
    from workbench.workflows.judging import query_for

    text = search_words(corpora.get_document(project, corpus, ordinal))
    if not text.strip():
        raise BadInput("This document has no words to make a query of.", "Type the query it should be found by.")
    query_for(project, corpus, Query("", text))
    if isinstance(view, View):
        view = replace(view, at=-1, query_set="", image="")
    return replace(view, query=text, judge=True)


def judge_switch(on: bool) -> str:
    """The switch in a page's bar."""
    return (
        f'<button class="btn small wb-judgeswitch" data-do="judge" data-key="judge" aria-pressed="{str(on).lower()}" '
        'title="Judge the documents that are shown: a row of buttons for each, and keys">Judge</button>'
    )


def read_verdict(code: str) -> "Verdict":
    """The verdict of a key. Raises `BadInput` on any other."""
    from workbench.workflows.judging import Verdict

    if code not in SAYS:
        raise BadInput(f"“{code[:40]}” is no verdict.", f"Choose one of: {', '.join(SAYS)}.")
    if code.isdecimal():
        return Verdict(int(code))
    if code == "h":
        return Verdict(0, is_hard_negative=True)
    return Verdict(state="unrateable" if code == "u" else "later")
