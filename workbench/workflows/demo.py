"""The demo project: three small corpora, imported and searchable by BM25 within seconds of the first start."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.project import Project, Workspace
from workbench.samples import write_python_library
from workbench.specs import ImportSpec, PipelineSpec, RetrieverSpec
from workbench.types import Progress, no_progress
from workbench.workflows.corpus import import_corpus, import_queries, list_corpora, list_query_sets
from workbench.workflows.encode import encode_corpus

DEMO_PROJECT = "demo"
SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"
STEP = 100  # units of progress per step


@dataclass(frozen=True)
class Sample:
    """One corpus of the demo; file names are relative to its folder, an empty one = none."""

    name: str
    title: str
    documents: str
    spec: ImportSpec
    queries: str = ""
    qrels: str = ""


FACTBOOK = Sample(
    "factbook",
    "World Factbook",
    "factbook.jsonl",
    ImportSpec(reader="jsonl", id_field="id", text_field="text", title_field="title"),
    "queries.jsonl",
    "qrels.tsv",
)
PYTHON_LIBRARY = Sample(
    "python-library",
    "Python's standard library",
    "",
    ImportSpec(reader="beir", metadata_fields=("module", "kind", "lines")),
    "queries.jsonl",
    "qrels/test.tsv",
)
OPENCLIPART = Sample(
    "openclipart",
    "openclipart",
    "captions.jsonl",
    ImportSpec(reader="jsonl", id_field="id", text_field="keywords", title_field="title", image_field="file"),
)
DEMO_SAMPLES = (FACTBOOK, PYTHON_LIBRARY, OPENCLIPART)
DEMO_WORK = (
    ("encode", "openclipart", "clipart-bridge"),
    ("encode", "factbook", "minilm"),
    ("map", "factbook", "minilm"),
    ("run", "factbook", "bm25"),
    ("run", "factbook", "minilm"),
    ("run", "factbook", "bm25 + minilm"),
    ("encode", "factbook", "splade-tiny"),
    ("map", "openclipart", "clipart-bridge"),
    ("encode", "openclipart", "minilm"),
    ("encode", "openclipart", "efficientnet-lite0"),
    ("encode", "openclipart", "colbert-small"),
    ("encode", "python-library", "minilm"),
    ("map", "python-library", "minilm"),
    ("run", "python-library", "bm25"),
    ("run", "python-library", "minilm"),
    ("encode", "factbook", "bge-small"),
    ("run", "factbook", "bge-small"),
)
"""(kind of job, corpus, encoder or encoders) in the order of what a first visitor tries: pictures by text and passages
by meaning come within a minute or two, the longest last; runs of the query sets fill the Evaluate page. Token vectors
of the pictures' words only: those of the Factbook take 0.7 GB."""


@dataclass(frozen=True)
class DemoReport:
    """What the demo holds now: counts by name, and the steps this run had to do (none = all was there)."""

    documents: dict[str, int]
    queries: dict[str, int]
    embeddings: list[str]
    done: list[str]
    seconds: float


def demo_jobs() -> list[tuple[str, dict[str, Any], str]]:
    """(kind, arguments, title) of the jobs that fill the demo project, in the order to enqueue them."""
    titles = {sample.name: sample.title for sample in DEMO_SAMPLES}
    work: list[tuple[str, dict[str, Any], str]] = [
        (kind, _arguments(kind, corpus, encoder), f"{kind.capitalize()} {titles[corpus]} with {encoder}")
        for kind, corpus, encoder in DEMO_WORK
    ]
    return [("demo", {}, "Set up the demo corpora"), *work]


def _arguments(kind: str, corpus: str, encoder: str) -> dict[str, Any]:
    """A query set of the demo has the name of its corpus."""
    if kind != "run":
        return {"corpus": corpus, "encoder": encoder}
    pipeline = PipelineSpec(tuple(RetrieverSpec(encoder=name) for name in encoder.split(" + ")))
    return {"query_set": corpus, "pipeline": pipeline.to_dict()}


def start_demo(workspace: Workspace, enqueue: Callable[..., Any]) -> str:
    """Create the demo project and queue, by `JobService.enqueue`, the jobs that fill it; returns its name.

    On whatever device a worker has; what a person asks for meanwhile goes before the long encodes. Raises `BadInput`
    where there is a project of that name.
    """
    project = workspace.create(DEMO_PROJECT)
    project.close()
    for kind, arguments, title in demo_jobs():
        enqueue(kind, project.name, arguments, title=title, priority=1 if kind == "demo" else 9)
    return project.name


def build_demo(project: Project, progress: Progress = no_progress) -> DemoReport:
    """Import the sample corpora with their queries and encode each with BM25; what is there already is left alone."""
    started = time.monotonic()
    done: list[str] = []
    embeddings = []
    total = 2 * len(DEMO_SAMPLES) * STEP
    # All corpora first: a person can browse while the rest is made searchable.
    for number, sample in enumerate(DEMO_SAMPLES):
        done += add_sample(project, sample, within(progress, number * STEP, total))
    for number, sample in enumerate(DEMO_SAMPLES, start=len(DEMO_SAMPLES)):
        report = encode_corpus(project, sample.name, "bm25", progress=within(progress, number * STEP, total))
        embeddings.append(report.embedding)
    progress(total, total)
    corpora = {corpus.name: corpus.documents for corpus in list_corpora(project)}
    queries = {name: count for sample in DEMO_SAMPLES for name, count in query_sets(project, sample.name).items()}
    documents = {sample.name: corpora[sample.name] for sample in DEMO_SAMPLES}
    return DemoReport(documents, queries, embeddings, done, round(time.monotonic() - started, 3))


def within(progress: Progress, start: int, total: int) -> Callable[[int, int], None]:
    """Progress of one step, told as its share of the whole."""

    def report(done: int, of: int) -> None:
        progress(start + (STEP * done // of if of else 0), total)

    return report


def query_sets(project: Project, corpus: str) -> dict[str, int]:
    return {each.name: each.queries for each in list_query_sets(project, corpus)}


def add_sample(project: Project, sample: Sample, progress: Progress) -> list[str]:
    """Import what is missing of one sample; returns the steps done, for example “corpus factbook”."""
    has_corpus = sample.name in {corpus.name for corpus in list_corpora(project)}
    has_queries = not sample.queries or (has_corpus and sample.name in query_sets(project, sample.name))
    if has_corpus and has_queries:
        return []
    folder = SAMPLES / sample.name
    if sample is PYTHON_LIBRARY:
        # Kept in the project: a later import of the same name needs its source, and interpreters differ.
        folder = project.folder / "samples" / sample.name
        write_python_library(folder)
    done = []
    if not has_corpus:
        import_corpus(project, sample.name, folder / sample.documents, sample.spec, progress=progress)
        done.append(f"corpus {sample.name}")
    if not has_queries:
        qrels = folder / sample.qrels
        import_queries(project, sample.name, folder / sample.queries, sample.name, qrels=qrels)
        done.append(f"queries {sample.name}")
    return done
