"""Settings of imports, encodes and index builds."""

from dataclasses import dataclass

from workbench.specs.base import Spec, knob

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
