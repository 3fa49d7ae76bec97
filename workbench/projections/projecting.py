"""Vectors → two or three dimensions: PCA, and UMAP from a neighbour graph that was made before.

UMAP's preparations are in `memberships.py`, its epochs in `kernel.py`. Points start at the PCA of a sample:
umap-learn's spectral start, which can be chosen, is most of its time, and its maps are no better by trustworthiness
(docs/decisions/006-map.md).
"""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.projections.aligning import procrustes
from workbench.projections.memberships import curve, memberships
from workbench.scoring import normalize_rows
from workbench.specs import MapSpec
from workbench.types import Graph, Progress, no_progress
from workbench.vectors import DenseVectors

Floats = NDArray[np.float32]
ONE_AT_A_TIME = threading.Lock()
"""numba's thread pool ends the process when two threads enter it at once."""
WIDTH = 10.0
"""Points start in −10 … 10, as umap-learn's do."""
NEGATIVES = 5
FEWEST = 4
"""Below this UMAP has nothing to say, and PCA is taken."""
PCA_SAMPLE = 50_000
PREPARED = 5
"""What the steps before the epochs count for in `progress`."""


def project(
    vectors: DenseVectors,
    graph: Graph,
    spec: MapSpec,
    progress: Progress = no_progress,
    init: Floats | None = None,
    components: int = 2,
) -> Floats:
    """(n, components) float32 positions of the documents, finite, the same each time for the same seed.

    `graph` must be of these vectors; UMAP takes spec.neighbors − 1 of its neighbours and the document itself, as
    umap-learn counts. `init` (n, components): another map's positions to start from; the result is turned to lie upon
    it. `components`: 2 or 3.
    `progress` is asked after every epoch, and before and after a spectral start, which is one step. Identical vectors
    make a round cloud (UMAP) or one spot (PCA); fewer than 4 documents are laid out by PCA. Raises `BadInput` where the
    parts do not fit.
    """
    count = len(vectors)
    if len(graph) != count or (init is not None and init.shape != (count, components)):
        raise BadInput(f"The neighbours or the start belong to another corpus than these {count} vectors.")
    if spec.aligned_with and init is None:
        raise BadInput("A map that starts from another one needs its positions.", "Choose pca to start afresh.")
    if spec.method == "pca" or count < FEWEST:
        flat = pca(vectors, graph.metric, spec.seed, None, progress, components)
        return flat if init is None else procrustes(init, flat)
    with ONE_AT_A_TIME:
        total = epochs_for(count, spec) + PREPARED
        progress(0, total)
        edges = memberships(graph.first(spec.neighbors - 1))
        progress(2, total)
        start = init if init is not None else _start(vectors, graph, edges, spec, components)
        progress(PREPARED, total)
        found = _optimise(_spread(start, spec.seed), edges, spec, progress)
    return found if init is None else procrustes(init, found)


def epochs_for(count: int, spec: MapSpec) -> int:
    """The spec's epochs, or umap-learn's rule: 500 up to 10,000 points, 200 above."""
    if spec.epochs is not None:
        return spec.epochs
    return 500 if count <= 10_000 else 200


def pca(
    vectors: DenseVectors,
    metric: str = "cosine",
    seed: int = 0,
    sample: int | None = None,
    progress: Progress = no_progress,
    components: int = 2,
) -> Floats:
    """(n, components) float32: the directions of greatest variance, each with its largest loading positive.

    By cosine rows are scaled to length 1 first. `sample`: find the directions from so many documents drawn by `seed`.
    Streams twice; memory d² and one block. Missing directions (one dimension, identical vectors) are 0.
    """
    count, dim = len(vectors), vectors.dim
    chosen = np.ones(count, np.bool_)
    if sample is not None and sample < count:
        chosen[:] = False
        chosen[np.random.default_rng(seed).choice(count, sample, replace=False)] = True
    mean, scatter = np.zeros(dim), np.zeros((dim, dim))
    for start, block in vectors.blocks(8192):
        progress(start, 2 * count)
        rows = _rows(block[chosen[start : start + len(block)]], metric)
        mean += rows.sum(axis=0, dtype=np.float64)
        scatter += rows.T @ rows
    used = max(1, int(chosen.sum()))
    mean /= used
    axes = np.linalg.eigh(scatter / used - np.outer(mean, mean))[1][:, ::-1][:, :components]
    if dim:
        axes *= np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)
    found = np.zeros((count, components), np.float32)
    for start, block in vectors.blocks(8192):
        progress(count + start, 2 * count)
        found[start : start + len(block), : axes.shape[1]] = (_rows(block, metric) - mean) @ axes
    return found


def _rows(block: Floats, metric: str) -> Floats:
    return normalize_rows(block) if metric == "cosine" else block


def _start(vectors: DenseVectors, graph: Graph, edges: Any, spec: MapSpec, components: int) -> Floats:
    if spec.init != "spectral":
        return pca(vectors, graph.metric, spec.seed, PCA_SAMPLE, components=components)
    from umap.spectral import spectral_layout

    rows = _rows(vectors.take(np.arange(len(vectors))), graph.metric)
    random = np.random.RandomState(spec.seed)
    metric = "cosine" if graph.metric == "cosine" else "euclidean"
    found: Floats = np.asarray(spectral_layout(rows, edges.tocoo(), components, random, metric=metric), np.float32)
    return found


def _spread(start: Floats, seed: int) -> Floats:
    """Scale to −10 … 10, all axes alike, and part points that share a place."""
    centred = np.nan_to_num(start.astype(np.float64) - start.mean(axis=0, dtype=np.float64))
    reach = np.abs(centred).max(initial=0)
    noise = np.random.default_rng(seed).normal(scale=1e-4 * WIDTH if reach else 1.0, size=centred.shape)
    found: Floats = (centred * (WIDTH / reach if reach else 0.0) + noise).astype(np.float32)
    return found


def _optimise(xy: Floats, joined: Any, spec: MapSpec, progress: Progress) -> Floats:
    from workbench.projections.kernel import move_points, move_points_in_space

    move = move_points if xy.shape[1] == 2 else move_points_in_space
    epochs = epochs_for(len(xy), spec)
    heaviest = joined.data.max(initial=0)
    # Edges that would take part in no epoch.
    joined.data[joined.data < heaviest / epochs] = 0
    joined.eliminate_zeros()
    joined.sort_indices()
    rates = (joined.data / heaviest).astype(np.float32)
    edges = (joined.indptr.astype(np.int32), joined.indices.astype(np.int32), rates)
    shape = curve(spec.min_dist)
    before, after = np.ascontiguousarray(xy), np.empty_like(xy)
    for epoch in range(epochs):
        step = (epoch, np.float32(1 - epoch / epochs))
        move(before, after, edges, shape, step, NEGATIVES, spec.seed)
        before, after = after, before
        progress(PREPARED + epoch + 1, PREPARED + epochs)
    return before
