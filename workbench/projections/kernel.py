"""One epoch of UMAP's optimiser, in numba: the only file that is compiled, on first use, and kept beside its source.

It is the gradient descent of McInnes, Healy and Melville (2018) with the same edge sampling and negative samples as
umap-learn's, with one difference: within an epoch every point moves by itself against where the others stood before.
umap-learn moves both ends at once in one array, so with several threads its result depends on their race, and with a
seed it runs on one. Here the result is the same with any number of threads, and can stop between two epochs.
"""

import os
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

KEPT = os.access(Path(__file__).parent, os.W_OK)
"""Whether the compiled code can be kept for the next process, which saves its compilation."""


@numba.njit(inline="always")
def _clip(value: Any) -> Any:
    return min(np.float32(4.0), max(np.float32(-4.0), value))


@numba.njit(inline="always")
def _mixed(state: Any) -> Any:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): 64 random bits of a counter."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@numba.njit(parallel=True, fastmath=True, cache=KEPT)
def move_points(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    edges: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    curve: tuple[np.float32, np.float32],
    step: tuple[int, np.float32],
    negatives: int,
    seed: int,
) -> None:
    """Write to `after` (n, 2) where the points at `before` (n, 2) go in one epoch.

    `edges`: (indptr, tails, rates) of a symmetric CSR matrix; an edge of rate r takes part in r of all epochs, evenly.
    `curve`: a and b of 1 / (1 + a·d^2b). `step`: number of the epoch, learning rate. Each edge that takes part draws
    its head towards its tail (twice as strongly, since umap-learn visits it from both ends and moves both each time)
    and away from `negatives` random points.
    """
    indptr, tails, rates = edges
    a, b = curve
    epoch, rate = step
    count = before.shape[0]
    golden, one, two = np.uint64(0x9E3779B97F4A7C15), np.float32(1.0), np.float32(2.0)
    for head in numba.prange(count):
        x, y = before[head, 0], before[head, 1]
        start = _mixed(np.uint64(seed) + golden * np.uint64(head)) + np.uint64(epoch) * np.uint64(0xD1342543DE82EF95)
        state = _mixed(start)
        for edge in range(indptr[head], indptr[head + 1]):
            if np.floor((epoch + 1) * rates[edge]) == np.floor(epoch * rates[edge]):
                continue
            dx, dy = x - before[tails[edge], 0], y - before[tails[edge], 1]
            square = dx * dx + dy * dy
            if square > 0:
                pull = -two * two * a * b * square ** (b - one) / (a * square**b + one)
                x += _clip(pull * dx) * rate
                y += _clip(pull * dy) * rate
            for _ in range(negatives):
                state += golden
                other = np.int64(_mixed(state) % np.uint64(count))
                if other == head:
                    continue
                dx, dy = x - before[other, 0], y - before[other, 1]
                square = dx * dx + dy * dy
                if square > 0:
                    push = two * b / ((np.float32(0.001) + square) * (a * square**b + one))
                    x += _clip(push * dx) * rate
                    y += _clip(push * dy) * rate
        after[head, 0] = x
        after[head, 1] = y


@numba.njit(parallel=True, fastmath=True, cache=KEPT)
def move_points_in_space(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    edges: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    curve: tuple[np.float32, np.float32],
    step: tuple[int, np.float32],
    negatives: int,
    seed: int,
) -> None:
    """The same for points at `before` (n, 3); written out, as a loop over dimensions would slow the flat one."""
    indptr, tails, rates = edges
    a, b = curve
    epoch, rate = step
    count = before.shape[0]
    golden, one, two = np.uint64(0x9E3779B97F4A7C15), np.float32(1.0), np.float32(2.0)
    for head in numba.prange(count):
        x, y, z = before[head, 0], before[head, 1], before[head, 2]
        start = _mixed(np.uint64(seed) + golden * np.uint64(head)) + np.uint64(epoch) * np.uint64(0xD1342543DE82EF95)
        state = _mixed(start)
        for edge in range(indptr[head], indptr[head + 1]):
            if np.floor((epoch + 1) * rates[edge]) == np.floor(epoch * rates[edge]):
                continue
            tail = tails[edge]
            dx, dy, dz = x - before[tail, 0], y - before[tail, 1], z - before[tail, 2]
            square = dx * dx + dy * dy + dz * dz
            if square > 0:
                pull = -two * two * a * b * square ** (b - one) / (a * square**b + one)
                x += _clip(pull * dx) * rate
                y += _clip(pull * dy) * rate
                z += _clip(pull * dz) * rate
            for _ in range(negatives):
                state += golden
                other = np.int64(_mixed(state) % np.uint64(count))
                if other == head:
                    continue
                dx, dy, dz = x - before[other, 0], y - before[other, 1], z - before[other, 2]
                square = dx * dx + dy * dy + dz * dz
                if square > 0:
                    push = two * b / ((np.float32(0.001) + square) * (a * square**b + one))
                    x += _clip(push * dx) * rate
                    y += _clip(push * dy) * rate
                    z += _clip(push * dz) * rate
        after[head, 0] = x
        after[head, 1] = y
        after[head, 2] = z
