"""Two maps laid upon each other, and new vectors placed in a map that stays as it is."""

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.types import Graph

Floats = NDArray[np.float32]
TINY = 1e-6
ROUNDS = 20


def procrustes(target: Floats, moved: Floats) -> Floats:
    """`moved` (n, 2) turned, mirrored, scaled alike on both axes and shifted to lie upon `target` (n, 2), float32.

    The transform with the least Σ |target − moved|² (Schönemann 1966; Gower 1975). Points that all share one place
    are put at the target's centre. Raises `BadInput` where the maps are of different numbers of documents.
    """
    if target.shape != moved.shape:
        raise BadInput(
            f"One map has {len(target)} documents and the other {len(moved)}.", "Compare maps of the same corpus."
        )
    if not len(target):
        return moved.astype(np.float32)
    goal, points = target.astype(np.float64), moved.astype(np.float64)
    centre = goal.mean(axis=0)
    goal, points = goal - centre, points - points.mean(axis=0)
    left, strengths, right = np.linalg.svd(points.T @ goal)
    squares = float((points**2).sum())
    scale = float(strengths.sum()) / squares if squares else 0.0
    aligned: Floats = (scale * points @ left @ right + centre).astype(np.float32)
    return aligned


def disparity(target: Floats, moved: Floats) -> float:
    """What remains after `procrustes`: Σ |target − aligned|² / Σ |target − its mean|², 0 (same shape) … 1."""
    spread = float(((target - target.mean(axis=0, dtype=np.float64)) ** 2).sum()) if len(target) else 0.0
    rest = float(((target.astype(np.float64) - procrustes(target, moved)) ** 2).sum())
    return rest / spread if spread else 0.0


def place(neighbours: Graph, xy: Floats) -> Floats:
    """(m, 2) float32: where new vectors would lie, from their true neighbours among the map's documents. Approximate.

    `neighbours` (m, k) holds ordinals of the map whose positions are `xy` (n, 2). A vector at distance ≤ 1e-6 of a
    document takes its place. Others take the weighted geometric median of their neighbours (Weiszfeld's iteration), so
    that a vector between two islands lands on the one that holds most of its weight, not in the sea between.
    Weights are UMAP's: exp(−(d − ρ) / σ), ρ the least distance, σ here the mean of d − ρ. Raises `BadInput` without
    neighbours.
    """
    if not len(neighbours):
        return np.empty((0, 2), np.float32)
    if neighbours.k == 0:
        raise BadInput("Nothing on this map is near enough to place a vector.", "Make the map of more documents.")
    spots = xy[neighbours.indices].astype(np.float64)
    beyond = neighbours.distances.astype(np.float64) - neighbours.distances.min(axis=1, keepdims=True)
    scale = np.maximum(beyond.mean(axis=1, keepdims=True), TINY)
    weights = np.exp(-beyond / scale)
    found = _median(spots, weights)
    nearest = neighbours.distances.argmin(axis=1)
    same = neighbours.distances.min(axis=1) <= TINY
    found[same] = spots[same, nearest[same]]
    return found.astype(np.float32)


def _median(spots: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(m, 2) weighted geometric medians of (m, k, 2)."""
    width = np.maximum(np.ptp(spots, axis=1).max(axis=1), TINY)[:, None]
    found: NDArray[np.float64] = np.einsum("mkd,mk->md", spots, weights) / weights.sum(axis=1, keepdims=True)
    for _ in range(ROUNDS):
        # Bounded below, so that a median at one of the spots stays there instead of dividing by 0.
        pulls = weights / np.maximum(np.linalg.norm(spots - found[:, None], axis=2), 1e-3 * width)
        found = np.einsum("mkd,mk->md", spots, pulls) / pulls.sum(axis=1, keepdims=True)
    return found
