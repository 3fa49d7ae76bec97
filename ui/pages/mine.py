"""Mine: candidates searched once, then rules tried live over their scores, and what is left as a proposed label set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from ui.components.assets import asset_url
from ui.components.empty import no_corpus, no_project
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import SCRIPT, live, show
from ui.components.mine_charts import histograms_html, margins_of, sweep_html
from ui.components.mine_examples import examples_html
from ui.components.mine_rules import rules_html, yield_html
from ui.components.mine_sets import (
    again_html,
    before_html,
    found_html,
    heading_html,
    made_html,
    mined_html,
    no_dense,
    no_positives,
    no_queries,
    nothing_encoded,
)
from ui.components.mine_view import KINDS, START, MineView, address, first_miners, read_mine_view
from ui.components.navigation import navigation
from ui.components.text import escape
from ui.forms import draw_form
from ui.handlers import on, on_load, problem, said, tell
from ui.session import Context, Place
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.specs import MiningSpec
from workbench.workflows import corpus as corpora
from workbench.workflows import mine
from workbench.workflows.mined_sets import delete_mined, mined_sets
from workbench.workflows.mining_examples import examples
from workbench.workflows.mining_kept import Kept, MinerChoice, kept_candidates, miner_choices
from workbench.workflows.reranking import list_rerankers

TITLE, PATH = "Mine", "/mine"
JOBS = ("candidates", "mine")
SEARCHED = ("depth", "reranker", "rerank_depth", "source_field", "label_sets")
"""Settings that decide what is searched; all the others are tried live."""
Update = dict[str, Any]
Updates = dict[Any, Any]


@dataclass(frozen=True)
class Shown:
    """What the page shows beside its form: the kept candidates, the margin that is dragged, the first example."""

    artifacts: tuple[str, ...] = ()
    kind: str = KINDS[0]
    start: int = 0


def build(context: Context) -> None:
    navigation(context, PATH)
    MinePage(context).build()


class MinePage:
    """The components of the page, and what they do."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        self.shown = gr.State(Shown())
        self.head = live("mine-head")
        with gr.Column(visible=False, elem_id="mine-body", elem_classes="flat") as self.body:
            self.panel = job_panel(self.context, JOBS, elem_id="mine-jobs")
            self.list = live("mined")
            with gr.Row(equal_height=False, elem_classes="columns"):
                with gr.Column(scale=4, min_width=380, elem_classes="panel settings mi-settings"):
                    self.draw_settings()
                with gr.Column(scale=9, min_width=560, elem_classes="flat"):
                    self.note = live("mine-note")
                    self.view = live("mine")
                    self.examples = live("mine-examples")
        loaded = f"import('{asset_url('mine.mjs')}').then(m => m."
        self.view.js_on_load = SCRIPT + loaded + "mount(element, {watch, slide: data => trigger('slide', data)}));"
        self.note.js_on_load = SCRIPT + loaded + "remember(element, {watch}));"
        self.wire()

    def draw_settings(self) -> None:
        """The left-hand side: whose negatives, who finds them, the rules, the button."""
        self.query_set = gr.Dropdown([], label="Query set", elem_id="mine-set", interactive=True)
        self.miners = gr.CheckboxGroup([], label="Miners", elem_id="mine-miners", interactive=True)
        skip = [each for each in MiningSpec.__dataclass_fields__ if each not in SEARCHED]
        choices = {"reranker": reranker_choices(), "source_field": [("none", "")]}
        with gr.Accordion("Depth, reranker, source", open=False, elem_classes="mi-fold"):
            self.search = draw_form(MiningSpec, "mine", skip=skip, choices=choices)  # type: ignore[arg-type]
        self.found = live("mine-found")
        self.rules = draw_form(MiningSpec, "mine", skip=SEARCHED)
        with gr.Row(elem_classes="bar-row"):
            self.name = gr.Textbox(
                "", label="Name of the set", placeholder="from its settings", elem_id="mine-name", max_lines=1, scale=2
            )
            self.button = gr.Button("Make the proposed set", variant="primary", elem_id="propose", scale=2)

    def wire(self) -> None:
        asked = [self.shown, self.query_set, self.miners, *self.search.components, *self.rules.components]
        drawn = [self.shown, self.note, self.view, self.examples]
        resolved = [*drawn, self.found, self.list]
        form = [*self.search.components, *self.rules.components]
        margins = [self.rules.components[self.rules.names.index(f"{kind}_margin")] for kind in KINDS]
        self.margins = dict(zip(KINDS, margins, strict=True))
        on_load(self.load, [*resolved, self.head, self.body, self.query_set, self.miners, *form])
        for each in (self.query_set, self.miners, *self.search.components):
            on(each.input, self.resolve, asked, resolved, trigger_mode="always_last")
        for each in self.rules.components:
            on(each.input, self.redraw, asked, drawn, trigger_mode="always_last")
        on(self.view.slide, self.slide, asked, [*drawn, *margins], trigger_mode="always_last")
        on(self.panel.done, self.done, asked, resolved)
        for region in (self.view, self.examples, self.found, self.note):
            on(region.act, self.act, asked, [*drawn, *margins, self.panel])
        on(self.button.click, self.propose, [*asked, self.name], self.panel)
        on(self.list.act, self.remove, asked, self.list)

    # ── what the person asked for ────────────────────────────────────────────────────────────────────────────────────

    def asked(
        self, shown: Shown, query_set: str | None, miners: Sequence[str] | None, values: Sequence[Any]
    ) -> MineView:
        """The view that the components hold. Raises `BadInput` on a rule that does not fit."""
        split = len(self.search.components)
        rules = self.rules.read(values[split:])
        spec = self.search.read(values[:split], {name: getattr(rules, name) for name in self.rules.names})
        return MineView(query_set or "", tuple(miners or ()), spec, shown.kind, shown.start)

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
        updates = [*self.search.show(view.spec), *self.rules.show(view.spec)]
        form = dict(zip([*self.search.components, *self.rules.components], updates, strict=True))
        source = self.search.components[self.search.names.index("source_field")]
        columns = corpora.get_corpus(project, place.corpus).columns
        form[source] = gr.update(choices=[("none", ""), *columns], value=view.spec.source_field)
        reranker = self.search.components[self.search.names.index("reranker")]
        own = [] if view.spec.reranker in dict(reranker_choices()).values() else [view.spec.reranker]
        form[reranker] = gr.update(choices=[*reranker_choices(), *own], value=view.spec.reranker)
        return {
            self.head: show(heading_html(place) + wrong),
            self.body: gr.update(visible=True),
            self.query_set: gr.update(choices=sets, value=view.query_set),
            self.miners: gr.update(
                choices=[(miner_label(each), each.key) for each in choices], value=list(view.miners)
            ),
            **form,
            **self.resolved(project, place, view),
        }

    def resolve(self, shown: Shown, query_set: str, miners: list[str], request: gr.Request, *values: Any) -> Updates:
        """What is searched has changed, or a job is done: look for the candidates again."""
        project, place = self.context.here(request)
        try:
            view = self.asked(shown, query_set, miners, values)
            return self.resolved(project, place, view)
        except WorkbenchError as error:
            return {self.note: show(problem(error.message, error.hint))}

    def done(
        self, event: gr.EventData, shown: Shown, query_set: str, miners: list[str], request: gr.Request, *values: Any
    ) -> Updates:
        """A job has ended: its candidates are there, or its proposed set is."""
        updates, place = self.resolve(shown, query_set, miners, request, *values), self.context.place(request)
        job = self.context.jobs.get(said(event, "id"))
        if job.kind == "mine" and job.state == "done" and job.arguments.get("query_set") == query_set:
            updates[self.note]["markup"] += made_html(job.result or {}, place, query_set)
        return updates

    def redraw(self, shown: Shown, query_set: str, miners: list[str], request: gr.Request, *values: Any) -> Updates:
        """A rule has changed."""
        project, place = self.context.here(request)
        try:
            return self.drawn(project, place, self.asked(shown, query_set, miners, values), shown.artifacts)
        except WorkbenchError as error:
            return {self.note: show(problem(error.message, error.hint))}

    # ── what it sees ─────────────────────────────────────────────────────────────────────────────────────────────────

    def resolved(self, project: Project, place: Place, view: MineView) -> Updates:
        """Everything but the form: the kept candidates, what the rules make of them, what was mined before."""
        choices = miner_choices(project, place.corpus)
        listed = mined_html(mined_sets(project, view.query_set), place, view, choices)
        empty: Updates = {each: show("") for each in (self.examples, self.found, self.view)}
        empty |= {self.list: show(listed), self.shown: Shown((), view.kind, view.start)}
        try:
            chosen = view.chosen(choices)
            kept = kept_candidates(project, view.query_set, view.spec, [each.miner for each in chosen])
        except WorkbenchError as error:
            return {**empty, self.note: noted(place, view, problem(error.message, error.hint))}
        if kept.needs:
            lacking = no_positives(kept.needs, place, view.query_set)
            return {**empty, self.note: noted(place, view), self.view: show(lacking)}
        empty[self.found] = self.told(place, view, kept, chosen)
        if not kept.complete:
            return {**empty, self.note: noted(place, view), self.view: show(before_html(kept, chosen))}
        return {**empty, **self.drawn(project, place, view, tuple(kept.found))}

    def told(self, place: Place, view: MineView, kept: Kept, chosen: Sequence[MinerChoice]) -> Update:
        dense = any(each.output in ("dense", "") for each in chosen)
        return show(found_html(kept, chosen, view.spec.depth) + ("" if dense else no_dense(place)))

    def drawn(self, project: Project, place: Place, view: MineView, artifacts: tuple[str, ...]) -> Updates:
        """The counts, charts and examples of the rules over kept candidates."""
        if not artifacts:
            return {self.shown: Shown((), view.kind, view.start), self.note: noted(place, view)}
        try:
            markup = self.charts(project, place, view, artifacts)
            shown = examples(project, artifacts, view.spec, view.start)
        except BadInput as error:
            # Other candidates may be kept that answer these rules.
            wider = self.kept(project, place, view)
            if wider and wider != artifacts:
                return self.drawn(project, place, view, wider)
            return {self.note: noted(place, view, again_html(error.message, error.hint))}
        return {
            self.shown: Shown(artifacts, view.kind, view.start),
            self.note: noted(place, view),
            self.view: show(markup),
            self.examples: show(examples_html(shown, view.spec, place, view.query_set)),
        }

    def kept(self, project: Project, place: Place, view: MineView) -> tuple[str, ...]:
        """The kept candidates of all chosen miners, empty where some are not there."""
        chosen = view.chosen(miner_choices(project, place.corpus))
        found = kept_candidates(project, view.query_set, view.spec, [each.miner for each in chosen])
        return tuple(found.found) if found.complete else ()

    def charts(self, project: Project, place: Place, view: MineView, artifacts: tuple[str, ...]) -> str:
        found = mine.preview(project, artifacts, view.spec)
        margins = margins_of(found, view.kind)
        sweeps = mine.sweep_margins(project, artifacts, view.spec, margins, view.kind)
        asked = found.queries * view.spec.per_query
        return (
            f"{yield_html(found, view.spec, place, view.query_set)}{histograms_html(found, view.spec, view.kind)}"
            f"<div class='mi-two'>{rules_html(found, view.spec)}{sweep_html(sweeps, asked, view.spec, view.kind)}</div>"
        )

    # ── what the person does ─────────────────────────────────────────────────────────────────────────────────────────

    def slide(
        self, event: gr.EventData, shown: Shown, query_set: str, miners: list[str], request: gr.Request, *values: Any
    ) -> Updates:
        """The margin line was moved."""
        return self.with_margin(shown, (query_set, miners, values), number_of(said(event, "value")), request)

    def with_margin(self, shown: Shown, given: tuple[Any, ...], margin: float | None, request: gr.Request) -> Updates:
        project, place = self.context.here(request)
        query_set, miners, values = given
        view = self.asked(shown, query_set, miners, values)
        view = replace(view, spec=replace(view.spec, **{f"{shown.kind}_margin": margin}))
        form = {self.margins[shown.kind]: gr.update(value=margin)}
        return {**self.drawn(project, place, view, shown.artifacts), **form}

    def act(
        self, event: gr.EventData, shown: Shown, query_set: str, miners: list[str], request: gr.Request, *values: Any
    ) -> Updates:
        """A button in one of the regions."""
        action, given = said(event, "do"), (query_set, miners, values)
        if action == "find":
            return {self.panel: self.start(self.asked(shown, *given), "candidates", {"near": True}, request)}
        if action in ("set", "off"):
            margin = number_of(said(event, "value")) if action == "set" else None
            return self.with_margin(shown, given, margin, request)
        if action == "kind" and said(event, "value") in KINDS:
            shown = replace(shown, kind=said(event, "value"))
        elif action == "more":
            shown = replace(shown, start=(shown.start + 1) % 1_000_000)
        else:
            raise BadInput(f"There is no action “{action[:40]}” on this page.")
        return self.redraw(shown, query_set, miners, request, *values)

    def start(self, view: MineView, kind: str, more: Mapping[str, Any], request: gr.Request) -> Update:
        """Queue a job over the chosen miners. Raises `BadInput`."""
        project, place = self.context.here(request)
        chosen = view.chosen(miner_choices(project, place.corpus))
        plain = [each.miner if isinstance(each.miner, str) else each.miner.to_dict() for each in chosen]
        arguments = {"query_set": view.query_set, "spec": view.spec.to_dict(), "miners": plain, **more}
        names = ", ".join(each.label for each in chosen)
        title = f"{'Find candidates of' if kind == 'candidates' else 'Mine'} {view.query_set} · {names}"
        self.context.jobs.enqueue(kind, place.project, arguments, title=title)
        return draw_jobs(self.context, place.project, JOBS)

    def propose(self, shown: Shown, query_set: str, miners: list[str], request: gr.Request, *values: Any) -> Update:
        """Queue the mining; the last of `values` is the name of the label set."""
        view = self.asked(shown, query_set, miners, values[:-1])
        return self.start(view, "mine", {"name": str(values[-1] or "").strip()}, request)

    def remove(
        self, event: gr.EventData, shown: Shown, query_set: str, miners: list[str], request: gr.Request, *values: Any
    ) -> Update:
        """Delete a proposed set."""
        project, place = self.context.here(request)
        number = delete_mined(project, query_set, said(event, "name"))
        tell(f"The proposed set is deleted, with {number:,} negatives.")
        view = self.asked(shown, query_set, miners, values)
        choices = miner_choices(project, place.corpus)
        return show(mined_html(mined_sets(project, query_set), place, view, choices))


def noted(place: Place, view: MineView, markup: str = "") -> Update:
    """What stands above the charts, and the address that the browser keeps."""
    return show(f"<i hidden data-address='{escape(address(place, view))}'></i>{markup}")


def first_view(place: Place, sets: Sequence[str], choices: Sequence[MinerChoice]) -> tuple[MineView, str]:
    """The view of the address, with names that are there, and what could not be read of it as HTML."""
    typed = f"{place.corpus.partition('@')[0]}-typed"
    usual = next((name for name in sets if name != typed), typed)
    fallback = MineView(usual, first_miners(choices), START)
    wrong = ""
    try:
        view = read_mine_view(place.query, fallback)
    except BadInput as error:
        view, wrong = fallback, problem(error.message, error.hint)
    if view.query_set not in sets:
        wrong += problem(
            f"There is no query set “{view.query_set[:80]}” in this corpus.", f"Showing “{usual}” instead."
        )
        view = replace(view, query_set=usual)
    known = tuple(each.key for each in choices if each.key in view.miners)
    return replace(view, miners=known or fallback.miners), wrong


def miner_label(each: MinerChoice) -> str:
    return each.label if each.reads_text else f"{each.label} (queries with pictures only)"


def reranker_choices() -> list[tuple[str, str]]:
    """(shown, value) of the rerankers of the catalogue; those that are not on this machine say so."""
    return [
        ("none", ""),
        *((each.name if each.bundled else f"{each.name} (is downloaded)", each.name) for each in list_rerankers()),
    ]


def number_of(text: str) -> float:
    """A margin the browser sent. Raises `BadInput`."""
    try:
        margin = float(text)
    except ValueError as error:
        raise BadInput(f"The margin is “{text[:20]}”, which is not a number.") from error
    if not 0 <= margin < 1e6:
        raise BadInput(f"The margin is {margin:g}.", "It must not be negative.")
    return margin
