"""Fusion: several rankings of one query → one. A pure function of the rankings; nothing is searched again.

Every method gives a document the sum of what each list says of it. Written with s for the score a list gives, r for the
rank (1 is best; equal scores stand in ordinal order, so ranks are never shared), w for the list's weight (1 unless
given), n for how many lists hold the document. A list that does not hold it adds 0.

    rrf      Σ w / (k + r − 1 + origin)    Cormack, Clarke, Büttcher, SIGIR 2009, with k = 60 and ranks from 1
    minmax   Σ w · (s − min) / (max − min)    "relative score fusion"; ½ where max = min
    combsum  the same sum    Fox and Shaw, TREC-2 1994
    combmnz  n · Σ w · (s − min) / (max − min)    Fox and Shaw, TREC-2 1994
    dbsf     Σ w · clip((s − (μ − 3σ)) / 6σ, 0, 1), σ with n − 1    Mazzeschi 2023, as in Qdrant; ½ where σ ≈ 0
    m3       Σ w · s / Σ w    BGE-M3's own `compute_score`; raw scores, so only for the outputs of one such model

min, max, μ and σ are those of the list, so a list of one document, or of equal scores, gives ½ to each. Scores may be
negative. The order of the lists makes no difference (with their weights), to the last bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.registry import unknown_name
from workbench.specs import FusionSpec
from workbench.types import Ranking

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lists:
    """The rankings as a table: `scores` and `ranks` (lists, documents), NaN where a list lacks the document.

    `weights` (lists, 1).
    """

    scores: Floats
    ranks: Floats
    weights: Floats

    @property
    def normalized(self) -> Floats:
        """Scores on 0 … 1 within each list: (s − min) / (max − min); ½ where all are equal."""
        low = np.nanmin(self.scores, axis=1, keepdims=True)
        return scaled(self.scores - low, np.nanmax(self.scores, axis=1, keepdims=True) - low)


def fuse(rankings: Sequence[Ranking], spec: FusionSpec) -> Ranking:
    """Join rankings into one of every document that any of them holds; equal results stand in ordinal order.

    A ranking without documents adds nothing. `spec.weights` go with the rankings, in their order. Raises `BadInput` on
    a wrong number of weights, or settings that divide by zero.
    """
    weights = spec.weights or (1.0,) * len(rankings)
    if len(weights) != len(rankings):
        raise BadInput(
            f"There are {len(weights)} fusion weights for {len(rankings)} rankings.", "Give one for each, in order."
        )
    if spec.method not in FUSIONS:
        raise unknown_name("fusion", spec.method, FUSIONS)
    filled = [(ranking, weight) for ranking, weight in zip(rankings, weights, strict=True) if len(ranking)]
    if not filled:
        return Ranking(np.empty(0, np.int64), np.empty(0, np.float32))
    ordinals = np.unique(np.concatenate([ranking.ordinals for ranking, _ in filled]))
    scores = np.full((len(filled), ordinals.size), np.nan)
    ranks = scores.copy()
    for row, (ranking, _) in enumerate(filled):
        places = np.searchsorted(ordinals, ranking.ordinals)
        scores[row, places] = ranking.scores
        ranks[row, places] = np.arange(1, len(ranking) + 1)
    lists = Lists(scores, ranks, np.array([[weight] for _, weight in filled], np.float64))
    return Ranking.of(ordinals, FUSIONS[spec.method](lists, spec))


def rrf(lists: Lists, spec: FusionSpec) -> Floats:
    """Reciprocal rank fusion. `k` = 60 from rank 1 is the paper's 60; the same from rank 0 is the paper's 59."""
    if spec.k + spec.origin == 0:
        raise BadInput("RRF with k = 0 and ranks from 0 divides by zero.", "Count ranks from 1, or choose a larger k.")
    return total(lists.weights / (spec.k + lists.ranks - 1 + spec.origin))


def minmax(lists: Lists, spec: FusionSpec) -> Floats:
    """The weighted sum of min–max normalised scores. CombSUM is this very sum, under its older name."""
    return total(lists.weights * lists.normalized)


def combmnz(lists: Lists, spec: FusionSpec) -> Floats:
    """CombSUM, times the number of lists that hold the document."""
    holding: Floats = np.count_nonzero(~np.isnan(lists.scores), axis=0).astype(np.float64)
    return np.multiply(holding, minmax(lists, spec))


def dbsf(lists: Lists, spec: FusionSpec) -> Floats:
    """Distribution-based score fusion: three standard deviations to either side of the mean become 0 … 1."""
    count = np.count_nonzero(~np.isnan(lists.scores), axis=1, keepdims=True)
    centred = lists.scores - np.nanmean(lists.scores, axis=1, keepdims=True)
    spread = np.sqrt(np.nansum(centred**2, axis=1, keepdims=True) / np.maximum(count - 1, 1))
    # Equal scores often differ in their last bit, by the rounding of float32 products: that is no spread.
    spread[spread <= 1e-6 * np.nanmax(np.abs(lists.scores), axis=1, keepdims=True)] = 0
    return total(lists.weights * np.clip(scaled(centred + 3 * spread, 6 * spread), 0, 1))


def m3(lists: Lists, spec: FusionSpec) -> Floats:
    """The weighted mean of raw scores, by BGE-M3's own form. Needs every score: a missing one counts as 0."""
    return total(lists.weights * lists.scores) / float(lists.weights.sum() or 1)


def scaled(values: Floats, widths: Floats) -> Floats:
    """`values` / `widths` (lists, 1); ½ in a list of width 0, NaN where a document is missing."""
    flat = widths == 0
    return np.where(flat, np.where(np.isnan(values), np.nan, 0.5), values / np.where(flat, 1, widths))


def total(parts: Floats) -> Floats:
    """(documents,) sums over the lists, missing ones 0, added from the smallest on: in one order for all orders."""
    ordered: Floats = np.sort(np.nan_to_num(parts, nan=0.0), axis=0)
    summed: Floats = ordered.sum(axis=0)
    return summed


FUSIONS: Mapping[str, Callable[[Lists, FusionSpec], Floats]] = {
    "rrf": rrf,
    "minmax": minmax,
    "dbsf": dbsf,
    "combsum": minmax,
    "combmnz": combmnz,
    "m3": m3,
}
