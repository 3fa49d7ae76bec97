"""One attempt at a map: neighbours, layout, measures, clusters, in steps that are kept for the next attempt."""

import importlib.metadata
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora, reductions
from workbench.artifacts import Artifact, Draft
from workbench.batching import windows
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import MapSpec
from workbench.types import Graph, Progress
from workbench.vectors import DenseVectors, MultiVectors, ShardFolder, SparseVectors, save_array, write_durably
from workbench.workflows.bridge import STEPS, share
from workbench.workflows.index import metric_of, open_vectors
from workbench.workflows.map_data import GRAPH, Floats, find_map, open_map, wire_order
from workbench.workflows.map_labels import CLUSTERS

FORMAT = 1
"""Raised where the same settings would give another map."""
REDUCED_DIM = 128
REDUCED = "reduced"
"""Folder, in a draft, of the vectors that a map of sparse or token vectors is made of; gone when it is finished."""
HONEST_K = 15
"""Neighbours that trustworthiness and continuity look at, as scikit-learn's users mostly do."""
TEXTS = 2048
WORDS = 3
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
        clusters = self.timed("clusters", lambda: self.clusters(vectors, graph, xy, share(progress, 900, STEPS)))
        save_array(self.draft.folder / "order.npy", wire_order(len(xy)))
        # Notes go first: without one, an attempt after a crash makes its vectors again.
        for left in sorted(self.draft.folder.glob(f"{REDUCED}*"), key=lambda path: path.is_dir()):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        self.seconds["total"] = round(time.monotonic() - started, 3)
        manifest = {
            "encoder": self.embedding.name,
            "embedding": self.embedding.id,
            "corpus": self.info.label,
            "points": len(xy),
            "neighbours": graph.k,
            "metric": graph.metric,
            "graph": {"method": graph.method, "recall": graph.recall, "exact": graph.method == "exact"},
            "reduction": reduction,
            "clusters": clusters,
            **measures,
            **self.facts(),
            "seconds": self.seconds,
            "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
            "warnings": self.warnings,
        }
        progress(STEPS, STEPS)
        return self.draft.commit(manifest)

    def facts(self) -> dict[str, Any]:
        """What else the manifest says."""
        return {}

    def timed(self, step: str, make: Callable[[], Any]) -> Any:
        started = time.monotonic()
        made = make()
        self.seconds[step] = round(time.monotonic() - started, 3)
        return made

    def vectors(self, progress: Progress) -> tuple[DenseVectors, str]:
        """(dense vectors, what was done to get them; "" where they are the embedding's own)."""
        return self.dense(self.embedding, REDUCED, progress)

    def dense(self, embedding: Artifact, name: str, progress: Progress) -> tuple[DenseVectors, str]:
        """The same of any embedding; what is reduced is kept in the draft under `name`, which begins with `REDUCED`."""
        opened = open_vectors(embedding)
        if isinstance(opened, DenseVectors):
            return opened, ""
        folder, note = self.draft.folder / name, self.draft.folder / f"{name}.json"
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
        count, metric = len(vectors), metric_of(self.embedding)
        if metric == "dot" or not isinstance(open_vectors(self.embedding), DenseVectors):
            metric = "cosine"
            self.warnings.append("The vectors are compared by cosine here: an inner product is no distance.")
        if count <= self.spec.neighbors:
            self.warnings.append(f"There are {count:,} documents: each has {max(0, count - 1):,} neighbours at most.")
        note = self.draft.folder / GRAPH
        if not note.is_file():
            found = self.found(vectors, metric, progress)
            save_array(self.draft.folder / "neighbours.npy", found.indices)
            save_array(self.draft.folder / "distances.npy", found.distances)
            facts = {"metric": found.metric, "method": found.method, "recall": found.recall}
            write_durably(note, json.dumps(facts).encode())
        facts = json.loads(note.read_text())
        if facts["recall"] < 0.95:
            self.warnings.append(f"Of the true neighbours {facts['recall']:.1%} were found.")
        return Graph(self.load("neighbours"), self.load("distances"), facts["metric"], facts["method"], facts["recall"])

    def found(self, vectors: DenseVectors, metric: str, progress: Progress) -> Graph:
        """The neighbours, searched."""
        from workbench.neighbourhoods import neighbour_graph

        return neighbour_graph(vectors, self.spec.neighbors, metric, self.spec.seed, progress)

    def layout(self, vectors: DenseVectors, graph: Graph, progress: Progress) -> Floats:
        from workbench.projections import project

        path = self.draft.folder / "xy.npy"
        if not path.is_file():
            xy = project(vectors, graph, self.spec, progress, self.start())
            if not np.isfinite(xy).all():
                raise BadInput("The layout has places that are no numbers.", "Make it again with another seed.")
            save_array(path, np.asarray(xy, np.float32))
        found: Floats = self.load("xy")
        return found

    def start(self) -> Floats | None:
        """The layout of the map that this one is aligned with; None where it starts by itself."""
        if not self.spec.aligned_with:
            return None
        return open_map(self.aligned()).layout()

    def aligned(self) -> Artifact:
        """The map to start from. Raises `NotFound`, or `BadInput` where it shows other documents."""
        other = find_map(self.project, self.spec.aligned_with)
        if other.corpus_id != self.info.id:
            raise BadInput(
                f"The map to start from shows “{other.manifest['corpus']}”, not “{self.info.label}”.",
                "Align maps of one version of a corpus.",
            )
        return other

    def check(self) -> None:
        """Raise before any work what would end it: no documents, a map to start from that does not fit."""
        if not self.embedding.manifest["vectors"]:
            raise BadInput(
                f"The embedding “{self.embedding.name}” holds no vectors.", "Encode a corpus with documents."
            )
        if self.spec.aligned_with:
            self.aligned()

    def measures(self, vectors: DenseVectors, graph: Graph, xy: Floats, progress: Progress) -> dict[str, Any]:
        """What the graph and the layout say of each document, as arrays; the numbers of the whole map."""
        from workbench.neighbourhoods import occurrences, outlierness
        from workbench.projections import measure_honesty

        found = measure_honesty(vectors, graph, xy, min(HONEST_K, self.spec.neighbors), self.spec.seed, progress)
        arrays = {
            "trust": found.trust,
            "continuity": found.continuity,
            "occurrences": occurrences(graph),
            "outlierness": outlierness(graph),
        }
        for name, values in arrays.items():
            save_array(self.draft.folder / f"{name}.npy", values)
        return {
            "trustworthiness": found.trustworthiness,
            "continuity": found.mean_continuity,
            "k": found.k,
            "sampled": found.sampled,
        }

    def clusters(self, vectors: DenseVectors, graph: Graph, xy: Floats, progress: Progress) -> int:
        """Clusters with their names, written down; returns how many there are."""
        from workbench.clusters import centres, find_clusters, name_clusters, naming_sample

        labels = find_clusters(vectors, xy, graph.metric, self.spec, share(progress, 0, 600))
        texts = self.texts(naming_sample(labels, self.spec.seed), share(progress, 600, STEPS))
        save_array(self.draft.folder / "clusters.npy", labels)
        return self.described(labels, name_clusters(labels, texts, WORDS), centres(labels, xy).tolist())

    def described(self, labels: NDArray[np.int32], names: Sequence[str], spots: Sequence[Sequence[float]]) -> int:
        """Write down the names, sizes and centres of clusters, by number; returns how many there are."""
        sizes = np.bincount(labels[labels >= 0], minlength=len(names)).tolist()
        found = [
            {"name": name, "size": size, "centre": spot} for name, size, spot in zip(names, sizes, spots, strict=True)
        ]
        write_durably(self.draft.folder / CLUSTERS, json.dumps({"clusters": found}, ensure_ascii=False).encode())
        return len(found)

    def texts(self, ordinals: NDArray[np.int64], progress: Progress) -> Iterator[tuple[int, str]]:
        """(ordinal, title and text) of these documents, read in blocks."""
        for start in range(0, ordinals.size, TEXTS):
            progress(start, ordinals.size)
            some = ordinals[start : start + TEXTS].tolist()
            for document in corpora.documents(self.project.db, self.info.id, some):
                yield document.ordinal, document.content

    def load(self, name: str) -> Any:
        """An array of the draft, memory-mapped."""
        return np.load(self.draft.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)


def checked_multi(vectors: Any) -> MultiVectors:
    if not isinstance(vectors, MultiVectors):
        raise TypeError("token vectors are needed")
    return vectors
