"""Judged marks on the map: which query of which query set is meant, their legend, and the list to choose from."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from ui.components.column_editor import named_options
from ui.components.map_view import NO_SET, MapView
from ui.components.text import clip, escape
from workbench.project import Project
from workbench.workflows import map as maps

LISTED = 20
NAMES = MappingProxyType({"positive": "Relevant", "negative": "Hard negative", "irrelevant": "Judged, not relevant"})
GLYPHS = MappingProxyType(
    {
        "positive": '<circle cx="8" cy="8" r="7"/><path d="M4.6 8.3 7.1 10.8 11.4 5.4"/>',
        "negative": '<rect x="1" y="1" width="14" height="14" rx="3"/><path d="M5 5 11 11M11 5 5 11"/>',
        "irrelevant": '<path class="body" d="M8 .8 15.2 8 8 15.2.8 8Z"/><path d="M5 8H11"/>',
    }
)
"""The shapes that assets/map_overlay.mjs draws, for the legend."""


def known(project: Project, view: MapView) -> "maps.KnownQuery | None":
    """The query whose judgments are marked: the chosen one, else one with the text that was typed; None for none."""
    if view.query_set == NO_SET:
        return None
    if view.query_set:
        return maps.known_query(project, view.map, view.query_set, view.query_id)
    return next(iter(maps.queries_with_text(project, view.map, view.query)), None)


def marks(project: Project, map: str, query: "maps.KnownQuery | None") -> "maps.JudgedMarks":
    return maps.judged_marks(project, map, query.query_set, query.query_id) if query else maps.JudgedMarks()


def mark_values(found: "maps.JudgedMarks") -> list[dict[str, Any]]:
    """What a map draws. Relevant ones last, so that they lie on top."""
    drawn: list[dict[str, Any]] = [{"row": row, "kind": "irrelevant"} for row in found.negatives]
    drawn += [{"row": row, "kind": "negative"} for row in found.hard_negatives]
    return drawn + [{"row": row, "kind": "positive", "grade": found.grades[row]} for row in found.positives]


def judged_html(project: Project, view: MapView, query: "maps.KnownQuery | None", found: "maps.JudgedMarks") -> str:
    """The part of the rail: the query with its marks, and the list to choose from. Empty without query sets."""
    sets = maps.query_sets_of_map(project, view.map)
    if not sets:
        return ""
    shown = legend_html(query, found) if query else ""
    listed = maps.queries_with_words(project, view.map, query.query_set if query else sets[0], "", LISTED)
    return f'<div class="wb-part"><h3>Judged documents</h3>{shown}{choice_html(sets, listed, "", query)}</div>'


def searched_html(project: Project, view: MapView, query_set: str, words: str) -> str:
    """The same while a person looks for a query."""
    sets, query = maps.query_sets_of_map(project, view.map), known(project, view)
    listed = maps.queries_with_words(project, view.map, query_set, words, LISTED)
    shown = legend_html(query, marks(project, view.map, query)) if query else ""
    picked = choice_html(sets, listed, words, query, query_set)
    return f'<div class="wb-part"><h3>Judged documents</h3>{shown}{picked}</div>'


def legend_html(query: "maps.KnownQuery", found: "maps.JudgedMarks") -> str:
    """Shape, meaning and number of each kind of mark; what lies outside the map is told."""
    counts = {"positive": found.positives, "negative": found.hard_negatives, "irrelevant": found.negatives}
    rows = "".join(
        f'<li><svg class="wb-mark {kind}" viewBox="0 0 16 16" aria-hidden="true">{GLYPHS[kind]}</svg>'
        f'{NAMES[kind]}<span class="num">{len(rows):,}</span></li>'
        for kind, rows in counts.items()
        if rows
    )
    graded = any(grade > 1 for grade in found.grades.values())
    notes = ["the small number is the grade"] if graded else []
    notes += [f"{found.missing:,} more are not on this map"] if found.missing else []
    notes += [] if rows or found.missing else ["nobody has judged a document for it yet"]
    told = f'<p class="dim">{"; ".join(notes)}</p>' if notes else ""
    return (
        f'<div class="wb-judgedquery"><span>“<bdi>{escape(clip(query.text or query.query_id, 90))}”</bdi> '
        f'<span class="dim">{escape(clip(query.query_set, 40))} · {escape(clip(query.query_id, 30))}</span></span>'
        '<button class="wb-act" data-do="unjudged" title="Take the marks away" aria-label="Take the marks away">×'
        f'</button></div><ul class="wb-marks">{rows}</ul>{told}'
    )


def choice_html(
    sets: Sequence[str], listed: "Sequence[maps.KnownQuery]", words: str, query: Any, chosen: str = ""
) -> str:
    """The list of queries with how many documents were judged for each; a click asks one and marks its documents."""
    own = chosen or (query.query_set if query else sets[0])
    rows = "".join(query_row(each, query) for each in listed) or '<p class="dim">No query with these words.</p>'
    more = f'<p class="dim">The first {LISTED}; write words to find others.</p>' if len(listed) == LISTED else ""
    names = {name: clip(name, 40) for name in sets}
    one = len(sets) == 1
    which = (
        f'<input type="hidden" name="set" value="{escape(own)}">'
        if one
        else f'<select name="set" data-change="queries" data-key="set {escape(own)}" aria-label="Query set">'
        f"{named_options(names, own)}</select>"
    )
    opened = " open" if words or chosen else ""
    return (
        f'<details class="wb-queries"{opened}><summary class="wb-quiet">choose a judged query</summary>'
        f'<div data-form>{which}<div class="wb-words"><input name="words" value="{escape(words)}" '
        'placeholder="words or id" aria-label="Words of the query, or its id" autocomplete="off">'
        '<button class="btn small" data-do="queries" data-default>Find</button></div></div>'
        f'<div class="wb-querylist">{rows}</div>{more}</details>'
    )


def query_row(each: "maps.KnownQuery", query: Any) -> str:
    on = query is not None and (each.query_set, each.query_id) == (query.query_set, query.query_id)
    return (
        f'<button class="wb-problem" data-do="judged" data-set="{escape(each.query_set)}" '
        f'data-query="{escape(each.query_id)}" data-key="query {escape(each.query_id)}" '
        f'aria-pressed="{str(on).lower()}"><bdi>{escape(clip(each.text or each.query_id, 120))}</bdi>'
        f'<span class="num" title="judged documents">{each.judged:,}</span></button>'
    )
