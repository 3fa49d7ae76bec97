"""Search: a query through a pipeline, or the neighbours of a document → hits, each stage's standing, timings."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from workbench import corpora
from workbench.corpora import CorpusInfo
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import FusionSpec, PipelineSpec, RetrieverSpec
from workbench.types import Content, Filter, Hit, Ranking, Stage
from workbench.vectors import AnyVectors, DenseVectors, MultiVectors
from workbench.workflows import retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.index import EXACT
from workbench.workflows.matching import matched_terms
from workbench.workflows.memory import empty_memory, in_memory, memory_limit, set_memory_limit
from workbench.workflows.stages import STEPS, Asked, Clock, StageResult, fused, reranked, retrieve
from workbench.workflows.systems import System, systems

__all__ = [
    "SearchResult",
    "StageResult",
    "System",
    "empty_memory",
    "in_memory",
    "matched_terms",
    "memory_limit",
    "neighbours",
    "search",
    "set_memory_limit",
    "systems",
]


@dataclass(frozen=True)
class SearchResult:
    """The hits of a search, best first, and what each stage gave, in the pipeline's order.

    `timings`, in milliseconds and in order: load, encode, filter, one of each stage by its label (for a retriever its
    search alone), documents, total.
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


def search(
    project: Project,
    corpus: str,
    query: str | Content,
    pipeline: PipelineSpec,
    k: int = 10,
    filters: Sequence[Filter] = (),
) -> SearchResult:
    """The `k` best documents of `corpus` for a query, of those that pass every filter.

    A dense system finds min(k, those that pass); a sparse one only documents that share a term with the query. One
    retriever alone is asked for `k` documents; where several are joined or the result is reranked, each is asked for
    the pipeline's depth, or more where `k` or the reranker's depth is larger. A fusion over one retriever does nothing.
    Raises `BadInput` on an empty query or one that an encoder cannot read, `NotFound` on names, `WorkbenchError` where
    memory runs out.
    """
    asked = ask(project, corpus, query, filters)
    clock = Clock(STEPS)
    stages, warnings = run(asked, pipeline, checked_k(k), clock)
    with clock.time("documents"):
        hits = hits_of(project, asked.info, stages, k)
    return SearchResult(hits, clock.timings(), asked.query, pipeline, stages, warnings)


def ask(project: Project, corpus: str, query: str | Content, filters: Sequence[Filter] = ()) -> Asked:
    """Raises `BadInput` on an empty query, `NotFound` on the corpus."""
    content = Content(query) if isinstance(query, str) else query
    if not content.modalities:
        raise BadInput("The query is empty.", "Write what you are looking for, or give an image.")
    return Asked(project, corpora.find(project.db, corpus), content, filters)


def run(asked: Asked, pipeline: PipelineSpec, k: int, clock: Clock) -> tuple[list[StageResult], list[str]]:
    """(what each stage gave, warnings)."""
    stages, labels, warnings = candidates(asked, pipeline, depth_of(pipeline, k), clock)
    if pipeline.reranker:
        stage, told = reranked(asked, stages[-1].ranking, pipeline.reranker, labels, clock)
        stages.append(stage)
        warnings += told
    return stages, warnings


def depth_of(pipeline: PipelineSpec, k: int) -> int:
    """How many documents each retriever is asked for."""
    reranked_depth = pipeline.reranker.depth if pipeline.reranker else 0
    alone = len(pipeline.retrievers) == 1 and not pipeline.reranker
    return k if alone else max(k, pipeline.depth, reranked_depth)


def candidates(
    asked: Asked, pipeline: PipelineSpec, depth: int, clock: Clock
) -> tuple[list[StageResult], list[str], list[str]]:
    """(the stages before the reranker, their labels, warnings). Retrievers run one after the other."""
    found = []
    labels: list[str] = []
    warnings: list[str] = []
    for retriever in pipeline.retrievers:
        found.append(retrieve(asked, retriever, depth, labels, clock))
        stage = found[-1].stage
        labels.append(stage.label)
        warnings += [each for each in found[-1].retrieved.warnings if each not in warnings]
        if stage.note.startswith(("found nothing", "truncated")):
            warnings.append(f"{stage.label} — {stage.note}.")
    stages = [each.stage for each in found]
    if len(found) > 1:
        stages.append(fused(found, pipeline.fusion or FusionSpec(), labels, clock))
        labels.append(stages[-1].label)
    elif pipeline.fusion:
        warnings.append("The pipeline has one retriever, so its fusion does nothing.")
    return stages, labels, warnings


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
    stage = StageResult(target.label, "retriever", ranking, round(clock.spent("retrieve"), 3))
    with clock.time("documents"):
        hits = hits_of(project, info, [stage], k)
    asked = Content(known.title or known.doc_id)
    return SearchResult(hits, clock.timings(), asked, PipelineSpec((retriever,)), [stage])


def checked_k(k: int) -> int:
    if k < 1:
        raise BadInput(f"{k} hits were asked for.", "Ask for 1 or more.")
    return k


def own_vector(vectors: AnyVectors, ordinal: int) -> Any:
    """The stored vectors of a document as a query: 1 row."""
    if isinstance(vectors, DenseVectors | MultiVectors):
        return vectors.take(np.array([ordinal]))
    return vectors.row(ordinal)


def without(ranking: Ranking, ordinal: int, k: int) -> Ranking:
    """The first `k` of a ranking that are not `ordinal`."""
    kept = ranking.ordinals != ordinal
    return replace(ranking, ordinals=ranking.ordinals[kept][:k], scores=ranking.scores[kept][:k])


def hits_of(project: Project, info: CorpusInfo, stages: Sequence[StageResult], k: int) -> list[Hit]:
    """The documents of the last stage's first `k`, each with its standing after every stage that it was in."""
    last = stages[-1].ranking
    ordinals = last.ordinals[:k].tolist()
    standings: list[tuple[str, dict[int, Stage]]] = []
    for stage in stages:
        places = np.flatnonzero(np.isin(stage.ranking.ordinals, ordinals))
        scores, found = stage.ranking.scores[places].tolist(), stage.ranking.ordinals[places].tolist()
        ranked = {o: Stage(place + 1, score) for place, score, o in zip(places.tolist(), scores, found, strict=True)}
        standings.append((stage.label, ranked))
    return [
        Hit(
            rank,
            score,
            document,
            {label: known[document.ordinal] for label, known in standings if document.ordinal in known},
        )
        for rank, (document, score) in enumerate(
            zip(corpora.documents(project.db, info.id, ordinals), last.scores[:k].tolist(), strict=True), start=1
        )
    ]
