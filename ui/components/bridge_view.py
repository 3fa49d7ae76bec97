"""The panel that fits a bridge between an image and a text encoder, and how its result is told in plain words."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.components.figures import duration
from ui.components.live import live, show
from ui.handlers import escape
from ui.session import Place

if TYPE_CHECKING:
    from workbench.workflows.bridge import BridgeReport
    from workbench.workflows.encode import CatalogueEntry

WHAT = (
    "<p class='dim'>Learns, from this corpus's captioned pictures, where an image lies among texts: a text then finds "
    "pictures, with any image encoder and any text encoder. It takes seconds after the pictures are encoded. It is no "
    "CLIP: it knows what the captions show, and is measured on pictures whose captions it has not seen.</p>"
)


class BridgePanel:
    """The form: an image encoder, a text encoder, a name, the button; and the bridges there are."""

    def __init__(self, entries: "Sequence[CatalogueEntry]") -> None:
        images = [each.name for each in entries if each.spec.kind in ("image", "image-text")]
        texts = [each.name for each in entries if each.spec.kind in ("dense", "image-text")]
        title = "Fit an image-text bridge"
        with gr.Accordion(title, open=False, visible=False, elem_id="bridge", elem_classes="knobs") as self.box:
            gr.HTML(WHAT, apply_default_css=False)
            with gr.Row(elem_classes="bar-row"):
                self.image = picker(images, "Image encoder", "bridge-image", "efficientnet-lite0")
                self.text = picker(texts, "Text encoder", "bridge-text", "minilm")
                self.name = gr.Textbox(label="Name", elem_id="bridge-name", max_lines=1, scale=2, min_width=140)
                self.button = gr.Button("Fit", variant="primary", elem_id="bridge-fit", scale=0, min_width=90)
            self.results = live("bridges")

    @property
    def inputs(self) -> list[Any]:
        return [self.image, self.text, self.name]


def picker(choices: list[str], label: str, elem_id: str, value: str) -> gr.Dropdown:
    return gr.Dropdown(
        choices, value=value, label=label, elem_id=elem_id, allow_custom_value=True, scale=2, min_width=160
    )


def show_bridges(found: "Sequence[BridgeReport]", place: Place) -> dict[str, Any]:
    """The update that lists the bridges of the project with what was measured."""
    return show("".join(bridge_row(each, place) for each in found))


def bridge_row(each: "BridgeReport", place: Place) -> str:
    link = escape(place.link("/encode", encoder=each.name))
    return (
        f"<div class='note good' data-key='bridge {escape(each.model)}'><b>{escape(each.name)}</b> joins "
        f"{escape(each.image_encoder)} and {escape(each.text_encoder)}, fitted on {escape(each.corpus)} in "
        f"{duration(each.fit_seconds)} after {duration(each.features_seconds)} for the vectors. "
        f"{told(vars_of(each))} <a class='btn small' href='{link}'>Encode with it</a></div>"
    )


def vars_of(each: "BridgeReport") -> Mapping[str, Any]:
    """The measured numbers by name."""
    return {name: getattr(each, name) for name in each.__dataclass_fields__}


def told(measured: Mapping[str, Any]) -> str:
    """What was measured, in plain words."""
    count, chance = measured["held_out"], measured["chance_at_1"]
    return (
        f"Asked by their captions for {count:,} pictures that it had not seen, it put the right one first for "
        f"<b>{measured['recall_at_1']:.0%}</b> of them (by chance {chance:.1%}), among the first five for "
        f"<b>{measured['recall_at_5']:.0%}</b> ({measured['chance_at_5']:.1%}), among the first ten for "
        f"<b>{measured['recall_at_10']:.0%}</b> ({measured['chance_at_10']:.1%}); median rank "
        f"{measured['median_rank']:.0f} of {count:,}."
    )


def short(measured: Mapping[str, Any]) -> str:
    """The same in a table's cell."""
    return (
        f"R@1 {measured['recall_at_1']:.2f} · R@5 {measured['recall_at_5']:.2f} · R@10 {measured['recall_at_10']:.2f} "
        f"of {measured['held_out']:,} held out (chance {measured['chance_at_1']:.3f})"
    )
