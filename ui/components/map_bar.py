"""Around the map: which map is shown, what it was made of, how far it can be trusted, and what is selected on it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ui.components.figures import ago, duration, several
from ui.components.map_legend import figure
from ui.components.text import clip, escape

if TYPE_CHECKING:
    from workbench.workflows.map import MapInfo

PURPOSE = (
    "A map puts every document on a plane so that documents which the encoder finds alike lie together. It shows the "
    "groups in a corpus, what lies between them, duplicates and outliers, and where a query's hits are; a click on a "
    "point brings its true neighbours, and what you circle can be kept, tagged and exported."
)
NOT_SHOWN = (
    "Distance between far groups means little: only who is near whom was kept, as well as two dimensions allow.",
    "The size of a group and the space inside it are made even: a dense group looks as wide as a loose one.",
    "The axes have no meaning, and the picture may be turned or mirrored without saying anything else.",
    "Some neighbours are torn apart and some strangers are put together: colour by trust and continuity to see where.",
    "A query is placed between the documents nearest to it; it was not there when the map was made.",
    "Click a point for its true neighbours: they come from the original vectors, not from this picture.",
)


def map_choice(maps: "Sequence[MapInfo]", chosen: str, other: str) -> str:
    """The selects of the map, and of a second one beside it where there is one of the same documents."""
    shown = next((each for each in maps if each.id == chosen), None)
    names = {each.id: map_label(each) for each in maps}
    same = [each for each in maps if shown and each.corpus == shown.corpus and each.id != chosen]
    beside = {"": "none", **{each.id: names[each.id] for each in same}}
    second = (
        f'<label data-key="other {escape(other)}" title="A second map of the same documents, linked with this one">'
        f'Compare with <select data-change="other" aria-label="Second map">{chosen_options(beside, other)}</select>'
        "</label>"
        if same
        else ""
    )
    return (
        f'<label data-key="map {escape(chosen)}">Map <select data-change="map" aria-label="Map">'
        f"{chosen_options(names, chosen)}</select></label>{second}"
    )


def map_label(info: "MapInfo") -> str:
    """ "minilm · umap · 5,728 · trust 0.97"."""
    version = f" · version {info.corpus.rpartition('@')[2]}" if info.stale or info.placed else ""
    placed = f" · {info.placed:,} placed" if info.placed else ""
    return f"{info.encoder} · {info.method} · {info.points:,} · trust {info.trustworthiness:.2f}{version}{placed}"


def chosen_options(names: dict[str, str], chosen: str) -> str:
    """The `<option>`s of a select, value → what is shown."""
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(clip(shown, 80))}</option>'
        for value, shown in names.items()
    )


def make_menu(encoders: Sequence[str], made: "Sequence[MapInfo]", shown: str) -> str:
    """The menu that makes another map: of which encoder, by which method, aligned with the shown one or not."""
    if not encoders:
        return ""
    known = {each.encoder for each in made}
    names = {name: name + (" · has a map" if name in known else "") for name in encoders}
    first = next((name for name in encoders if name not in known), encoders[0])
    aligned = (
        '<label class="wb-check" title="Start from the layout of the map that is shown, so that the two can be '
        'compared by eye"><input type="checkbox" name="aligned" checked> aligned with this one</label>'
        if shown
        else ""
    )
    return (
        '<details class="menu wb-make"><summary class="btn small">Make a map…</summary><div class="pop" data-form>'
        f'<label>Embedding <select name="encoder">{chosen_options(names, first)}</select></label>'
        '<label title="UMAP keeps neighbourhoods; PCA is a flat shadow of the vectors, quick and linear">Method '
        '<select name="method"><option>umap</option><option>pca</option></select></label>'
        '<label title="True neighbours each document is drawn to: few show detail, many the large picture">Neighbours '
        '<input name="neighbors" type="number" min="2" max="200" value="15"></label>'
        '<label title="How close points may lie: small shows clumps, large spreads them">Least distance '
        '<input name="min_dist" type="number" min="0" max="0.99" step="0.01" value="0.1"></label>'
        '<label title="Same seed, same map">Seed <input name="seed" type="number" min="0" value="0"></label>'
        f'{aligned}<button class="btn small primary" data-do="make" data-default>Make it</button></div></details>'
    )


def honesty_html(info: "MapInfo", narrowed: int | None = None, *, explains: bool = True) -> str:
    """The line under a map: documents, trustworthiness, continuity, k, seed; and what a map does not show."""
    shown = f"{info.points:,}" if narrowed is None else f"{narrowed:,} / {info.points:,}"
    nearness = "exact neighbours" if info.exact else f"approximate neighbours, recall {info.recall:.3f}"
    took = f"{duration(info.seconds)}, {ago(info.created_at)}"
    made = f"{info.method} of {info.encoder} by {info.metric}, {nearness}, {took}"
    facts = (
        fact(shown, "documents", made),
        fact(figure3(info.trustworthiness), "trustworthiness", TRUST),
        fact(figure3(info.continuity), "continuity", CONTINUITY),
        fact(str(info.k), "k", "Neighbours of each document that these two numbers look at"),
        fact(str(info.seed), "seed", made),
        *([fact(f"{info.placed:,}", "placed approximately", PLACED)] if info.placed else []),
    )
    reduced = f'<p class="dim">{escape(info.reduction)}</p>' if info.reduction else ""
    notes = "".join(f"<li>{escape(each)}</li>" for each in NOT_SHOWN)
    told = (
        '<details class="menu wb-notshown"><summary class="wb-quiet">what it does not show</summary>'
        f'<div class="pop"><ul>{notes}</ul>{reduced}</div></details>'
    )
    return f'<div class="wb-honest"><span class="facts">{"".join(facts)}</span>{told if explains else ""}</div>'


TRUST = "1 means that every two neighbours on the map are neighbours in the vectors too; 0.5 is chance"
PLACED = "They came after the layout was made, and lie between their nearest neighbours: colour by “Placed later”"
CONTINUITY = "1 means that every two neighbours in the vectors are neighbours on the map too"


def fact(value: str, name: str, title: str = "") -> str:
    told = f' title="{escape(title)}"' if title else ""
    return f"<span{told}>{name} <b>{value}</b></span>"


def figure3(value: float) -> str:
    return f"{value:.3f}" if 0 <= value <= 1 else figure(value)


def stale_html(info: "MapInfo", rebuilds: bool, places: bool = False) -> str:
    """That the map no longer shows what is there, with the buttons that mend it where that is possible."""
    if not info.stale:
        return ""
    place = (
        '<button class="btn small" data-do="place" title="Documents with the same content keep their place; new ones '
        'are put between their nearest neighbours, approximately">Place the new documents into this map</button>'
    )
    rebuild = (
        '<button class="btn small" data-do="rebuild" title="A layout of its own, by the same settings">'
        "Make the map of the new version</button>"
    )
    return (
        f'<div class="note warn wb-stale">{escape(info.stale)} {place if places else ""}'
        f"{rebuild if rebuilds else ''}</div>"
    )


def selection_bar(count: int, total: int, extra: str = "", seen: int | None = None) -> str:
    """What is selected, with ×, and what can be done with it; `extra` is the markup of subsets, tags and exports.

    `seen`: how many documents pass the conditions, where some do not: the others are never selected.
    """
    if not count:
        return ""
    scope = several(total, "document")
    if seen is not None and seen < total:
        scope = (
            f'<span title="Dimmed documents and those of classes that are switched off are not selected">{seen:,} that '
            f"pass, of {scope},</span>"
        )
    return (
        f'<div class="wb-selected"><b>{count:,}</b> of {scope} selected '
        '<button class="wb-act" data-do="unselect" title="Clear the selection (Esc)" aria-label="Clear the selection">'
        "×</button>"
        '<button class="btn small" data-do="members" title="Titles of the first ones, beside the map">list</button>'
        '<button class="btn small" data-do="within" title="Search among these documents only">search within</button>'
        f"{extra}</div>"
    )


def no_maps(corpus: str, documents: int, encoder: str) -> str:
    """What a map is for, and the one button that makes the first."""
    return (
        f"<div class='empty'><h2>No map of {escape(corpus)} yet</h2><p>{escape(PURPOSE)}</p>"
        f"<button class='btn primary' data-act='make' data-encoder='{escape(encoder)}'>Map this corpus with "
        f"{escape(clip(encoder, 60))}</button><p class='dim'>{several(documents, 'document')}; a hundred thousand take "
        "a few minutes.</p></div>"
    )


def spec_of(info: "MapInfo") -> dict[str, Any]:
    """The settings a map was made with, for the same of another version; what it was aligned with is of the old one."""
    spec = dict(info.manifest["spec"]["map"])
    if str(spec.get("init", "")).startswith("map:"):
        spec["init"] = "pca"
    return spec
