"""Two maps of one corpus: whose true neighbours stayed, and which documents went elsewhere."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.errors import BadInput
from workbench.project import Project
from workbench.workflows.map_colours import Bytes, Legend, ramp
from workbench.workflows.map_data import Floats, MapData, corpus_of, find_map, open_map

By = Literal["displacement", "lost"]


@dataclass(frozen=True)
class Agreement:
    """How far two maps agree. `colours`: u8[n] in the wire's order, `overlap` as a ramp from 0 to 1.

    `overlap` (n,) float32 by ordinal: the share of the k true neighbours that both maps' embeddings have, and its
    `mean`. `displacement` (n,) float32 by ordinal: how far a point of B lies from that of A in A's coordinates, after B
    was moved, turned, mirrored and scaled onto A as well as it goes (Procrustes). Two unaligned layouts differ for no
    reason at all, so `overlap` says more.
    """

    colours: bytes
    legend: Legend
    overlap: Floats
    displacement: Floats
    mean: float
    k: int


@dataclass(frozen=True)
class Displaced:
    """A true neighbour of a document in one of two spaces, with its rank from 1 in each; None: not among the k."""

    ordinal: int
    rank_a: int | None
    rank_b: int | None


@dataclass(frozen=True)
class Moved:
    """One document's way from map A to map B. `lost`, `gained`: ordinals of true neighbours in A's space only, in B's
    only; nearest first."""

    ordinal: int
    title: str
    displacement: float
    overlap: float
    lost: list[int]
    gained: list[int]


def agreement(project: Project, map_a: str, map_b: str, k: int | None = None) -> Agreement:
    """How far two maps of one corpus agree on each document's `k` nearest neighbours; none: all that both keep.

    Raises `BadInput` where the maps show different documents, or keep fewer than `k` neighbours.
    """
    first, second = pair(project, map_a, map_b)
    a, b = open_map(first), open_map(second)
    k = checked_k(a, b, k)
    shared = overlaps(a, b, k)
    colours, legend = ramp(shared.astype(np.float64), f"Shared of {k} true neighbours", (0.0, 1.0))
    moved_by = displacements(a, b)
    mean = float(shared.mean()) if shared.size else 1.0
    return Agreement(a.wire(colours), legend, shared, moved_by, mean, k)


def moved(
    project: Project, map_a: str, map_b: str, limit: int = 100, by: By = "displacement", k: int | None = None
) -> list[Moved]:
    """The documents that went furthest, at most `limit`: by `displacement` on the map, or by neighbours `lost`.

    The other measure, then the ordinal, decides between equal ones. Raises as `agreement`.
    """
    if by not in ("displacement", "lost"):
        raise BadInput(f"The table cannot be sorted by “{by}”.", "Sort by displacement or lost.")
    if limit < 1:
        raise BadInput(f"{limit} documents were asked for.", "Ask for 1 or more.")
    first, second = pair(project, map_a, map_b)
    a, b = open_map(first), open_map(second)
    k = checked_k(a, b, k)
    shared, distances = overlaps(a, b, k), displacements(a, b)
    keys = (shared, -distances) if by == "displacement" else (-distances, shared)
    order = np.lexsort((np.arange(len(a)), *keys))[:limit].tolist()
    documents = corpora.documents(project.db, corpus_of(project, first).id, order)
    found = []
    for ordinal, document in zip(order, documents, strict=True):
        before, after = (neighbour_list(data, ordinal, k) for data in (a, b))
        found.append(
            Moved(
                ordinal=ordinal,
                title=document.title or document.doc_id,
                displacement=float(distances[ordinal]),
                overlap=float(shared[ordinal]),
                lost=[each for each in before if each not in after],
                gained=[each for each in after if each not in before],
            )
        )
    return found


def displaced(project: Project, map_a: str, map_b: str, ordinal: int, k: int | None = None) -> list[Displaced]:
    """Where the true neighbours of one document went: those of A by rank, then those that only B has.

    Raises as `agreement`, and `NotFound` on an ordinal that the maps do not have.
    """
    first, second = pair(project, map_a, map_b)
    a, b = open_map(first), open_map(second)
    k = checked_k(a, b, k)
    (checked,) = a.checked([ordinal]).tolist()
    before, after = ({each: rank for rank, each in enumerate(neighbour_list(data, checked, k), 1)} for data in (a, b))
    return [Displaced(each, before.get(each), after.get(each)) for each in {**before, **after}]


def overlap_bytes(project: Project, first: Artifact, second: Artifact) -> tuple[Bytes, Legend]:
    """The overlap of two maps as bytes by ordinal, at all the neighbours that both keep."""
    first, second = pair(project, first.id, second.id)
    a, b = open_map(first), open_map(second)
    k = checked_k(a, b, None)
    return ramp(overlaps(a, b, k).astype(np.float64), f"Shared of {k} true neighbours", (0.0, 1.0))


def pair(project: Project, map_a: str, map_b: str) -> tuple[Artifact, Artifact]:
    """The artifacts of two maps. Raises `BadInput` where they do not show the same documents."""
    first, second = find_map(project, map_a), find_map(project, map_b)
    if first.corpus_id != second.corpus_id or first.manifest["points"] != second.manifest["points"]:
        a, b = first.manifest["corpus"], second.manifest["corpus"]
        raise BadInput(f"One map shows “{a}” and the other “{b}”.", "Compare two maps of one version of a corpus.")
    return first, second


def checked_k(a: MapData, b: MapData, k: int | None) -> int:
    most = min(a.graph.k, b.graph.k)
    if k is None:
        return most
    if not 1 <= k <= most:
        raise BadInput(f"The maps were to be compared by {k} neighbours.", f"Both keep {most}: take 1 to {most}.")
    return k


def overlaps(a: MapData, b: MapData, k: int) -> Floats:
    """(n,) float32 share of the first `k` neighbours that both graphs have."""
    from workbench.neighbourhoods import neighbour_overlap

    return neighbour_overlap(a.graph, b.graph, k)


def displacements(a: MapData, b: MapData) -> Floats:
    """(n,) float32 distance of each point of B from that of A, after Procrustes, in A's coordinates."""
    from workbench.projections import procrustes

    aligned: NDArray[np.floating] = procrustes(a.xy, b.xy)
    found: Floats = np.linalg.norm(aligned - a.xy, axis=1).astype(np.float32)
    return found


def neighbour_list(data: MapData, ordinal: int, k: int) -> list[int]:
    return [each for each in data.graph.indices[ordinal, :k].tolist() if each >= 0]
