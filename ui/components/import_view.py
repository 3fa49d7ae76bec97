"""Markup of the import forms: the preview of a source with its changeable mapping, and the report afterwards."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ui.components.documents import browser_html
from ui.components.figures import duration, several, size
from ui.components.filters import options
from ui.components.results import Frame
from ui.components.text import clip, escape
from workbench.specs import NO_COLUMN, ImportSpec
from workbench.types import Document, SkippedRow

if TYPE_CHECKING:
    from workbench.workflows.corpus import Preview

LABELS = "labels"
"""Not a reader of documents: the file is imported as judgments."""
READERS = {
    "": "by name and content",
    "jsonl": "one JSON object a line",
    "csv": "comma-separated",
    "tsv": "tab-separated",
    "parquet": "Parquet",
    "beir": "folder with corpus.jsonl",
    "texts": "folder of text files",
    "images": "folder of images",
    "vectors": "ready-made vectors (.npy)",
    LABELS: "a training file: queries with judged documents",
}
ROLES = {"id_field": "id", "text_field": "text", "title_field": "title", "image_field": "image"}
SHOWN_SKIPPED = 200
SHOWN_SAMPLE = 8


def preview_markup(preview: "Preview", name: str, known: Sequence[str], path: str) -> str:
    """What the import would make of a source: the mapping to change, first documents, and what would be skipped."""
    facts = f"{escape(clip(path, 200))} · {size(preview.size_bytes)}"
    trouble = "".join(f'<div class="note warn">{escape(each)}</div>' for each in preview.warnings)
    sample = [sampled(document, n) for n, document in enumerate(preview.sample[:SHOWN_SAMPLE])]
    columns = list(dict.fromkeys(key for document in sample for key in document.metadata))
    again = "A name that is taken makes a new version of that corpus; the older one and its judgments stay."
    return (
        f'<div class="wb-import" data-form><div class="dim break">{facts}</div>'
        f'<div class="row"><label>Reader <select name="reader" data-change="remap">'
        f"{options(READERS, preview.mapping.reader)}</select></label>{roles(preview)}</div>{kept_fields(preview)}"
        f'<div class="row"><label>Name of the corpus <input name="name" value="{escape(name)}" list="wb-corpora" '
        f'maxlength="64" autocomplete="off"></label><datalist id="wb-corpora">{options(list(known))}</datalist>'
        '<button class="btn primary" data-do="import" data-default>Import</button>'
        f'<span class="dim">{again}</span></div>{trouble}'
        f'<h3>First documents, as they would be stored</h3><div class="wb-sample">'
        f"{browser_html(sample, Frame('', 0), columns)}</div>"
        f"{skipped_markup(preview.skipped, len(preview.skipped), 'in the rows that were looked at')}</div>"
    )


def sampled(document: Document, number: int) -> Document:
    """A document of a preview as a row of the table: numbered, its image as a column."""
    image = {"image": PurePath(document.image).name} if document.image else {}
    return replace(document, ordinal=number, metadata={**image, **document.metadata})


def roles(preview: "Preview") -> str:
    """A select for each role a column can have; nothing for sources without columns."""
    if not preview.columns:
        return ""
    names = {NO_COLUMN: "", **{column.name: column.kind for column in preview.columns}}
    empties = {"id_field": "row number", "text_field": "none", "title_field": "none", "image_field": "none"}
    selects = []
    for field, role in ROLES.items():
        choices = options(names, getattr(preview.mapping, field) or NO_COLUMN)
        named = choices.replace(f">{NO_COLUMN}</option>", f">{empties[field]}</option>", 1)
        selects.append(f'<label>{role} <select name="{field}" data-change="remap">{named}</select></label>')
    return "".join(selects)


def kept_fields(preview: "Preview") -> str:
    """A checkbox for each column that has no role: whether it becomes metadata."""
    used = {getattr(preview.mapping, field) for field in ROLES}
    kept = preview.mapping.metadata_fields
    boxes = "".join(
        f'<label class="wb-check" title="for example: {escape(column.example)}"><input type="checkbox" '
        f'name="keep:{escape(column.name)}" data-change="remap"'
        f"{' checked' if kept is None or column.name in kept else ''}>"
        f'{escape(clip(column.name, 40))} <span class="dim">{escape(column.kind)}</span></label>'
        for column in preview.columns
        if column.name not in used
    )
    return f'<div class="row"><span class="dim">Metadata</span>{boxes}</div>' if boxes else ""


def read_spec(entered: Mapping[str, str], reader: str) -> ImportSpec:
    """The mapping in the form. `reader` is that of the preview: another one begins with its own guesses."""
    if entered.get("reader", "") != reader:
        return ImportSpec(reader=entered.get("reader", ""))
    boxes = {name.removeprefix("keep:"): value == "true" for name, value in entered.items() if name.startswith("keep:")}
    chosen = {field: entered.get(field, "") for field in ROLES}
    kept = None if all(boxes.values()) else tuple(name for name, checked in boxes.items() if checked)
    return ImportSpec(reader=reader, metadata_fields=kept, **chosen)


def skipped_markup(rows: Sequence[SkippedRow] | Sequence[Mapping[str, str]], total: int, where: str = "") -> str:
    """Rows that could not be read: how many, and for the first ones where and why."""
    if not total:
        return ""
    plain = [(row.where, row.reason) if isinstance(row, SkippedRow) else (row["where"], row["reason"]) for row in rows]
    lines = "".join(
        f'<tr><td class="mono">{escape(clip(place, 80))}</td><td class="break">{escape(clip(why, 300))}</td></tr>'
        for place, why in plain[:SHOWN_SKIPPED]
    )
    rest = f'<p class="dim">and {total - SHOWN_SKIPPED:,} more</p>' if total > SHOWN_SKIPPED else ""
    return (
        f'<details class="wb-skipped"><summary>{several(total, "row")} skipped {escape(where)}</summary>'
        f'<table class="grid"><tbody>{lines}</tbody></table>{rest}</details>'
    )


def report_markup(kind: str, result: Mapping[str, Any], link: str) -> str:
    """What an import job did. `link` opens what it made."""
    if kind == "queries":
        parts = [several(result.get("queries", 0), "query/queries"), several(result.get("judgments", 0), "judgment")]
        unknown = [
            f"{several(result[name], noun)} in the judgments {verb} not known"
            for name, noun, verb in (
                ("unknown_documents", "document", "are"),
                ("unknown_queries", "query/queries", "are"),
            )
            if isinstance(result.get(name), int) and result[name]
        ]
        title = f"Imported the query set “{result.get('query_set', '')}”"
    else:
        parts, unknown = [several(result.get("documents", 0), "document")], []
        title = f"Imported “{result.get('corpus', '')}”, version {result.get('version', 1)}"
        if result.get("unchanged"):
            title = f"“{result.get('corpus', '')}” is unchanged: version {result.get('version', 1)} is the same"
        elif result.get("version", 1) != 1:
            names = ("added", "removed", "changed")
            parts += [f"{result[name]:,} {name}" for name in names if isinstance(result.get(name), int)]
    skipped = result.get("skipped", 0)
    took = f", in {duration(result['seconds'])}" if "seconds" in result else ""
    notes = "".join(
        f'<div class="note warn">{escape(each)}</div>' for each in [*unknown, *result.get("warnings", [])][:20]
    )
    return (
        f'<div class="note good"><b>{escape(title)}</b>: {escape(", ".join(parts))}, '
        f"{several(skipped, 'row')} skipped{took}. "
        f'<a href="{escape(link)}">Open it</a></div>{notes}'
        f"{skipped_markup(result.get('skipped_rows', []), skipped)}"
    )


def suggest_name(path: str) -> str:
    """A corpus's name from a file's: “my data (1).jsonl.gz” → “my-data-1”."""
    stem = PurePath(path.rstrip("/")).name.split(".")[0]
    return re.sub(r"[^\w]+", "-", stem).strip("-_")[:64]
