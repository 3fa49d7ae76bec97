"""Review: likely false negatives, proposed negatives, disagreements of annotators, and how much they agree."""

import secrets
from typing import Any

import gradio as gr

from ui.components.assets import asset_url
from ui.components.empty import no_corpus, no_project
from ui.components.export_labels import OPEN, ExportLabels
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import SCRIPT, live, show
from ui.components.navigation import navigation
from ui.components.review_board import board_html
from ui.components.review_empty import no_queries
from ui.components.review_view import read_review_view
from ui.handlers import explain, fields, on, on_load, problem, said, tell
from ui.session import Context, Place
from workbench.errors import BadInput
from workbench.workflows import corpus as corpora
from workbench.workflows import review
from workbench.workflows.reranking import list_rerankers

TITLE, PATH = "Review", "/review"
KINDS = ("guard",)


def build(context: Context) -> None:
    navigation(context, PATH)
    export = ExportLabels(context)
    export.build()
    jobs = job_panel(context, KINDS, elem_id="review-jobs")
    region = live("review", elem_classes="flat")
    region.js_on_load = SCRIPT + f"import('{asset_url('review.mjs')}').then(m => m.mount(element, {{watch}}));"

    def load(request: gr.Request) -> dict[str, Any]:
        try:
            return show(page(context, context.place(request)))
        except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
            return show(problem(*explain(error)))

    def act(event: gr.EventData, request: gr.Request) -> tuple[Any, Any, Any]:
        if said(event, "do") == OPEN:
            return gr.skip(), gr.skip(), export.opened(event, request)
        project, place = context.here(request)
        view = read_review_view({**chosen(context, place), "annotator": said(event, "annotator")})
        action = said(event, "do")
        if action == "search":
            entered = fields(event)
            names = [name.removeprefix("doubt ") for name, value in entered.items() if value == "true"]
            every = review.sets_of(project, view.by.query_set).negatives
            arguments = {
                "query_set": view.by.query_set,
                "label_sets": []
                if not names or set(names) == set(every)
                else [name for name in every if name in names],
                "reranker": entered.get("reranker", ""),
            }
            title = f"Doubt the negatives of {view.by.query_set}"
            context.jobs.enqueue("guard", place.project, arguments, title=title)
            return gr.skip(), draw_jobs(context, place.project, KINDS), gr.skip()
        if action == "resolve":
            done = review.resolve_all(project, view.by)
            tell(f"{done.stored:,} final labels made; {done.disputed:,} disputed, {done.single:,} judged by one only.")
            return again(context, place), gr.skip(), gr.skip()
        raise BadInput(f"There is no action “{action[:40]}” on this page.")

    def found(request: gr.Request) -> dict[str, Any]:
        return again(context, context.place(request))

    on_load(load, region)
    on(region.act, act, None, [region, jobs, export.form])
    on(jobs.done, found, None, region)


def again(context: Context, place: Place) -> dict[str, Any]:
    """The update that lets the browser read the part again: a mark that differs makes the markup another one."""
    return show(f"{page(context, place)}<i hidden data-try='{secrets.token_hex(4)}'></i>")


def page(context: Context, place: Place) -> str:
    """What the address asks for, or what is missing."""
    if not place.corpus:
        return no_corpus(place.link("/corpus")) if place.project else no_project()
    project = context.project(place.project)
    values = chosen(context, place)
    if not values["set"]:
        return no_queries(place.link("/corpus"))
    view = read_review_view(values)
    sets = [each.name for each in corpora.list_query_sets(project, place.corpus) if each.queries]
    labels = review.sets_of(project, view.by.query_set)
    return board_html(place, view, sets, labels, [entry.name for entry in list_rerankers() if entry.bundled])


def chosen(context: Context, place: Place) -> dict[str, str]:
    """The address's values, with a query set that the corpus has: the named one, else the first that was loaded."""
    project = context.project(place.project)
    sets = [each.name for each in corpora.list_query_sets(project, place.corpus) if each.queries]
    values = dict(place.query)
    if values.get("set", "") not in sets:
        typed = f"{place.corpus.partition('@')[0]}-typed"
        values["set"] = next((name for name in sets if name != typed), typed if typed in sets else "")
    return values
