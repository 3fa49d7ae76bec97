"""The public endpoints for programs: search, neighbours and jobs, over the same workflows as the pages."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.handlers import explain
from ui.session import Context
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.workflows import search as searching

MAX_K = 1000


def add_endpoints(context: Context) -> None:
    """Add `/search`, `/neighbours` and `/jobs`. Call inside the Blocks of the app."""

    def search(project: str, corpus: str, query: str, encoder: str, index: str = "exact", k: int = 10) -> dict:
        """Search a corpus with one encoder, through one of its indices or exactly.

        Returns {"query", "effective_query", "hits": [{"rank", "score", "doc_id", "title", "text"}], "timings" in ms,
        "warnings"}.
        """
        pipeline = PipelineSpec(retrievers=(RetrieverSpec(encoder=encoder, index=index),))
        return answer(searching.search(context.project(project), corpus, query, pipeline, k=bounded(k)))

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
        }
        for hit in found.hits
    ]
    return {
        "query": found.query.text,
        "effective_query": found.effective_query,
        "hits": hits,
        "timings": dict(found.timings),
        "warnings": list(found.warnings),
    }
