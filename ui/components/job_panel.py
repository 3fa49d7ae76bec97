"""The jobs of the project in hand on any page: step, progress, ETA, cancel; and an event when one is done."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.components.figures import ago, duration, several
from ui.components.live import SCRIPT, live, show
from ui.handlers import escape, on, on_load, poll, said, ticked
from ui.session import Context
from workbench.errors import BadInput

if TYPE_CHECKING:
    from workbench.jobs import Job

SHOWN_DONE, SHOWN_FAILED, SHOWN_BRIEFLY = 120.0, 3600.0, 10.0
"""Seconds for which a finished job stays in the panel; briefly where the results need the room."""
STATES = {"queued": "wait", "running": "run", "done": "ok", "failed": "bad", "cancelled": "off"}

# A job that was seen at work and is now done fires `done` once, so that the page can reload what the job made.
WATCH_DONE = """
let active = new Set();
watch('markup', () => {
  const rows = [...element.querySelectorAll('[data-state]')];
  const over = rows.filter(row => active.has(row.dataset.key) && !['queued', 'running'].includes(row.dataset.state));
  active = new Set(rows.filter(row => ['queued', 'running'].includes(row.dataset.state)).map(row => row.dataset.key));
  if (over.length) trigger('done', {id: over[0].dataset.key});
});
"""


def job_panel(
    context: Context,
    kinds: Collection[str] = (),
    on_done: Callable[..., Any] | None = None,
    outputs: Any = None,
    elem_id: str = "job-panel",
    *,
    of_corpus: bool = False,
) -> gr.HTML:
    """Draw the panel where it is called: jobs of the page's project, of these `kinds` (none given: all).

    `of_corpus` shows only what is still at work, or failed, on the page's corpus.
    `on_done` fills `outputs` when a job has ended. Events that enqueue a job may return `draw_jobs(…)` for the panel
    so that it shows at once; else it shows at the next poll, within a second.
    """
    region = live(elem_id)
    region.js_on_load = SCRIPT + WATCH_DONE

    def draw(request: gr.Request) -> dict[str, Any]:
        place = context.place(request)
        return draw_jobs(context, place.project, kinds, place.corpus if of_corpus else "")

    def act(event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        apply(context, said(event, "do"), said(event, "id"))
        return draw(request)

    on_load(draw, region)
    on(region.act, act, None, region)
    poll(1.0, draw, region)
    if on_done is not None:
        on(region.done, on_done, None, outputs)
    return region


def draw_jobs(context: Context, project: str, kinds: Collection[str] = (), corpus: str = "") -> dict[str, Any]:
    """The update that shows the jobs of `project` in a panel; with a `corpus` only its own that are not long done."""
    now = time.time()
    found = context.jobs.list(project, limit=50) if project else []
    jobs = in_order([job for job in found if (not kinds or job.kind in kinds) and relevant(job, now)])
    if corpus:
        own = [job for job in jobs if job.arguments.get("corpus") == corpus]
        jobs = [job for job in own if job.state != "done" or now - (job.finished_at or 0) < SHOWN_BRIEFLY]
    told: set[str] = set()
    rows = []
    for job in jobs:
        # Ten jobs that wait for the same worker need the sentence once.
        rows.append(job_row(job, silent=job.problem in told))
        told.add(job.problem)
    return show("".join(rows))


def in_order(jobs: "Sequence[Job]") -> "list[Job]":
    """What runs, then what waits as it will be done, then what has ended, the last one first."""
    active = ("running", "queued")
    waiting = sorted((job for job in jobs if job.state == "queued"), key=lambda job: (job.priority, job.created_at))
    running = [job for job in jobs if job.state == "running"]
    ended = [job for job in jobs if job.state not in active]
    return [*running, *waiting, *sorted(ended, key=lambda job: -(job.finished_at or 0))]


def apply(context: Context, action: str, id: str) -> None:
    """Cancel or retry a job. Raises `NotFound` on its id, `BadInput` on another action."""
    actions = {"cancel": context.jobs.cancel, "retry": context.jobs.retry}
    if action not in actions:
        raise BadInput(f"A job cannot be asked to “{action[:40]}”.")
    actions[action](id)


def relevant(job: "Job", now: float) -> bool:
    """Whether a panel shows the job: it waits, runs, or ended a short while ago."""
    if job.state in ("queued", "running"):
        return True
    return now - (job.finished_at or 0) < (SHOWN_FAILED if job.state == "failed" else SHOWN_DONE)


def job_row(job: "Job", silent: bool = False) -> str:
    """A job as a framed row with its meter; `silent` leaves out why it waits."""
    notes = "" if silent and job.problem else trouble(job)
    return (
        f"<section class='panel job' data-key='{escape(job.id)}' data-state='{job.state}'><header>{state_chip(job)}"
        f"<b>{escape(job.title)}</b><span class='dim'>{escape(job.message)}</span>"
        f"<span class='facts'>{facts(job)}</span>{buttons(job)}</header>{meter(job)}{notes}</section>"
    )


def state_chip(job: "Job") -> str:
    return f"<span class='chip {STATES[job.state]}'><i></i>{job.state}</span>"


def meter(job: "Job") -> str:
    """The progress bar of a running job."""
    if job.state != "running":
        return ""
    share = min(100.0, 100 * job.done / job.total) if job.total else 0.0
    unknown = "" if job.total else " unknown"
    return (
        f"<span class='meter{unknown}' role='progressbar' aria-valuenow='{share:.0f}' aria-label='progress'>"
        f"<i style='width:{share:.1f}%'></i></span>"
    )


def facts(job: "Job") -> str:
    """Done of total, rate, ETA while it runs; what came out, and when, afterwards."""
    if job.state == "running":
        parts = [f"{job.done:,} / {job.total:,}" if job.total else f"{job.done:,}"]
        parts += [f"{100 * job.done // job.total}%"] if job.total else []
        parts += [f"{job.rate:,.0f}/s" if job.rate >= 10 else f"{job.rate:.1f}/s"] if job.rate else []
        parts += [f"ETA {duration(job.eta_seconds)}"] if job.eta_seconds is not None else []
        parts += [f"{duration(time.time() - job.started_at)} so far"] if job.started_at else []
    elif job.state == "done":
        parts = [*outcome(job), ago(job.finished_at)]
    else:
        parts = [ago(job.finished_at or job.created_at)]
    return "".join(f"<span>{escape(part)}</span>" for part in parts if part)


def outcome(job: "Job") -> list[str]:
    """The figures of a job's result that a person looks for."""
    result = job.result or {}
    nouns = {"documents": "document", "vectors": "vector", "queries": "query/queries", "judgments": "judgment"}
    parts = [several(result[name], noun) for name, noun in nouns.items() if isinstance(result.get(name), int)]
    if result.get("skipped"):
        parts.append(f"{result['skipped']:,} skipped")
    seconds = result.get("seconds")
    return [*parts, f"in {duration(seconds)}"] if isinstance(seconds, int | float) else parts


def buttons(job: "Job") -> str:
    """What can be done with a job now."""
    if job.state in ("queued", "running"):
        return f"<button class='btn small' data-do='cancel' data-id='{escape(job.id)}'>Cancel</button>"
    if job.state in ("failed", "cancelled"):
        return f"<button class='btn small' data-do='retry' data-id='{escape(job.id)}'>Retry</button>"
    return ""


def trouble(job: "Job") -> str:
    """Why a job failed or does not move, and its warnings."""
    if job.state == "failed":
        return f"<div class='note bad'><b>{escape(job.error)}</b> <span class='hint'>{ticked(job.hint)}</span></div>"
    if job.problem:
        return f"<div class='note warn'>{ticked(job.problem)}</div>"
    return "".join(f"<div class='note warn'>{ticked(text)}</div>" for text in warnings(job))


def warnings(job: "Job") -> Sequence[str]:
    found = (job.result or {}).get("warnings", [])
    return [str(each) for each in found][:5] if isinstance(found, list | tuple) else []
