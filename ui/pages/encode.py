"""Encode: choose an encoder, see what will be applied, encode the corpus, compare what was applied before."""

from typing import Any

import gradio as gr

from ui.components.bridge_view import BridgePanel, show_bridges
from ui.components.empty import no_corpus, no_project
from ui.components.encode_view import (
    ALL,
    catalogue_table,
    details,
    documents_choices,
    embedding_table,
    encoded_elsewhere,
    heading,
    pretty_subset,
)
from ui.components.encoder_forms import FAMILIES, EncoderForms, named_encoder, renamed
from ui.components.job_panel import draw_jobs, job_panel
from ui.components.live import live, show
from ui.components.navigation import navigation
from ui.forms import draw_form
from ui.handlers import on, on_load, problem, said, tell
from ui.session import Context, Place
from workbench.errors import WorkbenchError
from workbench.project import Project
from workbench.specs import EncoderSpec, EncodeSpec
from workbench.workflows import bridge, deriving, encode, subsets
from workbench.workflows import corpus as corpora
from workbench.workflows.artifacts import delete_artifact

TITLE, PATH = "Encode", "/encode"
SUBSET = "encode-subset"
KINDS = ("encode", SUBSET, "bridge")
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
            self.bridge = BridgePanel(encode.list_encoders())
            self.panel = job_panel(self.context, KINDS)
            self.elsewhere = live("encoded-elsewhere")
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
                min_width=180,
            )
            self.family = gr.Dropdown(
                list(FAMILIES),
                value="",
                label="Family",
                info="Of a hub id or folder",
                elem_id="family",
                scale=2,
                min_width=130,
            )
            self.button = gr.Button("Encode", variant="primary", elem_id="encode", scale=0, min_width=110)
        with gr.Row(elem_classes="knobs"):
            self.documents = gr.Dropdown(
                [("all documents", ALL)],
                value=ALL,
                label="Documents",
                info="A subset becomes a corpus of its own, which is then encoded",
                elem_id="documents",
                visible=False,
            )
        self.details = live("encoder-details")
        self.forms = EncoderForms()
        with gr.Accordion("How it runs", open=False, elem_classes="knobs"):
            self.run = draw_form(EncodeSpec, "run")

    def wire(self) -> None:
        forms = self.forms.components
        who = [self.encoder, self.family]
        shown = [self.head, self.body, self.encoder, self.documents, self.list, self.bridge.box]
        on_load(self.load, [*shown, *self.bridge_outputs])
        on(self.catalogue.act, self.pick, None, who)
        for chosen in who:
            on(chosen.change, self.choose, who, [self.catalogue, self.details, *self.forms.boxes.values(), *forms])
        for component in forms:
            event = component.blur if hasattr(component, "blur") else component.change
            on(event, self.look, [*who, *forms], self.details)
        on(self.button.click, self.start, [self.documents, *who, *forms, *self.run.components], self.panel)
        on(self.bridge.button.click, self.fit, self.bridge.inputs, self.panel)
        on(self.list.act, self.remove, None, self.list)
        made = [self.list, self.catalogue, self.bridge.results, self.elsewhere]
        on(self.panel.done, self.draw_made, self.encoder, made)

    @property
    def bridge_outputs(self) -> list[Any]:
        return [self.bridge.name, self.bridge.results]

    def load(self, request: gr.Request) -> dict[Any, Any]:
        """Fill the page, or say what is missing first."""
        place = self.context.place(request)
        if not place.corpus:
            return {self.head: show(no_corpus(place.link("/corpus")) if place.project else no_project())}
        project = self.context.project(place.project)
        info = corpora.get_corpus(project, place.corpus)
        names = [entry.name for entry in encode.list_encoders()]
        done = {each.encoder for each in encode.list_embeddings(project, place.corpus)}
        # The first one of the list that is not done yet: what a person most likely came for.
        first = next((name for name in names if name not in done), names[0])
        sets = subsets.list_subsets(project, place.corpus)
        choices = documents_choices(info, sets)
        wanted = place.query.get("subset", "")
        return {
            self.head: show(heading(info, deriving.origin(project, place.corpus))),
            self.documents: gr.update(
                choices=choices, value=wanted if wanted in [name for _, name in choices] else ALL, visible=bool(sets)
            ),
            self.body: gr.update(visible=True),
            self.encoder: gr.update(value=place.query.get("encoder", "")[:300] or first),
            self.list: self.list_of(project, place),
            self.bridge.box: gr.update(visible=info.has_images),
            self.bridge.name: gr.update(value=f"{info.name} bridge"),
            self.bridge.results: show_bridges(bridge.list_bridges(project), place),
        }

    def pick(self, event: gr.EventData) -> tuple[Update, Update]:
        return gr.update(value=said(event, "name")), gr.update(value="")

    def choose(self, encoder: str, family: str, request: gr.Request) -> dict[Any, Any]:
        """Show what `encoder` is, and put its own settings into its family's form."""
        project, place = self.context.here(request)
        shown: dict[Any, Any] = {self.catalogue: self.catalogue_of(project, place, encoder)}
        try:
            spec = named_encoder(project, encoder, family)
            facts = self.described(project, place, spec)
        except WorkbenchError as error:
            return {**shown, self.details: show(problem(error.message, error.hint) if encoder.strip() else "")}
        return {**shown, self.details: show(facts), **self.forms.show(spec)}

    def look(self, encoder: str, family: str, request: gr.Request, *entered: Any) -> Update:
        """What will be applied with the settings as they are now, and what is doubtful about it."""
        project, place = self.context.here(request)
        try:
            return show(self.described(project, place, self.spec_of(project, (encoder, family), entered)))
        except WorkbenchError as error:
            return show(problem(error.message, error.hint))

    def spec_of(self, project: Project, who: tuple[str, str], entered: tuple[Any, ...]) -> EncoderSpec:
        """The encoder with the settings of the form; one that differs from the catalogue's gets a name that says so."""
        own = named_encoder(project, *who)
        return renamed(own, self.forms.read(own, entered))

    def start(self, subset: str, encoder: str, family: str, request: gr.Request, *entered: Any) -> Update:
        """Queue the encoding, of all documents or of a subset."""
        project, place = self.context.here(request)
        count = len(self.run.components)
        spec = self.spec_of(project, (encoder, family), entered[:-count])
        run = self.run.read(entered[-count:])
        arguments = {"corpus": place.corpus, "encoder": spec.to_dict(), "spec": run.to_dict()}
        kind, what = "encode", place.corpus
        if subset:
            arguments["subset"] = subsets.get_subset(project, place.corpus, subset).name
            kind, what = SUBSET, pretty_subset(place.corpus, subset)
        title = f"Encode {what} with {spec.name}"
        self.context.jobs.enqueue(kind, place.project, arguments, title=title, device=run.device)
        return draw_jobs(self.context, place.project, KINDS)

    def fit(self, image: str, text: str, name: str, request: gr.Request) -> Update:
        """Queue the fitting of a bridge; what can be refused at once is."""
        project, place = self.context.here(request)
        checked = bridge.check_bridge_name(name or "")
        sides = {"image_encoder": (image or "").strip(), "text_encoder": (text or "").strip()}
        for each in sides.values():
            named_encoder(project, each)
        arguments = {"name": checked, "corpus": place.corpus, **sides}
        title = f"Fit the bridge {checked} on {place.corpus}"
        self.context.jobs.enqueue("bridge", place.project, arguments, title=title)
        return draw_jobs(self.context, place.project, KINDS)

    def remove(self, event: gr.EventData, request: gr.Request) -> Update:
        """Delete an embedding and the indices made from it."""
        project, place = self.context.here(request)
        gone = delete_artifact(project, said(event, "id"))
        tell(f"Deleted: {', '.join(gone)}.")
        return self.list_of(project, place)

    def draw_made(self, encoder: str, event: gr.EventData, request: gr.Request) -> tuple[Update, ...]:
        """What a job has just made: an embedding, that of a subset's own corpus, or a bridge."""
        project, place = self.context.here(request)
        found = show_bridges(bridge.list_bridges(project), place)
        job = self.context.jobs.get(said(event, "id"))
        elsewhere = job.kind == SUBSET and job.state == "done" and job.result
        told = show(encoded_elsewhere(job.result or {}, place) if elsewhere else "")
        return self.list_of(project, place), self.catalogue_of(project, place, encoder), found, told

    def list_of(self, project: Project, place: Place) -> Update:
        return show(embedding_table(encode.list_embeddings(project, place.corpus), place))

    def catalogue_of(self, project: Project, place: Place, encoder: str) -> Update:
        done = {each.encoder for each in encode.list_embeddings(project, place.corpus)}
        images = corpora.get_corpus(project, place.corpus).has_images
        bridges = bridge.list_bridges(project)
        return show(catalogue_table(encode.list_encoders(), bridges, encoder.strip(), (done, images)))

    def described(self, project: Project, place: Place, spec: EncoderSpec) -> str:
        """What will be applied, as HTML."""
        preview = encode.encoder_preview(spec.to_dict())
        images = corpora.get_corpus(project, place.corpus).has_images
        return details(spec, preview, (encode.list_encoders(), bridge.list_bridges(project)), images)
