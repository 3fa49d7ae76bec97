"""Conditions on metadata columns: chips of those in force and a small form for another one, in a `live` region."""

from collections.abc import Mapping, Sequence

import gradio as gr

from ui.components.filters_text import OPERATORS, filter_label, make_filter
from ui.components.text import clip, escape, plain
from ui.handlers import fields, said
from workbench.errors import BadInput
from workbench.project import Project
from workbench.types import Filter, Scalar
from workbench.workflows import corpus as corpora
from workbench.workflows import subsets, tags

NUMBERS = ("integer", "number")

COUNTED_DOCUMENTS = 200_000
"""Up to this size the values of a column are counted for the suggestions: above, that takes seconds."""


def filter_form(project: Project, corpus: str, filters: Sequence[Filter], chosen: str = "") -> str:
    """The form for a corpus, with suggestions for the `chosen` column (none given: the first)."""
    info = corpora.get_corpus(project, corpus)
    sets = named_sets(project, corpus)
    columns = {**info.columns, **{field: subsets.FIELDS[field] for field in sets}}
    field = chosen if chosen in columns else next(iter(columns), "")
    if field in sets:
        return filters_markup(filters, columns, field, sets[field])
    counted = field and info.documents <= COUNTED_DOCUMENTS
    values = corpora.column_values(project, corpus, field, 50) if counted else []
    return filters_markup(filters, columns, field, values)


def named_sets(project: Project, corpus: str) -> dict[str, list[tuple[Scalar, int]]]:
    """Field of filters → names with counts: subsets and tags, where the corpus has any."""
    found = {"@subset": subsets.list_subsets(project, corpus), "@tag": tags.list_tags(project, corpus)}
    return {field: [(each.name, each.count) for each in listed] for field, listed in found.items() if listed}


def filters_markup(
    filters: Sequence[Filter],
    columns: Mapping[str, str],
    chosen: str = "",
    values: Sequence[tuple[Scalar, int]] = (),
    elem_id: str = "wb-filter",
) -> str:
    """`columns` name → kind; `values` are the most frequent ones of the `chosen` column, with their counts."""
    chips = "".join(
        f'<span class="wb-chip">{escape(clip(filter_label(each), 120))}'
        f'<button data-do="drop" data-index="{i}" title="Remove this filter" aria-label="Remove">×</button></span>'
        for i, each in enumerate(filters)
    )
    if not columns:
        return f'<div class="wb-chips">{chips}</div>' if chips else ""
    field = chosen if chosen in columns else next(iter(columns))
    return (
        f'<div class="wb-chips"><span class="dim">Filter</span>{chips}<span class="wb-filterform" data-form>'
        f'<select name="field" data-change="field" aria-label="Column">{options(columns, field)}</select>'
        f'<select name="op" aria-label="Operator">{options(operators(columns[field]))}</select>'
        f'<input name="value" list="{elem_id}-values" placeholder="{escape(hint(columns[field]))}" aria-label="Value" '
        f'autocomplete="off">{datalist(f"{elem_id}-values", values)}'
        '<button class="btn small" data-do="add" data-default>Add</button></span></div>'
    )


def changed_filters(filters: Sequence[Filter], event: gr.EventData, columns: Mapping[str, str]) -> tuple[Filter, ...]:
    """The filters after a click in the form: one more, or one less. Raises `BadInput` on a value that does not fit."""
    if said(event, "do") == "drop":
        return tuple(each for i, each in enumerate(filters) if str(i) != said(event, "index"))
    form = fields(event)
    field, op, value = form.get("field", ""), form.get("op", "="), form.get("value", "")
    columns = {**columns, **subsets.FIELDS}
    if said(event, "do") != "add" or field not in columns or op not in OPERATORS:
        return tuple(filters)
    if not value.strip():
        raise BadInput("The filter has no value.", "Write one, or choose one of the list.")
    made = make_filter(field, op, value, columns[field])
    return tuple(filters) if made in filters else (*filters, made)


def operators(kind: str) -> Sequence[str]:
    """The operators that make sense for a column of `kind`, the likeliest first."""
    if kind in ("subset", "tag"):
        return ("in", "!=")
    if kind in NUMBERS:
        return ("=", "!=", "<", "<=", ">", ">=", "in")
    return ("=", "!=") if kind == "boolean" else ("=", "!=", "contains", "in", "<", "<=", ">", ">=")


def hint(kind: str) -> str:
    known = {"integer": "whole number", "number": "number", "boolean": "true or false"}
    return {**known, "subset": "name; for in: a, b", "tag": "tag; for in: a, b"}.get(kind, "value; for in: a, b, c")


def options(choices: Mapping[str, str] | Sequence[str], chosen: str = "") -> str:
    """The `<option>`s of a select; of a mapping its values are shown in small letters beside the names."""
    names = choices if isinstance(choices, Mapping) else dict.fromkeys(choices, "")
    return "".join(
        f'<option value="{escape(name)}"{" selected" if name == chosen else ""}>{escape(clip(name, 60))}'
        f"{f' · {escape(note)}' if note else ''}</option>"
        for name, note in names.items()
    )


def datalist(elem_id: str, values: Sequence[tuple[Scalar, int]]) -> str:
    """Suggestions for an input."""
    inner = "".join(
        f'<option value="{escape(clip(plain(value), 200))}">{count:,} documents</option>'
        for value, count in values
        if value is not None
    )
    return f'<datalist id="{escape(elem_id)}">{inner}</datalist>'
