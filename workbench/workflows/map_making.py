"""One attempt at a map: neighbours, layout, measures, clusters, in steps that are kept, so that a killed one goes on."""

import errno
import importlib.metadata
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora, reductions
from workbench.artifacts import Artifact, Draft
from workbench.batching import windows
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput, WorkbenchError
from workbench.project import Project
from workbench.specs import MapSpec
from workbench.types import Graph, Progress
from workbench.vectors import DenseVectors, MultiVectors, ShardFolder, SparseVectors, save_array, write_durably
from workbench.workflows.bridge import STEPS, share
from workbench.workflows.index import metric_of, open_vectors
from workbench.workflows.map_data import GRAPH, Floats, find_map, wire_order
from workbench.workflows.map_labels import CLUSTERS

FORMAT = 1
"""Raised where the same settings would give another map."""
REDUCED_DIM = 128
REDUCED = "reduced"
"""Folder, in a draft, of the vectors that a map of sparse or token vectors is made of; gone when it is finished."""
TEXTS = 2048
WORDS = 6
LIBRARIES = ("numpy", "faiss-cpu", "umap-learn", "scikit-learn")


@dataclass
class Making:
    """One attempt at a map in the folder of its draft, which may hold what an earlier one finished."""

    project: Project
    info: CorpusInfo
    embedding: Artifact
    spec: MapSpec
    draft: Draft
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, progress: Progress) -> Artifact:
        """Raises `BadInput` on vectors that cannot be mapped, what `progress` raises; then finished steps stay."""
        started = time.monotonic()
        vectors, reduction = self.timed("vectors", lambda: self.vectors(share(progress, 0, 100)))
        graph = self.timed("neighbours", lambda: self.graph(vectors, share(progress, 100, 400)))
        xy = self.timed("layout", lambda: self.layout(vectors, graph, share(progress, 400, 800)))
        measures = self.timed("measures", lambda: self.measures(vectors, graph, xy, share(progress, 800, 900)))
        clusters = self.timed("clusters", lambda: self.clusters(graph, xy, share(progress, 900, STEPS)))
        save_array(self.draft.folder / "order.npy", wire_order(len(xy)))
        shutil.rmtree(self.draft.folder / REDUCED, ignore_errors=True)
        self.seconds["total"] = round(time.monotonic() - started, 3)
        manifest = {
            "encoder": self.embedding.name,
            "embedding": self.embedding.id,
            "corpus": self.info.label,
            "points": len(xy),
            "k": graph.k,
            "metric": graph.metric,
            "graph": {"method": graph.method, "recall": graph.recall, "exact": graph.method == "exact"},
            "reduction": reduction,
            "clusters": clusters,
            **measures,
            "seconds": self.seconds,
            "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
            "warnings": self.warnings,
        }
        progress(STEPS, STEPS)
        return self.draft.commit(manifest)

    def timed(self, step: str, make: Callable[[], Any]) -> Any:
        started = time.monotonic()
        made = make()
        self.seconds[step] = round(time.monotonic() - started, 3)
        return made

    def vectors(self, progress: Progress) -> tuple[DenseVectors, str]:
        """(dense vectors, what was done to get them; "" where they are the embedding's own)."""
        opened = open_vectors(self.embedding)
        if isinstance(opened, DenseVectors):
            return opened, ""
        folder, note = self.draft.folder / REDUCED, self.draft.folder / f"{REDUCED}.json"
        if not note.is_file():
            if isinstance(opened, SparseVectors):
                reduced = reductions.reduce_sparse(opened, REDUCED_DIM, self.spec.seed, progress)
            else:
                reduced = reductions.reduce_multi(checked_multi(opened), progress)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            store = ShardFolder(folder)
            for number, span in enumerate(windows(len(reduced.rows), 1 << 17)):
                store.write(number, {"values": reduced.rows[span.start : span.stop]}, len(span))
            write_durably(note, json.dumps({"told": reduced.told, "kept": reduced.kept}).encode())
        told = json.loads(note.read_text())
        kept = f", which keeps {told['kept']:.0%} of their length" if told["kept"] < 1 else ""
        return DenseVectors(folder), f"{told['told']}{kept}"

    def graph(self, vectors: DenseVectors, progress: Progress) -> Graph:
        from workbench.neighbourhoods import neighbour_graph

        count, metric = len(vectors), metric_of(self.embedding)
        if metric == "dot" or not isinstance(open_vectors(self.embedding), DenseVectors):
            metric = "cosine"
            self.warnings.append("The vectors are compared by cosine here: an inner product is no distance.")
        if count <= self.spec.neighbors:
            self.warnings.append(f"There are {count:,} documents: each has {max(0, count - 1):,} neighbours at most.")
        note = self.draft.folder / GRAPH
        if not note.is_file():
            found = neighbour_graph(vectors, self.spec.neighbors, metric, self.spec.seed, progress)
            save_array(self.draft.folder / "neighbours.npy", found.indices)
            save_array(self.draft.folder / "distances.npy", found.distances)
            facts = {"metric": found.metric, "method": found.method, "recall": found.recall}
            write_durably(note, json.dumps(facts).encode())
        facts = json.loads(note.read_text())
        if facts["recall"] < 0.95:
            self.warnings.append(f"Of the true neighbours {facts['recall']:.1%} were found.")
        return Graph(self.load("neighbours"), self.load("distances"), facts["metric"], facts["method"], facts["recall"])
