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
from workbench.workflows.artifacts import delete_artifact

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
            with gr.Row(equal_height=False, elem_classes="columns"):
                with gr.Column(scale=5, min_width=400, elem_classes="panel settings"):
                    self.draw_settings()
                with gr.Column(scale=7, min_width=520):
                    self.cards = live("suggestions")
            self.panel = job_panel(self.context, KINDS)
            self.list = live("indices")
        self.wire()

    def draw_settings(self) -> None:
        """The left-hand side: over what, which index, whether it fits, the button."""
        with gr.Row(elem_classes="bar-row"):
            self.encoder = gr.Dropdown([], label="Embedding", elem_id="encoder", scale=2, min_width=180)
            self.memory = gr.Number(
                MEMORY, label="Memory for the index, MB", elem_id="memory", precision=0, scale=1, min_width=140
            )
        with gr.Row(elem_classes="bar-row"):
            self.factory = gr.Textbox(
                "", label="Factory string", elem_id="factory", placeholder="HNSW32", max_lines=1, scale=3
            )
            self.button = gr.Button("Build index", variant="primary", elem_id="build", scale=0, min_width=120)
        self.check = live("check")
        self.form = draw_form(IndexSpec, "index", skip=("factory",))

    def wire(self) -> None:
        wanted = [self.encoder, self.factory, *self.form.components]
        metric = self.form.components[self.form.names.index("metric")]
        on_load(self.load, [self.head, self.body, self.encoder, self.list, self.cards, self.factory, metric])
        on(self.encoder.input, self.change, [self.encoder, self.memory], [self.cards, self.factory, metric])
        on(self.memory.change, self.suggest, [self.encoder, self.memory], self.cards)
        for event in (self.factory.change, self.encoder.change, metric.change):
            on(event, self.look, wanted, self.check, trigger_mode="always_last")
        on(self.cards.act, self.choose, None, self.factory)
        for event in (self.button.click, self.factory.submit):
            on(event, self.start, wanted, self.panel)
        on(self.list.act, self.remove, None, self.list)
        on(self.panel.done, self.draw_list, None, self.list)
        self.metric = metric

    def load(self, request: gr.Request) -> dict[Any, Any]:
        """Fill the page, or say what is missing first."""
        place = self.context.place(request)
        if not place.corpus:
            return {self.head: show(no_corpus(place.link("/corpus")) if place.project else no_project())}
        project = self.context.project(place.project)
        embeddings = dense_embeddings(project, place.corpus)
        if not embeddings:
            return {self.head: show(no_embedding(place))}
        wanted = place.query.get("encoder", "")
        chosen = wanted if wanted in embeddings else next(iter(embeddings))
        return {
            self.head: show(heading(place, embeddings[chosen])),
            self.body: gr.update(visible=True),
            self.encoder: gr.update(choices=list(embeddings), value=chosen),
            self.list: show(index_table(index.list_indices(project, place.corpus), place)),
            **self.for_encoder(project, place, chosen, MEMORY),
        }

    def for_encoder(self, project: Project, place: Place, encoder: str, memory: float | None) -> dict[Any, Any]:
        """Suggestions for an embedding, the first one filled in, and the metric its vectors are made for."""
        cards, first = suggestions(project, place, encoder, memory)
        metric = index.metric_of(dense_embeddings(project, place.corpus)[encoder])
        return {self.cards: show(cards), self.factory: gr.update(value=first), self.metric: gr.update(value=metric)}

    def change(self, encoder: str, memory: float | None, request: gr.Request) -> dict[Any, Any]:
        """Another embedding was chosen."""
        return self.for_encoder(*self.context.here(request), encoder, memory)

    def suggest(self, encoder: str, memory: float | None, request: gr.Request) -> Update:
        """Another amount of memory was given."""
        return show(suggestions(*self.context.here(request), encoder, memory)[0])

    def look(self, encoder: str, factory: str, request: gr.Request, *knobs: Any) -> Update:
        """Check a factory string while it is written."""
        if not factory.strip() or not encoder:
            return show("")
        project, place = self.context.here(request)
        try:
            spec = self.form.read(knobs, {"factory": factory.strip()})
            return show(checked(spec.factory, index.check(project, place.corpus, encoder, spec)))
        except WorkbenchError as error:
            return show(problem(error.message, error.hint))

    def choose(self, event: gr.EventData) -> Update:
        return gr.update(value=said(event, "factory"))

    def start(self, encoder: str, factory: str, request: gr.Request, *knobs: Any) -> Update:
        """Queue the build. Raises `BadInput` where the factory string cannot work on this embedding."""
        project, place = self.context.here(request)
        if not factory.strip():
            raise BadInput("There is no factory string.", "Choose one of the suggestions, or write one.")
        spec = self.form.read(knobs, {"factory": factory.strip()})
        index.check(project, place.corpus, encoder, spec)
        arguments = {"corpus": place.corpus, "encoder": encoder, "spec": spec.to_dict()}
        title = f"Build {spec.factory} over {place.corpus} · {encoder}"
        self.context.jobs.enqueue("index", place.project, arguments, title=title)
        return draw_jobs(self.context, place.project, KINDS)

    def remove(self, event: gr.EventData, request: gr.Request) -> Update:
        """Delete an index; the embedding under it stays."""
        project, _ = self.context.here(request)
        delete_artifact(project, said(event, "id"))
        tell("The index is deleted.")
        return self.draw_list(request)

    def draw_list(self, request: gr.Request) -> Update:
        project, place = self.context.here(request)
        return show(index_table(index.list_indices(project, place.corpus), place))


def suggestions(project: Project, place: Place, encoder: str, memory: float | None) -> tuple[str, str]:
    """The cards, and the first suggestion's factory string."""
    if not memory or memory < 1:
        return problem("The memory must be at least 1 MB."), ""
    found = index.suggest(project, place.corpus, encoder, memory)
    return suggestion_cards(found, memory), found[0].factory if found else ""


def dense_embeddings(project: Project, corpus: str) -> dict[str, Any]:
    """By encoder, the newest embeddings of the corpus that can be indexed: sparse ones bring their own index."""
    found: dict[str, Any] = {}
    for each in encode.list_embeddings(project, corpus):
        if each.kind == "dense":
            found.setdefault(each.encoder, each)
    return found


def heading(place: Place, embedding: Any) -> str:
    return (
        f"<div class='row top'><h2>Index {escape(place.corpus)}</h2><span class='facts'><span><b>{embedding.vectors:,}"
        f"</b> vectors × <b>{embedding.dim}</b></span></span><span class='dim'>An index finds neighbours without "
        "looking at every vector: worth it from about 50,000 documents. Below that, exact search is as fast."
        "</span></div>"
    )


def no_embedding(place: Place) -> str:
    text = (
        "An index is built over the vectors of an encoder. Encode the corpus with a dense encoder first; "
        "BM25 brings its own index and needs none here."
    )
    return empty(f"“{place.corpus}” has no dense embedding yet", text, place.link("/encode"), "Encode the corpus")
