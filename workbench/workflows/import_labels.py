"""A training file becomes judgments: with a corpus and query set of its own, or of documents that are there."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench import corpora, ingest, judgments, label_sets, query_sets
from workbench.corpora import CorpusInfo
from workbench.db import WRITE_BATCH
from workbench.errors import BadInput
from workbench.project import Project, check_name
from workbench.query_sets import QuerySetInfo
from workbench.readers.queries import qrels_file
from workbench.readers.training import TrainingReader
from workbench.specs import fingerprint
from workbench.types import Document, Progress, SkippedRow, no_progress
from workbench.workflows.corpus import ImportReport
from workbench.workflows.gathering import LISTED, Gathered
from workbench.workflows.recognising import find_queries, known_documents, some
from workbench.workflows.sources import Skips, hash_files, sources_told

IMPORTED = "imported"
"""The label set and the annotator of imported judgments."""


@dataclass(frozen=True)
class LabelImport:
    """What an import did: `documents` of `corpus` are judged; `contradictions` pairs were positive and negative.

    `images`: how many the file names; they are not read.
    """

    query_set: str
    corpus: str
    label_set: str
    format: str
    queries: int
    judgments: int
    documents: int
    contradictions: int = 0
    images: int = 0
    skipped: int = 0
    warnings: list[str] = field(default_factory=list)
    skipped_rows: list[SkippedRow] = field(default_factory=list)
    contradicting: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """What is imported: a file, its format ("": as its columns show), and the label set it becomes ("": “imported”)."""

    path: Path
    format: str = ""
    label_set: str = ""


def import_labels(
    project: Project, name: str, source: Source, corpus: str | None = None, progress: Progress = no_progress
) -> LabelImport:
    """Import a training file as the query set `name` with the label set `source.label_set`.

    Where the query set is there already, its queries get the label set. Else it is made: of `corpus`, whose documents
    are found by id or by their exact text; without one, of a new corpus `name` with the file's texts, each once.
    The same file again is a no-op. Ids and texts that are not there are listed, and nothing is imported.
    Raises `BadInput`, `NotFound` on the corpus.
    """
    name, path = check_name("query set", name), source.path.expanduser()
    with sources_told(path):
        if not path.exists():
            raise BadInput(f"There is no file or folder “{path}”.", "Check the path.")
        file = qrels_file(path) or path
        mark = fingerprint("labels", source.format, hash_files([file], file.parent, progress))
        job = _Import(
            project,
            TrainingReader(file, source.format),
            (name, check_name("label set", source.label_set or IMPORTED), mark),
            progress,
        )
        existing = {info.name: info for info in query_sets.listed(project.db)}.get(name)
        if existing is not None:
            if corpus is not None and corpora.find(project.db, corpus).name != existing.corpus:
                raise BadInput(
                    f"The query set “{name}” belongs to the corpus “{existing.corpus}”, not to “{corpus}”.",
                    "Choose another name.",
                )
            return job.into_query_set(existing)
        return job.with_corpus() if corpus is None else job.into_corpus(corpora.find(project.db, corpus))


class _Import:
    """One import on its way: reader → queries, documents and judgments, each once → the database."""

    def __init__(
        self, project: Project, reader: TrainingReader, goal: tuple[str, str, str], progress: Progress
    ) -> None:
        self.project = project
        self.reader = reader
        self.name, self.label_set, self.mark = goal
        self.progress = progress
        self.skips = Skips()

    def into_query_set(self, info: QuerySetInfo) -> LabelImport:
        """The judgments as another label set of a query set that is there."""
        db = self.project.db
        known = {each.name: each for each in label_sets.listed(db, info.id)}.get(self.label_set)
        if known is not None and known.spec.get("source_fingerprint") == self.mark:
            return _from_report(known.spec["report"])
        if known is not None and not known.spec.get("unfinished"):
            raise BadInput(
                f"“{self.name}” has a label set called “{self.label_set}” already.",
                "Choose another name for it, or delete it first.",
            )
        corpus = corpora.find(db, info.corpus)
        gathered = self._gather(Gathered(merges=False))
        doc_ids = known_documents(self.project, corpus, gathered, self.progress)
        find_queries(self.project, info, gathered)
        if known is not None:
            label_sets.delete(db, info.id, self.label_set)
        with ExitStack() as undo:
            # Until the last judgment is there the label set says so: a killed import is begun again by the next.
            label_sets.make(db, info.id, self.label_set, "imported", {"unfinished": True})
            undo.callback(label_sets.delete, db, info.id, self.label_set)
            report = self._store(info, gathered, doc_ids)
            label_sets.describe(db, info.id, self.label_set, self._spec(report))
            undo.pop_all()
        return report

    def into_corpus(self, corpus: CorpusInfo) -> LabelImport:
        """A new query set of a corpus that is there."""
        gathered = self._gather(Gathered(merges=False))
        return self._new_query_set(corpus, gathered, known_documents(self.project, corpus, gathered, self.progress))

    def with_corpus(self) -> LabelImport:
        """A new query set of a new corpus."""
        name, db, media = self.name, self.project.db, self.project.media
        made = next(iter(corpora.finished(db, name)), None)
        if made is not None and made.report.get("source_fingerprint") == self.mark:
            # An import of this very file was killed after its corpus was whole.
            return self.into_corpus(made)
        if made is not None:
            raise BadInput(
                f"There is a corpus called “{name}” already.",
                "Choose another name, or name the corpus: then its documents are judged.",
            )
        row = {"name": name, "source": str(self.reader.path), "source_fingerprint": self.mark, "spec": {}}
        with ExitStack() as undo:
            with ingest.begin(db, media, row) as draft:
                batch: list[Document] = []

                def keep(doc_id: str, text: str) -> None:
                    if not text:
                        raise BadInput(
                            f"{self.reader.where} of “{self.reader.path.name}” names the document “{doc_id[:80]}” "
                            "without its text.",
                            "Name the corpus that has it.",
                        )
                    batch.append(Document(doc_id, text))
                    if len(batch) == ingest.BATCH:
                        draft.append(batch)
                        batch.clear()

                gathered = self._gather(Gathered(merges=True, on_document=keep))
                draft.append(batch)
                if not all(query.text for query in gathered.queries):
                    raise BadInput("The file names queries without their texts.", "Name a query set that has them.")
                corpus = draft.finish({}, self._corpus_report(draft))
            undo.callback(ingest.delete, db, media, corpus)
            report = self._new_query_set(corpus, gathered, gathered.doc_ids)
            undo.pop_all()
        return report

    def _corpus_report(self, draft: ingest.CorpusDraft) -> dict[str, Any]:
        told = ImportReport(draft.name, draft.version, draft.documents, self.skips.count, self.skips.rows)
        return {**asdict(told), "source_fingerprint": self.mark}

    def _gather(self, gathered: Gathered) -> Gathered:
        for number, row in enumerate(self.reader.read()):
            if isinstance(row, SkippedRow):
                self.skips.add(row)
            else:
                gathered.add(row)
            if number % 500 == 0:
                self.progress(*self.reader.progress)
        if not len(gathered):
            raise self.skips.nothing_left(self.reader.path, "judgment")
        return gathered

    def _new_query_set(self, corpus: CorpusInfo, gathered: Gathered, doc_ids: list[str]) -> LabelImport:
        db, media = self.project.db, self.project.media
        unnamed = [query.query_id for query in gathered.queries if not query.text]
        if unnamed:
            raise BadInput(
                f"There is no query set “{self.name}”, and the file has no texts for {some(unnamed)}.",
                "Import the queries first, then the judgments under the query set's name.",
            )
        with query_sets.begin(db, media, self.name, corpus.id, str(self.reader.path)) as draft:
            for start in range(0, len(gathered.queries), WRITE_BATCH):
                draft.append_queries(gathered.queries[start : start + WRITE_BATCH])
            info = QuerySetInfo(draft.id, self.name, corpus.name, corpus.id, draft.queries, 0, "", 0.0, {})
            label_sets.make(db, info.id, self.label_set, "imported", {"unfinished": True})
            report = self._store(info, gathered, doc_ids)
            label_sets.describe(db, info.id, self.label_set, self._spec(report))
            draft.finish({**asdict(report), "imported_at": time.time()})
        return report

    def _store(self, info: QuerySetInfo, gathered: Gathered, doc_ids: list[str]) -> LabelImport:
        entries = self._with_progress(gathered, doc_ids)
        stored = judgments.store(self.project.db, info, self.label_set, IMPORTED, entries)
        return LabelImport(
            query_set=self.name,
            corpus=info.corpus,
            label_set=self.label_set,
            format=self.reader.format,
            queries=len(gathered.queries),
            judgments=stored.judgments,
            documents=len(set(doc_ids)),
            contradictions=len(gathered.contradictions),
            images=self.reader.images,
            skipped=self.skips.count,
            warnings=self._warnings(gathered),
            skipped_rows=self.skips.rows,
            contradicting=gathered.contradictions[:LISTED],
        )

    def _with_progress(self, gathered: Gathered, doc_ids: list[str]) -> Iterator[Any]:
        for number, entry in enumerate(gathered.judgments(doc_ids)):
            if number % WRITE_BATCH == 0:
                self.progress(number, len(gathered))
            yield entry

    def _warnings(self, gathered: Gathered) -> list[str]:
        said = []
        if self.skips.count:
            first = "; ".join(f"{row.where}: {row.reason}" for row in self.skips.rows[:3])
            said.append(f"{self.skips.count:,} rows were skipped: {first}{' …' if self.skips.count > 3 else ''}.")
        if gathered.contradictions:
            pairs = [f"{query} / {document}" for query, document in gathered.contradictions]
            said.append(f"{len(pairs):,} pairs are positive and negative in the file; kept as positive: {some(pairs)}.")
        if gathered.conflicts:
            said.append(f"{len(gathered.conflicts):,} documents have an id that stands for another text; left out: "
                        f"{some(gathered.conflicts)}.")  # fmt: skip
        if gathered.other_texts:
            said.append(f"{gathered.other_texts:,} rows have another text for their query id; the first was kept.")
        if self.reader.images:
            columns = ", ".join(f"“{name}”" for name in self.reader.image_columns)
            said.append(f"{self.reader.images:,} images in {columns} were not read: queries and documents are known by "
                        "their ids and texts alone.")  # fmt: skip
        return said

    def _spec(self, report: LabelImport) -> dict[str, Any]:
        return {"source": self.reader.path.name, "source_fingerprint": self.mark, "report": asdict(report)}


def _from_report(values: dict[str, Any]) -> LabelImport:
    rows = [SkippedRow(**row) for row in values["skipped_rows"]]
    pairs = [(query, document) for query, document in values["contradicting"]]
    return LabelImport(**{**values, "skipped_rows": rows, "contradicting": pairs})
