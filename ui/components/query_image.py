"""The picture of a query: a small button that takes an upload, a drop or a paste, and shows what was taken.

The browser posts the file to a route of ours (`ui/uploads.py`) and Python hears only its id: a component of Gradio
would keep the raw file where everyone with its address can read it, and takes much more room in a search bar.
"""

from typing import Any

import gradio as gr

from ui.components.assets import asset_url


def query_image(elem_id: str, **options: Any) -> gr.HTML:
    """The button; drops and pastes anywhere on the page are its own too. Put it into the row `.wb-querybar`.

    Wire it with `on(component.attach, handler, …)`: `said(event, "id")` is the stored picture's id, "" after its ×.
    Update it with `show_query_image`. A file that cannot be used is explained under it, and no event is sent.
    """
    script = (
        f"import('{asset_url('panels.mjs')}').then(m => m.mountQueryImage(element, "
        "{props, watch, attach: data => trigger('attach', data)}));"
    )
    return gr.HTML(
        html_template='<div class="wb-qimage"></div>',
        js_on_load=script,
        apply_default_css=False,
        elem_id=elem_id,
        project="",
        image="",
        **{"scale": 0, "min_width": 36, "container": False, **options},
    )


def show_query_image(project: str, image: str) -> dict[str, Any]:
    """The update that shows the stored picture `image` of `project`, or that of a document by its `media_url`; "" shows
    the empty button.
    """
    return gr.update(project=project, image=image)
