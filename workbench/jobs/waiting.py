"""Running a job from the command line: queue it, find or start a worker, wait with a line of progress."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.jobs.job import AUTO, Job
from workbench.jobs.service import JobService


def run_to_end(
    jobs: JobService | Path,
    kind: str,
    project: str,
    arguments: Mapping[str, Any],
    *,
    title: str = "",
    device: str = AUTO,
) -> dict[str, Any]:
    """The result of a job in a workspace, given as its service or folder.

    Raises `WorkbenchError` where it failed or was cancelled. Ctrl-C cancels it.
    """
    service = jobs if isinstance(jobs, JobService) else JobService(jobs)
    id = service.enqueue(kind, project, arguments, title=title, device=device)
    with worker_for(service, service.get(id)), ProgressLine() as line:
        try:
            job = service.wait(id, line.show)
        except KeyboardInterrupt:
            service.cancel(id)
            raise
    if job.state == "failed":
        raise WorkbenchError(job.error, job.hint)
    if job.state == "cancelled":
        raise WorkbenchError("The job was cancelled.", f"What it finished is kept: retry {id} continues it.")
    return job.result or {}


@contextmanager
def worker_for(service: JobService, job: Job) -> Iterator[None]:
    """A worker for this job: one that runs, or one of our own that ends with us."""
    if not job.problem:
        yield
        return
    own = service.start_worker(job.device, "--owner", str(os.getpid()), "--beat", "1", "--lease", "10")
    try:
        yield
    finally:
        own.terminate()
        try:
            own.wait(10)
        except subprocess.TimeoutExpired:
            own.kill()
            own.wait()


class ProgressLine:
    """One line on standard error that follows a job; nothing where that is no terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")

    def show(self, job: Job) -> None:
        if self._shown:
            sys.stderr.write(f"\r\x1b[K{progress_text(job)}")
            sys.stderr.flush()


def progress_text(job: Job) -> str:
    """For example "Encode docs: 4,096 / 10,000 (41 %), 250/s, 24 s left"."""
    if not job.total:
        return f"{job.title}: {job.message or job.state}"
    text = f"{job.title}: {job.done:,} / {job.total:,} ({100 * job.done // job.total} %)"
    if job.rate:
        text += f", {job.rate:,.0f}/s"
    if job.eta_seconds is not None:
        minutes, seconds = divmod(round(job.eta_seconds), 60)
        text += f", {minutes} min {seconds} s left" if minutes else f", {seconds} s left"
    return text
