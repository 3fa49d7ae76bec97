"""The worker process of a device: `python -m workbench.jobs.worker --workspace DIR --device cpu`.

Light on purpose (no torch): it holds the lease, takes jobs from the queue, and starts a child process for each.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.jobs.durable import JobQueue, entry, launch
from workbench.jobs.job import AUTO, check_device
from workbench.jobs.kinds import TABLE
from workbench.jobs.runner import Runner
from workbench.jobs.store import JobStore
from workbench.jobs.tables import job
from workbench.jobs.workers import WorkerTable, executor_id, lock_worker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker runs. Times in seconds; an empty `id` is `host:device`; `owner` is a process to end with."""

    workspace: Path
    device: str
    id: str = ""
    kinds: str = TABLE
    beat: float = 5.0
    lease: float = 20.0
    poll: float = 0.25
    owner: int | None = None

    @property
    def executor(self) -> str:
        return self.id or executor_id(self.device)


def run_worker(workspace: Path, device: str = AUTO) -> int:
    """Run jobs until SIGTERM or SIGINT; the exit status. Raises `WorkbenchError` where one runs already."""
    return serve(WorkerSettings(workspace.expanduser().resolve(), choose_device(device)))


def serve(settings: WorkerSettings) -> int:
    """Join, take over what is left of this worker's last life, work until asked to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    jobs_file = settings.workspace / ".workbench" / "jobs.db"
    lock = lock_worker(jobs_file.parent, settings.executor)
    store = JobStore(jobs_file)
    workers = WorkerTable(store.engine)
    queue = JobQueue(store.engine)
    queue.open_device(settings.device, settings.poll)
    for id in store.release(settings.executor):
        log.info("Job %s goes on: this worker was running it when it ended.", id)
    workers.join(settings.executor, settings.device, settings.lease)
    runner = Runner(store, jobs_file, settings.executor, settings.device, settings.kinds)
    keeper = Keeper(settings, store, workers, queue)
    keeper.beat()
    launch(store.engine, settings.executor, settings.device, runner.run)
    log.info("Worker %s is ready (process %d).", settings.executor, os.getpid())
    while not stop.wait(settings.beat):
        if not keeper.beat():
            break
    if not runner.stop(seconds=1.5):
        log.warning("The running job did not stop in time; it goes on from its last shard.")
    workers.leave(settings.executor)
    log.info("Worker %s has stopped.", settings.executor)
    lock.close()
    logging.shutdown()
    # Not a normal exit: the thread of an interrupted job must never return to the queue, see `Runner.run`.
    os._exit(0)


class Keeper:
    """What a worker does at every beat: say that it lives, take over from the dead, find jobs that got lost."""

    def __init__(self, settings: WorkerSettings, store: JobStore, workers: WorkerTable, queue: JobQueue) -> None:
        self._settings = settings
        self._store = store
        self._workers = workers
        self._queue = queue

    def beat(self) -> bool:
        """False where the process this worker belongs to is gone."""
        settings = self._settings
        if settings.owner is not None and os.getppid() != settings.owner:
            log.info("The program that started this worker has ended.")
            return False
        try:
            self._workers.beat(settings.executor, settings.lease)
            for dead in self._workers.claim_dead(settings.executor, settings.lease):
                self.take_over(dead)
            self.adopt()
            self.fail_lost_jobs()
        except Exception:
            # A full disk or a locked file now must not end the worker: the next beat tries again.
            log.exception("A beat failed")
        return True

    def take_over(self, dead: str) -> None:
        """Put the jobs of a dead worker back on their queues."""
        self._store.release(dead)
        count = self._queue.put_back(dead)
        if count:
            log.warning("Worker %s is gone: %d of its jobs were put back.", dead, count)

    def adopt(self) -> None:
        """Take the jobs that were queued for any device while no worker was there."""
        for id, run in self._queue.unplaced():
            if self._store.place(id, run, self._settings.device):
                self._queue.move(id, run, self._settings.device)

    def fail_lost_jobs(self) -> None:
        """Fail jobs of this device that the queue has done with, though their row is open: nothing would end them."""
        rows = self._store.rows(
            job.c.state.in_(("queued", "running")), job.c.device == self._settings.device, limit=1000
        )
        over = self._queue.over(entry(row.id, row.runs) for row in rows)
        for row in rows:
            if entry(row.id, row.runs) in over:
                error = f"The queue lost this job (reference {row.id}.{row.attempts})."
                if self._store.fail_lost(row.id, row.runs, error):
                    log.error("Job %s was lost by the queue; see above.", row.id)


def choose_device(device: str) -> str:
    """`device`, with "auto" resolved by asking torch in a process of its own: cuda where it works, else cpu."""
    if check_device(device) != AUTO:
        return device
    if not Path("/dev/nvidiactl").exists():
        return "cpu"
    code = "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)"
    usable = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120, check=False)
    return "cuda" if usable.returncode == 0 else "cpu"


def main(arguments: list[str] | None = None) -> int:
    """The command line; 1 with one sentence where the worker cannot start."""
    parser = argparse.ArgumentParser(prog="python -m workbench.jobs.worker", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True, help="folder of the projects")
    parser.add_argument("--device", default=AUTO, help="auto, cpu, mps, cuda or cuda:N")
    parser.add_argument("--id", default="", help="name of this worker; default: host:device")
    parser.add_argument("--kinds", default=TABLE, help="table of job kinds, module:attribute")
    parser.add_argument("--beat", type=float, default=5.0, help="seconds between two signs of life")
    parser.add_argument("--lease", type=float, default=20.0, help="seconds after which a silent worker is dead")
    parser.add_argument("--poll", type=float, default=0.25, help="seconds between two looks at the queue")
    parser.add_argument("--owner", type=int, default=None, help="process to end with")
    given = vars(parser.parse_args(arguments))
    try:
        given["device"] = choose_device(given["device"])
        given["workspace"] = given["workspace"].expanduser().resolve()
        return serve(WorkerSettings(**given))
    except WorkbenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
