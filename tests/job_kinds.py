"""Kinds of jobs for the tests of the job service: small, slow, stuck, dying. Named to the worker by `--kinds`."""

import os
import signal
import subprocess
import time
from pathlib import Path

from workbench.errors import BadInput
from workbench.jobs.kinds import Kind
from workbench.project import Project
from workbench.types import Progress


def count(project: Project, steps: int, pause: float, progress: Progress) -> dict[str, int]:
    """Report every step."""
    for step in range(steps):
        time.sleep(pause)
        progress(step + 1, steps)
    return {"steps": steps}


def shards(project: Project, shards: int, gate: int, progress: Progress) -> dict[str, int]:
    """Write shard files as an encode job does; `executions` has one line for each shard that was begun.

    From the shard `gate` on it stays inside a shard until there is a file `open`.
    """
    folder = project.exports / "shards"
    folder.mkdir(exist_ok=True)
    resumed = 0
    for shard in range(shards):
        path = folder / f"{shard:03d}.shard"
        if path.exists():
            resumed += 1
            continue
        append(folder / "executions", str(shard))
        while shard >= gate and not (folder / "open").exists():
            time.sleep(0.02)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(f"shard {shard}")
        partial.replace(path)
        progress(shard + 1, shards)
    return {"shards": shards, "resumed": resumed}


def stuck(project: Project, seconds: float, progress: Progress) -> None:
    """A long step that never reports, with a process of its own."""
    helper = subprocess.Popen(["sleep", str(seconds)])
    append(project.exports / "pids", f"{os.getpid()} {helper.pid}")
    time.sleep(seconds)


def dies(project: Project, signal_name: str, progress: Progress) -> None:
    """Kill the own process, as the system does when memory ends."""
    append(project.exports / "deaths", signal_name)
    os.kill(os.getpid(), getattr(signal, signal_name))
    time.sleep(60)


def leaves(project: Project, progress: Progress) -> None:
    """End without a word."""
    append(project.exports / "leaves", "once")
    os._exit(7)


def refuses(project: Project, progress: Progress) -> None:
    raise BadInput("The file has no text.", "Choose another column.")


def breaks(project: Project, until: str, progress: Progress) -> dict[str, str]:
    """Fail on something unexpected until the file `until` is there."""
    if not (project.exports / until).exists():
        raise ValueError("a detail for the log")
    print("printed by the job")  # noqa: T201 — the log must have it
    return {"until": until}


def echo(project: Project, progress: Progress, **arguments: object) -> dict[str, object]:
    append(project.exports / "echoes", str(arguments.get("number", "")))
    return {"project": project.name, "arguments": arguments}


def append(path: Path, line: str) -> None:
    """Append a line in one write, whole also when several processes do it."""
    with path.open("a") as file:
        file.write(line + "\n")


KINDS = {
    name: Kind(f"job_kinds:{name}")
    for name in ("count", "shards", "stuck", "dies", "leaves", "refuses", "breaks", "echo")
}
