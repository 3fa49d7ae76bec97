"""The address of judging in place: what was said of a query's documents. Verdicts are written by `label_routes`."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ui.components.filters_text import whole_in
from ui.headers import NOT_KEPT
from ui.point_routes import answered
from ui.session import Context
from workbench.errors import BadInput
from workbench.project import Project
from workbench.workflows import judging
from workbench.workflows import queries as asking
from workbench.workflows.judging import Judge, Verdict

LONGEST = 10_000
"""Characters of a query."""
IMPORTED = "qrels"
"""Label set and annotator of what came with the queries."""


def add_judging(router: APIRouter, context: Context) -> None:
    """The route. A refusal is JSON {"message", "hint"}: 404 for what is not there, 400 for what cannot be used."""

    @router.get("/judging/{project}/said")
    def said(project: str, request: Request) -> Response:
        """Of `corpus`, `q` (the text), `annotator`, and perhaps `set` with `at` or `id`: {"query_set", "query_id",
        "said": {doc_id: verdict}, "imported": {doc_id: grade}}; ids are empty where no query set has this text yet."""

        def make(opened: Project) -> Response:
            values = dict(request.query_params)
            told = what_was_said(opened, found(opened, values), values.get("annotator", ""))
            return JSONResponse(told, headers=NOT_KEPT)

        return answered(context, project, make)


def found(project: Project, asked: Mapping[str, str]) -> tuple[str, str] | None:
    """The query that is meant: that of a query set where the page took it from one, else the first with its text."""
    text, query_set, at = asked.get("q", "").strip(), asked.get("set", ""), whole_in(asked.get("at", ""), -1)
    if len(text) > LONGEST:
        raise BadInput("The query is too long to be judged.", f"Use at most {LONGEST:,} characters.")
    if query_set and asked.get("id"):
        return query_set, asked["id"]
    if query_set and at >= 0:
        stepped = asking.judged_query(project, query_set, at)
        if stepped.at == at and stepped.query.text.strip() == text:
            return query_set, stepped.query.query_id
    return judging.known_query(project, asked.get("corpus", ""), text) if text else None


def what_was_said(project: Project, query: tuple[str, str] | None, annotator: str) -> dict[str, Any]:
    """The annotator's verdicts and the imported grades of a query."""
    if query is None:
        return {"query_set": "", "query_id": "", "label_set": judging.PEOPLE, "said": {}, "imported": {}}
    query_set, query_id = query
    own = judging.said(project, Judge(query_set, annotator), query_id)
    given = judging.said(project, Judge(query_set, IMPORTED, IMPORTED), query_id)
    return {
        "query_set": query_set,
        "query_id": query_id,
        "label_set": judging.PEOPLE,
        "said": {doc_id: verdict_values(verdict) for doc_id, verdict in own.items()},
        "imported": {doc_id: each.relevance for doc_id, each in given.items() if each.relevance is not None},
    }


def verdict_values(verdict: Verdict) -> dict[str, Any]:
    """A verdict as the browser writes it."""
    return {
        "relevance": verdict.relevance,
        "is_hard_negative": verdict.is_hard_negative,
        "state": verdict.state,
        "note": verdict.note,
    }


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that was sent. Raises `BadInput` on anything else."""
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadInput("What was sent cannot be read.", "Reload the page.")
    return value
