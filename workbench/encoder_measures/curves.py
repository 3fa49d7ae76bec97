"""Rankings of the same queries by the same vectors, cut to fewer dimensions and kept at lower precision.

Vectors are cut, scaled to length 1 again where the encoder compares by cosine, and then coded. int8: both sides are
coded with the documents' ranges, and what the codes stand for is compared by the encoder's own metric. binary: Hamming
distance of the signs; “rescored”: the best of those again by the inner product of the query's floats and the document's
signs (Yamada et al. 2021), as sentence-transformers does. Documents come block by block, so memory does not grow.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.encoder_measures.codes import Floats, int8_codes, int8_values, reduced, signs, value_ranges
from workbench.scoring import top_k

PRECISIONS = ("float32", "int8", "binary", "rescored")
HALVINGS, LEAST_DIM = 3, 8
ROWS = 4096
NONE = -1
Ordinals = NDArray[np.int64]
Blocks = Callable[[], Iterable[tuple[int, Floats]]]
"""Called once for each pass: (first ordinal, (m, d) float32), in the order of the ordinals."""


@dataclass(frozen=True, order=True)
class Variant:
    """One copy of the vectors: their dimension and precision."""

    dim: int
    precision: str

    @property
    def bytes(self) -> int:
        """Bytes of one vector."""
        each = {"float32": 4 * self.dim, "int8": self.dim}
        return each.get(self.precision, -(-self.dim // 8))


def variants_of(dim: int) -> list[Variant]:
    """All precisions at the whole dimension, a half, a quarter and an eighth of it, down to 8 dimensions."""
    dims = [dim, *(dim >> n for n in range(1, HALVINGS + 1) if dim >> n >= LEAST_DIM)]
    return [Variant(each, precision) for each in dims for precision in PRECISIONS]


class Best:
    """The `depth` best documents of each of q queries, of blocks given in the order of their ordinals; of equally good
    ones the first."""

    def __init__(self, queries: int, depth: int) -> None:
        self._depth = depth
        self._scores = np.full((queries, depth), -np.inf, np.float32)
        self._ordinals = np.full((queries, depth), NONE, np.int64)

    def add(self, first: int, scores: Floats) -> None:
        """Scores (q, m) of the documents from `first` on; −inf is none."""
        better = scores > self._scores[:, -1:]
        for row in np.flatnonzero(better.any(axis=1)):
            places = np.flatnonzero(better[row])
            kept = self._ordinals[row] != NONE
            known = np.concatenate([self._scores[row, kept], scores[row, places]])
            found = top_k(known, self._depth, np.concatenate([self._ordinals[row, kept], first + places]))
            self._scores[row, : len(found.scores)] = found.scores
            self._ordinals[row, : len(found.ordinals)] = found.ordinals

    def ordinals(self, k: int) -> Ordinals:
        """(q, k) the best first, −1 where there are fewer."""
        return self._ordinals[:, :k]


@dataclass(frozen=True)
class Ranked:
    """`found`: the ordinals (q, k) of each variant; `ranges` (2, dim): what the int8 codes of a dimension go by."""

    found: dict[Variant, Ordinals]
    ranges: dict[int, Floats]


def rank_variants(queries: Floats, blocks: Blocks, metric: str, k: int, own: Ordinals, rescore: int = 4) -> Ranked:
    """The `k` best documents of each query (q, d) for every variant of its dimension.

    `own` (q,): an ordinal left out of the query's own ranking, −1 for none. `rescore` · k documents are rescored. Three
    passes over `blocks`: the ranges of the int8 codes, the rankings, the signs of what is rescored.
    """
    cosine = metric == "cosine"
    variants = variants_of(queries.shape[1])
    dims = list(dict.fromkeys(each.dim for each in variants))
    ranges = {dim: value_ranges((reduced(part, dim, cosine) for _, part in parts(blocks)), dim) for dim in dims}
    sides = {dim: _query_sides(reduced(queries, dim, cosine), ranges[dim]) for dim in dims}
    best = {each: Best(len(queries), k * max(1, rescore) if each.precision == "binary" else k)
            for each in variants if each.precision != "rescored"}  # fmt: skip
    for first, part in parts(blocks):
        for dim in dims:
            documents = reduced(part, dim, cosine)
            coded = {"float32": documents, "binary": signs(documents)}
            coded["int8"] = int8_values(int8_codes(documents, ranges[dim]), ranges[dim])
            for precision, values in coded.items():
                scores = compared(sides[dim][precision], values, metric if precision != "binary" else "dot")
                _leave_out(scores, own, first)
                best[Variant(dim, precision)].add(first, scores)
    found = {variant: each.ordinals(k) for variant, each in best.items()}
    for dim in dims:
        deep = best[Variant(dim, "binary")].ordinals(k * max(1, rescore))
        found[Variant(dim, "rescored")] = _rescored(sides[dim]["float32"], deep, blocks, dim, k)
    return Ranked(found, ranges)


def parts(blocks: Blocks) -> Iterable[tuple[int, Floats]]:
    """The blocks in pieces small enough that their scores stay small."""
    for first, block in blocks():
        for at in range(0, len(block), ROWS):
            yield first + at, block[at : at + ROWS]


def compared(queries: Floats, documents: Floats, metric: str) -> Floats:
    """(q, m) inner products; negative Euclidean distances where the metric is l2. Cosine: rows have length 1."""
    products: Floats = queries @ documents.T
    if metric != "l2":
        return products
    squares = np.einsum("ij,ij->i", queries, queries)[:, None] + np.einsum("ij,ij->i", documents, documents)
    found: Floats = -np.sqrt(np.maximum(squares - 2 * products, 0)).astype(np.float32)
    return found


def recall(found: Ordinals, truth: Ordinals) -> float:
    """The mean share of the documents of `truth` (q, k) that are in `found` (q, k); −1 is none. 1 without any."""
    shares = []
    for mine, wanted in zip(found, truth, strict=True):
        known = wanted[wanted != NONE]
        shares.append(np.isin(known, mine).mean() if known.size else 1.0)
    return float(np.mean(shares)) if shares else 1.0


def _query_sides(queries: Floats, ranges: Floats) -> Mapping[str, Floats]:
    """What each precision compares with the documents."""
    return {
        "float32": queries,
        "int8": int8_values(int8_codes(queries, ranges), ranges),
        "binary": signs(queries),
    }


def _leave_out(scores: Floats, own: Ordinals, first: int) -> None:
    rows = np.flatnonzero((own >= first) & (own < first + scores.shape[1]))
    scores[rows, own[rows] - first] = -np.inf


def _rescored(queries: Floats, deep: Ordinals, blocks: Blocks, dim: int, k: int) -> Ordinals:
    """The `k` best of `deep` (q, depth) by the inner product of the floats of a query and the signs of a document."""
    wanted = np.unique(deep[deep != NONE])
    bits = _signs_of(wanted, blocks, dim)
    found = np.full((len(queries), k), NONE, np.int64)
    for row, query in enumerate(queries):
        candidates = np.sort(deep[row][deep[row] != NONE])
        chosen = top_k(bits[np.searchsorted(wanted, candidates)] @ query, k, candidates)
        found[row, : len(chosen.ordinals)] = chosen.ordinals
    return found


def _signs_of(wanted: Sequence[int] | Ordinals, blocks: Blocks, dim: int) -> Floats:
    """(w, dim) signs of the documents `wanted`, sorted."""
    ordinals = np.asarray(wanted, np.int64)
    rows = np.empty((ordinals.size, dim), np.float32)
    for first, part in parts(blocks):
        low, high = np.searchsorted(ordinals, [first, first + len(part)])
        rows[low:high] = signs(part[ordinals[low:high] - first, :dim])
    return rows
