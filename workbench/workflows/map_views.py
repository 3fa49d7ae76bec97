"""What a map shows: its points as bytes, the documents inside a drawn shape, true neighbours, rows to light up."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.errors import BadInput
from workbench.project import Project
from workbench.types import Filter
from workbench.vectors import DenseVectors
from workbench.workflows import retrieving
from workbench.workflows.index import metric_of
from workbench.workflows.map_colours import category_bytes
from workbench.workflows.map_data import Floats, corpus_of, find_map, open_map
from workbench.workflows.search import own_vector, without

MOST_VERTICES = 100
MOST_SHAPES = 100
MODES = ("lasso", "box")
STEPS = ("add", "remove")


def points(project: Project, map: str) -> bytes:
    """x f32[n], y f32[n] in −1 … 1 (the longer side spans it), cluster colour u8[n]: 9 bytes a point, little-endian.

    In the wire's order (`map_data.wire_order`). Raises `NotFound`.
    """
    artifact = find_map(project, map)
    data = open_map(artifact)
    return data.wire(data.xy) + data.wire(category_bytes(np.asarray(data.column("clusters"))))


def members(project: Project, map: str, polygon: Sequence[Sequence[float]], mode: str = "lasso") -> NDArray[np.int64]:
    """Ordinals of the documents inside a shape drawn on the map, ascending.

    `polygon`: [x, y] pairs in the map's coordinates (−1 … 1): for “lasso” 3 to 100 corners, closed by itself, inside by
    the even-odd rule; for “box” two opposite corners. Raises `BadInput` on any other shape, `NotFound` on the map.
    """
    corners = checked_shape(polygon, mode)
    return np.flatnonzero(inside(open_map(find_map(project, map)).xy, corners))


def selection(project: Project, map: str, shapes: Sequence[Mapping[str, Any]]) -> NDArray[np.int64]:
    """Ordinals, ascending, of shapes drawn one after the other: {"polygon", "mode", "step": “add” or “remove”} each.

    So a selection is a few numbers that fit in an address and mean the same tomorrow. Raises as `members`.
    """
    if len(shapes) > MOST_SHAPES:
        raise BadInput(f"The selection has {len(shapes)} shapes.", f"Draw at most {MOST_SHAPES}.")
    data = open_map(find_map(project, map))
    chosen = np.zeros(len(data), np.bool_)
    for shape in shapes:
        step = shape.get("step", "add") if isinstance(shape, Mapping) else ""
        if step not in STEPS:
            raise BadInput("The selection holds a shape that cannot be read.", "Draw it again.")
        corners = checked_shape(shape.get("polygon", ()), str(shape.get("mode", "lasso")))
        chosen[inside(data.xy, corners)] = step == "add"
    return np.flatnonzero(chosen)


def checked_shape(polygon: Sequence[Sequence[float]], mode: str) -> NDArray[np.float64]:
    """The corners of a shape, (c, 2). Raises `BadInput` saying what is wrong with it."""
    if mode not in MODES:
        raise BadInput(f"There is no selection called “{mode[:40]}”.", f"Choose one of: {', '.join(MODES)}.")
    corners = []
    for pair in polygon if isinstance(polygon, list | tuple) else ():
        numbers = pair if isinstance(pair, list | tuple) else ()
        good = [x for x in numbers if isinstance(x, int | float) and not isinstance(x, bool) and abs(x) < 1e6]
        if len(good) != 2 or len(numbers) != 2 or not all(map(math.isfinite, good)):
            raise BadInput("The shape has a corner that is no place on the map.", "Draw it again.")
        corners.append((float(good[0]), float(good[1])))
    if mode == "box" and len(corners) == 2:
        (left, top), (right, bottom) = corners
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    if mode == "box" or not 3 <= len(corners) <= MOST_VERTICES:
        wanted = "two corners" if mode == "box" else f"3 to {MOST_VERTICES} corners"
        raise BadInput(f"The shape has {len(corners)} corners; a {mode} has {wanted}.", "Draw it again.")
    return np.array(corners)


def inside(xy: Floats, corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) which points lie inside a polygon, by the even-odd rule (Shimrat 1962, crossings of a ray to the right).

    Only points in the polygon's bounding box are looked at, and for each edge only those at its height.
    """
    found = np.zeros(len(xy), np.bool_)
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero((xy[:, 0] >= low[0]) & (xy[:, 0] <= high[0]) & (xy[:, 1] >= low[1]) & (xy[:, 1] <= high[1]))
    x, y = xy[near, 0].astype(np.float64), xy[near, 1].astype(np.float64)
    odd = np.zeros(near.size, np.bool_)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 != y1:
            crossed = (y >= min(y0, y1)) & (y < max(y0, y1))
            odd ^= crossed & (x < x0 + (y - y0) * ((x1 - x0) / (y1 - y0)))
    found[near] = odd
    return found


def highlight(project: Project, map: str, ordinals: Iterable[int]) -> list[int]:
    """Rows of the wire where these documents lie, in the order asked. Raises `NotFound`, `BadInput`."""
    data = open_map(find_map(project, map))
    rows: list[int] = data.rows[data.checked(ordinals)].tolist()
    return rows


def ordinals_at(project: Project, map: str, rows: Iterable[int]) -> list[int]:
    """The documents at these rows of the wire, in the order asked. Raises `NotFound`, `BadInput`."""
    ordinals: list[int] = open_map(find_map(project, map)).checked_rows(rows).tolist()
    return ordinals


def neighbours_of(project: Project, map: str, ordinal: int) -> list[tuple[int, float]]:
    """(ordinal, distance) of a document's true neighbours in the space that the map was made of, nearest first.

    They are the map's own graph where that is exact; where it is an approximation, the stored vectors are scanned as
    long as they are there. Raises `NotFound`, `BadInput` on an ordinal that the map does not have.
    """
    artifact = find_map(project, map)
    data = open_map(artifact)
    (checked,) = data.checked([ordinal]).tolist()
    embedding = project.artifacts.find(str(artifact.manifest["embedding"]))
    if embedding is not None and not artifact.manifest["graph"]["exact"] and not artifact.manifest["reduction"]:
        return scanned(embedding, checked, data.graph.k)
    near, far = data.graph.indices[checked], data.graph.distances[checked]
    # A document with fewer neighbours than the others ends in −1.
    return [(int(other), float(far[at])) for at, other in enumerate(near) if other >= 0]


def scanned(embedding: Artifact, ordinal: int, k: int) -> list[tuple[int, float]]:
    """(ordinal, distance) by the exact scan over dense vectors."""
    vectors = retrieving.vectors_of(embedding)
    if not isinstance(vectors, DenseVectors):
        raise TypeError("dense vectors are needed")
    (found,) = retrieving.exact_index(embedding).search(own_vector(vectors, ordinal), k + 1, {}, None)
    ranking = without(found, ordinal, k)
    distances = as_distances(ranking.scores, metric_of(embedding))
    return list(zip(ranking.ordinals.tolist(), distances.tolist(), strict=True))


def as_distances(scores: Floats, metric: str) -> Floats:
    """Scores of an exact search as distances: cosine 1 − s, l2 −s; an inner product has none: −s orders the same."""
    distances: Floats = (1 - scores if metric == "cosine" else -scores).astype(np.float32)
    return distances


def passing(project: Project, map: str, filters: Sequence[Filter] = (), text: str = "") -> NDArray[np.bool_]:
    """(n,) by ordinal: which documents pass every filter and hold every word. Raises `BadInput`, `NotFound`."""
    info = corpus_of(project, find_map(project, map))
    if not text.strip() and not filters:
        return np.ones(info.documents, np.bool_)
    if text.strip():
        return corpora.filter_mask(project.db, info.id, filters, text)
    allowed = retrieving.allowed_documents(project, info, filters)
    if allowed is None:
        raise TypeError("there are filters, so there is a mask")
    return allowed


def wire_mask(project: Project, map: str, chosen: NDArray[np.bool_]) -> bytes:
    """(n,) bool by ordinal → u8[n] in the wire's order. Raises `NotFound`, or `BadInput` on one of other documents."""
    data = open_map(find_map(project, map))
    if chosen.shape != (len(data),):
        raise BadInput(f"The mask is of {chosen.size:,} documents, the map of {len(data):,}.", "Make the map again.")
    return data.wire(chosen.astype(np.uint8))


def mask(project: Project, map: str, filters: Sequence[Filter] = (), text: str = "") -> tuple[bytes, int]:
    """(u8[n] in the wire's order: 1 passes, 0 is dimmed; how many pass). Raises `BadInput`, `NotFound`."""
    allowed = passing(project, map, filters, text)
    return wire_mask(project, map, allowed), int(allowed.sum())
