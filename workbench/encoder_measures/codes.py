"""Shorter and coarser copies of vectors, by the formulas of sentence-transformers 6.2 (util/quantization.py).

int8, per dimension, with (min, max) of the documents: step = (max − min) / 255, or 1 where that is 0;
code = clip(⌊(x − min) / step⌋, 0, 255) − 128. binary: bit = x > 0, eight to a byte, less 128.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from workbench.scoring import normalize_rows

Floats = NDArray[np.float32]
LEVELS = 255


def reduced(matrix: Floats, dim: int, normalize: bool) -> Floats:
    """The first `dim` columns of (n, d), of length 1 again where `normalize` (Kusupati et al. 2022, Matryoshka)."""
    kept: Floats = np.ascontiguousarray(matrix[:, :dim], np.float32)
    return normalize_rows(kept) if normalize else kept


def value_ranges(blocks: Iterable[Floats], dim: int) -> Floats:
    """(2, dim) float32: the lowest and the highest value of each dimension, both 0 without vectors."""
    low, high = np.full(dim, np.inf, np.float32), np.full(dim, -np.inf, np.float32)
    for block in blocks:
        if len(block):
            low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
    found: Floats = np.stack([low, high])
    return found if np.isfinite(found).all() else np.zeros((2, dim), np.float32)


def int8_codes(matrix: Floats, ranges: Floats) -> NDArray[np.int8]:
    """(n, d) int8 codes of (n, d) by `ranges` (2, d); what lies outside them gets the last code."""
    steps = (ranges[1] - ranges[0]) / LEVELS
    steps = np.where(steps == 0, 1, steps)
    codes = np.clip(np.floor((matrix - ranges[0]) / steps), 0, LEVELS)
    found: NDArray[np.int8] = (codes - 128).astype(np.int8)
    return found


def int8_values(codes: NDArray[np.int8], ranges: Floats) -> Floats:
    """(n, d) float32: what a code stands for, the middle of its step: min + (code + 128.5) · step."""
    steps = (ranges[1] - ranges[0]) / LEVELS
    found: Floats = (ranges[0] + (codes.astype(np.float32) + 128.5) * steps).astype(np.float32)
    return found


def binary_codes(matrix: Floats) -> NDArray[np.int8]:
    """(n, ⌈d / 8⌉) int8: the signs, one bit a dimension."""
    found: NDArray[np.int8] = (np.packbits(matrix > 0, axis=-1).astype(np.int16) - 128).astype(np.int8)
    return found


def signs(matrix: Floats) -> Floats:
    """(n, d) float32 of 1 and −1: what the bits stand for. Their inner product is d − 2 · Hamming distance."""
    found: Floats = np.where(matrix > 0, np.float32(1), np.float32(-1))
    return found
