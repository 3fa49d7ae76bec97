"""Search: a query through a pipeline, or the neighbours of a document → hits with scores, stages and timings."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from workbench import corpora
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.types import Content, Document, Filter, Hit, Modality, Ranking, Stage
from workbench.vectors import DenseVectors, SparseVectors
from workbench.workflows import retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.index import EXACT, INVERTED
from workbench.workflows.matching import matched_terms
from workbench.workflows.retrieving import empty_memory, in_memory
from workbench.workflows.stages import StageResult

__all__ = [
    "SearchResult",
    "StageResult",
    "System",
    "empty_memory",
    "in_memory",
    "matched_terms",
    "neighbours",
    "search",
    "systems",
]


TEXT: frozenset[Modality] = frozenset({"text"})


@dataclass(frozen=True)
class SearchResult:
    """The hits of a search, best first, and what each stage gave, in the pipeline's order.

    `timings`, in milliseconds and in order: load, encode, filter, one of each stage by its label, documents, total.
    """

    hits: list[Hit]
    timings: dict[str, float]
    query: Content
    pipeline: PipelineSpec
    stages: list[StageResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def effective_query(self) -> str:
        """What the first retriever really encoded; "" for neighbours of a document."""
        return self.stages[0].effective if self.stages else ""


@dataclass(frozen=True)
class System:
    """Something that can be searched: `encoder` and `index` as a `RetrieverSpec` takes them.

    `ready` is off where no query can be asked: ready-made vectors, or a sparse embedding without its index.
    """

    label: str
    encoder: str
    index: str
    ready: bool
    output: str = "dense"
    modalities: frozenset[Modality] = TEXT


def search(
    project: Project,
    corpus: str,
    query: str | Content,
    pipeline: PipelineSpec,
    k: int = 10,
    filters: Sequence[Filter] = (),
) -> SearchResult:
    """The `k` best documents of `corpus` for the query `text`, of those that pass every filter.

    A dense system finds min(k, those that pass); a sparse one only documents that share a term with the query.
    Raises `BadInput` on an empty query or a pipeline this version cannot run, `NotFound` on names.
    """
    query = Content(query) if isinstance(query, str) else query
    text = query.text
    if not text.strip():
        raise BadInput("The query is empty.", "Write what you are looking for.")
    retriever = only_retriever(pipeline)
    clock = Clock()
    info = corpora.find(project.db, corpus)
    with clock.time("load"):
        embedding = find_embedding(project, info, retriever.encoder)
        target = retrieving.find_target(project, embedding, retriever)
        encoder = retrieving.query_encoder(embedding)
        index = target.open()
    settings, notes = retrieving.settings_of(retriever, index, target.label)
    with clock.time("encode"):
        matrix, effective = encoder.encode(text)
    retrieving.check_compatible(matrix, index, target.label)
    with clock.time("filter"):
        allowed = retrieving.allowed_documents(project, info, filters)
    with clock.time("retrieve"):
        (ranking,) = index.search(matrix, checked_k(k), settings, allowed)
    with clock.time("documents"):
        hits = hits_of(project, info, ranking, target.label)
    stage = StageResult(target.label, "retriever", ranking, 0.0, effective)
    return SearchResult(hits, clock.timings(), query, pipeline, [stage], [*encoder.warnings, *notes])


def neighbours(
    project: Project,
    corpus: str,
    encoder: str,
    document: int | str,
    k: int = 10,
    filters: Sequence[Filter] = (),
) -> SearchResult:
    """The `k` documents nearest to one by their stored vectors, itself left out. `document`: ordinal or id.

    Needs no model, so it works for ready-made vectors too. Raises `NotFound` on names.
    """
    clock = Clock()
    info = corpora.find(project.db, corpus)
    known = corpora.document(project.db, info, document)
    with clock.time("load"):
        embedding = find_embedding(project, info, encoder)
        retriever = RetrieverSpec(encoder=embedding.name, index=EXACT)
        target = retrieving.find_target(project, embedding, retriever)
        index = target.open()
        vectors = retrieving.vectors_of(embedding)
    with clock.time("filter"):
        allowed = retrieving.allowed_documents(project, info, filters)
    with clock.time("retrieve"):
        # One more than asked for, as the document itself is usually the first of them.
        (found,) = index.search(own_vector(vectors, known.ordinal), checked_k(k) + 1, {}, allowed)
        ranking = without(found, known.ordinal, k)
    with clock.time("documents"):
        hits = hits_of(project, info, ranking, target.label)
    asked = known.title or known.doc_id
    stage = StageResult(target.label, "retriever", ranking, clock.timings()["retrieve"])
    return SearchResult(hits, clock.timings(), Content(asked), PipelineSpec((retriever,)), [stage])


def systems(project: Project, corpus: str) -> list[System]:
    """What can be searched: each encoder's newest embedding exactly, then through each of its indices."""
    info = corpora.find(project.db, corpus)
    found: list[System] = []
    seen: set[str] = set()
    for embedding in project.artifacts.list("embedding", corpus_id=info.id):
        name = embedding.name
        if name in seen:
            continue
        seen.add(name)
        built = retrieving.indices_of(project, embedding)
        askable = "encoder_spec" in embedding.manifest
        if embedding.manifest["output"] == "sparse":
            label = retrieving.label_of(name, INVERTED)
            found.append(System(label, name, INVERTED, askable and INVERTED in built))
        else:
            names = [EXACT, *sorted(built)]
            found += [System(retrieving.label_of(name, each), name, each, askable) for each in names]
    return found


def only_retriever(pipeline: PipelineSpec) -> RetrieverSpec:
    """The one retriever of a pipeline. Raises `BadInput` on what later versions will run."""
    if len(pipeline.retrievers) != 1:
        raise BadInput(
            f"The pipeline has {len(pipeline.retrievers)} retrievers; this version runs one.",
            "Search with one at a time.",
        )
    for part, value in (("fusion", pipeline.fusion), ("reranker", pipeline.reranker)):
        if value:
            raise BadInput(f"The pipeline has a {part}, which this version cannot run.", f"Leave the {part} out.")
    return pipeline.retrievers[0]


class Clock:
    """Milliseconds of stages, in the order they ran."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._stages: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._stages[stage] = 1000 * (time.perf_counter() - started)

    def timings(self) -> dict[str, float]:
        """The stages and the `total` since the clock was made, which holds what is between them too."""
        rounded = {name: round(value, 3) for name, value in self._stages.items()}
        return rounded | {"total": round(1000 * (time.perf_counter() - self._started), 3)}


def checked_k(k: int) -> int:
    if k < 1:
        raise BadInput(f"{k} hits were asked for.", "Ask for 1 or more.")
    return k


def own_vector(vectors: DenseVectors | SparseVectors, ordinal: int) -> Any:
    """The stored vector of a document, (1, dim)."""
    return vectors.row(ordinal) if isinstance(vectors, SparseVectors) else vectors.take(np.array([ordinal]))


def without(ranking: Ranking, ordinal: int, k: int) -> Ranking:
    """The first `k` of a ranking that are not `ordinal`."""
    kept = ranking.ordinals != ordinal
    return replace(ranking, ordinals=ranking.ordinals[kept][:k], scores=ranking.scores[kept][:k])


def hits_of(project: Project, info: CorpusInfo, ranking: Ranking, stage: str) -> list[Hit]:
    """The documents of a ranking with their standing after `stage`."""
    documents: Sequence[Document] = corpora.documents(project.db, info.id, ranking.ordinals.tolist())
    hits = []
    for rank, (document, score) in enumerate(zip(documents, ranking.scores.tolist(), strict=True), start=1):
        stages: Mapping[str, Stage] = {stage: Stage(rank, score)}
        hits.append(Hit(rank, score, document, stages))
    return hits
