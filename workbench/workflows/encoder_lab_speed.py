"""How fast an encoder is, how large its vectors and its model."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.checkpoints import resolve_device
from workbench.corpora import CorpusInfo
from workbench.project import Project
from workbench.specs import EncoderLabSpec
from workbench.types import Content
from workbench.vectors import DenseVectors
from workbench.workflows.encode import RUN
from workbench.workflows.encoder_lab_asking import Asked

if TYPE_CHECKING:
    from workbench.encoders.base import Encoder

WARM, WINDOWS, ALONE = 4, 8, 20
"""Documents encoded before the clock starts; places that documents are taken from; queries encoded one by one."""


def size_of(embedding: Artifact, vectors: DenseVectors, model: "Encoder | None") -> dict[str, Any]:
    return {
        "dim": vectors.dim,
        "stored": str(vectors.dtype),
        "bytes_per_vector": vectors.dim * vectors.dtype.itemsize,
        "embedding_bytes": embedding.bytes,
        "model_bytes": None if model is None else int(model.size_bytes),
    }


def speed_of(
    project: Project, info: CorpusInfo, model: "Encoder", asked: Asked, spec: EncoderLabSpec
) -> dict[str, Any]:
    """Documents and queries a second in batches, and the median milliseconds of one query alone, after a warm-up.

    Where documents ask, queries are texts of documents' length, so only the documents are timed.
    """
    documents = [each for each in _timed_documents(project, info, spec) if each.modalities & model.modalities]
    model.encode_documents(documents[:WARM])
    per_second = _rate(lambda: model.encode_documents(documents), len(documents))
    found: dict[str, Any] = {
        "documents": len(documents),
        "documents_per_second": per_second,
        "device": resolve_device(RUN.device),
        "dtype": model.describe().get("dtype", ""),
        "queries": 0,
        "queries_per_second": None,
        "milliseconds": None,
    }
    queries = asked.contents[: spec.timed]
    if queries:
        alone = [1000 / (_rate(partial(model.encode_queries, [each]), 1) or math.inf) for each in queries[:ALONE]]
        found["queries"] = len(queries)
        found["queries_per_second"] = _rate(lambda: model.encode_queries(queries), len(queries))
        found["milliseconds"] = round(float(np.median(alone)), 3)
    return found


def _timed_documents(project: Project, info: CorpusInfo, spec: EncoderLabSpec) -> list[Content]:
    """About `spec.timed` documents, in a few windows of neighbours at seeded places."""
    width = max(1, spec.timed // WINDOWS)
    if info.documents <= spec.timed:
        return corpora.contents(project.db, project.media, info.id, 0, info.documents)
    starts = np.random.default_rng(spec.seed).integers(info.documents - width + 1, size=-(-spec.timed // width))
    windows = (corpora.contents(project.db, project.media, info.id, int(s), int(s) + width) for s in sorted(starts))
    return [each for window in windows for each in window][: spec.timed]


def _rate(run: Callable[[], Any], count: int) -> float | None:
    """`count` a second of one call."""
    if not count:
        return None
    started = time.perf_counter()
    run()
    return round(count / max(time.perf_counter() - started, 1e-9), 3)
