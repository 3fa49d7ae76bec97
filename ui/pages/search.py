"""Search: one query through one system, its hits with scores and timings, documents in full, and their neighbours."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from ui.components import search_view as draw
from ui.components.address import MAX_K, SETTINGS, View, knobs_of, parse_link, read_view
from ui.components.documents import document_html, search_words
from ui.components.empty import no_corpus, no_project
from ui.components.filters import changed_filters, filter_form
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import live, show
from ui.components.navigation import navigation
from ui.components.results import Frame, listing
from ui.components.text import whole
from ui.handlers import explain, fields, on, on_load, problem, said, warn
from ui.session import Context, Place
from workbench.project import Project
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.workflows import corpus as corpora
from workbench.workflows import search as searching

TITLE, PATH = "Search", "/search"
EXAMPLES = 8
KINDS = ("encode", "index")
MATCHED = 100_000
"""Characters of a hit in which the query's words are looked for."""


def build(context: Context) -> None:
    navigation(context, PATH)
    SearchPage(context).build()


class SearchPage:
    """The components of the page and what they do. What is shown is an address in the hidden field `wanted`: handlers
    write a new one, its change runs the search, and the browser's address follows. No state of a visitor is kept here.
    """

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        with gr.Row(elem_classes="wb-querybar"):
            self.query = gr.Textbox(
                elem_id="q",
                elem_classes="wb-query",
                label="Query",
                placeholder="Write a query and press Enter ( / brings you here )",
                lines=1,
                max_lines=4,
                scale=6,
                min_width=280,
            )
            self.system = gr.Dropdown([], elem_id="system", label="System: encoder · index", scale=2, min_width=200)
            self.k = gr.Number(10, elem_id="k", label="k", minimum=1, maximum=MAX_K, precision=0, scale=0, min_width=80)
            self.knobs = [
                gr.Number(
                    None,
                    elem_id=name,
                    label=label,
                    minimum=1,
                    placeholder="default",
                    visible=False,
                    scale=0,
                    min_width=90,
                )
                for name, label in zip(SETTINGS, ("nprobe", "efSearch", "k_factor"), strict=True)
            ]
            self.go = gr.Button("Search", elem_id="go", variant="primary", scale=0, min_width=90)
        self.filters = live("wb-filters")
        self.wanted = gr.Textbox("", visible="hidden", elem_id="wanted")
        self.jobs = job_panel(self.context, KINDS, of_corpus=True)
        with gr.Row(elem_classes="wb-columns"):
            self.results = listing("results", elem_classes="wb-panel", scale=3, min_width=420)
            self.panel = listing(
                "document", elem_classes=["wb-panel", "wb-side"], visible=False, scale=2, min_width=380
            )
        self.wire()

    def wire(self) -> None:
        inputs = {self.wanted, self.query, self.system, self.k, *self.knobs}
        start = [self.query, self.system, self.k, *self.knobs, self.filters, self.wanted, self.results]
        changed = [self.query, self.system, *self.knobs, self.filters, self.wanted, self.results]
        on_load(self.load, start)
        # What a job has made can be searched at once.
        on(self.jobs.done, self.load, None, start)
        on(self.wanted.change, self.search, self.wanted, self.results, trigger_mode="always_last", concurrency_limit=4)
        for event in (self.query.submit, self.go.click):
            on(event, self.ask, inputs, changed)
        for event in (self.system.input, self.k.submit, *(knob.submit for knob in self.knobs)):
            on(event, self.same, inputs, changed)
        # Gradio drops an event while one of the same kind runs, unless told otherwise.
        on(self.filters.act, self.change_filters, inputs, changed, trigger_mode="multiple")
        on(self.results.ask, self.ask_example, inputs, changed)
        on(self.results.drop, self.ask, inputs, changed)
        both = [self.panel, self.results]
        for region in both:
            on(region.nearest, self.alike, inputs, changed)
            on(region.pick, self.open, self.wanted, both, trigger_mode="always_last")
        on(self.panel.retitle, self.ask_title, inputs, changed)
        on(self.panel.shut, lambda: (gr.update(visible=False, value=""), gr.update(open=-1)), None, both)
        on(self.results.make, self.make_searchable, None, self.jobs)

    # ── the address of what is wanted ────────────────────────────────────────────────────────────────────────────

    def load(self, request: gr.Request) -> dict[Any, Any]:
        """Fill the page from its address, and search where the address asks for something."""
        place = self.context.place(request)
        if not place.corpus:
            return {self.results: gr.update(value=no_corpus(place.link("/corpus")) if place.project else no_project())}
        project = self.context.project(place.project)
        systems = searching.systems(project, place.corpus)
        asked = read_view(place.query)
        view = fit(asked, systems)
        if asked.encoder and asked.encoder != view.encoder:
            warn(f"{place.corpus} is not encoded with “{asked.encoder}” yet.", f"Shown instead: `{view.encoder}`.")
        choices = [(system_label(each), system_value(each.encoder, each.index)) for each in systems]
        shown = self.want(place, view)
        shown[self.system] = gr.update(
            choices=choices, value=system_value(view.encoder, view.index) if choices else None
        )
        return shown | {self.k: view.k, self.filters: show(filter_form(project, place.corpus, view.filters))}

    def want(self, place: Place, view: View) -> dict[Any, Any]:
        """The updates that make the page show `view`: a new value of `wanted` starts the search."""
        settings, known = view.settings or {}, knobs_of(view.index)
        return {
            self.query: view.query,
            self.system: system_value(view.encoder, view.index),
            # The number makes the same search asked again a change.
            self.wanted: f"{view.link(place)}#{time.time_ns()}",
            self.results: gr.update(busy=draw.waiting(view), open=-1),
            **{
                knob: gr.update(visible=name in known, value=settings.get(name))
                for name, knob in zip(SETTINGS, self.knobs, strict=True)
            },
        }

    def typed(self, values: dict[Any, Any]) -> View:
        """The view as the inputs have it now; filters and neighbours as they are shown."""
        encoder, index = read_system(values[self.system])
        settings = {name: values[knob] for name, knob in zip(SETTINGS, self.knobs, strict=True) if values[knob]}
        return replace(
            read_view(parse_link(values[self.wanted])),
            query=(values[self.query] or "").strip(),
            encoder=encoder,
            index=index,
            k=min(MAX_K, max(1, int(values[self.k] or 10))),
            settings={name: value for name, value in settings.items() if name in knobs_of(index)},
        )

    def same(self, values: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """Another system, k or setting: what is shown, again."""
        return self.want(self.context.place(request), self.typed(values))

    def ask(self, values: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """The query that was typed."""
        return self.want(self.context.place(request), replace(self.typed(values), like=-1))

    def ask_example(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        view = replace(self.typed(values), query=said(event, "text"), like=-1)
        return self.want(self.context.place(request), view)

    def ask_title(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        project, place = self.context.here(request)
        document = corpora.get_document(project, place.corpus, whole(event, "ordinal"))
        return self.want(place, replace(self.typed(values), query=search_words(document), like=-1))

    def alike(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """The neighbours of a document, in the space of the button's encoder or of the system in use."""
        view = replace(self.typed(values), like=whole(event, "ordinal"))
        encoder = said(event, "encoder") or view.encoder
        if encoder != view.encoder:
            view = replace(view, encoder=encoder, index="exact", settings={})
        return self.want(self.context.place(request), view)

    def change_filters(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        project, place = self.context.here(request)
        view = self.typed(values)
        chosen = fields(event).get("field", "")
        filters = changed_filters(view.filters, event, corpora.get_corpus(project, place.corpus).columns)
        shown = {self.filters: show(filter_form(project, place.corpus, filters, chosen))}
        return shown | self.want(place, replace(view, filters=filters)) if filters != view.filters else shown

    # ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────

    def search(self, wanted: str, request: gr.Request) -> dict[str, Any]:
        """Run what the address `wanted` asks for; an error is shown in place of the results."""
        try:
            project, place = self.context.here(request)
            view = read_view(parse_link(wanted))
            value = self.answer(project, place, view)
        except Exception as error:  # noqa: BLE001 — explain() logs it
            return gr.update(value=problem(*explain(error)), busy="")
        return gr.update(value=value, busy="", url=view.link(place))

    def answer(self, project: Project, place: Place, view: View) -> str:
        info = corpora.get_corpus(project, place.corpus)
        frame = Frame(project.name, info.id, info.has_images)
        if not view.encoder:
            return draw.unsearchable_html(info.name, place.link("/encode"))
        if view.like >= 0:
            found = searching.neighbours(project, place.corpus, view.encoder, view.like, view.k, view.filters)
            document = corpora.get_document(project, place.corpus, view.like)
            header = draw.neighbours_header(document, view.encoder, view.query, frame)
        elif view.query:
            found = searching.search(project, place.corpus, view.query, pipeline(view), view.k, view.filters)
            texts = (
                (hit.document.ordinal, f"{hit.document.title} {hit.document.text[:MATCHED]}") for hit in found.hits
            )
            frame = replace(frame, terms={n: searching.matched_terms(view.query, text) for n, text in texts})
            header = draw.header_html(len(found.hits), info.documents, view, frame)
        else:
            return draw.examples_html(info.name, info.documents, self.examples(project, place.corpus))
        facts = draw.facts_html(found.timings, view.query, found.effective_query if view.like < 0 else "")
        return draw.results_html(found.hits, frame, header, facts, found.warnings, view.filters)

    def open(self, wanted: str, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        """The document beside the list, with the matched words marked."""
        project, place = self.context.here(request)
        ordinal = whole(event, "ordinal")
        document = corpora.get_document(project, place.corpus, ordinal)
        info = corpora.get_corpus(project, place.corpus)
        view = read_view(parse_link(wanted))
        terms = searching.matched_terms(view.query, f"{document.title} {document.text[:MATCHED]}") if view.query else []
        encoders = list(dict.fromkeys(each.encoder for each in searching.systems(project, place.corpus)))
        frame = Frame(project.name, info.id, info.has_images)
        return (
            gr.update(visible=True, value=document_html(document, frame, encoders, terms if view.like < 0 else [])),
            gr.update(open=ordinal),
        )

    def examples(self, project: Project, corpus: str) -> list[str]:
        """Queries of the corpus's first query set."""
        for found in corpora.list_query_sets(project, corpus):
            return [query.text for query in corpora.list_queries(project, found.name, 0, EXAMPLES) if query.text]
        return []

    def make_searchable(self, request: gr.Request) -> Any:
        """Queue the BM25 job of an empty state."""
        project, place = self.context.here(request)
        arguments = {"corpus": place.corpus, "encoder": "bm25"}
        self.context.jobs.enqueue(
            "encode", project.name, arguments, title=f"Encode {place.corpus} with bm25", priority=1
        )
        return draw_jobs(self.context, project.name, KINDS, place.corpus)


def system_label(system: searching.System) -> str:
    return system.label if system.ready else f"{system.label} (neighbours only)"


def fit(view: View, systems: Sequence[searching.System]) -> View:
    """`view` with a system that exists: the one it names, else one of the same encoder, else the first to be asked."""
    same = [each for each in systems if each.encoder == view.encoder]
    exact = [each for each in same if each.index == view.index]
    chosen = next(iter([*exact, *same, *(each for each in systems if each.ready), *systems]), None)
    if chosen is None:
        return replace(view, encoder="", index="")
    return replace(view, encoder=chosen.encoder, index=chosen.index)


def pipeline(view: View) -> PipelineSpec:
    """Raises `BadInput` where a setting lies outside its range."""
    settings = {name: value if name == "k_factor" else int(value) for name, value in (view.settings or {}).items()}
    return PipelineSpec(retrievers=(RetrieverSpec(encoder=view.encoder, index=view.index, **settings),))


def system_value(encoder: str, index: str) -> str:
    return json.dumps([encoder, index]) if encoder else ""


def read_system(value: str | None) -> tuple[str, str]:
    encoder, index = json.loads(value) if value else ("", "")
    return str(encoder), str(index)
