"""Parts of the Index page: suggestions, the verdict on a factory string, the list of indices."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ui.components.figures import ago, duration, size
from ui.handlers import escape
from ui.session import Place

if TYPE_CHECKING:
    from workbench.workflows.index import IndexInfo, Suggestion


INVERTED = "inverted"
"""The index of sparse vectors: it comes and goes with its embedding."""


def suggestion_cards(found: "Sequence[Suggestion]", memory: float) -> str:
    """One card a suggestion; a click puts its factory string into the field."""
    if not found:
        return (
            f"<div class='note warn'><b>Nothing fits into {memory:,} MB.</b> "
            "<span class='hint'>Give more memory, or write a factory string yourself.</span></div>"
        )
    cards = "".join(
        f"<button class='card pickable' data-do='choose' data-factory='{escape(each.factory)}'>"
        f"<span class='row'><code><b>{escape(each.factory)}</b></code><span class='spring'></span>"
        f"<span class='facts'>{size(each.bytes)}</span></span><span class='dim'>{escape(each.why)}</span></button>"
        for each in found
    )
    cards = f"<div class='cards'>{cards}</div>"
    return f"<div class='row'><h3>Suggestions for this embedding</h3><span class='dim'>click one</span></div>{cards}"


def checked(factory: str, warnings: Sequence[str]) -> str:
    """The verdict on a factory string that works, with what to know about it."""
    notes = "".join(f"<div class='note warn'>{escape(text)}</div>" for text in warnings)
    return notes or f"<div class='note good'><code>{escape(factory)}</code> fits this embedding.</div>"


def index_table(found: "Sequence[IndexInfo]", place: Place) -> str:
    """The indices of the corpus; an empty text where there is none."""
    if not found:
        return (
            "<h3 class='above'>Indices</h3><div class='note'>No index yet. Search works without: it compares the query "
            "with every vector, exactly.</div>"
        )
    head = "<th>Index</th><th>Embedding</th><th>Metric</th><th class='num'>Size</th><th class='num'>Built in</th>"
    head += "<th>Search settings</th><th>Made</th><th></th>"
    rows = "".join(index_row(each, place) for each in found)
    return (
        f"<h3 class='above'>Indices</h3><div class='panel scroll'><table class='grid'><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def index_row(each: "IndexInfo", place: Place) -> str:
    search = escape(place.link("/search", encoder=each.encoder, index=each.factory))
    return (
        f"<tr data-key='{escape(each.id)}'><td><code>{escape(each.factory)}</code></td><td>{escape(each.encoder)}</td>"
        f"<td>{escape(each.metric)}</td><td class='num'>{size(each.bytes)}</td>"
        f"<td class='num'>{duration(each.seconds)}</td><td class='dim'>{settings(each.settings)}</td>"
        f"<td class='dim'>{ago(each.created_at)}</td><td class='acts'><a class='btn small' href='{search}'>Search</a> "
        f"{delete_menu(each.id, each.factory) if each.factory != INVERTED else ''}</td></tr>"
    )


def settings(found: "Mapping[str, Any] | Sequence[str]") -> str:
    """The settings that apply when this index is searched; “none” for exact scans."""
    if isinstance(found, Mapping):
        return ", ".join(f"{escape(name)} {escape(value)}" for name, value in found.items()) or "none"
    return ", ".join(escape(name) for name in found) or "none"


def delete_menu(id: str, name: str) -> str:
    """The button that asks once before it deletes."""
    return (
        "<details class='menu'><summary class='btn small danger'>Delete</summary><div class='pop'>"
        f"<b>Delete {escape(name)}?</b><span class='dim'>It can be made again from the same settings.</span>"
        f"<span class='row'><button class='btn danger' data-do='delete' data-id='{escape(id)}'>Delete</button></span>"
        "</div></details>"
    )
