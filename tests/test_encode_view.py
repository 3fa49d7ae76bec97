"""The Encode page's parts without a browser: every family has its form, lists say what reads what, results in words."""

from types import SimpleNamespace

import gradio as gr
import pytest
from image_fixtures import make_tiny_clip, make_tiny_vit

from ui.components.bridge_view import told
from ui.components.encode_view import catalogue_table, embedding_table
from ui.components.encoder_forms import EncoderForms, named_encoder, renamed
from ui.session import Place
from workbench.catalogue import resolve_encoder
from workbench.errors import BadInput
from workbench.specs import ENCODER_SPECS, DenseSpec, ImageTextSpec
from workbench.workflows import encode

MEASURED = {
    "held_out": 166, "recall_at_1": 0.2892, "recall_at_5": 0.53, "recall_at_10": 0.62, "median_rank": 5.0,
    "chance_at_1": 0.006, "chance_at_5": 0.0301, "chance_at_10": 0.0602,
}  # fmt: skip


@pytest.mark.parametrize("kind", ENCODER_SPECS)
def test_every_family_has_a_form_that_gives_back_what_it_shows(kind):
    with gr.Blocks():
        forms = EncoderForms()
    own = ENCODER_SPECS[kind](name="x")
    updates = forms.show(own)
    entered = [updates[each]["value"] if each in updates else each.value for each in forms.components]
    assert forms.read(own, entered) == own
    assert [name for name, box in forms.boxes.items() if updates[box]["visible"]] == [kind]


def test_a_hub_id_can_be_read_as_another_family(project):
    found = named_encoder(project, "org/model", "image-text")
    assert found == ImageTextSpec(name="org/model", model="org/model")
    assert named_encoder(project, "org/model") == DenseSpec(name="org/model", model="org/model")
    assert named_encoder(project, "bm25", "image").kind == "bm25"
    assert named_encoder(project, "clipart-bridge", "dense").kind == "bridge"
    assert renamed(found, ImageTextSpec(name="org/model", model="org/model", documents="both")).name == (
        "org/model documents=both"
    )
    with pytest.raises(BadInput, match="No encoder is chosen"):
        named_encoder(project, " ")


def test_a_folder_says_its_family(tmp_path, tiny_bridge, tiny_model):
    folders = {
        "image-text": make_tiny_clip(tmp_path / "clip"),
        "image": make_tiny_vit(tmp_path / "vit"),
        "bridge": tiny_bridge,
        "dense": tiny_model,
    }
    assert {kind: resolve_encoder(str(folder)).kind for kind, folder in folders.items()} == {k: k for k in folders}


def test_an_encoder_of_images_is_marked_where_there_are_none():
    entries = encode.list_encoders()
    without, with_images = (catalogue_table(entries, [], "minilm", ((), images)) for images in (False, True))
    assert without.count("no images here") == sum(entry.spec.kind == "image" for entry in entries) == 1
    assert "no images here" not in with_images
    assert "not CLIP" in with_images


def embedding(**values):
    given = {
        "id": "1", "encoder": "<b>", "kind": "sparse", "vectors": 8, "dim": 90, "dtype": "float32", "pooling": "",
        "query_prompt": "", "document_prompt": "", "warnings": [], "bytes": 10, "created_at": 0.0, "manifest": {},
    }  # fmt: skip
    return SimpleNamespace(**{**given, **values})


def test_embeddings_say_what_they_read_and_how_many_tokens_they_hold():
    # BM25's manifest has a text of that name: how it cuts words.
    shown = embedding_table(
        [
            embedding(manifest={"tokens": "lower case"}),
            embedding(kind="multi", manifest={"tokens": 51234}),
            embedding(kind="dense", manifest={"modalities": ["image", "text"], "fitted": {"measured": MEASURED}}),
        ],
        Place("p", "c"),
    )
    assert "lower case" not in shown and "51,234 tokens" in shown
    assert "text + <span class='tag'>image</span>" in shown
    assert "R@1 0.29 · R@5 0.53 · R@10 0.62 of 166 held out (chance 0.006)" in shown
    assert "&lt;b&gt;" in shown


def test_what_was_measured_is_told_in_words():
    assert told(MEASURED) == (
        "Asked by their captions for 166 pictures that it had not seen, it put the right one first for <b>29%</b> of "
        "them (by chance 0.6%), among the first five for <b>53%</b> (3.0%), among the first ten for <b>62%</b> (6.0%); "
        "median rank 5 of 166."
    )
