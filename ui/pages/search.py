"""Search: one query through one to four pipelines side by side; hits with their stages, documents, neighbours."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from ui.components import column_editor as editor
from ui.components import columns as cols
from ui.components import judging_bar as judging
from ui.components import search_panels as panels
from ui.components import search_view as draw
from ui.components.address import MAX_COLUMNS, MAX_K, Column, View, parse_link, read_view
from ui.components.column_answer import answer, asked_for
from ui.components.column_editor import Choices
from ui.components.compare import agree, compare, ticket, tuned
from ui.components.documents import search_words
from ui.components.empty import no_corpus, no_project
from ui.components.filters import changed_filters, filter_form
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import go, live, show
from ui.components.navigation import navigation
from ui.components.query_bar import Around, bar_html
from ui.components.query_image import query_image, show_query_image
from ui.components.results import listing
from ui.components.search_map import SearchMap
from ui.components.side_panel import SidePanel
from ui.components.text import whole
from ui.handlers import explain, fields, on, on_load, problem, said, tell, warn
from ui.session import Context, Place
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.workflows import adopting, reranking, views
from workbench.workflows import corpus as corpora
from workbench.workflows import queries as asking
from workbench.workflows import search as searching

TITLE, PATH = "Search", "/search"
EXAMPLES = 8
KINDS = ("encode", "index")


def build(context: Context) -> None:
    navigation(context, PATH)
    SearchPage(context).build()


class SearchPage:
    """The components of the page and what they do. What is shown is an address in the hidden field `state`: handlers
    write a new one, and a ticket for each column that has to search again; a ticket's change starts that column's own
    search, so that none waits for another. No state of a visitor is kept here.
    """

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        with gr.Row(elem_classes="wb-querybar"):
            self.query = gr.Textbox(
                elem_id="q",
                elem_classes="wb-query",
                label="Query",
                placeholder="Write a query and press Enter ( / brings you here ); drop or paste a picture",
                lines=1,
                max_lines=4,
                scale=6,
                min_width=280,
            )
            self.picture = query_image("query-image")
            self.k = gr.Number(10, elem_id="k", label="k", minimum=1, maximum=MAX_K, precision=0, scale=0, min_width=70)
            self.go = gr.Button("Search", elem_id="go", variant="primary", scale=0, min_width=90)
        with gr.Row(elem_classes="wb-second"):
            self.filters = live("wb-filters")
            self.bar = tuned("wb-ask")
        self.judging = judging.judging_bar("judging")
        self.state = gr.Textbox("", visible="hidden", elem_id="wanted")
        self.jobs = job_panel(self.context, KINDS, of_corpus=True)
        self.front = listing("front", elem_classes="wb-panel wb-front")
        self.tickets = [gr.Textbox("", visible="hidden", elem_id=f"ticket-{n}") for n in range(MAX_COLUMNS)]
        with gr.Row(elem_classes="wb-columns wb-stage"):
            self.heads: list[gr.HTML] = []
            self.hits: list[gr.HTML] = []
            for n in range(MAX_COLUMNS):
                with gr.Column(elem_id=f"col-{n}", elem_classes="wb-col", min_width=200):
                    self.heads.append(tuned(f"head-{n}"))
                    self.hits.append(listing(f"hits-{n}", elem_classes="wb-panel"))
            self.side = SidePanel(self.context)
        self.dock = SearchMap(self.context)
        self.dock.build()
        self.overlay = compare("compare", agree)
        self.wire()

    def wire(self) -> None:
        inputs = {self.state, self.query, self.k}
        changed = [self.query, self.picture, self.k, self.bar, self.filters, self.state, self.front, self.overlay]
        changed += [self.judging, *self.heads, *self.hits, *self.tickets]
        on_load(self.load, changed)
        # What a job has made can be searched at once.
        on(self.jobs.done, self.load, None, changed)
        for event in (self.query.submit, self.go.click, self.k.submit, self.front.drop):
            on(event, self.ask, inputs, changed)
        on(self.picture.attach, self.attach, inputs, changed)
        # Gradio drops an event while one of the same kind runs, unless told otherwise.
        on(self.bar.act, self.act_on_bar, inputs, changed, trigger_mode="multiple")
        on(self.bar.tune, self.tune_bar, inputs, [self.state, self.overlay, *self.tickets], trigger_mode="always_last")
        on(self.filters.act, self.change_filters, inputs, changed, trigger_mode="multiple")
        on(self.front.ask, self.ask_example, inputs, changed)
        on(self.front.make, self.make_searchable, None, self.jobs)
        on(self.judging.make, self.make_query, inputs, changed)
        for ticket_field, head, hits in zip(self.tickets, self.heads, self.hits, strict=True):
            on(ticket_field.change, self.search, ticket_field, hits, trigger_mode="always_last", concurrency_limit=4)
            looking = [self.side.region, self.side.asked]
            on(head.act, self.act_on_column, inputs, [*changed, *looking], trigger_mode="multiple")
            tuned_parts = [self.state, self.overlay, hits]
            on(head.tune, self.tune_column, inputs, tuned_parts, trigger_mode="always_last", concurrency_limit=4)
        for region in (self.side.region, *self.hits):
            on(region.nearest, self.alike, inputs, changed)
            on(region.use, self.use_picture, inputs, changed)
            on(region.drop, self.ask, inputs, changed)
        on(self.side.region.retitle, self.ask_title, inputs, changed)
        self.side.wire(self.state, self.hits)
        self.dock.wire(self.state, self.overlay, [self.side.region, *self.hits])

    # ── what is wanted ───────────────────────────────────────────────────────────────────────────────────────────

    def load(self, request: gr.Request) -> dict[Any, Any]:
        """Fill the page from its address, and search where the address asks for something."""
        place = self.context.place(request)
        if not place.corpus:
            return {self.front: gr.update(value=no_corpus(place.link("/corpus")) if place.project else no_project())}
        project = self.context.project(place.project)
        values = dict(place.query)
        id = values.get("view", "")
        saved = self.saved(project, id) if id else None
        id = id if saved else ""
        if saved:
            values = saved
            if values.get("corpus", place.corpus) != place.corpus:
                return {self.bar: go(place.link(PATH, corpus=values["corpus"], view=id))}
        view = read_view(values)
        if view.problem:
            warn(view.problem)
        shown = self.want(project, place, view, link=place.link(PATH, view=id) if id else "")
        return shown | {self.filters: show(filter_form(project, place.corpus, view.filters))}

    def saved(self, project: Project, id: str) -> dict[str, str] | None:
        """The address parameters of a saved comparison; None, with a message, where there is none of this id."""
        try:
            return {str(name): str(value) for name, value in views.get_view(project, id).state.items()}
        except NotFound as error:
            warn(error.message, error.hint)
            return None

    def want(
        self, project: Project, place: Place, view: View, only: Sequence[int] | None = None, link: str = ""
    ) -> dict[Any, Any]:
        """The updates that make the page show `view`; its columns, or `only` some of them, search again.

        `link` stands in the address bar in place of the view's own.
        """
        choices = self.choices(project, place.corpus)
        asked = view.columns or cols.first_columns(choices.systems, choices.adopted)
        asked = asked if view.columns or not view.image else cols.that_read_pictures(asked, choices.systems)
        columns, missing = cols.fitted(asked, choices.systems)
        view = replace(view, columns=columns)
        if missing:
            shown = f"Shown instead: `{columns[0].encoder}`."
            warn(f"{place.corpus} is not encoded with “{missing}” yet.", shown)
        info = corpora.get_corpus(project, place.corpus)
        own = view.link(place)
        updates: dict[Any, Any] = {
            self.query: view.query,
            self.picture: show_query_image(project.name, panels.picture_source(project.name, info.id, view.image)),
            self.k: view.k,
            self.state: own,
            self.bar: show(bar_html(view, self.around(project, place), place)),
            self.front: gr.update(value=self.front_html(project, place, view, info)),
            self.overlay: gr.update(url=link or own, k=view.k),
            self.judging: judging.of_search(project, place.corpus, view),
        }
        for n, (head, hits, ticket_field) in enumerate(zip(self.heads, self.hits, self.tickets, strict=True)):
            if n >= len(columns):
                updates |= {head: show(""), hits: gr.update(value="", busy="", open=-1)}
                continue
            updates[head] = show(cols.head_html(n, columns, choices))
            if not view.asks:
                updates[hits] = gr.update(value="", busy="", open=-1)
            elif only is None or n in only:
                updates |= {ticket_field: ticket(own, n), hits: gr.update(busy=cols.waiting(columns[n]), open=-1)}
        return updates

    def choices(self, project: Project, corpus: str) -> Choices:
        return Choices(
            searching.systems(project, corpus),
            [view.name for view in views.list_pipelines(project, corpus.partition("@")[0])],
            reranking.list_rerankers(),
            [each.name for each in corpora.list_query_sets(project, corpus)],
            adopting.adopted(project, corpus),
        )

    def around(self, project: Project, place: Place) -> Around:
        sets = [(each.name, each.queries) for each in corpora.list_query_sets(project, place.corpus) if each.queries]
        saved = [
            (view.name or view.id, place.link(PATH, corpus=str(view.state.get("corpus", "")), view=view.id))
            for view in views.list_views(project, "search")
        ]
        return Around(sets, saved)

    def front_html(self, project: Project, place: Place, view: View, info: Any) -> str:
        """What stands above the columns: nothing, or how to begin."""
        if not view.columns:
            return draw.unsearchable_html(info.name, place.link("/encode"))
        if view.asks:
            return ""
        for found in corpora.list_query_sets(project, place.corpus):
            texts = [query.text for query in corpora.list_queries(project, found.name, 0, EXAMPLES)]
            return draw.examples_html(info.name, info.documents, texts, found.name)
        return draw.examples_html(info.name, info.documents, [])

    def typed(self, values: dict[Any, Any]) -> View:
        """The view as the inputs have it now; another text than the query set's is a query of its own."""
        view = read_view(parse_link(values[self.state]))
        text = (values[self.query] or "").strip()
        at = view.at if text == view.query else -1
        return replace(view, query=text, at=at, k=min(MAX_K, max(1, int(values[self.k] or 10))))

    def here(self, values: dict[Any, Any], request: gr.Request) -> tuple[Project, Place, View]:
        project, place = self.context.here(request)
        return project, place, self.typed(values)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, values: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """The query that was typed."""
        project, place, view = self.here(values, request)
        return self.want(project, place, replace(view, like=-1, space=""))

    def ask_example(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        project, place, view = self.here(values, request)
        asked = replace(view, query_set=said(event, "set"), at=whole(event, "at"))
        return self.want(project, place, replace(asked, query=said(event, "text"), like=-1))

    def ask_title(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        project, place, view = self.here(values, request)
        document = corpora.get_document(project, place.corpus, whole(event, "ordinal"))
        return self.want(project, place, replace(view, query=search_words(document), like=-1, at=-1))

    def attach(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """A picture was given, or (an empty id) taken away."""
        project, place, view = self.here(values, request)
        asked = replace(view, image=said(event, "id")[:100], like=-1, alpha=None)
        return self.want(project, place, self.reading(project, place, asked))

    def use_picture(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        project, place, view = self.here(values, request)
        image = f"doc:{whole(event, 'ordinal')}"
        asked = replace(view, image=image, query="", like=-1, alpha=None, at=-1)
        return self.want(project, place, self.reading(project, place, asked))

    def reading(self, project: Project, place: Place, view: View) -> View:
        """The view with columns that read its picture, where none of those shown does but others would."""
        columns = cols.that_read_pictures(view.columns, searching.systems(project, place.corpus))
        if not view.image or columns == view.columns:
            return view
        tell("None of the columns reads pictures: these do.")
        return replace(view, columns=columns)

    def alike(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """The neighbours of a document, in the space of the button's encoder, else in that of each column."""
        project, place, view = self.here(values, request)
        encoder = said(event, "encoder")
        space = "" if encoder in [each.encoder for each in view.columns] and len(view.columns) > 1 else encoder
        return self.want(project, place, replace(view, like=whole(event, "ordinal"), space=space))

    def make_query(self, values: dict[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """A query from the document whose neighbours are shown; they are judged against it."""
        project, place, view = self.here(values, request)
        return self.want(project, place, judging.with_query(project, place.corpus, view, view.like))

    def change_filters(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        project, place, view = self.here(values, request)
        chosen = fields(event).get("field", "")
        filters = changed_filters(view.filters, event, corpora.get_corpus(project, place.corpus).columns)
        shown = {self.filters: show(filter_form(project, place.corpus, filters, chosen))}
        if filters == view.filters:
            return shown
        return shown | self.want(project, place, replace(view, filters=filters))

    def act_on_bar(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """Step through the query set, the model's own sum, save the comparison."""
        project, place, view = self.here(values, request)
        action = said(event, "do")
        if action == "judge":
            return self.want(project, place, replace(view, judge=not view.judge), only=())
        if action == "alpha":
            return self.want(project, place, replace(view, alpha=None))
        if action == "keep":
            state = {"corpus": place.corpus, **view.values()}
            saved = views.save_view(project, "search", fields(event).get("name", ""), state)
            link = place.link(PATH, view=saved.id)
            tell("Saved. The address in the bar is its link.")
            bar = bar_html(view, self.around(project, place), place)
            return {self.bar: show(bar), self.overlay: gr.update(url=link)}
        name = said(event, "value") if action == "set" else said(event, "set")
        by = 0 if action == "set" else 1 if said(event, "by") == "1" else -1
        at = -1 if name != view.query_set else view.at
        found = asking.judged_query(project, name, max(0, at + by))
        asked = replace(view, query_set=name, at=found.at, query=found.query.text, like=-1, image="")
        return self.want(project, place, asked)

    def tune_bar(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """The share of picture and text, while its slider moves."""
        _, place, view = self.here(values, request)
        view = replace(view, alpha=round(1 - panels.share(said(event, "value")), 4))
        link = view.link(place)
        tickets = {field: ticket(link, n) for n, field in enumerate(self.tickets[: len(view.columns)])}
        return {self.state: link, self.overlay: gr.update(url=link), **tickets}

    # ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────

    def act_on_column(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """Another pipeline, a change of one, one more column or one less; or a look inside."""
        project, place, view = self.here(values, request)
        n, action, value = whole(event, "column"), said(event, "do"), said(event, "value")
        if n >= len(view.columns):
            raise BadInput("That column is not there any more.", "Reload the page.")
        column, columns = view.columns[n], view.columns
        if action == "panel":
            return self.side.announce(ticket(view.link(place), n, said(event, "what")))
        if action == "duplicate" and len(columns) < MAX_COLUMNS:
            return self.want(project, place, replace(view, columns=(*columns[: n + 1], column, *columns[n + 1 :])))
        if action == "remove" and len(columns) > 1:
            return self.want(project, place, replace(view, columns=(*columns[:n], *columns[n + 1 :])))
        if action == "save":
            name = fields(event).get("name", "").strip()
            views.save_pipeline(project, name, column.pipeline, place.corpus.partition("@")[0])
            tell(f"The pipeline is saved as “{name}”.")
            named = cols.swapped(columns, n, replace(column, name=name))
            return self.want(project, place, replace(view, columns=named), only=())
        made = self.edited(project, place, column, event) if action != "choose" else self.chosen(project, value)
        return self.want(project, place, replace(view, columns=cols.swapped(columns, n, made)), only=(n,))

    def chosen(self, project: Project, value: str) -> Column:
        if value.startswith(cols.SAVED):
            name = value.removeprefix(cols.SAVED)
            return Column(views.get_pipeline(project, name), name)
        return cols.chosen_column(value)

    def edited(self, project: Project, place: Place, column: Column, event: gr.EventData) -> Column:
        """The column after a control of its editor was used; it has no name until it is saved again."""
        action, value, pipeline = said(event, "do"), said(event, "value"), column.pipeline
        if action == "add" and value:
            return Column(editor.with_retriever(pipeline, value))
        if action == "drop":
            return Column(editor.without_retriever(pipeline, whole(event, "index")))
        if action == "set":
            return Column(editor.changed(pipeline, said(event, "field"), value, self.choices(project, place.corpus)))
        return column

    def tune_column(self, values: dict[Any, Any], event: gr.EventData, request: gr.Request) -> tuple[Any, Any, Any]:
        """A weight or the reranking depth, while its slider moves: the answer comes in the same step."""
        _, place, view = self.here(values, request)
        n = whole(event, "column")
        column = view.columns[n] if n < len(view.columns) else view.columns[-1]
        pipeline = editor.changed(column.pipeline, said(event, "field"), said(event, "value"), Choices())
        view = replace(view, columns=cols.swapped(view.columns, n, Column(pipeline)))
        link = view.link(place)
        found = self.search(ticket(link, n), request) if view.asks else gr.skip()
        return link, gr.update(url=link), found

    # ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────

    def search(self, asked: str, request: gr.Request) -> dict[str, Any]:
        """Run the column that a ticket asks for; an error is shown in place of its results, the others stay."""
        try:
            project, place = self.context.here(request)
            view, n = asked_for(asked)
            return gr.update(value=answer(project, place, view, n), busy="")
        except Exception as error:  # noqa: BLE001 — explain() logs it
            return gr.update(value=problem(*explain(error)), busy="")

    def make_searchable(self, request: gr.Request) -> Any:
        """Queue the BM25 job of an empty state."""
        project, place = self.context.here(request)
        arguments = {"corpus": place.corpus, "encoder": "bm25"}
        self.context.jobs.enqueue(
            "encode", project.name, arguments, title=f"Encode {place.corpus} with bm25", priority=1
        )
        return draw_jobs(self.context, project.name, KINDS, place.corpus)
