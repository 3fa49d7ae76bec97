"""What an export of labels would be: the label sets there are, its first rows, and the pairs that stand in its way."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from workbench import corpora, judgments, label_sets, query_sets
from workbench.errors import BadInput, NotFound
from workbench.judgments import Judgment
from workbench.label_sets import Kind
from workbench.project import Project
from workbench.specs import ExportSpec, LabelChoice
from workbench.types import Query, TrainingGroup
from workbench.workflows.carried_images import carried_images
from workbench.workflows.export_labels import documents_of, is_usual, planned
from workbench.workflows.training_groups import Findings, training_groups

SHOWN = 3
"""Queries and lines of a file that are shown."""
LOOKED_AT = 1000
"""Queries that are read to find `SHOWN` with a positive and a negative."""
_LINE, _TEXT, _LISTED = 1200, 120, 4  # characters of a line and of a text, entries of a list that are shown


@dataclass(frozen=True)
class Exportable:
    """A label set to choose; `usual`: it is exported where none is named; `ready` off: its import has not ended."""

    name: str
    kind: Kind
    judgments: int
    usual: bool
    ready: bool


@dataclass(frozen=True)
class Preview:
    """The first `SHOWN` lines of each file, by its name; long texts and lists in them are shortened, with “…”.

    Of the `queries` that were read `left_out` have no row, reason → how many. `prompts`: of the encoder that was
    named, as it applied them.
    """

    files: list[tuple[str, list[str]]]
    queries: int
    left_out: dict[str, int] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contested:
    """A query with documents that are positive and negative at once, by id and title, and who said what of them."""

    query: Query
    documents: list[tuple[str, str]]
    said: list[Judgment]


def exportable(project: Project, query_set: str) -> list[Exportable]:
    """The label sets of a query set, oldest first. Raises `NotFound`."""
    info = query_sets.find(project.db, query_set)
    sizes = label_sets.sizes(project.db, info.id)
    return [
        Exportable(each.name, each.kind, sizes.get(each.name, 0), is_usual(each), not each.spec.get("unfinished"))
        for each in label_sets.listed(project.db, info.id)
    ]


def preview_labels(
    project: Project, query_set: str, format: str, out: str, choice: LabelChoice, spec: ExportSpec
) -> Preview:
    """The first rows as `export_labels` would write them to `out` in the project's `exports/` ("": its usual name).

    They are written, to a folder that is gone afterwards. Parquet is shown as lines of JSON. Raises as `export_labels`;
    where nothing is left to write it has only read the first `LOOKED_AT` queries, and says so.
    """
    plan = planned(project, query_set, format, project.exports / out if out else None, choice, spec)
    export, path = plan.export, plan.path
    shown = path.with_suffix(export.suffixes[0]) if export.suffixes else path
    seen: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="wb-preview-") as folder,
        carried_images(project, path, choice.images, in_folder=not export.suffixes, dry=True) as images,
    ):
        groups = training_groups(project, replace(plan.wanted(images.placed), hasty=True), Findings())
        documents = islice(documents_of(project, plan.corpus, images.placed), SHOWN)
        try:
            written = export.write(Path(folder, shown.name), _few(groups, seen), documents)
        except BadInput as error:
            if len(seen) < LOOKED_AT:
                raise
            told = f"None of the first {LOOKED_AT:,} judged queries would have a row."
            raise BadInput(told, "Later ones may: the export itself reads them all.") from error
        files = [(_named(Path(each), Path(folder), path, shown), _lines(Path(each))) for each in written.files]
    return Preview(files, len(seen), written.left_out, plan.prompts)


def contested(
    project: Project, query_set: str, pairs: Sequence[tuple[str, Sequence[str]]], names: Sequence[str]
) -> list[Contested]:
    """Each pair (query id, document ids) with the judgments of it in these label sets; one that is gone is left out."""
    info = query_sets.find(project.db, query_set)
    corpus = corpora.find(project.db, info.corpus)
    known = query_sets.with_ids(project.db, info.id, [query_id for query_id, _ in pairs])
    found = []
    for query_id, doc_ids in pairs:
        if query_id in known:
            of_query = judgments.of_query(project.db, info.id, query_id)
            said = [each for each in of_query if each.doc_id in doc_ids and each.label_set in names]
            titled = [(doc_id, _title(project, corpus, doc_id)) for doc_id in doc_ids]
            found.append(Contested(known[query_id], titled, said))
    return found


def _few(groups: Iterator[TrainingGroup], seen: list[str]) -> Iterator[TrainingGroup]:
    """Groups until `SHOWN` have both sides, `LOOKED_AT` at most; the id of each is noted in `seen`."""
    whole = 0
    for group in islice(groups, LOOKED_AT):
        seen.append(group.query.query_id)
        yield group
        whole += bool(group.positives and group.negatives)
        if whole == SHOWN:
            return


def _named(file: Path, folder: Path, path: Path, shown: Path) -> str:
    """The name under which an export would write what the preview wrote to `file`."""
    return path.name + file.relative_to(folder).as_posix().removeprefix(shown.name)


def _lines(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in islice(file, SHOWN)]
    if path.suffix != ".jsonl":
        return [_clipped(line, _LINE) for line in lines]
    return [json.dumps(_short(json.loads(line)), ensure_ascii=False) for line in lines]


def _short(value: Any) -> Any:
    """A JSON value with its long texts and lists cut, so that every field of a row is in sight."""
    if isinstance(value, str):
        return _clipped(value, _TEXT)
    if isinstance(value, dict):
        return {name: _short(inner) for name, inner in value.items()}
    if isinstance(value, list):
        more = [f"… {len(value) - _LISTED:,} more"] if len(value) > _LISTED else []
        return [*map(_short, value[:_LISTED]), *more]
    return value


def _clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"


def _title(project: Project, corpus: corpora.CorpusInfo, doc_id: str) -> str:
    try:
        found = corpora.document(project.db, corpus, doc_id)
    except NotFound:
        return ""
    return found.title or found.text[:200]
