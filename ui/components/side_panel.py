"""The region beside the columns: a document in full, why it was found, or a read-out of a column's pipeline."""

from typing import Any

import gradio as gr

from ui.components import search_panels as panels
from ui.components.address import parse_link, read_view
from ui.components.column_answer import asked_for
from ui.components.results import listing
from ui.components.text import whole
from ui.handlers import explain, on, problem
from ui.session import Context


class SidePanel:
    """The components, drawn where it is made, and what opens and closes them. `asked` is a ticket for a read-out."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.region = listing("document", elem_classes=["wb-panel", "wb-side"], visible=False, scale=2, min_width=340)
        self.asked = gr.Textbox("", visible="hidden", elem_id="look")

    def wire(self, state: gr.Textbox, hits: list[gr.HTML]) -> None:
        """`state` holds the address of what is shown; in `hits` the row of the open document is marked."""
        opened = [self.region, *hits]
        for region in opened:
            on(region.pick, self.open, state, opened, trigger_mode="always_last")
        on(self.region.why, self.why, state, self.region, trigger_mode="always_last")
        on(self.region.shut, self.shut, None, opened)
        on(self.asked.change, self.look, self.asked, self.region, trigger_mode="always_last")
        self.marks = len(hits)

    def announce(self, ticket: str) -> dict[Any, Any]:
        """The updates that open the panel at once and start a read-out, which may take a while."""
        return {self.region: gr.update(visible=True, value=panels.WAITING), self.asked: ticket}

    def open(self, state: str, event: gr.EventData, request: gr.Request) -> list[Any]:
        """The document beside the columns, with the matched words marked."""
        project, place = self.context.here(request)
        ordinal = whole(event, "ordinal")
        value = panels.document_panel(project, place, read_view(parse_link(state)), ordinal)
        return [gr.update(visible=True, value=value), *[gr.update(open=ordinal)] * self.marks]

    def why(self, state: str, event: gr.EventData, request: gr.Request) -> Any:
        """Why a retriever found the document that is open."""
        project, place = self.context.here(request)
        view, ordinal = read_view(parse_link(state)), whole(event, "ordinal")
        asked = (whole(event, "column"), whole(event, "index"))
        return gr.update(value=panels.document_panel(project, place, view, ordinal, asked))

    def look(self, asked: str, request: gr.Request) -> Any:
        """A read-out of one column's pipeline; what cannot be measured is said in its place."""
        try:
            project, place = self.context.here(request)
            view, n = asked_for(asked)
            return gr.update(value=panels.panel_html(project, place, view, n, asked.rpartition(".")[2]))
        except Exception as error:  # noqa: BLE001 — explain() logs it
            return gr.update(value=panels.framed("Not measured", problem(*explain(error))))

    def shut(self) -> list[Any]:
        return [gr.update(visible=False, value=""), *[gr.update(open=-1)] * self.marks]
