"""The second line of the query: picture and text together, the step through a query set, and what belongs to all
columns: lines between them, saving, the blind round."""

from collections.abc import Sequence
from dataclasses import dataclass

from ui.components.address import View, columns_text
from ui.components.column_editor import named_options
from ui.components.judging_bar import judge_switch
from ui.components.text import clip, escape
from ui.session import Place


@dataclass(frozen=True)
class Around:
    """What the bar offers beside the view: query sets with their sizes, saved comparisons as (name, link)."""

    query_sets: Sequence[tuple[str, int]] = ()
    saved: Sequence[tuple[str, str]] = ()


def bar_html(view: View, around: Around, place: Place) -> str:
    alpha = alpha_html(view) if view.image and view.query else ""
    return (
        f'<div class="wb-askbar">{alpha}{stepper_html(view, around.query_sets)}<span class="spring"></span>'
        f"{lines_html(view)}{judge_switch(view.judge)}{saved_html(view, around.saved)}{blind_html(view, place)}</div>"
    )


def alpha_html(view: View) -> str:
    """Picture ↔ text, shown while both are in the query."""
    own = view.alpha is None
    share = 0.5 if view.alpha is None else 1 - view.alpha
    said = "model's own sum" if own else f"text {share:.2f}"
    button = (
        ""
        if own
        else '<button class="btn small" data-do="alpha" title="As the model joins them">model\'s own sum</button>'
    )
    return (
        f'<span class="wb-alpha" data-key="alpha {said}" title="How much of the query is the text; the rest is the '
        f'picture">picture <input type="range" min="0" max="1" step="0.02" value="{share:.2f}" data-tune="alpha" '
        f'aria-label="Share of the text"> text <output>{said}</output>{button}</span>'
    )


def stepper_html(view: View, sets: Sequence[tuple[str, int]]) -> str:
    """Choice of a query set and the two buttons that step through it."""
    if not sets:
        return ""
    sizes = dict(sets)
    chosen = view.query_set if view.query_set in sizes else sets[0][0]
    total = sizes[chosen]
    at = view.at if view.query_set == chosen else -1
    where = f"{at + 1:,}" if 0 <= at < total else "–"
    names = {name: f"{name} ({count:,})" for name, count in sets}
    return (
        '<span class="wb-stepper"><label>queries <select data-change="set" aria-label="Query set">'
        f"{named_options(names, chosen)}</select></label>"
        f'<button class="btn small" data-do="step" data-by="-1" data-set="{escape(chosen)}" data-hot="["'
        f'{" disabled" if at <= 0 else ""} title="The query before"><kbd>[</kbd> ‹</button>'
        f'<b class="mono">{where} / {total:,}</b>'
        f'<button class="btn small" data-do="step" data-by="1" data-set="{escape(chosen)}" data-hot="]"'
        f'{" disabled" if at + 1 >= total else ""} title="The next query">› <kbd>]</kbd></button></span>'
    )


def lines_html(view: View) -> str:
    if len(view.columns) < 2:
        return ""
    return (
        '<label class="wb-check" title="A line between the same document in neighbouring columns">'
        '<input type="checkbox" data-lines> lines</label>'
    )


def saved_html(view: View, saved: Sequence[tuple[str, str]]) -> str:
    """The menu of saved comparisons, with the form that keeps this one."""
    listed = "".join(f'<a href="{escape(link)}">{escape(clip(name, 60))}</a>' for name, link in saved[:30])
    rest = f'<span class="dim">and {len(saved) - 30} more</span>' if len(saved) > 30 else ""
    keep = (
        '<div class="row" data-form><input name="name" placeholder="Name of this comparison" aria-label="Name">'
        '<button class="btn small primary" data-do="keep" data-default>Save</button></div>'
        '<span class="dim">Saving gives a short link that stays.</span>'
        if view.columns
        else ""
    )
    return (
        '<details class="menu wb-saved"><summary class="btn small">Saved comparisons</summary><div class="pop">'
        f'{keep}<div class="wb-links">{listed or "<span class=dim>None yet.</span>"}{rest}</div></div></details>'
    )


def blind_html(view: View, place: Place) -> str:
    """The way to a blind round with these columns."""
    if len(view.columns) < 2:
        return ""
    values = {"cols": columns_text(view.columns), "set": view.query_set, "k": str(view.k)}
    return (
        f'<a class="btn small" data-hot="b" href="{escape(place.link("/blind", **values))}" '
        'title="Judge these columns without their names"><kbd>b</kbd> blind</a>'
    )
