"""Index: an embedding and a factory string → a searchable index; suggestions, checks and the list."""

import errno
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from workbench import corpora
from workbench.artifacts import Artifact, Draft, folder_bytes
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.indices import INDICES
from workbench.indices.factories import check_factory, parse
from workbench.indices.hybrid import HybridVectors, check_hi2
from workbench.indices.suggestions import Suggestion, suggest_factories, suggest_two_stage
from workbench.project import Project
from workbench.specs import IndexSpec
from workbench.types import Progress, no_progress
from workbench.vectors import AnyVectors, DenseVectors, MultiVectors, SparseVectors
from workbench.workflows.encode import find_embedding

if TYPE_CHECKING:
    from workbench.indices.base import Index, Indexed

INVERTED = "inverted"
BINARY = "Binary"
"""Signs alone: one bit a dimension."""
HI2 = "HI2_"
"""Begins “HI2_CLUSTERSxTERMS”: inverted lists of clusters and of salient terms."""
TERMS = "bm25"
"""The encoder whose weights choose HI²'s salient terms."""
VERIFY = ",Verify"
"""Ends the factory string of codes whose best are scored again by the vectors on disk."""
EXACT = "exact"
MAXSIM = "maxsim"
_METRICS = {"cosine": "cosine", "dot": "dot", "euclidean": "l2", "l2": "l2"}


@dataclass(frozen=True)
class IndexReport:
    """What a build did. `index` is the artifact's id."""

    index: str
    factory: str
    seconds: float
    bytes: int
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class IndexInfo:
    """An index of a corpus. `settings`: the search settings that apply to it, with their defaults."""

    id: str
    encoder: str
    embedding: str
    factory: str
    metric: str
    bytes: int
    seconds: float
    created_at: float
    settings: Mapping[str, int | float]


def build_index(
    project: Project,
    corpus: str,
    encoder: str,
    spec: IndexSpec | str,
    progress: Progress = no_progress,
) -> IndexReport:
    """Index the newest embedding of `corpus` by `encoder`; the same index again is a no-op.

    A factory string alone takes the encoder's own metric; sparse embeddings take “inverted”. Raises `NotFound` where
    there is no such embedding, `BadInput` before any work on a spec that does not fit, what `progress` raises.
    """
    started = time.monotonic()
    info = corpora.find(project.db, corpus)
    embedding = find_embedding(project, info, encoder)
    wanted, warnings = fitting_spec(embedding, spec)
    inputs = [embedding] if kind_of(wanted.factory) != "hi2" else [embedding, terms_embedding(project, info)]
    draft = project.artifacts.begin("index", wanted.factory, wanted.to_dict(), [each.id for each in inputs], info.id)
    artifact = draft.existing or _build(draft, inputs, wanted, warnings, progress)
    seconds = time.monotonic() - started
    return IndexReport(artifact.id, artifact.name, seconds, artifact.bytes, list(artifact.manifest["warnings"]))


def _build(
    draft: Draft, inputs: Sequence[Artifact], spec: IndexSpec, warnings: list[str], progress: Progress
) -> Artifact:
    """Build into the draft's folder and commit it; nothing is left of a build that failed."""
    started = time.monotonic()
    embedding = inputs[0]
    kind: type[Index] = INDICES.load(kind_of(spec.factory))
    try:
        index = kind.build(open_inputs(inputs), spec, progress, draft.folder)
        index.save(draft.folder)
        manifest = {
            "encoder": embedding.name,
            "embedding": embedding.id,
            "terms": inputs[1].id if len(inputs) > 1 else "",
            "index": index.describe(),
            "seconds": round(time.monotonic() - started, 3),
            "bytes": folder_bytes(draft.folder),
            "warnings": warnings,
        }
        return draft.commit(manifest)
    except OSError as error:
        draft.discard()
        if error.errno != errno.ENOSPC:
            raise
        raise WorkbenchError(
            f"The disk is full: the index “{spec.factory}” could not be written.", "Free some space and build it again."
        ) from error
    except BaseException:
        draft.discard()
        raise


def fitting_spec(embedding: Artifact, spec: IndexSpec | str) -> tuple[IndexSpec, list[str]]:
    """(the spec in its canonical form, warnings) for an embedding. Raises `BadInput` where they do not fit."""
    own = metric_of(embedding)
    if isinstance(spec, str):
        spec = IndexSpec(factory=spec, metric=own)
    name, found = spec.factory.strip(), embedding.manifest
    if not found["vectors"]:
        raise BadInput(f"The embedding “{embedding.name}” holds no vectors.", "Encode a corpus with documents.")
    if found["output"] == "sparse":
        if name not in (INVERTED, EXACT, ""):
            raise BadInput(
                f"“{embedding.name}” makes sparse vectors, and “{name}” is for dense ones.",
                "Sparse vectors are searched by the inverted index, exactly.",
            )
        # Its other fields make no difference, so they must not make another index.
        return IndexSpec(factory=INVERTED, metric="dot"), []
    if found["output"] == "multi":
        raise BadInput(
            f"“{embedding.name}” makes token vectors, and there is nothing to build over them.",
            "They are searched by MaxSim over the stored vectors: choose the index “exact”.",
        )
    if name in (INVERTED, EXACT):
        hint = (
            "Search can use it as it is: choose the index “exact”." if name == EXACT else "Choose for example HNSW32."
        )
        raise BadInput(f"There is nothing to build for “{name}” over dense vectors.", hint)
    codes, verified = name.removesuffix(VERIFY), name.endswith(VERIFY)
    if codes == BINARY:
        if spec.metric == "l2":
            raise BadInput("Binary codes keep directions, and this encoder compares by distance.", "Choose SQ8.")
        return replace(spec, factory=name), []
    if name.startswith(HI2):
        check_hi2(name, found["vectors"])
        return replace(spec, factory=name), []
    warnings = check_factory(codes, found["vectors"], found["dim"], spec.metric, spec.train_limit)
    if spec.metric != own and not (found.get("normalize") and {spec.metric, own} <= {"cosine", "dot"}):
        warnings.append(f"“{embedding.name}” compares its vectors by {own}; this index does by {spec.metric}.")
    return replace(spec, factory=parse(codes).text + (VERIFY if verified else "")), warnings


def kind_of(factory: str) -> str:
    """The index class, by its name in the registry, that a factory string asks for."""
    if factory in (INVERTED, BINARY):
        return factory.lower()
    if factory.startswith(HI2):
        return "hi2"
    return "bi-granular" if factory.endswith(VERIFY) else "faiss"


def terms_embedding(project: Project, info: CorpusInfo) -> Artifact:
    """The term weights that HI² takes: BM25's. Raises `NotFound` where the corpus was not encoded with it."""
    try:
        return find_embedding(project, info, TERMS)
    except NotFound as error:
        raise NotFound(
            f"HI² needs the term weights of BM25 for “{info.name}”.", "Encode it with bm25 first."
        ) from error


def open_inputs(inputs: Sequence[Artifact]) -> "Indexed":
    """What an index is built over: the vectors of an embedding, with its terms where there is a second one."""
    first, *others = (open_vectors(each) for each in inputs)
    if not others:
        return first
    if not isinstance(first, DenseVectors) or not isinstance(others[0], SparseVectors):
        raise BadInput("HI² needs dense vectors and BM25's terms.", "Choose a dense encoder.")
    return HybridVectors(first, others[0])


def suggest(project: Project, corpus: str, encoder: str, memory_mb: float = 4096) -> list[Suggestion]:
    """Factory strings for an embedding, the recommended first; HI² where the corpus is encoded with BM25.

    Raises `BadInput` on an embedding that is not dense.
    """
    embedding = _dense_embedding(project, corpus, encoder)
    n, dim = embedding.manifest["vectors"], embedding.manifest["dim"]
    try:
        vocabulary = int(terms_embedding(project, corpora.find(project.db, corpus)).manifest["dim"])
    except NotFound:
        vocabulary = 0
    two_stage = suggest_two_stage(n, dim, embedding.bytes, vocabulary, memory_mb)
    if metric_of(embedding) == "l2":
        two_stage = [each for each in two_stage if not each.factory.startswith(BINARY)]
    return [*suggest_factories(n, dim, memory_mb), *two_stage]


def check(project: Project, corpus: str, encoder: str, factory: IndexSpec | str) -> list[str]:
    """Warnings about building `factory`, a string or a whole spec. Raises `BadInput` saying what would fit."""
    return fitting_spec(find_embedding(project, corpora.find(project.db, corpus), encoder), factory)[1]


def list_indices(project: Project, corpus: str) -> list[IndexInfo]:
    """The indices of a corpus, newest first."""
    info = corpora.find(project.db, corpus)
    return [_info(artifact) for artifact in project.artifacts.list("index", corpus_id=info.id)]


def metric_of(embedding: Artifact) -> str:
    """The metric an encoder's vectors are made for: cosine, dot or l2; dot for the pairs that MaxSim compares."""
    if embedding.manifest["output"] in ("sparse", "multi"):
        return "dot"
    return _METRICS.get(str(embedding.manifest.get("similarity")), "cosine")


def exact_spec(embedding: Artifact) -> IndexSpec:
    """How the stored vectors are compared where nothing is built; over token vectors “maxsim” or “meanmaxsim”."""
    if embedding.manifest["output"] == "multi":
        return IndexSpec(factory=str(embedding.manifest.get("similarity") or MAXSIM), metric="dot")
    return IndexSpec(metric=metric_of(embedding))


def open_vectors(embedding: Artifact) -> AnyVectors:
    """The vectors of an embedding, memory-mapped."""
    if embedding.manifest["output"] == "multi":
        return MultiVectors(embedding.folder)
    if embedding.manifest["output"] == "sparse":
        return SparseVectors(embedding.folder, embedding.manifest["dim"])
    return DenseVectors(embedding.folder)


def _dense_embedding(project: Project, corpus: str, encoder: str) -> Artifact:
    embedding = find_embedding(project, corpora.find(project.db, corpus), encoder)
    if embedding.manifest["output"] == "sparse":
        raise BadInput(f"“{embedding.name}” makes sparse vectors.", "They are searched by their inverted index.")
    if embedding.manifest["output"] == "multi":
        raise BadInput(f"“{embedding.name}” makes token vectors.", "They are searched by MaxSim; nothing is built.")
    return embedding


def _info(artifact: Artifact) -> IndexInfo:
    found: Mapping[str, Any] = artifact.manifest
    return IndexInfo(
        id=artifact.id,
        encoder=found["encoder"],
        embedding=found["embedding"],
        factory=artifact.name,
        metric=found["index"]["metric"],
        bytes=artifact.bytes,
        seconds=found["seconds"],
        created_at=artifact.created_at,
        settings=found["index"].get("settings", {}),
    )
