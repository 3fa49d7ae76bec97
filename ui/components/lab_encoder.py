"""The encoder tab of the Laboratory: which encoders and queries, the job at work, and what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.components.assets import asset_url
from ui.components.empty import empty
from ui.components.figures import several
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.lab_encoder_table import cards_html, grid_html, table_html
from ui.components.lab_encoder_view import QUALITIES, EncoderLabView, read_encoder_lab_view
from ui.components.lab_tabs import is_open
from ui.components.live import SCRIPT, live, show
from ui.components.text import clip, escape
from ui.handlers import explain, fields, on, on_load, problem, said
from ui.session import Context, Place
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import EncoderLabSpec
from workbench.workflows import corpus as corpora
from workbench.workflows import encoder_lab

if TYPE_CHECKING:
    from workbench.workflows.corpus import QuerySetInfo

NAME, TITLE = "encoders", "Encoders"
KIND = "encoder-lab"
ENCODER = "encoder "
"""Begins the names of the encoders' checkboxes."""
NUMBERS = (("queries", "Queries at most"), ("pairs", "Random pairs"), ("timed", "Documents timed"), ("seed", "Seed"))
FEW_TICKED = 6


def draw(context: Context) -> None:
    """Draw the tab where it is called."""
    EncoderTab(context).draw()


class EncoderTab:
    """The components of the tab, and what they do."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def draw(self) -> None:
        self.form = live("lab-encoder-form")
        self.panel = job_panel(self.context, (KIND,), elem_id="lab-encoder-jobs")
        self.result = live("lab-encoder-result", elem_classes="flat")
        address = asset_url("lab_encoder.mjs")
        self.result.js_on_load = SCRIPT + f"import('{address}').then(m => m.mount(element, {{watch}}));"
        on_load(self.load, [self.form, self.result])
        # Choosing and then pressing the button is two events: the second must not be dropped.
        on(self.form.act, self.edit, None, [self.form, self.panel, self.result], trigger_mode="multiple")
        on(self.result.act, self.act, None, self.result)
        on(self.panel.done, self.finished, None, self.result)

    def load(self, request: gr.Request) -> dict[Any, Any]:
        """Fill the tab from its address; nothing where another tab is open."""
        place = self.context.place(request)
        if not place.corpus or not is_open(place, NAME):
            return {self.form: show("")}
        try:
            project = self.context.project(place.project)
            view = chosen_view(project, place)
            return {self.form: show(form_of(project, place, view)), self.result: show(drawn(project, place, view))}
        except Exception as error:  # noqa: BLE001 — explain() logs what is not the person's to mend
            return {self.form: show(problem(*explain(error)))}

    def edit(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """The form: another query set, or the start."""
        project, place = self.context.here(request)
        action, entered = said(event, "do"), fields(event)
        view = replace(chosen_view(project, place), query_set=entered.get("query_set", ""))
        if action == "queries":
            return [gr.skip(), gr.skip(), show(drawn(project, place, view))]
        if action != "start":
            raise BadInput(f"There is no action “{action[:40]}” on this page.")
        encoders, spec = asked(entered)
        arguments = {"corpus": place.corpus, "encoders": encoders, "spec": spec.to_dict()}
        title = f"Measure {several(len(encoders), 'encoder')} over {place.corpus}"
        self.context.jobs.enqueue(KIND, place.project, arguments, title=title)
        return [gr.skip(), draw_jobs(self.context, place.project, (KIND,)), show(drawn(project, place, view))]

    def act(self, event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        """The result: what the curves show."""
        project, place = self.context.here(request)
        quality = said(event, "value")
        if said(event, "do") != "quality" or quality not in QUALITIES:
            raise BadInput("There is no such action on this page.")
        return show(drawn(project, place, replace(chosen_view(project, place), quality=quality)))

    def finished(self, event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        """A job ended: what it measured is shown."""
        project, place = self.context.here(request)
        job = self.context.jobs.get(said(event, "id"))
        view = replace(chosen_view(project, place), query_set=str(job.arguments["spec"].get("query_set", "")))
        return show(drawn(project, place, view))


def chosen_view(project: Project, place: Place) -> EncoderLabView:
    """The view of the address, with the query set of the most judgments where it names none that exists."""
    view = read_encoder_lab_view(place.query)
    sets = [each for each in corpora.list_query_sets(project, place.corpus) if each.queries]
    if view.query_set == "" or view.query_set in [each.name for each in sets]:
        return view
    return replace(view, query_set=max(sets, key=lambda each: each.judgments).name if sets else "")


def form_of(project: Project, place: Place, view: EncoderLabView) -> str:
    """The form, or the way to an embedding where there is none."""
    dense, others = encoder_lab.choices(project, place.corpus)
    if not dense:
        text = "The laboratory measures stored vectors: encode the corpus with one or more dense encoders first."
        return empty(f"“{place.corpus}” has no dense embedding yet", text, place.link("/encode"), "Encode the corpus")
    return form_html(view, dense, others, corpora.list_query_sets(project, place.corpus))


def form_html(
    view: EncoderLabView, dense: Sequence[str], others: Sequence[tuple[str, str]], sets: "Sequence[QuerySetInfo]"
) -> str:
    """The form; its inputs are read by `asked`."""
    ticks = "".join(
        f"<label><input type='checkbox' name='{ENCODER}{escape(name)}'{' checked' if n < FEW_TICKED else ''}>"
        f"{escape(clip(name, 60))}</label>"
        for n, name in enumerate(dense)
    )
    left = ", ".join(f"{name} ({output})" for name, output in others)
    note = f"<span class='dim'>Not measured here: {escape(clip(left, 300))}.</span>" if others else ""
    known = {
        each.name: f"{several(each.queries, 'query/queries')}, {several(each.judgments, 'judgment')}" for each in sets
    }
    options = "".join(
        f"<option value='{escape(name)}'{' selected' if name == view.query_set else ''}>"
        f"{escape(clip(name, 60))} · {told}</option>"
        for name, told in known.items()
    )
    options += (
        f"<option value=''{'' if view.query_set else ' selected'}>none: documents ask for their neighbours</option>"
    )
    fields_of = EncoderLabSpec.__dataclass_fields__
    numbers = "".join(
        f"<label title='{escape(fields_of[name].metadata['help'])}'>{label}<input type='number' name='{name}' "
        f"value='{fields_of[name].default}' min='{fields_of[name].metadata['low']}'></label>"
        for name, label in NUMBERS
    )
    return (
        "<section class='panel' data-key='encoder-form'><header><h3>What to measure</h3><span class='facts'><span>"
        "from the stored vectors; queries are encoded, and a sample of documents for the speed</span></span></header>"
        f"<div class='le-form' data-form><div class='le-ticks2'>{ticks}{note}</div><div class='le-knobs'>"
        f"<label>Query set<select name='query_set' data-change='queries'>{options}</select></label>{numbers}"
        "<button class='btn primary' data-do='start' data-default>Measure</button></div></div></section>"
    )


def asked(entered: Mapping[str, str]) -> tuple[list[str], EncoderLabSpec]:
    """(the ticked encoders, the settings). Raises `BadInput` where none is ticked, or a number is none."""
    names = [
        name.removeprefix(ENCODER) for name, value in entered.items() if name.startswith(ENCODER) and value == "true"
    ]
    if not names:
        raise BadInput("No encoder is ticked.", "Tick one or more.")
    numbers: dict[str, int] = {}
    for name, label in NUMBERS:
        text = entered.get(name, "").strip()
        if not text.isdecimal() or len(text) > 10:
            raise BadInput(f"“{label}” is “{text[:20]}”.", "Give a whole number.")
        numbers[name] = int(text)
    return names, EncoderLabSpec(query_set=entered.get("query_set", ""), **numbers)


def drawn(project: Project, place: Place, view: EncoderLabView) -> str:
    """What was measured with the view's query set: the table, the grid of all corpora, a card for each encoder."""
    if not encoder_lab.choices(project, place.corpus)[0]:
        return ""
    address = f"<span hidden data-address='{escape(view.link(place))}'></span>"
    cells = encoder_lab.list_cells(project, place.corpus, view.query_set or "")
    if not cells:
        asking = f"with the query set “{escape(clip(view.query_set, 60))}”" if view.query_set else "without a query set"
        return (
            f"{address}<h3 class='above'>Measured</h3><div class='note'>Nothing measured {asking} yet. "
            "<b>Measure</b> gives speed and sizes, how far positives score above random pairs, what fewer dimensions "
            "and coarser numbers cost, hubs and the influence of length.</div>"
        )
    cells = sorted(cells, key=lambda each: -(each.figures["curve"][0]["ndcg"] or 0.0))
    settings = {replace(each.spec, prompt=True, timed=0) for each in cells}
    mixed = (
        "<div class='note warn'>These were measured with different samples: measure them again together to compare."
        "</div>"
    )
    return (
        f"{address}<h3 class='above'>Measured</h3>{mixed if len(settings) > 1 else ''}{table_html(cells)}"
        f"{grid_html(encoder_lab.list_cells(project))}{cards_html(view, cells)}"
    )
