"""Every setting a person can choose, as frozen dataclasses: range, choices and help live in the field metadata.

`ui/forms.py` draws a form from a spec and the command line its options; the canonical JSON of a spec is part of the
fingerprint of what it made.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any, Self

from workbench.errors import BadInput


def knob(default: Any, help: str, **limits: Any) -> Any:
    """A dataclass field with its help line and limits: `low`, `high`, `choices`, `advanced`."""
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class Spec:
    """Base of all specs: checks limits when made, converts to and from plain JSON."""

    def __post_init__(self) -> None:
        for item in fields(self):
            check_limits(type(self).__name__, item, getattr(self, item.name))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raises `BadInput` on an unknown or a missing field, naming the closest."""
        known = {item.name: item for item in fields(cls)}
        for name in values:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean “{close[0]}”?" if close else f"Fields: {', '.join(known)}."
                raise BadInput(f"{cls.__name__} has no field “{name}”.", hint)
        for name, item in known.items():
            if name not in values and item.default is MISSING and item.default_factory is MISSING:
                raise BadInput(f"{cls.__name__} needs the field “{name}”.")
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def check_limits(owner: str, item: Field[Any], value: Any) -> None:
    """Raise `BadInput` where a value lies outside its field's `choices`, `low` or `high`."""
    limits = item.metadata
    if value is None:
        return
    if "choices" in limits and value not in limits["choices"]:
        choices = ", ".join(map(str, limits["choices"]))
        raise BadInput(f"{owner}.{item.name} is “{value}”.", f"Choose one of: {choices}.")
    if "low" in limits or "high" in limits:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise BadInput(f"{owner}.{item.name} is “{value}”, which is not a number.")
        low, high = limits.get("low", float("-inf")), limits.get("high", float("inf"))
        if not low <= value <= high:
            raise BadInput(f"{owner}.{item.name} is {value}.", f"It must lie between {low} and {high}.")


def canonical_json(value: Any) -> str:
    """One text for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(*parts: Any) -> str:
    """24 hex digits of the sha256 of the canonical JSON of `parts`."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:24]


NO_COLUMN = "-"
"""In an `ImportSpec`: the file has no such column, do not guess one."""


@dataclass(frozen=True)
class ImportSpec(Spec):
    """How a file becomes documents. Empty field names = guessed from the file, `NO_COLUMN` = none."""

    reader: str = knob("", "File format; empty: from the name and the content")
    id_field: str = knob("", "Column with the document's id; empty: the row number")
    text_field: str = knob("", "Column with the text")
    title_field: str = knob("", "Column with the title")
    image_field: str = knob("", "Column with the image's path, relative to the file")
    metadata_fields: tuple[str, ...] | None = knob(None, "Columns kept as metadata; none given: all the others")


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


EncoderSpec = DenseSpec | BM25Spec
ENCODER_SPECS: dict[str, type[DenseSpec] | type[BM25Spec]] = {"dense": DenseSpec, "bm25": BM25Spec}


def encoder_spec(values: Mapping[str, Any]) -> EncoderSpec:
    """The spec of the family named by `kind`."""
    kind = str(values.get("kind", "dense"))
    if kind not in ENCODER_SPECS:
        raise BadInput(f"There is no encoder family “{kind}”.", f"Families: {', '.join(ENCODER_SPECS)}.")
    return ENCODER_SPECS[kind].from_dict(values)


@dataclass(frozen=True)
class EncodeSpec(Spec):
    """How an encode job runs."""

    device: str = knob("auto", "auto, cpu, cuda or cuda:N")
    dtype: str = knob(
        "auto",
        "Precision of the model; auto: the fastest that keeps cosine ≥ 0.9995",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    batch_tokens: int | None = knob(
        None, "Tokens in one batch, padding counted; none: what suits the device", low=64, high=4_194_304
    )
    storage: str = knob("float16", "Precision on disk", choices=("float16", "float32"))
    shard_documents: int = knob(2048, "Documents in a shard: what a crash can cost", low=16, high=262144, advanced=True)


@dataclass(frozen=True)
class IndexSpec(Spec):
    """How an index is built. Search settings (nprobe, efSearch, …) are given at search time."""

    factory: str = knob("Flat", "FAISS factory string, for example Flat, HNSW32, IVF256,SQ8")
    metric: str = knob("cosine", "How vectors are compared", choices=("cosine", "dot", "l2"))
    seed: int = knob(0, "Seed of the training sample and k-means", low=0, high=2**31 - 1, advanced=True)
    train_limit: int = knob(262144, "Most vectors used for training", low=256, high=10_000_000, advanced=True)
    ef_construction: int = knob(200, "HNSW: candidates looked at while building", low=8, high=2000, advanced=True)


@dataclass(frozen=True)
class RetrieverSpec(Spec):
    """One retriever of a pipeline: an encoder's embedding and how it is searched."""

    encoder: str = knob("", "Encoder of an embedding of the corpus")
    index: str = knob("exact", "exact, or the factory string of a built index")
    nprobe: int | None = knob(None, "IVF: lists looked into", low=1, high=1_000_000)
    ef_search: int | None = knob(None, "HNSW: candidates kept while searching", low=1, high=100_000)
    k_factor: float | None = knob(None, "Refine: candidates per result that are scored again", low=1, high=1000)


@dataclass(frozen=True)
class PipelineSpec(Spec):
    """Retrievers → fusion → reranker, as data. Fusion and reranking are given as dicts, empty = none."""

    retrievers: tuple[RetrieverSpec, ...]
    fusion: Mapping[str, Any] | None = None
    reranker: Mapping[str, Any] | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        retrievers = tuple(RetrieverSpec.from_dict(each) for each in values.get("retrievers", ()))
        if not retrievers:
            raise BadInput(
                "A pipeline needs at least one retriever.", 'For example {"retrievers": [{"encoder": "bm25"}]}.'
            )
        return super().from_dict({**values, "retrievers": retrievers})
