"""The third dimension of a map: a switch on it, and over it the same points drawn by plotly, in the same colours.

plotly's script comes from the installed package by our own address (`ui/space_routes.py`), when a person asks for it.
"""

import importlib.metadata
import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.components.address import parse_link
from ui.components.assets import asset_url
from ui.components.figures import several
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import live, show
from ui.components.map_chosen import colours
from ui.components.map_state import color_url, mask_url, points_url, selection_url
from ui.components.map_view import MapView, read_map_view
from ui.components.point_map import legend_state
from ui.components.text import clip, escape
from ui.handlers import on, said
from ui.session import Context
from workbench.errors import NotFound
from workbench.project import Project
from workbench.workflows import map as maps
from workbench.workflows import map_space

if TYPE_CHECKING:
    from workbench.workflows.map import MapInfo
    from workbench.workflows.map_space import SpaceInfo

KIND = "map-space"
NO_LINES = (-1, ())
PURPOSE = (
    "The same neighbours laid out once more with a third direction to lie in: groups that had to be put beside or upon "
    "each other on the plane come apart. Turn it by dragging, come nearer with the wheel."
)


@cache
def plotly_file() -> Path | None:
    """plotly's script inside the installed package; plotly itself is not imported. None where it is not installed."""
    found = importlib.util.find_spec("plotly")
    path = Path(found.origin).parent / "package_data" / "plotly.min.js" if found and found.origin else None
    return path if path is not None and path.is_file() else None


def plotly_url() -> str:
    return f"/wb-plotly/plotly.min.js?v={importlib.metadata.version('plotly')}" if plotly_file() else ""


def figure(elem_id: str) -> gr.HTML:
    """The picture. Updates: `on`; `src`, URL of 12 bytes a point; `color`, `legend`, `mask`, `selection`, `card` and
    `alt` as those of `point_map`; `pick`: [row of the open document or −1, rows of its neighbours].

    Its event `pick` tells the row of a point that was clicked.
    """
    script = (
        f"import('{asset_url('map_3d.mjs')}')"
        ".then(m => m.attach(element, {props, watch, pick: data => trigger('pick', data)}));"
    )
    values: dict[str, Any] = {
        "on": False, "src": "", "color": "", "legend": legend_state("category"), "mask": "", "selection": "",
        "card": "", "pick": list(NO_LINES), "alt": "", "script": plotly_url(),
    }  # fmt: skip
    return gr.HTML(
        html_template="<div class='wb-space-host'></div>",
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
        **values,
    )


class MapSpace:
    """The components over the left map, drawn where it is made. They follow the address of the page, `state`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        self.switch = live("map-3d-switch")
        with gr.Column(elem_id="map-3d", elem_classes="wb-panel"):
            self.front = live("map-3d-front")
            self.jobs = job_panel(self.context, (KIND,), elem_id="map-3d-jobs", of_corpus=True)
            self.figure = figure("map-3d-figure")
            self.line = live("map-3d-line")

    def wire(self, state: gr.Textbox, address: gr.HTML) -> None:
        """`address`: a listing whose `url` becomes the page's."""
        shown = [self.switch, self.front, self.figure, self.line]
        on(state.change, self.follow, state, shown, trigger_mode="always_last")
        on(self.jobs.done, self.follow, state, shown)
        on(self.switch.act, self.turn, state, [state, address], trigger_mode="multiple")
        on(self.front.act, self.make, state, self.jobs)

    def turn(self, state: str, event: gr.EventData, request: gr.Request) -> tuple[Any, Any]:
        """Two dimensions, or three."""
        view = replace(read_map_view(parse_link(state)), space=said(event, "do") == "3d")
        link = view.link(self.context.place(request))
        return link, gr.update(url=link)

    def make(self, state: str, request: gr.Request) -> Any:
        """Queue the job that makes the third coordinate."""
        project, place = self.context.here(request)
        info = maps.get_map(project, read_map_view(parse_link(state)).map)
        arguments = {"corpus": place.corpus, "map": info.id}
        title = f"Map {place.corpus} by {info.encoder} in three dimensions"
        self.context.jobs.enqueue(KIND, project.name, arguments, title=title, priority=1)
        return draw_jobs(self.context, project.name, (KIND,), place.corpus)

    def follow(self, state: str, request: gr.Request) -> list[Any]:
        """The updates that make switch and picture show the view of an address."""
        view = read_map_view(parse_link(state))
        if not view.map:
            return [show(""), show(""), gr.update(on=False), show("")]
        switch = show(switch_html(view.space))
        if not view.space:
            return [switch, show(""), gr.update(on=False), show("")]
        project, _ = self.context.here(request)
        info, found = maps.get_map(project, view.map), map_space.find_space(project, view.map)
        if found is None:
            return [switch, show(front_html(info)), gr.update(on=True, src=""), show("")]
        told = show(line_html(info, found))
        return [switch, show(""), gr.update(on=True, **shown_state(project, view, info, found)), told]


def shown_state(project: Project, view: MapView, info: "MapInfo", found: "SpaceInfo") -> dict[str, Any]:
    """What the picture is told for a view."""
    legend = colours(project, view)[1]
    return {
        "src": points_url(project.name, info.id, "space.bin", v=found.id),
        "color": color_url(project.name, view),
        "legend": legend_state(legend.kind, view.hidden),
        "mask": mask_url(project.name, view),
        "selection": selection_url(project.name, view),
        "card": points_url(project.name, info.id, "card/") + "{row}",
        "pick": picked_rows(project, view),
        "alt": f"{found.shown:,} documents of {info.corpus} by {info.encoder} in three dimensions.",
    }


def picked_rows(project: Project, view: MapView) -> list[Any]:
    """[row of the open document, rows of its true neighbours]; [−1, []] where none is open."""
    if view.pick < 0:
        return [-1, []]
    try:
        near = maps.neighbours_of(project, view.map, view.pick)
        start, *ends = maps.highlight(project, view.map, [view.pick, *(each for each, _ in near)])
    except NotFound:
        return [-1, []]
    return [start, ends]


def switch_html(space: bool) -> str:
    return (
        '<div class="wb-switch wb-space-switch" role="group" aria-label="Dimensions">'
        f'<button data-do="2d" aria-pressed="{str(not space).lower()}" title="The map, flat">2-D</button>'
        f'<button data-do="3d" aria-pressed="{str(space).lower()}" title="Turn it in three dimensions">3-D</button>'
        "</div>"
    )


def front_html(info: "MapInfo") -> str:
    """What the third dimension is for, and the one button that makes it."""
    sample = f" Of {info.points:,} documents {map_space.SHOWN:,} are shown, a fair sample." * (
        info.points > map_space.SHOWN
    )
    return (
        f"<div class='empty'><h2>Not in three dimensions yet</h2><p>{escape(PURPOSE)}{sample}</p>"
        f"<button class='btn primary' data-do='make'>Lay out {escape(clip(info.encoder, 60))} in 3-D</button>"
        f"<p class='dim'>By {escape(info.method)} from the map's own neighbours, with its seed; takes about as long as "
        "the map did.</p></div>"
    )


def line_html(info: "MapInfo", found: "SpaceInfo") -> str:
    """How far this picture can be trusted, beside the flat one; and that it is a sample, where it is."""
    sample = (
        f"<span><b>{found.shown:,}</b> of {found.points:,} documents: a fair sample, the same each time</span>"
        if found.shown < found.points
        else f"<span><b>{several(found.points, 'document')}</b></span>"
    )
    return (
        f'<div class="wb-honest"><span class="facts">{sample}<span>trustworthiness <b>{found.trustworthiness:.3f}</b> '
        f"(flat {info.trustworthiness:.3f})</span><span>continuity <b>{found.continuity:.3f}</b> "
        f"(flat {info.continuity:.3f})</span><span>k <b>{found.k}</b></span><span>seed <b>{found.seed}</b></span>"
        '</span><span class="dim">drag turns · wheel zooms · click opens</span></div>'
    )
