"""Long work in the background: a durable queue over DBOS, a worker process per device, a child process per job.

`JobService` is all that pages and the command line use; it imports neither torch nor, before the first write, DBOS.
"""

from workbench.jobs.job import Job, WorkerInfo
from workbench.jobs.service import JobService

__all__ = ["Job", "JobService", "WorkerInfo"]
