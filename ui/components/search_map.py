"""The map under the columns of a search: closed until it is asked for; hits light up with their ranks where they lie.

What the columns show is read in the browser (assets/search_map.mjs), so the map follows every order they come in; here
is decided which map is shown, and where the query lies on it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from ui.components import search_panels as panels
from ui.components.address import MAX_COLUMNS, View, parse_link, read_view
from ui.components.assets import asset_url
from ui.components.column_answer import content_of
from ui.components.columns import LETTERS
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import SCRIPT, live, show
from ui.components.map_choice import queue_map
from ui.components.map_state import ABOUT, label_values, points_url, source
from ui.components.map_view import CLUSTER, MapView
from ui.components.point_map import legend_state, point_map
from ui.components.text import clip, escape, whole
from ui.handlers import explain, on, said
from ui.session import Context, Place
from workbench.errors import BadInput
from workbench.project import Project
from workbench.workflows import encode
from workbench.workflows import map as maps

KINDS = ("map",)
ELEM = "search-map"
PURPOSE = "On a map, documents that the encoder finds alike lie together: it shows where the hits of a query are."


@dataclass(frozen=True)
class Shown:
    """What the dock shows: a map with `column` (from 0) whose hits are lit; `encoder`: of a map that could be made."""

    column: int = 0
    map: "maps.MapInfo | None" = None
    encoder: str = ""


class SearchMap:
    """The components, drawn where it is made. They follow the address of the search in the hidden field `state`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        with gr.Column(elem_id="search-map-dock", elem_classes="wb-mapdock"):
            self.bar = live("search-map-bar")
            self.bar.js_on_load = (
                f"{SCRIPT} import('{asset_url('search_map.mjs')}').then(m => m.mount(element, '{ELEM}'));"
            )
            self.jobs = job_panel(self.context, KINDS, elem_id="search-map-jobs", of_corpus=True)
            self.map = point_map(ELEM)
        self.asked = gr.Textbox("", visible="hidden", elem_id="search-map-asked")

    def wire(self, state: gr.Textbox, address: gr.HTML, opened: Sequence[gr.HTML]) -> None:
        """`address`: the component whose `url` is the page's; `opened`: the side panel, then the lists of hits."""
        shown = [self.bar, self.map, self.asked]
        self.lists = len(opened) - 1
        on(state.change, self.follow, state, shown, trigger_mode="always_last")
        on(self.jobs.done, self.follow, state, shown)
        on(self.bar.act, self.act, state, [state, address, self.jobs], trigger_mode="multiple")
        on(self.asked.change, self.place, self.asked, self.map, trigger_mode="always_last")
        on(self.map.pick, self.pick, state, list(opened), trigger_mode="always_last")

    def act(self, state: str, event: gr.EventData, request: gr.Request) -> tuple[Any, Any, Any]:
        """Open, close, another column's hits, make the map."""
        project, place = self.context.here(request)
        view, do = read_view(parse_link(state)), said(event, "do")
        if do == "make":
            queue_map(self.context, project, place.corpus, said(event, "encoder"), {})
            return gr.skip(), gr.skip(), draw_jobs(self.context, project.name, KINDS, place.corpus)
        if do == "column":
            view = replace(view, map=min(MAX_COLUMNS, max(1, whole(event, "column") + 1)))
        elif do == "open":
            view = replace(view, map=first_dense(view, kinds_of(project, place.corpus)) + 1)
        elif do == "close":
            view = replace(view, map=0)
        else:
            raise BadInput(f"There is no action “{do[:40]}” here.")
        link = view.link(place)
        return link, gr.update(url=link), gr.skip()

    def follow(self, state: str, request: gr.Request) -> tuple[Any, Any, Any]:
        """Bar and map for an address; where a query is asked its place comes by a ticket, as that may load a model."""
        view = read_view(parse_link(state))
        if not view.columns:
            return show(""), gr.update(src=""), gr.skip()
        if not view.map:
            return show(closed_html()), gr.update(src=""), gr.skip()
        project, place = self.context.here(request)
        shown = chosen(project, place, view)
        bar = show(open_html(project, place, view, shown))
        if shown.map is None:
            return bar, gr.update(src=""), gr.skip()
        asks = bool(view.query or view.image) and view.like < 0
        ticket = f"{view.link(place)}#{shown.map.id}.{time.time_ns()}" if asks else ""
        return bar, gr.update(**map_state(project, shown.map), **({} if asks else {"query": None})), ticket

    def place(self, asked: str, request: gr.Request) -> Any:
        """Where the query lies; without a star where the map's encoder cannot read it, and the map says so."""
        if not asked:
            return gr.update(query=None)
        view, id = read_view(parse_link(asked)), asked.rpartition("#")[2].partition(".")[0]
        try:
            project, place = self.context.here(request)
            found = maps.place_query(project, id, content_of(project, place.corpus, view))
        except Exception as error:  # noqa: BLE001 — explain() logs it
            explain(error)
            return gr.update(query=None)
        text = clip(view.query, ABOUT) or "picture"
        return gr.update(query={"x": found.x, "y": found.y, "text": text, "approximate": True})

    def pick(self, state: str, event: gr.EventData, request: gr.Request) -> list[Any]:
        """A point was clicked: its document beside the columns."""
        project, place = self.context.here(request)
        view = read_view(parse_link(state))
        shown = chosen(project, place, view)
        if shown.map is None:
            raise BadInput("That map is not there any more.", "Reload the page.")
        (ordinal,) = maps.ordinals_at(project, shown.map.id, [whole(event, "row")])
        value = panels.document_panel(project, place, view, ordinal)
        return [gr.update(visible=True, value=value), *[gr.update(open=ordinal)] * self.lists]


# ── which map ────────────────────────────────────────────────────────────────────────────────────────────────────────


def kinds_of(project: Project, corpus: str) -> dict[str, str]:
    """Encoder → dense, sparse or multi, of the corpus's embeddings, the newest first."""
    found: dict[str, str] = {}
    for each in encode.list_embeddings(project, corpus):
        found.setdefault(each.encoder, each.kind)
    return found


def first_dense(view: View, kinds: dict[str, str]) -> int:
    """The first column, from 0, with a dense retriever; the first of all where there is none."""
    for number, column in enumerate(view.columns):
        if dense_of(column.pipeline.retrievers, kinds):
            return number
    return 0


def dense_of(retrievers: Sequence[Any], kinds: dict[str, str]) -> str:
    return next((each.encoder for each in retrievers if kinds.get(each.encoder) == "dense"), "")


def chosen(project: Project, place: Place, view: View) -> Shown:
    """The map of the first dense column's embedding, else the newest of this corpus, for its documents are the same;
    `encoder` is what a map could be made with, "" where that is there already."""
    kinds = kinds_of(project, place.corpus)
    column = min(max(0, view.map - 1), max(0, len(view.columns) - 1))
    wanted = dense_of(view.columns[first_dense(view, kinds)].pipeline.retrievers, kinds) if view.columns else ""
    made = [each for each in maps.list_maps(project, place.corpus) if not each.stale]
    found = next((each for each in made if each.encoder == wanted), None)
    if found is not None:
        return Shown(column, found)
    first = wanted or next((name for name, kind in kinds.items() if kind == "dense"), "")
    return Shown(column, made[0] if made else None, first if wanted or not made else "")


def map_state(project: Project, info: "maps.MapInfo") -> dict[str, Any]:
    """What the map component is told; highlights are the browser's."""
    legend = maps.colouring(project, info.id, CLUSTER)[1]
    return {
        "src": source(project.name, info.id),
        "color": points_url(project.name, info.id, f"color/{CLUSTER}.u8"),
        "legend": legend_state(legend.kind),
        "labels": label_values(project, info.id),
        "card": points_url(project.name, info.id, "card/") + "{row}",
        "link": linked(project, info),
        "alt": f"Map of {info.points:,} documents of {info.corpus} by {info.encoder}: near points are alike.",
    }


def linked(project: Project, info: "maps.MapInfo") -> str:
    """The name by which map and rows hear each other."""
    return f"{project.name}/{info.corpus}"


# ── markup ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def closed_html() -> str:
    return (
        '<div class="wb-dockbar" data-open="0"><button class="wb-dock" data-do="open" aria-expanded="false" '
        'title="Where the hits lie among all documents">▸ Map</button></div>'
    )


def open_html(project: Project, place: Place, view: View, shown: Shown) -> str:
    """The line over the map: close, whose hits are lit, which map it is; or the one button that makes it."""
    close = '<button class="wb-dock" data-do="close" aria-expanded="true" title="Close the map">▾ Map</button>'
    if shown.map is None:
        return f'<div class="wb-dockbar" data-open="1">{close}</div>{without_map(place, shown.encoder)}'
    info = shown.map
    like = f' data-like="{view.like}"' if view.like >= 0 else ""
    address = MapView(map=info.id, query=view.query, column=view.columns[shown.column]).link(place)
    return (
        f'<div class="wb-dockbar" data-open="1" data-column="{shown.column}" data-order="'
        f'{escape(points_url(project.name, info.id, "order.u32"))}" data-link="{escape(linked(project, info))}"{like}>'
        f"{close}{letters_html(view, shown.column)}"
        f'<span class="facts"><span>{escape(clip(info.encoder, 40))} · {escape(info.method)}</span>'
        f"<span><b>{info.points:,}</b> documents</span><span>trust <b>{info.trustworthiness:.2f}</b></span>"
        '<span data-say="lit"></span></span><span class="spring"></span>'
        f"{own_map(shown.encoder)}"
        f'<a class="btn small" href="{escape(address)}" title="The whole Map page, with this query">Map page</a></div>'
    )


def own_map(encoder: str) -> str:
    """The button that makes the map of the columns' own encoder, while another one's is shown."""
    if not encoder:
        return ""
    name, told = escape(encoder), f"The columns search with {encoder}, this map is another encoder's"
    return (
        f'<button class="btn small" data-do="make" data-encoder="{name}" title="{escape(told)}">'
        f"Map with {escape(clip(encoder, 40))}</button>"
    )


def letters_html(view: View, column: int) -> str:
    """Whose ranks are shown, where there are several columns."""
    if len(view.columns) < 2:
        return ""
    buttons = "".join(
        f'<button data-do="column" data-column="{n}" aria-pressed="{str(n == column).lower()}" '
        f'title="Ranks of column {LETTERS[n]}">{LETTERS[n]}</button>'
        for n in range(len(view.columns))
    )
    return f'<span class="dim">ranks of</span><span class="wb-switch">{buttons}</span>'


def without_map(place: Place, encoder: str) -> str:
    """What the map is for, and the one thing to do."""
    if not encoder:
        link = escape(place.link("/encode"))
        told = f"{PURPOSE} It needs a dense embedding."
        return f'<div class="empty"><p>{told}</p><a class="btn primary" href="{link}">Encode this corpus</a></div>'
    return (
        f'<div class="empty"><p>{PURPOSE}</p><button class="btn primary" data-do="make" '
        f'data-encoder="{escape(encoder)}">Map this corpus with {escape(clip(encoder, 60))}</button></div>'
    )
