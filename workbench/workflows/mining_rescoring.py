"""Candidates under a reranker's scores: the same documents and positives, scored again, as an artifact of their own."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench import corpora, query_sets
from workbench.artifacts import Artifact
from workbench.errors import BadInput
from workbench.mining import first, rescored
from workbench.project import Project
from workbench.specs import MiningSpec, RerankSpec
from workbench.types import Content, Progress
from workbench.vectors import ShardFolder
from workbench.workflows import reranking
from workbench.workflows.memory import room_for
from workbench.workflows.mining_candidates import BLOCK, KIND, CandidateSet
from workbench.workflows.mining_known import queries_at
from workbench.workflows.stages import Asked, contents_of, of_rerankers


def rescore(
    project: Project, base: CandidateSet, spec: MiningSpec, progress: Progress, before: tuple[int, int]
) -> Artifact:
    """Score the first `rerank_depth` candidates of each query, none: as many as the range needs, and all its positives.

    The other candidates leave. What an earlier attempt finished stays.
    Raises `BadInput` where more are asked for than were kept, and what `reranking.rerank` raises.
    """
    depth = depth_of(base, spec)
    if depth > base.depth:
        raise BadInput(
            f"{depth} candidates a query were to be scored again, and {base.depth} are kept.",
            "Raise the depth, or score fewer.",
        )
    identity = {"base": base.artifact.id, "reranker": spec.reranker, "rerank_depth": depth}
    name = f"{base.miner} → {spec.reranker}"
    draft = project.artifacts.begin(KIND, name, identity, [base.artifact.id], base.artifact.corpus_id)
    if draft.existing is not None:
        return draft.existing
    store = ShardFolder(draft.folder)
    scorer = _Scorer(project, base, spec.reranker)
    done, total = before
    for number in range(len(store.finished()), len(base)):
        arrays = scorer.shard(number, depth, partial(_told, progress, done + number * BLOCK, total))
        store.write(number, arrays, len(arrays["queries"]))
    progress(done + base.queries, total)
    kept = {key: value for key, value in base.manifest.items() if key not in ("id", "kind", "name", "spec", "inputs")}
    warnings = list(dict.fromkeys([*base.manifest["warnings"], *scorer.warnings]))
    return draft.commit(kept | {"reranker": spec.reranker, "depth": depth, "warnings": warnings})


def depth_of(base: CandidateSet, spec: MiningSpec) -> int:
    """How many candidates of each query are scored again."""
    return min(spec.rerank_depth or base.check(_unscored(spec)), int(base.manifest["documents"]))


def _told(progress: Progress, start: int, total: int, row: int) -> None:
    progress(start + row, total)


def _unscored(spec: MiningSpec) -> MiningSpec:
    return replace(spec, reranker="")


class _Scorer:
    """One reranker over the candidates of a set, query by query."""

    def __init__(self, project: Project, base: CandidateSet, reranker: str) -> None:
        self._project, self._base = project, base
        self._info = query_sets.find(project.db, str(base.manifest["query_set"]))
        self._corpus = corpora.find(project.db, int(base.artifact.corpus_id or 0))
        self._reranker = RerankSpec(reranker)
        self.warnings: list[str] = []

    def shard(self, number: int, depth: int, progress: Callable[[int], None]) -> dict[str, NDArray[Any]]:
        """The arrays of one shard, sorted by the new scores; `progress` counts its queries."""
        block, positives = self._base.block(number), self._base.positive_ordinals(number)
        block = first(block, depth)
        queries = queries_at(self._project, self._info, block.queries)
        scores = np.full(block.scores.shape, -np.inf, np.float32)
        own = np.full(positives.values.size, np.nan, np.float32)
        for row, query in enumerate(queries):
            progress(row)
            content = Content(query.text, self._project.media / query.image if query.image else None)
            part = slice(int(positives.offsets[row]), int(positives.offsets[row + 1]))
            given = block.ordinals[row][block.ordinals[row] >= 0].astype(np.int64)
            found = self._score(content, np.union1d(given, positives.values[part]))
            scores[row, : given.size] = [found[ordinal] for ordinal in given.tolist()]
            own[part] = [found[ordinal] for ordinal in positives.values[part].tolist()]
        moved = rescored(block, scores, block.positive_scores)
        arrays: dict[str, NDArray[Any]] = {
            "queries": moved.queries,
            "ordinals": moved.ordinals,
            "values": np.where(moved.ordinals < 0, np.float32(0), moved.scores),
            "ranks": moved.ranks,
            "marks": moved.marks,
            "offsets": positives.offsets,
            "positives": positives.values,
            "positive_scores": own,
        }
        return arrays if moved.near is None else arrays | {"near": moved.near}

    def _score(self, query: Content, ordinals: NDArray[np.int64]) -> dict[int, float]:
        asked = Asked(self._project, self._corpus, query)
        keys = [(self._corpus.fingerprint, int(ordinal)) for ordinal in ordinals]
        with room_for(f"scoring with “{self._reranker.name}”", of_rerankers):
            outcome = reranking.rerank(self._project, self._reranker, query, contents_of(asked, ordinals), keys)
        self.warnings = list(dict.fromkeys([*self.warnings, *outcome.warnings]))[:20]
        return dict(zip(ordinals.tolist(), outcome.scores.tolist(), strict=True))
