"""A pipeline asked many queries at once: encoded in batches, searched in batches; the hits are those of a search."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.corpora import CorpusInfo
from workbench.fusion import fuse
from workbench.project import Project
from workbench.ragged import Ragged
from workbench.specs import FusionSpec, PipelineSpec, RetrieverSpec
from workbench.types import Content, Progress, Ranking, no_progress
from workbench.workflows import banks, retrieving
from workbench.workflows.encode import find_embedding
from workbench.workflows.exact_scores import check_one_model, exact_scores
from workbench.workflows.memory import room_for
from workbench.workflows.search import depth_of
from workbench.workflows.stages import Asked, Clock, own_label, reranked

if TYPE_CHECKING:
    from workbench.encoders.base import Matrix
    from workbench.indices.base import Queries

NOTHING = Ranking(np.empty(0, np.int64), np.empty(0, np.float32))
LOAD, ENCODE = "load", "encode"


class BatchRetriever:
    """One retriever, opened. Raises `NotFound` on names, `BadInput` on a query bank that does not fit."""

    def __init__(self, project: Project, info: CorpusInfo, spec: RetrieverSpec, taken: Sequence[str]) -> None:
        self.spec = spec
        self.embedding = find_embedding(project, info, spec.encoder)
        self.target = retrieving.find_target(project, self.embedding, spec)
        if spec.query_bank:
            banks.check_retriever(spec, self.embedding)
        self.label = own_label(self.target.label, taken)
        self.unread = 0
        self._project, self._info = project, info
        self._opened = False
        self.warnings: list[str] = []

    def open(self) -> None:
        """Load the model and the index; the first time, say what there is to be warned of."""
        with room_for(f"searching with “{self.embedding.name}”", self.target.owns):
            self._encoder = retrieving.query_encoder(self.embedding)
            self._index = self.target.open()
            self._bank = banks.bank_of(self._project, self._info, self.embedding, self.spec, self._encoder)
        self._settings, warnings = retrieving.settings_of(self.spec, self._index, self.target.label)
        if not self._opened:
            self.warnings += [*self._encoder.warnings, *warnings]
        self._opened = True

    @property
    def memory_bytes(self) -> int:
        """What it holds to answer: the model and the index (or the vectors)."""
        self.open()
        return int(self._encoder.size_bytes + self._index.size_bytes)

    def find(self, queries: Sequence[Content], depth: int, clock: Clock) -> list[Ranking]:
        """The best `depth` of each query; `row` then tells how it was encoded.

        A query that the encoder cannot read finds nothing, and is counted in `unread`.
        """
        if self.spec.image_weight is not None:
            queries = [replace(each, image_weight=self.spec.image_weight) for each in queries]
        with clock.time(LOAD):
            self.open()
        readable = [
            row for row, each in enumerate(queries) if each.modalities and each.modalities <= self._encoder.modalities
        ]
        self.unread += len(queries) - len(readable)
        rankings = [NOTHING] * len(queries)
        self._places = {row: place for place, row in enumerate(readable)}
        if not readable:
            return rankings
        with room_for(f"searching with “{self.embedding.name}”", self.target.owns):
            with clock.time(ENCODE):
                asked = [queries[row] for row in readable]
                self._matrix = matrix = self._encoder.encode_many(asked)
                wanted = retrieving.index_queries(self.target, self._index, matrix, asked)
            retrieving.check_compatible(matrix, self._index, self.target.label)
            with clock.time(self.label):
                for row, ranking in zip(readable, self._search(wanted, depth), strict=True):
                    rankings[row] = ranking
                    if self._bank is not None:
                        one = row_of(matrix, self._places[row])
                        rankings[row] = self._bank.applied(ranking, one, depth, None)[0]
        return rankings

    def row(self, row: int) -> "Matrix | None":
        """Query `row` of the last `find` as it was encoded; None where it was not read."""
        return row_of(self._matrix, self._places[row]) if row in self._places else None

    def _search(self, queries: "Queries", depth: int) -> list[Ranking]:
        """A built index answers one query at a time, so threads share them; a scan is a matrix product already."""
        count = int(queries.shape[0])
        threads = min(os.cpu_count() or 1, count)
        if self.target.index is None or threads < 2 or isinstance(queries, Ragged):
            return self._index.search(queries, depth, self._settings)
        bounds = np.linspace(0, count, threads + 1).astype(int)
        parts: list[Any] = [queries[start:stop] for start, stop in pairwise(bounds)]
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(lambda part: self._index.search(part, depth, self._settings), parts)
            return [ranking for part in found for ranking in part]

    def lineage(self) -> dict[str, Any]:
        """What is known of the vectors and the index that were searched."""
        made = self.embedding.manifest
        names = ("model", "revision", "family", "output", "dim", "similarity", "storage", "dtype", "query_prompt")
        index = self.target.index
        return {
            "label": self.label,
            "encoder": self.embedding.name,
            "embedding": self.embedding.id,
            "index": None if index is None else index.id,
            "settings": dict(self._settings),
            **{name: made[name] for name in names if name in made},
        }


class BatchPipeline:
    """A whole pipeline over one corpus. Raises `NotFound` and `BadInput` before any work where it does not fit."""

    def __init__(self, project: Project, info: CorpusInfo, spec: PipelineSpec, k: int) -> None:
        self.spec, self.k = spec, k
        self._project, self._info = project, info
        self._depth = depth_of(spec, k)
        self.retrievers: list[BatchRetriever] = []
        for each in spec.retrievers:
            taken = [known.label for known in self.retrievers]
            self.retrievers.append(BatchRetriever(project, info, each, taken))
        self.labels = [each.label for each in self.retrievers]
        self.fusion = (spec.fusion or FusionSpec()) if len(self.retrievers) > 1 else None
        self.warnings: list[str] = []
        if self.fusion is not None:
            self.labels.append(own_label(self.fusion.method, self.labels))
            if self.fusion.method == "m3":
                check_one_model([each.embedding for each in self.retrievers])
        elif spec.fusion:
            self.warnings.append("The pipeline has one retriever, so its fusion does nothing.")
        self._fusion_label = self.labels[-1]
        if spec.reranker:
            name = spec.reranker.name
            self.labels.append(own_label(Path(name).name if Path(name).is_absolute() else name, self.labels))

    @property
    def steps(self) -> list[str]:
        """The names under which times are kept."""
        return [LOAD, ENCODE, *self.labels]

    @property
    def inputs(self) -> list[str]:
        """The artifacts that are searched."""
        return [artifact.id for each in self.retrievers for artifact in (each.embedding, each.target.index) if artifact]

    def answer(self, queries: Sequence[Content], clock: Clock, progress: Progress = no_progress) -> list[Ranking]:
        """The `k` best documents of each query. `progress` counts the queries that are done."""
        found = [each.find(queries, self._depth, clock) for each in self.retrievers]
        rankings = []
        for row, query in enumerate(queries):
            ranking = found[0][row]
            if self.fusion is not None:
                with clock.time(self._fusion_label):
                    ranking = fuse(self._completed([each[row] for each in found], row), self.fusion)
            if self.spec.reranker and len(ranking):
                progress(row, len(queries))
                asked = Asked(self._project, self._info, query)
                stage, told = reranked(asked, ranking, self.spec.reranker, self.labels[:-1], clock)
                self._warn(told)
                ranking = stage.ranking
            cut = len(ranking) > self.k
            rankings.append(Ranking(ranking.ordinals[: self.k], ranking.scores[: self.k]) if cut else ranking)
        for each in self.retrievers:
            self._warn(each.warnings)
        return rankings

    def _completed(self, lists: list[Ranking], row: int) -> list[Ranking]:
        """For the fusion m3 every candidate scored exactly in each list, as a search does it; else the lists."""
        if self.fusion is None or self.fusion.method != "m3":
            return lists
        ordinals = np.unique(np.concatenate([each.ordinals for each in lists]))
        return [
            Ranking.of(ordinals, exact_scores(each.embedding, one, ordinals)) if one is not None else NOTHING
            for each, one in ((each, each.row(row)) for each in self.retrievers)
        ]

    def _warn(self, told: Sequence[str]) -> None:
        # At most a few: warnings that name a query would fill a run's manifest.
        self.warnings += [each for each in dict.fromkeys(told) if each not in self.warnings][: 20 - len(self.warnings)]


def row_of(matrix: "Matrix", place: int) -> "Matrix":
    """One row of encoded queries, as a matrix of 1 row."""
    return Ragged.of([matrix[place]], matrix.dim) if isinstance(matrix, Ragged) else matrix[place : place + 1]
