"""How much two rankings agree: overlap at a depth, and rank-biased overlap."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ordinals = Sequence[int] | NDArray[np.int64]
"""The documents of a ranking, best first, each once."""


def overlap(a: Ordinals, b: Ordinals, k: int) -> float:
    """|A ∩ B| / k over the first `k` of both, 0 … 1.

    Where neither list has `k` documents, the longer one's length stands in for `k`: two equal short lists agree fully,
    and one that is missing documents never does. Two empty lists agree: 1. Raises `ValueError` on k < 1 or a document
    that stands twice in a list.
    """
    if k < 1:
        raise ValueError(f"overlap is asked for at depth {k}")
    first, second = _checked(a)[:k], _checked(b)[:k]
    depth = max(first.size, second.size)
    return float(np.intersect1d(first, second, assume_unique=True).size / depth) if depth else 1.0


def rbo(a: Ordinals, b: Ordinals, p: float = 0.9) -> float:
    """Extrapolated rank-biased overlap of two lists without ties, 0 … 1: RBO_EXT, equation 32 of Webber, Moffat and
    Zobel, “A similarity measure for indefinite rankings” (2010), which takes lists of different lengths.

    `p` is the chance that a reader goes on to the next rank: at 0.9 the first ten ranks carry 86 % of the weight. What
    is seen is taken to go on: equal lists give 1, disjoint ones 0, and a list gives 1 with its own beginning. Two
    empty lists give 1, an empty one with any other 0. Raises `ValueError` on p outside 0 … 1 or a document that stands
    twice in a list.
    """
    if not 0 < p < 1:
        raise ValueError(f"p is {p}; it must lie between 0 and 1")
    short, long = sorted((_checked(a), _checked(b)), key=len)
    s, n = short.size, long.size
    if s == 0:
        return 1.0 if n == 0 else 0.0
    common, at_short, at_long = np.intersect1d(short, long, assume_unique=True, return_indices=True)
    # A document counts from the depth at which both lists have shown it.
    seen = np.bincount(np.maximum(at_short, at_long), minlength=n)[:n] if common.size else np.zeros(n, np.int64)
    together = np.cumsum(seen).astype(np.float64)
    depth = np.arange(1, n + 1, dtype=np.float64)
    x_s, x_n = together[s - 1], together[-1]
    agreement = together / depth
    # Below its end, the shorter list is taken to agree as it did so far.
    agreement[s:] += x_s * (depth[s:] - s) / (s * depth[s:])
    tail = (x_n - x_s) / n + x_s / s
    return float((1 - p) / p * np.sum(agreement * p**depth) + tail * p**n)


def _checked(ranking: Ordinals) -> NDArray[np.int64]:
    ordinals = np.asarray(ranking, dtype=np.int64)
    if ordinals.ndim != 1 or np.unique(ordinals).size != ordinals.size:
        raise ValueError("a ranking is a flat list that holds each document once")
    return ordinals
