"""The worker rows: heartbeat, lease, takeover."""

import fcntl
import os
import re
import socket
import time
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from workbench.errors import WorkbenchError
from workbench.jobs.job import WorkerInfo
from workbench.jobs.tables import worker, write


def executor_id(device: str) -> str:
    """`host:device`: the same after a restart, so that a worker finds its own jobs again."""
    return f"{socket.gethostname()}:{device}"


def lock_worker(folder: Path, id: str) -> IO[str]:
    """Hold the exclusive lock of a worker id until the file is closed or the process ends.

    Two processes with one id would each take the other's running jobs for its own lost ones.
    Raises `WorkbenchError` where it is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = (folder / f"worker-{re.sub(r'[^A-Za-z0-9_-]', '-', id)}.lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        handle.seek(0)
        pid = handle.read().strip() or "unknown"
        handle.close()
        raise WorkbenchError(
            f"A worker {id} is already running (process {pid}).", "Stop it first, or let it do the work."
        ) from error
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


class WorkerTable:
    """The workers of one workspace. Times are Unix seconds."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def join(self, id: str, device: str, lease: float) -> None:
        """Enter this process as the worker `id`."""
        now = time.time()
        values = {
            "device": device,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "started_at": now,
            "beat_at": now,
            "expires_at": now + lease,
            "reaped": 0.0,
        }
        with write(self._engine) as connection:
            connection.execute(sa.delete(worker).where(worker.c.id == id))
            connection.execute(sa.insert(worker).values(id=id, **values))

    def beat(self, id: str, lease: float) -> None:
        """Say that this worker lives for another `lease` seconds."""
        now = time.time()
        values = {"beat_at": now, "expires_at": now + lease, "reaped": 0.0}
        with self._engine.begin() as connection:
            connection.execute(sa.update(worker).where(worker.c.id == id).values(values))

    def leave(self, id: str) -> None:
        """End the lease now: what this worker had may be taken over at once."""
        with self._engine.begin() as connection:
            connection.execute(sa.update(worker).where(worker.c.id == id).values(expires_at=time.time()))

    def claim_dead(self, id: str, lease: float) -> list[str]:
        """Ids of dead workers whose jobs the caller, worker `id`, is to take over: one winner per `lease` seconds.

        Offered again after that time, so that a taker that dies half-way is no loss.
        """
        now = time.time()
        dead = (worker.c.id != id) & (worker.c.expires_at < now) & (worker.c.reaped < now - lease)
        with write(self._engine) as connection:
            found = connection.execute(sa.update(worker).where(dead).values(reaped=now).returning(worker.c.id))
            return list(found.scalars())

    def all(self) -> list[WorkerInfo]:
        """All workers that ever joined, the last one first."""
        columns = [column for column in worker.c if column.name != "reaped"]
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(*columns).order_by(worker.c.started_at.desc())).all()
        return [WorkerInfo(**row._asdict()) for row in rows]

    def forget(self, before: float) -> None:
        """Remove workers whose lease ended before a time."""
        with write(self._engine) as connection:
            connection.execute(sa.delete(worker).where(worker.c.expires_at < before))
