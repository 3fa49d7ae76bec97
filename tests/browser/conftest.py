"""The app on a small real project, with a worker, and a headless Chromium that watches every page for mistakes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from browser_support import ROOT, Site, birds_file, free_port, wait_for
from map_points import CARD, KINDS, POINTS, settled
from map_support import GL_FLAGS, as_json, serving, wire

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu"]


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
def playwright_driver() -> Iterator[object]:
    """Playwright itself: only one may run in a process. Skips without it; with CI=true it fails instead."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        no_browser("playwright is not installed (requirements-dev.txt)")
    with sync_playwright() as play:
        yield play


@contextmanager
def browser(play: object, profile: Path, flags: Sequence[str]) -> Iterator[object]:
    """A browser context with its own flags. Without any Chromium: skips, saying so; with CI=true it fails instead."""
    from playwright.sync_api import Error

    try:
        context = play.chromium.launch_persistent_context(  # type: ignore[attr-defined]
            str(profile),
            executable_path=chromium_path(),
            headless=False,
            args=list(flags),
            ignore_default_args=["--headless"],
            viewport={"width": 1280, "height": 800},
        )
    except Error as error:
        no_browser(f"no Chromium could be started: {str(error).splitlines()[0]}")
    yield context
    context.close()


@pytest.fixture(scope="session")
def chromium(playwright_driver: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A browser without graphics, for every page but the map."""
    with browser(playwright_driver, tmp_path_factory.mktemp("profile"), FLAGS) as context:
        yield context


@pytest.fixture(scope="session")
def gl_chromium(playwright_driver: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A browser with WebGL2 in software."""
    with browser(playwright_driver, tmp_path_factory.mktemp("gl-profile"), GL_FLAGS) as context:
        yield context


def no_browser(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}: the browser tests cannot run")
    pytest.skip(f"BROWSER TESTS NOT RUN: {reason}")


@pytest.fixture
def page(chromium, site: Site) -> Iterator[object]:
    """A new page that remembers nothing; the test fails where a script breaks on it or it asks anything but the app."""
    opened = chromium.new_page()
    # Pages keep the annotator's name and what is not stored yet; another test's must not answer for this one.
    chromium.new_cdp_session(opened).send("Storage.clearDataForOrigin", {"origin": site.url, "storageTypes": "all"})
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


@pytest.fixture(scope="session")
def map_server() -> Iterator[str]:
    """The address of a page with a map of the points of map_points."""
    files = {
        "/points.bin": wire(POINTS, KINDS),
        "/other.bin": wire(POINTS[:, ::-1], KINDS),
        "/card/0.json": as_json(CARD),
    }
    with serving(files) as url:
        yield url


@pytest.fixture
def open_map(gl_chromium, map_server: str) -> Iterator[object]:
    """Opens the page with a query; fails where a script broke or anything but the server was asked."""
    pages, errors, foreign = [], [], []

    def opened(query: str = "", script: str = "") -> object:
        page = gl_chromium.new_page()
        pages.append(page)
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda sent: foreign.append(sent.url) if not sent.url.startswith(map_server) else None)
        if script:
            page.add_init_script(script)
        page.goto(f"{map_server}/?{query}")
        page.wait_for_selector("body[data-ready]")
        settled(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert not errors
    assert not foreign
