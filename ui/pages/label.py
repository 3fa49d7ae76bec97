"""Label: one query after the other, its candidates pooled from several pipelines, a verdict for each by key."""

from typing import Any

import gradio as gr

from ui.components.assets import asset_url
from ui.components.documents import search_words
from ui.components.empty import no_corpus, no_project
from ui.components.export_labels import OPEN, ExportLabels
from ui.components.label_board import Setup, board_html, no_queries, nothing_encoded
from ui.components.label_view import read_label_view
from ui.components.live import SCRIPT, go, live, show
from ui.components.navigation import navigation
from ui.components.text import whole
from ui.handlers import explain, fields, on, on_load, problem, said
from ui.session import Context, Place
from workbench.errors import BadInput
from workbench.project import Project
from workbench.types import Query
from workbench.workflows import corpus as corpora
from workbench.workflows import judging, label
from workbench.workflows.subsets import list_subsets

TITLE, PATH = "Label", "/label"


def build(context: Context) -> None:
    navigation(context, PATH)
    export = ExportLabels(context)
    export.build()
    region = live("label", elem_classes="flat")
    region.js_on_load = SCRIPT + (
        f"import('{asset_url('label.mjs')}').then(m => m.mount(element, {{watch, act: data => trigger('act', data)}}));"
    )

    def load(request: gr.Request) -> dict[str, Any]:
        try:
            return show(page(context, context.place(request)))
        except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
            return show(problem(*explain(error)))

    def act(event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        project, place = context.here(request)
        action = said(event, "do")
        if action == OPEN:
            return gr.skip(), export.opened(event, request)
        if action == "type":
            return opened(project, place, fields(event).get("text", "")), gr.skip()
        if action == "query-of":
            document = corpora.get_document(project, place.corpus, whole(event, "ordinal"))
            return opened(project, place, search_words(document), also=document.doc_id), gr.skip()
        raise BadInput(f"There is no action “{action[:40]}” on this page.")

    on_load(load, region)
    on(region.act, act, None, [region, export.form])


def page(context: Context, place: Place) -> str:
    """What the address asks for, or what is missing. Raises `NotFound` on a query set the corpus lacks."""
    if not place.corpus:
        return no_corpus(place.link("/corpus")) if place.project else no_project()
    project = context.project(place.project)
    sets = [(each.name, each.queries) for each in corpora.list_query_sets(project, place.corpus) if each.queries]
    if not sets:
        return no_queries(place)
    values = dict(place.query)
    if values.get("set", "") not in dict(sets):
        # Typed queries are few, and somebody else's: begin with a set that was loaded.
        typed = f"{place.corpus.partition('@')[0]}-typed"
        values["set"] = next((name for name, _ in sets if name != typed), typed)
    view = read_label_view(values)
    pipelines = label.choices(project, place.corpus)
    labels = label.sets_of(project, view.by.query_set)
    within = [each.name for each in list_subsets(project, place.corpus)]
    if not pipelines and not labels.proposed:
        return nothing_encoded(place)
    return board_html(place, view, Setup(sets, labels, pipelines, label.usual(project, place.corpus), within))


def opened(project: Project, place: Place, text: str, also: str = "") -> dict[str, Any]:
    """Go to a query's candidates, the query kept where it is new; `also`: the document it was made of."""
    query_set, query_id = judging.query_for(project, place.corpus, Query("", text))
    return go(place.link(PATH, set=query_set, q=query_id, also=also))
