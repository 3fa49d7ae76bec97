"""The index laboratory: trials of index and search settings over one embedding, measured against the exact search."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from workbench import corpora, query_sets
from workbench.artifacts import Artifact, Draft
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.project import Project
from workbench.specs import IndexLabSpec, IndexSpec, RetrieverSpec, Trial, read_trials
from workbench.specs.labs import MOST_TRIALS
from workbench.types import Progress, no_progress
from workbench.vectors import save_array
from workbench.workflows import retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.index import EXACT, HI2, build_index, fitting_spec, metric_of, terms_embedding
from workbench.workflows.lab_measuring import Bench, Questions, exact_scores_of, parts_of, questions, truth_of
from workbench.workflows.retrieving import Target
from workbench.workflows.running import fingerprint_of

KIND, OF = "lab", "index"
STEP = 1000
BUILD, TRUTH_SHARE, MEASURE = 6, 1, 3
"""How a laboratory's progress is shared between one build, the exact search, and the measuring of one index."""


@dataclass(frozen=True)
class Refused:
    """A trial that cannot be made, with what was wrong and what to do."""

    trial: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Plan:
    """What a laboratory will do: the trials (the exact search first) and those that cannot be."""

    trials: list[Trial]
    refused: list[Refused]
    warnings: list[str]


@dataclass(frozen=True)
class TrialRow:
    """What one trial gave and cost. Times in milliseconds of one query on one thread, without encoding it.

    `qps`: queries a second in batches on all cores. `memory_bytes`: held or mapped to be searched; `disk_bytes`: of its
    files; `vector_bytes`: the vectors it reads from for verifying. `scored`: share of documents that a query is
    compared with, None = unknown. `fetched`: by which lists of HI² the hits were held. `front`: not beaten in recall
    and median at once. `changed`: queries whose neighbours differ from the exact ones. `calibration`: of 8-bit codes.
    """

    trial: str
    factory: str
    settings: Mapping[str, int | float]
    index: str
    recall: float
    p50: float
    p95: float
    p99: float
    qps: float
    build_seconds: float
    memory_bytes: int
    disk_bytes: int
    vector_bytes: int
    scored: float | None
    fetched: Mapping[str, int] | None
    changed: int
    calibration: Mapping[str, Any] | None = None
    front: bool = False


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


def plan(project: Project, corpus: str, encoder: str, spec: IndexLabSpec) -> Plan:
    """What would be measured; nothing is built. Raises `NotFound` on names, `BadInput` on too many trials."""
    info = corpora.find(project.db, corpus)
    return _planned(project, info, find_embedding(project, info, encoder), spec)


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
    planned = _planned(project, info, embedding, spec)
    if len(planned.trials) < 2:
        first = planned.refused[0] if planned.refused else Refused("", "No index was named.", "Name one or more.")
        raise BadInput(f"There is nothing to try. {first.message}", first.hint)
    draft = _draft(project, info, embedding, planned, spec)
    if draft.existing is None:
        _measure_all(project, info, embedding, planned, spec, draft, progress, started)
    return get_lab(project, draft.id)


def _planned(project: Project, info: CorpusInfo, embedding: Artifact, spec: IndexLabSpec) -> Plan:
    """Every line's trials, checked before any work. The exact search stands first, whoever asks for it."""
    from workbench.indices.knobs import curve, settings_for

    trials, refused, warnings = [Trial(EXACT)], [], []
    for line in spec.trials:
        if not line.strip() or line.strip() == EXACT:
            continue
        try:
            read = read_trials(line)
            fitting, told = fitting_spec(embedding, _spec(embedding, read[0].factory))
            factory = fitting.factory
            if factory.startswith(HI2):
                terms_embedding(project, info)
            known = settings_for(factory)
            for name in read[0].settings:
                if name not in known:
                    hint = f"It takes {', '.join(known)}." if known else "It takes no search settings."
                    raise BadInput(f"{name} makes no difference to “{factory}”.", hint)
            if not read[0].settings:
                read = read_trials(" ".join([factory, *(f"{n}={listed(v)}" for n, v in curve(factory).items())]))
        except WorkbenchError as error:
            refused.append(Refused(line.strip(), error.message, error.hint))
            continue
        warnings += told
        trials += [new for each in read if (new := replace(each, factory=factory)) not in trials]
    if len(trials) - 1 > MOST_TRIALS:
        raise BadInput(f"These are {len(trials) - 1} trials.", f"Try at most {MOST_TRIALS} at once.")
    return Plan(trials, refused, list(dict.fromkeys(warnings)))


def listed(values: Sequence[int | float]) -> str:
    """Values as a line of trials writes them: “4,16,64”."""
    return ",".join(f"{value:g}" for value in values)


def _spec(embedding: Artifact, factory: str) -> IndexSpec:
    return IndexSpec(factory=factory, metric=metric_of(embedding))


def _draft(project: Project, info: CorpusInfo, embedding: Artifact, planned: Plan, spec: IndexLabSpec) -> Draft:
    told: dict[str, Any] = spec.to_dict() | {"lab": OF, "trials": [each.to_dict() for each in planned.trials]}
    told["refused"] = [each.trial for each in planned.refused]
    if spec.query_set:
        told["asked"] = fingerprint_of(project, query_sets.find(project.db, spec.query_set))
    inputs = [embedding.id]
    if any(each.factory.startswith(HI2) for each in planned.trials):
        inputs.append(terms_embedding(project, info).id)
    return project.artifacts.begin(KIND, f"Indices of {embedding.name}", told, inputs, info.id)


def _measure_all(
    project: Project,
    info: CorpusInfo,
    embedding: Artifact,
    planned: Plan,
    spec: IndexLabSpec,
    draft: Draft,
    progress: Progress,
    started: float,
) -> None:
    asked = questions(project, info, embedding, spec)
    factories = list(dict.fromkeys(each.factory for each in planned.trials[1:]))
    told = _Shares(progress, [BUILD] * len(factories) + [TRUTH_SHARE, MEASURE * (len(factories) + 1)])
    for number, factory in enumerate(factories):
        build_index(project, info.label, embedding.name, _spec(embedding, factory), told.part(number))
    bench = Bench(draft.folder, embedding, asked, spec)
    bench.find_truth(told.part(len(factories)))
    targets = [_target(project, embedding, each) for each in planned.trials]
    bench.run(list(zip(targets, planned.trials, strict=True)), told.part(len(factories) + 1))
    rows = _rows(draft, embedding, planned.trials, targets, (asked, spec))
    draft.commit(
        {
            "lab": OF,
            "corpus": info.label,
            "encoder": embedding.name,
            "documents": embedding.manifest["vectors"],
            "dim": embedding.manifest["dim"],
            "queries": len(asked),
            "seconds": round(time.monotonic() - started, 1),
            "rows": [asdict(each) for each in rows],
            "refused": [asdict(each) for each in planned.refused],
            "warnings": [*planned.warnings, *asked.warnings],
        }
    )


def _target(project: Project, embedding: Artifact, trial: Trial) -> Target:
    return retrieving.find_target(project, embedding, RetrieverSpec(encoder=embedding.name, index=trial.factory))


def _rows(
    draft: Draft,
    embedding: Artifact,
    trials: Sequence[Trial],
    targets: Sequence[Target],
    asked: tuple[Questions, IndexLabSpec],
) -> list[TrialRow]:
    """What was measured, as rows; the calibration of each index that has one is saved beside the parts."""
    from workbench.indices.measuring import pareto

    truth = truth_of(draft.folder)
    best = exact_scores_of(embedding, truth, asked[0].matrix)
    rows: list[TrialRow] = []
    for number, (trial, target) in enumerate(zip(trials, targets, strict=True)):
        parts = parts_of(draft.folder, len(trials), asked[1].seed, number)
        rows.append(_row(draft, embedding, trial, target, (parts, truth, best, asked[0])))
    flags = pareto([each.recall for each in rows], [each.p50 for each in rows])
    return [replace(each, front=flag) for each, flag in zip(rows, flags, strict=True)]


def _row(draft: Draft, embedding: Artifact, trial: Trial, target: Target, measured: tuple[Any, ...]) -> TrialRow:
    from workbench.indices.measuring import HELD, recalls

    parts, truth, best, asked = measured
    index, artifact = target.open(), target.index
    found = parts.found
    scores = exact_scores_of(embedding, found, asked.matrix)
    p50, p95, p99 = (round(float(np.percentile(parts.milliseconds, at)), 4) for at in (50, 95, 99))
    counts = np.bincount(parts.held[found >= 0], minlength=len(HELD))
    changed = sum(set(mine) != set(own) for mine, own in zip(found.tolist(), truth.tolist(), strict=True))
    return TrialRow(
        trial=trial.label,
        factory=trial.factory,
        settings=dict(index.knobs()) | trial.settings,
        index="" if artifact is None else artifact.id,
        recall=round(float(recalls(scores, best).mean()), 6),
        p50=p50,
        p95=p95,
        p99=p99,
        qps=round(len(found) / max(parts.together, 1e-9), 1),
        build_seconds=0.0 if artifact is None else float(artifact.manifest["seconds"]),
        memory_bytes=int(index.size_bytes),
        disk_bytes=int(embedding.bytes if artifact is None else artifact.bytes),
        vector_bytes=int(index.describe().get("disk_bytes", 0)),
        scored=None if (parts.scored < 0).any() else round(float(parts.scored.mean()) / len(index), 6),
        fetched=dict(zip(HELD[1:], counts[1:].tolist(), strict=True)) if trial.factory.startswith(HI2) else None,
        changed=changed,
        calibration=_calibration(draft, trial.factory, index.calibration()),
    )


def _calibration(draft: Draft, factory: str, ranges: Any) -> dict[str, Any] | None:
    """Keep the ranges of 8-bit codes as they are in the index, and say how far they reach."""
    if ranges is None:
        return None
    name = f"calibration-{''.join(each if each.isalnum() else '-' for each in factory)}.npy"
    save_array(draft.folder / name, ranges)
    low, width = ranges
    return {
        "file": name,
        "dimensions": int(low.size),
        "lowest": float(low.min()),
        "highest": float((low + width).max()),
        "median_step": float(np.median(width)) / 255,
        "of": "residuals" if "IVF" in factory and "Refine(SQ8)" not in factory else "vectors",
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
