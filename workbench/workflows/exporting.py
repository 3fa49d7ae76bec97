"""Documents of a corpus as a file: all, a subset, or what filters let through; streamed, with a manifest beside it."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workbench import __version__, corpora, subsets
from workbench import tags as tagging
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, NotFound
from workbench.exports.tables import CSV_SAFETY, FORMATS, Row, table_writer
from workbench.project import Project
from workbench.specs import fingerprint
from workbench.subsets import FIELDS, Mask, names_of
from workbench.types import Document, Filter, Progress, no_progress
from workbench.vectors import write_durably

BLOCK = 500
MANIFEST = ".manifest.json"
_OWN = ("doc_id", "title", "text", "image", "tags")


@dataclass(frozen=True)
class ExportReport:
    """What was written: `path` and, beside it, `manifest`; `documents` rows of `corpus`."""

    path: str
    manifest: str
    corpus: str
    documents: int
    bytes: int
    seconds: float
    warnings: list[str] = field(default_factory=list)


def export_documents(
    project: Project,
    corpus: str | int,
    format: str,
    filters: Sequence[Filter] = (),
    text: str = "",
    out: Path | None = None,
    progress: Progress = no_progress,
) -> ExportReport:
    """Write the documents that pass the filters and hold every word of `text`, in order, to `out`.

    Without `out` the file goes to the project's `exports/` under a name that says what it holds; one of the same name
    is replaced. Nothing half-written stays. Raises `BadInput` on the format, a filter or where no document passes,
    `NotFound`, `WorkbenchError` where the disk refuses.
    """
    started = time.monotonic()
    info = corpora.find(project.db, corpus)
    if format not in FORMATS:
        raise BadInput(f"Documents cannot be written as “{format[:40]}”.", f"Choose one of: {', '.join(FORMATS)}.")
    mask = corpora.filter_mask(project.db, info.id, filters, text)
    total = int(mask.sum())
    if not total:
        raise BadInput("No document passes the conditions: there is nothing to write.", "Loosen them.")
    path = out if out is not None else project.exports / f"{export_name(info, filters, text)}.{format}"
    if path.is_dir():
        raise BadInput(f"“{path}” is a folder.", "Name a file in it.")
    tagged = bool(subsets.listed(project.db, "tag", info.id))
    names, done = columns_of(info, tagged), 0
    with table_writer(path, format, {name: kind for name, kind, _ in names}) as writer:
        for block in _blocks(project, info, mask):
            tags = tagging.tags_of(project.db, info.id, [each.ordinal for each in block]) if tagged else {}
            writer.write([_row(each, names, tags.get(each.ordinal, [])) for each in block])
            done += len(block)
            progress(done, total)
    told = {
        "format": format,
        "documents": total,
        "filters": [[each.field, each.op, each.value] for each in filters],
        "text": text,
        "columns": {name: kind for name, kind, _ in names},
        "sets": _sets_used(project, info, filters),
    }
    manifest = write_manifest(path, info, told)
    seconds = round(time.monotonic() - started, 3)
    return ExportReport(str(path), str(manifest), info.label, total, path.stat().st_size, seconds)


def export_name(info: CorpusInfo, filters: Sequence[Filter] = (), text: str = "") -> str:
    """ "aviary-v1", "aviary-v1-river" for the subset or tag river, with 8 hex digits for any other choice."""
    name = f"{info.name}-v{info.version}"
    if not filters and not text.strip():
        return name
    if len(filters) == 1 and not text.strip():
        (only,) = filters
        if only.field in FIELDS and only.op != "!=" and len(names_of(only)) == 1:
            return f"{name}-{FIELDS[only.field]}-{names_of(only)[0]}"
    return f"{name}-{fingerprint([[each.field, each.op, each.value] for each in filters], text)[:8]}"


def columns_of(info: CorpusInfo, tagged: bool) -> list[tuple[str, str, str]]:
    """(name in the file, kind, metadata column or "" for a document's own field), in order.

    A metadata column called like an own field becomes “metadata.title”, with a number where that is taken too.
    """
    own = [("doc_id", "text", ""), ("title", "text", ""), ("text", "text", "")]
    own += [("image", "text", "")] * info.has_images + [("tags", "tags", "")] * tagged
    taken = {*_OWN, *info.columns}
    for name, kind in info.columns.items():
        shown, number = (f"metadata.{name}" if name in _OWN else name), 1
        while shown != name and shown in taken:
            number += 1
            shown = f"metadata.{name} ({number})"
        taken.add(shown)
        own.append((shown, kind, name))
    return own


def list_exports(project: Project, limit: int = 10) -> list[tuple[str, int, float]]:
    """(name, bytes, Unix seconds) of what lies in the project's `exports/`, the newest first, without manifests.

    Files, and folders with a manifest, as a BEIR export is one; their bytes are those the manifest tells, without
    images.
    """
    known = _exported(project)
    told = [(path.name, path, path.stat().st_mtime) for path in known.values() if not path.name.endswith(MANIFEST)]
    told = [each for each in told if each[1].is_file() or each[0] + MANIFEST in known]
    newest = sorted(told, key=lambda each: (-each[2], each[0]))[:limit]
    return [(name, _size(path), moment) for name, path, moment in newest]


def find_export(project: Project, name: str) -> Path:
    """A file or folder of the project's `exports/` by its name.

    Raises `NotFound`; nothing else of the disk can be named.
    """
    known = _exported(project)
    if name not in known:
        raise NotFound(f"There is no export called “{name[:80]}”.", "Export it again.")
    return known[name]


def read_manifest(project: Project, name: str) -> dict[str, Any]:
    """The manifest of an export. Raises `NotFound` where it has none."""
    found: dict[str, Any] = json.loads(find_export(project, name + MANIFEST).read_bytes())
    return found


def _exported(project: Project) -> dict[str, Path]:
    """Name → file or folder in the project's `exports/`; links lead elsewhere and do not count."""
    found = (path for path in project.exports.iterdir() if not path.name.startswith(".") and not path.is_symlink())
    return {path.name: path for path in found if path.is_file() or path.is_dir()}


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    told = json.loads(path.with_name(path.name + MANIFEST).read_bytes())
    return int(told.get("bytes", 0))


def _blocks(project: Project, info: CorpusInfo, mask: Mask) -> Iterator[list[Document]]:
    ordinals = np.flatnonzero(mask)
    for start in range(0, len(ordinals), BLOCK):
        yield corpora.documents(project.db, info.id, ordinals[start : start + BLOCK])


def _row(document: Document, names: Sequence[tuple[str, str, str]], tags: list[str]) -> Row:
    own = {
        "doc_id": document.doc_id,
        "title": document.title,
        "text": document.text,
        "image": document.image,
        "tags": tags,
    }
    return [document.metadata.get(column) if column else own[name] for name, _, column in names]


def _sets_used(project: Project, info: CorpusInfo, filters: Sequence[Filter]) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "name": each.name, "documents": each.count, "content_hash": each.content_hash}
        for item in filters
        if (kind := FIELDS.get(item.field)) is not None
        for each in subsets.listed(project.db, kind, info.id)
        if each.name in names_of(item)
    ]


def write_manifest(path: Path, info: CorpusInfo, told: dict[str, Any]) -> Path:
    """Write what was exported from `info` to `path`, with the corpus, the version and the date, beside it."""
    manifest = {
        "file": path.name,
        "corpus": info.name,
        "version": info.version,
        "corpus_fingerprint": info.fingerprint,
        "corpus_documents": info.documents,
        **told,
        "workbench": __version__,
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    if told["format"] == "csv":
        manifest["csv_safety"] = CSV_SAFETY
    target = path.with_name(path.name + MANIFEST)
    write_durably(target, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
    return target
