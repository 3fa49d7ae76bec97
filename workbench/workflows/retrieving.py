"""Opening what a search needs, once per process: query encoders, vectors and indices, through the loaded cache."""

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.checkpoints import loaded
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, NotFound
from workbench.indices import INDICES
from workbench.indices.factories import parse
from workbench.project import Project
from workbench.registry import unknown_name
from workbench.specs import RetrieverSpec, fingerprint
from workbench.subsets import filters_key
from workbench.types import Content, Filter
from workbench.vectors import AnyVectors
from workbench.workflows.encode import open_encoder
from workbench.workflows.encoding import STATE
from workbench.workflows.index import EXACT, INVERTED, exact_spec, open_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.encoders.base import Encoder, Matrix, Role
    from workbench.indices.base import Index, Queries

FLAT = "Flat"
MAXSIM = "maxsim"


class EncodedQuery(NamedTuple):
    """`matrix`: 1 row. `effective`: what was really encoded. `note`: what was left out of it, "" = nothing."""

    matrix: "Matrix"
    effective: str
    note: str = ""


class QueryEncoder:
    """A loaded encoder for queries, one caller at a time: tokenizers are not safe under threads."""

    def __init__(self, encoder: "Encoder") -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self.warnings: Sequence[str] = tuple(encoder.warnings)
        self.size_bytes = encoder.size_bytes
        self.output = encoder.output
        self.modalities = encoder.modalities

    def encode(self, query: Content) -> EncodedQuery:
        """One query. Raises `BadInput` where it has a modality that the encoder cannot read."""
        with self._lock:
            matrix = self._encoder.encode_queries([query])
            effective = [self._encoder.effective_query(query.text)] if query.text.strip() else []
            note = self._encoder.truncated(query.text) if query.text.strip() else ""
        effective += ["the picture"] if query.image is not None else []
        return EncodedQuery(matrix, " + ".join(effective), f"truncated: {note}" if note else "")

    def encode_many(self, queries: Sequence[Content]) -> "Matrix":
        """One row for each query."""
        with self._lock:
            return self._encoder.encode_queries(queries)

    def encode_document(self, document: Content) -> "Matrix":
        """1 row."""
        with self._lock:
            return self._encoder.encode_documents([document])

    def tokens(self, text: str, role: "Role") -> list[str]:
        """As `Encoder.tokens`."""
        with self._lock:
            return self._encoder.tokens(text, role)

    def terms(self, columns: Sequence[int]) -> list[str]:
        """As `Encoder.terms`."""
        with self._lock:
            return self._encoder.terms(columns)


@dataclass(frozen=True)
class Target:
    """What one retriever searches: an index artifact, or (None) the vectors themselves. `label` names the stage.

    `terms`: the embedding whose vocabulary HI² reads queries by.
    """

    embedding: Artifact
    index: Artifact | None
    label: str
    terms: Artifact | None = None

    def open(self) -> "Index":
        """The index, from memory where it was used before."""
        if self.index is not None:
            return _built_index(self.index, self.embedding)
        return exact_index(self.embedding)

    def owns(self, key: Hashable) -> bool:
        """Whether a key of the loaded cache is of this encoder, its vectors or this index."""
        ids = {self.embedding.id, *([self.index.id] if self.index is not None else [])}
        return key == encoder_key(self.embedding) or (isinstance(key, tuple) and bool(ids & {*map(str, key)}))


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
    if embedding.manifest["output"] == "multi":
        if name not in (EXACT, MAXSIM):
            raise NotFound(
                f"“{embedding.name}” has no index “{name}”.", "Token vectors are searched by MaxSim, exactly."
            )
        return Target(embedding, None, label_of(embedding.name, MAXSIM))
    if name == EXACT:
        return Target(embedding, None, label_of(embedding.name, EXACT))
    found = built.get(_canonical(name))
    if found is None and name == FLAT:
        return Target(embedding, None, label_of(embedding.name, "Flat (exact scan)"))
    if found is None:
        raise unknown_name(f"index of “{embedding.name}”", name, [EXACT, *built])
    terms = project.artifacts.get(found.manifest["terms"]) if found.manifest.get("terms") else None
    return Target(embedding, found, label_of(embedding.name, found.name), terms)


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


def encoder_key(embedding: Artifact) -> Hashable:
    """The loaded cache's key of an embedding's encoder."""
    found = embedding.manifest
    own = embedding.id if (embedding.folder / STATE).is_dir() else ""
    return ("encoder", embedding.name, fingerprint(found.get("encoder_spec"), found.get("revision"), own))


def query_encoder(embedding: Artifact) -> QueryEncoder:
    """The encoder that made an embedding. One model in memory serves every corpus; a fitted one is its corpus's own."""
    key = encoder_key(embedding)
    return loaded().get(key, lambda: QueryEncoder(open_encoder(embedding)), lambda opened: opened.size_bytes)


def vectors_of(embedding: Artifact) -> AnyVectors:
    """The mapped vectors of an embedding; opening many shards takes longer than reading one of them."""
    # The folder too: the same embedding may lie in two projects, one of which is deleted.
    key = ("vectors", embedding.name, embedding.id, str(embedding.folder))
    return loaded().get(key, lambda: open_vectors(embedding), lambda _: 0)


def exact_index(embedding: Artifact) -> "Index":
    """The scan over a dense embedding, by its encoder's own metric, or over token vectors, by MaxSim."""

    def load() -> "Index":
        kind: type[Index] = INDICES.load(MAXSIM if embedding.manifest["output"] == "multi" else "exact")
        return kind.build(vectors_of(embedding), exact_spec(embedding))

    key = ("exact index", embedding.name, embedding.id, str(embedding.folder))
    return loaded().get(key, load, lambda index: index.size_bytes)


def _built_index(artifact: Artifact, embedding: Artifact) -> "Index":
    def load() -> "Index":
        kind: type[Index] = INDICES.load(str(artifact.manifest["index"]["kind"]))
        folder: Path = artifact.folder
        return kind.open(folder, vectors_of(embedding))

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

    # Subsets and tags do change: their state is a part of the key.
    asked = filters_key(project.db, info.id, filters)
    key = ("filter", info.label, str(project.folder), info.id, info.created_at, asked)
    return loaded().get(key, load, lambda mask: mask.nbytes)


def index_queries(target: Target, index: "Index", matrix: "Matrix", queries: Sequence[Content]) -> "Queries":
    """What the index is asked with: the encoded queries, and for HI² which terms their texts hold."""
    if index.takes != "hybrid" or target.terms is None:
        return matrix
    import numpy as np

    from workbench.indices.hybrid import HybridQueries

    terms = query_encoder(target.terms).encode_many([Content(query.text) for query in queries])
    return HybridQueries(np.asarray(matrix, np.float32), terms)


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
