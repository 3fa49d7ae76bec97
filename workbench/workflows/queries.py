"""Import queries and qrels for a corpus, and list them."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from workbench import corpora, query_sets, runs
from workbench.db import WRITE_BATCH
from workbench.errors import NotFound
from workbench.project import Project, check_name
from workbench.query_sets import QuerySetDraft, QuerySetInfo
from workbench.readers.base import shorten
from workbench.readers.queries import qrels_file, queries_file, read_qrels, read_queries
from workbench.specs import fingerprint
from workbench.types import Progress, Query, SkippedRow, no_progress
from workbench.workflows.sources import Skips, hash_files, sources_told, store_images

T = TypeVar("T")


@dataclass(frozen=True)
class QueryReport:
    """What an import of queries did. `unknown_documents` judgments name no document of the corpus (they are kept),
    `unknown_queries` no query of the file (they are not); the first 1,000 ids of each are listed."""

    query_set: str
    queries: int
    judgments: int
    skipped: int = 0
    unknown_documents: int = 0
    unknown_queries: int = 0
    warnings: list[str] = field(default_factory=list)
    skipped_rows: list[SkippedRow] = field(default_factory=list)
    unknown_document_ids: list[str] = field(default_factory=list)
    unknown_query_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class QueryFiles:
    """Where a query set comes from: the files of its queries and of its judgments, and the path that was asked for."""

    source: Path
    queries: tuple[Path, ...]
    qrels: tuple[Path, ...] = ()


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
    path = Path(path).expanduser()
    with sources_told(path):
        judged = Path(qrels).expanduser() if qrels is not None else path if path.is_dir() else None
        found = None if judged is None else qrels_file(judged)
        files = QueryFiles(path, (queries_file(path),), (found,) if found else ())
        told = []
        if judged is not None and found != judged:
            told = [f"The judgments were taken from {found.name}." if found else "The folder has no judgments (qrels)."]
        return import_query_files(project, name, files, (corpus, told), progress)


def import_query_files(
    project: Project, name: str, files: QueryFiles, about: tuple[str, list[str]], progress: Progress = no_progress
) -> QueryReport:
    """As `import_queries`, of known files; `about`: the corpus, and what its report is to warn of besides."""
    name, (corpus, told) = check_name("query set", name), about
    info = corpora.find(project.db, corpus)
    with sources_told(files.source):
        root = files.source if files.source.is_dir() else files.source.parent
        source = fingerprint(info.name, hash_files([*files.queries, *files.qrels], root, progress))
        for existing in query_sets.listed(project.db, info.name):
            if existing.name == name and existing.report.get("source_fingerprint") == source:
                return _from_report(existing)
        with query_sets.begin(project.db, project.media, name, info.id, str(files.source)) as draft:
            report = _fill(draft, name, files, progress)
            report.warnings.extend(told)
            draft.finish({**asdict(report), "source_fingerprint": source, "imported_at": time.time()})
            return report


def _fill(draft: QuerySetDraft, name: str, files: QueryFiles, progress: Progress) -> QueryReport:
    skips = Skips()
    prefix = files.queries[0].name if files.qrels else ""
    for batch in _batches(read_queries(*files.queries), skips, prefix):
        draft.append_queries(_with_images(batch, draft, skips))
        progress(draft.queries, 0)
    if not draft.queries:
        raise skips.nothing_left(files.queries[0], "query")
    if files.qrels:
        source = files.qrels[0].name
        for qrels in _batches(read_qrels(*files.qrels), skips, source):
            draft.append_qrels(qrels, source)
            progress(draft.queries + draft.judgments, 0)
    warnings = []
    if draft.unknown_documents:
        warnings.append(
            f"{draft.unknown_documents:,} judgments name documents that the corpus does not have"
            f"{first_of(draft.unknown_document_ids)}."
        )
    if draft.unknown_queries:
        warnings.append(
            f"{draft.unknown_queries:,} judgments name queries that the file does not have"
            f"{first_of(draft.unknown_query_ids)}; left out."
        )
    return QueryReport(
        name,
        draft.queries,
        draft.judgments,
        skips.count,
        draft.unknown_documents,
        draft.unknown_queries,
        warnings,
        skips.rows,
        list(draft.unknown_document_ids),
        list(draft.unknown_query_ids),
    )


def first_of(ids: Iterable[str]) -> str:
    """ " (d7, d9, d12 …)": the first three ids, shortened."""
    some = [shorten(each) for each in islice(ids, 4)]
    return f" ({', '.join(some[:3])}{' …' if len(some) > 3 else ''})" if some else ""


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
    info = query_sets.find(project.db, name)
    for run in runs.listed(project.db, project.artifacts, info.id):
        runs.delete(project.db, project.artifacts, run)
    query_sets.delete(project.db, project.media, info.id)
