"""A map on disk: its description, its arrays by ordinal, and the fixed order in which points travel to the browser."""

import json
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.checkpoints import loaded
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, NotFound
from workbench.project import Project
from workbench.types import Graph

KIND = "map"
GRAPH = "graph.json"
"""In a map's folder: metric, method and recall of the neighbours."""
FRAME = "frame.json"
"""In the folder of a map that was placed into another: the other's frame, so that old points stay where they were."""
ORDER_SEED = 20260101
"""Seed of the wire's order: the same for every map, so that two maps of one corpus send their points in step."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class MapInfo:
    """A map, as it was made. `corpus`: name and version. `neighbours`: how many are kept for each document.

    `trustworthiness`, `continuity`: 0 … 1, over `k` neighbours. `reduction`: what was done to vectors that are not
    dense, else "".
    `exact`: whether the neighbours are FAISS's exact ones; `recall`: the measured share of them that were found.
    `placed`: documents that were placed approximately, into the map `into` ("" where the layout is this map's own).
    `stale`: a sentence where the corpus or the embedding is no longer what the map shows, else "".
    """

    id: str
    encoder: str
    embedding: str
    corpus: str
    corpus_id: int
    method: str
    points: int
    neighbours: int
    k: int
    seed: int
    metric: str
    trustworthiness: float
    continuity: float
    clusters: int
    reduction: str
    exact: bool
    recall: float
    seconds: float
    bytes: int
    created_at: float
    placed: int
    into: str
    stale: str
    warnings: list[str]
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Frame:
    """How layout coordinates become the map's: centred, scaled alike in both directions, the longer side −1 … 1."""

    x: float
    y: float
    half: float

    @classmethod
    def around(cls, xy: Floats) -> "Frame":
        """The frame of a layout (n, 2); of equal points, or none, one that only moves them to 0."""
        if not len(xy):
            return cls(0.0, 0.0, 1.0)
        low, high = xy.min(axis=0).astype(np.float64), xy.max(axis=0).astype(np.float64)
        x, y = (low + high) / 2
        return cls(float(x), float(y), float((high - low).max()) / 2 or 1.0)

    def to_unit(self, xy: NDArray[np.floating]) -> Floats:
        """(m, 2) float32. Points placed later may lie outside."""
        moved: Floats = ((xy - np.array([self.x, self.y])) / self.half).astype(np.float32)
        return moved


class MapData:
    """The arrays of a map. Ordinals name documents; a row is a place in the wire's order: row r is `order[r]`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.order: NDArray[np.int64] = np.asarray(self._array("order"), np.int64)
        self.rows: NDArray[np.int64] = np.empty_like(self.order)
        self.rows[self.order] = np.arange(self.order.size)
        raw = self.layout()
        kept = folder / FRAME
        self.frame = Frame(**json.loads(kept.read_text(encoding="utf-8"))) if kept.is_file() else Frame.around(raw)
        self.xy = self.frame.to_unit(raw)

    def __len__(self) -> int:
        return int(self.order.size)

    @property
    def size_bytes(self) -> int:
        return self.order.nbytes + self.rows.nbytes + self.xy.nbytes

    @cached_property
    def graph(self) -> Graph:
        """The true neighbours, as they were found when the map was made; memory-mapped."""
        made = json.loads((self._folder / GRAPH).read_text(encoding="utf-8"))
        return Graph(
            self._array("neighbours"), self._array("distances"), made["metric"], made["method"], made["recall"]
        )

    def layout(self) -> Floats:
        """(n, 2) float32 as the layout was made, before it was brought into −1 … 1."""
        return np.array(self._array("xy"), np.float32)

    @cached_property
    def placed(self) -> NDArray[np.bool_]:
        """(n,) which documents were placed by their neighbours, after the map had been made."""
        here = (self._folder / "placed.npy").is_file()
        return np.array(self._array("placed"), np.bool_) if here else np.zeros(len(self), np.bool_)

    def column(self, name: str) -> NDArray[Any]:
        """One of (n,) trust, continuity, clusters, occurrences, outlierness; memory-mapped."""
        return self._array(name)

    def wire(self, values: NDArray[Any]) -> bytes:
        """(n,) or (n, 2) by ordinal → the bytes in the wire's order, little-endian; (n, 2) as two planes."""
        ordered = values[self.order].astype(values.dtype.newbyteorder("<"), copy=False)
        return np.ascontiguousarray(ordered.T).tobytes()

    def checked(self, ordinals: Iterable[int]) -> NDArray[np.int64]:
        """The ordinals as an array. Raises `NotFound` on one that the map does not have, `BadInput` on no number."""
        return checked_numbers(ordinals, len(self), "document")

    def checked_rows(self, rows: Iterable[int]) -> NDArray[np.int64]:
        """Rows of the wire → ordinals. Raises as `checked`."""
        return self.order[checked_numbers(rows, len(self), "point")]

    def _array(self, name: str) -> NDArray[Any]:
        found: NDArray[Any] = np.load(self._folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return found


def checked_numbers(given: Iterable[int], count: int, what: str) -> NDArray[np.int64]:
    """Numbers that came from a browser. Raises `NotFound` outside 0 … count − 1, `BadInput` on what is no number."""
    numbers = given if isinstance(given, np.ndarray) else list(given)
    if isinstance(numbers, np.ndarray):
        # Masks of a million documents come this way; a list is what a hand or a page sends.
        fits = numbers.dtype.kind in "iu"
    else:
        fits = all(isinstance(each, int | np.integer) and not isinstance(each, bool) for each in numbers)
    if not fits:
        raise BadInput(f"A {what} was named by something that is no number.", "Choose it on the map again.")
    if len(numbers):
        low, high = int(np.min(numbers)), int(np.max(numbers))
        if low < 0 or high >= count:
            wrong = low if low < 0 else high
            raise NotFound(f"There is no {what} number {wrong} on this map.", f"It shows {count:,} documents.")
    return np.asarray(numbers, dtype=np.int64)


def wire_order(count: int) -> NDArray[np.uint32]:
    """The fixed random order in which the points of every map of `count` documents travel, (count,) uint32.

    So the first K points are a fair sample at every K, and no cluster is painted over another by its place.
    """
    return np.random.default_rng(ORDER_SEED).permutation(count).astype(np.uint32)


def find_map(project: Project, id: str) -> Artifact:
    """The map's artifact. Raises `NotFound`."""
    found = project.artifacts.find(id)
    if found is None or found.kind != KIND:
        raise NotFound(f"There is no map “{id[:40]}” in the project “{project.name}”.", "Make it again.")
    return found


def open_map(artifact: Artifact) -> MapData:
    """The arrays of a map, opened once per process."""

    def load() -> MapData:
        return MapData(artifact.folder)

    return loaded().get(cache_key(KIND, artifact), load, lambda data: data.size_bytes)


def cache_key(what: str, artifact: Artifact, part: str = "") -> Hashable:
    """The loaded cache's key of something of a map; a map that is made again after it was deleted is another one."""
    return (what, artifact.name, str(artifact.folder), artifact.created_at, part)


def corpus_of(project: Project, artifact: Artifact) -> CorpusInfo:
    """The version of the corpus that a map shows. Raises `NotFound`."""
    return corpora.find(project.db, artifact.corpus_id if artifact.corpus_id is not None else "")


def map_info(project: Project, artifact: Artifact) -> MapInfo:
    """What a map's manifest says, and whether it still shows what is there."""
    found = artifact.manifest
    return MapInfo(
        id=artifact.id,
        encoder=artifact.name,
        embedding=found["embedding"],
        corpus=found["corpus"],
        corpus_id=artifact.corpus_id if artifact.corpus_id is not None else -1,
        method=found["spec"]["map"]["method"],
        points=found["points"],
        neighbours=found["neighbours"],
        k=found["k"],
        seed=found["spec"]["map"]["seed"],
        metric=found["metric"],
        trustworthiness=found["trustworthiness"],
        continuity=found["continuity"],
        clusters=found["clusters"],
        reduction=found["reduction"],
        exact=found["graph"]["exact"],
        recall=found["graph"]["recall"],
        seconds=found["seconds"]["total"],
        bytes=artifact.bytes,
        created_at=artifact.created_at,
        placed=found.get("placed", {}).get("count", 0),
        into=found.get("placed", {}).get("into", ""),
        stale=stale_sentence(project, artifact),
        warnings=list(found["warnings"]),
        manifest=found,
    )


def stale_sentence(project: Project, artifact: Artifact) -> str:
    """Why a map no longer shows what is there; "" where it does."""
    info = corpus_of(project, artifact)
    newest = corpora.find(project.db, info.name)
    if newest.version > info.version:
        encoded = project.artifacts.list("embedding", corpus_id=newest.id, name=artifact.name)
        return (
            f"This map shows version {info.version} of “{info.name}”; version {newest.version} is there by now. "
            + ("" if encoded else f"Encode it with {artifact.name}; then make its map, or place what is new into this.")
        ).strip()
    if project.artifacts.find(str(artifact.manifest["embedding"])) is None:
        return (
            f"The vectors this map was made of (“{artifact.name}”) were deleted: the picture and its neighbours stay, "
            "but no query can be placed in it. Encode the corpus and make the map again."
        )
    return ""
