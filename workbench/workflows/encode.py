"""Encode: a corpus and an encoder → an embedding, shard by shard, resumable; and what the page shows about both."""

import errno
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import corpora
from workbench.artifacts import Artifact, Draft
from workbench.batching import windows
from workbench.catalogue import CatalogueEntry, catalogue, folder_facts, resolve_encoder
from workbench.corpora import CorpusInfo
from workbench.encoders import ENCODERS
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.project import Project
from workbench.registry import unknown_name
from workbench.specs import EncoderSpec, EncodeSpec, IndexSpec, encoder_spec
from workbench.types import Modality, Progress, no_progress
from workbench.workflows.encoding import STATE, Encoding, Part

if TYPE_CHECKING:
    from workbench.encoders.base import Encoder

NOT_MAKING = ("versions", "fitted")
"""Parts of an encoder's description that do not decide what its vectors are."""
RUN = EncodeSpec()


@dataclass(frozen=True)
class EncodeReport:
    """What an encode did. `embedding` is the artifact's id; `resumed` counts shards that were there already.

    `also`: the encoder names of embeddings that the same pass made, where a model has several outputs.
    """

    embedding: str
    encoder: str
    vectors: int
    dim: int
    seconds: float
    resumed: int
    warnings: list[str] = field(default_factory=list)
    also: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class EmbeddingInfo:
    """An embedding of a corpus, as it was made. `kind` is dense, sparse or multi, `dtype` the precision on disk."""

    id: str
    encoder: str
    corpus: str
    vectors: int
    dim: int
    kind: str
    dtype: str
    pooling: str
    query_prompt: str
    document_prompt: str
    warnings: list[str]
    bytes: int
    created_at: float
    manifest: Mapping[str, Any]


def encode_corpus(
    project: Project,
    corpus: str,
    encoder: str | Mapping[str, Any],
    spec: EncodeSpec = RUN,
    progress: Progress = no_progress,
) -> EncodeReport:
    """Encode every document of `corpus`; the same again does nothing, a half-done one goes on where it stopped.

    `encoder` is a catalogue name, a hub id, a folder, or a spec as a dict. A model with several outputs (BGE-M3) makes
    all of them, each an embedding of its own. Sparse vectors get their inverted index too.
    Raises `BadInput` or `NotFound` on what cannot be encoded, `WorkbenchError` on a full disk, what `progress` raises.
    """
    started = time.monotonic()
    info = corpora.find(project.db, corpus)
    given = project_spec(project, encoder)
    family: type[Encoder] = ENCODERS.load(given.kind)
    state = model_folder(project, given)
    models = [(each, open_family(each, spec, state)) for each in family.sibling_specs(given)]
    notes = notes_on_contents(project, info, models[0][1].modalities)
    drafts: list[tuple[Part, Draft]] = []
    for each, model in models:
        made_by = {"name": each.name, "storage": spec.storage, "encoder": making(model)}
        draft = project.artifacts.begin("embedding", each.name, made_by, [info.fingerprint], info.id)
        drafts.append((Part(each, model, draft.folder), draft))
    whole = drafts[0][1].existing
    resumed = int(whole.manifest["shards"]) if whole is not None else 0
    missing = [(part, draft) for part, draft in drafts if draft.existing is None]
    if missing:
        encoding = Encoding(project, info, spec, [part for part, _ in missing])
        fresh = _encode_missing(encoding, missing, notes, progress)
        resumed = fresh if whole is None else resumed
    artifacts = [project.artifacts.get(draft.id) for _, draft in drafts]
    _index_sparse(project, info, artifacts)
    first = artifacts[0]
    return EncodeReport(
        embedding=first.id,
        encoder=first.name,
        vectors=first.manifest["vectors"],
        dim=first.manifest["dim"],
        seconds=time.monotonic() - started,
        resumed=resumed,
        warnings=list(first.manifest["warnings"]),
        also=[artifact.name for artifact in artifacts[1:]],
    )


def _encode_missing(
    encoding: Encoding, missing: Sequence[tuple[Part, Draft]], notes: Sequence[str], progress: Progress
) -> int:
    """Encode and commit embeddings that are not there yet; returns the shards that were there of all of them."""
    started = time.monotonic()
    sizes = [encoding.size_note(part) for part, _ in missing]
    with full_disk_named(encoding.info):
        resumed = encoding.run(progress)
        for (part, draft), size in zip(missing, sizes, strict=True):
            if part.model.keeps_state:
                part.model.save_state(draft.folder / STATE)
            draft.commit(encoding.manifest(part, time.monotonic() - started, [*notes, *size]))
    return resumed


def _index_sparse(project: Project, info: CorpusInfo, artifacts: Sequence[Artifact]) -> None:
    """Build the inverted index of each sparse embedding."""
    from workbench.workflows.index import build_index

    for artifact in artifacts:
        if artifact.manifest["output"] == "sparse":
            build_index(project, info.label, artifact.id, IndexSpec(factory="inverted"), no_progress)


def project_spec(project: Project, encoder: str | Mapping[str, Any]) -> EncoderSpec:
    """The encoder's spec, under a name. A model that was made in the project goes before the catalogue's."""
    if isinstance(encoder, str):
        for artifact in project.artifacts.list("model", name=encoder):
            return encoder_spec({**artifact.manifest["encoder_spec"], "name": artifact.name})
    return named_spec(encoder)


def model_folder(project: Project, given: EncoderSpec) -> Path | None:
    """The folder of a model that is an artifact of the project (model “artifact:ID”). Raises `NotFound`."""
    kind, _, id = str(getattr(given, "model", "")).partition(":")
    return project.artifacts.get(id).folder if kind == "artifact" else None


def named_spec(encoder: str | Mapping[str, Any]) -> EncoderSpec:
    """The encoder's spec, under a name: its own, else its model's."""
    given = resolve_encoder(encoder) if isinstance(encoder, str) else encoder_spec(encoder)
    return given if given.name else replace(given, name=getattr(given, "model", given.kind))


@contextmanager
def full_disk_named(info: CorpusInfo) -> Iterator[None]:
    """Turn "no space left" into a sentence; every other error passes through."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise WorkbenchError(
            f"The disk is full: the vectors of “{info.name}” could not all be written.",
            "Free some space and encode again; the finished part is kept.",
        ) from error


def open_family(given: EncoderSpec, spec: EncodeSpec, state: Path | None = None) -> "Encoder":
    """The encoder of `given`, loaded by its family."""
    family: Any = ENCODERS.load(given.kind)
    opened: Encoder = family.open(given, spec, state)
    return opened


def making(model: "Encoder") -> dict[str, Any]:
    """The part of an encoder's description that decides what its vectors are."""
    return {name: value for name, value in model.describe().items() if name not in NOT_MAKING}


def notes_on_contents(project: Project, info: CorpusInfo, modalities: frozenset[Modality]) -> list[str]:
    """Warnings about documents that have nothing an encoder of `modalities` reads. Raises `BadInput` where none has."""
    if not info.documents:
        raise BadInput(f"The corpus “{info.name}” has no documents.", "Import it again.")
    if "text" in modalities and not info.has_images:
        return []
    unread = sum(
        not (each.modalities & modalities)
        for span in windows(info.documents, RUN.shard_documents)
        for each in corpora.contents(project.db, project.media, info.id, span.start, span.stop)
    )
    reads = " and ".join(sorted(modalities))
    if unread == info.documents:
        lacks, advice = (
            ("are images without text", "Import captions or titles with them, or choose an encoder for images.")
            if modalities == {"text"}
            else ("have no images", "Choose an encoder for texts.")
        )
        raise BadInput(f"The documents of “{info.name}” {lacks}, and this encoder reads {reads}.", advice)
    if not unread:
        return []
    return [f"{unread:,} of {info.documents:,} documents have no {reads}; their vectors say nothing."]


def list_encoders() -> list[CatalogueEntry]:
    """The encoders of the catalogue; none is loaded."""
    return [entry for entry in catalogue() if entry.role == "encoder"]


def list_embeddings(project: Project, corpus: str) -> list[EmbeddingInfo]:
    """The embeddings of a corpus, newest first."""
    info = corpora.find(project.db, corpus)
    return [embedding_info(artifact, info) for artifact in project.artifacts.list("embedding", corpus_id=info.id)]


def embedding_info(artifact: Artifact, info: CorpusInfo) -> EmbeddingInfo:
    found = artifact.manifest
    return EmbeddingInfo(
        id=artifact.id,
        encoder=artifact.name,
        corpus=info.name,
        vectors=found["vectors"],
        dim=found["dim"],
        kind=found["output"],
        dtype=found["storage"],
        pooling=found.get("pooling", ""),
        query_prompt=found.get("query_prompt", ""),
        document_prompt=found.get("document_prompt", ""),
        warnings=list(found["warnings"]),
        bytes=artifact.bytes,
        created_at=artifact.created_at,
        manifest=found,
    )


def find_embedding(project: Project, info: CorpusInfo, encoder: str) -> Artifact:
    """The newest embedding of a corpus by an encoder's name, hub id or folder. Raises `NotFound` listing the names."""
    made = project.artifacts.list("embedding", corpus_id=info.id)
    for artifact in made:
        if encoder in (artifact.name, artifact.id):
            return artifact
    try:
        name = resolve_encoder(encoder).name
    except NotFound:
        name = ""
    for artifact in made:
        if artifact.name == name:
            return artifact
    raise unknown_name(f"embedding of “{info.name}”", encoder, {artifact.name for artifact in made})


def open_encoder(artifact: Artifact, spec: EncodeSpec = RUN) -> "Encoder":
    """The encoder that made an embedding, ready for queries; it warns where its model has changed since.

    Raises `NotFound` where the vectors were ready-made, or the model is gone.
    """
    if "encoder_spec" not in artifact.manifest:
        raise NotFound(
            f"The vectors “{artifact.name}” were imported ready-made, so no encoder is known for queries.",
            "Search by example (neighbours), or encode the corpus here.",
        )
    given = encoder_spec(artifact.manifest["encoder_spec"])
    state = artifact.folder / STATE
    model = open_family(given, spec, state if state.is_dir() else None)
    if artifact.manifest.get("revision") != model.describe().get("revision"):
        model.warnings.append(
            f"The model “{artifact.name}” has changed since these vectors were made: encode the corpus again."
        )
    return model


def encoder_preview(encoder: str | Mapping[str, Any]) -> dict[str, Any]:
    """What is known of an encoder before it is loaded: sizes, pooling, prompts, licence; None = not known yet.

    Raises `NotFound` or `BadInput` as `encode_corpus` would on a name that cannot be one.
    """
    given = named_spec(encoder)
    known: dict[str, Any] = dict.fromkeys(("title", "dim", "max_length", "pooling", "licence", "size_mb", "note"))
    known |= {"name": given.name, "kind": given.kind, "bundled": False, "query_prompt": None, "document_prompt": None}
    entry = next((each for each in list_encoders() if each.spec == given or each.name == given.name), None)
    if entry is not None:
        known |= {name: getattr(entry, name) for name in known if hasattr(entry, name)}
    model = getattr(given, "model", "")
    if model and Path(model).is_dir():
        known |= folder_facts(Path(model))
    overrides = {name: value for name, value in given.to_dict().items() if name in known and value is not None}
    return known | {"model": model} | overrides
