"""Asking a built FAISS index: search parameters per call (never set on the index, which threads share) and filters.

Queries go one at a time. FAISS switches to matrix products for larger batches (transforms, coarse quantisers, fast
scan), whose last bits, and with them near ties, would depend on what else is in the batch.
"""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from workbench.types import Ranking

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Knobs = dict[str, int | float]
Found = tuple[Floats, NDArray[np.int64]]

FEW = 20_000
FEW_SHARE = 0.05
"""A filter that keeps fewer documents than this is answered by looking at all of them: graph and list searches lose
results under a narrow filter (measured: HNSW 7.6 of 10 at 2 %)."""


def search_one(index: Any, query: Floats, k: int, knobs: Knobs) -> Found:
    """(distances, ordinals) of FAISS's answer to `query` (1, d), -1 where it found nothing."""
    distances, ordinals = index.search(query, k, params=_parameters(index, knobs, None))
    return distances[0], ordinals[0]


def search_allowed(index: Any, query: Floats, k: int, knobs: Knobs, allowed: Mask) -> Found:
    """As `search_one` among the `allowed` (n,) documents only; min(k, allowed) of them are always found."""
    count = int(np.count_nonzero(allowed))
    wanted = min(k, count)
    if count > max(FEW, FEW_SHARE * allowed.size):
        found = _search_some(index, query, wanted, _widened(knobs, allowed.size / count), allowed)
        if np.count_nonzero(found[1] >= 0) == wanted:
            return found
    return _search_all(index, query, wanted, allowed)


def _search_some(index: Any, query: Floats, k: int, knobs: Knobs, allowed: Mask) -> Found:
    if _selects(index):
        distances, ordinals = index.search(query, k, params=_parameters(index, knobs, _selector(allowed)))
        return distances[0], ordinals[0]
    # No selector in this kind of index: ask for more than are needed and drop the others.
    fetch = min(allowed.size, int(2 * k * allowed.size / np.count_nonzero(allowed)) + 16)
    return _kept(search_one(index, query, fetch, knobs), k, allowed)


def _search_all(index: Any, query: Floats, k: int, allowed: Mask) -> Found:
    """Score every allowed document with the index's own codes: no list, no link is left out."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        return _search_all(index.refine_index, query, k, allowed)
    if isinstance(index, faiss.IndexPreTransform):
        for number in range(index.chain.size()):
            query = faiss.downcast_VectorTransform(index.chain.at(number)).apply(query)
        return _search_all(index.index, query, k, allowed)
    if isinstance(index, faiss.IndexHNSW):
        return _search_all(index.storage, query, k, allowed)
    fetch, selector = (k, _selector(allowed)) if _selects(index) else (allowed.size, None)
    if isinstance(index, faiss.IndexIVF):
        found = _search_lists(index, query, fetch, selector)
    else:
        distances, ordinals = index.search(query, fetch, params=_parameters(index, {}, selector))
        found = distances[0], ordinals[0]
    return found if selector is not None else _kept(found, k, allowed)


def _search_lists(index: Any, query: Floats, k: int, selector: Any) -> Found:
    """Look into every list. A graph over the centroids need not reach all of them, so its storage is asked."""
    quantizer = faiss.downcast_index(index.quantizer)
    if isinstance(quantizer, faiss.IndexHNSW):
        quantizer = quantizer.storage
    near, lists = quantizer.search(query, index.nlist)
    options = {} if selector is None else {"sel": selector}
    parameters = faiss.SearchParametersIVF(nprobe=index.nlist, **options)
    distances, ordinals = np.empty(k, np.float32), np.empty(k, np.int64)
    arrays = [faiss.swig_ptr(array) for array in (lists, near, distances, ordinals)]
    # The Python wrapper of this method takes no parameters, so no selector; the C++ one does.
    index.search_preassigned_c(1, faiss.swig_ptr(query), k, *arrays, False, parameters)
    return distances, ordinals


def _kept(found: Found, k: int, allowed: Mask) -> Found:
    distances, ordinals = found
    kept = np.flatnonzero((ordinals >= 0) & allowed[ordinals])[:k]
    return distances[kept], ordinals[kept]


def _selector(allowed: Mask) -> Any:
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def _widened(knobs: Knobs, factor: float) -> Knobs:
    """A graph search under a filter must look at as many allowed documents as without one."""
    return {**knobs, "ef_search": int(knobs["ef_search"] * factor)} if "ef_search" in knobs else knobs


def _selects(index: Any) -> bool:
    """Whether FAISS 1.15 takes a filter for this kind of index."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexRefine):
        return _selects(index.base_index)
    if isinstance(index, faiss.IndexPreTransform):
        return _selects(index.index)
    if isinstance(index, faiss.IndexIVF):
        return not isinstance(index, faiss.IndexIVFAdditiveQuantizer)
    return isinstance(index, faiss.IndexHNSW | faiss.IndexFlat | faiss.IndexScalarQuantizer | faiss.IndexRaBitQ)


def _parameters(index: Any, knobs: Knobs, selector: Any) -> Any:
    """FAISS's search parameters for `index` and what it wraps, None where there is nothing to say."""
    index = faiss.downcast_index(index)
    options = {} if selector is None else {"sel": selector}
    if isinstance(index, faiss.IndexRefine):
        inner = _parameters(index.base_index, knobs, selector)
        base = {} if inner is None else {"base_index_params": inner}
        return faiss.IndexRefineSearchParameters(k_factor=float(knobs["k_factor"]), **base)
    if isinstance(index, faiss.IndexPreTransform):
        inner = _parameters(index.index, knobs, selector)
        return None if inner is None else faiss.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(efSearch=int(knobs["ef_search"]), **options)
    if isinstance(index, faiss.IndexIVF):
        nprobe = min(int(knobs["nprobe"]), index.nlist)
        if isinstance(faiss.downcast_index(index.quantizer), faiss.IndexHNSW):
            effort = max(int(knobs["ef_search"]), nprobe)
            options["quantizer_params"] = faiss.SearchParametersHNSW(efSearch=effort)
        return faiss.SearchParametersIVF(nprobe=nprobe, **options)
    return faiss.SearchParameters(**options) if options else None


def ranking(found: Found, metric: str, k: int) -> Ranking:
    """FAISS's distances as scores: inner products as they are, squared L2 as the negative distance."""
    distances, ordinals = found
    scores = -np.sqrt(np.maximum(distances, 0)) if metric == "l2" else distances
    return Ranking.of(ordinals, scores, k)
