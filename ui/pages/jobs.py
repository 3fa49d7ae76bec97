"""Jobs: everything that waits, runs or ran in the background, with logs, and the workers that do it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.components.empty import empty
from ui.components.figures import size
from ui.components.job_panel import apply
from ui.components.job_table import job_table, log_panel, summary, worker_table
from ui.components.live import live, show
from ui.components.memory import memory_html
from ui.components.navigation import navigation
from ui.handlers import fields, on, on_load, poll, said, tell
from ui.session import Context
from workbench.errors import BadInput
from workbench.workflows.search import empty_memory, in_memory, memory_limit, set_memory_limit

if TYPE_CHECKING:
    from workbench.jobs import Job

TITLE, PATH = "Jobs", "/jobs"
SHOWN = 100
Update = dict[str, Any]


def build(context: Context) -> None:
    navigation(context, PATH)
    chosen = gr.State("")
    with gr.Column(elem_classes="flat"):
        regions = [live("jobs"), live("job-log"), live("workers")]

    def draw(id: str, request: gr.Request) -> list[Update]:
        return [show(text) for text in page(context, scope(request), id)]

    def start(request: gr.Request) -> list[Any]:
        id = str(request.query_params.get("job", ""))[:40]
        return [id, *draw(id, request)]

    def act(id: str, event: gr.EventData, request: gr.Request) -> list[Any]:
        action, target = said(event, "do"), said(event, "id")
        if action == "log":
            id = "" if target == id else target
        elif action == "purge":
            purge(context, fields(event).get("days", ""))
        elif action == "unload":
            tell(f"{size(empty_memory())} given back. The next search loads what it needs again.")
        elif action == "limit":
            limit_memory(context, fields(event).get("megabytes", ""))
        else:
            apply(context, action, target)
        return [id, *draw(id, request)]

    on_load(start, [chosen, *regions])
    for region in regions:
        on(region.act, act, chosen, [chosen, *regions])
    poll(1.0, draw, regions, chosen)


def scope(request: gr.Request) -> str:
    """The project whose jobs are shown, "" for all: `?only=1` in the address asks for those of the project in hand."""
    return str(request.query_params.get("project", "")) if request.query_params.get("only") else ""


def page(context: Context, project: str, chosen: str) -> tuple[str, str, str]:
    """Jobs, the open log and the workers as HTML; `chosen` is the job whose log is open."""
    jobs = context.jobs.list(project or None, limit=SHOWN)
    workers = context.jobs.workers()
    listed = job_table(jobs, chosen) if jobs else nothing(project)
    return (
        summary(jobs, workers, project) + listed,
        log_of(context, jobs, chosen),
        worker_table(workers) + memory_html(in_memory(), memory_limit()),
    )


def nothing(project: str) -> str:
    text = "Imports, encoding and index building run here in the background, one after the other, and go on after a "
    text += "restart. Start one from its own page: it appears here with its progress."
    return empty(f"No jobs of “{project}”" if project else "No jobs yet", text, "/encode", "Encode a corpus")


def log_of(context: Context, jobs: "Sequence[Job]", id: str) -> str:
    """The open log, or nothing. A job purged meanwhile closes it."""
    job = next((each for each in jobs if each.id == id), None)
    return log_panel(job, tail(context.jobs.log(id).splitlines())) if job is not None else ""


def tail(lines: Sequence[str], limit: int = 400) -> list[str]:
    return list(lines[-limit:])


def limit_memory(context: Context, megabytes: str) -> None:
    """Set how much searching may keep loaded. Raises `BadInput` where that is no number, or a useless one."""
    text = megabytes.strip()
    if not text.isdecimal() or len(text) > 9:
        raise BadInput(f"“{text[:40]}” is not a number of megabytes.", "Give a whole number, such as 4096.")
    set_memory_limit(context.workspace.folder, int(text))
    tell(f"Searching keeps at most {size(memory_limit() << 20)} loaded, now and after a restart.")


def purge(context: Context, days: str) -> None:
    """Delete what ended more than `days` ago. Raises `BadInput` where that is no number."""
    try:
        age = float(days or 0)
    except ValueError as error:
        raise BadInput(f"“{days[:40]}” is not a number of days.", "Give 0 for all finished jobs.") from error
    if not 0 <= age <= 36500:
        raise BadInput(f"{days[:40]} days is out of range.", "Give a number from 0 to 36500.")
    tell(f"{context.jobs.purge(age):,} finished jobs deleted from the list. What they made is kept.")
