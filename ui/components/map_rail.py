"""The regions around a map for a view: its head, colours, words, problems, honesty line, and the pair's table."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from ui.components import map_bar as bars
from ui.components.column_editor import Choices, named_options, pipeline_label, system_value
from ui.components.columns import SAVED, chosen_value
from ui.components.filters import filter_form
from ui.components.judging_bar import judge_switch
from ui.components.map_chosen import SCORE, Chosen, counted
from ui.components.map_clusters import NONE, by_color
from ui.components.map_legend import colour_choice, legend_html
from ui.components.map_pair import agreement_html, most_moved, went_html
from ui.components.map_view import CLUSTER, MapView
from ui.components.text import clip, escape
from ui.session import Place
from workbench.project import Project
from workbench.types import Filter
from workbench.workflows import corpus as corpora
from workbench.workflows import encode
from workbench.workflows import map as maps

if TYPE_CHECKING:
    from workbench.workflows.map import Legend, MapInfo

MOVES = 30
HITS = (5, 10, 20, 50, 100)
PROBLEMS = MappingProxyType(
    {
        "exact-duplicates": "Exact duplicates",
        "near-duplicates": "Near duplicates",
        "outliers": "Outliers",
        "hubs": "Hubs",
    }
)


def ask_html(view: MapView, choices: Choices) -> str:
    """Which pipeline the search uses, and how many hits it lights up."""
    ready = [each for each in choices.systems if each.ready]
    if not ready or view.column is None:
        return ""
    chosen = chosen_value(view.column, choices)
    own = {chosen: pipeline_label(view.column.pipeline)} if chosen == "custom" else {}
    listed = (
        own
        | {system_value(each.encoder, each.index): each.label for each in ready}
        | {SAVED + name: name for name in choices.saved}
    )
    depths = {str(each): f"{each} hits" for each in sorted({*HITS, view.k})}
    return (
        f'<span class="wb-askpipe"><select data-change="pipeline" data-key="pipe {escape(chosen)}" '
        f'aria-label="Pipeline of the search">{named_options(listed, chosen)}</select>'
        f'<select data-change="k" data-key="k {view.k}" aria-label="Hits">{named_options(depths, str(view.k))}</select>'
        f"{judge_switch(view.judge)}</span>"
    )


def head_html(project: Project, place: Place, view: MapView, info: "MapInfo") -> str:
    """The maps there are, the menu that makes another, the export; a stale map says so under them."""
    made = maps.list_maps(project, place.corpus)
    encoders = [each.encoder for each in encode.list_embeddings(project, place.corpus)]
    return (
        f'<div class="wb-maphead">{bars.map_choice(made, view.map, view.other)}'
        f"{bars.make_menu(list(dict.fromkeys(encoders)), made, view.map)}"
        '<button class="btn small" data-do="html" title="One file with points, names and titles that opens without a '
        'server">Export HTML</button></div>'
        f"{bars.stale_html(info, info.encoder in encoders, bool(info.stale) and maps.placeable(project, info.id))}"
    )


def colour_html(project: Project, view: MapView, legend: "Legend", found: Chosen, editing: int = NONE) -> str:
    """The choice of colouring and its legend, with the counts that conditions leave; names of clusters are editable."""
    known = maps.colourings(project, view.map)
    if view.asks:
        known = [maps.Colouring(SCORE, "Score for the query", "ramp", "By the map's encoder"), *known]
    told = next((each.told for each in known if each.name == view.color), "")
    scoped: Mapping[int, int] | None = counted(project, view, found.passing) if view.narrowed else None
    note = f'<p class="dim">{escape(told)}</p>' if told and legend.kind == "ramp" else ""
    named = by_color(project, view.map) if view.color == CLUSTER else None
    drawn = legend_html(legend, view.hidden, scoped, named, editing)
    return f'<div class="wb-part">{colour_choice(known, view.color)}{note}{drawn}</div>'


def words_html(view: MapView, found: Chosen) -> str:
    """Words that documents must hold, and how many pass all conditions."""
    total, left = found.passing.size, int(found.passing.sum())
    count = f'<span class="dim">{left:,} / {total:,}</span>' if view.narrowed else ""
    none = '<button class="wb-quiet" data-do="nowords">clear</button>' if view.text else ""
    return (
        f'<div class="wb-part"><h3>Show only {count}</h3>'
        f'<div class="wb-words" data-form data-key="words {escape(view.text)}">'
        f'<input name="text" value="{escape(view.text)}" placeholder="with these words" aria-label="Words" '
        'autocomplete="off"><button class="btn small" data-do="words" data-default>Dim others</button></div>'
        f"{none}</div>"
    )


def filters_html(project: Project, corpus: str, filters: Sequence[Filter], field: str = "") -> str:
    """The conditions on metadata, in the rail."""
    form = filter_form(project, corpus, filters, field)
    return f'<div class="wb-part">{form}</div>' if form else ""


def problems_html(view: MapView, counts: Mapping[str, int] | None) -> str:
    """The lists of problems with their counts; they are counted when a person asks, as that reads the whole corpus."""
    if counts is None:
        return (
            '<div class="wb-part"><h3>Problems</h3><button class="btn small" data-do="problems" title="Duplicates, '
            'outliers, hubs, labels that the neighbours disagree with">Find problems</button></div>'
        )
    rows = "".join(
        f'<button class="wb-problem" data-do="problem" data-name="{escape(name)}" data-key="problem {escape(name)}" '
        f'aria-pressed="{str(name == view.problem).lower()}"{" disabled" if not count else ""}>'
        f'<bdi>{escape(problem_title(name))}</bdi><span class="num">{count:,}</span></button>'
        for name, count in counts.items()
    )
    return f'<div class="wb-part"><h3>Problems <span class="dim">click selects</span></h3><div>{rows}</div></div>'


def problem_title(name: str) -> str:
    kind, _, column = name.partition(":")
    return PROBLEMS.get(kind, f"“{clip(column, 40)}” unlike neighbours")


def honest_html(info: "MapInfo", view: MapView, found: Chosen) -> str:
    """The line under a map; what no map shows is told once."""
    left = int(found.passing.sum()) if view.narrowed else None
    return bars.honesty_html(info, left, explains=info.id == view.map)


def pair_html(project: Project, view: MapView) -> str:
    """How far two maps agree, and where the open document's neighbours went, or which documents went furthest."""
    if not view.other:
        return ""
    left, right = maps.get_map(project, view.map), maps.get_map(project, view.other)
    names = (left.encoder, right.encoder)
    if names[0] == names[1]:
        names = (f"{left.encoder} · {left.method}", f"{right.encoder} · {right.method}")
    if view.pick >= 0:
        k = min(left.k, right.k)
        rows = most_moved(maps.displaced(project, view.map, view.other, view.pick), k)
        titles = {each.ordinal: title_of(project, left, each.ordinal) for each in rows}
        return went_html(title_of(project, left, view.pick), rows, titles, names, k)
    found = maps.agreement(project, view.map, view.other)
    colored = view.color == f"agreement:{view.other}"
    return agreement_html(names, found.mean, found.k, colored, maps.moved(project, view.map, view.other, MOVES))


def title_of(project: Project, info: "MapInfo", ordinal: int) -> str:
    document = corpora.get_document(project, info.corpus_id, ordinal)
    return document.title or clip(document.text, 120) or document.doc_id
