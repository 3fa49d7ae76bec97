"""The durable queue: DBOS on the jobs' file, as configured after measuring (version, serializer, engine fixed).

The only file that knows DBOS. It is imported on the first write, not when the package is: 0.3 s.
"""

import logging
from collections.abc import Callable, Iterable

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions
from sqlalchemy.engine import Connection

from workbench.jobs.job import AUTO

APPLICATION = "retrieval-workbench"
# Fixed: by default it is a hash of the code, so that any edit would strand the jobs in the queue.
VERSION = "1"
# Counted up instead when what a job in the queue means changes; the old name stays registered until it is drained.
WORKFLOW = "run_job.v1"
OVER = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")

RunJob = Callable[[str, int], None]


def entry(id: str, run: int) -> str:
    """The id of the queue's entry for the `run`-th time a job is queued."""
    return f"{id}.{run}"


class JobQueue:
    """The queue seen from outside the workers: put in, take out, put back. Makes DBOS's tables where missing."""

    def __init__(self, engine: sa.Engine) -> None:
        logging.getLogger("dbos").setLevel(logging.WARNING)
        if not sa.inspect(engine).has_table("dbos_migrations"):
            # Serialised by DBOS's own write lock, so two processes may do this at once.
            DBOS.migrate(engine.url.render_as_string(hide_password=False))
        self._client = DBOSClient(
            system_database_engine=engine,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            # A full disk must be an error on the page, not a page that waits for ever.
            retry_connection_errors=False,
        )

    def put(self, connection: Connection, id: str, run: int, device: str, priority: int) -> None:
        """Queue a job for the worker of `device`, in the caller's transaction. Low priorities run first."""
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": device,
            "workflow_id": entry(id, run),
            "app_version": VERSION,
            "priority": priority,
        }
        self._client.enqueue_in_transaction(connection, options, id, run)

    def open_device(self, device: str, poll: float) -> None:
        """Make the queue of a device: one job at a time per worker, looked at every `poll` seconds."""
        self._client.register_queue(device, worker_concurrency=1, polling_interval_sec=poll)

    def drop(self, id: str, run: int) -> None:
        """Take a job out of the queue, so that no worker begins it."""
        self._client.cancel_workflow(entry(id, run))

    def put_back(self, executor: str) -> int:
        """Queue again what a dead worker had begun, on the queue it came from; the number of jobs."""
        lost = self._client.list_workflows(status="PENDING", executor_id=executor, load_input=False, load_output=False)
        for workflow in lost:
            # Without the name it would go to an internal queue and past the device's limit.
            self._client.resume_workflow(workflow.workflow_id, queue_name=workflow.queue_name)
        return len(lost)

    def unplaced(self) -> list[tuple[str, int]]:
        """(job, run) of all that waits for a device to be decided; no worker takes from that queue."""
        found = self._client.list_workflows(status="ENQUEUED", queue_name=AUTO, load_input=False, load_output=False)
        return [(id, int(run)) for id, _, run in (workflow.workflow_id.partition(".") for workflow in found)]

    def move(self, id: str, run: int, device: str) -> None:
        """Move a waiting job to the queue of `device`."""
        self._client.resume_workflow(entry(id, run), queue_name=device)

    def over(self, entries: Iterable[str]) -> set[str]:
        """Which of these entries the queue has done with, or does not have."""
        asked = list(entries)
        if not asked:
            return set()
        found = self._client.list_workflows(workflow_ids=asked, load_input=False, load_output=False)
        return set(asked) - {workflow.workflow_id for workflow in found if workflow.status not in OVER}

    def purge(self, entries: list[str]) -> None:
        """Delete entries with all that DBOS kept of them."""
        for start in range(0, len(entries), 500):
            self._client.delete_workflows(entries[start : start + 500])


def launch(engine: sa.Engine, executor: str, device: str, run_job: RunJob) -> None:
    """Begin to take jobs of `device` from the queue in threads of this process, its own lost ones first."""
    config: DBOSConfig = {
        "name": APPLICATION,
        "application_version": VERSION,
        "executor_id": executor,
        "system_database_engine": engine,
        "serializer": DBOSPortableJSONSerializer(),
        "log_level": "WARNING",
        "scheduler_polling_interval_sec": 3600.0,
    }

    def run_in_worker(id: str, run: int) -> None:
        run_job(id, run)

    DBOS(config=config)
    # No limit here: DBOS forgets its count whenever a job is taken over. `JobStore.begin` counts the deaths.
    DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)(run_in_worker)
    DBOS.listen_queues([device])
    DBOS.launch()
