"""The miners: an encoder's embedding searched in blocks of queries, or a whole pipeline asked query by query."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from workbench.artifacts import Artifact
from workbench.corpora import CorpusInfo
from workbench.project import Project
from workbench.ragged import Ragged
from workbench.scoring import normalize_rows
from workbench.specs import PipelineSpec, RetrieverSpec
from workbench.types import Content, Ranking
from workbench.vectors import DenseVectors
from workbench.workflows import retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.exact_scores import exact_scores
from workbench.workflows.index import metric_of
from workbench.workflows.memory import room_for
from workbench.workflows.mining_known import Lists
from workbench.workflows.search import run
from workbench.workflows.stages import STEPS, Asked, Clock

if TYPE_CHECKING:
    from workbench.encoders.base import Matrix

Miner: TypeAlias = str | PipelineSpec
"""An encoder with an embedding of the corpus, searched exactly, or a pipeline."""

SCANNED = 1024
"""Queries that one scan over dense vectors serves."""
NONE = Ranking(np.empty(0, np.int64), np.empty(0, np.float32))


class Finder(Protocol):
    """A miner that was opened. `dense`: its dense embedding if it has one; `inputs`: artifacts it searches.

    `batch`: queries to ask at once, so that progress is told, and a job can be stopped, every few seconds.
    """

    label: str
    batch: int
    pipeline: PipelineSpec
    inputs: list[str]
    dense: Artifact | None
    warnings: list[str]

    def find(self, queries: Sequence[Content], depth: int, positives: Lists) -> tuple[list[Ranking], Ragged]:
        """(each query's best `depth`, the scores of its positives (t, 1), NaN where the miner does not find one).

        A query that the encoder cannot read finds nothing.
        """


def finder_of(project: Project, corpus: CorpusInfo, miner: Miner) -> Finder:
    """Raises `NotFound` on names, `BadInput` on a pipeline that does not fit."""
    pipeline = PipelineSpec((RetrieverSpec(encoder=miner),)) if isinstance(miner, str) else miner
    (first, *others) = pipeline.retrievers
    plain = not others and pipeline.reranker is None and not first.query_bank and first.image_weight is None
    return EncoderFinder(project, corpus, pipeline) if plain else PipelineFinder(project, corpus, pipeline)


class EncoderFinder:
    """One retriever: queries encoded and searched many at once, positives scored by their stored vectors."""

    def __init__(self, project: Project, corpus: CorpusInfo, pipeline: PipelineSpec) -> None:
        (retriever,) = pipeline.retrievers
        self.pipeline = pipeline
        self._embedding = find_embedding(project, corpus, retriever.encoder)
        self._target = retrieving.find_target(project, self._embedding, retriever)
        self._settings = retriever
        self.label = self._embedding.name if self._target.index is None else self._target.label
        self.inputs = [self._embedding.id, *([self._target.index.id] if self._target.index else [])]
        if self._embedding.manifest["output"] == "sparse":
            self.label = self._embedding.name
        self.dense = self._embedding if self._embedding.manifest["output"] == "dense" else None
        self.batch = SCANNED if self.dense else 64
        self.warnings: list[str] = []

    def find(self, queries: Sequence[Content], depth: int, positives: Lists) -> tuple[list[Ranking], Ragged]:
        with room_for(f"mining with “{self._embedding.name}”", self._target.owns):
            encoder = retrieving.query_encoder(self._embedding)
            index = self._target.open()
            readable = [
                row for row, each in enumerate(queries) if each.modalities and each.modalities <= encoder.modalities
            ]
            rankings = [NONE] * len(queries)
            scores = np.full((positives.values.size, 1), np.nan, np.float32)
            settings, warnings = retrieving.settings_of(self._settings, index, self._target.label)
            self.warnings = list(dict.fromkeys([*self.warnings, *encoder.warnings, *warnings]))
            if readable:
                matrix = encoder.encode_many([queries[row] for row in readable])
                retrieving.check_compatible(matrix, index, self._target.label)
                wanted = retrieving.index_queries(self._target, index, matrix, [queries[row] for row in readable])
                for row, ranking in zip(readable, index.search(wanted, depth, settings), strict=True):
                    rankings[row] = ranking
                self._score(matrix, readable, positives, scores)
        return rankings, Ragged(scores, positives.offsets)

    def _score(self, matrix: "Matrix", readable: list[int], positives: Lists, scores: NDArray[np.float32]) -> None:
        vectors = retrieving.vectors_of(self._embedding)
        if isinstance(vectors, DenseVectors):
            lengths = np.diff(positives.offsets)
            places = np.full(lengths.size, -1)
            places[readable] = np.arange(len(readable))
            owners = np.repeat(places, lengths)
            asked = np.flatnonzero(owners >= 0)
            rows = vectors.take(positives.values[asked])
            found = pair_scores(np.asarray(matrix, np.float32)[owners[asked]], rows, metric_of(self._embedding))
            scores[asked, 0] = found
            return
        for place, row in enumerate(readable):
            own = slice(int(positives.offsets[row]), int(positives.offsets[row + 1]))
            one: Any = Ragged.of([matrix[place]], matrix.dim) if isinstance(matrix, Ragged) else matrix[place]
            scores[own, 0] = exact_scores(self._embedding, one, positives.values[own])


def pair_scores(left: NDArray[np.float32], right: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """(m,) score of each pair of rows, in float64 as exact search scores what it returns (`indices/scan.py`)."""
    if metric == "cosine":
        left, right = normalize_rows(left), normalize_rows(right)
    first, second = left.astype(np.float64), right.astype(np.float64)
    if metric == "l2":
        away: NDArray[np.float32] = -np.linalg.norm(first - second, axis=1).astype(np.float32)
        return away
    found: NDArray[np.float32] = np.einsum("ij,ij->i", first, second).astype(np.float32)
    return found


class PipelineFinder:
    """A whole pipeline, one query after the other. A positive that it does not rank has no score (NaN)."""

    def __init__(self, project: Project, corpus: CorpusInfo, pipeline: PipelineSpec) -> None:
        self.pipeline = pipeline
        self._project, self._corpus = project, corpus
        embeddings = [find_embedding(project, corpus, each.encoder) for each in pipeline.retrievers]
        targets = [
            retrieving.find_target(project, embedding, each)
            for embedding, each in zip(embeddings, pipeline.retrievers, strict=True)
        ]
        self.inputs = [each.id for each in embeddings] + [each.index.id for each in targets if each.index]
        names = " + ".join(dict.fromkeys(each.name for each in embeddings))
        self.label = f"{names} → {pipeline.reranker.name}" if pipeline.reranker else names
        self.batch = 8
        self.dense = next((each for each in embeddings if each.manifest["output"] == "dense"), None)
        self.warnings: list[str] = []

    def find(self, queries: Sequence[Content], depth: int, positives: Lists) -> tuple[list[Ranking], Ragged]:
        rankings = [self._ask(query, depth) if query.modalities else NONE for query in queries]
        scores = np.full((positives.values.size, 1), np.nan, np.float32)
        for row, ranking in enumerate(rankings):
            own = slice(int(positives.offsets[row]), int(positives.offsets[row + 1]))
            order = np.argsort(ranking.ordinals)
            for place, ordinal in enumerate(positives.values[own].tolist(), start=own.start):
                at = int(np.searchsorted(ranking.ordinals, ordinal, sorter=order))
                if at < order.size and ranking.ordinals[order[at]] == ordinal:
                    scores[place, 0] = ranking.scores[order[at]]
        return rankings, Ragged(scores, positives.offsets)

    def _ask(self, query: Content, depth: int) -> Ranking:
        asked = Asked(self._project, self._corpus, query)
        stages, warnings = run(asked, self.pipeline, depth, Clock(STEPS))
        self.warnings = list(dict.fromkeys([*self.warnings, *warnings]))[:20]
        ranking = stages[-1].ranking
        # What the reranker did not see has no score of its own.
        depth = min(depth, self.pipeline.reranker.depth) if self.pipeline.reranker else depth
        return replace(ranking, ordinals=ranking.ordinals[:depth], scores=ranking.scores[:depth])
