"""What can be done with the documents selected on a map: keep them as a subset, tag, export, search among them."""

from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, TypeAlias
from urllib.parse import quote

import gradio as gr
import numpy as np

from ui.components import judge_selection as judging
from ui.components.figures import several, size
from ui.components.live import show
from ui.components.map_bar import selection_bar
from ui.components.map_chosen import Chosen, chosen
from ui.components.map_view import MapView, shapes_text
from ui.components.subset_bar import FORMATS, exported_html, pending_html, selection_actions, undo_html
from ui.components.subset_menu import KIND, exports_at
from ui.handlers import escape, fields, said, tell
from ui.session import Context
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import fingerprint
from workbench.types import Filter
from workbench.workflows import map as maps
from workbench.workflows import subsets, tags

Pending: TypeAlias = "tags.TagPreview | judging.Pending | None"
ACTIONS = ("save", "preview", "tag", "keep", "undo", "export", "within", *judging.ACTIONS)


@dataclass(frozen=True)
class Outcome:
    """What a button led to: another view, or a tagging or judging to confirm."""

    view: MapView
    pending: "Pending" = None


def bar_markup(project: Project, view: MapView, found: Chosen, pending: "Pending" = None) -> str:
    """The bar of the selection; empty where nothing is selected and nothing can be undone."""
    count, corpus = len(found.ordinals), maps.get_map(project, view.map).corpus
    if not count:
        return ""
    judge = judging.judge_menu(view, count)
    actions = judge + selection_actions(count, tags.list_tags(project, corpus))
    actions += undo_html(tags.last_tagging(project, corpus))
    told = judging.pending_html(pending) if isinstance(pending, judging.Pending) else pending_html(pending)
    return selection_bar(count, found.selected.size, actions, int(found.seen.sum())) + told


def act(context: Context, project: Project, view: MapView, event: gr.EventData) -> Outcome:
    """A button of the bar. Raises `BadInput`, `NotFound` as the workflows do, and on another action."""
    do, corpus = said(event, "do"), maps.get_map(project, view.map).corpus
    if do == "keep":
        return Outcome(view)
    if do == "undo":
        undone = tags.undo_tagging(project, corpus)
        tell(f"“{undone.tag}”: {several(undone.count, 'document')} as before.")
        return Outcome(view)
    found = chosen(project, view)
    if do in judging.ACTIONS:
        return Outcome(view, judging.act(project, view, found, event))
    if do == "save":
        name = fields(event).get("name", "")
        made = subsets.create_subset(project, corpus, name, found.selected, origin(view))
        tell(f"“{made.name}” holds {several(made.count, 'document')}. It is a filter now, here and in Search.")
        return Outcome(view)
    if do == "within":
        name = kept(project, corpus, view, found)
        condition = Filter("@subset", "in", (name,))
        return Outcome(replace(view, filters=(*view.filters, condition), shapes=(), problem="", listed=False))
    if do == "export":
        export(context, project, corpus, kept(project, corpus, view, found), said(event, "format"))
        return Outcome(view)
    action: Any = "remove" if said(event, "action") == "remove" else "add"
    if do == "preview":
        return Outcome(view, tags.preview_tag(project, corpus, found.selected, fields(event).get("tag", ""), action))
    if do == "tag":
        done = tags.tag_documents(project, corpus, found.selected, said(event, "tag"), action)
        tell("Nothing changed." if done is None else f"“{done.tag}”: {several(done.count, 'document')} changed.")
        return Outcome(view)
    raise BadInput(f"There is no action “{do[:40]}” on this page.")


def origin(view: MapView) -> dict[str, Any]:
    """Where a subset came from, so that it can be drawn again."""
    how = {"how": "map", "map": view.map}
    return how | ({"problem": view.problem} if view.problem else {"shapes": shapes_text(view.shapes)})


def kept(project: Project, corpus: str, view: MapView, found: Chosen) -> str:
    """The name of the subset of exactly the selected documents; made, named by its members, where there is none."""
    same = [each for each in subsets.list_subsets(project, corpus) if each.count == len(found.ordinals)]
    for each in same:
        if np.array_equal(subsets.subset_mask(project, corpus, each.name), found.selected):
            return each.name
    name = f"selection-{fingerprint(found.ordinals.tolist())[:6]}"
    made = subsets.create_subset(project, corpus, name, found.selected, origin(view), replace=True)
    tell(f"The selection is kept as the subset “{made.name}”.")
    return made.name


def export(context: Context, project: Project, corpus: str, subset: str, format: str) -> None:
    """Queue the job that writes a subset. Raises `BadInput` on the format."""
    if format not in FORMATS:
        raise BadInput(f"There is no format “{format[:40]}”.", f"Choose one of: {', '.join(FORMATS)}.")
    arguments = {"corpus": corpus, "format": format, "filters": [["@subset", "in", [subset]]], "text": ""}
    context.jobs.enqueue(KIND, project.name, arguments, title=f"Export {subset} as {format.upper()}", priority=1)


def exported(context: Context, id: str) -> Any:
    """The link to the file that an export has just written; nothing after any other job."""
    job = context.jobs.get(id)
    if job.kind != KIND or job.state != "done" or not job.result:
        return show("")
    name = PurePath(str(job.result["path"])).name
    return show(exported_html(job.result["documents"], name, job.result["bytes"], exports_at(job.project)))


def html_exported(project: Project, path: Path) -> Any:
    """The link to a map that was written as one file."""
    address = escape(f"{exports_at(project.name)}/{quote(path.name, safe='')}")
    return show(
        f'<div class="note good">The map is in <b>{escape(path.name)}</b> ({size(path.stat().st_size)}); it opens '
        f'without a server. <a href="{address}" download>Download</a></div>'
    )
