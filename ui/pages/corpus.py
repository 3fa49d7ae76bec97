"""Corpus: the corpora of a project, loading one from a file, and reading what is in it."""

import time
from dataclasses import replace
from typing import Any

import gradio as gr

from ui.components.address import Browse, parse_link, read_browse
from ui.components.corpus_list import corpora_markup
from ui.components.documents import Page, browser_html, document_html, pager_html, search_words, view_switch
from ui.components.empty import empty, no_project
from ui.components.filters import changed_filters, filter_form
from ui.components.job_panel import draw_jobs
from ui.components.live import go, live, show
from ui.components.loader import KINDS, Loader
from ui.components.navigation import navigation
from ui.components.results import Frame, listing
from ui.components.subset_menu import SubsetMenu
from ui.components.test_sets import ACTIONS, SetForms
from ui.components.text import escape, whole
from ui.handlers import explain, fields, on, on_load, problem, said
from ui.session import Context, Place
from workbench.errors import BadInput
from workbench.project import Project
from workbench.workflows import corpus as corpora
from workbench.workflows import search as searching
from workbench.workflows.tags import tags_of

TITLE, PATH = "Corpus", "/corpus"
ROWS = 50


def build(context: Context) -> None:
    navigation(context, PATH)
    CorpusPage(context).build()


class CorpusPage:
    """The page's components and what they do. As on Search, what is shown is an address in the hidden `wanted`."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.loader = Loader(context)
        self.sets = SubsetMenu(context)
        self.tests = SetForms(context)

    def build(self) -> None:
        with gr.Row(elem_classes="wb-columns"):
            with gr.Column(scale=1, min_width=260, elem_classes="wb-left"):
                self.list = live("corpora")
            with gr.Column(scale=4, min_width=500):
                self.loader.build()
                self.tests.build()
                with gr.Column(visible=False) as self.browser:
                    with gr.Row(elem_classes="wb-querybar"):
                        self.text = gr.Textbox(
                            elem_id="q",
                            elem_classes="wb-query",
                            show_label=False,
                            container=False,
                            placeholder="Show documents with these words in title or text: write and press Enter",
                            max_lines=1,
                        )
                    self.filters = live("wb-filters")
                    self.sets.build()
                    with gr.Row(elem_classes="wb-columns"):
                        self.rows = listing("rows", elem_classes="wb-panel")
                        self.panel = listing("document", elem_classes=["wb-panel", "wb-side"], visible=False)
        self.wanted = gr.Textbox("", visible="hidden", elem_id="wanted")
        self.leave = live("wb-leave")
        self.wire()

    def wire(self) -> None:
        forms = [self.loader.documents, self.loader.queries, self.tests.column, self.browser]
        page = [self.list, *forms, self.text, self.filters, self.wanted, self.rows]
        on_load(self.load, page)
        on(self.loader.panel.done, self.refresh, None, [self.list, self.leave, self.tests.region])
        on(self.wanted.change, self.browse, self.wanted, [self.rows, self.sets.bar], trigger_mode="always_last")
        changed = [self.text, self.filters, self.wanted, self.rows]
        on(self.text.submit, self.filter_text, [self.wanted, self.text], changed)
        # Gradio drops an event while one of the same kind runs, unless told otherwise.
        on(self.filters.act, self.change_filters, self.wanted, changed, trigger_mode="multiple")
        sets = [*changed, self.sets.bar, self.sets.jobs, self.sets.report]
        on(self.sets.bar.act, self.act_sets, self.wanted, sets, trigger_mode="multiple")
        on(self.rows.turn, self.turn, self.wanted, changed)
        for region in (self.list, *self.loader.heads, self.tests.region):
            drawn = [*forms, self.leave, self.tests.region, self.loader.panel, self.loader.report]
            on(region.act, self.act, None, drawn, trigger_mode="multiple")
        both = [self.panel, self.rows]
        on(self.rows.pick, self.open, self.wanted, both, trigger_mode="always_last")
        on(self.panel.shut, lambda: (gr.update(visible=False, value=""), gr.update(open=-1)), None, both)
        on(self.panel.nearest, self.alike, None, self.leave)
        on(self.panel.retitle, self.ask_title, None, self.leave)

    # ── the address of what is wanted ────────────────────────────────────────────────────────────────────────────

    def load(self, request: gr.Request) -> dict[Any, Any]:
        """Fill the page from its address; a project without a corpus begins with the import form."""
        place = self.context.place(request)
        if not place.project:
            return {self.list: show(no_project())}
        project = self.context.project(place.project)
        if not place.corpus:
            return self.choose("documents") | {self.list: show(first_corpus())}
        shown = {self.list: show(self.list_markup(project, place))}
        browse = read_browse(place.query)
        shown[self.filters] = show(filter_form(project, place.corpus, browse.filters))
        return shown | self.choose("browser") | self.want(place, browse)

    def list_markup(self, project: Project, place: Place) -> str:
        sets = {each.name: each.queries for each in corpora.list_query_sets(project, place.corpus)}
        versions = [each.version for each in corpora.list_versions(project, place.corpus)]
        return corpora_markup(corpora.list_corpora(project), place, sets, versions)

    def refresh(self, request: gr.Request) -> dict[Any, Any]:
        """What a job has made; the first corpus of a project is opened."""
        project, place = self.context.here(request)
        if not place.corpus:
            return {self.list: show(first_corpus())}
        if place.query.get("corpus") != place.corpus:
            return {self.leave: go(place.link(PATH))}
        shown = {self.list: show(self.list_markup(project, place))}
        return shown | {self.tests.region: self.tests.draw(project, place)}

    def choose(self, name: str) -> dict[Any, Any]:
        """Show one of the parts."""
        parts = {"documents": self.loader.documents, "queries": self.loader.queries, "test-sets": self.tests.column}
        parts |= {"browser": self.browser}
        return {part: gr.update(visible=each == name) for each, part in parts.items()}

    def want(self, place: Place, browse: Browse) -> dict[Any, Any]:
        return {
            self.text: browse.text,
            self.wanted: f"{browse.link(place)}#{time.time_ns()}",
            self.rows: gr.update(busy="Loading…"),
        }

    def filter_text(self, wanted: str, text: str, request: gr.Request) -> dict[Any, Any]:
        browse = replace(read_browse(parse_link(wanted)), text=text.strip(), offset=0)
        return self.want(self.context.place(request), browse)

    def change_filters(self, wanted: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        project, place = self.context.here(request)
        browse = read_browse(parse_link(wanted))
        chosen = fields(event).get("field", "")
        filters = changed_filters(browse.filters, event, corpora.get_corpus(project, place.corpus).columns)
        shown = {self.filters: show(filter_form(project, place.corpus, filters, chosen))}
        return (
            shown | self.want(place, replace(browse, filters=filters, offset=0)) if filters != browse.filters else shown
        )

    def act_sets(self, wanted: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """A button of the bar of subsets: the bar follows, and where the rows may have changed, they do too."""
        project, place = self.context.here(request)
        made = self.sets.act(project, place, read_browse(parse_link(wanted)), event)
        shown = {self.filters: show(filter_form(project, place.corpus, made.browse.filters))}
        if made.enqueued:
            shown |= self.sets.show_jobs(project, place)
        if made.redraw:
            return shown | self.want(place, made.browse)
        return shown | {self.sets.bar: self.sets.draw(project, place, made.browse, made.pending)}

    def turn(self, wanted: str, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        browse = replace(read_browse(parse_link(wanted)), offset=whole(event, "offset"))
        return self.want(self.context.place(request), browse)

    def act(self, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """A button of the list: one of the forms, or a corpus deleted."""
        action = said(event, "do")
        project, place = self.context.here(request)
        if action == "test-sets":
            return self.choose(action) | {self.tests.region: self.tests.draw(project, place)}
        if action in ("documents", "queries", "browser"):
            # Without a corpus there is nothing to go back to but the first form.
            return self.choose(action if place.corpus else "documents")
        if action in ACTIONS:
            drawn = self.tests.act(project, place, event)
            jobs = {self.loader.panel: draw_jobs(self.context, project.name, KINDS), self.loader.report: show("")}
            return jobs if drawn is None else {self.tests.region: drawn}
        if action not in ("delete", "delete-queries"):
            raise BadInput(f"There is no action “{action[:40]}” on this page.")
        name = said(event, "name")
        busy = [job.title for job in self.context.jobs.list(project.name) if job.state == "running"]
        if busy:
            raise BadInput(f"“{name}” was not deleted: “{busy[0]}” is running.", "Cancel the job first.")
        if action == "delete-queries":
            corpora.delete_query_set(project, name)
            return {self.leave: go(place.link(PATH))}
        corpora.delete_corpus(project, name)
        return {self.leave: go(Place(place.project).link(PATH))}

    # ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────

    def browse(self, wanted: str, request: gr.Request) -> tuple[Any, Any]:
        """One page of documents, and what can be done with them; an error is shown in their place."""
        try:
            project, place = self.context.here(request)
            browse = read_browse(parse_link(wanted))
            value, count = self.page(project, place, browse)
            bar = self.sets.draw(project, place, browse, count=count)
        except Exception as error:  # noqa: BLE001 — explain() logs it
            return gr.update(value=problem(*explain(error)), busy=""), gr.skip()
        return gr.update(value=value, busy="", url=browse.link(place), open=-1), bar

    def page(self, project: Project, place: Place, browse: Browse) -> tuple[str, int]:
        """(the markup, how many documents pass)."""
        info = corpora.get_corpus(project, place.corpus)
        found = corpora.browse(project, place.corpus, browse.text, browse.filters, browse.offset, ROWS)
        tagged = tags_of(project, info.id, [each.ordinal for each in found.documents])
        frame = Frame(project.name, info.id, info.has_images, tags=tagged)
        page = Page(browse.offset, ROWS, found.total)
        narrowed = f" of {info.documents:,}" if found.total != info.documents else ""
        head = (
            f'<div class="wb-bar"><h2>{escape(info.name)}</h2><span class="facts"><span>'
            f"<b>{found.total:,}</b>{narrowed} documents</span></span>{view_switch() if info.has_images else ''}"
            f'<span class="wb-push">{pager_html(page)}</span></div>'
        )
        if not found.documents:
            return f'{head}<div class="wb-note">No document fits.</div>', 0
        words = [] if not browse.text else searching.matched_terms(browse.text, all_text(found.documents))
        foot = f'<div class="wb-bar wb-foot"><span class="wb-push">{pager_html(page)}</span></div>'
        listed = browser_html(found.documents, frame, list(info.columns), words)
        return head + listed + (foot if found.total > ROWS else ""), found.total

    def open(self, wanted: str, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        project, place = self.context.here(request)
        ordinal = whole(event, "ordinal")
        document = corpora.get_document(project, place.corpus, ordinal)
        info = corpora.get_corpus(project, place.corpus)
        browse = read_browse(parse_link(wanted))
        words = searching.matched_terms(browse.text, all_text([document])) if browse.text else []
        encoders = list(dict.fromkeys(each.encoder for each in searching.systems(project, place.corpus)))
        frame = Frame(project.name, info.id, info.has_images, tags=tags_of(project, info.id, [ordinal]))
        value = document_html(document, frame, encoders, words)
        return gr.update(visible=True, value=value), gr.update(open=ordinal)

    def alike(self, event: gr.EventData, request: gr.Request) -> Any:
        """The neighbours of the open document, on the Search page."""
        place = self.context.place(request)
        return go(place.link("/search", encoder=said(event, "encoder"), like=str(whole(event, "ordinal"))))

    def ask_title(self, event: gr.EventData, request: gr.Request) -> Any:
        project, place = self.context.here(request)
        document = corpora.get_document(project, place.corpus, whole(event, "ordinal"))
        return go(place.link("/search", q=search_words(document)))


def all_text(documents: Any) -> str:
    """The texts in which the words of a filter are marked."""
    return " ".join(f"{document.title} {document.text[:100_000]}" for document in documents)


def first_corpus() -> str:
    text = (
        "A corpus is a set of documents: texts, images, or both. Load one at the right; encoding, indexing and "
        "searching all start from it."
    )
    other = "<button class='btn small' data-do='test-sets'>Load a test set’s folder</button>"
    return f"{empty('No corpus yet', text)}<div class='row top'>{other}</div>"
