"""The legend of a colouring: classes with counts and switches, or a ramp with its ends; and the choice of colouring."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from ui.components.map_clusters import NONE, Clusters, form_html, tools_html
from ui.components.point_map import class_color, ramp_css
from ui.components.text import clip, escape

if TYPE_CHECKING:
    from workbench.workflows.map import Colouring, Legend, LegendEntry

HINT = "Click: show or hide this class. Double click: this class alone, or all again."
COLOURS = 256
GROUPS = MappingProxyType(
    {
        "": "What it holds",
        "column": "Metadata",
        "judgments": "Judgments",
        "trust": "How far to trust the picture",
        "outlierness": "Neighbourhoods",
        "agreement": "The other map",
    }
)
"""Group of colourings → its title; `group_of` says which is in which."""


def colour_choice(colourings: "Sequence[Colouring]", chosen: str) -> str:
    """The select “colour by”, in groups, with what the chosen colouring says under it."""
    groups: dict[str, list[str]] = {name: [] for name in GROUPS.values()}
    for each in colourings:
        mark = " selected" if each.name == chosen else ""
        option = f'<option value="{escape(each.name)}"{mark}>{escape(clip(each.title, 60))}</option>'
        groups[group_of(each.name)].append(option)
    filled = {name: "".join(items) for name, items in groups.items() if items}
    drawn = "".join(f'<optgroup label="{escape(name)}">{items}</optgroup>' for name, items in filled.items())
    return (
        f'<label class="wb-mline" data-key="color {escape(chosen)}"><span>Colour by</span>'
        f'<select data-change="color" aria-label="Colour by">{drawn}</select></label>'
    )


def group_of(name: str) -> str:
    """The title of a colouring's group."""
    kind = name.partition(":")[0]
    kind = {"continuity": "trust", "hubs": "outlierness", "duplicates": "outlierness"}.get(kind, kind)
    kind = {"disagreement": "outlierness"}.get(kind, kind)
    return GROUPS.get(kind, GROUPS[""])


def legend_html(
    legend: "Legend",
    hidden: Collection[int] = (),
    scoped: Mapping[int, int] | None = None,
    clusters: Clusters | None = None,
    editing: int = NONE,
) -> str:
    """The legend; `scoped` counts, by colour, the documents that filters leave: “47 / 412”.

    `clusters`: those of each colour, where they can be renamed; `editing`: the colour whose name is in a field.
    """
    if legend.kind == "ramp":
        return ramp_html(legend)
    drawn = []
    for each in legend.entries:
        row, own = entry_html(each, each.color in hidden, scoped), (clusters or {}).get(each.color, ())
        if own:
            edited = each.color == editing
            row = form_html(editing, own) if edited else f"{row}{tools_html(each.color, own)}"
            row = f'<div class="wb-classrow" data-key="row {each.color}">{row}</div>'
        drawn.append(row)
    rows = "".join(drawn)
    shown = len(legend.entries) - sum(each.color in hidden for each in legend.entries)
    every = (
        f'<button class="wb-quiet" data-do="hide" data-hide="">all {len(legend.entries):,}</button>'
        if shown < len(legend.entries)
        else ""
    )
    head = f'<div class="wb-mhead"><span class="dim">{shown:,} of {len(legend.entries):,} classes</span>{every}</div>'
    return f'{head}<div class="wb-legend" role="group" aria-label="{escape(legend.title)}">{rows}</div>'


def entry_html(entry: "LegendEntry", off: bool, scoped: Mapping[int, int] | None) -> str:
    label, color = entry.label, entry.color
    number = f"{entry.count:,}" if scoped is None else f"{scoped.get(color, 0):,} / {entry.count:,}"
    return (
        f'<button class="wb-class" data-key="class {color}" data-class="{color}" aria-pressed="{str(not off).lower()}" '
        f'title="{escape(f"{label}: {HINT}")}"><i style="background:{class_color(color)}"></i>'
        f'<bdi>{escape(clip(label, 80))}</bdi><span class="num">{number}</span></button>'
    )


def ramp_html(legend: "Legend") -> str:
    """From `low` to `high`, with what lies outside and what has no value."""
    notes = []
    if legend.clipped:
        notes.append(f"{legend.clipped:,} beyond the ends")
    if legend.missing:
        notes.append(f"{legend.missing:,} without a value, grey")
    note = f'<div class="dim">{" · ".join(notes)}</div>' if notes else ""
    return (
        f'<div class="wb-ramplegend"><div class="wb-rampbar" style="background:{ramp_css()}"></div>'
        f'<div class="wb-rampends"><span>{figure(legend.low)}</span><span>{figure(legend.high)}</span></div>'
        f"{note}</div>"
    )


def figure(value: float) -> str:
    """ "0.912", "1,204", "12.5": three significant digits below a thousand."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def toggled(hidden: Collection[int], color: int) -> tuple[int, ...]:
    """The hidden colours after a click on the class `color`."""
    return tuple(sorted(set(hidden) ^ {color}))


def read_hidden(text: str) -> tuple[int, ...]:
    """The hidden colours as the browser sends them: “0.3.12”; what is no colour is left out."""
    found = {int(part) for part in text.split(".") if part.isdecimal() and len(part) < 4}
    return tuple(sorted(each for each in found if each < COLOURS))
