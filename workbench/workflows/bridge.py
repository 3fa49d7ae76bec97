"""Bridge: the captioned pictures of a corpus → a model that finds pictures by text, with how good it measured."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.batching import windows
from workbench.catalogue import catalogue
from workbench.corpora import CorpusInfo
from workbench.encoders import bridging
from workbench.errors import BadInput
from workbench.project import Project, check_name
from workbench.scoring import normalize_rows
from workbench.specs import EncoderSpec, ImageTextSpec
from workbench.types import Document, Progress, no_progress
from workbench.vectors import DenseVectors
from workbench.workflows.encode import RUN, encode_corpus, open_family, project_spec

if TYPE_CHECKING:
    from workbench.encoders.base import Encoder

FEWEST = 50
"""Captioned pictures below which nothing can be learned or measured."""
MOST = 20_000
"""Captioned pictures that are used; of more, a fixed sample."""
STEPS = 1000


@dataclass(frozen=True)
class BridgeReport:
    """What a bridge learned and how it ranks pictures that it has not seen, by their captions. Recalls are 0 … 1.

    `seconds`: everything; `features_seconds`: the images' and captions' vectors; `fit_seconds`: the rest.
    """

    model: str
    name: str
    corpus: str
    image_encoder: str
    text_encoder: str
    pictures: int
    held_out: int
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    median_rank: float
    chance_at_1: float
    chance_at_5: float
    chance_at_10: float
    seconds: float
    features_seconds: float
    fit_seconds: float


def fit_bridge(
    project: Project,
    name: str,
    corpus: str,
    image_encoder: str | Mapping[str, Any] = "efficientnet-lite0",
    text_encoder: str | Mapping[str, Any] = "minilm",
    progress: Progress = no_progress,
) -> BridgeReport:
    """Fit the bridge `name` on the documents of `corpus` that have an image and a caption (the title, else the text).

    A fifth of the pictures, of captions that the rest does not have, measures it; then it is fitted on all. The images'
    vectors stay as an embedding. The same again does nothing. Raises `BadInput` on too few pictures or an encoder that
    does not fit, `NotFound` on names, what `progress` raises.
    """
    started = time.monotonic()
    checked = check_bridge_name(name)
    info = corpora.find(project.db, corpus)
    sides = {"image": side_spec(project, image_encoder), "text": side_spec(project, text_encoder)}
    # Looked at first: an encode of an hour must not end in “too few pictures”.
    pictures = captioned(project, info)
    models = {side: open_family(spec, RUN) for side, spec in sides.items()}
    check_sides(models, sides)
    made_by = {
        "name": checked,
        "sides": {side: spec.to_dict() for side, spec in sides.items()},
        "revisions": {side: model.describe().get("revision", "") for side, model in models.items()},
        "format": bridging.FORMAT,
        "settings": [bridging.RIDGES, bridging.LABEL_WEIGHT, bridging.LIKELIEST, FEWEST, MOST],
    }
    draft = project.artifacts.begin("model", checked, made_by, [info.fingerprint])
    if draft.existing is not None:
        return report_of(draft.existing)
    images = encode_corpus(project, info.label, sides["image"].to_dict(), RUN, share(progress, 0, 800))
    vectors = DenseVectors(project.artifacts.get(images.embedding).folder)
    given, labels = gathered(models, pictures, vectors, share(progress, 800, 980))
    features_seconds = time.monotonic() - started
    measured = bridging.measure(given, labels)
    progress(990, STEPS)
    fitted = bridging.fit(given, labels)
    notes = bridge_notes(models, sides, info.label, measured)
    bridging.save_bridge(draft.folder, fitted, notes)
    seconds = time.monotonic() - started
    took = {"seconds": seconds, "features_seconds": features_seconds, "fit_seconds": seconds - features_seconds}
    spec = {"kind": "bridge", "name": checked, "model": f"artifact:{draft.id}"}
    manifest = {**notes, "encoder_spec": spec, **{each: round(value, 3) for each, value in took.items()}}
    progress(STEPS, STEPS)
    return report_of(draft.commit(manifest))


def list_bridges(project: Project) -> list[BridgeReport]:
    """The bridges that were fitted in this project, newest first."""
    models = project.artifacts.list("model")
    return [report_of(each) for each in models if each.manifest["encoder_spec"]["kind"] == "bridge"]


def report_of(artifact: Artifact) -> BridgeReport:
    """The report that a bridge's manifest holds."""
    found = artifact.manifest
    return BridgeReport(
        model=artifact.id,
        name=artifact.name,
        corpus=found["corpus"],
        image_encoder=found["image_encoder"]["name"],
        text_encoder=found["text_encoder"]["name"],
        seconds=found["seconds"],
        features_seconds=found["features_seconds"],
        fit_seconds=found["fit_seconds"],
        **found["measured"],
    )


def check_bridge_name(name: str) -> str:
    """The name without outer spaces. Raises `BadInput` where it cannot be one, or the catalogue has it."""
    checked = check_name("bridge", name)
    if checked in {entry.name for entry in catalogue()}:
        raise BadInput(f"“{checked}” is the name of a model of the catalogue.", "Choose another name for the bridge.")
    return checked


def side_spec(project: Project, encoder: str | Mapping[str, Any]) -> EncoderSpec:
    """One of the two encoders; an image-text model reads documents' images. Raises `BadInput` on a bridge."""
    spec = project_spec(project, encoder)
    if spec.kind == "bridge" or str(getattr(spec, "model", "")).startswith("artifact:"):
        raise BadInput(f"“{spec.name}” was made in this project.", "A bridge joins two encoders of the catalogue.")
    return replace(spec, documents="image") if isinstance(spec, ImageTextSpec) else spec


def check_sides(models: "Mapping[str, Encoder]", specs: Mapping[str, EncoderSpec]) -> None:
    """Raise `BadInput` where an encoder cannot be its side of a bridge."""
    for side, model in models.items():
        if side not in model.modalities or model.output != "dense" or model.needs_fit:
            wanted = (
                "efficientnet-lite0, or any vision model" if side == "image" else "minilm, or any dense text encoder"
            )
            raise BadInput(f"“{specs[side].name}” makes no single vector of {side}.", f"Choose {wanted}.")


def captioned(project: Project, info: CorpusInfo) -> list[Document]:
    """The documents with an image and a caption, in order; at most `MOST`. Raises `BadInput` where they are too few."""
    found = [each for each in documents_of(project, info) if each.image and caption_of(each)]
    if len(found) < FEWEST:
        raise BadInput(
            f"“{info.name}” has {len(found):,} pictures with a title or text; a bridge needs {FEWEST} or more.",
            "Import pictures with captions, or use clipart-bridge, which is fitted already.",
        )
    if len(found) <= MOST:
        return found
    chosen = np.sort(np.random.default_rng(0).choice(len(found), MOST, replace=False))
    return [found[n] for n in chosen]


def documents_of(project: Project, info: CorpusInfo) -> list[Document]:
    """All documents, in order."""
    spans = windows(info.documents, RUN.shard_documents)
    return [each for span in spans for each in corpora.documents(project.db, info.id, span)]


def caption_of(document: Document) -> str:
    """The title, else the text."""
    return document.title.strip() or document.text.strip()


def gathered(
    models: "Mapping[str, Encoder]", pictures: Sequence[Document], vectors: DenseVectors, progress: Progress
) -> tuple[bridging.Captioned, bridging.Rows | None]:
    """(all that a bridge is fitted on, text vectors of the image encoder's class names or None)."""
    from workbench.encoders.bridge import class_names, probabilities_of

    captions = [caption_of(each) for each in pictures]
    features = normalize_rows(vectors.take(np.array([each.ordinal for each in pictures])))
    text = models["text"]
    documents = normalize_rows(np.asarray(text.encode_documents(captions, progress)))
    described = text.describe()
    same = described.get("query_prompt") == described.get("document_prompt")
    queries = documents if same else normalize_rows(np.asarray(text.encode_queries(captions)))
    probabilities = probabilities_of(models["image"], features)
    if probabilities is None:
        return bridging.Captioned(captions, features, documents, queries), None
    labels = normalize_rows(np.asarray(text.encode_documents(class_names(models["image"]))))
    return bridging.Captioned(captions, features, documents, queries, probabilities), labels


def bridge_notes(
    models: "Mapping[str, Encoder]", specs: Mapping[str, EncoderSpec], corpus: str, measured: bridging.Measured
) -> dict[str, Any]:
    """What `BridgeEncoder` reads to open the two models again, and what was measured."""
    notes: dict[str, Any] = {"corpus": corpus, "measured": asdict(measured), "hold_out": bridging.HELD_OUT, "seed": 0}
    for side, model in models.items():
        notes[f"{side}_encoder"] = specs[side].to_dict()
        notes[f"{side}_revision"] = model.describe().get("revision", "")
        notes[f"{side}_bytes"] = model.size_bytes
    return notes


def share(progress: Progress, start: int, stop: int) -> Progress:
    """Progress of one part, told as `start` … `stop` of `STEPS`."""

    def report(done: int, total: int) -> None:
        progress(start + ((stop - start) * min(done, total) // total if total else 0), STEPS)

    return report
