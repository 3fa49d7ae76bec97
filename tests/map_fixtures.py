"""Vectors for the tests of maps: stored as an embedding's are, with clusters that are known."""

from pathlib import Path

import numpy as np

from workbench.vectors import DenseVectors, ShardFolder


def stored(folder: Path, rows: np.ndarray, shard: int = 100) -> DenseVectors:
    """`rows` as an embedding's vectors, in shards of `shard` rows."""
    folder.mkdir(parents=True, exist_ok=True)
    store = ShardFolder(folder)
    for number, start in enumerate(range(0, len(rows), shard)):
        part = np.asarray(rows[start : start + shard], np.float32)
        store.write(number, {"values": part}, len(part))
    return DenseVectors(folder)


def blobs(count: int, dim: int = 16, centres: int = 5, spread: float = 0.3, seed: int = 0):
    """((count, dim) float32, (count,) which centre) around `centres` random centres."""
    random = np.random.default_rng(seed)
    middle = 2 * random.standard_normal((centres, dim))
    owners = random.integers(0, centres, count)
    return (middle[owners] + spread * random.standard_normal((count, dim))).astype(np.float32), owners
