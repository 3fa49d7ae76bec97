"""What is known of a job and of a worker, as values."""

import os
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.errors import BadInput

State = Literal["queued", "running", "done", "failed", "cancelled"]
FINISHED = ("done", "failed", "cancelled")
AUTO = "auto"
"""Not decided yet: the device of whichever worker takes it."""
_DEVICE = re.compile(r"cpu|mps|cuda(:\d+)?")


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Times are Unix seconds; `total` 0 = unknown; `problem` says why a waiting job does not move."""

    id: str
    kind: str
    project: str
    title: str
    arguments: dict[str, Any]
    state: State
    device: str
    priority: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    done: int
    total: int
    rate: float | None
    eta_seconds: float | None
    message: str
    error: str
    hint: str
    result: dict[str, Any] | None
    attempts: int
    worker: str
    problem: str = ""

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker process, living or gone. Its id is `host:device`, the same after a restart."""

    id: str
    device: str
    pid: int
    host: str
    started_at: float
    beat_at: float
    expires_at: float

    @property
    def alive(self) -> bool:
        """Whether its lease runs and, on this machine, its process is there."""
        return self.expires_at > time.time() and (self.host != socket.gethostname() or _process_exists(self.pid))


def check_device(device: str) -> str:
    """`device` itself. Raises `BadInput` unless it is auto, cpu, mps, cuda or cuda:N."""
    if device != AUTO and not _DEVICE.fullmatch(device):
        raise BadInput(f"There is no device “{device[:40]}”.", "Use auto, cpu, mps, cuda or cuda:N.")
    return device


def no_worker(device: str) -> str:
    """The sentence for a job that waits for a worker nobody started."""
    return f"No worker for this job: start one with `python -m workbench worker --device {device}`."


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        # Dead, but its parent has not asked how it ended: still in the table of processes.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True
