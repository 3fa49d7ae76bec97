"""A worker's handle on the child process of one job."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

ROOT = Path(__file__).resolve().parents[2]


class ChildProcess:
    """A started child, in a process group of its own. Its output goes to `log`; standard input is its life line."""

    def __init__(self, order: Mapping[str, Any], device: str, log: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-X", "faulthandler", "-m", "workbench.jobs.child"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment(device),
            start_new_session=True,
        )
        self._lifeline = cast(IO[bytes], self._process.stdin)
        try:
            self._lifeline.write(json.dumps({**order, "parent": os.getpid()}).encode() + b"\n")
            self._lifeline.flush()
        except BrokenPipeError:
            # It died before it read its order; `wait` tells how.
            pass

    def wait(self, seconds: float) -> int | None:
        """Its exit status, negative for a signal; None where it still runs after `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it and all that it started, now."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        try:
            self._lifeline.close()
        except BrokenPipeError:
            pass


def environment(device: str = "") -> dict[str, str]:
    """This process's environment for a Python of ours: our package importable, and of the GPUs only `device`'s."""
    values = dict(os.environ)
    values["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), values.get("PYTHONPATH", "")]))
    kind, _, number = device.partition(":")
    if kind == "cpu":
        values["CUDA_VISIBLE_DEVICES"] = ""
    elif number:
        visible = [name for name in values.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        values["CUDA_VISIBLE_DEVICES"] = visible[int(number)] if int(number) < len(visible) else number
    return values


def how_it_ended(status: int) -> str:
    """A sentence for the exit status of a process."""
    if status >= 0:
        return f"Its process ended with status {status} and left no result."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    reason = " (often the system ran out of memory)" if -status == signal.SIGKILL else ""
    return f"Its process was killed by {name}{reason}."
