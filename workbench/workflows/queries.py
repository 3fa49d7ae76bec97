"""Import queries and qrels for a corpus, and list them."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from workbench import corpora, query_sets
from workbench.db import WRITE_BATCH
from workbench.errors import NotFound
from workbench.project import Project, check_name
from workbench.query_sets import QuerySetDraft, QuerySetInfo
from workbench.readers.queries import qrels_file, queries_file, read_qrels, read_queries
from workbench.specs import fingerprint
from workbench.types import Progress, Query, SkippedRow, no_progress
from workbench.workflows.sources import Skips, hash_files, sources_told, store_images

T = TypeVar("T")


@dataclass(frozen=True)
class QueryReport:
    """What an import of queries did. `unknown_documents` judgments name no document of the corpus (they are kept),
    `unknown_queries` no query of the file (they are not)."""

    query_set: str
    queries: int
    judgments: int
    skipped: int = 0
    unknown_documents: int = 0
    unknown_queries: int = 0
    warnings: list[str] = field(default_factory=list)
    skipped_rows: list[SkippedRow] = field(default_factory=list)


def import_queries(
    project: Project,
    name: str,
    path: Path | str,
    corpus: str,
    qrels: Path | str | None = None,
    progress: Progress = no_progress,
) -> QueryReport:
    """Import queries (and judgments) of a file or a BEIR folder as the query set `name` of `corpus`.

    The same files again are a no-op; others under a name that is taken raise `BadInput`. All or nothing.
    """
    name, path = check_name("query set", name), Path(path).expanduser()
    info = corpora.find(project.db, corpus)
    with sources_told(path):
        files = [queries_file(path)]
        judged = Path(qrels).expanduser() if qrels is not None else path if path.is_dir() else None
        found = None if judged is None else qrels_file(judged)
        files += [found] if found else []
        source = fingerprint(info.name, hash_files(files, path if path.is_dir() else path.parent, progress))
        for existing in query_sets.listed(project.db, info.name):
            if existing.name == name and existing.report.get("source_fingerprint") == source:
                return _from_report(existing)
        with query_sets.begin(project.db, project.media, name, info.id, str(path)) as draft:
            report = _fill(draft, name, files, progress)
            if judged is not None and found != judged:
                report.warnings.append(
                    f"The judgments were taken from {found.name}." if found else "The folder has no judgments (qrels)."
                )
            draft.finish({**asdict(report), "source_fingerprint": source, "imported_at": time.time()})
            return report


def _fill(draft: QuerySetDraft, name: str, files: list[Path], progress: Progress) -> QueryReport:
    skips = Skips()
    prefix = len(files) > 1

    def add_queries(batch: list[Query]) -> None:
        draft.append_queries(_with_images(batch, draft, skips))

    for batch in _batches(read_queries(files[0]), skips, files[0].name if prefix else ""):
        add_queries(batch)
        progress(draft.queries, 0)
    if not draft.queries:
        raise skips.nothing_left(files[0], "query")
    for file in files[1:]:
        for qrels in _batches(read_qrels(file), skips, file.name):
            draft.append_qrels(qrels, file.name)
            progress(draft.queries + draft.judgments, 0)
    warnings = []
    if draft.unknown_documents:
        warnings.append(f"{draft.unknown_documents:,} judgments name documents that the corpus does not have.")
    if draft.unknown_queries:
        warnings.append(f"{draft.unknown_queries:,} judgments name queries that the file does not have; left out.")
    return QueryReport(
        name,
        draft.queries,
        draft.judgments,
        skips.count,
        draft.unknown_documents,
        draft.unknown_queries,
        warnings,
        skips.rows,
    )


def _batches(rows: Iterator[T | SkippedRow], skips: Skips, file: str) -> Iterator[list[T]]:
    """The rows that are sound, `WRITE_BATCH` at a time; the others go to `skips`, with the file's name."""
    while block := list(islice(rows, WRITE_BATCH)):
        kept: list[T] = []
        for row in block:
            if isinstance(row, SkippedRow):
                skips.add(SkippedRow(f"{file} {row.where}".strip(), row.reason))
            else:
                kept.append(row)
        yield kept


def _with_images(batch: list[Query], draft: QuerySetDraft, skips: Skips) -> list[Query]:
    """The queries with their images stored; one whose image cannot be used is skipped."""
    images = [query.image for query in batch if query.image]
    stored = iter(store_images(images, draft.media) if images else [])
    kept = []
    for query in batch:
        image, reason = next(stored) if query.image else (None, "")
        if reason:
            skips.add(SkippedRow(f"query {query.query_id}", reason))
        else:
            kept.append(replace(query, image=image))
    return kept


def _from_report(info: QuerySetInfo) -> QueryReport:
    names = QueryReport.__dataclass_fields__
    values = {name: value for name, value in info.report.items() if name in names}
    return QueryReport(**{**values, "skipped_rows": [SkippedRow(**row) for row in values["skipped_rows"]]})


def list_query_sets(project: Project, corpus: str | int | None = None) -> list[QuerySetInfo]:
    """The query sets of a corpus (whatever its version), or all, by name. Raises `NotFound`."""
    name = None if corpus is None else corpora.find(project.db, corpus).name
    return query_sets.listed(project.db, name)


def list_queries(project: Project, query_set: str, offset: int = 0, limit: int = 50) -> list[Query]:
    """Queries of a set in the order of their file. Raises `NotFound`."""
    return query_sets.page(project.db, query_sets.find(project.db, query_set).id, offset, limit)


@dataclass(frozen=True)
class JudgedQuery:
    """A query of a set, its place there (from 0) of `total`, and its imported judgments: document id → relevance."""

    query: Query
    at: int
    total: int
    judgments: dict[str, int]


def judged_query(project: Project, query_set: str, at: int) -> JudgedQuery:
    """The query at place `at` of a set, the nearest one where there is none. Raises `NotFound` on the set."""
    info = query_sets.find(project.db, query_set)
    at = max(0, min(at, info.queries - 1))
    found = query_sets.page(project.db, info.id, at, 1)
    if not found:
        raise NotFound(f"The query set “{query_set}” holds no queries.", "Import it again.")
    return JudgedQuery(found[0], at, info.queries, query_sets.judged(project.db, info.id, found[0].query_id))


def delete_query_set(project: Project, name: str) -> None:
    """Delete a query set with its judgments and runs. Raises `NotFound`."""
    query_sets.delete(project.db, project.media, query_sets.find(project.db, name).id)
