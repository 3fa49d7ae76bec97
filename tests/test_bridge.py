"""The bridge: ridge against the plain formula, the hold-out, the files, and the workflow from pictures to search."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from image_fixtures import make_tiny_clip, make_tiny_vit
from PIL import Image

from workbench.encoders import bridging
from workbench.encoders.bridge import BridgeEncoder, bridge_folder
from workbench.encoders.bridging import Captioned
from workbench.errors import BadInput, NotFound
from workbench.scoring import normalize_rows
from workbench.specs import BridgeSpec, DenseSpec, EncodeSpec, ImageSpec, ImageTextSpec
from workbench.types import Content
from workbench.workflows.bridge import fit_bridge, list_bridges
from workbench.workflows.corpus import import_corpus
from workbench.workflows.encode import encode_corpus, list_embeddings, open_encoder

RUN = EncodeSpec(device="cpu", dtype="float32")


def invented(count: int, wide: int = 12, dim: int = 6, noise: float = 0.05, seed: int = 0) -> Captioned:
    """Pictures whose captions' vectors are a linear image of their own, and a little noise."""
    random = np.random.default_rng(seed)
    features = normalize_rows(random.normal(size=(count, wide)))
    texts = normalize_rows(features @ random.normal(size=(wide, dim)) + noise * random.normal(size=(count, dim)))
    return Captioned([f"caption {n}" for n in range(count)], features, texts, texts)


@pytest.mark.parametrize("count", [9, 200])
def test_the_map_is_the_ridge_solution(count):
    given = invented(count)
    bridge = bridging.fit(given)
    x = given.features - given.features.mean(0)
    y = given.documents - given.documents.mean(0)
    expected = np.linalg.solve(x.T @ x + bridge.ridge * np.eye(12), x.T @ y)
    np.testing.assert_allclose(bridge.weights, expected, atol=1e-5)
    np.testing.assert_allclose(bridge.images(given.features), normalize_rows(x @ expected), atol=1e-4)
    np.testing.assert_allclose(bridge.texts(given.queries, "query"), normalize_rows(y), atol=1e-5)


@pytest.mark.parametrize("count", [9, 200])
def test_the_ridge_is_that_of_least_cross_validation_error(count):
    given = invented(count, noise=0.6)
    x = (given.features - given.features.mean(0)).astype(np.float64)
    y = (given.documents - given.documents.mean(0)).astype(np.float64)
    errors = {}
    for ridge in bridging.RIDGES:
        hat = x @ np.linalg.solve(x.T @ x + ridge * np.eye(12), x.T)
        errors[ridge] = ((y - hat @ y) ** 2).sum() / (1 - np.trace(hat) / count) ** 2
    assert bridging.fit(given).ridge == min(errors, key=errors.get)


def test_labels_are_the_likeliest_ten_by_probability():
    labels = np.eye(12, dtype=np.float32)
    probabilities = np.array([[0.5, 0.3, 0.2] + [0.0] * 9, [1 / 12] * 12], np.float32)
    rows = bridging.label_rows(probabilities, labels)
    np.testing.assert_allclose(rows[0, :3], np.array([0.5, 0.3, 0.2]) / 0.38**0.5, atol=1e-6)
    # Ten of twelve equal ones, the first ones: ties in order.
    np.testing.assert_allclose(rows[1], [10**-0.5] * 10 + [0, 0], atol=1e-6)
    bridge = replace(bridging.fit(invented(40, dim=12)), labels=labels)
    features = invented(2).features
    mapped = normalize_rows((features - bridge.image_mean) @ bridge.weights)
    np.testing.assert_allclose(bridge.images(features, probabilities), normalize_rows(mapped + 0.6 * rows), atol=1e-6)
    np.testing.assert_allclose(bridge.images(features), mapped, atol=1e-6)


def test_captions_are_never_on_both_sides():
    captions = [f"Thing {n % 30}" if n % 2 else f"  thing   {n % 30} " for n in range(100)]
    held = bridging.hold_out(captions, 0)
    keys = [bridging.key_of(each) for each in captions]
    inside = {key for key, out in zip(keys, held, strict=True) if out}
    assert not inside & {key for key, out in zip(keys, held, strict=True) if not out}
    assert 20 <= held.sum() <= 24
    assert np.array_equal(held, bridging.hold_out(captions, 0)) and not np.array_equal(
        held, bridging.hold_out(captions, 1)
    )
    with pytest.raises(BadInput, match="the same caption"):
        bridging.hold_out(["a", "A "] * 30, 0)


def test_chance_by_hand():
    assert bridging.chance(10, 1, 1) == pytest.approx(0.1)
    assert bridging.chance(10, 1, 5) == pytest.approx(0.5)
    assert bridging.chance(10, 2, 2) == pytest.approx(1 - 8 / 10 * 7 / 9)
    assert bridging.chance(3, 1, 10) == pytest.approx(1)


def test_what_is_learnable_is_measured_as_learned_and_noise_as_chance():
    good = bridging.measure(invented(300, noise=0.01))
    assert good.held_out == 60 and good.recall_at_1 > 0.9 and good.median_rank == 1
    assert good.chance_at_1 == pytest.approx(1 / 60, abs=1e-4)
    given = invented(300)
    shuffled = np.random.default_rng(1).permutation(300)
    noise = bridging.measure(replace(given, documents=given.documents[shuffled], queries=given.queries[shuffled]))
    assert noise.recall_at_1 < 0.12 and 15 < noise.median_rank < 45


def test_a_caption_of_several_pictures_is_found_by_any_of_them():
    given = invented(100, noise=0.0)
    doubled = Captioned([f"c{n // 2}" for n in range(100)], given.features, given.documents, given.queries)
    measured = bridging.measure(doubled)
    assert measured.held_out == 20 and measured.chance_at_1 == pytest.approx(0.1)
    assert measured.recall_at_1 == 1.0


def test_files_hold_arrays_only_and_come_back(tmp_path):
    bridge = replace(bridging.fit(invented(60)), labels=np.eye(6, dtype=np.float32)[:4])
    bridging.save_bridge(tmp_path, bridge, {"measured": {"recall_at_1": 0.5}})
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".json"}
    again = bridging.load_bridge(tmp_path)
    np.testing.assert_allclose(again.weights, bridge.weights, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(again.labels, bridge.labels)
    assert again.ridge == bridge.ridge and bridging.read_notes(tmp_path)["measured"] == {"recall_at_1": 0.5}
    (tmp_path / "weights.npy").write_bytes(b"gone")
    with pytest.raises(BadInput, match="is damaged"):
        bridging.load_bridge(tmp_path)
    with pytest.raises(NotFound, match="holds no bridge"):
        bridging.read_notes(tmp_path / "nowhere")


# --- as an encoder, and from the corpus on ---

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220)}
THINGS = ("cat", "dog", "house", "river", "city", "bread")


def write_pictures(folder: Path, count: int, captions: bool = True) -> Path:
    """Coloured noise, captioned by its colour and a thing; the first ones without a caption too."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for n in range(count):
        colour, thing = list(COLOURS)[n % 3], THINGS[(n // 3) % 6]
        noise = np.random.default_rng(n).integers(-25, 26, (24, 24, 3))
        Image.fromarray((np.array(COLOURS[colour]) + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{n}.png")
        rows.append({"file": f"{n}.png", "id": f"p{n}", "title": f"{colour} {thing} {n}" if captions else ""})
    (folder / "captions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, dict[str, object]]:
    vit = make_tiny_vit(tmp_path_factory.mktemp("bridge-models") / "vit")
    return {
        "image_encoder": ImageSpec(name="tiny-vit", model=str(vit)).to_dict(),
        "text_encoder": DenseSpec(name="tiny", model=str(tiny_model)).to_dict(),
    }


def test_from_captioned_pictures_to_a_search_by_text_and_picture(project, sides, tmp_path):
    import_corpus(project, "pictures", write_pictures(tmp_path / "p", 90))
    told: list[tuple[int, int]] = []
    report = fit_bridge(project, "mine", "pictures", **sides, progress=lambda done, total: told.append((done, total)))
    assert (report.pictures, report.name, report.image_encoder) == (90, "mine", "tiny-vit")
    assert report.held_out == 18 and report.chance_at_1 == pytest.approx(1 / 18, abs=1e-3)
    assert told == sorted(told) and told[-1] == (1000, 1000)
    assert [each.encoder for each in list_embeddings(project, "pictures")] == ["tiny-vit"]
    assert fit_bridge(project, "mine", "pictures", **sides) == report
    assert list_bridges(project) == [report]
    made = encode_corpus(project, "pictures", "mine", EncodeSpec(device="cpu", dtype="float32", storage="float32"))
    artifact = project.artifacts.get(made.embedding)
    encoder = open_encoder(artifact)
    assert encoder.modalities == {"text", "image"}
    # The embedding keeps a copy: it stays searchable where the model is deleted.
    project.artifacts.delete(report.model)
    query = encoder.encode_queries(["red cat 0"])
    assert np.array_equal(open_encoder(artifact).encode_queries(["red cat 0"]), query)
    assert query.shape == (1, 32)


def test_the_two_models_load_when_they_are_needed(project, sides, tmp_path):
    import_corpus(project, "pictures", write_pictures(tmp_path / "p", 60))
    report = fit_bridge(project, "mine", "pictures", **sides)
    folder = project.artifacts.get(report.model).folder
    encoder = BridgeEncoder.open(BridgeSpec(name="mine", model=f"artifact:{report.model}"), RUN, folder)
    described, picture = encoder.describe(), tmp_path / "p" / "0.png"
    assert encoder._opened == {} and encoder.size_bytes > 10_000
    encoder.encode_queries(["red cat"])
    assert set(encoder._opened) == {"text"}
    image = encoder.encode_queries([Content("", picture)])
    assert set(encoder._opened) == {"text", "image"} and encoder.describe() == described
    text = encoder.encode_queries(["red cat"])
    both = encoder.encode_queries([Content("red cat", picture), Content("red cat", picture, 0.75)])
    np.testing.assert_allclose(both[0], normalize_rows(text + image)[0], atol=1e-6)
    np.testing.assert_allclose(both[1], normalize_rows(0.25 * text + 0.75 * image)[0], atol=1e-6)
    assert encoder.warnings == []


def test_a_clip_can_be_either_side(project, sides, tmp_path):
    clip = ImageTextSpec(name="clip", model=str(make_tiny_clip(tmp_path / "clip")), documents="both").to_dict()
    import_corpus(project, "pictures", write_pictures(tmp_path / "p", 60))
    one = fit_bridge(project, "one", "pictures", clip, sides["text_encoder"])
    other = fit_bridge(project, "other", "pictures", sides["image_encoder"], clip)
    assert (one.image_encoder, other.text_encoder) == ("clip", "clip")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_encoder": "tiny-text"}, "makes no single vector of image"),
        ({"text_encoder": {"kind": "bm25"}}, "makes no single vector of text"),
        ({"name": "minilm"}, "is the name of a model of the catalogue"),
        ({"name": "../x"}, "cannot be the name of a bridge"),
        ({"image_encoder": "clipart-bridge"}, "joins two encoders"),
    ],
)
def test_what_cannot_be_joined_is_said(project, sides, tmp_path, tiny_model, changes, words):
    import_corpus(project, "pictures", write_pictures(tmp_path / "p", 51))
    changes = {k: str(tiny_model) if v == "tiny-text" else v for k, v in changes.items()}
    with pytest.raises(BadInput, match=words):
        fit_bridge(project, **{"name": "mine", "corpus": "pictures", **sides, **changes})
    assert project.artifacts.list("model") == []


def test_too_few_captioned_pictures_are_refused_before_anything_is_encoded(project, sides, tmp_path):
    import_corpus(project, "few", write_pictures(tmp_path / "few", 49))
    import_corpus(project, "bare", write_pictures(tmp_path / "bare", 60, captions=False))
    for corpus, count in (("few", "49"), ("bare", "0")):
        with pytest.raises(BadInput, match=f"has {count} pictures with a title or text; a bridge needs 50"):
            fit_bridge(project, "mine", corpus, **sides)
        assert list_embeddings(project, corpus) == []


def test_the_shipped_bridge_says_what_it_is_and_how_good():
    notes = bridging.read_notes(bridge_folder("asset:clipart-bridge"))
    assert (notes["image_encoder"]["name"], notes["text_encoder"]["name"]) == ("efficientnet-lite0", "minilm")
    measured = notes["measured"]
    assert measured["pictures"] == 826 and measured["held_out"] == 166
    assert measured["recall_at_1"] > 0.2 > 10 * measured["chance_at_1"]
    for wrong in ("asset:../samples", "asset:", "nowhere", ""):
        with pytest.raises((NotFound, BadInput)):
            bridge_folder(wrong)
