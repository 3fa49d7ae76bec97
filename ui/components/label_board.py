"""The frame of the Label page: who judges what, the queue, and the place of the query and its cards.

Python draws it once; what it holds comes by the routes of ui/label_routes.py (assets/label.mjs).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ui.components.empty import empty
from ui.components.export_labels_view import export_button
from ui.components.label_cards import acts_html
from ui.components.label_queue import SORTS, STATES
from ui.components.label_view import LabelView
from ui.components.text import clip, escape
from ui.session import Place
from workbench.workflows.label import DEEPEST, Contestant, LabelSets

PURPOSE = (
    "Say of each document that some encoder finds for a query whether it is relevant, or a hard negative: one that "
    "looks right and is not. Keys do it all, everything is saved at once and can be undone at any time."
)
SHUFFLED = "An order of your own for each query, against position bias"
BLIND = "Hide what others and the imported qrels say, and the warnings that come of it"
HELP = (
    ("0 1 2 3", "grade: not, slightly, relevant, highly"),
    ("h", "hard negative (grade 0, marked)"),
    ("r", "positive: grade 1, the least that counts as relevant"),
    ("p", "make it a positive (grade 1), where a warning says it may be one"),
    ("space", "skip"),
    ("u", "unrateable"),
    ("l", "judge later"),
    ("n", "note; without a verdict the document is put off"),
    ("⌫", "take the verdict back"),
    ("↓ j  ↑ k", "next, previous candidate"),
    ("e", "more of the text, or less"),
    ("→ ←", "next, previous query"),
    ("Ctrl+Z", "undo, as far back as you judged"),
    ("Ctrl+⇧+Z", "redo"),
    ("g", "guidelines"),
    ("?", "these keys"),
)


@dataclass(frozen=True)
class Setup:
    """What can be chosen: query sets with their size, label sets, pipelines; `usual` are asked by default; subsets."""

    query_sets: Sequence[tuple[str, int]]
    labels: LabelSets
    pipelines: Sequence[Contestant]
    usual: Sequence[Contestant]
    subsets: Sequence[str] = ()


def board_html(place: Place, view: LabelView, setup: Setup) -> str:
    """The page for a query set."""
    config = {"project": place.project, "corpus": place.corpus, "set": view.by.query_set}
    return (
        f"<div class='lb' data-config='{escape(json.dumps(config))}'>{bar_html(view, setup)}"
        f"<div class='lb-two'><aside class='panel lb-queue'>{queue_html(view)}</aside>"
        "<section class='lb-main'><header class='lb-head'><div class='lb-where'><button class='btn small' data-go='-1' "
        "title='Previous query (←)'>← <span>previous</span></button><b class='lb-at'></b>"
        "<button class='btn small' data-go='1' title='Next query (→)'><span>next</span> →</button>"
        "<span class='lb-done dim'></span><span class='spring'></span><span class='lb-saved' role='status'></span>"
        "<button class='btn small' data-step='undo' title='Undo (Ctrl+Z)'>Undo</button>"
        "<button class='btn small' data-step='redo' title='Redo (Ctrl+Shift+Z)'>Redo</button></div>"
        f"<div class='lb-asked'></div><div class='lb-acts'>{acts_html()}</div></header>"
        "<div class='lb-told' role='alert' hidden></div><div class='lb-pool'><p class='lb-wait'>One moment…</p></div>"
        f"</section></div>{dialogs_html()}</div>"
    )


def bar_html(view: LabelView, setup: Setup) -> str:
    """Query set, label set, annotator, candidates, switches."""
    sets = "".join(
        f"<option value='{escape(name)}'{' selected' if name == view.by.query_set else ''}>{escape(clip(name, 50))} · "
        f"{number:,}</option>"
        for name, number in setup.query_sets
    )
    known = "".join(f"<option value='{escape(name)}'>" for name in setup.labels.people)
    return (
        "<div class='row lb-bar'>"
        f"<label class='pick'>queries<select data-view='set'>{sets}</select></label>"
        "<label class='pick'>into<input data-view='labels' list='lb-labels' maxlength='64' title='The label set that "
        f"your verdicts go into' value='{escape(view.by.label_set)}'></label>"
        f"<datalist id='lb-labels'>{known}</datalist>"
        "<label class='pick'>judging as<input class='lb-annotator' maxlength='60' placeholder='me'></label>"
        f"{candidates_html(view, setup)}"
        f"{switch('order', 'shuffled', view.shuffled, 'shuffled', SHUFFLED)}"
        f"{switch('others', '0', not view.others, 'blind', BLIND)}"
        "<label class='wb-check' title='After a verdict the next candidate is in hand'>"
        "<input type='checkbox' class='lb-onward' checked>go on</label><span class='spring'></span>"
        "<button class='btn small' data-open='new'>New query</button>"
        f"{export_button(view.by.query_set)}"
        "<button class='btn small' data-open='guidelines'>Guidelines <kbd>g</kbd></button>"
        "<button class='btn small' data-open='help'>Keys <kbd>?</kbd></button></div>"
    )


def switch(name: str, value: str, on: bool, label: str, what: str) -> str:
    return (
        f"<label class='wb-check' title='{escape(what)}'><input type='checkbox' data-view='{name}' data-on='{value}'"
        f"{' checked' if on else ''}>{label}</label>"
    )


def candidates_html(view: LabelView, setup: Setup) -> str:
    """The menu of where candidates come from."""
    chosen = {each.key for each in view.chosen(setup.pipelines, setup.usual)}
    rows = "".join(
        f"<label><input type='checkbox' data-system='{escape(each.key)}'{' checked' if each.key in chosen else ''}>"
        f"{escape(clip(each.name, 60))}</label>"
        for each in setup.pipelines
    )
    mined = "".join(
        f"<label><input type='checkbox' data-proposed='{escape(name)}'{' checked' if name in view.proposed else ''}>"
        f"✨ {escape(clip(name, 60))}</label>"
        for name in setup.labels.proposed
    )
    proposed = f"<b>Mined, to review</b><div class='lb-choices'>{mined}</div>" if mined else ""
    names = "".join(
        f"<option value='{escape(name)}'{' selected' if name == view.within else ''}>{escape(clip(name, 50))}</option>"
        for name in dict.fromkeys([*setup.subsets, *filter(None, [view.within])])
    )
    within = (
        f"<label class='row'>only of <select data-view='within'><option value=''>the whole corpus</option>{names}"
        "</select></label>"
        if names
        else ""
    )
    return (
        "<details class='menu left lb-candidates'><summary class='btn small'>Candidates</summary><div class='pop'>"
        f"<b>From these pipelines</b><div class='lb-choices'>{rows or '<span class=dim>nothing is encoded yet</span>'}"
        f"</div>{proposed}<label class='row'>first <input type='number' data-view='depth' min='1' max='{DEEPEST}' "
        f"value='{view.depth}'> documents of each</label>{within}</div></details>"
    )


def queue_html(view: LabelView) -> str:
    order = view.order
    sorts = "".join(
        f"<option value='{name}' title='{escape(what)}'{' selected' if name == order.sort else ''}>{label}</option>"
        for name, (label, what) in SORTS.items()
    )
    states = "".join(
        f"<option value='{name}'{' selected' if name == order.state else ''}>{label}</option>"
        for name, label in STATES.items()
    )
    return (
        "<div class='lb-progresses'></div><div class='lb-order'>"
        f"<select data-view='sort' aria-label='Sort the queue'>{sorts}</select>"
        f"<select data-view='state' aria-label='Which queries'>{states}</select>"
        "<label class='pick' title='The seed of random orders and samples'>seed<input type='number' data-view='seed' "
        f"min='0' value='{order.seed}'></label>"
        "<label class='pick' title='Verdicts that make a query done'>done at<input type='number' data-view='enough' "
        f"min='1' max='1000' value='{order.enough}'></label>"
        "<label class='pick lb-sample' title='Queries that are searched to be sorted'>sample<input type='number' "
        f"data-view='sample' min='1' max='500' value='{order.sample}'></label></div>"
        "<p class='lb-queuenote dim'></p><ol class='lb-list'></ol>"
    )


def dialogs_html() -> str:
    keys = "".join(
        f"<dt>{''.join(f'<kbd>{escape(key)}</kbd>' for key in keys.split())}</dt><dd>{escape(what)}</dd>"
        for keys, what in HELP
    )
    return (
        f"<dialog class='wb-keys' data-dialog='help'><h3>Keys</h3><dl>{keys}</dl>"
        "<p>Keys rest while you write in a field.</p></dialog>"
        "<dialog class='wb-keys lb-dialog' data-dialog='guidelines'><h3>Guidelines</h3><div class='lb-guide'></div>"
        "<textarea class='lb-guidetext' rows='14' hidden placeholder='What counts as relevant? Write it in Markdown.'>"
        "</textarea><div class='row'><span class='spring'></span><button class='btn' data-guide='edit'>Edit</button>"
        "<button class='btn primary' data-guide='save' hidden>Save</button>"
        "<button class='btn' data-close>Close</button></div></dialog>"
        "<dialog class='wb-keys lb-dialog' data-dialog='new'><h3>A new query</h3><p>It is kept among the typed queries "
        "of this corpus; one that a query set has already is opened there.</p>"
        "<textarea class='lb-newtext' rows='3' maxlength='10000' placeholder='What would somebody ask?'></textarea>"
        "<div class='row'><a class='btn' data-import>Upload a file of queries</a><span class='spring'></span>"
        "<button class='btn' data-close>Cancel</button><button class='btn primary' data-make>Label it</button></div>"
        "</dialog>"
    )


def no_queries(place: Place) -> str:
    """The corpus has no queries yet: what the page is for, and the one button; a typed query is enough too."""
    button = empty("Label documents for queries", f"{PURPOSE} It takes queries: load a file, or type one.")
    form = (
        "<div class='row lb-first' data-form><input name='text' maxlength='2000' aria-label='A query' "
        "placeholder='Type a query'><button class='btn' data-do='type' data-default>Label it</button>"
        "<span class='dim'>or</span>"
        f"<a class='btn primary' href='{escape(place.link('/corpus'))}'>Load queries</a></div>"
    )
    return button.removesuffix("</div>") + form + "</div>"


def nothing_encoded(place: Place) -> str:
    """There are queries, but nothing that could find candidates."""
    text = (
        f"{PURPOSE} Candidates come from searches, and nothing of “{place.corpus}” is encoded yet; BM25 takes seconds."
    )
    return empty("Nothing can be searched yet", text, place.link("/encode"), "Encode the corpus")
