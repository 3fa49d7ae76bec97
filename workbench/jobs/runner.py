"""Running one job in a worker: a child process per attempt, watched until it ends."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from workbench.jobs.process import ChildProcess, how_it_ended
from workbench.jobs.store import Claim, JobStore

LOOK = 0.1
"""Seconds between two looks at the child and its row."""
CANCEL_GRACE = 0.5
"""Seconds a child gets to stop by itself after a cancel."""
END_GRACE = 10.0
"""Seconds a child gets to leave after it recorded its end."""

log = logging.getLogger(__name__)


class Runner:
    """Runs jobs for the worker `worker` on `device`, one at a time. `kinds` names the table of kinds."""

    def __init__(self, store: JobStore, jobs_file: Path, worker: str, device: str, kinds: str) -> None:
        self._store = store
        self._jobs_file = jobs_file
        self._workspace = jobs_file.parent.parent
        self._worker = worker
        self._device = device
        self._kinds = kinds
        self._stopping = threading.Event()
        self._idle = threading.Event()
        self._idle.set()

    def run(self, id: str, run: int) -> None:
        """Run a job to its end, through deaths of its process. Never returns once the worker is stopping.

        Returning would tell the queue that the job is over; this way it stays there for the next worker.
        """
        with self._busy():
            note = ""
            while not self._stopping.is_set():
                claim = self._store.begin(id, run, self._worker, note)
                if claim is None:
                    return
                ended = self._attempt(claim)
                if ended is None:
                    return
                note = ended
        threading.Event().wait()

    def stop(self, seconds: float) -> bool:
        """End the running child and put its job back. False where that took longer than `seconds`."""
        self._stopping.set()
        return self._idle.wait(seconds)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._idle.clear()
        try:
            yield
        finally:
            self._idle.set()

    def _attempt(self, claim: Claim) -> str | None:
        """One child process. None where the job is over or given back, else how the child died: run it again."""
        order = {
            "jobs_file": str(self._jobs_file),
            "workspace": str(self._workspace),
            "kinds": self._kinds,
            "device": self._device,
            "id": claim.id,
            "attempt": claim.attempt,
            "kind": claim.kind,
            "project": claim.project,
            "arguments": claim.arguments,
        }
        path = self._workspace / claim.log
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as output:
            note_line(output, f"Start {claim.attempt} of job {claim.id} ({claim.kind}) on {self._worker}.")
            child = ChildProcess(order, self._device, output)
            try:
                return self._watch(claim, child, output)
            finally:
                child.kill()

    def _watch(self, claim: Claim, child: ChildProcess, output: IO[bytes]) -> str | None:
        """Follow the child until it ends, is to be cancelled, or the worker stops."""
        while (status := child.wait(LOOK)) is None:
            if self._stopping.is_set():
                child.kill()
                self._store.hand_back(claim.id, claim.attempt)
                note_line(output, "The worker was stopped; the job goes on when it starts again.")
                return ""
            standing = self._store.standing(claim.id, claim.attempt)
            if standing == "cancel":
                child.wait(CANCEL_GRACE)
                child.kill()
                self._store.finish(claim.id, claim.attempt, "cancelled")
                note_line(output, "Cancelled.")
                return None
            if standing == "gone":
                child.wait(END_GRACE)
                return None
        return self._ended(claim, status, output)

    def _ended(self, claim: Claim, status: int, output: IO[bytes]) -> str | None:
        """What the end of the child means, where it did not record the end itself."""
        if self._store.standing(claim.id, claim.attempt) == "gone":
            return None
        reason = how_it_ended(status)
        note_line(output, reason)
        log.warning("Job %s: %s", claim.id, reason)
        if status < 0:
            return reason
        error = f"The job stopped without a result (reference {claim.id}.{claim.attempt})."
        self._store.finish(
            claim.id, claim.attempt, "failed", error=f"{error} {reason}", hint="Its log has the details."
        )
        return None


def note_line(output: IO[bytes], text: str) -> None:
    """Write a line of the worker's own into a job's log."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    output.write(f"--- {stamp} {text}\n".encode())
    output.flush()
