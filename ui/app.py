"""The app: one FastAPI with a host check, our own routes, and the Gradio pages."""

import argparse
import importlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from ui.components.assets import ASSETS, FOLDER, asset_url
from ui.session import Context
from ui.theme import make_theme
from workbench.project import Workspace

if TYPE_CHECKING:
    from workbench.jobs import JobService

PAGES = (
    "home",
    "corpus",
    "encode",
    "index",
    "laboratory",
    "search",
    "map",
    "mine",
    "label",
    "review",
    "evaluate",
    "blind",
    "jobs",
)
"""Modules of `ui.pages`, in the order of the bar; the first is served at “/”."""
LOCAL = ("127.0.0.1", "localhost", "[::1]")


def build_app(workspace: Path, *, jobs: "JobService | None" = None, allowed_hosts: Sequence[str] = LOCAL) -> FastAPI:
    """The whole app over the projects in `workspace`. A request for another host name than `allowed_hosts` gets 400."""
    from ui.routes import build_router
    from workbench.workflows.memory import apply_settings

    # Gradio warns that it leaves SSR off, which is what we ask for.
    warnings.filterwarnings("ignore", message="SSR mode is not supported", category=UserWarning)
    apply_settings(workspace)
    context = Context(Workspace(workspace), jobs or make_jobs(workspace))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))
    app.include_router(build_router(context))
    return gr.mount_gradio_app(
        app,
        build_pages(context),
        path="/",
        theme=make_theme(),
        css_paths=[FOLDER / name for name, kind in ASSETS.items() if kind == "text/css"],
        head=head_markup(),
        app_kwargs={"openapi_url": None, "docs_url": None, "redoc_url": None},
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        show_error=True,
    )


def head_markup() -> str:
    """What runs on every page: the shell before the app starts, the panels' behaviour once the page is read."""
    shell = (FOLDER / "shell.js").read_text(encoding="utf-8")
    return f'<script>{shell}</script><script type="module" src="{asset_url("panels.mjs")}"></script>'


def build_pages(context: Context) -> gr.Blocks:
    """All pages as one Gradio app, and the public endpoints."""
    from ui.api import add_endpoints

    demo = gr.Blocks(title="Retrieval Workbench", analytics_enabled=False, fill_width=True)
    for name in PAGES:
        page = importlib.import_module(f"ui.pages.{name}")
        with demo if page.PATH == "/" else demo.route(page.TITLE, page.PATH.strip("/"), show_in_navbar=False):
            page.build(context)
            if page.PATH == "/":
                add_endpoints(context)
    # Reading is cheap and short; long work is a job, never an event.
    return demo.queue(default_concurrency_limit=8)


def make_jobs(workspace: Path) -> "JobService":
    from workbench.jobs import JobService

    return JobService(workspace)


def main() -> None:
    """For development only; `launch.py` also starts the worker."""
    import uvicorn

    parser = argparse.ArgumentParser(prog="python -m ui.app")
    parser.add_argument("--workspace", type=Path, default=Path("projects"))
    parser.add_argument("--port", type=int, default=7860)
    options = parser.parse_args()
    uvicorn.run(build_app(options.workspace), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
