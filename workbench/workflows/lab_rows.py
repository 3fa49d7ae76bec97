"""What the trials of an index laboratory gave and cost, from what was measured: one row each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.artifacts import Artifact
from workbench.specs import Trial
from workbench.vectors import save_array
from workbench.workflows.index import HI2
from workbench.workflows.lab_measuring import Parts, exact_scores_of, matrix_of, parts_of, truth_of
from workbench.workflows.retrieving import Target

if TYPE_CHECKING:
    from workbench.indices.base import Index


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
class Truth:
    """The exact neighbours (q, k) of the queries `matrix` (q, d), and their scores (q, k)."""

    found: NDArray[np.int64]
    scores: NDArray[np.float32]
    matrix: NDArray[np.float32]


def trial_rows(
    folder: Path, embedding: Artifact, trials: Sequence[Trial], targets: Sequence[Target], seed: int
) -> list[TrialRow]:
    """A row for each trial that was measured in `folder`; the calibration of 8-bit codes is saved beside the parts."""
    from workbench.indices.measuring import pareto

    found, matrix = truth_of(folder), matrix_of(folder)
    truth = Truth(found, exact_scores_of(embedding, found, matrix), matrix)
    rows = []
    for number, (trial, target) in enumerate(zip(trials, targets, strict=True)):
        parts, index = parts_of(folder, len(trials), seed, number), target.open()
        row = _row(embedding, trial, target, index, _gave(embedding, parts, truth, len(index)))
        rows.append(replace(row, calibration=_calibration(folder, trial.factory, index.calibration())))
    flags = pareto([each.recall for each in rows], [each.p50 for each in rows])
    return [replace(each, front=flag) for each, flag in zip(rows, flags, strict=True)]


def _gave(embedding: Artifact, parts: Parts, truth: Truth, documents: int) -> dict[str, Any]:
    """The figures that come of the queries."""
    from workbench.indices.measuring import HELD, recalls

    p50, p95, p99 = (round(float(np.percentile(parts.milliseconds, at)), 4) for at in (50, 95, 99))
    scores = exact_scores_of(embedding, parts.found, truth.matrix)
    counts = np.bincount(parts.held[parts.found >= 0], minlength=len(HELD)).tolist()
    unknown = bool((parts.scored < 0).any())
    return {
        "recall": round(float(recalls(scores, truth.scores).mean()), 6),
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "qps": round(len(parts.found) / max(parts.together, 1e-9), 1),
        "scored": None if unknown else round(float(parts.scored.mean()) / documents, 6),
        "fetched": dict(zip(HELD[1:], counts[1:], strict=True)),
        "changed": int(differing(parts.found, truth.found).sum()),
    }


def _row(embedding: Artifact, trial: Trial, target: Target, index: "Index", gave: Mapping[str, Any]) -> TrialRow:
    artifact = target.index
    own = dict(gave) if trial.factory.startswith(HI2) else {**gave, "fetched": None}
    return TrialRow(
        trial=trial.label,
        factory=trial.factory,
        settings=dict(index.knobs()) | trial.settings,
        index="" if artifact is None else artifact.id,
        build_seconds=0.0 if artifact is None else float(artifact.manifest["seconds"]),
        memory_bytes=int(index.size_bytes),
        disk_bytes=int(embedding.bytes if artifact is None else artifact.bytes),
        vector_bytes=int(index.describe().get("disk_bytes", 0)),
        **own,
    )


def differing(found: NDArray[np.int64], truth: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(q,) whether the documents found (q, k) are others than the true ones (q, k), whatever their order."""
    changed: NDArray[np.bool_] = (np.sort(found, axis=1) != np.sort(truth, axis=1)).any(axis=1)
    return changed


def _calibration(folder: Path, factory: str, ranges: NDArray[np.float32] | None) -> dict[str, Any] | None:
    """Keep the ranges of 8-bit codes as they are in the index, and say how far they reach."""
    if ranges is None:
        return None
    name = f"calibration-{''.join(each if each.isalnum() else '-' for each in factory)}.npy"
    save_array(folder / name, ranges)
    low, width = ranges
    return {
        "file": name,
        "dimensions": int(low.size),
        "lowest": float(low.min()),
        "highest": float((low + width).max()),
        "median_step": float(np.median(width)) / 255,
        "of": "residuals" if "IVF" in factory and "Refine(SQ8)" not in factory else "vectors",
    }
