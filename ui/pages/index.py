"""Index: suggestions that fit the embedding and the memory, a factory string checked before work starts, the list."""

from typing import Any

import gradio as gr

from ui.components.empty import empty, no_corpus, no_project
from ui.components.index_view import checked, index_table, suggestion_cards
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import live, show
from ui.components.navigation import navigation
from ui.forms import draw_form
from ui.handlers import escape, on, on_load, problem, said, tell
from ui.session import Context, Place
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.specs import IndexSpec
from workbench.workflows import encode, index

TITLE, PATH = "Index", "/index"
KINDS = ("index",)
MEMORY = 1024
Update = dict[str, Any]


def build(context: Context) -> None:
    navigation(context, PATH)
    IndexPage(context).build()


class IndexPage:
    """The components of the page, and what they do."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        self.head = live("index-head")
        with gr.Column(visible=False, elem_id="index-body", elem_classes="flat") as self.body:
            with gr.Row(elem_classes="bar-row"):
                self.encoder = gr.Dropdown([], label="Embedding", elem_id="encoder", scale=2, min_width=220)
                self.memory = gr.Number(
                    MEMORY, label="Memory for the index, MB", elem_id="memory", precision=0, min_width=140, scale=1
                )
                self.factory = gr.Textbox(
                    "",
                    label="Factory string",
                    elem_id="factory",
                    placeholder="HNSW32",
                    max_lines=1,
                    scale=3,
                    info="",
                )
                self.build_button = gr.Button("Build index", variant="primary", elem_id="build", scale=0, min_width=120)
            self.check = live("check")
            self.form = draw_form(IndexSpec, "index", skip=("factory",))
            self.cards = live("suggestions")
            self.panel = job_panel(self.context, KINDS)
            self.list = live("indices")
        self.wire()

    def wire(self) -> None:
        facts = [self.cards, self.check]
        on_load(self.load, [self.head, self.body, self.encoder, self.list, *facts, self.factory])
        for event in (self.encoder.input, self.memory.change):
            on(event, self.suggest, [self.encoder, self.memory, self.factory], facts)
        on(self.factory.change, self.look, [self.encoder, self.factory], self.check, trigger_mode="always_last")
        on(self.cards.act, self.choose, None, self.factory)
        for event in (self.build_button.click, self.factory.submit):
            on(event, self.start, [self.encoder, self.factory, *self.form.components], [self.panel, self.check])
        on(self.list.act, self.remove, None, self.list)
        on(self.panel.done, self.draw_list, None, self.list)

    def load(self, request: gr.Request) -> dict[Any, Any]:
        """Fill the page, or say what is missing first."""
        place = self.context.place(request)
        if not place.corpus:
            missing = no_corpus(place.link("/corpus")) if place.project else no_project()
            return {self.head: show(missing)}
        project = self.context.project(place.project)
        names = dense_embeddings(project, place.corpus)
        if not names:
            return {self.head: show(no_embedding(place))}
        wanted = place.query.get("encoder", "")
        chosen = wanted if wanted in names else names[0]
        cards, first = self.suggestions(project, place, chosen, MEMORY)
        return {
            self.head: show(heading(place)),
            self.body: gr.update(visible=True),
            self.encoder: gr.update(choices=names, value=chosen),
            self.list: show(index_table(index.list_indices(project, place.corpus), place)),
            self.cards: show(cards),
            self.factory: gr.update(value=first),
        }

    def suggestions(self, project: Project, place: Place, encoder: str, memory: float | None) -> tuple[str, str]:
        """The cards, and the first suggestion's factory string."""
        if not memory or memory < 1:
            return problem("The memory must be at least 1 MB."), ""
        found = index.suggest(project, place.corpus, encoder, int(memory))
        return suggestion_cards(found, int(memory)), found[0].factory if found else ""

    def suggest(self, encoder: str, memory: float | None, factory: str, request: gr.Request) -> tuple[Update, Update]:
        project, place = self.context.here(request)
        cards, _ = self.suggestions(project, place, encoder, memory)
        return show(cards), show(self.verdict(project, place, encoder, factory))

    def look(self, encoder: str, factory: str, request: gr.Request) -> Update:
        """Check a factory string while it is written."""
        project, place = self.context.here(request)
        return show(self.verdict(project, place, encoder, factory))

    def verdict(self, project: Project, place: Place, encoder: str, factory: str) -> str:
        if not factory.strip():
            return ""
        try:
            return checked(factory.strip(), index.check(project, place.corpus, encoder, factory.strip()))
        except WorkbenchError as error:
            return problem(error.message, error.hint)

    def choose(self, event: gr.EventData) -> Update:
        return gr.update(value=said(event, "factory"))

    def start(self, encoder: str, factory: str, request: gr.Request, *knobs: Any) -> tuple[Update, Update]:
        """Queue the build. Raises `BadInput` where the factory string cannot work on this embedding."""
        project, place = self.context.here(request)
        if not factory.strip():
            raise BadInput("There is no factory string.", "Choose one of the suggestions, or write one.")
        spec = self.form.read(knobs, {"factory": factory.strip()})
        index.check(project, place.corpus, encoder, spec.factory)
        arguments = {"corpus": place.corpus, "encoder": encoder, "spec": spec.to_dict()}
        title = f"Build {spec.factory} over {place.corpus} · {encoder}"
        self.context.jobs.enqueue("index", place.project, arguments, title=title)
        return draw_jobs(self.context, place.project, KINDS), gr.skip()

    def remove(self, event: gr.EventData, request: gr.Request) -> Update:
        """Delete an index; the embedding under it stays."""
        project, _ = self.context.here(request)
        project.artifacts.delete(said(event, "id"))
        tell("The index is deleted.")
        return self.draw_list(request)

    def draw_list(self, request: gr.Request) -> Update:
        project, place = self.context.here(request)
        return show(index_table(index.list_indices(project, place.corpus), place))


def dense_embeddings(project: Project, corpus: str) -> list[str]:
    """Encoders whose embeddings of the corpus can be indexed: sparse ones bring their own index."""
    return [each.encoder for each in encode.list_embeddings(project, corpus) if each.kind == "dense"]


def heading(place: Place) -> str:
    return (
        f"<div class='row top'><h2>Index {escape(place.corpus)}</h2><span class='dim'>An index finds neighbours without "
        "looking at every vector: worth it from about 50,000 documents. Below that, exact search is as fast.</span></div>"
    )


def no_embedding(place: Place) -> str:
    text = (
        "An index is built over the vectors of an encoder. Encode the corpus with a dense encoder first; "
        "BM25 brings its own index and needs none here."
    )
    return empty(f"“{place.corpus}” has no dense embedding yet", text, place.link("/encode"), "Encode the corpus")
