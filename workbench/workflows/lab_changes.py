"""Which neighbours an index of a laboratory loses and which it puts in their place, query by query."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.errors import BadInput
from workbench.project import Project
from workbench.types import Document
from workbench.workflows.index_lab import lab_artifact
from workbench.workflows.lab_measuring import exact_scores_of, matrix_of, parts_of, queries_of, truth_of
from workbench.workflows.lab_rows import differing


@dataclass(frozen=True)
class Neighbour:
    """`rank` from 1: in the exact result of a lost document, in the index's of a gained one. `score`: the exact one.

    `held`: which lists of HI² held a gained one: cluster, term or both; else none.
    """

    document: Document
    rank: int
    score: float
    held: str = "none"


@dataclass(frozen=True)
class Change:
    """A query whose neighbours differ. `own`: its ordinal where it is a document itself, else −1."""

    query_id: str
    text: str
    own: int
    lost: list[Neighbour]
    gained: list[Neighbour]


@dataclass(frozen=True)
class Changes:
    """A page of the changed queries, those that lost most first; `total` of them in `queries` asked."""

    rows: list[Change]
    total: int
    queries: int


def changes(project: Project, lab: str, trial: int, start: int = 0, limit: int = 20) -> Changes:
    """What trial number `trial` of a laboratory changed. Raises `NotFound`, `BadInput` on a trial that is none."""
    artifact = lab_artifact(project, lab)
    trials = len(artifact.manifest["rows"])
    if not 0 <= trial < trials:
        raise BadInput(f"The laboratory has no trial number {trial}.", f"There are {trials}.")
    truth = truth_of(artifact.folder)
    parts = parts_of(artifact.folder, trials, artifact.spec["seed"], trial)
    lost = np.array([np.setdiff1d(own, mine).size for own, mine in zip(truth, parts.found, strict=True)])
    order = np.lexsort((np.arange(len(truth)), -lost))
    order = order[differing(parts.found, truth)[order]]
    chosen = order[start : start + limit]
    embedding = project.artifacts.get(artifact.inputs[0])
    matrix = matrix_of(artifact.folder)[chosen]
    scores = [exact_scores_of(embedding, table[chosen], matrix) for table in (truth, parts.found)]
    documents = _documents(project, artifact.corpus_id or 0, np.concatenate([truth[chosen], parts.found[chosen]]))
    asked, rows = queries_of(artifact.folder), []
    for at, row in enumerate(chosen.tolist()):
        gone = _only(truth[row], parts.found[row], scores[0][at], documents)
        new = _only(parts.found[row], truth[row], scores[1][at], documents)
        query = asked[row]
        new = [replace(each, held=HELD[int(parts.held[row, each.rank - 1])]) for each in new]
        rows.append(Change(query["id"], query["text"], query["own"], gone, new))
    return Changes(rows, int(order.size), len(truth))


HELD = ("none", "cluster", "term", "both")
"""As `workbench.indices.measuring.HELD`, which pages must not load."""


def calibration_of(project: Project, lab: str, trial: int) -> NDArray[np.float32] | None:
    """(2, d) lowest values and widths of a trial's 8-bit codes, as saved with the laboratory; None without such."""
    artifact = lab_artifact(project, lab)
    told = artifact.manifest["rows"][trial]["calibration"] if 0 <= trial < len(artifact.manifest["rows"]) else None
    if told is None:
        return None
    ranges: NDArray[np.float32] = np.load(artifact.folder / told["file"], allow_pickle=False)
    return ranges


def _documents(project: Project, corpus_id: int, ordinals: NDArray[np.int64]) -> dict[int, Document]:
    wanted = np.unique(ordinals[ordinals >= 0]).tolist()
    found = corpora.documents(project.db, corpus_id, wanted)
    return {each.ordinal: each for each in found}


def _only(
    mine: NDArray[np.int64], other: NDArray[np.int64], scores: NDArray[np.float32], documents: dict[int, Document]
) -> list[Neighbour]:
    """The documents of `mine` (k,) that are not in `other` (k,), with their place."""
    known = set(other.tolist())
    return [
        Neighbour(documents[ordinal], place + 1, float(scores[place]))
        for place, ordinal in enumerate(mine.tolist())
        if ordinal >= 0 and ordinal not in known
    ]
