"""The index laboratory: trials of index and search settings over one embedding, measured against the exact search."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench import corpora, query_sets
from workbench.artifacts import Artifact, Draft
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.specs import IndexLabSpec, RetrieverSpec
from workbench.types import Progress, no_progress
from workbench.workflows import retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.index import HI2, build_index, terms_embedding
from workbench.workflows.lab_measuring import Bench, questions
from workbench.workflows.lab_plan import Plan, Refused, listed, plan, planned, spec_of
from workbench.workflows.lab_rows import TrialRow, trial_rows
from workbench.workflows.running import fingerprint_of

__all__ = [
    "LabReport",
    "Plan",
    "Refused",
    "TrialRow",
    "get_lab",
    "lab_artifact",
    "list_labs",
    "measure_indices",
    "plan",
]

KIND, OF = "lab", "index"
STEP = 1000
BUILD, TRUTH, MEASURE = 6, 1, 3
"""How a laboratory's progress is shared between one build, the exact search, and the measuring of one index."""


@dataclass(frozen=True)
class LabReport:
    """A finished laboratory. `lab` is its artifact's id; `rows[0]` is the exact search."""

    lab: str
    corpus: str
    encoder: str
    rows: list[TrialRow]
    refused: list[Refused]
    queries: int
    query_set: str
    k: int
    seconds: float
    created_at: float = 0.0
    documents: int = 0
    dim: int = 0
    warnings: list[str] = field(default_factory=list)


def measure_indices(
    project: Project, corpus: str, encoder: str, spec: IndexLabSpec, progress: Progress = no_progress
) -> LabReport:
    """Build what `spec` asks for over the newest embedding, and measure it against the exact search.

    A line without settings is tried along a curve of them. Trials that do not fit are told in `refused` and the others
    are measured. Indices that are there are not built again; the same laboratory again is a no-op, an interrupted one
    goes on with the part it was at. Raises `NotFound` on names, `BadInput` where nothing fits or no query can be asked.
    """
    started = time.monotonic()
    info = corpora.find(project.db, corpus)
    embedding = find_embedding(project, info, encoder)
    chosen = planned(project, info, embedding, spec)
    if len(chosen.trials) < 2:
        first = chosen.refused[0] if chosen.refused else Refused("", "No index was named.", "Name one or more.")
        raise BadInput(f"There is nothing to try. {first.message}", first.hint)
    draft = _draft(project, info, embedding, chosen, spec)
    if draft.existing is None:
        manifest = _Work(project, info, embedding, chosen, spec).done(draft, progress)
        draft.commit(manifest | {"seconds": round(time.monotonic() - started, 1)})
    return get_lab(project, draft.id)


def _draft(project: Project, info: CorpusInfo, embedding: Artifact, plan: Plan, spec: IndexLabSpec) -> Draft:
    told: dict[str, Any] = spec.to_dict() | {"lab": OF, "trials": [each.to_dict() for each in plan.trials]}
    told["refused"] = [each.trial for each in plan.refused]
    if spec.query_set:
        told["asked"] = fingerprint_of(project, query_sets.find(project.db, spec.query_set))
    inputs = [embedding.id]
    if any(each.factory.startswith(HI2) for each in plan.trials):
        inputs.append(terms_embedding(project, info).id)
    return project.artifacts.begin(KIND, f"Indices of {embedding.name}", told, inputs, info.id)


@dataclass(frozen=True)
class _Work:
    """Everything a laboratory works on."""

    project: Project
    info: CorpusInfo
    embedding: Artifact
    plan: Plan
    spec: IndexLabSpec

    def done(self, draft: Draft, progress: Progress) -> dict[str, Any]:
        """Build, search exactly, measure; returns the manifest but for its seconds."""
        embedding, trials = self.embedding, self.plan.trials
        asked = questions(self.project, self.info, embedding, self.spec)
        factories = list(dict.fromkeys(each.factory for each in trials[1:]))
        told = _Shares(progress, [BUILD] * len(factories) + [TRUTH, MEASURE * (len(factories) + 1)])
        for number, factory in enumerate(factories):
            spec = spec_of(embedding, factory)
            build_index(self.project, self.info.label, embedding.name, spec, told.part(number))
        bench = Bench(draft.folder, embedding, asked, self.spec)
        bench.find_truth(told.part(len(factories)))
        retrievers = [RetrieverSpec(encoder=embedding.name, index=each.factory) for each in trials]
        targets = [retrieving.find_target(self.project, embedding, each) for each in retrievers]
        bench.run(list(zip(targets, trials, strict=True)), told.part(len(factories) + 1))
        rows = trial_rows(draft.folder, embedding, trials, targets, self.spec.seed)
        return {
            "lab": OF,
            "corpus": self.info.label,
            "encoder": embedding.name,
            "documents": embedding.manifest["vectors"],
            "dim": embedding.manifest["dim"],
            "queries": len(asked),
            "rows": [asdict(each) for each in rows],
            "refused": [asdict(each) for each in self.plan.refused],
            "warnings": [*self.plan.warnings, *asked.warnings],
        }


class _Shares:
    """One progress made of several parts with their weights, told in steps of a thousandth of each."""

    def __init__(self, progress: Progress, weights: Sequence[int]) -> None:
        self._progress, self._weights = progress, list(weights)

    def part(self, number: int) -> Progress:
        """The progress that part `number` reports to."""
        before, own, total = sum(self._weights[:number]), self._weights[number], sum(self._weights)

        def report(done: int, of: int) -> None:
            self._progress(STEP * before + (STEP * own * min(done, of) // of if of else 0), STEP * total)

        return report


def curve_text(factory: str) -> str:
    """The settings that `factory` is tried with where none are given, as a line of trials writes them; or nothing."""
    from workbench.indices.knobs import curve

    return " ".join(f"{name}={listed(values)}" for name, values in curve(factory).items())


def list_labs(project: Project, corpus: str) -> list[LabReport]:
    """The index laboratories of a corpus, newest first. Raises `NotFound`."""
    info = corpora.find(project.db, corpus)
    found = project.artifacts.list(KIND, corpus_id=info.id)
    return [_report(each) for each in found if each.manifest.get("lab") == OF]


def lab_artifact(project: Project, id: str) -> Artifact:
    """The artifact of an index laboratory. Raises `NotFound`."""
    found = project.artifacts.find(id)
    if found is None or found.kind != KIND or found.manifest.get("lab") != OF:
        raise NotFound(f"There is no index laboratory “{id[:40]}”.", "It was deleted, or belongs to another project.")
    return found


def get_lab(project: Project, id: str) -> LabReport:
    """Raises `NotFound`."""
    return _report(lab_artifact(project, id))


def _report(artifact: Artifact) -> LabReport:
    told, spec = artifact.manifest, artifact.spec
    return LabReport(
        lab=artifact.id,
        corpus=told["corpus"],
        encoder=told["encoder"],
        rows=[TrialRow(**each) for each in told["rows"]],
        refused=[Refused(**each) for each in told["refused"]],
        queries=told["queries"],
        query_set=spec["query_set"],
        k=spec["k"],
        seconds=told["seconds"],
        created_at=artifact.created_at,
        documents=told["documents"],
        dim=told["dim"],
        warnings=list(told["warnings"]),
    )
