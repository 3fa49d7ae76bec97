"""The addresses of what the Evaluate page hands out: tables, the report, a run as a TREC file; always as "
"attachments."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from ui.components.evaluate_board import named, shown_of
from ui.components.evaluate_table import Shown
from ui.components.report_html import report_html
from ui.handlers import explain
from ui.headers import NOT_KEPT
from ui.session import Context, Place
from workbench.errors import NotFound, WorkbenchError
from workbench.project import Project
from workbench.workflows import report, running
from workbench.workflows.evaluate import Comparison, Evaluation
from workbench.workflows.evaluated import Comparisons

TITLE = 200
QUESTION = 2000
BYTES = "application/octet-stream"
Maker = Callable[[Project, Shown, list[Comparison]], str]


def add_evaluations(router: APIRouter, context: Context) -> None:
    """`GET /evaluating/{project}/…` with the page's own parameters; a refusal is its sentence as text, 400 or 404."""
    comparisons = Comparisons()

    def made(project: str, request: Request, make: Maker) -> str:
        opened = context.project(project)
        query = {str(name): str(value) for name, value in request.query_params.items()}
        shown = shown_of(opened, Place(project, query.get("corpus", ""), query))
        if shown.evaluation is None:
            raise NotFound("There is nothing to export.")
        return make(opened, shown, comparisons.of(shown.evaluation, named(shown, shown.view.baseline)))

    def sent(project: str, request: Request, make: Maker, name: str, suffix: str) -> Response:
        try:
            text = made(project, request, make)
        except Exception as error:
            raise refused(error) from error
        return attachment(text, f"{name}-{request.query_params.get('set', '')[:60]}{suffix}")

    @router.get("/evaluating/{project}/report.html")
    def stakeholders(project: str, request: Request) -> Response:
        words = request.query_params
        return sent(
            project,
            request,
            lambda opened, shown, found: report_of(
                opened, shown, found, words.get("title", "")[:TITLE], words.get("question", "")[:QUESTION]
            ),
            "evaluation",
            ".html",
        )

    @router.get("/evaluating/{project}/means.csv")
    def means(project: str, request: Request) -> Response:
        return sent(
            project, request, lambda _, shown, found: report.means_csv(evaluation_of(shown), found), "means", ".csv"
        )

    @router.get("/evaluating/{project}/queries.csv")
    def queries(project: str, request: Request) -> Response:
        return sent(
            project,
            request,
            lambda opened, shown, _: report.queries_csv(opened, evaluation_of(shown)),
            "queries",
            ".csv",
        )

    @router.get("/evaluating/{project}/evaluation.json")
    def everything(project: str, request: Request) -> Response:
        def make(_: Project, shown: Shown, found: list[Comparison]) -> str:
            return json.dumps(report.as_json(evaluation_of(shown), found), ensure_ascii=False, allow_nan=False)

        return sent(project, request, make, "evaluation", ".json")

    @router.get("/evaluating/{project}/run/{number}.trec")
    def trec(project: str, number: int) -> Response:
        folder = tempfile.mkdtemp(prefix="wb-run-")
        path = Path(folder, "run.trec")
        try:
            opened = context.project(project)
            name = running.get_run(opened, number).name
            running.export_run(opened, number, path)
        except Exception as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise refused(error) from error
        # A file, sent as it is read: a run may be larger than the memory.
        gone = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
        headers = {**NOT_KEPT, "Content-Disposition": disposition(f"{name}.trec")}
        return FileResponse(path, media_type=BYTES, headers=headers, background=gone)


def evaluation_of(shown: Shown) -> Evaluation:
    """The evaluation of what is shown. Raises `NotFound` where there are no runs."""
    if shown.evaluation is None:
        raise NotFound("There is no run to export.")
    return shown.evaluation


def report_of(project: Project, shown: Shown, found: list[Comparison], title: str, question: str) -> str:
    """The report as one HTML file."""
    view = shown.view
    asked = report.Asked(named(shown, view.baseline), named(shown, view.other), view.measure, title, question)
    return report_html(report.make_report(project, evaluation_of(shown), found, asked))


def refused(error: Exception) -> HTTPException:
    # A number that no database row can have.
    message, hint = ("There is no such run.", "") if isinstance(error, OverflowError) else explain(error)
    status = 404 if isinstance(error, NotFound | OverflowError) else 400 if isinstance(error, WorkbenchError) else 500
    return HTTPException(status, f"{message} {hint}".strip())


def attachment(text: str, name: str) -> Response:
    """Bytes to keep, never a page to show: the file holds a corpus's text."""
    return Response(text, media_type=BYTES, headers={**NOT_KEPT, "Content-Disposition": disposition(name)})


def disposition(name: str) -> str:
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"
