"""The public endpoints for programs: search, neighbours and jobs, over the same workflows as the pages."""

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.handlers import explain
from ui.session import Context
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.workflows import search as searching
from workbench.workflows.views import get_pipeline

MAX_K = 1000


def add_endpoints(context: Context) -> None:
    """Add `/search`, `/neighbours` and `/jobs`. Call inside the Blocks of the app."""

    def search(
        project: str,
        corpus: str,
        query: str,
        encoder: str = "",
        index: str = "exact",
        k: int = 10,
        pipeline: str = "",
    ) -> dict:
        """Search a corpus with one encoder, through one of its indices or exactly, or with a whole pipeline.

        `pipeline`: a JSON object like {"retrievers": [{"encoder": "bm25"}], "reranker": {"name": "…", "depth": 50}},
        or the name of a saved one; then `encoder` and `index` are not used. Returns {"query", "effective_query",
        "hits": [{"rank", "score", "doc_id", "title", "text", "stages": {label: {"rank", "score"}}}], "stages": labels,
        "timings" in ms, "warnings"}.
        """
        opened = context.project(project)
        spec = pipeline_of(opened, pipeline) if pipeline.strip() else one_retriever(encoder, index)
        return answer(searching.search(opened, corpus, query, spec, k=bounded(k)))

    def neighbours(project: str, corpus: str, encoder: str, doc_id: str, k: int = 10) -> dict:
        """The documents nearest to a document of the corpus, by an encoder's vectors. Returns what `/search` does."""
        return answer(searching.neighbours(context.project(project), corpus, encoder, doc_id, k=bounded(k)))

    def jobs(project: str = "", limit: int = 100) -> list[dict]:
        """Jobs, newest first, of one project or (“”) of all; with state, progress, ETA in seconds, result and error."""
        found = context.jobs.list(project or None, limit=max(1, min(int(limit), 1000)))
        return [dataclasses.asdict(job) for job in found]

    for endpoint in (search, neighbours, jobs):
        gr.api(told(endpoint), api_name=endpoint.__name__)


def told(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` with its errors as sentences for the caller."""

    @functools.wraps(fn)
    def inner(*values: Any, **named: Any) -> Any:
        try:
            return fn(*values, **named)
        except Exception as error:
            message, hint = explain(error)
            raise gr.Error(f"{message} {hint}".strip(), print_exception=False) from error

    return inner


def one_retriever(encoder: str, index: str) -> PipelineSpec:
    if not encoder.strip():
        raise BadInput("Neither a pipeline nor an encoder was named.", "Give an encoder, or a pipeline as JSON.")
    return PipelineSpec(retrievers=(RetrieverSpec(encoder=encoder, index=index),))


def pipeline_of(project: Project, text: str) -> PipelineSpec:
    """The pipeline in a JSON object, or the saved one of that name. Raises `BadInput` or `NotFound`."""
    if not text.lstrip().startswith("{"):
        return get_pipeline(project, text.strip())
    try:
        values = json.loads(text)
    except ValueError as error:
        raise BadInput(
            f"The pipeline is not JSON: {error}.", 'For example {"retrievers": [{"encoder": "bm25"}]}.'
        ) from error
    return PipelineSpec.from_dict(values)


def bounded(k: int) -> int:
    return max(1, min(int(k), MAX_K))


def answer(found: Any) -> dict[str, Any]:
    """A `SearchResult` as plain JSON."""
    hits = [
        {
            "rank": hit.rank,
            "score": float(hit.score),
            "doc_id": hit.document.doc_id,
            "title": hit.document.title,
            "text": hit.document.text,
            "stages": {label: {"rank": stage.rank, "score": float(stage.score)} for label, stage in hit.stages.items()},
        }
        for hit in found.hits
    ]
    return {
        "query": found.query.text,
        "effective_query": found.effective_query,
        "hits": hits,
        "stages": [stage.label for stage in found.stages],
        "timings": dict(found.timings),
        "warnings": list(found.warnings),
    }
