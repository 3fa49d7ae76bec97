"""What each reranking depth changes: who moves in, how far the order is from none and from the deepest, the cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import sqlalchemy as sa

from workbench import corpora, query_sets
from workbench.agreement import overlap
from workbench.corpora import CorpusInfo
from workbench.db import queries
from workbench.errors import BadInput
from workbench.project import Project
from workbench.specs import PipelineSpec
from workbench.types import Content
from workbench.workflows.search import ask, candidates, checked_k, depth_of
from workbench.workflows.stages import Clock, reranked


@dataclass(frozen=True)
class DepthEffect:
    """The top k where the reranker sees the first `depth` candidates.

    `moved_in`: documents of it that are not in the top k without reranking. `overlap_with_none`, `overlap_with_deepest`
    (0 … 1): what it shares with the top k without reranking and at the deepest depth. `milliseconds`: of scoring all of
    them, in this call; what was scored before costs nothing. `ndcg`: None where the query has no judgments.
    """

    depth: int
    moved_in: int
    overlap_with_none: float
    overlap_with_deepest: float
    milliseconds: float
    ndcg: float | None


def depth_effects(
    project: Project,
    corpus: str,
    query: str | Content,
    pipeline: PipelineSpec,
    k: int = 10,
    depths: Sequence[int] = (5, 10, 20, 50, 100),
) -> list[DepthEffect]:
    """The effect of each depth, ascending; none above the number of candidates, which is then the deepest.

    Empty where the pipeline has no reranker or finds nothing. Raises what `search` raises.
    """
    checked_k(k)
    if any(depth < 1 for depth in depths):
        raise BadInput("A reranking depth is below 1.", "Give depths of 1 or more.")
    asked = ask(project, corpus, query)
    spec = pipeline.reranker
    if spec is None or not depths:
        return []
    stages, _, _ = candidates(asked, pipeline, depth_of(pipeline, max(k, *depths)), Clock())
    before = stages[-1].ranking
    if not len(before):
        return []
    wanted = sorted({min(depth, len(before)) for depth in depths})
    judgments = judgments_of(project, asked.info, asked.query)
    tops, spent, total = [], [], 0.0
    for depth in wanted:
        stage, _ = reranked(asked, before, replace(spec, depth=depth), (), Clock())
        # A deeper step finds the scores of the one before, and adds only its own time.
        total += stage.milliseconds
        tops.append(stage.ranking.ordinals[:k])
        spent.append(round(total, 3))
    none = before.ordinals[:k]
    return [
        DepthEffect(
            depth,
            int(np.setdiff1d(top, none).size),
            overlap(top, none, k),
            overlap(top, tops[-1], k),
            milliseconds,
            ndcg(top.tolist(), judgments, k) if judgments else None,
        )
        for depth, top, milliseconds in zip(wanted, tops, spent, strict=True)
    ]


def judgments_of(project: Project, info: CorpusInfo, query: Content) -> dict[int, int]:
    """Ordinal → relevance, by the first query set of the corpus that has a judged query of this very text."""
    if query.image is not None or not query.text.strip():
        return {}
    for known in query_sets.listed(project.db, info.name):
        same = (queries.c.query_set_id == known.id, queries.c.text == query.text)
        with project.db.read() as connection:
            found = connection.execute(sa.select(queries.c.query_id).where(*same).limit(1)).scalar()
        judged = query_sets.judged(project.db, known.id, found) if found is not None else {}
        if any(relevance > 0 for relevance in judged.values()):
            ordinals = corpora.ordinals_of(project.db, info.id, judged)
            # A relevant document that the corpus lacks still counts in the ideal order: below every ordinal.
            return {ordinals.get(doc_id, -1 - n): relevance for n, (doc_id, relevance) in enumerate(judged.items())}
    return {}


def ndcg(ordinals: Sequence[int], judgments: dict[int, int], k: int) -> float:
    """nDCG@k with gain = relevance and discount log2(rank + 1), as trec_eval has it; unjudged counts 0."""
    gains = [max(0, judgments.get(ordinal, 0)) for ordinal in ordinals[:k]]
    ideal = sorted((max(0, relevance) for relevance in judgments.values()), reverse=True)[:k]
    best = discounted(ideal)
    return discounted(gains) / best if best else 0.0


def discounted(gains: Sequence[int]) -> float:
    """Σ gain / log2(rank + 1)."""
    return float(sum(gain / np.log2(rank + 1) for rank, gain in enumerate(gains, start=1)))
