"""The settings of every encoder family: one form each, of which the chosen encoder's is shown."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from ui.forms import Form, draw_form
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import ENCODER_SPECS, EncoderSpec, encoder_spec
from workbench.workflows import encode

FIXED = ("name", "model", "kind", "output")
"""Fields of an encoder's spec that are not settings: who it is. BGE-M3 makes all its outputs in one go."""
OWN = "as the model says"
FAMILIES = (
    (OWN, ""),
    ("dense: one vector per text", "dense"),
    ("sparse: weighted terms (SPLADE)", "sparse"),
    ("multi-vector: one vector per token (ColBERT)", "multi-vector"),
    ("BGE-M3: all three", "bge-m3"),
    ("image-text: one space for both (CLIP, SigLIP)", "image-text"),
    ("image: pictures alone", "image"),
)
"""What a person may say about a hub id or folder; BM25 has no model, and a bridge knows what it is."""


class EncoderForms:
    """The forms, drawn where the object is made, each in a column of its own."""

    def __init__(self) -> None:
        self.forms: dict[str, Form[Any]] = {}
        self.boxes: dict[str, gr.Column] = {}
        for kind, spec in ENCODER_SPECS.items():
            with gr.Column(visible=False, elem_classes="flat") as self.boxes[kind]:
                self.forms[kind] = draw_form(spec, kind, skip=FIXED)

    @property
    def components(self) -> list[Any]:
        """All of them, as events take them: form after form."""
        return [component for form in self.forms.values() for component in form.components]

    def show(self, spec: EncoderSpec) -> dict[Any, Any]:
        """Updates that show the form of `spec` with its values, and no other."""
        form = self.forms[spec.kind]
        boxes = {box: gr.update(visible=kind == spec.kind) for kind, box in self.boxes.items()}
        return {**boxes, **dict(zip(form.components, form.show(spec), strict=True))}

    def read(self, own: EncoderSpec, entered: Sequence[Any]) -> EncoderSpec:
        """`own` with what its form says; `entered` holds the values of `components`. Raises `BadInput`."""
        start = 0
        for kind, form in self.forms.items():
            if kind == own.kind:
                given = {name: getattr(own, name) for name in FIXED if hasattr(own, name)}
                made: EncoderSpec = form.read(entered[start : start + len(form.components)], given)
                return made
            start += len(form.components)
        raise BadInput(f"There is no encoder family “{own.kind}”.")


def named_encoder(project: Project, name: str, family: str = "") -> EncoderSpec:
    """The encoder called `name`, of the project or the catalogue, or a hub id or folder read as `family`.

    Raises `BadInput` where nothing is named, `NotFound` on a name.
    """
    if not name.strip():
        raise BadInput("No encoder is chosen.", "Click one in the list, or write a hub id or a folder.")
    own = encode.project_spec(project, name.strip())
    model = getattr(own, "model", "")
    if not family or family == own.kind or not model or own.kind == "bridge":
        return own
    return encoder_spec({"kind": family, "name": own.name, "model": model})


def renamed(own: EncoderSpec, wanted: EncoderSpec) -> EncoderSpec:
    """`wanted`, named after how it differs from `own`: two embeddings of one encoder must not share a name."""
    before: Mapping[str, Any] = own.to_dict()
    after = wanted.to_dict()
    changes = [f"{name}={value}" for name, value in after.items() if value != before.get(name)]
    return encoder_spec({**after, "name": " ".join([own.name, *changes])[:80].strip()})
