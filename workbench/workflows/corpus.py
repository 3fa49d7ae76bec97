"""The Corpus page: preview and import a source, list corpora, browse their documents."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import sqlalchemy as sa

from workbench import corpora, ingest
from workbench.artifacts import KINDS
from workbench.corpora import CorpusInfo
from workbench.db import corpora as corpora_table
from workbench.project import Project, check_name
from workbench.readers import open_reader
from workbench.readers.base import Reader
from workbench.readers.columns import Column
from workbench.specs import NO_COLUMN, ImportSpec, fingerprint
from workbench.types import Document, Filter, Progress, Scalar, SkippedRow, no_progress
from workbench.workflows.given import store_vectors
from workbench.workflows.map_labels import forget_labels
from workbench.workflows.queries import (
    QueryReport,
    delete_query_set,
    import_queries,
    list_queries,
    list_query_sets,
)
from workbench.workflows.sources import Skips, hash_files, sources_told, store_images

__all__ = ["CorpusInfo", "QueryReport", "delete_query_set", "import_queries", "list_queries", "list_query_sets"]

IMPORT_VERSION = 1
"""Part of a source's fingerprint: raise it where the same bytes would become other documents."""
SAMPLE = 20
_LOOKED_AT = 1000
_BATCH_CHARACTERS = 8 * 2**20
_BATCH_IMAGES = 64


@dataclass(frozen=True)
class Preview:
    """What an import would make of a source, from its first rows. `mapping` has the guessed fields filled in."""

    reader: str
    columns: list[Column]
    mapping: ImportSpec
    sample: list[Document]
    skipped: list[SkippedRow]
    warnings: list[str]
    size_bytes: int


@dataclass(frozen=True)
class ImportReport:
    """What an import did. `skipped_rows` lists at most 1,000; `embedding` is the artifact of ready-made vectors."""

    corpus: str
    version: int
    documents: int
    skipped: int = 0
    skipped_rows: list[SkippedRow] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unchanged: bool = False
    added: int = 0
    removed: int = 0
    changed: int = 0
    seconds: float = 0.0
    embedding: str | None = None


@dataclass(frozen=True)
class DocumentPage:
    documents: list[Document]
    total: int


def preview_corpus(path: Path | str, spec: ImportSpec | None = None) -> Preview:
    """Look at the first 1,000 rows of a source. Raises `BadInput` where it cannot be read at all."""
    with sources_told(Path(path)):
        reader = open_reader(Path(path), spec)
        documents, skipped = reader.sample(_LOOKED_AT)
        size = sum(file.stat().st_size for file in reader.sources())
        warnings = reader.warnings
        return Preview(reader.name, reader.columns(), reader.mapping(), documents[:SAMPLE], skipped, warnings, size)


def import_corpus(
    project: Project,
    name: str,
    path: Path | str,
    spec: ImportSpec | None = None,
    progress: Progress = no_progress,
) -> ImportReport:
    """Import a source as the corpus `name`, or as its next version where the source has changed.

    The same source again is a no-op. All or nothing: a failed or cancelled import leaves no trace. Raises `BadInput`
    on a source of which nothing can be used, `WorkbenchError` on a full disk.
    """
    started = time.monotonic()
    name, path = check_name("corpus", name), Path(path).expanduser()
    with sources_told(path):
        ingest.discard_unfinished(project.db, project.media)
        reader = open_reader(path, spec)
        source = _source_fingerprint(reader, path, progress)
        versions = corpora.finished(project.db, name)
        has_images = reader.mapping().image_field not in ("", NO_COLUMN)
        if versions and _source_of(project, versions[0]) == source and not has_images:
            return _unchanged(versions[0], started)
        reader.check(progress)
        return _Import(project, reader, progress).run(name, path, source, versions[:1], started)


class _Import:
    """One import on its way: reader → checks → documents, then what changed."""

    def __init__(self, project: Project, reader: Reader, progress: Progress) -> None:
        self.project = project
        self.reader = reader
        self.progress = progress
        self.skips = Skips()

    def run(self, name: str, path: Path, source: str, before: list[CorpusInfo], started: float) -> ImportReport:
        row = {
            "name": name,
            "source": str(path),
            "source_fingerprint": source,
            "spec": self.reader.mapping().to_dict(),
        }
        with ingest.begin(self.project.db, self.project.media, row) as draft:
            self._fill(draft)
            if not draft.documents:
                raise self.skips.nothing_left(path, "document")
            draft.turn_to_text(self.reader.mixed())
            changes = draft.compare(before[0], self._last_step) if before else ingest.Changes(added=draft.documents)
            same = bool(before) and not changes and self.reader.kinds() == before[0].columns
            if same and not self.reader.brings_vectors:
                _note_source(self.project, before[0], source)
                return _unchanged(before[0], started)
            if draft.has_images:
                # The images were written without waiting for the disk; before the corpus counts as whole, wait.
                os.sync()
            embedding = store_vectors(self.project, draft, self.reader, self._last_step)
            carried = draft.carry(before[0], self._last_step) if before else []
            warnings = [each.told for each in carried if each.lost]
            return self._finish(draft, changes, (embedding, warnings), started)

    def _finish(
        self,
        draft: ingest.CorpusDraft,
        changes: ingest.Changes,
        made: tuple[str | None, list[str]],
        started: float,
    ) -> ImportReport:
        embedding, told = made
        warnings = [*self.reader.warnings, *told]
        if changes.metadata:
            warnings.append(f"{changes.metadata:,} documents differ from the version before only in their metadata.")
        report = ImportReport(
            corpus=draft.name,
            version=draft.version,
            documents=draft.documents,
            skipped=self.skips.count,
            skipped_rows=self.skips.rows,
            warnings=warnings,
            added=changes.added,
            removed=changes.removed,
            changed=changes.changed,
            seconds=round(time.monotonic() - started, 3),
            embedding=embedding,
        )
        draft.finish(self.reader.kinds(), asdict(report))
        return report

    def _last_step(self, done: int, total: int) -> None:
        # Comparing and storing vectors come after the last row: the bar stays full, but the import can be stopped.
        self.progress(self.reader.total, self.reader.total)

    def _fill(self, draft: ingest.CorpusDraft) -> None:
        batch: list[tuple[Document, str]] = []
        characters = images = 0
        for item in self.reader.read():
            if isinstance(item, SkippedRow):
                self.skips.add(item)
                if self.skips.count % ingest.BATCH == 0:
                    self._tell()
                continue
            batch.append((item, self.reader.where(self.reader.at) if item.image else ""))
            characters += len(item.text)
            images += item.image is not None
            if len(batch) >= ingest.BATCH or characters > _BATCH_CHARACTERS or images >= _BATCH_IMAGES:
                self._store(draft, batch)
                batch, characters, images = [], 0, 0
        if batch:
            self._store(draft, batch)

    def _store(self, draft: ingest.CorpusDraft, batch: list[tuple[Document, str]]) -> None:
        self._tell()
        paths = [each.image for each, _ in batch if each.image]
        stored = iter(store_images(paths, draft.media) if paths else [])
        kept = []
        for each, where in batch:
            image, reason = next(stored) if each.image else (None, "")
            if reason:
                self.skips.add(SkippedRow(where, reason))
            else:
                kept.append(replace(each, image=image) if each.image else each)
        draft.append(kept)

    def _tell(self) -> None:
        self.progress(min(self.reader.done, self.reader.total), self.reader.total)


def _source_fingerprint(reader: Reader, path: Path, progress: Progress) -> str:
    """Hash of the source's bytes and of how they are read."""
    root = path if path.is_dir() else path.parent
    return fingerprint(IMPORT_VERSION, reader.mapping().to_dict(), hash_files(reader.sources(), root, progress))


def _source_of(project: Project, info: CorpusInfo) -> str:
    with project.db.read() as connection:
        query = sa.select(corpora_table.c.source_fingerprint).where(corpora_table.c.id == info.id)
        return str(connection.execute(query).scalar_one())


def _note_source(project: Project, info: CorpusInfo, source: str) -> None:
    with project.db.write() as connection:
        update = sa.update(corpora_table).where(corpora_table.c.id == info.id)
        connection.execute(update.values(source_fingerprint=source))


def _unchanged(info: CorpusInfo, started: float) -> ImportReport:
    kept = {**info.report, "added": 0, "removed": 0, "changed": 0, "unchanged": True}
    rows = [SkippedRow(**row) for row in kept.pop("skipped_rows", [])]
    return ImportReport(**{**kept, "skipped_rows": rows, "seconds": round(time.monotonic() - started, 3)})


def list_corpora(project: Project) -> list[CorpusInfo]:
    """The newest version of each corpus, by name."""
    return corpora.newest(project.db)


def list_versions(project: Project, name: str) -> list[CorpusInfo]:
    """All versions of a corpus, newest first. Raises `NotFound`."""
    return corpora.finished(project.db, corpora.find(project.db, name).name)


def get_corpus(project: Project, name: str | int) -> CorpusInfo:
    """The corpus “name” (its newest version), “name@2”, or with this number. Raises `NotFound`."""
    return corpora.find(project.db, name)


def browse(
    project: Project,
    corpus: str | int,
    text: str = "",
    filters: Sequence[Filter] = (),
    offset: int = 0,
    limit: int = 50,
) -> DocumentPage:
    """Documents that contain every word of `text` and pass every filter, in order. Raises `BadInput`, `NotFound`."""
    info = corpora.find(project.db, corpus)
    found, total = corpora.page(project.db, info, (filters, text), offset, limit)
    return DocumentPage(found, total)


def get_document(project: Project, corpus: str | int, document: int | str) -> Document:
    """A document by ordinal (int) or id (str). Raises `NotFound`."""
    return corpora.document(project.db, corpora.find(project.db, corpus), document)


def column_values(project: Project, corpus: str | int, column: str, limit: int = 50) -> list[tuple[Scalar, int]]:
    """The most frequent values of a metadata column with their counts. Raises `BadInput` listing the columns."""
    return corpora.values(project.db, corpora.find(project.db, corpus), column, limit)


def image_path(project: Project, corpus: str | int, ordinal: int) -> Path | None:
    """The stored image of a document, or None where it has none. Raises `NotFound`."""
    image = get_document(project, corpus, ordinal).image
    return None if image is None else project.media / image


def delete_corpus(project: Project, name: str, progress: Progress = no_progress) -> int:
    """Delete every version of a corpus (or “name@2” alone) with what was made from it; returns how many versions.

    Query sets and judgments go with the last version; before, they move to the newest one left.
    """
    info = corpora.find(project.db, name)
    doomed = [info] if "@" in name else corpora.finished(project.db, info.name)
    for each in doomed:
        for kind in KINDS:
            for artifact in project.artifacts.list(kind, corpus_id=each.id):
                if kind == "map":
                    forget_labels(project, artifact.id)
                project.artifacts.delete(artifact.id)
        ingest.delete(project.db, project.media, each, progress)
    return len(doomed)
