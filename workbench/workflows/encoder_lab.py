"""The encoder laboratory: what each encoder gives and costs on a corpus, each finished cell kept."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench import corpora, query_sets
from workbench.artifacts import Artifact, Draft
from workbench.catalogue import catalogue, known_model
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.specs import EncoderLabSpec
from workbench.types import Progress, no_progress
from workbench.workflows.encode import find_embedding
from workbench.workflows.encoder_lab_asking import state_of
from workbench.workflows.encoder_lab_cell import measure_cell
from workbench.workflows.running import fingerprint_of

__all__ = ["EncoderCell", "EncoderLabReport", "choices", "get_cell", "list_cells", "measure_encoders"]

KIND = "lab-encoder"
FORMAT = 1
"""Part of a cell's identity: raise it where the same vectors and queries would give other figures."""
STEP = 1000
MOST_ENCODERS = 20


@dataclass(frozen=True)
class EncoderCell:
    """One encoder on one corpus. `figures`: as `encoder_lab_cell.measure_cell` says. `id` is the artifact's."""

    id: str
    corpus: str
    encoder: str
    spec: EncoderLabSpec
    created_at: float
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class EncoderLabReport:
    """What a job did. `reused` cells were measured before; `refused`: (encoder, message, hint)."""

    corpus: str
    cells: list[EncoderCell]
    reused: int
    refused: list[tuple[str, str, str]]
    seconds: float
    warnings: list[str] = field(default_factory=list)


def measure_encoders(
    project: Project,
    corpus: str,
    encoders: Sequence[str],
    spec: EncoderLabSpec | None = None,
    progress: Progress = no_progress,
) -> EncoderLabReport:
    """Measure the newest embedding of `corpus` by each of `encoders`; those that are measured already are read.

    Each finished encoder is kept, so a job that was cancelled or killed goes on at the next one. An encoder that cannot
    be measured is told in `refused`. Raises `NotFound` on the corpus or the query set, `BadInput` where no encoder can
    be measured, and what `progress` raises.
    """
    started, asked = time.monotonic(), spec or EncoderLabSpec()
    info = corpora.find(project.db, corpus)
    names = list(dict.fromkeys(encoders))
    if not 1 <= len(names) <= MOST_ENCODERS:
        raise BadInput(f"{len(names)} encoders were named.", f"Name 1 to {MOST_ENCODERS}.")
    if asked.query_set and query_sets.find(project.db, asked.query_set).corpus != info.name:
        raise BadInput(f"The query set “{asked.query_set}” is of another corpus.", "Choose one of this corpus.")
    cells: list[EncoderCell] = []
    refused: list[tuple[str, str, str]] = []
    reused = 0
    for number, name in enumerate(names):
        progress(number * STEP, len(names) * STEP)
        try:
            embedding = find_embedding(project, info, name)
            draft = _draft(project, info, embedding, asked)
            reused += draft.existing is not None
            cells.append(_cell(draft.existing or _measured(project, info, embedding, asked, draft,
                                                           _share(progress, number, len(names)))))  # fmt: skip
        except WorkbenchError as error:
            refused.append((name, error.message, error.hint))
    progress(len(names) * STEP, len(names) * STEP)
    if not cells:
        raise BadInput(f"No encoder could be measured. {refused[0][1]}", refused[0][2])
    told = [f"{name} was left out: {message} {hint}" for name, message, hint in refused]
    return EncoderLabReport(info.label, cells, reused, refused, round(time.monotonic() - started, 1), told)


def _share(progress: Progress, number: int, count: int) -> Progress:
    """The progress of one encoder among `count`."""

    def report(done: int, total: int) -> None:
        progress(number * STEP + (STEP * min(done, total) // total if total else 0), count * STEP)

    return report


def _draft(project: Project, info: CorpusInfo, embedding: Artifact, spec: EncoderLabSpec) -> Draft:
    """The artifact of a cell: another one when the queries, their judgments or the settings change."""
    if embedding.manifest["output"] != "dense":
        raise BadInput(
            f"“{embedding.name}” makes {embedding.manifest['output']} vectors.",
            "The encoder laboratory measures dense ones.",
        )
    if embedding.manifest["vectors"] < 2:
        raise BadInput(f"“{embedding.name}” holds fewer than two vectors.", "Encode a corpus with documents.")
    told: dict[str, Any] = spec.to_dict() | {"format": FORMAT}
    if spec.query_set:
        told["asked"] = fingerprint_of(project, query_sets.find(project.db, spec.query_set))
        told["judged"] = state_of(project, spec.query_set)
    return project.artifacts.begin(KIND, embedding.name, told, [embedding.id], info.id)


def _measured(
    project: Project, info: CorpusInfo, embedding: Artifact, spec: EncoderLabSpec, draft: Draft, progress: Progress
) -> Artifact:
    started = time.monotonic()
    try:
        figures = measure_cell(project, info, embedding, spec, draft.folder, progress)
    except BaseException:
        draft.discard()
        raise
    figures |= {"truncates": trained_for_truncation(embedding), "seconds": round(time.monotonic() - started, 1)}
    return draft.commit({"corpus": info.label, "encoder": embedding.name, "settings": asdict(spec), "figures": figures})


def trained_for_truncation(embedding: Artifact) -> bool | None:
    """Whether the catalogue notes that the model was trained to be cut (Matryoshka); None where it does not know it."""
    found = embedding.manifest
    model = str(found.get("model", ""))
    entry = known_model([model]) if model else None
    entry = entry or next((each for each in catalogue() if each.name == embedding.name), None)
    return None if entry is None else "Matryoshka" in entry.note


def _cell(artifact: Artifact) -> EncoderCell:
    told = artifact.manifest
    settings = EncoderLabSpec.from_dict(told["settings"])
    return EncoderCell(artifact.id, told["corpus"], told["encoder"], settings, artifact.created_at, told["figures"])


def list_cells(project: Project, corpus: str = "", query_set: str | None = None) -> list[EncoderCell]:
    """The newest cell of each encoder over each corpus (or one corpus), newest first; `query_set` "" = without one.

    Raises `NotFound` on the corpus.
    """
    id = corpora.find(project.db, corpus).id if corpus else None
    found: dict[tuple[str, str], EncoderCell] = {}
    for artifact in project.artifacts.list(KIND, corpus_id=id):
        if query_set is None or artifact.spec["query_set"] == query_set:
            cell = _cell(artifact)
            found.setdefault((cell.corpus, cell.encoder), cell)
    return list(found.values())


def get_cell(project: Project, id: str) -> EncoderCell:
    """Raises `NotFound`."""
    return _cell(project.artifacts.get(id))


def choices(project: Project, corpus: str) -> tuple[list[str], list[tuple[str, str]]]:
    """(the encoders of a corpus that can be measured, the newest first; the others with what they make)."""
    info = corpora.find(project.db, corpus)
    outputs: dict[str, str] = {}
    for artifact in project.artifacts.list("embedding", corpus_id=info.id):
        outputs.setdefault(artifact.name, artifact.manifest["output"])
    dense = [name for name, output in outputs.items() if output == "dense"]
    return dense, [(name, output) for name, output in outputs.items() if output != "dense"]
