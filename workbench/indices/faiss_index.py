"""Every FAISS index, named by its factory string."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput, WorkbenchError
from workbench.indices.base import NO_SETTINGS, Index, Indexed, Knobs, Queries, Selection, read_notes
from workbench.indices.factories import check_factory, make_index, parse, search_settings, training_size
from workbench.indices.faiss_costs import code_ranges, scored_documents
from workbench.indices.faiss_search import ranking, search_allowed, search_one
from workbench.indices.scan import ArrayRows, Scanner
from workbench.scoring import normalize_rows
from workbench.specs import IndexSpec
from workbench.types import Progress, Ranking, no_progress
from workbench.vectors import DenseVectors

FILE = "index.faiss"
ADD_BLOCK = 8192
ONE_THREAD_GRAPH = 20_000
"""Up to so many vectors an HNSW graph is built by one thread and so is the same each time. Larger ones use all
threads, which link in the order they come to it; the notes say which it was."""

Floats = NDArray[np.float32]


class FaissIndex(Index):
    """Cosine = vectors and queries scaled to length 1, compared by inner product."""

    def __init__(self, index: Any, notes: dict[str, Any], size: int) -> None:
        self._index = index
        self._notes = notes
        self._size = size
        self._scanner = Scanner(ArrayRows(_stored(index)), notes["metric"]) if notes["factory"] == "Flat" else None

    @property
    def dim(self) -> int:
        return int(self._notes["dim"])

    def __len__(self) -> int:
        return int(self._notes["vectors"])

    @classmethod
    def build(
        cls,
        vectors: Indexed,
        spec: IndexSpec,
        progress: Progress = no_progress,
        folder: Path | None = None,
    ) -> Self:
        """As `Index.build`; trains on a seeded sample where the factory asks for it, then adds block by block."""
        if not isinstance(vectors, DenseVectors):
            raise BadInput("FAISS indices need dense vectors.", "Sparse embeddings are searched by the inverted index.")
        notes: dict[str, Any] = {
            "kind": "faiss",
            "faiss": faiss.__version__,
            "factory": parse(spec.factory).text,
            "metric": spec.metric,
            "vectors": len(vectors),
            "dim": vectors.dim,
            "seed": spec.seed,
            "trained_on": 0,
            "reproducible": True,
        }
        if len(vectors) == 0:
            return cls(faiss.IndexFlat(max(vectors.dim, 1)), notes | {"factory": "Flat"}, 0)
        check_factory(spec.factory, len(vectors), vectors.dim, spec.metric, spec.train_limit)
        index = make_index(parse(spec.factory), vectors.dim, spec.metric)
        has_graph = _prepare(index, spec)
        progress(0, len(vectors))
        if not index.is_trained:
            notes["trained_on"] = _train(index, vectors, spec)
        one_thread = has_graph and len(vectors) <= ONE_THREAD_GRAPH
        notes["reproducible"] = one_thread or not has_graph
        _add(index, vectors, spec.metric, progress, one_thread)
        return cls(index, notes, len(faiss.serialize_index(index)) if len(vectors) < ADD_BLOCK else 0)

    def _save(self, folder: Path) -> None:
        try:
            faiss.write_index(self._index, str(folder / FILE))
        except RuntimeError as error:
            raise WorkbenchError("The index could not be written.", "Is the disk full?") from error
        self._size = (folder / FILE).stat().st_size

    @classmethod
    def open(cls, folder: Path, vectors: Indexed | None = None) -> Self:
        """Open what `save` wrote, memory-mapped; `vectors` is not needed."""
        notes = read_notes(folder)
        path = folder / FILE
        # FAISS maps inverted lists with one flag and everything else with the other.
        flag = faiss.IO_FLAG_MMAP if "IVF" in notes["factory"] else faiss.IO_FLAG_MMAP_IFC
        try:
            index = faiss.read_index(str(path), flag)
        except RuntimeError as error:
            raise WorkbenchError(f"{FILE} in “{folder.name}” cannot be read.", "Build the index again.") from error
        _without_prefetching(index)
        return cls(index, notes, path.stat().st_size)

    def describe(self) -> dict[str, Any]:
        return {**self._notes, "settings": self.knobs(), "bytes": self._size}

    @property
    def size_bytes(self) -> int:
        return self._size

    def knobs(self) -> Knobs:
        return search_settings(self._notes["factory"])

    def scored(self, queries: Queries, settings: Mapping[str, Any] = NO_SETTINGS) -> NDArray[np.int64] | None:
        """IVF: the sizes of the lists that are looked into. HNSW: FAISS's own count of comparisons. Else all."""
        wanted = np.ascontiguousarray(queries, dtype=np.float32)
        if self._notes["metric"] == "cosine":
            wanted = normalize_rows(wanted)
        return scored_documents(self._index, wanted, self._settings(settings))

    def calibration(self) -> NDArray[np.float32] | None:
        return code_ranges(self._index)

    def _search(self, queries: Queries, k: int, knobs: Knobs, allowed: Selection) -> list[Ranking]:
        wanted = np.ascontiguousarray(queries, dtype=np.float32)
        metric = self._notes["metric"]
        if metric == "cosine":
            wanted = normalize_rows(wanted)
        if self._scanner is not None:
            return self._scanner.search(wanted, k, allowed)
        return [self._one(query[None], k, knobs, allowed) for query in wanted]

    def _one(self, query: Floats, k: int, knobs: Knobs, allowed: Selection) -> Ranking:
        if allowed is None:
            found = search_one(self._index, query, k, knobs)
        else:
            found = search_allowed(self._index, query, k, knobs, allowed)
        return ranking(found, self._notes["metric"], k)


def _stored(index: Any) -> Floats:
    """The (n, d) vectors of a flat index, as a view."""
    index = faiss.downcast_index(index)
    size = index.ntotal * index.d
    flat: Floats = faiss.rev_swig_ptr(index.get_xb(), size) if size else np.empty(0, np.float32)
    return flat.reshape(index.ntotal, index.d)


def _without_prefetching(index: Any) -> None:
    """FAISS starts up to 32 threads for each query that reads mapped lists: ten times the time of the search itself."""
    ivf = faiss.try_extract_index_ivf(index)
    lists = None if ivf is None else faiss.downcast_InvertedLists(ivf.invlists)
    if isinstance(lists, faiss.OnDiskInvertedLists):
        lists.prefetch_nthread = 0


def _prepare(index: Any, spec: IndexSpec) -> bool:
    """Seed everything random in `index` and what it wraps; True where it builds a graph over the documents."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        _prepare(index.refine_index, spec)
        return _prepare(index.base_index, spec)
    if isinstance(index, faiss.IndexPreTransform):
        return _prepare(index.index, spec)
    if isinstance(index, faiss.IndexIVF):
        index.cp.seed = spec.seed
        _prepare(index.quantizer, spec)
    if hasattr(index, "pq"):
        index.pq.cp.seed = spec.seed
    if hasattr(index, "do_polysemous_training"):
        # It numbers the centroids anew, for a search by Hamming distance that is never asked for, and takes minutes:
        # 31 s instead of 0.2 s for IVF8,PQ8 over 2,834 vectors of 384 dimensions, with the same rankings and scores.
        index.do_polysemous_training = False
    if isinstance(index, faiss.IndexHNSW):
        index.hnsw.efConstruction = spec.ef_construction
        index.hnsw.rng = faiss.RandomGenerator(spec.seed)
        _prepare(index.storage, spec)
        return True
    return False


def _train(index: Any, vectors: DenseVectors, spec: IndexSpec) -> int:
    """Train on a random sample; returns its size."""
    size = min(len(vectors), spec.train_limit, training_size(parse(spec.factory), vectors.dim))
    if size == len(vectors):
        chosen = np.arange(size)
    else:
        chosen = np.sort(np.random.default_rng(spec.seed).choice(len(vectors), size, replace=False))
    sample = vectors.take(chosen)
    if spec.metric == "cosine":
        sample = normalize_rows(sample)
    if spec.metric != "l2":
        _train_uncentred(index, sample)
    index.train(sample)
    return size


def _train_uncentred(index: Any, sample: Floats) -> None:
    """Train PCA steps first, without their shift by the mean.

    (x − μ)·(q − μ) orders documents otherwise than x·q, as it holds −x·μ; rotated without the shift, x·q is kept.
    Whitening (PCAW) changes the measure on purpose and is left as it is.
    """
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        _train_uncentred(index.base_index, sample)
    if not isinstance(index, faiss.IndexPreTransform):
        return
    for number in range(index.chain.size()):
        step = faiss.downcast_VectorTransform(index.chain.at(number))
        if not step.is_trained:
            step.train(sample)
        if isinstance(step, faiss.PCAMatrix) and step.eigen_power == 0:
            faiss.copy_array_to_vector(np.zeros(step.d_out, np.float32), step.b)
        sample = step.apply(sample)


def _add(index: Any, vectors: DenseVectors, metric: str, progress: Progress, one_thread: bool) -> None:
    threads = faiss.omp_get_max_threads()
    try:
        if one_thread:
            faiss.omp_set_num_threads(1)
        for start, block in vectors.blocks(ADD_BLOCK):
            progress(start, len(vectors))
            index.add(normalize_rows(block) if metric == "cosine" else block)
    finally:
        faiss.omp_set_num_threads(threads)
    progress(len(vectors), len(vectors))
