"""A few queries with their candidates: who found each, at which rank and score, and which rule dropped it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora, query_sets
from workbench.mining import Candidates, apply_rules, joined
from workbench.mining.rules import drops, looked_at
from workbench.project import Project
from workbench.specs import MiningSpec
from workbench.types import Document, Query
from workbench.workflows.mining_candidates import BLOCK, CandidateSet
from workbench.workflows.mining_known import queries_at
from workbench.workflows.mining_rules import candidates_of, checked


@dataclass(frozen=True)
class Sighting:
    """What one miner says of a candidate. `positive_score`: the lowest of the query, None where it found no positive.

    `dropped`: the first rule that drops it, empty where all leave it.
    """

    miner: str
    rank: int
    score: float
    positive_score: float | None
    dropped: str


@dataclass(frozen=True)
class ExampleCandidate:
    """A candidate of a query; `taken`: it becomes a negative."""

    document: Document
    sightings: list[Sighting]
    taken: bool


@dataclass(frozen=True)
class Example:
    """A query at `place` (from 0, of those that are mined) with its positives and its first candidates.

    `more` candidates are not shown; `taken` negatives in all.
    """

    place: int
    query: Query
    positives: list[Document]
    candidates: list[ExampleCandidate]
    more: int
    taken: int


def examples(
    project: Project, artifacts: Sequence[str], spec: MiningSpec, start: int = 0, count: int = 3, shown: int = 5
) -> list[Example]:
    """`count` queries spread evenly over those that are mined, from place `start` on (counted round).

    Of each, the first `shown` candidates of every miner, best rank first, and all that are taken.
    Raises as `preview`.
    """
    sets = [candidates_of(project, each) for each in artifacts]
    widths = checked(sets, spec)
    total = sets[0].queries
    stride = max(1, -(-total // count))
    places = list(dict.fromkeys((start + n * stride) % total for n in range(min(count, total))))
    return [_example(project, sets, (spec, widths), place, shown) for place in places]


def _example(
    project: Project, sets: Sequence[CandidateSet], rules: tuple[MiningSpec, list[int]], place: int, shown: int
) -> Example:
    spec, widths = rules
    number, row = divmod(place, BLOCK)
    blocks = [one_of(each.block(number), row) for each in sets]
    picked = joined(
        [apply_rules(block, spec, width) for block, width in zip(blocks, widths, strict=True)], spec.per_query
    )
    taken = set(picked.ordinals.tolist())
    seen: dict[int, list[Sighting]] = {}
    places: dict[int, int] = {}
    for each, block, width in zip(sets, blocks, widths, strict=True):
        positive = float(block.positive_scores[0])
        for column, dropped in enumerate(fates(block, spec, width)):
            ordinal = int(block.ordinals[0, column])
            if dropped is None:
                continue
            numbers = (int(block.ranks[0, column]), float(block.scores[0, column]))
            known = positive if np.isfinite(positive) else None
            seen.setdefault(ordinal, []).append(Sighting(each.miner, *numbers, known, dropped))
            places[ordinal] = min(column, places.get(ordinal, column))
    order = sorted(seen, key=lambda ordinal: (places[ordinal], ordinal))
    wanted = [each for each in order if places[each] < shown or each in taken]
    own = sets[0].positive_ordinals(number)
    positives = own.values[own.offsets[row] : own.offsets[row + 1]].tolist()
    corpus = int(sets[0].artifact.corpus_id or 0)
    known_documents = _documents(project, corpus, [*positives, *wanted])
    info = query_sets.find(project.db, str(sets[0].manifest["query_set"]))
    (query,) = queries_at(project, info, blocks[0].queries)
    return Example(
        place,
        query,
        [known_documents[each] for each in positives],
        [ExampleCandidate(known_documents[each], seen[each], each in taken) for each in wanted],
        len(order) - len(wanted),
        len(taken),
    )


def _documents(project: Project, corpus: int, ordinals: Sequence[int]) -> dict[int, Document]:
    found = corpora.documents(project.db, corpus, dict.fromkeys(ordinals))
    return {int(each.ordinal): each for each in found}


def one_of(block: Candidates, row: int) -> Candidates:
    """The candidates of one query of a block."""
    own: dict[str, Any] = {each.name: getattr(block, each.name) for each in fields(block)}
    part: dict[str, Any] = {name: None if value is None else value[row : row + 1] for name, value in own.items()}
    return replace(block, **part)


def fates(block: Candidates, spec: MiningSpec, width: int) -> list[str | None]:
    """Of each candidate of one query: the first rule that drops it, "" for none, None where it is not looked at."""
    alive = looked_at(block, width)
    found: list[str | None] = ["" if each else None for each in alive[0]]

    def note(cells: NDArray[np.bool_], rule: str) -> None:
        for column in np.flatnonzero(cells[0]):
            found[column] = rule

    for rule, cells in drops(block, spec):
        note(alive & cells, rule)
        alive &= ~cells
    left = np.cumsum(alive, axis=1)
    note(alive & ((left <= spec.range_min) | (left > spec.range_max)), "range")
    return found
