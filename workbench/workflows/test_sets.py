"""Test sets: a folder's corpus, queries and judgments in one step; and those that are made here.

`test_set_making` makes one of a corpus's own documents, `variants` changes the queries of one.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from workbench import query_sets
from workbench.errors import BadInput
from workbench.project import Project, check_name
from workbench.readers.layouts import Layout, find_layout
from workbench.readers.queries import columns_of
from workbench.specs import ImportSpec
from workbench.types import Progress, no_progress
from workbench.workflows.bridge import STEPS, share
from workbench.workflows.corpus import ImportReport, delete_corpus, import_corpus
from workbench.workflows.queries import QueryFiles, QueryReport, import_query_files
from workbench.workflows.sources import sources_told
from workbench.workflows.test_set_making import MadeSet, make_test_set
from workbench.workflows.variants import Varied, vary_queries

__all__ = ["ImportedSet", "MadeSet", "Varied", "import_test_set", "make_test_set", "vary_queries"]

CORPUS_STEPS = 800
"""Of `STEPS`: what importing the corpus counts for."""


@dataclass(frozen=True)
class ImportedSet:
    """A test set that was loaded. `splits`: all that the folder has; ids that nothing answers to are listed, cut."""

    corpus: str
    query_set: str
    documents: int
    queries: int
    judgments: int
    shape: str
    split: str
    splits: list[str]
    version: int = 1
    skipped: int = 0
    unknown_documents: int = 0
    unknown_queries: int = 0
    unknown_document_ids: list[str] = field(default_factory=list)
    unknown_query_ids: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def import_test_set(
    project: Project, name: str, path: Path | str, split: str | None = None, progress: Progress = no_progress
) -> ImportedSet:
    """Load a BEIR, MTEB v2 or AIR-Bench folder as the corpus `name` with the query set `name` (or “name-split”).

    Several splits: the one named, else test; their corpus is the same. The same folder again is a no-op; where the
    queries cannot be loaded, the corpus goes again. Raises `BadInput` on a folder that lacks a part or the split.
    """
    name, folder = check_name("corpus", name), Path(path).expanduser()
    with sources_told(folder):
        layout = find_layout(folder, split)
        called = check_name("query set", f"{name}-{layout.split}" if len(layout.splits) > 1 else name)
        _check_free(project, name, called)
        told = _told(layout)
        with ExitStack() as undo:
            corpus = import_corpus(project, name, folder, ImportSpec("beir"), share(progress, 0, CORPUS_STEPS))
            if not corpus.unchanged:
                undo.callback(delete_corpus, project, f"{name}@{corpus.version}")
            files = QueryFiles(folder, layout.queries, layout.qrels)
            part = share(progress, CORPUS_STEPS, STEPS)
            queries = import_query_files(project, called, files, (name, told), part)
            undo.pop_all()
    return _imported(layout, corpus, queries)


def _check_free(project: Project, corpus: str, query_set: str) -> None:
    for each in query_sets.listed(project.db):
        if each.name == query_set and each.corpus != corpus:
            raise BadInput(
                f"There is already a query set called “{query_set}”, of the corpus “{each.corpus}”.",
                "Choose another name.",
            )


def _told(layout: Layout) -> list[str]:
    told = []
    if len(layout.splits) > 1:
        others = [each for each in layout.splits if each != layout.split]
        told.append(f"The split “{layout.split}” was loaded; the folder also has {', '.join(others)}.")
    if not layout.qrels:
        told.append("The folder has no judgments (qrels) of these queries.")
    if layout.top_ranked:
        told.append("The folder's top_ranked lists (candidates for reranking) are not used: the whole corpus is.")
    if "instruction" in columns_of(layout.queries[0]):
        told.append("The queries' own instructions are left out: encoders use their query prompts.")
    return told


def _imported(layout: Layout, corpus: ImportReport, queries: QueryReport) -> ImportedSet:
    told = [f"The corpus is version {corpus.version} of “{corpus.corpus}”."] if corpus.version > 1 else []
    return ImportedSet(
        corpus=corpus.corpus,
        query_set=queries.query_set,
        documents=corpus.documents,
        queries=queries.queries,
        judgments=queries.judgments,
        shape=layout.shape,
        split=layout.split,
        splits=list(layout.splits),
        version=corpus.version,
        skipped=corpus.skipped + queries.skipped,
        unknown_documents=queries.unknown_documents,
        unknown_queries=queries.unknown_queries,
        unknown_document_ids=queries.unknown_document_ids,
        unknown_query_ids=queries.unknown_query_ids,
        warnings=[*told, *corpus.warnings, *queries.warnings],
    )
