"""Map: the embedding space of a corpus as points; search, select, compare and mend what is seen there."""

from dataclasses import replace
from typing import Any

import gradio as gr

from ui.components import judging_bar as judging
from ui.components import map_actions as actions
from ui.components import map_bar as bars
from ui.components import map_clusters as clusters
from ui.components import map_judged as judged
from ui.components import map_rail as rail
from ui.components import map_side as sides
from ui.components import map_state as states
from ui.components.address import parse_link
from ui.components.documents import search_words
from ui.components.empty import no_corpus, no_project
from ui.components.filters import changed_filters
from ui.components.job_panel import draw_jobs
from ui.components.live import go, show
from ui.components.map_choice import (
    asked_spec,
    chosen_pipeline,
    fitted,
    known_map,
    queue_map,
    queue_placing,
)
from ui.components.map_chosen import chosen, colours
from ui.components.map_legend import read_hidden
from ui.components.map_screen import KINDS, MapScreen, Updates
from ui.components.map_view import CLUSTER, NO_SET, MapView, asked_anew, read_map_view, with_shape
from ui.components.navigation import navigation
from ui.components.text import whole
from ui.handlers import explain, fields, on, on_load, problem, said, warn
from ui.session import Context, Place
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.workflows import corpus as corpora
from workbench.workflows import map as maps

TITLE, PATH = "Map", "/map"


def build(context: Context) -> None:
    navigation(context, PATH)
    MapPage(context).build()


class MapPage(MapScreen):
    """What a person can do with the screen. No visitor's state is kept."""

    def build(self) -> None:
        self.draw()
        self.wire()

    def wire(self) -> None:
        around = [
            self.head,
            self.legend,
            self.judged,
            self.words,
            self.filters,
            self.problems,
            self.bar,
            self.judging,
            self.pair,
            self.ask,
        ]
        lines = [self.left_line, self.right_line, self.beside, self.stage]
        self.every = [self.query, self.picture, self.front, self.left, self.right, self.side, self.state, self.ticket]
        self.every += [*around, *lines, self.report]
        every, state = self.every, {self.state, self.query}
        on_load(self.load, every)
        on(self.jobs.done, self.job_done, state, every)
        on(self.front.make, self.make_first, None, [self.jobs, self.report])
        for event in (self.query.submit, self.go.click):
            on(event, self.typed, state, every)
        on(self.picture.attach, self.attach, state, every)
        many = {"trigger_mode": "multiple"}
        on(self.ask.act, self.tune, state, every, **many)
        on(self.head.act, self.act_on_head, state, [*every, self.jobs], **many)
        on(self.legend.act, self.act_on_legend, state, every, **many)
        on(self.judged.act, self.act_on_judged, state, every, **many)
        on(self.words.act, self.change_words, state, every, **many)
        on(self.filters.act, self.change_filters, state, every, **many)
        on(self.problems.act, self.act_on_problems, state, every, **many)
        on(self.bar.act, self.act_on_selection, state, [*every, self.jobs], **many)
        on(self.pair.act, self.act_on_pair, state, every, **many)
        on(self.ticket.change, self.search, self.state, [self.left, self.right, self.side], trigger_mode="always_last")
        opened = [self.left, self.right, self.side, self.state, self.pair, self.front, self.judging]
        for map, second in ((self.left, False), (self.right, True)):
            on(map.pick, self.pick_row, state, opened, trigger_mode="always_last")
            on(map.lasso, self.lasso_on_right if second else self.lasso_on_left, state, every, **many)
            on(map.clear, self.unselect, state, every, **many)
        self.space.wire(self.state, self.front)
        on(self.space.figure.pick, self.pick_row, state, opened, trigger_mode="always_last")
        on(self.side.pick, self.pick, state, opened, trigger_mode="always_last")
        on(self.side.shut, self.shut, state, every)
        on(self.side.nearest, self.alike, None, self.leave)
        on(self.side.retitle, self.ask_title, state, every)
        on(self.judging.make, self.make_query, state, every)
        on(self.judging.said, self.after_verdicts, state, [self.left, self.right, self.judged], **many)

    # ── the view ─────────────────────────────────────────────────────────────────────────────────────────────────

    def here(self, values: Updates, request: gr.Request) -> tuple[Project, Place, MapView]:
        project, place = self.context.here(request)
        view = read_map_view(parse_link(values[self.state]))
        if not view.map:
            raise NotFound("There is no map on the page.", "Make one first.")
        return project, place, view

    def load(self, request: gr.Request) -> Updates:
        """Fill the page from its address; without a map, say what one is for."""
        place = self.context.place(request)
        if not place.project:
            return self.emptied(no_project())
        if not place.corpus:
            return self.emptied(no_corpus(place.link("/corpus")))
        project = self.context.project(place.project)
        made = maps.list_maps(project, place.corpus)
        if not made:
            return self.emptied(self.without_map(project, place))
        view, told = fitted(read_map_view(place.query), made)
        if told or view.told:
            warn(told or view.told)
        shown = self.opened(project, place, view)
        return {**shown, self.stage: gr.update(visible=True)}

    def job_done(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        """A map was made: it appears by itself where there was none, else in the list; an export has a link."""
        job = self.context.jobs.get(said(event, "id"))
        if job.kind not in ("map", "place"):
            return {self.report: actions.exported(self.context, job.id)}
        if job.state != "done" or not values[self.state]:
            return self.load(request)
        project, place, view = self.here(values, request)
        made = (job.result or {}).get("map", "")
        told = maps.get_map(project, view.map)
        if told.stale or maps.get_map(project, made).corpus != told.corpus:
            return self.opened(project, place, MapView(map=made))
        return self.opened(project, place, replace(view, other=made if made != view.map else view.other))

    # ── maps ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def make_first(self, event: gr.EventData, request: gr.Request) -> Any:
        project, place = self.context.here(request)
        queue_map(self.context, project, place.corpus, said(event, "encoder"), {})
        return draw_jobs(self.context, project.name, KINDS, place.corpus)

    def act_on_head(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        """Another map, a second one, a new one, the file of one."""
        project, place, view = self.here(values, request)
        do, value = said(event, "do"), said(event, "value")
        made = maps.list_maps(project, place.corpus)
        if do == "map":
            other = view.other if value != view.other else view.map
            fresh = replace(
                view, map=known_map(made, value), other=other, hidden=(), shapes=(), problem="", listed=False
            )
            return self.opened(project, place, fitted(fresh, made)[0])
        if do == "other":
            color = CLUSTER if view.color.startswith("agreement:") else view.color
            shapes = tuple(each for each in view.shapes if not each.get("second"))
            return self.shown(project, place, replace(view, other=known_map(made, value), color=color, shapes=shapes))
        if do == "html":
            path = maps.export_html(project, view.map, colours=("cluster",))
            return {self.report: actions.html_exported(project, path)}
        if do not in ("make", "rebuild", "place"):
            raise BadInput(f"There is no action “{do[:40]}” on this page.")
        form, shown = fields(event), maps.get_map(project, view.map)
        if do == "place":
            queue_placing(self.context, project, place.corpus, shown)
            return {self.jobs: draw_jobs(self.context, project.name, KINDS, place.corpus)}
        encoder = form.get("encoder", "") if do == "make" else shown.encoder
        spec = asked_spec(form, view.map) if do == "make" else bars.spec_of(shown)
        queue_map(self.context, project, place.corpus, encoder, spec)
        return {self.jobs: draw_jobs(self.context, project.name, KINDS, place.corpus)}

    # ── colours and conditions ───────────────────────────────────────────────────────────────────────────────────

    def act_on_legend(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        """Another colouring, classes switched on and off, a cluster's name."""
        project, place, view = self.here(values, request)
        if said(event, "do") in clusters.ACTIONS:
            return self.renamed(project, view, clusters.act(project, view.map, event))
        if said(event, "do") == "color":
            return self.recolored(project, place, replace(view, color=said(event, "value")[:200], hidden=()))
        return self.recolored(project, place, replace(view, hidden=read_hidden(said(event, "hide"))))

    def renamed(self, project: Project, view: MapView, editing: int) -> Updates:
        """The legend and the names on the map after a cluster was named, or while it is."""
        legend = colours(project, view)[1]
        drawn = rail.colour_html(project, view, legend, chosen(project, view), editing)
        return {
            self.legend: show(drawn),
            self.left: gr.update(labels=states.label_values(project, view.map)),
        }

    def act_on_judged(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        """A query of a query set: found by words, chosen, or its marks taken away."""
        project, place, view = self.here(values, request)
        do = said(event, "do")
        if do == "queries":
            form = fields(event)
            return {self.judged: show(judged.searched_html(project, view, form.get("set", ""), form.get("words", "")))}
        if do == "judged":
            query = maps.known_query(project, view.map, said(event, "set"), said(event, "query"))
            image = maps.picture_of(project, query)
            named = {"query_set": query.query_set, "query_id": query.query_id}
            return self.searching(project, place, replace(view, query=query.text[:10_000], image=image, **named))
        return self.shown(project, place, replace(view, query_set=NO_SET, query_id=""), searches=False)

    def change_words(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        project, place, view = self.here(values, request)
        text = fields(event).get("text", "").strip() if said(event, "do") == "words" else ""
        return self.shown(project, place, replace(view, text=text[:1000]))

    def change_filters(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        project, place, view = self.here(values, request)
        corpus = maps.get_map(project, view.map).corpus
        filters = changed_filters(view.filters, event, corpora.get_corpus(project, corpus).columns)
        if filters == view.filters:
            return {self.filters: show(rail.filters_html(project, corpus, filters, fields(event).get("field", "")))}
        return self.shown(project, place, replace(view, filters=filters))

    # ── selecting ────────────────────────────────────────────────────────────────────────────────────────────────

    def lasso_on_left(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        return self.lasso(values, event, request, False)

    def lasso_on_right(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        return self.lasso(values, event, request, True)

    def lasso(self, values: Updates, event: gr.EventData, request: gr.Request, second: bool) -> Updates:
        """What was drawn: the map shows it already; Python says who is inside."""
        project, place, view = self.here(values, request)
        polygon = event._data.get("polygon") if isinstance(event._data, dict) else None
        shapes = with_shape(view.shapes, said(event, "step"), polygon, second)
        return self.selected(project, place, replace(view, shapes=shapes, problem=""))

    def unselect(self, values: Updates, request: gr.Request) -> Updates:
        project, place, view = self.here(values, request)
        return self.selected(project, place, replace(view, shapes=(), problem="", listed=False))

    def act_on_selection(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        project, place, view = self.here(values, request)
        do = said(event, "do")
        if do == "unselect":
            return self.unselect(values, request) | {self.problems: show(rail.problems_html(view, None))}
        if do == "members":
            return self.selected(project, place, replace(view, listed=True, pick=-1))
        outcome = actions.act(self.context, project, view, event)
        if do == "within":
            return self.shown(project, place, outcome.view)
        if do in ("judge-selected", "judge-undo"):
            return self.judged_many(project, place, view, outcome.pending)
        jobs = {self.jobs: draw_jobs(self.context, project.name, KINDS, place.corpus)} if do == "export" else {}
        return self.selected(project, place, outcome.view, outcome.pending) | jobs

    def act_on_problems(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        """Count the lists, or select the documents of one; once more: none."""
        project, place, view = self.here(values, request)
        counts = maps.problem_counts(project, view.map)
        if said(event, "do") != "problem":
            return {self.problems: show(rail.problems_html(view, counts))}
        name = said(event, "name")
        if name not in counts:
            raise NotFound(f"There is no list of problems “{name[:60]}”.", "Reload the page.")
        off = name == view.problem
        view = replace(view, problem="" if off else name, shapes=(), listed=not off, pick=-1)
        return self.selected(project, place, view) | {self.problems: show(rail.problems_html(view, counts))}

    # ── one document ─────────────────────────────────────────────────────────────────────────────────────────────

    def pick_row(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        """A point was clicked: its document, its true neighbours, lines to them."""
        project, place, view = self.here(values, request)
        (ordinal,) = maps.ordinals_at(project, view.map, [whole(event, "row")])
        return self.at(project, place, replace(view, pick=ordinal))

    def pick(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        project, place, view = self.here(values, request)
        return self.at(project, place, replace(view, pick=whole(event, "ordinal")))

    def at(self, project: Project, place: Place, view: MapView) -> Updates:
        link = view.link(place)
        hand = judging.of_map(project, maps.get_map(project, view.map).corpus, view, self.known_query(project, view))
        told = {self.state: link, self.front: gr.update(url=link), self.judging: hand}
        return self.beside_map(project, view, None) | told

    def shut(self, values: Updates, request: gr.Request) -> Updates:
        """One step outward: the document, then the list, then the query."""
        project, place, view = self.here(values, request)
        if view.pick >= 0:
            view = replace(view, pick=-1)
        elif view.listed:
            view = replace(view, listed=False)
        else:
            view = replace(asked_anew(view), query="", image="", color=CLUSTER if view.color == "score" else view.color)
        return self.shown(project, place, view)

    def act_on_pair(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        project, place, view = self.here(values, request)
        if said(event, "do") == "agree" and view.other:
            return self.recolored(project, place, replace(view, color=f"agreement:{view.other}", hidden=()))
        return self.at(project, place, replace(view, pick=whole(event, "ordinal")))

    def alike(self, event: gr.EventData, request: gr.Request) -> Any:
        """The neighbours of the open document, on the Search page."""
        place, encoder = self.context.place(request), said(event, "encoder")
        return go(place.link("/search", encoder=encoder, like=str(whole(event, "ordinal")), space=encoder))

    # ── searching ────────────────────────────────────────────────────────────────────────────────────────────────

    def typed(self, values: Updates, request: gr.Request) -> Updates:
        project, place, view = self.here(values, request)
        return self.searching(
            project, place, replace(asked_anew(view), query=(values[self.query] or "").strip()[:10_000])
        )

    def attach(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        """A picture was given, or (an empty id) taken away."""
        project, place, view = self.here(values, request)
        return self.searching(project, place, replace(asked_anew(view), image=said(event, "id")[:100]))

    def ask_title(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        project, place, view = self.here(values, request)
        corpus = maps.get_map(project, view.map).corpus
        words = search_words(corpora.get_document(project, corpus, whole(event, "ordinal")))
        return self.searching(project, place, replace(asked_anew(view), query=words))

    def after_verdicts(self, values: Updates, request: gr.Request) -> Updates:
        project, _, view = self.here(values, request)
        return self.marked(project, view)

    def make_query(self, values: Updates, request: gr.Request) -> Updates:
        """A query from the open document; its neighbours are judged against it."""
        project, place, view = self.here(values, request)
        corpus = maps.get_map(project, view.map).corpus
        return self.shown(project, place, judging.with_query(project, corpus, asked_anew(view), view.pick))

    def tune(self, values: Updates, event: gr.EventData, request: gr.Request) -> Updates:
        """Another pipeline, or more hits."""
        project, place, view = self.here(values, request)
        if said(event, "do") == "judge":
            return self.shown(project, place, replace(view, judge=not view.judge), searches=False)
        if said(event, "do") == "k":
            k = whole(event, "value")
            return self.searching(project, place, replace(view, k=min(100, max(1, k))))
        return self.searching(project, place, replace(view, column=chosen_pipeline(project, said(event, "value"))))

    def searching(self, project: Project, place: Place, view: MapView) -> Updates:
        """Ask: the document and the list give way to the hits, which come by the ticket."""
        if view.asks and view.column is None:
            raise BadInput("No system of this corpus can be asked.", "Encode the corpus with an encoder first.")
        view = replace(view, pick=-1, listed=False)
        shown = self.shown(project, place, view)
        return shown | ({self.side: gr.update(visible=True, busy="Searching…")} if view.asks else {})

    def search(self, wanted: str, request: gr.Request) -> Updates:
        """The hits of what is asked, on the maps and in a short list; an error stands in the list's place."""
        view = read_map_view(parse_link(wanted))
        try:
            project, _ = self.context.here(request)
            found = sides.searched(project, view, view.map)
            markup = sides.hits_markup(project, view, found)
            updates: Updates = {self.left: gr.update(**states.lit(found, view.query))}
            if view.other:
                updates[self.right] = gr.update(**states.lit(sides.searched(project, view, view.other), view.query))
        except Exception as error:  # noqa: BLE001 — explain() logs it
            markup, updates = sides.failed(problem(*explain(error))), {}
        if view.pick >= 0 or view.listed:
            return updates
        return updates | {self.side: gr.update(visible=True, value=markup, busy="", open=-1)}
