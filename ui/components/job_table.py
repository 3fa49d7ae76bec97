"""The tables of the Jobs page: jobs, workers, one job's log."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui.components.figures import ago, duration, several
from ui.components.job_panel import buttons, meter, outcome, state_chip, warnings
from ui.handlers import escape, ticked

if TYPE_CHECKING:
    from workbench.jobs import Job, WorkerInfo

PURGE = (
    "<details class='menu'><summary class='btn small'>Clear finished</summary><div class='pop' data-form>"
    "<b>Remove finished jobs from this list?</b><span class='dim'>Their logs go too. Corpora, embeddings and indices "
    "stay.</span><div class='row'><label class='dim'>older than <input name='days' value='0' inputmode='numeric' "
    "size='4' aria-label='days'> days</label><button class='btn' data-do='purge' data-id='' data-default>Clear</button>"
    "</div></div></details>"
)


def summary(jobs: "Sequence[Job]", workers: "Sequence[WorkerInfo]", project: str) -> str:
    """One line: how many run, wait, failed; whose jobs; clearing."""
    counts = {state: sum(job.state == state for job in jobs) for state in ("running", "queued", "failed")}
    facts = "".join(f"<span><b>{number}</b> {state}</span>" for state, number in counts.items())
    alive = sum(worker.alive for worker in workers)
    facts += f"<span><b>{alive}</b> {'worker' if alive == 1 else 'workers'}</span>"
    whose = f"only “{escape(project)}”" if project else "all projects"
    return (
        f"<div class='row top'><h2>Jobs</h2><span class='facts'>{facts}</span><span class='dim'>{whose}</span>"
        f"<span class='spring'></span>{PURGE}</div>"
    )


def job_table(jobs: "Sequence[Job]", chosen: str) -> str:
    names = ("State", "Job", "Project", "Progress", "Rate", "ETA", "Took", "Worker", "Tries", "")
    head = "".join(
        f"<th class='{'num' if name in ('Rate', 'ETA', 'Took', 'Tries') else ''}'>{name}</th>" for name in names
    )
    rows = "".join(job_row(job, job.id == chosen) for job in jobs)
    table = f"<table class='grid jobs'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<div class='panel scroll'>{table}</div>"


def job_row(job: "Job", chosen: bool) -> str:
    end = job.finished_at or time.time()
    took = duration(end - job.started_at) if job.started_at else ""
    running = job.state == "running"
    rate = f"{job.rate:,.1f}/s" if running and job.rate else ""
    eta = duration(job.eta_seconds) if running else ""
    return (
        f"<tr data-key='{escape(job.id)}' data-state='{job.state}'{' class=chosen' if chosen else ''}>"
        f"<td>{state_chip(job)}</td><td class='what'><b class='break'>{escape(job.title)}</b> "
        f"<span class='tag'>{escape(job.kind)}</span>{details(job)}</td><td>{escape(job.project)}</td>"
        f"<td class='how'>{progress(job)}</td><td class='num'>{rate}</td><td class='num'>{eta}</td>"
        f"<td class='num'>{took}</td><td class='dim'>{escape(job.worker)}</td><td class='num'>{job.attempts}</td>"
        f"<td class='acts'>{buttons(job)} {log_button(job, chosen)}</td></tr>"
    )


def log_button(job: "Job", chosen: bool) -> str:
    return (
        f"<button class='btn small' data-do='log' data-id='{escape(job.id)}' aria-pressed='{str(chosen).lower()}'>"
        f"{'Hide log' if chosen else 'Log'}</button>"
    )


def progress(job: "Job") -> str:
    """Meter and count while it runs; what came out, and when, once it has ended."""
    if job.state == "running":
        share = f" · {100 * job.done // job.total}%" if job.total else ""
        count = f"{job.done:,} / {job.total:,}{share}" if job.total else f"{job.done:,}" if job.done else "starting"
        return f"{meter(job)}<span class='facts'>{count}</span>"
    if job.state == "done":
        return f"<span class='facts'>{escape(' · '.join([*outcome(job)[:2], ago(job.finished_at)]))}</span>"
    return f"<span class='facts'>{escape(ago(job.finished_at or job.created_at))}</span>"


def details(job: "Job") -> str:
    """The line under a job's title: its step, why it failed, why it waits."""
    if job.state == "failed":
        return f"<div class='note bad'><b>{escape(job.error)}</b> <span class='hint'>{ticked(job.hint)}</span></div>"
    if job.problem:
        return f"<div class='note warn'>{ticked(job.problem)}</div>"
    notes = "".join(f"<div class='note warn'>{ticked(text)}</div>" for text in warnings(job))
    step = f"<div class='dim break'>{escape(job.message)}</div>" if job.message and job.state == "running" else ""
    return step + notes


def worker_table(workers: "Sequence[WorkerInfo]") -> str:
    """Workers with device, process and last sign of life."""
    if not workers:
        return (
            "<div class='note warn below'><b>No worker has run yet.</b> Jobs wait until one starts: launch.py starts "
            "it with the app, or run <code>python -m workbench worker</code>.</div>"
        )
    rows = "".join(worker_row(worker) for worker in workers)
    head = "<th>Worker</th><th>Device</th><th class='num'>Process</th><th>Started</th><th>Last heartbeat</th>"
    return (
        f"<h2 class='above'>Workers</h2><div class='panel scroll'><table class='grid'><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def worker_row(worker: "WorkerInfo") -> str:
    state = "<span class='chip ok'><i></i>alive</span>" if worker.alive else "<span class='chip bad'><i></i>gone</span>"
    return (
        f"<tr data-key='worker {escape(worker.id)}'><td>{state} {escape(worker.id)}</td>"
        f"<td>{escape(worker.device)}</td><td class='num'>{worker.pid}</td><td>{ago(worker.started_at)}</td>"
        f"<td>{ago(worker.beat_at)}</td></tr>"
    )


def log_panel(job: "Job", lines: Sequence[str]) -> str:
    """The end of a job's log, kept scrolled to its last line."""
    text = escape("\n".join(lines)) or "<span class='dim'>Nothing written yet.</span>"
    return (
        f"<section class='panel below'><header><h3>Log of “{escape(job.title)}”</h3>{state_chip(job)}"
        f"<span class='facts'><span>{several(len(lines), 'line')} · {escape(job.id)}</span></span>"
        f"<button class='btn small' data-do='log' data-id='{escape(job.id)}'>Close</button></header>"
        f"<div class='log'><div>{text}</div></div></section>"
    )
