"""The Map page as a screen: its components, and the updates that make it show a view (`ui/pages/map.py` asks)."""

import time
from dataclasses import replace
from typing import Any

import gradio as gr

from ui.components import judging_bar as judging
from ui.components import map_actions as actions
from ui.components import map_bar as bars
from ui.components import map_judged as judged
from ui.components import map_rail as rail
from ui.components import map_side as sides
from ui.components import map_state as states
from ui.components import search_panels
from ui.components.assets import asset_url
from ui.components.empty import empty
from ui.components.job_panel import job_panel
from ui.components.live import SCRIPT, live, show
from ui.components.map_3d import MapSpace
from ui.components.map_choice import (
    choices,
    first_column,
    first_encoder,
)
from ui.components.map_chosen import Chosen, chosen, colours
from ui.components.map_view import CLUSTER, MapView
from ui.components.point_map import point_map
from ui.components.query_image import query_image, show_query_image
from ui.components.results import listing
from ui.handlers import warn
from ui.session import Context, Place
from workbench.errors import WorkbenchError
from workbench.project import Project
from workbench.workflows import corpus as corpora
from workbench.workflows import encode
from workbench.workflows import map as maps

KINDS = ("map", "place", "export-documents")
Updates = dict[Any, Any]
LEGEND = f"import('{asset_url('map_page.mjs')}').then(m => m.mountLegend(element, data => trigger('act', data)));"


class MapScreen:
    """The components, and what each of them shows. As on Search, what is shown is an address in the hidden field
    `state`; a search on the map has a ticket of its own, so that the map stands before a model is loaded.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.space = MapSpace(context)

    # ── the page ─────────────────────────────────────────────────────────────────────────────────────────────────

    def draw(self) -> None:
        with gr.Row(elem_classes="wb-querybar", elem_id="map-bar-top"):
            self.query = gr.Textbox(
                elem_id="q",
                elem_classes="wb-query",
                show_label=False,
                container=False,
                placeholder="Search on the map: write a query and press Enter ( / brings you here ); or give a picture",
                max_lines=1,
                scale=6,
                min_width=260,
            )
            self.picture = query_image("query-image")
            self.ask = live("map-ask", scale=0, min_width=10)
            self.go = gr.Button("Search", elem_id="go", variant="primary", scale=0, min_width=90)
        self.head = live("map-head")
        self.jobs = job_panel(self.context, KINDS, of_corpus=True)
        self.report = live("map-report")
        self.judging = judging.judging_bar("judging")
        self.front = listing("front", elem_classes="wb-front")
        with gr.Row(visible=False, elem_classes="wb-mapstage") as self.stage:
            with gr.Column(elem_classes="wb-maprail", scale=0, min_width=200):
                self.legend = live("map-legend")
                self.legend.js_on_load = SCRIPT + LEGEND
                self.judged = live("map-judged")
                self.words = live("map-words")
                self.filters = live("wb-filters")
                self.problems = live("map-problems")
            with gr.Column(elem_classes="wb-mapmain", min_width=300):
                with gr.Row(elem_classes="wb-maps"):
                    with gr.Column(min_width=200):
                        self.left = point_map("map-left", elem_classes="wb-panel wb-mapbox")
                        self.space.build()
                        self.left_line = live("map-honest")
                    with gr.Column(min_width=200, visible=False) as self.beside:
                        self.right = point_map("map-right", elem_classes="wb-panel wb-mapbox")
                        self.right_line = live("map-honest-2")
                self.bar = live("map-selection")
                self.pair = live("map-pair")
            self.side = listing("document", elem_classes=["wb-panel", "wb-side"], visible=False, min_width=280)
        self.state = gr.Textbox("", visible="hidden", elem_id="wanted")
        self.ticket = gr.Textbox("", visible="hidden", elem_id="ticket")
        self.leave = live("wb-leave")

    # ── what a view looks like ───────────────────────────────────────────────────────────────────────────────────

    def opened(self, project: Project, place: Place, view: MapView) -> Updates:
        """Another map, or the first: all of the page. A selection that cannot be made any more is left out."""
        encoder = maps.get_map(project, view.map).encoder
        view = replace(view, column=view.column or first_column(project, place, encoder))
        if view.problem and view.problem not in maps.problem_names(project, view.map):
            view = replace(view, problem="")
        counts = maps.problem_counts(project, view.map) if view.problem else None
        return self.shown(project, place, view) | {self.problems: show(rail.problems_html(view, counts))}

    def emptied(self, markup: str) -> Updates:
        return {self.front: gr.update(value=markup), self.stage: gr.update(visible=False), self.head: show("")}

    def without_map(self, project: Project, place: Place) -> str:
        dense = [each.encoder for each in encode.list_embeddings(project, place.corpus) if each.kind == "dense"]
        info = corpora.get_corpus(project, place.corpus)
        if dense:
            return bars.no_maps(info.name, info.documents, first_encoder(dense))
        told = f"{bars.PURPOSE} {info.name} has no dense embedding yet: encode it first."
        return empty(f"No map of {info.name} yet", told, place.link("/encode"), "Encode this corpus")

    def shown(self, project: Project, place: Place, view: MapView, searches: bool = True) -> Updates:
        """The updates that make the page show `view`; where something is asked, it is searched again."""
        view, legend = self.coloured(project, view)
        found = chosen(project, view)
        info = maps.get_map(project, view.map)
        other = maps.get_map(project, view.other) if view.other else None
        query = self.known_query(project, view)
        link = view.link(place)
        updates: Updates = {
            self.state: link,
            self.judged: show(judged.judged_html(project, view, query, judged.marks(project, view.map, query))),
            self.query: view.query,
            self.picture: show_query_image(project.name, search_panels.picture_source(project.name, 0, view.image)),
            self.ask: show(rail.ask_html(view, choices(project, place))),
            self.head: show(rail.head_html(project, place, view, info)),
            self.front: gr.update(value="", url=link),
            self.beside: gr.update(visible=other is not None),
            self.legend: show(rail.colour_html(project, view, legend, found)),
            self.words: show(rail.words_html(view, found)),
            self.filters: show(rail.filters_html(project, info.corpus, view.filters)),
            self.left_line: show(rail.honest_html(info, view, found)),
            self.right_line: show(rail.honest_html(other, view, found) if other else ""),
            self.bar: show(actions.bar_markup(project, view, found)),
            self.judging: judging.of_map(project, info.corpus, view, query),
            **self.beside_map(project, view, found),
        }
        dark = {} if view.asks else states.lit(None, "")
        for map, id in ((self.left, view.map), (self.right, view.other)):
            state: dict[str, Any] = {"src": ""}
            if id:
                state = states.base_state(project, view, legend, id)
                state["marks"] = judged.mark_values(judged.marks(project, id, query))
            updates[map] = gr.update(**{**updates.get(map, {}), **state, **dark})
        if view.asks and searches:
            updates[self.ticket] = f"{link}#{time.time_ns()}"
        return updates

    def known_query(self, project: Project, view: MapView) -> "maps.KnownQuery | None":
        """The query whose judged documents are marked; none where that of a link is gone."""
        try:
            return judged.known(project, view)
        except WorkbenchError as error:
            warn(error.message, error.hint)
            return None

    def coloured(self, project: Project, view: MapView) -> tuple[MapView, "maps.Legend"]:
        """The view with a colouring that can be made, and its legend."""
        try:
            return view, colours(project, view)[1]
        except WorkbenchError as error:
            warn(error.message, f"{error.hint} Coloured by cluster instead.")
            view = replace(view, color=CLUSTER, hidden=())
            return view, colours(project, view)[1]

    def beside_map(self, project: Project, view: MapView, found: Chosen | None) -> Updates:
        """The side panel, the lines on the maps, and the table of two maps. The hits of a query come by a ticket."""
        near = maps.neighbours_of(project, view.map, view.pick) if view.pick >= 0 else []
        updates: Updates = {self.pair: show(rail.pair_html(project, view))}
        for map, id in ((self.left, view.map), (self.right, view.other)):
            if id:
                updates[map] = gr.update(**sides.path_of(project, id, view, near))
        if view.pick >= 0:
            markup = sides.document_markup(project, view, near)
        elif view.listed and found is not None and len(found.ordinals):
            markup = sides.members_markup(project, view, found)
        elif view.asks:
            return updates
        else:
            return updates | {self.side: gr.update(visible=False, value="", open=-1)}
        return updates | {self.side: gr.update(visible=True, value=markup, open=-1, busy="")}

    def recolored(self, project: Project, place: Place, view: MapView) -> Updates:
        return self.shown(project, place, view, searches=False)

    def marked(self, project: Project, view: MapView) -> Updates:
        """The marks on the maps and their legend, after something was judged."""
        query = self.known_query(project, view)
        found = {id: judged.marks(project, id, query) for id in (view.map, view.other) if id}
        updates: Updates = {self.judged: show(judged.judged_html(project, view, query, found[view.map]))}
        for map, id in ((self.left, view.map), (self.right, view.other)):
            if id:
                updates[map] = gr.update(marks=judged.mark_values(found[id]))
        return updates

    def judged_many(self, project: Project, place: Place, view: MapView, pending: Any) -> Updates:
        """The updates after many documents were judged, or no longer: marks, rows and what can be undone."""
        updates = self.shown(project, place, view, searches=False)
        updates[self.judging] = gr.update(**{**updates[self.judging], "seq": time.time_ns() % 10**9})
        return updates | {self.bar: show(actions.bar_markup(project, view, chosen(project, view), pending))}

    def selected(self, project: Project, place: Place, view: MapView, pending: Any = None) -> Updates:
        """The updates after another selection alone."""
        found, link = chosen(project, view), view.link(place)
        mask = states.selection_url(project.name, view)
        drop = {} if mask else {"cleared": time.time_ns() % 10**9}
        updates = self.beside_map(project, view, found)
        for map, id in ((self.left, view.map), (self.right, view.other)):
            if id:
                updates[map] = gr.update(**{**updates.get(map, {}), "selection": mask, **drop})
        updates |= {self.state: link, self.front: gr.update(url=link)}
        return updates | {self.bar: show(actions.bar_markup(project, view, found, pending))}
