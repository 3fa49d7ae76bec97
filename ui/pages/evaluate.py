"""Evaluate: runs × measures with intervals, the queries that fail, slices, costs; and a report for others."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from ui.components.address import Column, parse_link, read_columns
from ui.components.assets import asset_url
from ui.components.column_editor import pipeline_label
from ui.components.empty import no_corpus, no_project
from ui.components.evaluate_board import chosen_view, details_html, evaluated, named, runs_html, sets_of
from ui.components.evaluate_forms import bar_html, new_run_html, no_query_set
from ui.components.evaluate_view import PATH, EvaluateView, listed
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import SCRIPT, live, show
from ui.components.navigation import navigation
from ui.components.text import escape, whole
from ui.handlers import explain, fields, on, on_load, problem, said, tell
from ui.session import Context, Place
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import fingerprint
from workbench.workflows import blind, running
from workbench.workflows import corpus as corpora
from workbench.workflows.evaluate import EvaluateOptions
from workbench.workflows.evaluated import Comparisons, label_sets_of
from workbench.workflows.views import pipeline_key

TITLE = "Evaluate"
KINDS = ("run", "import-run")
WAITING = "<p class='dim ev-wait'>Reading the runs…</p>"


def build(context: Context) -> None:
    navigation(context, PATH)
    EvaluatePage(context).build()


class EvaluatePage:
    """Two regions: the table, drawn at once, and the details, which the browser asks for when the table stands."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.comparisons = Comparisons()

    def build(self) -> None:
        self.jobs = job_panel(self.context, KINDS, elem_id="evaluate-jobs")
        self.table = live("evaluate", WAITING, elem_classes="flat")
        self.details = live("evaluate-details", elem_classes="flat")
        script = asset_url("evaluate.mjs")
        loaded = f"import('{script}').then(m => m.mount(element, {{watch, act: data => trigger('act', data)}}));"
        self.table.js_on_load = SCRIPT + loaded
        self.details.js_on_load = SCRIPT + loaded
        on_load(self.load, self.table)
        for region in (self.table, self.details):
            on(region.act, self.act, None, [self.table, self.details, self.jobs], trigger_mode="multiple")
        on(self.jobs.done, self.load, None, self.table)

    def load(self, request: gr.Request) -> dict[str, Any]:
        return show(self.page(self.context.place(request)))

    def act(self, event: gr.EventData, request: gr.Request) -> tuple[Any, Any, Any]:
        """Another view, the details of one, or something to do with runs."""
        place = asked_place(self.context.place(request), said(event, "to"))
        action = said(event, "do")
        if action == "show":
            return show(self.page(place)), gr.skip(), gr.skip()
        if action == "details":
            return gr.skip(), show(self.detailed(place, said(event, "stamp")[:80])), gr.skip()
        project = self.context.project(place.project)
        view = chosen_view(place, sets_of(project, place))
        if action in ("run", "import"):
            self.start(project, place, view, action, fields(event))
            return gr.skip(), gr.skip(), draw_jobs(self.context, place.project, KINDS)
        view = self.changed(project, view, action, event)
        there = replace(place, query={**parse_link(view.link(place))})
        return show(self.page(there)), gr.skip(), gr.skip()

    def changed(self, project: Project, view: EvaluateView, action: str, event: gr.EventData) -> EvaluateView:
        """The view after a form was sent or a run renamed or deleted. Raises `BadInput` on another action."""
        entered = fields(event)
        if action == "measures":
            return replace(view, measures=" ".join(entered.get("measures", "").replace(",", " ").split()), measure="")
        if action == "labels":
            return replace(view, labels=ticked(entered, "label "))
        if action == "options":
            prefer = tuple(part.strip() for part in listed(entered.get("prefer", "")) if part.strip())
            return replace(
                view, options=EvaluateOptions(entered.get("self") == "true", entered.get("parent", ""), prefer)
            )
        if action == "rename":
            running.rename_run(project, whole(event, "run"), entered.get("name", "").strip())
            return view
        if action == "delete":
            number = whole(event, "run")
            running.delete_run(project, number)
            tell("The run is deleted.")
            return replace(view, runs=tuple(id for id in view.runs if id != number))
        raise BadInput(f"There is no action “{action[:40]}” on this page.")

    def start(
        self, project: Project, place: Place, view: EvaluateView, action: str, entered: Mapping[str, str]
    ) -> None:
        """Queue a run of each ticked pipeline, or the import of a file. Raises `BadInput` where nothing was given."""
        name = entered.get("name", "").strip()
        if action == "import":
            path = entered.get("file", "").strip()  # “path” itself is refused by Gradio
            if not path or not name:
                raise BadInput("An import needs the path of a file and a name for the run.", "Fill in both.")
            arguments = {"name": name, "path": str(Path(path).expanduser().absolute()), "query_set": view.query_set}
            self.context.jobs.enqueue("import-run", place.project, arguments, title=f"Import the run {name}")
            return
        chosen = set(ticked(entered, "pipeline "))
        pipelines = [each for each in self.pipelines(project, place)[0] if each.key in chosen]
        if not pipelines:
            raise BadInput("No pipeline is ticked.", "Tick one or more.")
        depth = entered.get("k", "100").strip()
        if not depth.isdecimal() or len(depth) > 6:
            raise BadInput(f"“{depth[:20]}” is no number of documents.", "Give a number from 1 to 1,000.")
        for each in pipelines:
            own = name if len(pipelines) == 1 else ""
            arguments = {
                "query_set": view.query_set,
                "pipeline": each.pipeline.to_dict(),
                "k": int(depth),
                "name": own,
            }
            title = f"Run {each.name} over {view.query_set}"
            self.context.jobs.enqueue("run", place.project, arguments, title=title)

    def pipelines(self, project: Project, place: Place) -> tuple[list[blind.Contestant], set[str]]:
        """What can be run: the columns of a Search link first (their keys are the second value), then what is known."""
        columns = {pipeline_key(each.pipeline): each for each in read_columns(place.query)}
        known = {each.key: each for each in blind.candidates(project, place.corpus)}
        first = [known.get(key) or contestant(each, key) for key, each in columns.items()]
        return [*first, *(each for key, each in known.items() if key not in columns)], set(columns)

    def page(self, place: Place) -> str:
        """The upper part, or what is missing first; never raises, so that no view leaves the page empty."""
        try:
            return self.upper(place)
        except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
            back = f"<p class='row top'><a class='btn' href='{escape(place.link(PATH))}'>To the Evaluate page</a></p>"
            return problem(*explain(error)) + back

    def upper(self, place: Place) -> str:
        if not place.corpus:
            return no_corpus(place.link("/corpus")) if place.project else no_project()
        project = self.context.project(place.project)
        sets = sets_of(project, place)
        if not sets:
            return no_query_set(place)
        view = chosen_view(place, sets)
        pipelines, linked = self.pipelines(project, place)
        bar = bar_html(
            place, view, sets, label_sets_of(project, view.query_set), corpora.get_corpus(project, place.corpus)
        )
        stamp = ""
        try:
            shown = evaluated(project, place, view)
            below = runs_html(shown)
            # The lower part is asked for again when anything of this has changed.
            stamp = fingerprint(below, shown.view.values()) if shown.evaluation is not None else ""
            view, opened = shown.view, not shown.runs or bool(linked)
        except Exception as error:  # noqa: BLE001 — explain() logs it; the forms stay, to mend it there
            below, opened = problem(*explain(error)), False
        form = new_run_html(place, pipelines, linked, opened, view.query_set)
        return (
            f"<div class='ev' data-address='{escape(view.link(place))}' data-stamp='{stamp}'>{bar}{form}{below}</div>"
        )

    def detailed(self, place: Place, stamp: str) -> str:
        """The lower part; `stamp` says for which table it was asked."""
        try:
            project = self.context.project(place.project)
            shown = evaluated(project, place, chosen_view(place, sets_of(project, place)))
            found = shown.evaluation
            compared = [] if found is None else self.comparisons.of(found, named(shown, shown.view.baseline))
            body = details_html(project, shown, compared)
        except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
            body = problem(*explain(error))
        return f"<div class='ev-more' data-stamp='{escape(stamp)}'>{body}</div>"


def asked_place(here: Place, to: str) -> Place:
    """The place with the parameters of the address `to`, ours only by its parameters; `here` where none was sent."""
    if not to:
        return here
    query = {name: value for name, value in parse_link(to).items() if name not in ("project", "corpus")}
    return replace(here, query=query)


def ticked(entered: Mapping[str, str], prefix: str) -> tuple[str, ...]:
    """The names of the boxes that were ticked, without their prefix."""
    return tuple(
        name.removeprefix(prefix) for name, value in entered.items() if name.startswith(prefix) and value == "true"
    )


def contestant(column: Column, key: str) -> blind.Contestant:
    return blind.Contestant(column.name or pipeline_label(column.pipeline), column.pipeline, key)
