"""The addresses of the Label page: the queue, a query's candidates, what was said, and the writes of an annotator."""

import re
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ui.components.label_cards import other_html, pool_html, query_html
from ui.components.label_queue import progress_html, rows_html
from ui.components.label_view import LabelView, read_label_view
from ui.components.markdown import markdown_html
from ui.components.results import Frame
from ui.headers import NOT_KEPT
from ui.judging_routes import read_object, verdict_values
from ui.point_routes import answered, refusal
from ui.review_routes import reviewed
from ui.session import Context
from ui.uploads import check_origin, read_limited
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.types import Query
from workbench.workflows import corpus as corpora
from workbench.workflows import dealing, judging, label, label_queue
from workbench.workflows.judging import Entry, Judge, Receipt, Verdict

LARGEST = 1 << 20
"""Bytes of a request."""
MOST = 100
"""Writes of a request."""
MOST_CARDS = 4000
_CLIENT = re.compile(r"[0-9a-f]{8,40}")


def add_labelling(router: APIRouter, context: Context) -> None:
    """The routes. A refusal is JSON {"message", "hint"}: 404 for what is not there, 400 for what cannot be used."""

    def get(path: str, make: Callable[[Project, LabelView], dict[str, Any]]) -> None:
        @router.get(f"/labelling/{{project}}/{path}", name=f"labelling {path}")
        def answer(project: str, request: Request) -> Response:
            values = {name: str(value) for name, value in request.query_params.items()}
            return answered(context, project, lambda opened: told(make(opened, read_label_view(values))))

    def post(path: str, make: Callable[[Project, dict[str, Any]], dict[str, Any]]) -> None:
        @router.post(f"/labelling/{{project}}/{path}", name=f"write {path}")
        async def answer(project: str, request: Request) -> Response:
            check_origin(request)
            try:
                sent = await read_limited(request, LARGEST)
            except BadInput:
                return refusal(BadInput("Nothing was sent, or too much at once.", "Reload the page."), 400)
            return await run_in_threadpool(
                answered, context, project, lambda opened: told(make(opened, read_object(sent)))
            )

    get("queue", queue)
    get("progress", progress)
    get("query", query)
    get("said", said)
    get("guidelines", guidelines)
    post("reasons", reasons)
    post("writes", writes)
    post("guidelines", write_guidelines)


def told(values: dict[str, Any]) -> Response:
    return JSONResponse(values, headers=NOT_KEPT)


def queue(project: Project, view: LabelView) -> dict[str, Any]:
    """{"rows": markup, "ids", "start", "total", "here", "note"}: the window around the query of the address."""
    needs = view.order.sort in ("disagreement", "margin", "gain")
    chosen = asked(project, view) if needs else ()
    found = label_queue.queue(project, view.by, view.order, chosen, view.query or None)
    ids = [row.query_id for row in found.rows]
    facts = {"start": found.start, "total": found.total, "here": found.here, "note": found.note}
    return {"rows": rows_html(found), "ids": ids, **facts}


def progress(project: Project, view: LabelView) -> dict[str, Any]:
    """{"markup"}: how far the annotator and everybody is."""
    found = label_queue.progress(project, view.by.query_set, view.by.label_set, view.order.enough)
    return {"markup": progress_html(found, judging.checked_name(view.by.annotator))}


def query(project: Project, view: LabelView) -> dict[str, Any]:
    """{"query_id", "at", "total", "head": markup, "cards": markup, "docs": ids, "said": {doc: verdict}}."""
    found = label.pool(project, view.by, view.query, view.pooling(asked(project, view)))
    info = corpora.get_corpus(project, label.corpus_of(project, view.by.query_set))
    frame = Frame(project.name, info.id, info.has_images)
    picture = dealing.stored_image(project, found.query.image)
    return {
        "query_id": found.query.query_id,
        "at": found.at,
        "total": found.total,
        "head": query_html(found.query, picture, frame),
        "cards": pool_html(found, frame, view.others),
        "docs": [each.document.doc_id for each in found.candidates],
        "said": {doc_id: verdict_values(verdict) for doc_id, verdict in found.said.items()},
    }


def said(project: Project, view: LabelView) -> dict[str, Any]:
    """{"said": {doc: verdict}, "others": {doc: markup}}: what is stored of a query now."""
    own, others = label.said_of(project, view.by, view.query)
    shown = {doc_id: "".join(map(other_html, rows)) for doc_id, rows in others.items()} if view.others else {}
    return {"said": {doc_id: verdict_values(verdict) for doc_id, verdict in own.items()}, "others": shown}


def asked(project: Project, view: LabelView) -> tuple[label.Contestant, ...]:
    """The pipelines that candidates come from."""
    corpus = label.corpus_of(project, view.by.query_set)
    choices = label.choices(project, corpus) if view.systems else ()
    return view.chosen(choices, () if view.systems else label.usual(project, corpus))


def reasons(project: Project, sent: dict[str, Any]) -> dict[str, Any]:
    """{"set", "query", "docs"} → {"reasons": {doc: [{"name", "told", "severity"}]}}: why these may be no negatives."""
    # The guard reads vectors: not before somebody judges.
    from workbench.workflows.guarding import guard

    docs = sent.get("docs")
    if not isinstance(docs, list) or len(docs) > MOST_CARDS or not all(isinstance(each, str) for each in docs):
        raise BadInput("What was sent cannot be read.", "Reload the page.")
    found = guard(project, field(sent, "set"), field(sent, "query"), docs)
    shown = {
        doc_id: [{"name": each.name, "told": each.told, "severity": each.severity} for each in given]
        for doc_id, given in found.items()
        if given
    }
    return {"reasons": shown}


def guidelines(project: Project, view: LabelView) -> dict[str, Any]:
    """{"text", "markup"}."""
    text = label.guidelines(project, view.by.query_set, view.by.label_set)
    return {"text": text, "markup": markdown_html(text)}


def write_guidelines(project: Project, sent: dict[str, Any]) -> dict[str, Any]:
    """{"set", "labels", "text"} → {"text", "markup"}."""
    text = field(sent, "text", label.GUIDELINES + 1)
    label.write_guidelines(project, field(sent, "set"), field(sent, "labels"), text)
    return {"text": text.strip(), "markup": markdown_html(text)}


# ── what an annotator writes ─────────────────────────────────────────────────────────────────────────────────────


def writes(project: Project, sent: dict[str, Any]) -> dict[str, Any]:
    """{"client", "writes": [{"number", "set", "labels", "annotator", "query", "doc", "verdict"} or {…, "step"}]} →
    {"results": [{"number", "ok", …}]}, each stored on its own, in order. One that is refused says why; what the client
    sent before under the same number is not stored again."""
    client, asked_for = field(sent, "client"), sent.get("writes")
    if not _CLIENT.fullmatch(client) or not isinstance(asked_for, list) or len(asked_for) > MOST:
        raise BadInput("What was sent cannot be read.", "Reload the page.")
    return {"results": [written(project, client, each) for each in asked_for]}


def written(project: Project, client: str, one: Any) -> dict[str, Any]:
    """The answer to one write."""
    if not isinstance(one, dict) or not isinstance(one.get("number"), int) or not 0 < one["number"] < 2**53:
        raise BadInput("What was sent cannot be read.", "Reload the page.")
    receipt = Receipt(client, one["number"])
    try:
        query_set, query_id = judged_query(project, one)
        by = Judge(query_set, field(one, "annotator"), field(one, "labels"))
        if "step" in one:
            return {"number": receipt.number, "ok": True, **stepped(project, by, field(one, "step"), receipt)}
        entry = Entry(query_id, field(one, "doc"), read_verdict(one.get("verdict")))
        if not reviewed(project, by, entry, receipt, one):
            judging.judge_many(project, by, [entry], receipt)
    except WorkbenchError as error:
        return {"number": receipt.number, "ok": False, "message": error.message, "hint": error.hint}
    kept = {"set": query_set, "query": query_id} if "text" in one else {}
    return {"number": receipt.number, "ok": True, **kept}


def judged_query(project: Project, one: dict[str, Any]) -> tuple[str, str]:
    """(query set, query) of a write. A typed one comes as {"corpus", "text"}: it is kept with its first verdict."""
    if "text" in one:
        return judging.query_for(project, field(one, "corpus"), Query("", field(one, "text")))
    return field(one, "set"), "" if "step" in one else field(one, "query")


def stepped(project: Project, by: Judge, step: str, receipt: Receipt) -> dict[str, Any]:
    """{"pairs": [[query, doc]], "conflicts", "said": {doc: verdict}}: undo or redo; `said` is of the first query."""
    if step not in ("undo", "redo"):
        raise BadInput(f"There is no step “{step[:40]}”.", "Undo or redo.")
    done = (judging.undo if step == "undo" else judging.redo)(project, by, receipt)
    touched = [*done.pairs, *done.conflicts]
    now = judging.said(project, by, touched[0].query_id) if touched else {}
    return {
        "pairs": [list(pair) for pair in touched],
        "conflicts": len(done.conflicts),
        "said": {doc_id: verdict_values(verdict) for doc_id, verdict in now.items()},
    }


def read_verdict(value: Any) -> Verdict | None:
    """A verdict as the browser writes it; None takes it back. Raises `BadInput` on anything else."""
    if value is None:
        return None
    grade = value.get("relevance") if isinstance(value, dict) else ""
    if not isinstance(value, dict) or not (grade is None or type(grade) is int):
        raise BadInput("The verdict cannot be read.", "Reload the page.")
    state: Any = str(value.get("state", "judged"))
    return Verdict(grade, value.get("is_hard_negative") is True, state, str(value.get("note", "")))


def field(sent: dict[str, Any], name: str, longest: int = 10_000) -> str:
    """A text that was sent. Raises `BadInput` where it is none."""
    value = sent.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise BadInput(f"“{name}” is missing or too long.", "Reload the page.")
    return value
