"""Judging a selection with one verdict: the menu, the preview that waits for its confirmation, and the change."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import gradio as gr

from ui.components.figures import several
from ui.components.judging_bar import SAYS, read_verdict
from ui.components.map_chosen import Chosen
from ui.components.map_judged import known
from ui.components.map_view import MapView
from ui.components.subset_bar import menu
from ui.components.text import clip, escape
from ui.handlers import fields, said, tell
from workbench.project import Project
from workbench.workflows import map as maps

if TYPE_CHECKING:
    from workbench.workflows.judging_many import Many

ACTIONS = ("judge-preview", "judge-selected", "judge-undo")


@dataclass(frozen=True)
class Pending:
    """A verdict for the selection that waits for its confirmation; `done`: it was given, and can be taken back."""

    code: str
    annotator: str
    told: str
    changes: int
    query_set: str = ""
    done: bool = False


def judge_menu(view: MapView, count: int) -> str:
    """ "Judge as…", where a query is in hand; the name is filled in by assets/judging.mjs."""
    if not view.query and not view.query_id:
        return ""
    buttons = "".join(
        f'<button class="btn small" data-do="judge-preview" data-code="{code}" title="{what}"><b>{code}</b> '
        f"{what}</button>"
        for code, what in SAYS.items()
    )
    inner = (
        f'<div data-form><p>Judge the {several(count, "selected document")} for <b dir="auto">“'
        f"{escape(clip(view.query or view.query_id, 80))}”</b> as one change. You see what it would "
        'change, then decide.</p><label class="pick">as <input name="annotator" data-annotator placeholder="me" '
        'maxlength="60" aria-label="Who judges" autocomplete="off"></label>'
        f'<div class="row wb-judgeas">{buttons}</div></div>'
    )
    return menu("Judge as…", inner, "wb-judgeas")


def pending_html(pending: Pending) -> str:
    """What judging would change, with the button that does it; or that it was done, with the one that takes it back."""
    named = f'data-code="{pending.code}" data-annotator="{escape(pending.annotator)}"'
    if pending.done:
        do = (
            f'<button class="btn small" data-do="judge-undo" {named} data-set="{escape(pending.query_set)}" '
            'title="Take your last judging back, all of it">Undo</button>'
        )
    elif pending.changes:
        do = (
            f'<button class="btn small primary" data-do="judge-selected" {named}>'
            f"Judge {several(pending.changes, 'document')} as “{SAYS[pending.code]}”</button>"
        )
    else:
        do = ""
    leave = "Close" if pending.done else "Leave it"
    return (
        f'<div class="note" role="status">{escape(pending.told)} {do} '
        f'<button class="btn small" data-do="keep">{leave}</button></div>'
    )


def act(project: Project, view: MapView, found: Chosen, event: gr.EventData) -> Pending | None:
    """A button of the menu or of the preview. Raises `BadInput`, `NotFound` as the workflows do."""
    from workbench.workflows import judging, judging_many

    do, code = said(event, "do"), said(event, "code")
    annotator = said(event, "annotator") or fields(event).get("annotator", "")
    if do == "judge-undo":
        undone = judging.undo(project, judging.Judge(said(event, "set"), annotator))
        left = f"; {several(len(undone.conflicts), 'document')} were changed since and stay" if undone.conflicts else ""
        tell(f"{several(len(undone.pairs), 'judgment')} as before{left}.")
        return None
    verdict, many = read_verdict(code), selected(project, view, found, annotator)
    if do == "judge-preview":
        preview = judging_many.preview_many(project, many, verdict)
        return Pending(code, annotator, preview.told, preview.new + preview.changed)
    by, done = judging_many.judge_selected(project, many, verdict)
    told = f"{several(done.changed, 'document')} judged “{SAYS[code]}”."
    return Pending(code, annotator, told, done.changed, by.query_set, done=True) if done.changed else None


def selected(project: Project, view: MapView, found: Chosen, annotator: str) -> "Many":
    """The selection with the query in hand."""
    from workbench.workflows.judging_many import Many

    query = known(project, view)
    named = (query.query_set, query.query_id) if query else None
    return Many(maps.get_map(project, view.map).corpus, found.ordinals.tolist(), view.query, named, annotator)
