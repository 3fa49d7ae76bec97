"""The bar of subsets, tags and exports on the Corpus page: its region, its jobs, and what its buttons do."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import gradio as gr

from ui.components.address import Browse
from ui.components.figures import several
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import live, show
from ui.components.subset_bar import FORMATS, Sets, derived_html, exported_html, subset_bar
from ui.handlers import fields, said, tell
from ui.session import Context, Place
from workbench.errors import BadInput
from workbench.project import Project
from workbench.types import Filter
from workbench.workflows import corpus as corpora
from workbench.workflows import subsets, tags
from workbench.workflows.exporting import list_exports
from workbench.workflows.tags import TagPreview

KIND = "export-documents"
DERIVE = "derive"
KINDS = (KIND, DERIVE)


@dataclass(frozen=True)
class Outcome:
    """What a click led to: another part of the corpus in sight, or a tagging to confirm.

    `redraw`: the rows may have changed. `enqueued`: a job was started, and its panel should show it at once.
    """

    browse: Browse
    pending: TagPreview | None = None
    redraw: bool = True
    enqueued: bool = False


class SubsetMenu:
    """The region (`bar`), the jobs it starts, and the report of the last export."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        self.bar = live("wb-subsets")
        self.report = live("wb-exported")
        self.jobs = job_panel(self.context, KINDS, self.done, self.report, "export-jobs", of_corpus=True)

    def draw(
        self,
        project: Project,
        place: Place,
        browse: Browse,
        pending: TagPreview | None = None,
        count: int | None = None,
    ) -> dict[str, Any]:
        """The update of the bar for what is in sight; `count` documents, where that is known already."""
        if count is None:
            count = subsets.count_documents(project, place.corpus, *where(browse))
        found = Sets(
            subsets=subsets.list_subsets(project, place.corpus),
            tags=tags.list_tags(project, place.corpus),
            filters=browse.filters,
            count=count,
            total=corpora.get_corpus(project, place.corpus).documents,
            pending=pending,
            last=tags.last_tagging(project, place.corpus),
            exports=list_exports(project, 5),
            exports_at=exports_at(project.name),
        )
        # Never the same twice: a menu closes when the answer to its click is drawn, and only a change is drawn.
        return show(f"{subset_bar(found)}<!--{time.time_ns()}-->")

    def show_jobs(self, project: Project, place: Place) -> dict[str, Any]:
        """The update of the panel: a job that is over before the panel's next poll would never be seen at work."""
        return {self.jobs: draw_jobs(self.context, project.name, KINDS, place.corpus), self.report: show("")}

    def act(self, project: Project, place: Place, browse: Browse, event: gr.EventData) -> Outcome:
        """A button of the bar. Raises `BadInput`, `NotFound` as the workflows do, and on another action."""
        do, corpus = said(event, "do"), place.corpus
        if do == "choose":
            return Outcome(replace(browse, filters=toggled(browse.filters, event), offset=0))
        if do == "keep":
            return Outcome(browse, redraw=False)
        if do == "save":
            made = subsets.subset_from_filters(project, corpus, fields(event).get("name", ""), *where(browse))
            tell(f"“{made.name}” holds {several(made.count, 'document')}.")
            return Outcome(browse, redraw=False)
        if do == "derive":
            self.derive(project, corpus, said(event, "name"))
            return Outcome(browse, redraw=False, enqueued=True)
        if do == "drop":
            subsets.delete_subset(project, corpus, said(event, "name"))
            left = tuple(each for each in browse.filters if not is_of(each, "@subset", said(event, "name")))
            return Outcome(replace(browse, filters=left, offset=0))
        if do == "export":
            self.export(project, corpus, browse, said(event, "format"))
            return Outcome(browse, redraw=False, enqueued=True)
        return self.act_tag(project, corpus, browse, event)

    def act_tag(self, project: Project, corpus: str, browse: Browse, event: gr.EventData) -> Outcome:
        do, action = said(event, "do"), "remove" if said(event, "action") == "remove" else "add"
        if do == "undo":
            undone = tags.undo_tagging(project, corpus)
            tell(f"“{undone.tag}”: {several(undone.count, 'document')} as before.")
            return Outcome(without_lost_tags(project, corpus, browse))
        if do not in ("preview", "tag"):
            raise BadInput(f"There is no action “{do[:40]}” on this page.")
        mask = subsets.matching(project, corpus, *where(browse))
        if do == "preview":
            shown = tags.preview_tag(project, corpus, mask, fields(event).get("tag", ""), action)
            return Outcome(browse, shown, redraw=False)
        made = tags.tag_documents(project, corpus, mask, said(event, "tag"), action)
        tell("Nothing changed." if made is None else f"“{made.tag}”: {several(made.count, 'document')} changed.")
        return Outcome(without_lost_tags(project, corpus, browse))

    def export(self, project: Project, corpus: str, browse: Browse, format: str) -> None:
        """Start the job that writes what is in sight. Raises `BadInput` on the format."""
        if format not in FORMATS:
            raise BadInput(f"There is no format “{format[:40]}”.", f"Choose one of: {', '.join(FORMATS)}.")
        asked = [[each.field, each.op, each.value] for each in browse.filters]
        arguments = {"corpus": corpus, "format": format, "filters": asked, "text": browse.text}
        title = f"Export {corpus} as {format.upper()}"
        self.context.jobs.enqueue(KIND, project.name, arguments, title=title, priority=1)

    def derive(self, project: Project, corpus: str, name: str) -> None:
        """Start the job that makes a subset a corpus. Raises `NotFound`."""
        found = subsets.get_subset(project, corpus, name)
        title = f"Make the subset {found.name} of {corpus} a corpus"
        arguments = {"corpus": corpus, "subset": found.name}
        self.context.jobs.enqueue(DERIVE, project.name, arguments, title=title, priority=1)

    def done(self, event: gr.EventData, request: gr.Request) -> Any:
        """The link to the file or the corpus that was just made; a failed job says why in the panel."""
        job = self.context.jobs.get(said(event, "id"))
        if job.state != "done" or not job.result:
            return show("")
        if job.kind == DERIVE:
            made, place = job.result, self.context.place(request)
            pages = (("Open it", "/corpus"), ("Encode it", "/encode"))
            links = [(name, place.link(path, corpus=made["corpus"])) for name, path in pages]
            return show(derived_html(made["corpus"], made["documents"], made["unchanged"], links))
        name = PurePath(str(job.result["path"])).name
        return show(exported_html(job.result["documents"], name, job.result["bytes"], exports_at(job.project)))


def exports_at(project: str) -> str:
    """The address under which a project's exports are fetched."""
    return f"/exports/{quote(project, safe='')}"


def where(browse: Browse) -> tuple[tuple[Filter, ...], str]:
    return browse.filters, browse.text


def toggled(filters: Sequence[Filter], event: gr.EventData) -> tuple[Filter, ...]:
    """The filters with the subset or tag that was clicked, or without it where it was there. Raises `BadInput`."""
    field, name = said(event, "field"), said(event, "name")
    if field not in subsets.FIELDS or not name:
        raise BadInput("There is no such subset.", "Reload the page.")
    left = tuple(each for each in filters if not is_of(each, field, name))
    return left if len(left) < len(filters) else (*filters, Filter(field, "in", (name,)))


def is_of(item: Filter, field: str, name: str) -> bool:
    """Whether a filter asks for this one subset or tag, and for no other."""
    return item.field == field and item.op != "!=" and item.value in (name, (name,))


def without_lost_tags(project: Project, corpus: str, browse: Browse) -> Browse:
    """`browse` without filters on tags that no document has any more: an empty list would only puzzle."""
    known = {each.name for each in tags.list_tags(project, corpus)}
    left = tuple(
        each
        for each in browse.filters
        if each.field != "@tag" or set(each.value if isinstance(each.value, tuple) else (str(each.value),)) <= known
    )
    return browse if left == browse.filters else replace(browse, filters=left, offset=0)
