"""A workspace with a project and real worker processes, for the tests of the job service."""

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.jobs import Job, JobService
from workbench.project import Project, Workspace

PATIENCE = 90.0
"""Seconds until a test gives up: only against hanging, the machine may be busy."""


class JobBench:
    """A fresh workspace in `folder` with the project "p"; ends the workers it started."""

    def __init__(self, folder: Path) -> None:
        # The workers and their children import the kinds from here.
        self._patch = pytest.MonkeyPatch()
        self._patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        self.folder = folder
        self.project: Project = Workspace(folder).create("p")
        self.service = JobService(folder, kinds="job_kinds:KINDS")
        self._workers: list[subprocess.Popen[bytes]] = []

    def start(
        self, device: str = "cpu", id: str = "", beat: float = 0.3, lease: float = 10.0
    ) -> subprocess.Popen[bytes]:
        """A worker that has joined."""
        options = ("--beat", str(beat), "--lease", str(lease), "--poll", "0.05", "--id", id)
        process = self.service.start_worker(device, *options)
        self._workers.append(process)
        self.until(lambda: any(worker.pid == process.pid and worker.alive for worker in self.service.workers()))
        return process

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """kill -9."""
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)

    def until(self, true: Callable[[], object]) -> None:
        """Wait for something to become true."""
        end = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > end:
                raise AssertionError(f"still not so after {PATIENCE} s; {self.state()}")
            time.sleep(0.03)

    def ended(self, id: str) -> Job:
        """The job once it has ended."""
        self.until(lambda: self.service.get(id).finished)
        return self.service.get(id)

    def running(self, id: str) -> Job:
        self.until(lambda: self.service.get(id).state == "running")
        return self.service.get(id)

    def begin_shards(self) -> str:
        """A job of 8 shards that stands in its third, until `open_gate`."""
        id = self.service.enqueue("shards", "p", {"shards": 8, "gate": 2})
        self.until(lambda: self.lines("shards/executions") == ["0", "1", "2"])
        return id

    def open_gate(self) -> None:
        (self.project.exports / "shards" / "open").touch()

    def check_shards(self, cuts: int) -> None:
        """Every shard is there, and each of the cuts in the third cost that one alone."""
        counts = Counter(map(int, self.lines("shards/executions")))
        assert counts == Counter(range(8)) + Counter({2: cuts})
        files = sorted((self.project.exports / "shards").glob("*.shard"))
        assert [file.read_text() for file in files] == [f"shard {number}" for number in range(8)]

    def lines(self, name: str) -> list[str]:
        """Lines of a file that the test kinds write into the project."""
        path = self.project.exports / name
        return path.read_text().splitlines() if path.exists() else []

    def state(self) -> str:
        logs = "\n".join(path.read_text() for path in self.folder.glob(".workbench/logs/worker-*.log"))
        return f"{self.service.list()}\n{self.service.workers()}\n{logs}"

    def close(self) -> None:
        for process in self._workers:
            if process.poll() is None:
                self.kill(process)
        self.project.close()
        self._patch.undo()


def process_exists(pid: int) -> bool:
    """Whether a process runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
