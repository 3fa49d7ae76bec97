"""Opening what a search needs, once per process: query encoders, vectors and indices, through the loaded cache."""

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.checkpoints import loaded
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, NotFound
from workbench.indices import INDICES
from workbench.indices.factories import parse
from workbench.project import Project
from workbench.registry import unknown_name
from workbench.specs import IndexSpec, RetrieverSpec, fingerprint
from workbench.types import Filter
from workbench.vectors import DenseVectors, SparseVectors
from workbench.workflows.encode import open_encoder
from workbench.workflows.encoding import STATE
from workbench.workflows.index import EXACT, INVERTED, metric_of, open_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.encoders.base import Encoder, Matrix
    from workbench.indices.base import Index

FLAT = "Flat"


def in_memory() -> list[tuple[str, int]]:
    """(name, bytes) of the query encoders and indices this process keeps loaded, the last used first."""
    entries = reversed(loaded().contents())
    return [(named(entry.key), entry.bytes) for entry in entries if entry.bytes]


def named(key: Hashable) -> str:
    """A cache key as people read it: what it is, and of which encoder or index."""
    return " · ".join(map(str, key[:2])) if isinstance(key, tuple) else str(key)


def empty_memory() -> int:
    """Drop all of them, which gives their bytes back; the next search loads what it needs again."""
    freed = sum(size for _, size in in_memory())
    loaded().clear()
    return freed


class QueryEncoder:
    """A loaded encoder for queries, one caller at a time: tokenizers are not safe under threads."""

    def __init__(self, encoder: "Encoder") -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self.warnings: Sequence[str] = tuple(encoder.warnings)
        self.size_bytes = encoder.size_bytes

    def encode(self, text: str) -> tuple["Matrix", str]:
        """((1, dim) vector, what was really encoded)."""
        with self._lock:
            return self._encoder.encode_queries([text]), self._encoder.effective_query(text)


@dataclass(frozen=True)
class Target:
    """What one retriever searches: an index artifact, or (None) the vectors themselves. `label` names the stage."""

    embedding: Artifact
    index: Artifact | None
    label: str

    def open(self) -> "Index":
        """The index, from memory where it was used before."""
        if self.index is not None:
            return _built_index(self.index)
        return exact_index(self.embedding)


def find_target(project: Project, embedding: Artifact, retriever: RetrieverSpec) -> Target:
    """The index that `retriever` names, the newest of that name. Raises `NotFound` listing those there are.

    Exact search needs none; “Flat” gives the same hits, so without a built one the vectors are scanned.
    """
    built = indices_of(project, embedding)
    name = retriever.index.strip() or EXACT
    if embedding.manifest["output"] == "sparse":
        if name not in (EXACT, INVERTED):
            raise NotFound(f"“{embedding.name}” has no index “{name}”.", "Sparse vectors are searched exactly.")
        if INVERTED not in built:
            raise NotFound(f"The inverted index of “{embedding.name}” is missing.", "Encode the corpus again.")
        return Target(embedding, built[INVERTED], label_of(embedding.name, INVERTED))
    if name == EXACT:
        return Target(embedding, None, label_of(embedding.name, EXACT))
    found = built.get(_canonical(name))
    if found is None and name == FLAT:
        return Target(embedding, None, label_of(embedding.name, "Flat (exact scan)"))
    if found is None:
        raise unknown_name(f"index of “{embedding.name}”", name, [EXACT, *built])
    return Target(embedding, found, label_of(embedding.name, found.name))


def indices_of(project: Project, embedding: Artifact) -> dict[str, Artifact]:
    """Factory string → the newest index of that kind over this embedding."""
    found: dict[str, Artifact] = {}
    for artifact in project.artifacts.list("index", corpus_id=embedding.corpus_id):
        if embedding.id in artifact.inputs:
            found.setdefault(artifact.name, artifact)
    return found


def label_of(encoder: str, index: str) -> str:
    """How a system is called on pages and in stages."""
    return f"{encoder} · {index}"


def query_encoder(embedding: Artifact) -> QueryEncoder:
    """The encoder that made an embedding. One model in memory serves every corpus; a fitted one is its corpus's own."""
    found = embedding.manifest
    own = embedding.id if (embedding.folder / STATE).is_dir() else ""
    key = ("encoder", embedding.name, fingerprint(found.get("encoder_spec"), found.get("revision"), own))
    return loaded().get(key, lambda: QueryEncoder(open_encoder(embedding)), lambda opened: opened.size_bytes)


def vectors_of(embedding: Artifact) -> DenseVectors | SparseVectors:
    """The mapped vectors of an embedding; opening many shards takes longer than reading one of them."""
    return loaded().get(("vectors", embedding.name, embedding.id), lambda: open_vectors(embedding), lambda _: 0)


def exact_index(embedding: Artifact) -> "Index":
    """The scan over a dense embedding, by its encoder's own metric."""

    def load() -> "Index":
        kind: type[Index] = INDICES.load("exact")
        return kind.build(vectors_of(embedding), IndexSpec(metric=metric_of(embedding)))

    return loaded().get(("exact index", embedding.name, embedding.id), load, lambda index: index.size_bytes)


def _built_index(artifact: Artifact) -> "Index":
    def load() -> "Index":
        kind: type[Index] = INDICES.load(str(artifact.manifest["index"]["kind"]))
        folder: Path = artifact.folder
        return kind.open(folder)

    return loaded().get(("index", artifact.name, artifact.id), load, lambda index: index.size_bytes)


def allowed_documents(project: Project, info: CorpusInfo, filters: Sequence[Filter]) -> "NDArray[np.bool_] | None":
    """(documents,) bool: which ordinals pass, None = all. Raises `BadInput` on a filter that does not fit the corpus.

    Kept, as a version of a corpus never changes: reading 100,000 documents' metadata takes longer than the search.
    """
    if not filters:
        return None

    def load() -> "NDArray[np.bool_]":
        mask = corpora.filter_mask(project.db, info.id, filters)
        mask.setflags(write=False)
        return mask

    asked = fingerprint([[each.field, each.op, each.value] for each in filters])
    key = ("filter", info.label, str(project.folder), info.id, info.created_at, asked)
    return loaded().get(key, load, lambda mask: mask.nbytes)


def settings_of(retriever: RetrieverSpec, index: "Index", label: str) -> tuple[Mapping[str, Any], list[str]]:
    """(the search settings that apply to `index`, a warning for each that was given and does not)."""
    known = index.knobs()
    given = {name: getattr(retriever, name) for name in ("nprobe", "ef_search", "k_factor")}
    given = {name: value for name, value in given.items() if value is not None}
    warnings = [f"{name} makes no difference to {label}." for name in given if name not in known]
    return {name: value for name, value in given.items() if name in known}, warnings


def check_compatible(matrix: "Matrix", index: "Index", label: str) -> None:
    """Raise `BadInput` where the encoder now makes vectors of another size than those that were indexed."""
    if len(index) and matrix.shape[1] != index.dim:
        raise BadInput(
            f"The encoder makes {matrix.shape[1]} dimensions, {label} has {index.dim}.", "Encode the corpus again."
        )


def _canonical(name: str) -> str:
    try:
        return parse(name).text
    except BadInput:
        return name
