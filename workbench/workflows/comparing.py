"""Comparing the columns of a search: which documents they share, and how far their orders agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.agreement import overlap, rbo
from workbench.errors import BadInput
from workbench.types import Ranking


@dataclass(frozen=True)
class Comparison:
    """What n rankings of one query share within their first k documents, by ordinal.

    `common`: in all of them; `only[i]`: in ranking i alone; `overlap` and `rbo`: (n, n) float64, symmetric, 1 on the
    diagonal (see `workbench.agreement`; RBO with p = 0.9, over the same first k).
    """

    common: set[int]
    only: list[set[int]]
    overlap: NDArray[np.float64]
    rbo: NDArray[np.float64]


def compare(rankings: Sequence[Ranking | Sequence[int]], k: int) -> Comparison:
    """Compare the first `k` documents of rankings (or ordinals, best first). Raises `BadInput` on k below 1."""
    if k < 1:
        raise BadInput(f"{k} hits were to be compared.", "Compare 1 or more.")
    lists = [[int(each) for each in ordinals_of(ranking)[:k]] for ranking in rankings]
    sets = [set(each) for each in lists]
    common = set.intersection(*sets) if sets else set()
    only = [each - set().union(*(other for other in sets if other is not each)) for each in sets]
    n = len(lists)
    shared, biased = np.ones((n, n)), np.ones((n, n))
    for i in range(n):
        for j in range(i):
            shared[i, j] = shared[j, i] = overlap(lists[i], lists[j], k)
            biased[i, j] = biased[j, i] = rbo(lists[i], lists[j])
    return Comparison(common, only, shared, biased)


def ordinals_of(ranking: Ranking | Sequence[int]) -> Sequence[int] | NDArray[np.int64]:
    return ranking.ordinals if isinstance(ranking, Ranking) else ranking
