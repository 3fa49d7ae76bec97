"""What a FAISS index can say of its own costs: the documents that a query is compared with, the ranges of its codes."""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from workbench.indices.faiss_search import Knobs, search_one

Floats = NDArray[np.float32]


def scored_documents(index: Any, queries: Floats, knobs: Knobs) -> NDArray[np.int64]:
    """(q,) how many documents each query is compared with by their codes.

    IVF: the sizes of its `nprobe` lists, added. HNSW: FAISS's counter of comparisons, which is one for the process, so
    no other search may run meanwhile. Everything else compares with all. Refine scores k · `k_factor` of them again.
    """
    inner = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        return scored_documents(inner.base_index, queries, knobs)
    if isinstance(inner, faiss.IndexPreTransform):
        for number in range(inner.chain.size()):
            queries = faiss.downcast_VectorTransform(inner.chain.at(number)).apply(queries)
        return scored_documents(inner.index, queries, knobs)
    if isinstance(inner, faiss.IndexIVF):
        return _probed(inner, queries, knobs)
    if isinstance(inner, faiss.IndexHNSW):
        return np.array([_compared(inner, row[None], knobs) for row in queries], np.int64)
    return np.full(len(queries), inner.ntotal, np.int64)


def code_ranges(index: Any) -> Floats | None:
    """(2, d) float32, the lowest value and the width of each dimension of 8-bit codes, as saved; None without such.

    Of an IVF index they are of residuals: what is left of a vector without its list's centroid.
    """
    inner = faiss.downcast_index(index)
    if isinstance(inner, faiss.IndexRefine):
        found = code_ranges(inner.base_index)
        return code_ranges(inner.refine_index) if found is None else found
    if isinstance(inner, faiss.IndexPreTransform):
        return code_ranges(inner.index)
    if isinstance(inner, faiss.IndexHNSW):
        return code_ranges(inner.storage)
    if not hasattr(inner, "sq") or inner.sq.qtype != faiss.ScalarQuantizer.QT_8bit:
        return None
    trained: Floats = faiss.vector_to_array(inner.sq.trained).astype(np.float32)
    return trained.reshape(2, -1) if trained.size else None


def _probed(index: Any, queries: Floats, knobs: Knobs) -> NDArray[np.int64]:
    nprobe = min(int(knobs["nprobe"]), index.nlist)
    sizes = np.array([index.invlists.list_size(number) for number in range(index.nlist)], np.int64)
    quantizer, parameters = faiss.downcast_index(index.quantizer), None
    if isinstance(quantizer, faiss.IndexHNSW):
        parameters = faiss.SearchParametersHNSW(efSearch=max(int(knobs["ef_search"]), nprobe))
    # One at a time, as searches are: a batch may choose other lists where centroids are equally near.
    chosen = [quantizer.search(row[None], nprobe, params=parameters)[1][0] for row in queries]
    return np.array([sizes[lists[lists >= 0]].sum() for lists in chosen], np.int64)


def _compared(index: Any, query: Floats, knobs: Knobs) -> int:
    counter = faiss.cvar.hnsw_stats
    before = int(counter.ndis)
    search_one(index, query, 1, knobs)
    # A document can be met again, and the greedy walk down the levels counts too.
    return min(int(counter.ndis) - before, int(index.ntotal))
