"""The app on a small real project, with a worker, and a headless Chromium that watches every page for mistakes."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu"]
BIRDS = [
    ("The robin", "A small bird with a red breast that sings in winter gardens.", "garden", 18),
    ("The barn owl", "A pale owl that hunts mice over meadows at night without a sound.", "field", 310),
    ("The kingfisher", "A blue bird that dives into rivers and catches small fish.", "river", 40),
    ("The grey heron", "A tall bird that stands still in shallow water and waits for fish.", "river", 1500),
    ("The swift", "It sleeps in the air and screams around towers on summer evenings.", "town", 42),
    ("The nightjar", "At dusk it catches moths over heaths; its churring lasts for minutes.", "heath", 80),
    ("<b>The wren</b>", "<script>window.broken = 1</script> A tiny brown bird with a loud song.", "garden", 9),
    ("The white stork", "It nests on chimneys and flies to Africa in autumn.", "town", 3500),
]


@dataclass(frozen=True)
class Site:
    """A running app. `url` without a slash at the end; the project is “birds”, its corpus “aviary”."""

    url: str
    workspace: Path
    project: str = "birds"
    corpus: str = "aviary"

    def page(self, path: str, **values: str) -> str:
        query = "&".join(f"{name}={value}" for name, value in {**self.__dict__, **values}.items() if name in KEPT)
        extra = "".join(f"&{name}={value}" for name, value in values.items() if name not in KEPT)
        return f"{self.url}{path}?{query}{extra}"


KEPT = ("project", "corpus")


def birds_file(folder: Path) -> Path:
    """A JSONL corpus of eight documents; the seventh tries to inject markup."""
    path = folder / "birds.jsonl"
    rows = [
        {"id": f"b{n}", "title": title, "text": text, "place": place, "grams": grams}
        for n, (title, text, place, grams) in enumerate(BIRDS, 1)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Projects “birds” (a corpus with a BM25 embedding) and “bare” (nothing in it)."""
    from workbench.project import Workspace
    from workbench.workflows import corpus, encode

    folder = tmp_path_factory.mktemp("workspace")
    made = Workspace(folder)
    project = made.create("birds")
    corpus.import_corpus(project, "aviary", birds_file(tmp_path_factory.mktemp("source")))
    encode.encode_corpus(project, "aviary", "bm25")
    project.close()
    made.create("bare").close()
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path, seconds: float = 60) -> None:
    """Until `url` answers 200. Fails with the log where the process ends or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 — our own server
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the app did not start:\n{log.read_text(errors='replace')[-4000:]}")


@pytest.fixture(scope="session")
def site(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app in its own process, and a worker for its jobs; both are ended by their process id."""
    from workbench.jobs import JobService

    port, log = free_port(), tmp_path_factory.mktemp("log") / "app.log"
    command = [sys.executable, "-m", "ui.app", "--workspace", str(workspace), "--port", str(port)]
    worker = JobService(workspace).start_worker("cpu")
    with log.open("wb") as output:
        app = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(url, app, log)
        yield Site(url, workspace)
    finally:
        for process in (app, worker):
            process.terminate()
            process.wait(30)


def chromium_path() -> str | None:
    """The system's Chromium, or None for playwright's own."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A browser context. Without any Chromium: skips, saying so; with CI=true it fails instead."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        no_browser("playwright is not installed (requirements-dev.txt)")
    with sync_playwright() as play:
        try:
            context = play.chromium.launch_persistent_context(
                str(tmp_path_factory.mktemp("profile")),
                executable_path=chromium_path(),
                headless=False,
                args=FLAGS,
                ignore_default_args=["--headless"],
                viewport={"width": 1280, "height": 800},
            )
        except Error as error:
            no_browser(f"no Chromium could be started: {str(error).splitlines()[0]}")
        yield context
        context.close()


def no_browser(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}: the browser tests cannot run")
    pytest.skip(f"BROWSER TESTS NOT RUN: {reason}")


@pytest.fixture
def page(chromium, site: Site) -> Iterator[object]:
    """A new page; the test fails where a script breaks on it or it asks anything but the app."""
    opened = chromium.new_page()
    errors: list[str] = []
    foreign: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", lambda request: foreign.append(request.url) if not local(request.url, site) else None)
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()
    assert not errors
    assert not foreign


def local(url: str, site: Site) -> bool:
    return url.startswith((site.url, "data:", "blob:"))
