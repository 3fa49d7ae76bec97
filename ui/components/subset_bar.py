"""What can be done with the documents in sight: subsets to choose from, save, tag, export. Pure markup, escaped.

The buttons belong to a `live` region; their `do` is one of `ACTIONS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ui.components.figures import ago, several, size
from ui.components.filters import datalist
from ui.components.text import clip, escape
from workbench.types import Filter

if TYPE_CHECKING:
    from workbench.workflows.subsets import NamedSet
    from workbench.workflows.tags import TagEvent, TagPreview

ACTIONS = ("choose", "save", "derive", "drop", "preview", "tag", "keep", "undo", "export")
FORMATS = ("csv", "jsonl", "parquet")


@dataclass(frozen=True)
class Sets:
    """What the bar shows: the corpus's subsets and tags, what is filtered by, and how many documents are in sight.

    `pending` is a tagging that waits for its confirmation, `last` the one that could be undone, `exports` the newest
    files (name, bytes, time) with `exports_at`, the address they are under.
    """

    subsets: "Sequence[NamedSet]"
    tags: "Sequence[NamedSet]"
    filters: Sequence[Filter]
    count: int
    total: int
    pending: "TagPreview | None" = None
    last: "TagEvent | None" = None
    exports: Sequence[tuple[str, int, float]] = ()
    exports_at: str = ""

    def is_chosen(self, field: str, name: str) -> bool:
        """Whether a filter asks for this subset or tag."""
        return any(
            each.field == field and each.op != "!=" and name in (each.value, *as_names(each)) for each in self.filters
        )


def as_names(item: Filter) -> tuple[str, ...]:
    """The names a filter holds."""
    return tuple(map(str, item.value)) if isinstance(item.value, tuple) else ()


def subset_bar(sets: Sets) -> str:
    """One line: subsets and tags to choose from, and what can be done with the documents in sight."""
    what = f"the {several(sets.count, 'document')} shown" if sets.count < sets.total else "all documents"
    menus = sets_menu(sets)
    if sets.count:
        menus += save_menu(what) + tag_menu(what, sets.tags)
    menus += export_menu(what if sets.count else "", sets.exports, sets.exports_at)
    return f'<div class="wb-subsetbar">{menus}{undo_html(sets.last)}</div>{pending_html(sets.pending)}'


def selection_actions(count: int, tags: "Sequence[NamedSet]" = ()) -> str:
    """For a selection of `count` documents anywhere: save it, tag it, export it. Nothing for an empty one."""
    what = f"the {several(count, 'selected document')}"
    return save_menu(what) + tag_menu(what, tags) + export_menu(what) if count else ""


def sets_menu(sets: Sets) -> str:
    """Subsets and tags with their counts; a click filters by one, or no longer."""
    rows = set_rows(sets, "@subset", sets.subsets, deletes=True)
    tagged = set_rows(sets, "@tag", sets.tags)
    inner = (f'<div class="wb-setlist">{rows}</div>' if rows else "") + (
        f'<h3>Tags</h3><div class="wb-setlist">{tagged}</div>' if tagged else ""
    )
    if not inner:
        inner = "<p>A subset is a set of documents under a name. Filter the list, then save what is shown.</p>"
    count = f' <span class="dim">{len(sets.subsets)}</span>' if sets.subsets else ""
    return menu(f"Subsets{count}", inner, "wb-sets")


def set_rows(sets: Sets, field: str, listed: "Sequence[NamedSet]", deletes: bool = False) -> str:
    rows = []
    for each in listed:
        chosen = "true" if sets.is_chosen(field, each.name) else "false"
        name = escape(each.name)
        drop = (
            f'<span class="wb-setacts"><button class="btn small" data-do="derive" data-name="{name}" title="Make its '
            'documents a corpus of their own, to encode, map and evaluate alone">New corpus</button>'
            f'<button class="icon" data-do="drop" data-name="{name}" title="Delete this subset; its documents stay" '
            f'aria-label="Delete {name}">×</button></span>'
            if deletes
            else "<span></span>"
        )
        rows.append(
            f'<button class="wb-set" data-do="choose" data-field="{field}" data-name="{name}" aria-pressed="{chosen}" '
            f'title="{escape(origin(each))}"><bdi>{escape(clip(each.name, 48))}</bdi></button>'
            f'<span class="facts">{each.count:,}</span>{drop}'
        )
    return "".join(rows)


def origin(found: "NamedSet") -> str:
    """ "filters · 3 min ago": how a set came about. Not escaped."""
    how = str(found.source.get("how", ""))
    of = found.source.get("of")
    named = f" of {', '.join(map(str, of))}" if isinstance(of, list) else ""
    return " · ".join(part for part in (f"{how}{named}", ago(found.created_at)) if part)


def save_menu(what: str) -> str:
    inner = (
        f'<div data-form><p>Keep {escape(what)} as a subset: a filter for browsing and searching.</p><div class="row">'
        '<input name="name" placeholder="name" maxlength="64" aria-label="Name of the subset" autocomplete="off">'
        '<button class="btn primary" data-do="save" data-default>Save</button></div></div>'
    )
    return menu("Save as subset…", inner, "wb-save")


def tag_menu(what: str, tags: "Sequence[NamedSet]" = ()) -> str:
    """A tag to write or choose; nothing changes before the numbers were shown."""
    inner = (
        f'<div data-form><p>Tag {escape(what)}. You see how many would change, then decide.</p><div class="row">'
        '<input name="tag" placeholder="tag" list="wb-tag-names" maxlength="64" aria-label="Tag" autocomplete="off">'
        f"{datalist('wb-tag-names', [(each.name, each.count) for each in tags])}"
        '<button class="btn" data-do="preview" data-action="add" data-default>Add…</button>'
        '<button class="btn" data-do="preview" data-action="remove">Remove…</button></div></div>'
    )
    return menu("Tag…", inner, "wb-tag")


def export_menu(what: str, exports: Sequence[tuple[str, int, float]] = (), at: str = "") -> str:
    """The formats, and the newest files to fetch."""
    buttons = "".join(
        f'<button class="btn small" data-do="export" data-format="{name}">{name.upper()}</button>' for name in FORMATS
    )
    inner = f'<p>Write {escape(what)} to a file.</p><div class="row">{buttons}</div>' if what else ""
    if exports:
        files = "".join(export_link(*each, at) for each in exports)
        inner += f'<h3>Files</h3><div class="wb-exports">{files}</div>'
    return menu("Export…", inner, "wb-export") if inner else ""


def export_link(name: str, length: int, moment: float, at: str) -> str:
    return (
        f'<div><a href="{escape(at)}/{quote(name, safe="")}" download>{escape(clip(name, 60))}</a> '
        f'<span class="dim">{size(length)} · {ago(moment)}</span></div>'
    )


def pending_html(pending: "TagPreview | None") -> str:
    """What a tagging would do, with the buttons that do it or leave it."""
    if pending is None:
        return ""
    do = (
        f'<button class="btn small primary" data-do="tag" data-tag="{escape(pending.tag)}" '
        f'data-action="{pending.action}">{"Tag" if pending.action == "add" else "Remove from"} '
        f"{several(pending.changes, 'document')}</button>"
        if pending.changes
        else ""
    )
    return (
        f'<div class="note" role="status">{escape(pending.told)} {do} '
        '<button class="btn small" data-do="keep">Leave it</button></div>'
    )


def undo_html(last: "TagEvent | None") -> str:
    if last is None:
        return ""
    verb = "tagged" if last.action == "add" else "untagged"
    told = f"“{clip(last.tag, 24)}”: {several(last.count, 'document')} {verb}"
    return (
        f'<span class="dim">{escape(told)}, {ago(last.at)}</span>'
        '<button class="btn small" data-do="undo" title="Take the last tagging back, exactly">Undo</button>'
    )


def exported_html(documents: int, name: str, length: int, at: str) -> str:
    """That a file was written, and where to fetch it."""
    address = f"{escape(at)}/{quote(name, safe='')}"
    return (
        f'<div class="note good">{several(documents, "document")} in <b>{escape(name)}</b> ({size(length)}). '
        f'<a href="{address}" download>Download</a> · <a href="{address}.manifest.json" download>manifest</a></div>'
    )


def derived_html(corpus: str, documents: int, unchanged: bool, links: Sequence[tuple[str, str]]) -> str:
    """That a subset is a corpus now (or was already), with `links` (name, address) to what can be done with it."""
    told = "was there already" if unchanged else f"holds {several(documents, 'document')}"
    listed = " · ".join(f'<a href="{escape(address)}">{escape(name)}</a>' for name, address in links)
    return f'<div class="note good">The corpus <b>{escape(corpus)}</b> {told}. {listed}</div>'


def menu(label: str, inner: str, name: str) -> str:
    """A menu that opens in place; `label` and `inner` are markup."""
    return (
        f'<details class="menu left" id="{name}"><summary class="btn small">{label}</summary>'
        f'<div class="pop">{inner}</div></details>'
    )
