"""Encode: choose an encoder, see what will be applied, encode the corpus, compare what was applied before."""

from typing import Any

import gradio as gr

from ui.components.empty import no_corpus, no_project
from ui.components.encode_view import catalogue_table, details, embedding_table, heading
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import live, show
from ui.components.navigation import navigation
from ui.forms import draw_form
from ui.handlers import on, on_load, problem, said, tell
from ui.session import Context, Place
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.specs import BM25Spec, DenseSpec, EncoderSpec, EncodeSpec, encoder_spec
from workbench.workflows import corpus as corpora
from workbench.workflows import encode
from workbench.workflows.artifacts import delete_artifact

TITLE, PATH = "Encode", "/encode"
KINDS = ("encode",)
FIXED = ("name", "model", "kind")
"""Fields of an encoder's spec that are not settings: who it is."""
Update = dict[str, Any]


def build(context: Context) -> None:
    navigation(context, PATH)
    EncodePage(context).build()


class EncodePage:
    """The components of the page, and what they do."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def build(self) -> None:
        self.head = live("encode-head")
        with gr.Column(visible=False, elem_id="encode-body", elem_classes="flat") as self.body:
            with gr.Row(equal_height=False, elem_classes="columns"):
                with gr.Column(scale=8, min_width=520):
                    self.catalogue = live("catalogue")
                with gr.Column(scale=5, min_width=400, elem_classes="panel settings"):
                    self.draw_settings()
            self.panel = job_panel(self.context, KINDS)
            self.list = live("embeddings")
        self.wire()

    def draw_settings(self) -> None:
        """The right-hand side: who, what will be applied, settings, the button."""
        with gr.Row(elem_classes="bar-row"):
            self.encoder = gr.Textbox(
                label="Encoder",
                info="From the list, or any hub id (org/name) or folder",
                elem_id="encoder",
                max_lines=1,
                scale=3,
                min_width=200,
            )
            self.button = gr.Button("Encode", variant="primary", elem_id="encode", scale=0, min_width=120)
        self.details = live("encoder-details")
        with gr.Column(visible=False, elem_classes="flat") as self.dense_box:
            self.dense = draw_form(DenseSpec, "dense", skip=FIXED)
        with gr.Column(visible=False, elem_classes="flat") as self.bm25_box:
            self.bm25 = draw_form(BM25Spec, "bm25", skip=FIXED)
        with gr.Accordion("How it runs", open=False, elem_classes="knobs"):
            self.run = draw_form(EncodeSpec, "run")

    def wire(self) -> None:
        forms = [*self.dense.components, *self.bm25.components]
        boxes = [self.dense_box, self.bm25_box]
        on_load(self.load, [self.head, self.body, self.encoder, self.list])
        on(self.catalogue.act, self.pick, None, self.encoder)
        on(self.encoder.change, self.choose, self.encoder, [self.catalogue, self.details, *boxes, *forms])
        for component in forms:
            event = component.blur if hasattr(component, "blur") else component.change
            on(event, self.look, [self.encoder, *forms], self.details)
        on(self.button.click, self.start, [self.encoder, *forms, *self.run.components], self.panel)
        on(self.list.act, self.remove, None, self.list)
        on(self.panel.done, self.draw_list, None, self.list)

    def load(self, request: gr.Request) -> dict[Any, Any]:
        """Fill the page, or say what is missing first."""
        place = self.context.place(request)
        if not place.corpus:
            return {self.head: show(no_corpus(place.link("/corpus")) if place.project else no_project())}
        project = self.context.project(place.project)
        names = [entry.name for entry in encode.list_encoders()]
        done = {each.encoder for each in encode.list_embeddings(project, place.corpus)}
        # The first one of the list that is not done yet: what a person most likely came for.
        first = next((name for name in names if name not in done), names[0])
        return {
            self.head: show(heading(corpora.get_corpus(project, place.corpus))),
            self.body: gr.update(visible=True),
            self.encoder: gr.update(value=place.query.get("encoder", "")[:300] or first),
            self.list: self.list_of(project, place),
        }

    def pick(self, event: gr.EventData) -> Update:
        return gr.update(value=said(event, "name"))

    def choose(self, encoder: str, request: gr.Request) -> dict[Any, Any]:
        """Show what `encoder` is, and put its own settings into the form."""
        project, place = self.context.here(request)
        done = {each.encoder for each in encode.list_embeddings(project, place.corpus)}
        shown: dict[Any, Any] = {self.catalogue: show(catalogue_table(encode.list_encoders(), encoder.strip(), done))}
        try:
            spec = encode.resolve_encoder(encoder.strip())
            facts = described(spec)
        except WorkbenchError as error:
            return {**shown, self.details: show(problem(error.message, error.hint) if encoder.strip() else "")}
        form = self.form_of(spec)
        return {
            **shown,
            self.details: show(facts),
            self.dense_box: gr.update(visible=form is self.dense),
            self.bm25_box: gr.update(visible=form is self.bm25),
            **dict(zip(form.components, form.show(spec), strict=True)),
        }

    def form_of(self, spec: EncoderSpec) -> Any:
        return self.bm25 if isinstance(spec, BM25Spec) else self.dense

    def spec_of(self, encoder: str, entered: tuple[Any, ...]) -> EncoderSpec:
        """The encoder with the settings of the form; one that differs from the catalogue's gets a name that says so."""
        if not encoder.strip():
            raise BadInput("No encoder is chosen.", "Click one in the list, or write a hub id or a folder.")
        own = encode.resolve_encoder(encoder.strip())
        form = self.form_of(own)
        count = len(self.dense.components)
        values = entered[:count] if form is self.dense else entered[count:]
        given = {name: getattr(own, name) for name in FIXED if hasattr(own, name)}
        return renamed(own, form.read(values, given))

    def look(self, encoder: str, *entered: Any) -> Update:
        """What will be applied with the settings as they are now, and what is doubtful about it."""
        try:
            return show(described(self.spec_of(encoder, entered)))
        except WorkbenchError as error:
            return show(problem(error.message, error.hint))

    def start(self, encoder: str, request: gr.Request, *entered: Any) -> Update:
        """Queue the encoding."""
        place = self.context.here(request)[1]
        count = len(self.run.components)
        spec = self.spec_of(encoder, entered[:-count])
        run = self.run.read(entered[-count:])
        arguments = {"corpus": place.corpus, "encoder": spec.to_dict(), "spec": run.to_dict()}
        title = f"Encode {place.corpus} with {spec.name}"
        self.context.jobs.enqueue("encode", place.project, arguments, title=title, device=run.device)
        return draw_jobs(self.context, place.project, KINDS)

    def remove(self, event: gr.EventData, request: gr.Request) -> Update:
        """Delete an embedding and the indices made from it."""
        project, place = self.context.here(request)
        gone = delete_artifact(project, said(event, "id"))
        tell(f"Deleted: {', '.join(gone)}.")
        return self.list_of(project, place)

    def draw_list(self, request: gr.Request) -> Update:
        return self.list_of(*self.context.here(request))

    def list_of(self, project: Project, place: Place) -> Update:
        return show(embedding_table(encode.list_embeddings(project, place.corpus), place))


def described(spec: EncoderSpec) -> str:
    """What will be applied, as HTML."""
    return details(spec, encode.encoder_preview(spec.to_dict()), encode.list_encoders())


def renamed(own: EncoderSpec, wanted: EncoderSpec) -> EncoderSpec:
    """`wanted`, named after how it differs from `own`: two embeddings of one encoder must not share a name."""
    before, after = own.to_dict(), wanted.to_dict()
    changes = [f"{name}={value}" for name, value in after.items() if value != before[name]]
    return encoder_spec({**after, "name": " ".join([own.name, *changes])[:80].strip()})
