"""The job rows: every change of a job's state, each one short transaction.

A change that belongs to an attempt is fenced by the attempt's number: once a job was taken over, cancelled or
started again, what an older process still writes finds no row.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from workbench.errors import NotFound
from workbench.jobs.job import AUTO, FINISHED, State
from workbench.jobs.tables import job, open_engine, write

MAX_DEATHS = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a job once: what the child needs to know."""

    id: str
    attempt: int
    kind: str
    project: str
    arguments: dict[str, Any]
    log: str


class JobStore:
    """Jobs of one workspace, in the file `path`."""

    def __init__(self, path: Path) -> None:
        self.engine = open_engine(path)

    def row(self, id: str) -> Any:
        """The row of a job. Raises `NotFound`."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(job).where(job.c.id == id)).one_or_none()
        if found is None:
            raise NotFound(f"There is no job “{id[:80]}”.", "Look at the list of jobs; old ones are removed.")
        return found

    def rows(self, *conditions: sa.ColumnElement[bool], limit: int = 100) -> Sequence[Any]:
        """Rows of jobs, newest first."""
        query = sa.select(job).where(*conditions).order_by(job.c.created_at.desc(), job.c.id).limit(limit)
        with self.engine.connect() as connection:
            return connection.execute(query).all()

    def begin(self, id: str, run: int, worker: str, note: str = "") -> Claim | None:
        """Start an attempt, or None where there is nothing to run.

        A job that is found `running` was cut off: its process died. The third death makes it `failed`.
        """
        with write(self.engine) as connection:
            row = connection.execute(sa.select(job).where(job.c.id == id)).one_or_none()
            if row is None or row.runs != run or row.state in FINISHED:
                return None
            deaths = row.deaths + (row.state == "running")
            values: dict[str, Any] = {"deaths": deaths, "worker": worker}
            if row.cancel:
                values |= {"state": "cancelled", "finished_at": time.time(), "message": ""}
            elif deaths >= MAX_DEATHS:
                values |= {"state": "failed", "finished_at": time.time(), "message": ""} | poisoned(note)
            else:
                message = f"{note} Continuing with what was finished (start {deaths + 1} of {MAX_DEATHS})."
                values |= {
                    "state": "running",
                    "attempts": row.attempts + 1,
                    "started_at": row.started_at or time.time(),
                    "message": message.strip() if deaths else "",
                    "log": row.log or log_path(row.project, id, self.engine.url.database),
                }
            connection.execute(sa.update(job).where(job.c.id == id).values(values))
        if values.get("state") != "running":
            return None
        return Claim(id, values["attempts"], row.kind, row.project, row.arguments, values["log"])

    def report(self, id: str, attempt: int, done: int, total: int, rate: float | None, eta: float | None) -> bool:
        """Record progress; False tells the attempt to stop (cancelled, or another attempt took over)."""
        return self._change(id, attempt, job.c.cancel.is_(False), done=done, total=total, rate=rate, eta=eta)

    def finish(self, id: str, attempt: int, state: State, **values: Any) -> bool:
        """End a running attempt; False where it was ended before."""
        ended = {"finished_at": time.time(), "rate": None, "eta": None, "message": ""}
        return self._change(id, attempt, state=state, **ended, **{k: clean(v) for k, v in values.items()})

    def hand_back(self, id: str, attempt: int) -> bool:
        """Put a running job back because its worker was asked to stop: no death, it goes on later."""
        return self._change(id, attempt, state="queued", message="Its worker was stopped.", rate=None, eta=None)

    def release(self, worker: str) -> list[str]:
        """Put back what a dead worker was running; each counts as a death. Returns the ids."""
        lost = (job.c.worker == worker) & (job.c.state == "running")
        message = "Its worker ended without a word; it goes on from what was finished."
        values = {"state": "queued", "deaths": job.c.deaths + 1, "message": message, "rate": None, "eta": None}
        with write(self.engine) as connection:
            return list(connection.execute(sa.update(job).where(lost).values(values).returning(job.c.id)).scalars())

    def standing(self, id: str, attempt: int) -> Literal["go", "cancel", "gone"]:
        """Whether an attempt should go on, was asked to stop, or is over."""
        query = sa.select(job.c.state, job.c.attempts, job.c.cancel).where(job.c.id == id)
        with self.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.state != "running" or row.attempts != attempt:
            return "gone"
        return "cancel" if row.cancel else "go"

    def place(self, id: str, run: int, device: str) -> bool:
        """Give a waiting job without a device to the worker of `device`; False where another has it."""
        mine = (job.c.id == id) & (job.c.runs == run) & (job.c.state == "queued") & job.c.device.in_((AUTO, device))
        with write(self.engine) as connection:
            return connection.execute(sa.update(job).where(mine).values(device=device)).rowcount == 1

    def request_cancel(self, id: str, worker_lives: bool) -> bool:
        """Ask a job to stop. True where it is cancelled at once, because no living process runs it."""
        with write(self.engine) as connection:
            row = connection.execute(sa.select(job.c.state).where(job.c.id == id)).one_or_none()
            if row is None or row.state in FINISHED:
                return False
            values: dict[str, Any] = {"cancel": True, "message": "Cancelling."}
            at_once = row.state == "queued" or not worker_lives
            if at_once:
                values |= {"state": "cancelled", "finished_at": time.time(), "message": "", "rate": None, "eta": None}
            connection.execute(sa.update(job).where(job.c.id == id).values(values))
        return at_once

    def fail_lost(self, id: str, run: int, error: str) -> bool:
        """Fail a job whose queue entry is gone, unless it has moved on since."""
        open_job = (job.c.id == id) & (job.c.runs == run) & job.c.state.not_in(FINISHED)
        values = {"state": "failed", "error": error, "hint": "Retry it.", "finished_at": time.time(), "message": ""}
        with write(self.engine) as connection:
            return connection.execute(sa.update(job).where(open_job).values(values)).rowcount == 1

    def _change(self, id: str, attempt: int, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
        fence = (job.c.id == id) & (job.c.attempts == attempt) & (job.c.state == "running")
        with self.engine.begin() as connection:
            return connection.execute(sa.update(job).where(fence, *conditions).values(values)).rowcount == 1


def poisoned(note: str) -> dict[str, str]:
    """Error and hint of a job that keeps killing its process."""
    return {
        "error": f"The job's process died {MAX_DEATHS} times, so it was not started again. {note}".strip(),
        "hint": "Often it needed more memory than there is: see the end of its log, lower the batch size or close "
        "other programs, then retry. What was finished is kept.",
    }


def log_path(project: str, id: str, database: str | None) -> str:
    """The job's log, relative to the workspace: in the project's `logs/`, or beside the jobs where there is none."""
    workspace = Path(database or "").parent.parent
    inside = Path(project).name == project and (workspace / project / "project.db").is_file()
    return f"{project}/logs/{id}.log" if inside else f".workbench/logs/{id}.log"


def clean(value: Any) -> Any:
    """`value`, with what SQLite cannot store as text (lone surrogates) replaced."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
