"""Runs: a pipeline over a whole query set as a job, kept with its times and everything that made it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workbench import corpora, query_sets, runs
from workbench.artifacts import Draft
from workbench.errors import BadInput
from workbench.project import Project, check_name
from workbench.query_sets import QuerySetInfo
from workbench.runs import Block, RunInfo
from workbench.specs import PipelineSpec, fingerprint
from workbench.types import Content, Progress, Ranking, SkippedRow, no_progress
from workbench.workflows.batches import BatchPipeline
from workbench.workflows.evaluating import measure_first
from workbench.workflows.stages import Clock
from workbench.workflows.trec_runs import export_run, import_run
from workbench.workflows.variants import lend_run

__all__ = [
    "RunInfo",
    "RunReport",
    "delete_run",
    "export_run",
    "get_run",
    "import_run",
    "list_runs",
    "rename_run",
    "run_queries",
]

BATCH, RERANKED_BATCH = 256, 8
BLOCK_SECONDS, BLOCK_QUERIES = 10.0, 2048
"""A block is written after so much work or so many queries: what a crash costs, and what memory holds."""
MOST_K = 1000


@dataclass(frozen=True)
class RunReport:
    """What a run did. `empty`: queries that found nothing; the rest is of imported files."""

    run: str
    id: int
    queries: int
    seconds: float
    empty: int = 0
    warnings: list[str] = field(default_factory=list)
    skipped: int = 0
    skipped_rows: list[SkippedRow] = field(default_factory=list)
    unknown_documents: int = 0
    unknown_queries: int = 0
    duplicates: int = 0


def run_queries(
    project: Project,
    query_set: str,
    pipeline: PipelineSpec,
    k: int = 100,
    name: str = "",
    progress: Progress = no_progress,
) -> RunReport:
    """Answer every query of a set with the `k` best documents and keep the rankings; memory does not grow with them.

    The same run twice is a no-op; a run that was cancelled or killed goes on at its last finished block. The hits of a
    query are those that a search with this pipeline gives. Raises `NotFound` on names, `BadInput` on a pipeline that
    does not fit, or where no query can be read by its encoders.
    """
    info = query_sets.find(project.db, query_set)
    if not 1 <= k <= MOST_K:
        raise BadInput(f"{k} documents were asked for each query.", f"Ask for 1 to {MOST_K}.")
    if not info.queries:
        raise BadInput(f"The query set “{query_set}” has no queries.", "Import some, or type searches first.")
    called = check_name("run", name) if name else f"{info.name}-{short_name(pipeline)}"
    corpus = corpora.find(project.db, info.corpus)
    batches = BatchPipeline(project, corpus, pipeline, k)
    spec = {"pipeline": pipeline.to_dict(), "k": k, "queries": fingerprint_of(project, info)}
    draft = project.artifacts.begin("run", called, spec, [corpus.fingerprint, *batches.inputs], corpus.id)
    if draft.existing is None:
        _answer_all(project, info, batches, draft, progress)
        told: dict[str, Any] = {"corpus": {"name": corpus.name, "version": corpus.version, "id": corpus.id}}
        told |= {"query_set": info.name, "queries": info.queries, "k": k}
        draft.commit(told | _manifest(batches, draft))
    found = runs.find(project.db, project.artifacts, runs.add(project.db, called, info.id, draft.id))
    lend_run(project, info, found.name, draft.id)
    measure_first(project, found)
    made = found.manifest
    return RunReport(found.name, found.id, made["queries"], made["seconds"], made["empty"], made["warnings"])


def _answer_all(project: Project, info: QuerySetInfo, batches: BatchPipeline, draft: Draft, progress: Progress) -> None:
    number, done, _ = runs.finished(draft.folder)
    size = RERANKED_BATCH if batches.spec.reranker else BATCH
    waiting: list[Ranking] = []
    clock = Clock(batches.steps)
    progress(done, info.queries)
    for queries in contents(project, info.id, done, size):

        def tell(part: int, _total: int, at: int = done + len(waiting)) -> None:
            progress(at + part, info.queries)

        waiting += batches.answer(queries, clock, tell)
        progress(done + len(waiting), info.queries)
        if clock.timings()["total"] >= 1000 * BLOCK_SECONDS or len(waiting) + size > BLOCK_QUERIES:
            _write(draft.folder, number, (done, waiting), batches, clock)
            number, done, waiting, clock = number + 1, done + len(waiting), [], Clock(batches.steps)
    if waiting:
        _write(draft.folder, number, (done, waiting), batches, clock)
    if sum(each.unread for each in batches.retrievers) >= info.queries * len(batches.retrievers):
        draft.discard()
        names = " or ".join(each.embedding.name for each in batches.retrievers)
        raise BadInput(
            f"No query of “{info.name}” can be read by {names}.",
            "Choose an encoder for what the queries are (text or pictures).",
        )


def _write(folder: Path, number: int, made: tuple[int, list[Ranking]], batches: BatchPipeline, clock: Clock) -> None:
    start, rankings = made
    spent = clock.timings()
    milliseconds = np.array([spent[step] for step in (*batches.steps, "total")])
    runs.write_block(folder, number, Block(start, *runs.padded(rankings, batches.k)), milliseconds)


def _manifest(batches: BatchPipeline, draft: Draft) -> dict[str, Any]:
    _, count, spent = runs.finished(draft.folder)
    timings = dict(zip((*batches.steps, "total"), spent.tolist(), strict=True))
    empty = sum(int((block.ordinals[:, 0] == runs.NONE).sum()) for block in runs.blocks(draft.folder))
    working = timings["total"] - timings["load"]
    warnings = list(batches.warnings)
    warnings += [
        f"{each.unread:,} queries cannot be read by “{each.embedding.name}” and found nothing there."
        for each in batches.retrievers
        if each.unread
    ]
    return {
        "seconds": round(timings["total"] / 1000, 3),
        "timings": {step: round(value, 1) for step, value in timings.items()},
        "milliseconds": round(working / max(count, 1), 4),
        "memory_bytes": sum(each.memory_bytes for each in batches.retrievers),
        "empty": empty,
        "warnings": warnings,
        "labels": batches.labels,
        "lineage": {
            "retrievers": [each.lineage() for each in batches.retrievers],
            "fusion": None if batches.fusion is None else batches.fusion.to_dict(),
            "reranker": None if batches.spec.reranker is None else batches.spec.reranker.to_dict(),
        },
    }


def contents(project: Project, query_set_id: int, start: int, size: int) -> Iterator[list[Content]]:
    """The queries from number `start` on as a model reads them, `size` at a time."""
    while queries := query_sets.page(project.db, query_set_id, start, size):
        yield [Content(each.text, project.media / each.image if each.image else None) for each in queries]
        start += len(queries)


def fingerprint_of(project: Project, info: QuerySetInfo) -> str:
    """What the queries of a set are: another set with the same ones has the same fingerprint."""
    parts: list[str] = []
    for start in range(0, info.queries, 10_000):
        page = query_sets.page(project.db, info.id, start, 10_000)
        # A stored picture's name is made from its content; its folder is the query set's own.
        parts.append(fingerprint([[each.query_id, each.text, Path(each.image or "").name] for each in page]))
    return fingerprint(parts)


def short_name(pipeline: PipelineSpec) -> str:
    """A name for a pipeline without spaces: “minilm+bm25-rrf-ms-marco-minilm-l12”."""
    parts: Sequence[str] = ["+".join(_retriever_name(each.encoder, each.index) for each in pipeline.retrievers)]
    if len(pipeline.retrievers) > 1:
        parts = [*parts, pipeline.fusion.method if pipeline.fusion else "rrf"]
    if pipeline.reranker:
        parts = [*parts, Path(pipeline.reranker.name).name]
    return "-".join("-".join(part.split()) for part in parts)


def _retriever_name(encoder: str, index: str) -> str:
    name = Path(encoder).name
    return name if index.strip() in ("", "exact") else f"{name}-{index}"


def list_runs(project: Project, query_set: str | None = None) -> list[RunInfo]:
    """The runs (of a query set), newest first. Raises `NotFound`."""
    known = None if query_set is None else query_sets.find(project.db, query_set).id
    return runs.listed(project.db, project.artifacts, known)


def get_run(project: Project, run: str | int) -> RunInfo:
    """The run with this name or number. Raises `NotFound` listing the names."""
    return runs.find(project.db, project.artifacts, run)


def rename_run(project: Project, run: str | int, name: str) -> None:
    """Raises `NotFound`, `BadInput` on a name that is none or taken."""
    runs.rename(project.db, get_run(project, run).id, check_name("run", name))


def delete_run(project: Project, run: str | int) -> None:
    """Remove a run with its measures. Raises `NotFound`."""
    runs.delete(project.db, project.artifacts, get_run(project, run))
