"""The head of one column: its pipeline, its buttons, and the editor under it; and the columns of a first visit."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from ui.components.address import MAX_COLUMNS, Column
from ui.components.column_editor import (
    Choices,
    editor_html,
    named_options,
    pipeline_label,
    read_system,
    retriever_label,
    settings_label,
    system_value,
)
from ui.components.text import clip, escape
from workbench.errors import BadInput
from workbench.specs import FusionSpec, PipelineSpec, RetrieverSpec

if TYPE_CHECKING:
    from workbench.workflows.search import System

NOTHING_ADOPTED: Mapping[str, RetrieverSpec] = MappingProxyType({})
LETTERS = "ABCD"
SAVED, CUSTOM, EDIT = "saved:", "custom", "edit"


def head_html(number: int, columns: Sequence[Column], choices: Choices) -> str:
    """Letter, choice of the pipeline, menu, duplicate, remove; then the editor, closed until it is asked for."""
    column, alone = columns[number], len(columns) == 1
    letter = "" if alone else f'<span class="wb-letter">{LETTERS[number]}</span>'
    full = len(columns) >= MAX_COLUMNS
    more = (
        f'<button class="wb-act" data-do="duplicate" data-column="{number}"{" disabled" if full else ""} '
        f'title="{"There is room for four columns" if full else "One more column like this one"}" '
        f'aria-label="One more column">{"+ column" if alone else "+"}</button>'
    )
    remove = (
        ""
        if alone
        else f'<button class="wb-act" data-do="remove" data-column="{number}" title="Remove this column" '
        'aria-label="Remove">×</button>'
    )
    label = pipeline_label(column.pipeline)
    what = escape(settings_label(column.pipeline) or label)
    return (
        f'<div class="wb-colhead" data-column="{number}"><div class="wb-colbar">{letter}'
        f"{pipeline_select(number, column, choices)}{menu_html(number, column)}{more}{remove}</div>"
        f'<details class="wb-edit"><summary title="{escape(label)}"><span class="wb-what">{what}'
        f"</span><i>edit</i></summary>{editor_html(number, column.pipeline, choices)}</details></div>"
    )


def pipeline_select(number: int, column: Column, choices: Choices) -> str:
    """Systems of the corpus, saved pipelines, and “edit…”."""
    chosen = chosen_value(column, choices)
    systems = {
        system_value(each.encoder, each.index): each.label + ("" if each.ready else " (neighbours only)")
        for each in choices.systems
    }
    saved = {SAVED + name: name for name in choices.saved}
    own = named_options({CUSTOM: column.name or pipeline_label(column.pipeline)}, chosen) if chosen == CUSTOM else ""
    groups = f'<optgroup label="Systems">{named_options(systems, chosen)}</optgroup>' + (
        f'<optgroup label="Saved pipelines">{named_options(saved, chosen)}</optgroup>' if saved else ""
    )
    return (
        f'<select class="wb-pipe" data-change="choose" data-column="{number}" data-key="pipe {escape(chosen)} '
        f'{escape(own)}" aria-label="Pipeline of this column">{own}{groups}'
        f'<option value="{EDIT}">edit…</option></select>'
    )


def chosen_value(column: Column, choices: Choices) -> str:
    """Which entry of the select stands for the column."""
    if column.name and column.name in choices.saved:
        return SAVED + column.name
    first = column.pipeline.retrievers[0]
    known = {(each.encoder, each.index) for each in choices.systems}
    if (first.encoder, first.index) in known and column.pipeline == plain(first.encoder, first.index):
        return system_value(first.encoder, first.index)
    return CUSTOM


def menu_html(number: int, column: Column) -> str:
    """Save as, and the read-outs of the pipeline."""
    panels = {
        "depths": ("Depths", "What each reranking depth changes", column.pipeline.reranker is not None),
        "prompts": ("Prompts", "Prompts and answers of a listwise reranker", column.pipeline.reranker is not None),
        "hubs": ("Hubs", "Documents that are near to every query, before and after the hub correction", True),
    }
    buttons = "".join(
        f'<button class="btn small" data-do="panel" data-what="{name}" data-column="{number}" title="{title}"'
        f"{'' if usable else ' disabled'}>{label}</button>"
        for name, (label, title, usable) in panels.items()
    )
    return (
        '<details class="menu wb-menu"><summary class="wb-act" title="Save, and look inside" aria-label="Menu">⋯'
        f'</summary><div class="pop"><div class="row" data-form><input name="name" placeholder="Name of this pipeline" '
        f'value="{escape(column.name)}" aria-label="Name"><button class="btn small" data-do="save" data-default '
        f'data-column="{number}">Save as</button></div><div class="row">{buttons}</div></div></details>'
    )


# ── which columns ────────────────────────────────────────────────────────────────────────────────────────────────────


def plain(encoder: str, index: str) -> PipelineSpec:
    return PipelineSpec((RetrieverSpec(encoder, index),))


def chosen_column(value: str) -> Column:
    """The column of a system's entry of the select. Raises `BadInput`."""
    return Column(plain(*read_system(value)))


def first_columns(
    systems: "Sequence[System]", adopted: Mapping[str, RetrieverSpec] = NOTHING_ADOPTED
) -> tuple[Column, ...]:
    """What a first visitor compares: words, meaning, and what reads pictures, else both joined by RRF; as far as
    there are embeddings. Empty where there is none. `adopted`: by encoder, how a person settled on searching it."""
    ready = [each for each in systems if each.ready]
    words = [each for each in ready if "image" not in each.modalities]
    sparse = next((each for each in sorted(words, key=lambda each: each.encoder != "bm25") if sparse_(each)), None)
    dense = next((each for each in words if not sparse_(each)), None)
    seeing = next((each for each in ready if "image" in each.modalities), None)
    found = [each for each in (sparse, dense, seeing) if each is not None]
    retrievers = tuple(adopted.get(each.encoder, RetrieverSpec(each.encoder, each.index)) for each in found)
    columns = [Column(PipelineSpec((each,))) for each in retrievers]
    if len(found) == 2:
        columns.append(Column(PipelineSpec(retrievers, FusionSpec())))
    return tuple(columns) or tuple(Column(plain(each.encoder, each.index)) for each in systems[:1])


def sparse_(system: "System") -> bool:
    return system.output == "sparse"


def that_read_pictures(columns: tuple[Column, ...], systems: "Sequence[System]") -> tuple[Column, ...]:
    """The columns, or where all of their retrievers read texts only, up to three systems that read pictures."""
    seeing = {each.encoder: each for each in reversed(systems) if each.ready and "image" in each.modalities}
    used = {each.encoder for column in columns for each in column.pipeline.retrievers}
    if used & set(seeing) or not seeing:
        return columns
    return tuple(Column(plain(each.encoder, each.index)) for each in list(seeing.values())[:3])


def fitted(columns: Sequence[Column], systems: "Sequence[System]") -> tuple[tuple[Column, ...], str]:
    """The columns of a link as this corpus can show them, and the name of an encoder that is missing.

    A lone system that is not there is replaced (same encoder, else the first that can be asked); columns of a
    comparison stay as they are: each says in its place what it lacks.
    """
    encoders = {each.encoder for each in systems}
    if len(columns) != 1 or len(columns[0].pipeline.retrievers) != 1 or not systems:
        return tuple(columns), ""
    first = columns[0].pipeline.retrievers[0]
    if first.encoder in encoders:
        known = [each.index for each in systems if each.encoder == first.encoder]
        if first.index in known or columns[0].pipeline.reranker or first.index == "Flat":
            return tuple(columns), ""
        return (Column(plain(first.encoder, known[0])),), ""
    ready = next((each for each in systems if each.ready), systems[0])
    return (Column(plain(ready.encoder, ready.index)),), first.encoder


def swapped(columns: Sequence[Column], number: int, column: Column) -> tuple[Column, ...]:
    """The columns with another one at `number`. Raises `BadInput` where there is none."""
    if number >= len(columns):
        raise BadInput("That column is not there any more.", "Reload the page.")
    return (*columns[:number], column, *columns[number + 1 :])


def waiting(column: Column) -> str:
    """What a column says while it searches, where that takes long enough to be seen."""
    names = " + ".join(retriever_label(each) for each in column.pipeline.retrievers)
    models = any(each.encoder != "bm25" for each in column.pipeline.retrievers)
    return f"Searching with {clip(names, 60)}…" + (" the first search loads the model" if models else "")
