"""The rules: which candidates stay, which of those are taken, and how many each rule dropped."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.mining.candidates import Candidates, Mark
from workbench.specs import MiningSpec

RULES = (
    "positive",
    "query",
    "judged",
    "same_text",
    "same_source",
    "near_duplicate",
    "absolute_margin",
    "relative_margin",
    "max_score",
    "min_score",
    "range",
)
"""In the order they are applied; a candidate counts for the first that drops it. “query”: the query itself, by id or
text. The rules of scores, and their order, are those of mine_hard_negatives (sentence-transformers 6.2.0):
score + absolute > p, score > p − |p|·relative, score > max, score < min, p the lowest score of the query's positives;
the range comes last, over what is left. (Its counter of min_score counts what was dropped before once more; ours not.)
"""
_SPLITMIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))

Cells = NDArray[np.bool_]


@dataclass(frozen=True)
class Mined:
    """The negatives of a block of queries, query after query, in the order they were picked, and the counts.

    `rows` (m,) row of the block; `places` (m,) from 0 within the query; `ordinals`, `ranks`, `scores`,
    `positive_scores` (m,). `dropped`: rule → candidates, every rule named. `candidates`: looked at, `eligible`: left
    by all rules, of which the negatives are taken.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    ordinals: NDArray[np.int32]
    ranks: NDArray[np.int32]
    scores: NDArray[np.float32]
    positive_scores: NDArray[np.float32]
    dropped: Mapping[str, int]
    candidates: int
    eligible: int

    def __len__(self) -> int:
        return len(self.rows)


def considered_width(spec: MiningSpec, most_positives: int) -> int:
    """How deep a miner's ranking is looked at: range_max + the most positives that any query of the set has."""
    return spec.range_max + most_positives


def active_rules(spec: MiningSpec) -> list[str]:
    """The rules that `spec` switches on, each with its limit, in their order: “relative_margin 0.05”."""
    limits: dict[str, Any] = {
        "judged": spec.drop_judged,
        "same_text": spec.same_text,
        "same_source": spec.source_field,
        "near_duplicate": spec.near_duplicate,
        "absolute_margin": spec.absolute_margin,
        "relative_margin": spec.relative_margin,
        "max_score": spec.max_score,
        "min_score": spec.min_score,
        "range": f"{spec.range_min}:{spec.range_max}",
    }
    found = ["positive", "query"]
    for rule, limit in limits.items():
        if limit is not None and limit is not False and limit != "":
            found.append(rule if limit is True else f"{rule} {limit}")
    return found


def apply_rules(candidates: Candidates, spec: MiningSpec, width: int) -> Mined:
    """Mine a block of queries; `width` as `considered_width` says. A query with too few is left short.

    The result of a query depends on its own candidates and the seed only, never on the block it came in.
    Raises `BadInput` where near-duplicates are asked for and the candidates have no cosines.
    """
    alive = looked_at(candidates, width)
    total = int(alive.sum())
    dropped = dict.fromkeys(RULES, 0)
    for rule, cells in drops(candidates, spec):
        dropped[rule] = int((alive & cells).sum())
        alive &= ~cells
    left = np.cumsum(alive, axis=1, dtype=np.int32)
    window = alive & (left > spec.range_min) & (left <= spec.range_max)
    eligible = int(window.sum())
    dropped["range"] = int(alive.sum()) - eligible
    rows, columns = _top(window, left, spec) if spec.sampling == "top" else _drawn(candidates, window, spec)
    starts = np.searchsorted(rows, rows)
    return Mined(
        rows,
        np.arange(len(rows)) - starts,
        candidates.ordinals[rows, columns],
        candidates.ranks[rows, columns],
        candidates.scores[rows, columns],
        candidates.positive_scores[rows],
        dropped,
        total,
        eligible,
    )


def looked_at(candidates: Candidates, width: int) -> Cells:
    """(q, w): the candidates among the miner's own first `width`."""
    return (candidates.ordinals >= 0) & (candidates.ranks <= width)


def drops(candidates: Candidates, spec: MiningSpec, margins: bool = True) -> Iterator[tuple[str, Cells]]:
    """(rule, (q, w) cells that it drops) of each rule before the range, in their order."""
    marks = {"positive": Mark.POSITIVE, "query": Mark.QUERY}
    marks |= {"judged": Mark.JUDGED} if spec.drop_judged else {}
    marks |= {"same_text": Mark.SAME_TEXT} if spec.same_text else {}
    marks |= {"same_source": Mark.SAME_SOURCE} if spec.source_field else {}
    for rule, mark in marks.items():
        yield rule, (candidates.marks & np.uint8(mark)) != 0
    if spec.near_duplicate is not None:
        if candidates.near is None:
            raise BadInput(
                "These candidates have no cosines to the positives, so near-duplicates cannot be left out.",
                "Search the candidates again with near-duplicates, and with a dense encoder.",
            )
        yield "near_duplicate", candidates.near >= np.float32(spec.near_duplicate)
    if margins:
        yield from margin_drops(candidates, spec.absolute_margin, spec.relative_margin)
    if spec.max_score is not None:
        yield "max_score", candidates.scores > np.float32(spec.max_score)
    if spec.min_score is not None:
        yield "min_score", candidates.scores < np.float32(spec.min_score)


def margin_drops(candidates: Candidates, absolute: float | None, relative: float | None) -> Iterator[tuple[str, Cells]]:
    """The cells that lie too close to the lowest positive: all of them where that was not found (−inf)."""
    positive = candidates.positive_scores[:, None]
    if absolute is not None:
        yield "absolute_margin", candidates.scores + np.float32(absolute) > positive
    if relative is not None:
        with np.errstate(invalid="ignore"):
            limit = positive - np.abs(positive) * np.float32(relative)
        yield "relative_margin", candidates.scores > np.where(np.isneginf(positive), positive, limit)


def _top(window: Cells, left: NDArray[np.int32], spec: MiningSpec) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, columns = np.nonzero(window & (left <= spec.range_min + spec.per_query))
    return rows, columns


def _drawn(candidates: Candidates, window: Cells, spec: MiningSpec) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`per_query` of each row's window: those with the smallest hashes of seed, query and document.

    Hashes are independent and uniform, so every choice is equally likely; and a document's hash does not change with
    the other rules, so that moving a margin does not shuffle what is drawn.
    """
    keys = draw_keys(spec.seed, candidates.queries, candidates.ordinals)
    keys[~window] = np.iinfo(np.uint64).max
    count = min(spec.per_query, keys.shape[1])
    columns = np.argsort(keys, axis=1, kind="stable")[:, :count]
    taken = np.take_along_axis(window, columns, axis=1)
    rows = np.nonzero(taken)[0]
    return rows, columns[taken].astype(np.int64)


def draw_keys(seed: int, queries: NDArray[np.int64], ordinals: NDArray[np.int32]) -> NDArray[np.uint64]:
    """(q, w) uniform 64-bit hashes of seed, query and document (SplitMix64's finaliser, Steele et al. 2014)."""
    own = _mixed(_mixed(np.full(1, seed, np.uint64)) ^ queries.astype(np.uint64))
    return _mixed(own[:, None] ^ ordinals.astype(np.int64).astype(np.uint64))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    step, first, second = _SPLITMIX
    with np.errstate(over="ignore"):
        mixed = values + step
        mixed = (mixed ^ (mixed >> np.uint64(30))) * first
        mixed = (mixed ^ (mixed >> np.uint64(27))) * second
        return mixed ^ (mixed >> np.uint64(31))
