"""Events: one error boundary around every handler, and the settings all of them share."""

import functools
import html
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.context import Context as Gradio

from workbench.errors import WorkbenchError

logger = logging.getLogger("workbench.ui")

Handler = Callable[..., Any]


def escape(value: object) -> str:
    """`value` as text that is safe inside HTML and inside a quoted attribute."""
    return html.escape(str(value), quote=True)


def ticked(value: object) -> str:
    """`value` escaped, what stands in `backticks` as code: hints name commands that way."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(value))


def problem(message: str, hint: str = "") -> str:
    """A message of the page, as HTML: what was wrong, and what to do."""
    advice = f" <span class='hint'>{ticked(hint)}</span>" if hint else ""
    return f"<div class='note bad' role='alert'><b>{escape(message)}</b>{advice}</div>"


def explain(error: Exception) -> tuple[str, str]:
    """Message and hint for a person. Call inside `except`: an unexpected error is logged, and gets a short id."""
    if isinstance(error, WorkbenchError):
        return error.message, error.hint
    number = secrets.token_hex(3)
    logger.error("error %s", number, exc_info=error)
    return f"Something went wrong (id {number}).", "The app's log has the details, under this id."


def guarded(fn: Handler) -> Handler:
    """`fn` with an error boundary: an error becomes a message in the corner, and all outputs stay as they are."""

    @functools.wraps(fn)
    def inner(*values: Any, **named: Any) -> Any:
        try:
            return fn(*values, **named)
        except Exception as error:  # noqa: BLE001 — the boundary: explain() logs what is not the person's to mend
            warn(*explain(error))
        return gr.skip()

    return inner


def warn(message: str, hint: str = "") -> None:
    """A message in the corner of the page, for ten seconds. Works only in events that go through the queue."""
    gr.Warning(
        f"<b>{escape(message)}</b><br>{ticked(hint)}" if hint else f"<b>{escape(message)}</b>", title="Please look"
    )


def tell(message: str) -> None:
    """Good news in the corner of the page."""
    gr.Info(escape(message), title="Done", duration=4)


def on(event: Callable[..., Any], fn: Handler, inputs: Any = None, outputs: Any = None, **options: Any) -> Any:
    """Call `fn` when a person does something: guarded, private, through the queue (only there messages work)."""
    settings = {"api_visibility": "private", "show_progress": "hidden", **options}
    return event(guarded(fn), inputs, outputs, **settings)


def on_load(fn: Handler, outputs: Any, inputs: Any = None, **options: Any) -> Any:
    """Call `fn` when the page being built is opened."""
    page = Gradio.root_block
    if page is None:
        raise RuntimeError("on_load belongs inside a page's build()")
    return on(page.load, fn, inputs, outputs, **options)


def poll(seconds: float, fn: Handler, outputs: Any, inputs: Any = None) -> gr.Timer:
    """Call `fn` again and again, outside the queue. An error is logged, and the outputs stay as they are."""

    @functools.wraps(fn)
    def inner(*values: Any, **named: Any) -> Any:
        try:
            return fn(*values, **named)
        except Exception:
            logger.exception("in the regular call of %s", fn.__qualname__)
            return gr.skip()

    timer = gr.Timer(seconds)
    timer.tick(inner, inputs, outputs, show_progress="hidden", queue=False, api_visibility="private")
    return timer


def said(evt: gr.EventData, name: str, default: str = "") -> str:
    """A value the browser sent with an event, as text of at most 10,000 characters."""
    value = (evt._data or {}).get(name, default) if isinstance(evt._data, dict) else default
    return str(value)[:10_000]


def fields(evt: gr.EventData) -> dict[str, str]:
    """The inputs of the small form that an action of `live` came from."""
    values = evt._data.get("fields", {}) if isinstance(evt._data, dict) else {}
    return {str(name): str(value)[:10_000] for name, value in values.items()} if isinstance(values, dict) else {}
