"""The stages of a pipeline: retrieve, fuse, rerank. Each gives a `Ranking`, and is timed, named and kept."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from workbench import corpora
from workbench.checkpoints import loaded
from workbench.corpora import CorpusInfo
from workbench.errors import WorkbenchError
from workbench.fusion import fuse
from workbench.project import Project
from workbench.specs import FusionSpec, RerankSpec, RetrieverSpec
from workbench.types import Content, Filter, Ranking
from workbench.workflows import hubness, m3_scores, retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.kept import Retrieved, kept, key_of
from workbench.workflows.memory import room_for
from workbench.workflows.retrieving import Target

if TYPE_CHECKING:
    from workbench.rerankers.base import Window

Kind = Literal["retriever", "fusion", "reranker"]


@dataclass(frozen=True)
class StageResult:
    """What one stage of a pipeline gave.

    `milliseconds`: encoding the query and searching, or joining, or scoring again; not loading. `effective`: the query
    as it was really encoded (a fusion has none). `note`: what a person should know (“found nothing: …”, “truncated: …”).
    `kept`: on where the ranking or all of its scores were there already, so that nothing was searched or scored.
    """

    label: str
    kind: Kind
    ranking: Ranking
    milliseconds: float
    effective: str = ""
    note: str = ""
    windows: "list[Window]" = field(default_factory=list)
    kept: bool = False


class Clock:
    """Milliseconds of steps, in the order they were first made; a step made again adds to its own."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._steps: dict[str, float] = {}

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._steps[step] = self._steps.get(step, 0.0) + 1000 * (time.perf_counter() - started)

    def spent(self, *steps: str) -> float:
        """Milliseconds of these steps together."""
        return round(sum(self._steps.get(step, 0.0) for step in steps), 3)

    def timings(self) -> dict[str, float]:
        """The steps and the `total` since the clock was made, which holds what is between them too."""
        rounded = {name: round(value, 3) for name, value in self._steps.items()}
        return rounded | {"total": round(1000 * (time.perf_counter() - self._started), 3)}


@dataclass(frozen=True)
class Asked:
    """One search: where, what, and among which documents."""

    project: Project
    info: CorpusInfo
    query: Content
    filters: Sequence[Filter] = ()


@dataclass(frozen=True)
class Found:
    """A retriever's stage, with what the next ones need of it."""

    stage: StageResult
    target: Target
    retrieved: Retrieved


def retrieve(asked: Asked, retriever: RetrieverSpec, depth: int, label: str, clock: Clock) -> Found:
    """The best `depth` documents of one retriever; a ranking that was made before is taken from memory.

    `label` names the step in the clock; "" = as the target is called. Raises `BadInput` on a query it cannot read,
    `NotFound` on names, `WorkbenchError` where memory runs out.
    """
    own = Clock()
    with clock.time("load"):
        embedding = find_embedding(asked.project, asked.info, retriever.encoder)
        target = retrieving.find_target(asked.project, embedding, retriever)
        if retriever.query_bank:
            hubness.check_retriever(retriever, embedding)
    query = asked.query
    if retriever.image_weight is not None:
        query = replace(query, image_weight=retriever.image_weight)
    key = key_of(
        asked.project, asked.info, retriever, (embedding, target.index), (query, tuple(asked.filters), depth)
    )
    searched = []

    def search() -> Retrieved:
        searched.append(True)
        with room_for(f"searching with “{embedding.name}”", target.owns):
            return run_retriever(replace(asked, query=query), retriever, target, depth, (label, clock, own))

    with clock.time(label) if not searched else clock.time(label):
        pass
    retrieved: Retrieved = kept().get(key, search, lambda found: found.size_bytes)
    milliseconds = own.spent("encode", "search")
    stage = StageResult(
        label, "retriever", retrieved.ranking, milliseconds, retrieved.effective, retrieved.note, kept=not searched
    )
    return Found(stage, target, retrieved)
