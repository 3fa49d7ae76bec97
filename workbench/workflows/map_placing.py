"""Later documents placed into a map that exists: old points stay where they were, new ones lie by their neighbours."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from workbench import corpora
from workbench.artifacts import Artifact
from workbench.batching import windows
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, NotFound, WorkbenchError
from workbench.project import Project
from workbench.types import Graph, Progress
from workbench.vectors import DenseVectors, save_array, write_durably
from workbench.workflows.bridge import STEPS, share
from workbench.workflows.encode import find_embedding
from workbench.workflows.map_data import FRAME, Floats, corpus_of, find_map, open_map
from workbench.workflows.map_labels import CLUSTERS
from workbench.workflows.map_making import REDUCED, Making
from workbench.workflows.problems import content_hashes

BLOCK = 20_000
PLACES = 65_536
NOT_MAKING = ("name", "storage", "source")
"""Parts of an embedding's spec that do not decide which space its vectors lie in."""


@dataclass
class Placing(Making):
    """One attempt at the map of `info` in the coordinates of the map `source`."""

    source: Artifact = field(kw_only=True)

    def check(self) -> None:
        super().check()
        check_space(self.source, source_embedding(self.project, self.source), self.embedding)
        if self.source.corpus_id == self.info.id:
            raise BadInput(
                f"The map shows “{self.info.label}” already.", "Import and encode later documents, and place those."
            )

    @cached_property
    def came_from(self) -> NDArray[np.int64]:
        """(n,) the document of the old map with the same content, −1 where there is none."""
        return shared_documents(self.project, corpus_of(self.project, self.source), self.info)

    def found(self, vectors: DenseVectors, metric: str, progress: Progress) -> Graph:
        from workbench.neighbourhoods import grown_graph

        old = open_map(self.source).graph
        return grown_graph(vectors, old, self.came_from, self.spec.neighbors, self.spec.seed, progress)

    def layout(self, vectors: DenseVectors, graph: Graph, progress: Progress) -> Floats:
        """(n, 2): shared documents where they were; the others by their nearest among the old map's vectors.

        Each of those is put into the cluster that most of these neighbours are in; the nearest decides between equals.
        """
        path = self.draft.folder / "xy.npy"
        if not path.is_file():
            old, came = open_map(self.source), self.came_from
            rows = np.flatnonzero(came < 0)
            near = self.near(vectors, rows, graph.metric, progress)
            xy, labels = np.empty((len(came), 2), np.float32), np.full(len(came), -1, np.int32)
            raw, clusters = old.layout(), np.asarray(old.column("clusters"))
            xy[came >= 0], labels[came >= 0] = raw[came[came >= 0]], clusters[came[came >= 0]]
            xy[rows], labels[rows] = placed_by(near, raw), majority(clusters[near.indices])
            marks = came < 0
            marks[came >= 0] = old.placed[came[came >= 0]]
            save_array(self.draft.folder / "placed.npy", marks.astype(np.uint8))
            save_array(self.draft.folder / "clusters.npy", labels)
            write_durably(self.draft.folder / FRAME, json.dumps(asdict(old.frame)).encode())
            save_array(path, xy)
        found: Floats = self.load("xy")
        return found

    def near(self, vectors: DenseVectors, rows: NDArray[np.int64], metric: str, progress: Progress) -> Graph:
        """(m, k) the nearest documents of the old map for the `rows` that are to be placed."""
        from workbench.neighbourhoods import nearest_among

        k = max(1, open_map(self.source).graph.k)
        if not rows.size:
            return Graph(np.empty((0, k), np.int32), np.empty((0, k), np.float32), metric)
        embedding = source_embedding(self.project, self.source)
        old, _ = self.dense(embedding, f"{REDUCED}-source", share(progress, 0, 300))
        found = nearest_among(old, (vectors, rows), k, metric, self.spec.seed, share(progress, 300, STEPS))
        if found.recall < 0.95:
            self.warnings.append(f"New documents were placed by {found.recall:.1%} of their true neighbours.")
        return found

    def clusters(self, vectors: DenseVectors, graph: Graph, xy: Floats, progress: Progress) -> int:
        """The old map's clusters keep numbers, names and places; their sizes are counted again."""
        kept = json.loads((self.source.folder / CLUSTERS).read_text(encoding="utf-8"))["clusters"]
        names, spots = [each["name"] for each in kept], [each["centre"] for each in kept]
        return self.described(self.load("clusters"), names, spots)

    def facts(self) -> dict[str, Any]:
        came = self.came_from
        marked = int(np.count_nonzero(self.load("placed")))
        gone = int(self.source.manifest["points"]) - int(np.unique(came[came >= 0]).size)
        told = {"into": self.source.id, "corpus": self.source.manifest["corpus"], "count": marked, "gone": gone}
        return {"placed": {**told, "new": int((came < 0).sum()), "kept": int((came >= 0).sum())}}


def placeable(project: Project, map: str) -> bool:
    """Whether the newest version of a stale map's corpus can be placed into it: encoded, in the same space."""
    source = find_map(project, map)
    info = corpora.find(project.db, corpus_of(project, source).name)
    try:
        check_space(source, source_embedding(project, source), find_embedding(project, info, source.name))
    except WorkbenchError:
        return False
    return info.id != source.corpus_id


def source_embedding(project: Project, source: Artifact) -> Artifact:
    """The embedding a map was made of. Raises `NotFound` where it was deleted."""
    found = project.artifacts.find(str(source.manifest["embedding"]))
    if found is None:
        raise NotFound(
            f"The vectors “{source.name}” that this map was made of were deleted: nothing can be placed by them.",
            "Make a map of the new documents instead.",
        )
    return found


def check_space(source: Artifact, old: Artifact, new: Artifact) -> None:
    """Raise `BadInput` where the vectors of two embeddings cannot be compared."""
    if old.manifest["output"] == "sparse" or new.manifest["output"] == "sparse":
        raise BadInput(
            f"A map of sparse vectors (“{source.name}”) lies in a space that was fitted to its own documents.",
            "Make a map of the new documents instead.",
        )
    if made_by(old.spec) != made_by(new.spec) or old.manifest["dim"] != new.manifest["dim"]:
        raise BadInput(
            f"“{new.name}” did not make its vectors as “{old.name}” made those of the map.",
            "Encode the new documents with the same encoder and settings, or make a map of their own.",
        )


def made_by(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in NOT_MAKING}


def shared_documents(project: Project, old: CorpusInfo, new: CorpusInfo) -> NDArray[np.int64]:
    """(documents of `new`,) ordinal of the one in `old` with the same title, text and image, −1 where there is none.

    Of several the one with the same id, else the first.
    """
    before, after = content_hashes(project, old), content_hashes(project, new)
    codes = np.unique(np.vstack([before, after]), axis=0, return_inverse=True)[1].ravel()
    first = np.full(len(codes), -1, np.int64)
    first[codes[: len(before)][::-1]] = np.arange(len(before))[::-1]
    found = first[codes[len(before) :]]
    words = sa.text(
        "SELECT n.ordinal, o.ordinal FROM documents n JOIN documents o ON o.corpus_id = :old AND o.doc_id = n.doc_id "
        "WHERE n.corpus_id = :new AND n.ordinal >= :start AND n.ordinal < :stop AND n.content_hash = o.content_hash"
    )
    for start in range(0, new.documents, BLOCK):
        values = {"old": old.id, "new": new.id, "start": start, "stop": start + BLOCK}
        with project.db.read() as connection:
            for later, earlier in connection.execute(words, values):
                found[later] = earlier
    return found


def placed_by(near: Graph, xy: Floats) -> Floats:
    """(m, 2) places by neighbours on the old map, some at a time."""
    from workbench.projections import place

    found = np.empty((len(near), 2), np.float32)
    for span in windows(len(near), PLACES):
        part = slice(span.start, span.stop)
        found[part] = place(Graph(near.indices[part], near.distances[part], near.metric), xy)
    return found


def majority(labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """(m,) the commonest of each row of (m, k); of equally common ones that which stands first."""
    votes = (labels[:, :, None] == labels[:, None, :]).sum(axis=2)
    best = votes.argmax(axis=1)
    found: NDArray[np.int32] = labels[np.arange(len(labels)), best].astype(np.int32)
    return found
