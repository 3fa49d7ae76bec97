"""Mine: candidates searched once, then rules tried live over their scores, and what is left as a proposed label set."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import gradio as gr

from ui.components.assets import asset_url
from ui.components.empty import no_corpus, no_project
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import SCRIPT, live, show
from ui.components.mine_screen import Screen, first_view, mined_part, rules_screen, whole_screen
from ui.components.mine_sets import heading_html, made_html, no_queries, nothing_encoded
from ui.components.mine_view import KINDS, MineView, Shown
from ui.components.navigation import navigation
from ui.forms import draw_form
from ui.handlers import on, on_load, problem, said, tell
from ui.session import Context
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.specs import MiningSpec
from workbench.workflows import corpus as corpora
from workbench.workflows.mined_sets import delete_mined
from workbench.workflows.mining_kept import MinerChoice, miner_choices
from workbench.workflows.reranking import list_rerankers

TITLE, PATH = "Mine", "/mine"
JOBS = ("candidates", "mine")
SEARCHED = ("depth", "reranker", "rerank_depth", "source_field", "label_sets")
"""Settings that decide what is searched; all the others are tried live."""
Update = dict[str, Any]
Updates = dict[Any, Any]


def build(context: Context) -> None:
    navigation(context, PATH)
    MinePage(context).build()


class MinePage:
    """The components of the page, and what they do. `values` of an event: query set, miners, the form's values."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        self.shown = gr.State(Shown())
        self.head = live("mine-head")
        with gr.Column(visible=False, elem_id="mine-body", elem_classes="flat") as self.body:
            self.panel = job_panel(self.context, JOBS, elem_id="mine-jobs")
            self.mined = live("mined")
            with gr.Row(equal_height=False, elem_classes="columns"):
                with gr.Column(scale=4, min_width=380, elem_classes="panel settings mi-settings"):
                    self.draw_settings()
                with gr.Column(scale=9, min_width=560, elem_classes="flat"):
                    self.note = live("mine-note")
                    self.charts = live("mine")
                    self.examples = live("mine-examples")
        loaded = f"{SCRIPT}import('{asset_url('mine.mjs')}').then(m => m."
        self.charts.js_on_load = loaded + "mount(element, {watch, slide: data => trigger('slide', data)}));"
        self.note.js_on_load = loaded + "remember(element, {watch}));"
        self.wire()

    def draw_settings(self) -> None:
        """The left-hand side: whose negatives, who finds them, the rules, the button."""
        self.query_set = gr.Dropdown([], label="Query set", elem_id="mine-set", interactive=True)
        self.miners = gr.CheckboxGroup([], label="Miners", elem_id="mine-miners", interactive=True)
        skip = [each.name for each in fields(MiningSpec) if each.name not in SEARCHED]
        choices: Any = {"reranker": reranker_choices(), "source_field": [("none", "")]}
        with gr.Accordion("Depth, reranker, source", open=False, elem_classes="mi-fold"):
            self.search = draw_form(MiningSpec, "mine", skip=skip, choices=choices)
        self.found = live("mine-found")
        self.rules = draw_form(MiningSpec, "mine", skip=SEARCHED)
        for each in self.rules.components:
            if isinstance(each, gr.Number) and each.value is None:
                each.placeholder = "off"
        with gr.Row(elem_classes="bar-row mi-go"):
            self.name = gr.Textbox(
                "", label="Name of the set", placeholder="from its settings", elem_id="mine-name", max_lines=1, scale=2
            )
            self.button = gr.Button("Make the proposed set", variant="primary", elem_id="propose", scale=2)

    def wire(self) -> None:
        self.form = [*self.search.components, *self.rules.components]
        asked = [self.shown, self.query_set, self.miners, *self.form]
        drawn = [self.note, self.shown, self.charts, self.examples]
        screen = [*drawn, self.found, self.mined]
        margins = [self.rules.components[self.rules.names.index(f"{kind}_margin")] for kind in KINDS]
        self.margins = dict(zip(KINDS, margins, strict=True))
        on_load(self.load, [*screen, self.head, self.body, self.query_set, self.miners, *self.form])
        for each in (self.query_set, self.miners, *self.search.components):
            on(each.input, self.resolve, asked, screen, trigger_mode="always_last")
        for each in self.rules.components:
            on(each.input, self.redraw, asked, drawn, trigger_mode="always_last")
        # The browser sends one at a time (assets/mine.mjs); none may be dropped.
        on(self.charts.slide, self.slide, asked, [*drawn, *margins], trigger_mode="multiple")
        on(self.panel.done, self.done, asked, screen)
        for region in (self.charts, self.examples, self.found, self.note):
            on(region.act, self.act, asked, [*drawn, *margins, self.panel])
        on(self.button.click, self.propose, [*asked, self.name], self.panel)
        on(self.mined.act, self.remove, asked, self.mined)

    def asked(self, shown: Shown, values: Sequence[Any]) -> MineView:
        """The view that the components hold. Raises `BadInput` on a rule that does not fit."""
        query_set, miners, *entered = values
        split = len(self.search.components)
        rules = self.rules.read(entered[split:])
        spec = self.search.read(entered[:split], {name: getattr(rules, name) for name in self.rules.names})
        return MineView(query_set or "", tuple(miners or ()), spec, shown.kind, shown.start)

    def updates(self, screen: Screen) -> Updates:
        """A screen as updates of the page's regions."""
        regions = {
            self.note: screen.note,
            self.charts: screen.charts,
            self.examples: screen.examples,
            self.found: screen.found,
            self.mined: screen.mined,
        }
        found: Updates = {region: show(markup) for region, markup in regions.items() if markup is not None}
        return found if screen.shown is None else {**found, self.shown: screen.shown}

    # ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────

    def load(self, request: gr.Request) -> Updates:
        """Fill the page from its address, or say what is missing first."""
        place = self.context.place(request)
        if not place.corpus:
            return {self.head: show(no_corpus(place.link("/corpus")) if place.project else no_project())}
        project = self.context.project(place.project)
        sets = [each.name for each in corpora.list_query_sets(project, place.corpus) if each.queries]
        choices = miner_choices(project, place.corpus)
        if not sets or not choices:
            return {self.head: show(nothing_encoded(place) if sets else no_queries(place))}
        view, wrong = first_view(place, sets, choices)
        miners = [(miner_label(each), each.key) for each in choices]
        return {
            self.head: show(heading_html(place) + wrong),
            self.body: gr.update(visible=True),
            self.query_set: gr.update(choices=sets, value=view.query_set),
            self.miners: gr.update(choices=miners, value=list(view.miners)),
            **self.filled(project, place.corpus, view.spec),
            **self.updates(whole_screen(project, place, view)),
        }

    def filled(self, project: Project, corpus: str, spec: MiningSpec) -> Updates:
        """The form with a spec's values, and the choices that this corpus has."""
        shown = [*self.search.show(spec), *self.rules.show(spec)]
        found = dict(zip(self.form, shown, strict=True))
        part = dict(zip(self.search.names, self.search.components, strict=True))
        rerankers = reranker_choices()
        own = [] if spec.reranker in {value for _, value in rerankers} else [(spec.reranker, spec.reranker)]
        columns = [(name, name) for name in corpora.get_corpus(project, corpus).columns]
        found[part["reranker"]] = gr.update(choices=rerankers + own, value=spec.reranker)
        found[part["source_field"]] = gr.update(choices=[("none", ""), *columns], value=spec.source_field)
        return found

    def resolve(self, shown: Shown, request: gr.Request, *values: Any) -> Updates:
        """What is searched has changed: look for its candidates."""
        project, place = self.context.here(request)
        try:
            return self.updates(whole_screen(project, place, self.asked(shown, values)))
        except WorkbenchError as error:
            return {self.note: show(problem(error.message, error.hint))}

    def redraw(self, shown: Shown, request: gr.Request, *values: Any) -> Updates:
        """A rule has changed."""
        project, place = self.context.here(request)
        try:
            return self.updates(rules_screen(project, place, self.asked(shown, values), shown.artifacts))
        except WorkbenchError as error:
            return {self.note: show(problem(error.message, error.hint))}

    def done(self, event: gr.EventData, shown: Shown, request: gr.Request, *values: Any) -> Updates:
        """A job has ended: its candidates are there, or its proposed set is."""
        project, place = self.context.here(request)
        screen = whole_screen(project, place, self.asked(shown, values))
        job = self.context.jobs.get(said(event, "id"))
        if job.kind == "mine" and job.state == "done":
            made = made_html(job.result or {}, place, str(job.arguments.get("query_set", "")))
            screen = replace(screen, note=screen.note + made)
        return self.updates(screen)

    # ── what a person does ───────────────────────────────────────────────────────────────────────────────────────────

    def slide(self, event: gr.EventData, shown: Shown, request: gr.Request, *values: Any) -> Updates:
        """The margin line was moved."""
        return self.with_margin(shown, values, margin_of(said(event, "value")), request)

    def with_margin(self, shown: Shown, values: Sequence[Any], margin: float | None, request: gr.Request) -> Updates:
        project, place = self.context.here(request)
        view = self.asked(shown, values)
        view = replace(view, spec=replace(view.spec, **{f"{shown.kind}_margin": margin}))
        updates = self.updates(rules_screen(project, place, view, shown.artifacts))
        return {**updates, self.margins[shown.kind]: gr.update(value=margin)}

    def act(self, event: gr.EventData, shown: Shown, request: gr.Request, *values: Any) -> Updates:
        """A button in one of the regions."""
        action, value = said(event, "do"), said(event, "value")
        if action == "find":
            return {self.panel: self.start(self.asked(shown, values), "candidates", {"near": True}, request)}
        if action in ("set", "off"):
            return self.with_margin(shown, values, margin_of(value) if action == "set" else None, request)
        if action == "kind" and value in KINDS:
            return self.redraw(replace(shown, kind=value), request, *values)
        if action == "more":
            return self.redraw(replace(shown, start=(shown.start + 1) % 1_000_000), request, *values)
        raise BadInput(f"There is no action “{action[:40]}” on this page.")

    def propose(self, shown: Shown, request: gr.Request, *values: Any) -> Update:
        """Queue the mining; the last of `values` is the name of the label set."""
        name = str(values[-1] or "").strip()
        return self.start(self.asked(shown, values[:-1]), "mine", {"name": name}, request)

    def start(self, view: MineView, kind: str, more: Mapping[str, Any], request: gr.Request) -> Update:
        """Queue a job over the chosen miners. Raises `BadInput` where none is."""
        project, place = self.context.here(request)
        chosen = view.chosen(miner_choices(project, place.corpus))
        plain = [each.miner if isinstance(each.miner, str) else each.miner.to_dict() for each in chosen]
        arguments = {"query_set": view.query_set, "spec": view.spec.to_dict(), "miners": plain, **more}
        what = "Find candidates of" if kind == "candidates" else "Mine"
        title = f"{what} {view.query_set} · {', '.join(each.label for each in chosen)}"
        self.context.jobs.enqueue(kind, place.project, arguments, title=title)
        return draw_jobs(self.context, place.project, JOBS)

    def remove(self, event: gr.EventData, shown: Shown, request: gr.Request, *values: Any) -> Update:
        """Delete a proposed set."""
        project, place = self.context.here(request)
        view = self.asked(shown, values)
        number = delete_mined(project, view.query_set, said(event, "name"))
        tell(f"The proposed set is deleted, with {number:,} negatives.")
        return show(mined_part(project, place, view, miner_choices(project, place.corpus)))


def miner_label(each: MinerChoice) -> str:
    return each.label if each.reads_text else f"{each.label} (queries with pictures only)"


def reranker_choices() -> list[tuple[str, str]]:
    """(shown, value) of the rerankers of the catalogue; those that are not on this machine say so."""
    known = list_rerankers()
    return [("none", ""), *((each.name + " (is downloaded)" * (not each.bundled), each.name) for each in known)]


def margin_of(text: str) -> float:
    """A margin the browser sent. Raises `BadInput`."""
    try:
        margin = float(text)
    except ValueError as error:
        raise BadInput(f"The margin is “{text[:20]}”, which is not a number.") from error
    if not 0 <= margin < 1e6:
        raise BadInput(f"The margin is {margin:g}.", "It must not be negative.")
    return margin
