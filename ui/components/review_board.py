"""The frame of the Review page: what is reviewed and by whom, the parts, the keys; assets/review.mjs fills the rest."""

import json
from collections.abc import Sequence

from ui.components.export_labels_view import export_button
from ui.components.review_cards import KEYS
from ui.components.review_view import PARTS, ReviewView
from ui.components.text import clip, escape
from ui.session import Place
from workbench.workflows.adjudicating import final_set
from workbench.workflows.review import LabelSets
from workbench.workflows.suspects import KEPT

STATES = (
    ("open", "open"),
    ("accepted", "accepted"),
    ("rejected", "rejected"),
    ("relabelled", "relabelled"),
    ("all", "all"),
)
WHICH = (("open", "open"), ("all", "decided ones too"))
UNDO = (
    "<button class='btn small' data-step='undo' title='Take your last decision here back (Ctrl+Z)'>"
    "Undo <kbd>Ctrl Z</kbd></button>"
)
SCALES = (("grades", "grades 0 to 3"), ("relevant", "relevant or not"))


def board_html(place: Place, view: ReviewView, sets: Sequence[str], labels: LabelSets, rerankers: Sequence[str]) -> str:
    """`sets`: the query sets of the corpus; `rerankers`: those that a search may ask too."""
    config = {
        "project": place.project,
        "part": view.part,
        "set": view.by.query_set,
        "labels": view.by.label_set,
        "finals": {name: final_set(name) for name in labels.people},
        "kept": KEPT,
    }
    tabs = "".join(
        f"<a href='{escape(link(place, view, part))}' role='tab' "
        f"aria-selected='{'true' if part == view.part else 'false'}'>{name}</a>"
        for part, name in PARTS.items()
    )
    return (
        f"<div class='rv wb-listing' data-key='{view.part} {escape(view.by.query_set)}' "
        f"data-config='{escape(json.dumps(config))}'>"
        f"<div class='row rv-bar'>{select('set', 'query set', [(name, name) for name in sets], view.by.query_set)}"
        f"{choices(view, labels)}<label class='pick'>reviewing as<input class='rv-annotator' maxlength='60' "
        f"placeholder='me'></label>{others_html(view)}<span class='spring'></span>{UNDO * (view.part != 'agreement')}"
        f"{export_button(view.by.query_set)}"
        "<button class='btn small' data-open='help' title='All keys (?)'>Keys <kbd>?</kbd></button></div>"
        f"<nav class='rv-tabs' role='tablist'>{tabs}</nav><div class='rv-head'><b class='rv-done'></b>"
        "<span class='meter'><i></i></span><span class='rv-note dim'></span><span class='spring'></span>"
        f"<span class='rv-saved' role='status'></span>{actions(view, labels, rerankers)}</div>"
        "<div class='rv-told note' role='status' hidden></div>"
        "<div class='rv-pool'><p class='rv-wait'>Reading…</p></div>"
        f"<div class='rv-more' hidden><button class='btn' data-more>Show the next <kbd>n</kbd></button></div>"
        f"{help_html(view.part)}</div>"
    )


def others_html(view: ReviewView) -> str:
    """The switch of a blind review; a disagreement is nothing without what others said."""
    if view.part not in ("suspects", "proposals"):
        return ""
    ticked = "" if view.others else " checked"
    title = "Hide what others and the imported qrels say, and the warnings that come of it"
    return f"<label class='wb-check' title='{title}'><input type='checkbox' data-view='others'{ticked}> blind</label>"


def link(place: Place, view: ReviewView, part: str) -> str:
    values = {"set": view.by.query_set, "labels": view.by.label_set, "proposed": view.proposed, "part": part}
    return place.link("/review", **values)


def choices(view: ReviewView, labels: LabelSets) -> str:
    """What a part lets one choose: the label set that is written to or compared, the proposal, what is shown."""
    people = select("labels", "labels", [(name, name) for name in labels.people], view.by.label_set)
    if view.part == "suspects":
        return people
    if view.part == "agreement":
        return people + select("scale", "compare", SCALES, view.scale)
    if view.part == "disagreements":
        return people + select("state", "show", WHICH, view.state)
    proposed = select("proposed", "proposed in", [(name, name) for name in labels.proposed], view.proposed)
    return proposed + select("state", "show", STATES, view.state) + people


def actions(view: ReviewView, labels: LabelSets, rerankers: Sequence[str]) -> str:
    """The work that a part can start."""
    if view.part == "disagreements":
        return (
            "<button class='btn small' data-do='resolve' title='What two or more judged, all the same, becomes a final "
            "label; one undo takes it back'>Settle what all agree on</button>"
        )
    if view.part != "suspects":
        return ""
    boxes = "".join(
        f"<label><input type='checkbox' name='doubt {escape(name)}' checked>{escape(clip(name, 60))}</label>"
        for name in labels.negatives
    )
    options = "".join(f"<option value='{escape(name)}'>{escape(name)}</option>" for name in rerankers)
    return (
        "<details class='menu'><summary class='btn small'>Search again</summary><div class='pop rv-search' data-form>"
        f"<b>Doubt the negatives of</b>{boxes or '<span class=dim>no label set yet</span>'}<label class='pick'>reranker"
        f"<select name='reranker'><option value=''>none</option>{options}</select></label><span class='dim'>A reranker "
        "reads every negative and positive: slow, and the best judge.</span>"
        "<button class='btn primary' data-do='search' data-default>Search</button></div></details>"
    )


def select(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    listed = "".join(
        f"<option value='{escape(value)}'{' selected' if value == chosen else ''}>{escape(clip(text, 60))}</option>"
        for value, text in options
    )
    return f"<label class='pick'>{label}<select data-view='{name}'>{listed}</select></label>" if options else ""


def help_html(part: str) -> str:
    moves = (("↓ j", "the next card"), ("↑", "the card before"), ("e", "the whole text"), ("n", "the next cards"))
    moves += (("Ctrl Z", "take the last decision back"), ("Ctrl Shift Z", "make it again"), ("?", "this list"))
    own = tuple((key, f"{name}: {what[0].lower()}{what[1:]}") for key, name, what, _ in KEYS.get(part, ()))
    rows = "".join(f"<dt><kbd>{escape(key)}</kbd></dt><dd>{escape(what)}</dd>" for key, what in (*own, *moves))
    return (
        f"<dialog class='rv-help wb-keys' data-dialog='help'><h3>Keys</h3><dl class='facts-list'>{rows}</dl>"
        "<button class='btn' data-close>Close</button></dialog>"
    )
