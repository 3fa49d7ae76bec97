"""The process of one running job: `python -m workbench.jobs.child`, started by the worker.

Its order comes as one line of JSON on standard input, which stays open as the life line: the process ends when the
worker does. It loads the heavy libraries, so a crash or the end of memory here takes nothing else down.
"""

import ctypes
import errno
import json
import logging
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

from workbench.errors import Cancelled, WorkbenchError
from workbench.jobs.kinds import as_result, load_kind
from workbench.jobs.progress import Reporter
from workbench.jobs.store import JobStore

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the ordered job. 0 where its end, whichever, was recorded."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # They tell of every plug-in and processor feature they look at.
    for chatty in ("alembic", "faiss.loader"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    lifeline = os.dup(0)
    order = json.loads(read_line(lifeline))
    tie_to_parent(lifeline, order["parent"])
    # Whatever the job runs finds an empty standard input instead of the life line.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    run(order, JobStore(Path(order["jobs_file"])))
    return 0


def read_line(descriptor: int) -> bytes:
    """One line, read without taking more: nothing may stay behind in a buffer."""
    line = bytearray()
    while not line.endswith(b"\n"):
        block = os.read(descriptor, 65536)
        if not block:
            raise SystemExit("The worker ended before it gave its order.")
        line += block
    return bytes(line)


def tie_to_parent(lifeline: int, parent: int) -> None:
    """End this process, and what it started, as soon as the worker ends, also by kill -9."""
    if sys.platform == "linux":
        # The thread below cannot run while a library holds the interpreter lock; the kernel's signal does not wait.
        # It follows the worker's thread that started us, which stays until we end: see `Runner`.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("The worker ended before the job began.")

    def watch() -> None:
        while os.read(lifeline, 4096):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, name="life line", daemon=True).start()


def run(order: dict[str, Any], store: JobStore) -> None:
    """Do the work and record its end in the job's row: the one error boundary of a job."""
    id, attempt = order["id"], order["attempt"]
    reporter = Reporter(partial(store.report, id, attempt))
    finish = partial(store.finish, id, attempt)
    try:
        result = work(order, reporter)
        finish("done", result=result, done=reporter.done, total=reporter.total)
    except Cancelled:
        logging.info("Stopped as asked.")
        finish("cancelled")
    except Exception as error:
        message, hint = explain(error, reference=f"{id}.{attempt}")
        logging.exception("Job %s.%s failed", id, attempt)
        details = error.details if isinstance(error, WorkbenchError) else {}
        finish("failed", error=message, hint=hint, result=details or None)


def work(order: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Open the project and call the workflow function of the job's kind."""
    from workbench.project import Workspace

    kind = load_kind(order["kinds"], order["kind"])
    project = Workspace(Path(order["workspace"])).open(order["project"])
    try:
        arguments = kind.adapt(order["arguments"], order["device"])
        return as_result(kind.load()(project, **arguments, progress=reporter))
    finally:
        project.close()


def explain(error: Exception, reference: str) -> tuple[str, str]:
    """Error and hint for the person; the traceback goes to the log only."""
    if isinstance(error, WorkbenchError):
        return error.message, error.hint
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "There was not enough memory for this job.", "Lower the batch size or close other programs, then retry."
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "database or disk is full" in str(error):
        return "The disk is full.", "Free some space, then retry: what was finished is kept."
    name = type(error).__name__
    return f"The job stopped on an unexpected {name} (reference {reference}).", "Its log has the details."


if __name__ == "__main__":
    sys.exit(main())
