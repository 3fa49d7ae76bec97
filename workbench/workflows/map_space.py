"""A map in three dimensions: the neighbours it was made of laid out once more, with one direction more to lie in.

Kept as an artifact of its own beside the map. Colours, classes, clusters and neighbours are the map's: row r of both is
the same document, and what is shown is the first `SHOWN` rows, which are a fair sample (`map_data.wire_order`).
"""

import errno
import importlib.metadata
import shutil
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.artifacts import Artifact, Draft
from workbench.checkpoints import loaded
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.project import Project
from workbench.specs import MapSpec
from workbench.types import Progress, no_progress
from workbench.vectors import save_array
from workbench.workflows.bridge import STEPS, share
from workbench.workflows.map_data import cache_key, corpus_of, find_map, open_map
from workbench.workflows.map_making import HONEST_K, LIBRARIES, REDUCED, Making

KIND = "space"
FORMAT = 1
"""Raised where the same settings would give other coordinates."""
DIMENSIONS = 3
SHOWN = 20_000
"""Points of a three-dimensional picture at most: more cannot be turned smoothly, nor be told apart."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class SpaceInfo:
    """Three coordinates of a map's documents. `shown` of its `points` are sent to the browser.

    `trustworthiness`, `continuity`: as the map's, of three dimensions, over `k` neighbours.
    """

    id: str
    map: str
    method: str
    seed: int
    points: int
    shown: int
    trustworthiness: float
    continuity: float
    k: int
    seconds: float


def make_space(project: Project, corpus: str, map: str, progress: Progress = no_progress) -> SpaceInfo:
    """Lay out a map of `corpus` in three dimensions, by its own method, neighbours and seed; the same again is a no-op.

    A map that was aligned with another starts from PCA here. Raises `NotFound` on names and where the map's vectors
    were deleted, `BadInput` where the map is not of that corpus, `WorkbenchError` on a full disk, what `progress`
    raises.
    """
    artifact = find_map(project, map)
    info = corpus_of(project, artifact)
    if corpora.find(project.db, corpus).name != info.name:
        raise BadInput(f"The map “{map[:40]}” shows “{info.label}”, not “{corpus}”.", "Choose a map of this corpus.")
    embedding = project.artifacts.find(str(artifact.manifest["embedding"]))
    if embedding is None:
        raise NotFound(
            f"The vectors “{artifact.name}” that this map was made of were deleted.",
            "Encode the corpus and make the map again.",
        )
    spec = spec_of(artifact)
    made_by = {"map": spec.to_dict(), "dimensions": DIMENSIONS, "format": FORMAT}
    draft = project.artifacts.begin(KIND, artifact.name, made_by, [artifact.id], info.id)
    if draft.existing is not None:
        return space_info(draft.existing)
    making = Making(project, info, embedding, spec, draft)
    try:
        return space_info(made(making, artifact, progress))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise WorkbenchError(
            f"The disk is full: the three dimensions of “{info.name}” could not be written.",
            "Free some space and make them again.",
        ) from error


def spec_of(artifact: Artifact) -> MapSpec:
    """The settings that the third dimension is made by: the map's, begun from PCA where it began from another map."""
    spec = MapSpec.from_dict(artifact.manifest["spec"]["map"])
    return replace(spec, init="pca") if spec.aligned_with else spec


def made(making: Making, artifact: Artifact, progress: Progress) -> Artifact:
    """The finished coordinates: `xyz.npy` (n, 3) float32 by ordinal, as the layout gave them."""
    from workbench.projections import measure_honesty, project

    started, folder = time.monotonic(), making.draft.folder
    graph = open_map(artifact).graph
    vectors, reduction = making.vectors(share(progress, 0, 100))
    xyz = project(vectors, graph, making.spec, share(progress, 100, 800), components=DIMENSIONS)
    check_finite(making.draft, xyz)
    save_array(folder / "xyz.npy", xyz)
    k = min(HONEST_K, making.spec.neighbors)
    found = measure_honesty(vectors, graph, xyz, k, making.spec.seed, share(progress, 800, STEPS))
    (folder / f"{REDUCED}.json").unlink(missing_ok=True)
    shutil.rmtree(folder / REDUCED, ignore_errors=True)
    manifest = {
        "map": artifact.id,
        "embedding": making.embedding.id,
        "corpus": making.info.label,
        "points": len(xyz),
        "dimensions": DIMENSIONS,
        "reduction": reduction,
        "trustworthiness": found.trustworthiness,
        "continuity": found.mean_continuity,
        "k": found.k,
        "sampled": found.sampled,
        "seconds": round(time.monotonic() - started, 3),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    progress(STEPS, STEPS)
    return making.draft.commit(manifest)


def check_finite(draft: Draft, xyz: Floats) -> None:
    if not np.isfinite(xyz).all():
        draft.discard()
        raise BadInput("The layout has places that are no numbers.", "Make the map again with another seed.")


def find_space(project: Project, map: str) -> SpaceInfo | None:
    """The three coordinates of a map, or None where they were not made. Raises `NotFound` on the map."""
    found = artifact_of(project, find_map(project, map))
    return None if found is None else space_info(found)


def space_points(project: Project, map: str) -> bytes:
    """x f32[m], y f32[m], z f32[m] of the first m = min(n, `SHOWN`) rows of the wire, little-endian: 12 bytes a point.

    In −1 … 1: centred, scaled alike in all directions by the longest side of all points. Raises `NotFound`.
    """
    artifact = find_map(project, map)
    found = artifact_of(project, artifact)
    if found is None:
        raise NotFound("This map was not made in three dimensions yet.", "Make them on the Map page.")
    rows = open_map(artifact).order[:SHOWN]

    def load() -> bytes:
        xyz = np.load(found.folder / "xyz.npy", mmap_mode="r", allow_pickle=False)
        return np.ascontiguousarray(unit(xyz)[rows].astype("<f4").T).tobytes()

    return loaded().get(cache_key(KIND, found), load, len)


def row_documents(project: Project, map: str) -> bytes:
    """u32[n], little-endian: the document (ordinal) in each row of the wire. Raises `NotFound`."""
    return open_map(find_map(project, map)).order.astype("<u4").tobytes()


def unit(xyz: Floats) -> Floats:
    """(n, 3) → centred, the longest side −1 … 1; equal points, or none, are put at 0."""
    if not len(xyz):
        return np.asarray(xyz, np.float32)
    low, high = xyz.min(axis=0).astype(np.float64), xyz.max(axis=0).astype(np.float64)
    moved: Floats = ((xyz - (low + high) / 2) / (float((high - low).max()) / 2 or 1.0)).astype(np.float32)
    return moved


def artifact_of(project: Project, artifact: Artifact) -> Artifact | None:
    """The newest coordinates that were made of a map."""
    listed = project.artifacts.list(KIND, corpus_id=artifact.corpus_id)
    return next((each for each in listed if artifact.id in each.inputs), None)


def space_info(found: Artifact) -> SpaceInfo:
    manifest = found.manifest
    return SpaceInfo(
        id=found.id,
        map=manifest["map"],
        method=manifest["spec"]["map"]["method"],
        seed=manifest["spec"]["map"]["seed"],
        points=manifest["points"],
        shown=min(manifest["points"], SHOWN),
        trustworthiness=manifest["trustworthiness"],
        continuity=manifest["continuity"],
        k=manifest["k"],
        seconds=manifest["seconds"],
    )
