"""The one command: set-up that continues and says what failed, ports, and an end that takes the worker along."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import launch

ROOT = Path(launch.__file__).parent


def test_a_failed_step_says_which_why_and_what_to_do(capsys):
    command = [
        sys.executable,
        "-c",
        "print('Requirement already satisfied: x'); print('ERROR: no such thing'); exit(3)",
    ]
    with pytest.raises(launch.SetupFailed) as failure:
        launch.step("installing the packages", command, "Check the connection.")
    assert str(failure.value) == (
        "The step “installing the packages” failed: ERROR: no such thing Check the connection."
    )
    assert capsys.readouterr().out == "  ERROR: no such thing\n"


def test_what_is_installed_is_not_installed_again_until_its_file_changes(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(launch, "ROOT", tmp_path)
    monkeypatch.setattr(launch.sys, "prefix", str(tmp_path))
    monkeypatch.setattr(launch, "step", lambda what, command, advice: calls.append(what))
    (tmp_path / "constraints.txt").write_text("")
    (tmp_path / "requirements.txt").write_text("a==1")
    for _ in range(2):
        launch.install("packages", "requirements.txt", [], "")
    assert calls == ["installing the packages"]
    (tmp_path / "requirements.txt").write_text("a==2")
    launch.install("packages", "requirements.txt", [], "")
    assert len(calls) == 2
    assert set(json.loads((tmp_path / "workbench-setup.json").read_text())) == {"requirements.txt"}


def test_a_step_that_failed_is_tried_again(tmp_path, monkeypatch):
    def fail(*_):
        raise launch.SetupFailed("no")

    monkeypatch.setattr(launch, "ROOT", tmp_path)
    monkeypatch.setattr(launch.sys, "prefix", str(tmp_path))
    monkeypatch.setattr(launch, "step", fail)
    for name in ("constraints.txt", "requirements.txt"):
        (tmp_path / name).write_text("")
    for _ in range(2):
        with pytest.raises(launch.SetupFailed):
            launch.install("packages", "requirements.txt", [], "")


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert port < launch.free_port("127.0.0.1", port) < port + 100


def test_only_names_of_this_machine_are_answered_unless_asked_otherwise():
    assert launch.allowed_hosts("127.0.0.1") == ("127.0.0.1", "localhost", "[::1]")
    assert launch.allowed_hosts("0.0.0.0") == ("*",)  # noqa: S104


def test_every_model_package_is_pinned_by_hash():
    lines = [line for line in (ROOT / "requirements-models.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert all("==" in line and "--hash=sha256:" in line for line in lines)


def test_the_app_starts_with_a_worker_and_both_end_on_ctrl_c(tmp_path):
    # The environment of the tests is set up, so nothing is installed here.
    command = "import launch, sys; launch.set_up = lambda testing: None; sys.exit(launch.main())"
    port = launch.free_port("127.0.0.1", 17860)
    options = ["--projects", str(tmp_path / "projects"), "--no-browser", "--no-demo", "--port", str(port)]
    log = tmp_path / "log"
    with log.open("w") as output:
        app = subprocess.Popen(
            [sys.executable, "-c", command, *options], cwd=ROOT, stdout=output, stderr=output, env={**os.environ}
        )
    try:
        wait_for(lambda: page_answers(port) or app.poll() is not None)
        assert app.poll() is None, log.read_text()
        workers = children_of(app.pid)
        assert len(workers) == 1
        app.send_signal(signal.SIGINT)
        assert app.wait(30) == 0
        assert "The workbench has stopped." in log.read_text()
        assert not any(alive(pid) for pid in workers)
    finally:
        app.kill()


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def page_answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
            return page.status == 200
    except (OSError, urllib.error.URLError):
        return False


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(each) for each in found.stdout.split()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
