"""The bar at the top of every page: pages, project, corpus, what the worker does, light or dark."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import gradio as gr

from ui.components.live import SCRIPT, go, live, show
from ui.handlers import escape, on, on_load, poll, said, warn
from ui.session import Context, Place
from workbench.workflows import corpus as corpora

if TYPE_CHECKING:
    from workbench.jobs import Job, WorkerInfo

PAGES = MappingProxyType(
    {
        "/": "Home",
        "/corpus": "Corpus",
        "/encode": "Encode",
        "/index": "Index",
        "/laboratory": "Laboratory",
        "/search": "Search",
        "/map": "Map",
        "/mine": "Mine",
        "/label": "Label",
        "/review": "Review",
        "/evaluate": "Evaluate",
        "/blind": "Blind",
        "/jobs": "Jobs",
    }
)
REMEMBER = """
const tell = () => { const bar = element.querySelector('[data-project]');
  if (bar) window.wb.remember(bar.dataset.project, bar.dataset.corpus); };
watch('markup', tell);
"""


def navigation(context: Context, current: str) -> None:
    """Draw the bar of the page at path `current`, and keep the worker's state in it up to date."""
    gr.Navbar(visible=False)
    with gr.Row(elem_id="wb-nav"):
        bar = live("wb-bar", bar_markup(current, None, [], []), scale=1)
        state = live("wb-state", min_width=90, scale=0)
    bar.js_on_load = SCRIPT + REMEMBER

    def draw(request: gr.Request) -> list[dict[str, object]]:
        place = context.place(request)
        names = [each.name for each in corpora.list_corpora(context.project(place.project))] if place.project else []
        bar = bar_markup(current, place, context.workspace.projects(), names)
        return [show(bar), show(worker_markup(context.jobs.list(limit=50), context.jobs.workers()))]

    def start(request: gr.Request) -> list[dict[str, object]]:
        problem = context.place(request).problem
        if problem:
            warn(problem)
        return draw(request)

    def choose(event: gr.EventData, request: gr.Request) -> dict[str, object]:
        chosen, place = said(event, "value"), context.place(request)
        if said(event, "do") == "project":
            return go(Place(project=chosen).link(current))
        return go(place.link(current, corpus=chosen))

    on_load(start, [bar, state])
    on(bar.act, choose, None, bar)
    # Also the bar: what an import or another tab added belongs in its lists.
    poll(1.0, draw, [bar, state])


def bar_markup(current: str, here: Place | None, projects: Sequence[str], names: Sequence[str]) -> str:
    """The bar; `here` is None before the page's address was read."""
    place = here or Place()
    active = " class='active' aria-current='page'"
    tabs = "".join(
        f"<a href='{escape(place.link(path))}'{active if path == current else ''}>{title}</a>"
        for path, title in PAGES.items()
    )
    chosen = place.corpus.partition("@")[0]
    pickers = picker("project", place.project, projects) if here else ""
    pickers += picker("corpus", chosen, names) if place.project else ""
    # The browser remembers what the address was read as, also that there is no project.
    known = f" data-project='{escape(place.project)}' data-corpus='{escape(place.corpus)}'" if here else ""
    return (
        f"<nav class='bar' aria-label='Pages'{known}><span class='brand'>Retrieval Workbench</span>{tabs}"
        f"<span class='spring'></span>{pickers}"
        "<button class='wb-flip icon' title='Light or dark' aria-label='Light or dark'>◐</button></nav>"
    )


def picker(kind: str, chosen: str, choices: Iterable[str]) -> str:
    """A small drop-down list of the bar; nothing where there is nothing to choose."""
    options = "".join(
        f"<option{' selected' if name == chosen else ''} value='{escape(name)}'>{escape(name)}</option>"
        for name in choices
    )
    if not options:
        return f"<span class='pick none'>no {kind} yet</span>"
    return f"<label class='pick'>{kind}<select data-change='{kind}' id='wb-{kind}'>{options}</select></label>"


def worker_markup(jobs: "Sequence[Job]", workers: "Sequence[WorkerInfo]") -> str:
    """One chip: the running job with its percentage, how many wait, or that nobody would do the work."""
    running = [job for job in jobs if job.state == "running"]
    waiting = [job for job in jobs if job.state == "queued"]
    if running:
        job = running[0]
        share = f" {100 * job.done // job.total}%" if job.total else ""
        more = f" +{len(running) + len(waiting) - 1}" if len(running) + len(waiting) > 1 else ""
        return chip("run", f"{job.kind}{share}{more}", job.title)
    if not any(worker.alive for worker in workers):
        return chip("bad" if waiting else "off", f"no worker · {len(waiting)} waiting" if waiting else "no worker")
    return chip("wait", f"{len(waiting)} waiting") if waiting else chip("ok", "idle", "the worker is ready")


def chip(kind: str, text: str, title: str = "") -> str:
    return f"<a class='chip {kind}' href='/jobs' title='{escape(title)}'><i></i>{escape(text)}</a>"
