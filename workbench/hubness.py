"""Hubness, and query bank normalisation (QB-Norm) against it.

In spaces of many dimensions a few documents are near to very many queries. QB-Norm (Bogolin, Croitoru, Jin, Liu,
Albanie, CVPR 2022) measures that with a bank B of queries, and makes a document's score smaller by as much as the bank
likes it: the dynamic inverted softmax, here in its logarithm, which orders documents of one query the same way:

    s'(q, g) = s(q, g) − (1 / β) · log Σ_b exp(β · s(b, g))    where q's best document is the best of some b in B,
    s'(q, g) = s(q, g)                                          else.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.scoring import normalize_rows

Floats = NDArray[np.float32]
Blocks = Iterable[tuple[int, Floats]]
"""(first ordinal, (m, d) float32) for consecutive blocks, as `DenseVectors.blocks` gives them."""
ROWS = 4096
"""Documents compared with the whole bank at once: 2,000 queries × 4,096 scores are 33 MB."""


@dataclass(frozen=True)
class BankStatistics:
    """What a bank says of each document. `active` (n,) bool: it is the best of some query of the bank.

    `log_sums` (n,) float32: (1 / β) · log Σ_b exp(β · s(b, g)).
    """

    active: NDArray[np.bool_]
    log_sums: Floats
    queries: int

    @property
    def size_bytes(self) -> int:
        return self.active.nbytes + self.log_sums.nbytes


def similarities(queries: Floats, documents: Floats, metric: str) -> Floats:
    """(q, m) scores by `metric`: cosine, dot, or l2 as the negative distance."""
    if metric == "cosine":
        queries, documents = normalize_rows(queries), normalize_rows(documents)
    products: Floats = queries @ documents.T
    if metric != "l2":
        return products
    squares = np.einsum("ij,ij->i", queries, queries)[:, None] + np.einsum("ij,ij->i", documents, documents)
    distances: Floats = np.sqrt(np.maximum(squares - 2 * products, 0)).astype(np.float32)
    return -distances


def all_scores(query: Floats, blocks: Blocks, count: int, metric: str) -> Floats:
    """(count,) scores of one query (1, d) for every document."""
    scores = np.empty(count, np.float32)
    for start, block in blocks:
        scores[start : start + len(block)] = similarities(query, block, metric)[0]
    return scores


def bank_statistics(bank: Floats, blocks: Blocks, count: int, metric: str, beta: float) -> BankStatistics:
    """Compare a bank (b, d) with every document, block by block. Of equally good documents the first is the best."""
    log_sums = np.zeros(count, np.float32)
    best = np.full(len(bank), -np.inf, np.float32)
    owners = np.full(len(bank), -1, np.int64)
    for start, whole in blocks:
        for at in range(0, len(whole), ROWS):
            scores = similarities(bank, whole[at : at + ROWS], metric)
            first = start + at
            if not len(bank):
                continue
            places = scores.argmax(axis=1)
            values = scores[np.arange(len(bank)), places]
            better = values > best
            best[better], owners[better] = values[better], first + places[better]
            log_sums[first : first + scores.shape[1]] = log_sum(scores, beta)
    active = np.zeros(count, np.bool_)
    active[owners[owners >= 0]] = True
    return BankStatistics(active, log_sums, len(bank))


def log_sum(scores: Floats, beta: float) -> Floats:
    """(m,) (1 / β) · log Σ_b exp(β · s) over the rows of `scores` (b, m), without overflow."""
    highest = scores.max(axis=0)
    summed = np.exp(beta * (scores - highest).astype(np.float64)).sum(axis=0)
    found: Floats = (highest + np.log(summed) / beta).astype(np.float32)
    return found


def normalized(scores: Floats, statistics: BankStatistics, allowed: NDArray[np.bool_] | None) -> tuple[Floats, bool]:
    """(QB-Norm's scores (n,), whether they differ from the raw ones).

    `allowed` (n,): the query's best document is looked for among these. Raw where it is no best one of the bank.
    """
    seen = scores if allowed is None else np.where(allowed, scores, -np.inf)
    if not seen.size or not statistics.active[int(seen.argmax())]:
        return scores, False
    return scores - statistics.log_sums, True


def occurrences(found: Iterable[NDArray[np.int64]], count: int) -> NDArray[np.int64]:
    """N_k (count,): in how many of the lists of ordinals each document stands."""
    lists = list(found)
    return np.bincount(np.concatenate([np.empty(0, np.int64), *lists]), minlength=count)


def skewness(counts: NDArray[np.integer]) -> float:
    """The third standardised moment of N_k, (1 / n) Σ ((N − μ) / σ)³, the usual measure of hubness
    (Radovanović, Nanopoulos, Ivanović, JMLR 2010). 0 where all are equal."""
    centred = counts - counts.mean() if counts.size else np.zeros(1)
    spread = float(np.sqrt(np.mean(centred**2)))
    return float(np.mean(centred**3)) / spread**3 if spread else 0.0


def top_hubs(counts: NDArray[np.integer], limit: int) -> list[tuple[int, int]]:
    """(ordinal, count) of the documents found most often, at most `limit`, none that was never found."""
    order = np.lexsort((np.arange(counts.size), -counts))[:limit]
    return [(int(each), int(counts[each])) for each in order if counts[each]]
