"""Settings of the encoder families. None in an optional field = as the model itself says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.specs.base import Spec, family_spec, knob

TRUST = "Run code that the model's repository brings. Only for sources you trust"
REVISION = "Hub revision; none: the newest"
MODEL = "Hub id, local folder, or package:module/folder inside an installed package"


@dataclass(frozen=True)
class DenseSpec(Spec):
    """A dense text encoder loaded by sentence-transformers. None = as the model itself says."""

    name: str = knob("", "Name shown in lists")
    model: str = knob("", "Hub id, local folder, or package:module/folder inside an installed package")
    kind: str = knob("dense", "Family", choices=("dense",))
    revision: str | None = knob(None, "Hub revision; none: the newest", advanced=True)
    query_prompt: str | None = knob(None, "Text put before each query; none: the model's own")
    document_prompt: str | None = knob(None, "Text put before each document; none: the model's own")
    max_length: int | None = knob(None, "Longest input in tokens; none: the model's own", low=8, high=131072)
    dim: int | None = knob(None, "Keep the first so many dimensions (Matryoshka); none: all", low=1, high=65536)
    normalize: bool = knob(True, "Scale each vector to length 1")
    trust_remote_code: bool = knob(False, "Run code that the model's repository brings. Only for sources you trust")


@dataclass(frozen=True)
class BM25Spec(Spec):
    """Okapi BM25 in Lucene's form, fitted on the corpus."""

    name: str = knob("bm25", "Name shown in lists")
    kind: str = knob("bm25", "Family", choices=("bm25",))
    k1: float = knob(1.5, "Saturation of the term frequency", low=0.0, high=10.0)
    b: float = knob(0.75, "Weight of the document's length", low=0.0, high=1.0)
    stopwords: str = knob("en", "List of words to leave out; none: keep all", choices=("en", "de", "fr", "es", "none"))


@dataclass(frozen=True)
class SparseSpec(Spec):
    """A learned sparse encoder (SPLADE and its relatives) loaded by sentence-transformers' SparseEncoder."""

    name: str = knob("", "Name shown in lists")
    model: str = knob("", MODEL)
    kind: str = knob("sparse", "Family", choices=("sparse",))
    revision: str | None = knob(None, REVISION, advanced=True)
    max_length: int | None = knob(None, "Longest input in tokens; none: the model's own", low=8, high=131072)
    max_terms: int | None = knob(None, "Keep so many of the strongest terms of a text; none: all", low=1, high=100_000)
    trust_remote_code: bool = knob(False, TRUST)


@dataclass(frozen=True)
class MultiVectorSpec(Spec):
    """A late-interaction encoder (ColBERT and its relatives): one vector per token."""

    name: str = knob("", "Name shown in lists")
    model: str = knob("", MODEL)
    kind: str = knob("multi-vector", "Family", choices=("multi-vector",))
    revision: str | None = knob(None, REVISION, advanced=True)
    query_prompt: str | None = knob(None, "Marker or text put before each query; none: the model's own")
    document_prompt: str | None = knob(None, "Marker or text put before each document; none: the model's own")
    query_length: int | None = knob(None, "Longest query in tokens; none: the model's own", low=8, high=8192)
    max_length: int | None = knob(None, "Longest document in tokens; none: the model's own", low=8, high=131072)
    pool_factor: int = knob(1, "Merge similar token vectors of a document, this many to one", low=1, high=16)
    trust_remote_code: bool = knob(False, TRUST)


@dataclass(frozen=True)
class M3Spec(Spec):
    """BGE-M3: one model, three outputs. An encode job makes all three in one pass."""

    name: str = knob("", "Name shown in lists")
    model: str = knob("BAAI/bge-m3", MODEL)
    kind: str = knob("bge-m3", "Family", choices=("bge-m3",))
    output: str = knob("dense", "Which of its outputs", choices=("dense", "sparse", "multi"))
    revision: str | None = knob(None, REVISION, advanced=True)
    max_length: int | None = knob(None, "Longest input in tokens; none: the model's own", low=8, high=8192)


@dataclass(frozen=True)
class ImageTextSpec(Spec):
    """A model with one space for images and text: CLIP, SigLIP, SigLIP2, BGE-VL, or a sentence-transformers folder."""

    name: str = knob("", "Name shown in lists")
    model: str = knob("", MODEL)
    kind: str = knob("image-text", "Family", choices=("image-text",))
    revision: str | None = knob(None, REVISION, advanced=True)
    documents: str = knob(
        "image",
        "What stands for a document that has both: its image, its text, or the sum of the two",
        choices=("image", "text", "both"),
    )
    trust_remote_code: bool = knob(False, TRUST)


@dataclass(frozen=True)
class ImageSpec(Spec):
    """An image encoder without a text side: the packaged EfficientNet-Lite0, or any vision model of transformers."""

    name: str = knob("", "Name shown in lists")
    model: str = knob("", MODEL)
    kind: str = knob("image", "Family", choices=("image",))
    revision: str | None = knob(None, REVISION, advanced=True)
    trust_remote_code: bool = knob(False, TRUST)


@dataclass(frozen=True)
class BridgeSpec(Spec):
    """A closed-form map from an image encoder's space to a text encoder's, fitted on captioned pictures."""

    name: str = knob("", "Name shown in lists")
    model: str = knob("", "Folder of a fitted bridge, asset:name, or artifact:id of a model of the project")
    kind: str = knob("bridge", "Family", choices=("bridge",))
    documents: str = knob(
        "image",
        "What stands for a document that has both: its image, its text, or the sum of the two",
        choices=("image", "text", "both"),
    )


EncoderSpec = DenseSpec | BM25Spec | SparseSpec | MultiVectorSpec | M3Spec | ImageTextSpec | ImageSpec | BridgeSpec
ENCODER_SPECS: dict[str, type[Any]] = {
    "dense": DenseSpec,
    "bm25": BM25Spec,
    "sparse": SparseSpec,
    "multi-vector": MultiVectorSpec,
    "bge-m3": M3Spec,
    "image-text": ImageTextSpec,
    "image": ImageSpec,
    "bridge": BridgeSpec,
}


def encoder_spec(values: Mapping[str, Any]) -> EncoderSpec:
    """The spec of the family named by `kind`; dense where it is left out. Raises `BadInput`."""
    spec: EncoderSpec = family_spec("encoder", ENCODER_SPECS, values)
    return spec
