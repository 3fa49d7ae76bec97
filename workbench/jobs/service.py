"""Jobs as pages and the command line see them: queue, watch, cancel, retry, and start workers."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from workbench.errors import BadInput
from workbench.jobs.job import AUTO, FINISHED, Job, WorkerInfo, check_device, no_worker
from workbench.jobs.kinds import TABLE
from workbench.jobs.process import environment
from workbench.jobs.store import JobStore, clean
from workbench.jobs.tables import job, write
from workbench.jobs.workers import WorkerTable

if TYPE_CHECKING:
    from workbench.jobs.durable import JobQueue

Jobs = list[Job]
Workers = list[WorkerInfo]

LOG_TAIL = 1_000_000
"""Bytes of a job's log that are shown: its end."""


class JobService:
    """The jobs of one workspace. `kinds` names the table of kinds that the workers it starts use.

    Holds no state of its own: any number may look at one workspace, from any process and thread.
    """

    def __init__(self, workspace: Path, kinds: str = TABLE) -> None:
        self.workspace = workspace.expanduser().resolve()
        self._jobs_file = self.workspace / ".workbench" / "jobs.db"
        self._kinds = kinds
        self._store = JobStore(self._jobs_file)
        self._workers = WorkerTable(self._store.engine)

    @cached_property
    def _queue(self) -> "JobQueue":
        from workbench.jobs.durable import JobQueue

        return JobQueue(self._store.engine)

    def enqueue(
        self,
        kind: str,
        project: str,
        arguments: Mapping[str, Any],
        *,
        title: str = "",
        device: str = AUTO,
        priority: int = 5,
    ) -> str:
        """Queue a job and return its id. `arguments` must be plain JSON; low priorities (from 1) run first.

        The device "auto" becomes that of a living worker, cuda before cpu, or of the first that starts.
        Raises `BadInput` on a wrong device.
        """
        queue = self._queue
        id, place = uuid.uuid4().hex[:12], self._place(device)
        values = {
            "id": id,
            "kind": clean(kind),
            "project": clean(project),
            "title": clean(title or kind),
            "arguments": json.loads(json.dumps(dict(arguments), allow_nan=False)),
            "device": place,
            "asked": device,
            "priority": priority,
            "created_at": time.time(),
        }
        with write(self._store.engine) as connection:
            connection.execute(sa.insert(job).values(values))
            queue.put(connection, id, 1, place, priority)
        return id

    def cancel(self, id: str) -> Job:
        """Stop a job: one that waits at once, one that runs within about a second. A finished one stays as it is."""
        row = self._store.row(id)
        alive = any(worker.id == row.worker and worker.alive for worker in self.workers())
        if self._store.request_cancel(id, worker_lives=alive):
            self._queue.drop(id, row.runs)
        return self.get(id)

    def retry(self, id: str) -> Job:
        """Queue a failed or cancelled job again; what it had finished is used. Raises `BadInput` on any other."""
        queue = self._queue
        fresh = {"cancel": False, "deaths": 0, "error": "", "hint": "", "message": "", "result": None}
        unset = {"state": "queued", "finished_at": None, "started_at": None, "done": 0, "total": 0}
        with write(self._store.engine) as connection:
            row = connection.execute(sa.select(job).where(job.c.id == id)).one_or_none()
            if row is not None and row.state in ("failed", "cancelled"):
                moved = {"runs": row.runs + 1, "device": self._place(row.asked)}
                connection.execute(sa.update(job).where(job.c.id == id).values(**fresh, **unset, **moved))
                queue.put(connection, id, moved["runs"], moved["device"], row.priority)
                row = None
        if row is not None:
            raise BadInput(f"The job “{row.title}” is {row.state}.", "Only failed or cancelled jobs can be retried.")
        return self.get(id)

    def get(self, id: str) -> Job:
        """One job. Raises `NotFound`."""
        return self._jobs([self._store.row(id)])[0]

    def list(self, project: str | None = None, limit: int = 100) -> Jobs:
        """Jobs, newest first."""
        chosen = [] if project is None else [job.c.project == project]
        return self._jobs(self._store.rows(*chosen, limit=limit))

    def log(self, id: str) -> str:
        """The end of the job's log, "" where it has not begun. Raises `NotFound`."""
        path = self.workspace / (self._store.row(id).log or "-")
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_TAIL))
            return file.read().decode("utf-8", "replace")

    def workers(self) -> Workers:
        """Workers of this workspace, living (`alive`) or gone."""
        return self._workers.all()

    def start_worker(self, device: str, *options: str) -> "subprocess.Popen[bytes]":
        """Start a worker process; the caller owns it and ends it with `terminate()`.

        A second one for a device ends at once with status 1, as its log says: see `workers` for those that run.
        `options` go to its command line. Raises `BadInput` on a wrong device.
        """
        check_device(device)
        path = self._jobs_file.parent / "logs" / f"worker-{device.replace(':', '-')}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "workbench.jobs.worker", "--workspace", str(self.workspace)]
        with path.open("ab") as output:
            # Not tied to this process by a signal: that would follow the thread, and page threads come and go.
            return subprocess.Popen(
                [*command, "--device", device, "--kinds", self._kinds, *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
                start_new_session=True,
            )

    def purge(self, days: float) -> int:
        """Delete jobs that ended more than `days` ago, with their logs and queue entries; returns how many."""
        before = time.time() - days * 86400
        rows = self._store.rows(job.c.state.in_(FINISHED), job.c.finished_at < before, limit=-1)
        if rows:
            from workbench.jobs.durable import entry

            self._queue.purge([entry(row.id, run) for row in rows for run in range(1, row.runs + 1)])
        for row in rows:
            if row.log:
                (self.workspace / row.log).unlink(missing_ok=True)
            with self._store.engine.begin() as connection:
                connection.execute(sa.delete(job).where(job.c.id == row.id))
        self._workers.forget(before)
        return len(rows)

    def wait(self, id: str, on_change: Callable[[Job], None] | None = None, poll: float = 0.2) -> Job:
        """The job once it has ended; until then `on_change(job)` at every change. Raises `NotFound`."""
        seen: Job | None = None
        while True:
            found = self.get(id)
            if found != seen and on_change is not None:
                on_change(found)
            if found.finished:
                return found
            seen = found
            time.sleep(poll)

    def _place(self, device: str) -> str:
        """The device whose worker will run a job that asks for `device`."""
        alive = [worker.device for worker in self.workers() if worker.alive]
        gpus = sorted(name for name in alive if name.startswith("cuda"))
        if device == AUTO:
            return (gpus or alive or [AUTO])[0]
        if not check_device(device).startswith("cuda") or device in gpus:
            return device
        if device == "cuda":
            return gpus[0] if gpus else device
        return "cuda" if "cuda" in gpus else device

    def _jobs(self, rows: Sequence[Any]) -> Jobs:
        alive = {worker.device for worker in self.workers() if worker.alive}
        served = alive | {AUTO} if alive else alive
        return [
            _job(row, "" if row.state in FINISHED or row.device in served else no_worker(row.device)) for row in rows
        ]


def _job(row: Any, problem: str) -> Job:
    values = row._asdict()
    hidden = ("eta", "asked", "deaths", "runs", "cancel", "log")
    shown = {name: value for name, value in values.items() if name not in hidden}
    return Job(**shown, eta_seconds=row.eta, problem=problem)
